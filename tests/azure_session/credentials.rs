//! Each kind of credential signs once, against a server that knows it.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::process::Command;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use strongroom::backend::azure::session::{Repeat, Session};
use strongroom::config::{AzureConfig, AzureCredential, ClientCertificate, ManagedIdentity, SecretText};
use strongroom::crypto::SecretBytes;
use strongroom::vault::{Pin, VaultError};

use crate::scene::{Scene, make_key, sign, write};

fn signs(scene: &Scene, key: &str, config: &AzureConfig) {
    let session = Session::new(config).unwrap();
    session.log_in(None).unwrap();
    sign(&session, key).unwrap();
    let pin = Pin::new(b"12345678".to_vec());
    let refused = session.log_in(Some(&pin)).unwrap_err();
    assert!(matches!(refused, VaultError::CredentialRefused { .. }), "{refused:?}");
    let _ = scene;
}

fn id(made: &Value) -> String {
    made["client_id"].as_str().unwrap().to_owned()
}

/// A certificate that is its own authority, with its key, in PEM.
fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> (String, String) {
    let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let mut says = rcgen::CertificateParams::new(vec!["app.example.com".to_owned()]).unwrap();
    says.extended_key_usages = vec![rcgen::ExtendedKeyUsagePurpose::ClientAuth];
    (says.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[test]
fn a_client_secret_signs() {
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    let made = scene.somebody("app");
    let secret = scene.local(&["identity", "secret", "add", "app"])["client_secret"].as_str().unwrap().to_owned();
    let credential = AzureCredential::ClientSecret { client_id: id(&made), secret: Some(SecretText::new(secret)) };
    signs(&scene, &key, &scene.config_of(credential));
}

#[test]
fn a_client_certificate_signs_its_own_assertion() {
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    let made = scene.somebody("app");
    for (number, algorithm) in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_RSA_SHA256].into_iter().enumerate() {
        let (chain, private) = certificate(algorithm);
        let file = scene.path(&format!("app-{number}.pem"));
        write(file.clone(), &chain);
        scene.local(&["identity", "certificate", "add", "app", file.to_str().unwrap()]);
        let certificate =
            ClientCertificate { chain: chain.into_bytes(), key: SecretBytes::from_slice(private.as_bytes()) };
        let credential = AzureCredential::ClientCertificate { client_id: id(&made), certificate };
        signs(&scene, &key, &scene.config_of(credential));
    }
    let (chain, private) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
    let unknown = ClientCertificate { chain: chain.into_bytes(), key: SecretBytes::from_slice(private.as_bytes()) };
    let credential = AzureCredential::ClientCertificate { client_id: id(&made), certificate: unknown };
    let refused = Session::new(&scene.config_of(credential)).unwrap().log_in(None).unwrap_err();
    assert!(matches!(refused, VaultError::CredentialRefused { .. }), "{refused:?}");
}

/// An address of this machine that nobody has at the moment.
fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn a_managed_identity_signs_by_either_form() {
    let address = free_address();
    let mut scene = Scene::with("");
    let key = make_key(&scene.session(), "www");
    let made = scene.somebody("machine");
    scene.kill();
    scene.reconfigure(&format!("[managed_identity]\nlisten = \"{address}\"\nimds_identity = \"machine\"\n"));
    scene.start();
    let imds = ManagedIdentity::Imds(format!("http://{address}"));
    let config = scene.config_of(AzureCredential::ManagedIdentity { from: imds, client_id: None });
    signs(&scene, &key, &config);
    let header = scene.local(&["identity", "header", "add", "machine"]);
    let header = header["header"].as_str().unwrap_or_else(|| panic!("{header}")).to_owned();
    let endpoint = format!("http://{address}/msi/token");
    let service = ManagedIdentity::AppService(endpoint.clone(), SecretText::new(header));
    let named = AzureCredential::ManagedIdentity { from: service, client_id: Some(id(&made)) };
    signs(&scene, &key, &scene.config_of(named));
    let wrong = ManagedIdentity::AppService(endpoint, SecretText::new("wrong".into()));
    let config = scene.config_of(AzureCredential::ManagedIdentity { from: wrong, client_id: None });
    let refused = Session::new(&config).unwrap().log_in(None).unwrap_err();
    assert!(matches!(refused, VaultError::CredentialRefused { .. }), "{refused:?}");
}

/// An OpenID Connect issuer of the test's own, and a token of it about `subject`.
fn issuer(subject: &str) -> (String, String) {
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
    let pkcs8 = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &aws_lc_rs::rand::SystemRandom::new());
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8.unwrap().as_ref()).unwrap();
    let point = pair.public_key().as_ref().to_vec();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let part = |bytes: &[u8]| Base64UrlUnpadded::encode_string(bytes);
    let keys = json!({ "keys": [{
        "kty": "EC", "crv": "P-256", "kid": "1", "use": "sig", "alg": "ES256",
        "x": part(&point[1..33]), "y": part(&point[33..]),
    }] });
    let discovery = json!({ "issuer": url, "jwks_uri": format!("{url}/keys") });
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut request = [0; 4096];
            let len = stream.read(&mut request).unwrap_or(0);
            let wants_keys = request[..len].starts_with(b"GET /keys");
            let body = if wants_keys { keys.to_string() } else { discovery.to_string() };
            let head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n";
            let _ = stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).as_bytes());
        }
    });
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let header = json!({ "alg": "ES256", "kid": "1", "typ": "JWT" });
    let claims = json!({
        "iss": url, "sub": subject, "aud": "api://AzureADTokenExchange", "iat": now, "nbf": now, "exp": now + 600,
    });
    let text = format!("{}.{}", part(header.to_string().as_bytes()), part(claims.to_string().as_bytes()));
    let signature = pair.sign(&aws_lc_rs::rand::SystemRandom::new(), text.as_bytes()).unwrap();
    (url, format!("{text}.{}", part(signature.as_ref())))
}

#[test]
fn a_workload_identity_signs_with_the_token_that_lies_there_at_the_moment() {
    let subject = "system:serviceaccount:shop:web";
    let (url, token) = issuer(subject);
    let scene = Scene::with(&format!("[[issuer]]\nurl = \"{url}\"\nalgorithms = [\"ES256\"]\n"));
    let key = make_key(&scene.session(), "www");
    let made = scene.somebody("workload");
    scene.local(&["identity", "federation", "add", "workload", &url, subject]);
    let token_file = scene.path("projected");
    let credential = AzureCredential::WorkloadIdentity { client_id: id(&made), token_file: token_file.clone() };
    let config = scene.config_of(credential);
    let missing = Session::new(&config).unwrap().log_in(None).unwrap_err().to_string();
    assert!(missing.contains("projected"), "{missing}");
    write(token_file.clone(), "not.a.token\n");
    let refused = Session::new(&config).unwrap().log_in(None).unwrap_err();
    assert!(matches!(refused, VaultError::CredentialRefused { .. }), "{refused:?}");
    write(token_file, &format!("{token}\n"));
    signs(&scene, &key, &config);
}

#[test]
fn a_command_prints_the_token_unless_this_program_may_start_none() {
    let scene = Scene::new();
    let admin = scene.session();
    let key = make_key(&admin, "www");
    let token = token_of(&scene);
    let printed = json!({ "accessToken": token, "expiresOn": "2100-01-01 00:00:00.000000" });
    for (name, text) in [("bare", format!("{token}\n")), ("az", printed.to_string())] {
        write(scene.path(name), &text);
        let command = vec!["cat".to_owned(), scene.path(name).to_str().unwrap().to_owned()];
        signs(&scene, &key, &scene.config_of(AzureCredential::Command { command: command.clone(), allowed: true }));
        let forbidden = scene.config_of(AzureCredential::Command { command, allowed: false });
        let error = Session::new(&forbidden).unwrap().log_in(None).unwrap_err().to_string();
        assert!(error.contains("forbids"), "{error}");
    }
    let failing = vec!["false".to_owned()];
    let config = scene.config_of(AzureCredential::Command { command: failing, allowed: true });
    let error = Session::new(&config).unwrap().log_in(None).unwrap_err().to_string();
    assert!(error.contains("false failed"), "{error}");
}

/// A token of the administrator's, as another program would get it.
pub fn token_of(scene: &Scene) -> String {
    let resource = format!("https://vault.localhost:{}", scene.proxy.port());
    let form = format!(
        "grant_type=client_credentials&client_id={}&client_secret={}&scope={resource}/.default",
        scene.client_id, scene.secret
    );
    let host = format!("Host: {}:{}", crate::scene::LOGIN, scene.proxy.port());
    let output = Command::new("curl")
        .args(["--silent", "--fail", "--unix-socket"])
        .arg(scene.socket())
        .args(["-H", &host, "-d", &form, "http://localhost/adfs/oauth2/v2.0/token"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn a_process_signs_on_the_unix_socket_without_a_token() {
    let scene = Scene::new();
    let key = make_key(&scene.session(), "www");
    scene.somebody("local");
    let uid = strongroom::sys::env::effective_uid().to_string();
    let mut config = scene.config_of(AzureCredential::Peer);
    config.remote.socket = Some(scene.socket());
    let stranger = Session::new(&config).unwrap().log_in(None).unwrap_err();
    assert!(matches!(stranger, VaultError::CredentialRefused { .. }), "{stranger:?}");
    scene.local(&["identity", "local", "add", "local", "--uid", &uid]);
    signs(&scene, &key, &config);
    assert!(scene.proxy.seen().iter().all(|seen| !seen.target.contains("local")));
    let session = Session::new(&config).unwrap();
    let made = session.call("POST", "/keys/new/create", Some(br#"{"kty":"EC","crv":"P-256"}"#), Repeat::Never);
    assert!(matches!(made, Err(VaultError::NotPermitted { .. }) | Ok(_)));
}

#[test]
fn a_client_certificate_signs_in_tls_alone() {
    let scene = Scene::with("[server]\nclient_certificates = true\n");
    let key = make_key(&scene.session(), "www");
    scene.somebody("tls");
    let (chain, private) = certificate(&rcgen::PKCS_ECDSA_P256_SHA256);
    write(scene.path("tls.pem"), &chain);
    // The proxy ends TLS: this client goes to the server itself.
    let mut config = scene.config_at_server(AzureCredential::Tls);
    config.remote.client =
        Some(ClientCertificate { chain: chain.into_bytes(), key: SecretBytes::from_slice(private.as_bytes()) });
    let stranger = Session::new(&config).unwrap().log_in(None).unwrap_err();
    assert!(matches!(stranger, VaultError::CredentialRefused { .. }), "{stranger:?}");
    let file = scene.path("tls.pem");
    scene.local(&["identity", "certificate", "add", "tls", file.to_str().unwrap()]);
    signs(&scene, &key, &config);
}
