//! The server's certificate and key: the forms they come in, what is refused, and their exchange while it serves.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use strongroom::server::listen::Limits;
use strongroom::server::tls::Tls;

use crate::stage::{Identity, LAST_REQUEST, Server, ask, tunnel};

/// What OpenSSL makes with these arguments.
fn openssl(folder: &std::path::Path, arguments: &str) -> Vec<u8> {
    let output = Command::new("openssl").current_dir(folder).args(arguments.split_whitespace()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn keys_are_read_in_every_form_that_openssl_writes() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    for (key, headers) in [
        ("genrsa -traditional -out key.pem 2048", "RSA PRIVATE KEY"),
        ("genrsa -out key.pem 2048", "PRIVATE KEY"),
        ("ecparam -name prime256v1 -genkey -out key.pem", "EC PRIVATE KEY"),
        ("genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-384 -out key.pem", "PRIVATE KEY"),
        ("genpkey -algorithm ed25519 -out key.pem", "PRIVATE KEY"),
    ] {
        openssl(folder, key);
        let pem = std::fs::read(folder.join("key.pem")).unwrap();
        assert!(String::from_utf8_lossy(&pem).contains(&format!("-----BEGIN {headers}-----")));
        let certificate = openssl(folder, "req -x509 -key key.pem -subj /CN=localhost -days 1");
        Tls::from_pem(&certificate, &pem).unwrap_or_else(|error| panic!("{key}: {error}"));
    }
}

#[test]
fn what_cant_be_used_is_named_and_no_key_shows_in_the_text() {
    let folder = tempfile::tempdir().unwrap();
    let (identity, other) = (Identity::new(), Identity::new());
    std::fs::write(folder.path().join("key.pem"), &identity.key).unwrap();
    let by_headers = openssl(folder.path(), "ec -aes128 -passout pass:x -in key.pem");
    let encrypted = openssl(folder.path(), "pkcs8 -topk8 -passout pass:x -in key.pem");
    let damaged = identity.key.replace('M', "!");
    for (chain, key, expected) in [
        (identity.certificate.as_bytes(), other.key.as_bytes(), "doesn't belong to the first certificate"),
        (identity.certificate.as_bytes(), &encrypted, "no private key"),
        (identity.certificate.as_bytes(), &by_headers, "it is encrypted"),
        (identity.certificate.as_bytes(), damaged.as_bytes(), "damaged"),
        (identity.certificate.as_bytes(), b"", "no private key"),
        (b"", identity.key.as_bytes(), "no certificate"),
        (identity.key.as_bytes(), identity.key.as_bytes(), "no certificate"),
    ] {
        let Err(error) = Tls::from_pem(chain, key) else { panic!("{expected}: it was taken") };
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains(&identity.key[40..60]), "{text}");
    }
}

#[test]
fn a_key_file_that_others_may_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let identity = Identity::new();
    let [chain, key] = ["chain.pem", "key.pem"].map(|name| folder.path().join(name));
    std::fs::write(&chain, &identity.certificate).unwrap();
    std::fs::write(&key, &identity.key).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o644)).unwrap();
    let refused = Tls::read(&chain, &key).err().unwrap().to_string();
    assert!(refused.contains("chmod go-r"), "{refused}");
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    assert!(Tls::read(&chain, &key).is_ok());
}

#[test]
fn a_new_certificate_is_shown_from_the_next_handshake_on() {
    let server = Server::new(Limits::default());
    let newer = Identity::new();
    let mut before = server.tunnel("http/1.1");
    assert!(tunnel(server.connect(), &newer, "http/1.1").is_err());
    server.tls.replace_with(&Tls::from_pem(newer.certificate.as_bytes(), newer.key.as_bytes()).unwrap());
    let mut after = tunnel(server.connect(), &newer, "http/1.1").unwrap();
    assert!(tunnel(server.connect(), &server.identity, "http/1.1").is_err());
    for stream in [&mut before, &mut after] {
        assert!(ask(stream, LAST_REQUEST).ends_with("here"));
    }
}
