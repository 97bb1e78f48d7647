//! nginx as Debian installs it, with its key behind a server: the workers ask for each handshake's signature.

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::stage::nginx::{Nginx, Site};
use crate::stage::served::{Served, Way};
use crate::stage::{Stage, TOKEN, is_ours, is_root, output, succeed, wait_until};

/// Reads keys and uses them, and nothing else.
const ROLES: &[&str] = &["Key Vault Crypto User"];

/// A key that is made where the vault is, and its certificate.
fn site(stage: &Stage, kind: &str, label: &str) -> Site {
    stage.served.as_ref().unwrap().strongroom(&["key", "create", label, "--kind", kind]);
    let key = format!("pkcs11:token={TOKEN};object={label};type=private");
    let file = stage.at(&format!("{label}.crt"));
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2";
    stage.openssl_engine(&format!("req -new -x509 -engine pkcs11 -keyform engine -key {key} {name} -out {file}"));
    Site::labelled(&file, label)
}

fn fetch(stage: &Stage, site: &Site, version: &str) -> String {
    let options = format!(
        "--silent --show-error --fail --tlsv{version} --tls-max {version} --cacert {} --resolve localhost:{}:127.0.0.1 \
         https://localhost:{}/",
        site.certificate, site.port, site.port
    );
    succeed(stage.command("curl").args(options.split_whitespace()))
}

fn shakes_hands(stage: &Stage, site: &Site) -> bool {
    let mut client = stage.command("openssl");
    client.args(["s_client", "-brief", "-connect", &format!("127.0.0.1:{}", site.port)]);
    output(&mut client).status.success()
}

/// One handshake: when it began and ended, and whether it was one.
type Seen = (Instant, Instant, bool);

/// Handshakes at every site, one after the other, while the server is killed and started again; when that was.
fn while_it_is_away(stage: &Stage, sites: &[Site], served: &mut Served) -> (Instant, Instant, Vec<Seen>) {
    let (ended, seen) = (AtomicBool::new(false), Mutex::new(Vec::<Seen>::new()));
    let (down, up) = thread::scope(|threads| {
        for site in sites {
            let (ended, seen) = (&ended, &seen);
            threads.spawn(move || {
                while !ended.load(Ordering::Relaxed) {
                    let begun = Instant::now();
                    let good = shakes_hands(stage, site);
                    seen.lock().unwrap().push((begun, Instant::now(), good));
                }
            });
        }
        let handshakes = || seen.lock().unwrap().len();
        let some_more = |what: &str| {
            let before = handshakes();
            wait_until(what, || handshakes() > before + 6);
        };
        some_more("the server serves");
        let down = Instant::now();
        served.kill();
        some_more("there is no server");
        served.run();
        let up = Instant::now();
        some_more("it is back");
        ended.store(true, Ordering::Relaxed);
        (down, up)
    });
    (down, up, seen.into_inner().unwrap())
}

fn serves_on_while_the_server_is_killed_and_restarted(way: Way) {
    if !is_root() || !is_ours() {
        return;
    }
    let mut stage = Stage::at_server(way, ROLES);
    let sites = [site(&stage, "rsa-2048", "rsa"), site(&stage, "p-256", "curve")];
    let mut served = stage.served.take().unwrap();
    let nginx = Nginx::start(&stage, 2, &sites);
    let workers = nginx.workers();
    for site in &sites {
        for version in ["1.2", "1.3"] {
            for _ in 0..4 {
                assert_eq!(fetch(&stage, site, version), "served by the vault's key\n");
            }
        }
    }
    let (down, up, seen) = while_it_is_away(&stage, &sites, &mut served);
    let lost: Vec<&Seen> = seen.iter().filter(|(.., good)| !good).collect();
    assert!(!lost.is_empty(), "nobody noticed that there was no server");
    for (begun, end, _) in &lost {
        assert!(*end >= down && *begun <= up, "failed while the server was there");
        assert!(end.duration_since(*begun) < Duration::from_secs(30), "it hung");
    }
    assert!(seen.iter().any(|(begun, _, good)| *good && *begun > up), "it never came back");
    assert_eq!(nginx.workers(), workers, "the same workers, and no reload");
    for worker in workers {
        let keys = fs::read_dir(format!("/proc/{worker}/fd")).unwrap();
        let open = keys.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
        assert!(open.into_iter().all(|target| !target.starts_with(stage.path("server/vault"))));
    }
}

#[test]
fn over_the_unix_socket_it_serves_on_while_the_server_is_killed_and_restarted() {
    serves_on_while_the_server_is_killed_and_restarted(Way::Socket);
}

#[test]
fn over_tls_it_serves_on_while_the_server_is_killed_and_restarted() {
    serves_on_while_the_server_is_killed_and_restarted(Way::Tls);
}
