//! The commands of `docs/certificates.md`, run as they stand there.

use std::fs;
use std::path::Path;

use super::stage::{self, PIN, Stage, TOKEN, set_mode, succeed};

#[test]
fn the_page_makes_an_authority_issues_renews_and_exports() {
    let stage = Stage::without_token();
    stage.strongroom(&format!("init --label {TOKEN}"));
    stage.openssl("genpkey -algorithm ed25519 -out mail.key");
    stage.openssl("req -new -key mail.key -subj /CN=mail -addext subjectAltName=DNS:mail.example.org -out mail.csr");
    set_mode(Path::new(&stage.file("passphrase", "a passphrase")), 0o600);
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/certificates.md")).unwrap();
    let commands: String =
        page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n")).collect();
    fs::create_dir(stage.path("bin")).unwrap();
    let pin = stage.file("pin", PIN);
    set_mode(Path::new(&pin), 0o600);
    let script = format!("#!/bin/sh\nexec {} --pin-file {pin} \"$@\"\n", stage::cli().display());
    set_mode(Path::new(&stage.file("bin/strongroom", script)), 0o755);
    let path = format!("{}:{}", stage.at("bin"), std::env::var("PATH").unwrap());
    succeed(stage.command("sh").env("PATH", path).args(["-euc", &commands]));
    for file in ["www-chain.pem", "mail.crt"] {
        let verify = format!("verify -x509_strict -CAfile root-ca.crt -untrusted servers-ca.crt {file}");
        assert!(stage.openssl(&verify).contains("OK"));
    }
    succeed(stage.command("openssl").args(["pkcs12", "-in", "www.pfx", "-noout", "-passin", "pass:a passphrase"]));
}
