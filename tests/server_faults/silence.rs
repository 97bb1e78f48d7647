//! No secret and no token comes out of the server: not in its log at its most talkative, not in what it refuses.

use std::fs;
use std::io::Write;

use serde_json::{Value, json};

use crate::scene::{PIN, Scene};

/// Texts that a search finds, also in base64url and as numbers.
const CANARY: &str = "kanarienvogel-8b1f";
const NUMBER: u64 = 7_318_264_950_318;

#[test]
fn nothing_that_is_secret_stands_in_the_log_or_in_an_error() {
    let (scene, served) = Scene::with(&[("STRONGROOM_LOG", "trace"), ("RUST_BACKTRACE", "1")]);
    let explained = served.printed();
    let client = scene.client(&served);
    let bytes = "a2FuYXJpZW52b2dlbC04YjFmYTJGdVlYSnBaVzUyYjA";
    let mut refusals = String::new();
    client.ask("PUT", "/secrets/s", &json!({"value": CANARY})).with(200);
    client.ask("PUT", "/keys/k", &json!({"key": {"kty": "oct", "k": bytes}})).with(200);
    client.ask("GET", "/secrets/s", &Value::Null).with(200);
    let other_types = [json!(NUMBER), json!([CANARY]), json!({ CANARY: CANARY }), json!([NUMBER])];
    for wrong in &other_types {
        for (method, path, body) in [
            ("PUT", "/secrets/s", json!({ "value": wrong })),
            ("PUT", "/keys/k", json!({"key": {"kty": "oct", "k": wrong}})),
            ("PUT", "/keys/k", json!({"key": {"kty": "RSA", "d": wrong}})),
            ("PUT", "/keys/k", json!({"key": wrong})),
            ("POST", "/keys/k//unwrapkey", json!({"alg": "A256KW", "value": wrong})),
        ] {
            let answer = client.ask(method, path, &body);
            answer.with(400);
            refusals += &answer.text();
        }
    }
    for wrong in [format!("{{\"value\":\"{CANARY}"), format!("{{\"value\":\"{CANARY}\"}}x"), format!("\"{CANARY}\"")] {
        let request = client.request("PUT", "/secrets/s?api-version=7.6", "application/json", wrong.as_bytes());
        let answer = client.connect().unwrap().exchange(&request).unwrap();
        answer.with(400);
        refusals += &answer.text();
    }
    let mut other = client.clone();
    other.token = format!("{}x", client.token);
    refusals += &other.ask("GET", "/secrets/s", &Value::Null).text();
    let log = served.printed();
    let log = log.strip_prefix(&explained).expect("a log that goes on").to_owned();
    let token = client.token.rsplit('.').next().unwrap().to_owned();
    for secret in [CANARY, &bytes[..20], &NUMBER.to_string(), &token, &scene.secret] {
        assert!(!log.contains(secret) && !refusals.contains(secret), "{secret}\n{log}\n{refusals}");
    }
}

#[test]
fn what_clients_do_wrong_is_no_line_of_the_log_and_what_the_server_cannot_do_is() {
    let (scene, served) = Scene::new();
    let client = scene.client(&served);
    client.ask("PUT", "/secrets/s", &json!({"value": "v"})).with(200);
    let before = served.printed();
    client.ask("GET", "/secrets/none", &Value::Null).with(404);
    client.ask("PUT", "/secrets/s", &json!({"value": 1})).with(400);
    client.ask("GET", "/nowhere", &Value::Null).with(404);
    assert_eq!(served.printed(), before);
    // The vault's file is overwritten under the server.
    let vault = scene.folder.path().join("dev/vault.db");
    let whole = fs::read(&vault).unwrap();
    overwrite(&vault, &vec![0x55; whole.len()]);
    let answer = client.ask("PUT", "/secrets/s", &json!({"value": "v"}));
    assert!([500, 503].contains(&answer.status), "{}", answer.text());
    assert!(!answer.text().contains("dev/vault.db") && !answer.text().contains("SQL"), "{}", answer.text());
    let log = served.printed();
    let lines: Vec<_> = log.strip_prefix(&before).unwrap().lines().collect();
    assert_eq!(lines.len(), 1, "{lines:?} {}", answer.text());
    assert!(!lines[0].contains(PIN) && lines[0].contains("vault.db"), "{lines:?}");
    overwrite(&vault, &whole);
    client.ask("PUT", "/secrets/s", &json!({"value": "v"})).with(200);
}

/// Writes into the file that is there.
fn overwrite(file: &std::path::Path, bytes: &[u8]) {
    fs::OpenOptions::new().write(true).open(file).unwrap().write_all(bytes).unwrap();
}
