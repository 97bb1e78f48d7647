//! nginx as Debian installs it (a root master, workers that run as `www-data`) serves TLS with keys of a vault that only root
//! may read.

mod stage;

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use stage::nginx::{Nginx, Site};
use stage::{Running, Stage, TOKEN, is_ours, is_root, succeed};

/// A self-signed certificate for localhost over the token's key with this label.
fn certificate(stage: &Stage, label: &str) -> String {
    let key = format!("pkcs11:token={TOKEN};object={label};type=private");
    let file = stage.at(&format!("{label}.crt"));
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2";
    stage.openssl_engine(&format!("req -new -x509 -engine pkcs11 -keyform engine -key {key} {name} -out {file}"));
    file
}

/// A key pair, its certificate, and a site that serves with it.
fn site(stage: &Stage, kind: &str, label: &str, id: &str) -> Site {
    stage.key_pair(kind, label, id);
    Site::labelled(&certificate(stage, label), label)
}

/// Fetches the page over this version of TLS.
fn fetch(stage: &Stage, site: &Site, version: &str) -> String {
    let url = format!("https://localhost:{}/", site.port);
    let options =
        format!("--silent --show-error --fail --tlsv{version} --tls-max {version} --cacert {}", site.certificate);
    let resolve = format!("localhost:{}:127.0.0.1", site.port);
    succeed(stage.command("curl").args(options.split(' ')).args(["--resolve", &resolve, &url]))
}

/// One handshake as a client sees it.
fn shakes_hands(stage: &Stage, site: &Site) -> bool {
    let mut client = stage.command("openssl");
    client.args(["s_client", "-brief", "-connect", &format!("127.0.0.1:{}", site.port)]);
    stage::output(&mut client).status.success()
}

fn effective_uid(pid: u32) -> u32 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let uids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap();
    uids.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// What a process has open under this directory.
fn open_under(pid: u32, directory: &Path) -> Vec<String> {
    let descriptors = fs::read_dir(format!("/proc/{pid}/fd")).unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.unwrap().path()).ok());
    targets.filter(|target| target.starts_with(directory)).map(|target| target.display().to_string()).collect()
}

#[test]
fn four_workers_that_cannot_read_the_vault_serve_rsa_and_ecdsa_over_tls_1_2_and_1_3() {
    if !is_root() || !is_ours() {
        return;
    }
    let stage = Stage::new();
    let sites = [site(&stage, "rsa:2048", "rsa", "01"), site(&stage, "EC:prime256v1", "curve", "02")];
    let nginx = Nginx::start(&stage, 4, &sites);
    for site in &sites {
        for version in ["1.2", "1.3"] {
            // Often enough that each of four workers gets its share.
            for _ in 0..12 {
                assert_eq!(fetch(&stage, site, version), "served by the vault's key\n");
            }
        }
    }
    for worker in nginx.workers() {
        assert_ne!(effective_uid(worker), 0);
        assert_eq!(open_under(worker, &stage.vault()), Vec::<String>::new());
    }
    assert_eq!(nginx.log(), "");
}

#[test]
fn a_worker_cannot_open_the_vault_itself() {
    if !is_root() || !is_ours() {
        return;
    }
    let stage = Stage::new();
    let mut read = stage.command("setpriv");
    read.args(["--reuid", "www-data", "--regid", "www-data", "--clear-groups", "ls"]).arg(stage.vault());
    assert!(stage::fail(&mut read).contains("Permission denied"));
}

/// The load goes on for a minute while the keys beside it change and nginx reloads ten times.
#[test]
fn load_with_ten_reloads_while_keys_rotate_are_disabled_and_added_fails_no_handshake() {
    if !is_root() || !is_ours() {
        return;
    }
    let stage = Stage::new();
    let handshakes = stage.compile("benches/c/handshakes.c", &["-lssl", "-lcrypto"]);
    let steady = [site(&stage, "rsa:2048", "rsa", "01"), site(&stage, "EC:prime256v1", "curve", "02")];
    let rotated = site(&stage, "EC:prime256v1", "rotated", "03");
    let disabled = site(&stage, "EC:prime256v1", "disabled", "04");
    let mut sites = [&steady[..], &[rotated.clone(), disabled.clone()]].concat();
    let nginx = Nginx::start(&stage, 2, &sites);
    let clients: Vec<Running> = steady
        .iter()
        .zip(["tls1.3", "tls1.2"])
        .map(|(site, version)| {
            let mut client = stage.command(&handshakes);
            client.args([&format!("127.0.0.1:{}", site.port), "60", version, "2", &site.certificate]);
            Running::start(client.stdout(Stdio::piped()))
        })
        .collect();

    let start = Instant::now();
    for round in 1..=10 {
        match round {
            3 => {
                stage.strongroom("key rotate rotated");
                // The running workers go on with the version they have.
                assert!(shakes_hands(&stage, &rotated));
                certificate(&stage, "rotated");
            }
            5 => {
                assert!(shakes_hands(&stage, &disabled));
                stage.strongroom("key disable disabled");
                assert!(!shakes_hands(&stage, &disabled), "a disabled key signed");
                sites.retain(|site| site.port != disabled.port);
            }
            7 => sites.push(site(&stage, "rsa:2048", "added", "05")),
            _ => {}
        }
        nginx.reload(&sites);
        assert!(shakes_hands(&stage, &rotated));
        sleep((start + Duration::from_secs(5 * round)).saturating_duration_since(Instant::now()));
    }
    assert!(shakes_hands(&stage, sites.last().unwrap()));
    for worker in nginx.workers() {
        assert_ne!(effective_uid(worker), 0);
    }
    for client in clients {
        let printed = client.finish();
        let figures: Vec<&str> = printed.split_whitespace().collect();
        assert!(figures[0].parse::<u32>().unwrap() > 1000, "{printed}");
        assert_eq!(figures[1], "0", "failed handshakes: {printed}\n{}", nginx.log());
    }
}
