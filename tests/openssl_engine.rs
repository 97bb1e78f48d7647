//! OpenSSL 3.0 uses a token's keys through libp11's engine, addressed by PKCS#11 URI.

mod stage;

use std::process::Stdio;

use stage::{Running, Stage, TOKEN, free_port, output, succeed, wait_until};

const KINDS: &[(&str, &str)] = &[("rsa:2048", "rsa"), ("EC:prime256v1", "curve")];

fn uri(label: &str) -> String {
    format!("pkcs11:token={TOKEN};object={label};type=private")
}

/// A self-signed certificate for localhost, signed by the token.
fn certificate(stage: &Stage, label: &str) -> String {
    let file = format!("{label}.pem");
    let name = "-subj /CN=localhost -addext subjectAltName=DNS:localhost -days 2";
    stage.openssl_engine(&format!(
        "req -new -x509 -engine pkcs11 -keyform engine -key {} {name} -out {file}",
        uri(label)
    ));
    file
}

#[test]
fn it_signs_digests() {
    let stage = Stage::new();
    stage.file("digest", [9; 32]);
    for (kind, label) in KINDS {
        stage.key_pair(kind, label, "01");
        let public = stage.public_key(label, "01");
        let sign = "pkeyutl -sign -engine pkcs11 -keyform engine -pkeyopt digest:sha256 -in digest -out signature";
        stage.openssl_engine(&format!("{sign} -inkey {}", uri(label)));
        let verify = "pkeyutl -verify -pubin -pkeyopt digest:sha256 -in digest -sigfile signature";
        stage.openssl(&format!("{verify} -inkey {public}"));
        stage.pkcs11_tool_logged_in("--delete-object --type pubkey --id 01");
        stage.pkcs11_tool_logged_in("--delete-object --type privkey --id 01");
    }
}

#[test]
fn it_signs_requests_and_certificates() {
    let stage = Stage::new();
    for (index, (kind, label)) in KINDS.iter().enumerate() {
        stage.key_pair(kind, label, &format!("0{index}"));
        let arguments = format!("req -new -engine pkcs11 -keyform engine -key {} -subj /CN=request", uri(label));
        stage.openssl_engine(&format!("{arguments} -out request.pem"));
        let verified = stage.openssl("req -verify -noout -in request.pem");
        assert!(verified.contains("verify OK"), "{verified}");
        let certificate = certificate(&stage, label);
        stage.openssl(&format!("verify -CAfile {certificate} {certificate}"));
    }
}

#[test]
fn the_pin_may_come_from_a_file_that_the_uri_names() {
    let stage = Stage::new();
    stage.key_pair("EC:prime256v1", "curve", "01");
    let configuration = std::fs::read_to_string(stage.engine_configuration()).unwrap();
    stage.file("no-pin.cnf", configuration.replace(&format!("PIN = {}\n", stage.pin()), ""));
    let pin = stage.file("pin", stage.pin());
    let key = format!("{}?pin-source=file:{pin}", uri("curve"));
    let mut command = stage.openssl_engine_command("req -new -engine pkcs11 -keyform engine -subj /CN=request -key");
    succeed(command.arg(key).env("OPENSSL_CONF", stage.at("no-pin.cnf")));
}

#[test]
fn its_server_answers_its_client() {
    let stage = Stage::new();
    for (index, (kind, label)) in KINDS.iter().enumerate() {
        stage.key_pair(kind, label, &format!("0{index}"));
        let certificate = certificate(&stage, label);
        let port = free_port();
        let arguments =
            format!("s_server -accept 127.0.0.1:{port} -www -engine pkcs11 -keyform engine -cert {certificate}");
        let mut server = stage.openssl_engine_command(&format!("{arguments} -key {}", uri(label)));
        let _server = Running::start(server.stdout(Stdio::null()).stderr(Stdio::null()));
        wait_until("s_server listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
        for version in ["tls1_2", "tls1_3"] {
            let arguments = format!("s_client -connect 127.0.0.1:{port} -{version} -verify_return_error -brief");
            let mut client = stage.command("openssl");
            client.args(arguments.split_whitespace()).args(["-CAfile", &certificate]);
            let result = output(&mut client);
            let printed = String::from_utf8_lossy(&result.stderr);
            assert!(result.status.success() && printed.contains("Verification: OK"), "{label}, {version}: {printed}");
        }
    }
}
