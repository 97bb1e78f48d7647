//! The commands of `docs/access.md`, run as they stand there, while a server serves the vault.

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::command_line::CommandLine;
use super::{Place, cells};

/// Only against hangs.
const HANG: Duration = Duration::from_secs(60);

/// A server, ended with the test.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn serve(place: &Place, port: u16) -> Server {
    let log = place.path("log");
    let mut command = place.command(&Place::program());
    command.args(["serve", "--listen", &format!("127.0.0.1:{port}"), "--write-ca", "ca.pem"]);
    let child = command.stderr(File::create(&log).unwrap()).stdout(Stdio::null()).spawn().unwrap();
    let (mut server, begun) = (Server(child), Instant::now());
    loop {
        let printed = fs::read_to_string(&log).unwrap();
        if printed.contains("Listening at") {
            return server;
        }
        assert!(server.0.try_wait().unwrap().is_none() && begun.elapsed() < HANG, "{printed}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// The blocks of the page that are marked `sh`, each as one text.
fn blocks(port: u16) -> Vec<String> {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/access.md")).unwrap();
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    blocks.map(|block| block.replace("8443", &port.to_string())).collect()
}

#[test]
fn who_follows_the_page_has_a_service_that_signs_and_may_do_nothing_else() {
    let place = Place::with(&[("web", "key-vault")]);
    place.run(&["identity", "create", "root", "--administrator", "--secret-file", "root.secret"]);
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let _server = serve(&place, port);
    let script: String = blocks(port).into_iter().map(|block| format!("{block}echo '=='\n")).collect();
    fs::create_dir(place.path("bin")).unwrap();
    std::os::unix::fs::symlink(Place::program(), place.path("bin/strongroom")).unwrap();
    let mut command = place.command(Path::new("bash"));
    command.args(["-euo", "pipefail", "-c", &script]);
    command.env("PATH", format!("{}:{}", place.path("bin").display(), std::env::var("PATH").unwrap()));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    let parts: Vec<&str> = said.split("==\n").collect();
    let answers = |part: usize| -> Vec<&str> {
        let lines = parts[part].lines().filter_map(|line| line.strip_prefix("Answer:"));
        lines.map(|line| line.trim().split(':').next().unwrap()).collect()
    };
    assert_eq!(answers(1), ["denied"]);
    assert!(parts[1].contains("strongroom role assign 'Key Vault Crypto User' billing --scope /keys/invoices"));
    assert_eq!(answers(2), ["allowed"]);
    assert_eq!(answers(3), ["denied", "denied", "denied"]);
    check_signature(&place, parts[4]);
    assert_eq!(answers(5), ["allowed"]);
    assert!(parts[5].contains("given to the group signers"), "{}", parts[5]);
    let listed = cells(parts[5]);
    for line in [
        "billing|enabled|Signer on /keys/invoices|signers|keys/read, keys/sign/action",
        "root|enabled|Key Vault Administrator on /|-|everything",
    ] {
        assert!(listed.iter().any(|listed| listed == line), "{}", parts[5]);
    }
    assert_eq!(answers(6), ["allowed"]);
    assert_eq!(answers(7), ["denied"]);
    assert!(parts[8].contains("keys/purge/action") && parts[8].contains("Key keeper"), "{}", parts[8]);
    assert_eq!(answers(9), ["allowed"]);
    assert!(parts[9].contains("an access policy"), "{}", parts[9]);
}

/// Sees that what the page's last request answered is a signature of the key.
fn check_signature(place: &Place, answer: &str) {
    use base64ct::{Base64UrlUnpadded, Encoding};

    let answer: serde_json::Value = serde_json::from_str(answer.lines().last().unwrap()).unwrap();
    let signature = Base64UrlUnpadded::decode_vec(answer["value"].as_str().unwrap()).unwrap();
    let pem = place.run(&["key", "public", "invoices"]);
    fs::write(place.path("public.pem"), pem).unwrap();
    // IEEE P1363 into ASN.1, as openssl wants it.
    let number =
        |half: &[u8]| format!("INTEGER:0x{}", half.iter().map(|byte| format!("{byte:02x}")).collect::<String>());
    let (r, s) = signature.split_at(32);
    let conf = format!("asn1=SEQUENCE:both\n[both]\nr={}\ns={}\n", number(r), number(s));
    fs::write(place.path("asn1"), conf).unwrap();
    fs::write(place.path("message"), "invoice 17").unwrap();
    let openssl = |arguments: &[&str]| {
        let output = Command::new("openssl").args(arguments).current_dir(place.folder.path()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    openssl(&["asn1parse", "-genconf", "asn1", "-noout", "-out", "signature"]);
    openssl(&["dgst", "-sha256", "-verify", "public.pem", "-signature", "signature", "message"]);
}
