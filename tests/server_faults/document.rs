//! The server's own document: what it says is what Azure's SDKs do, and a program that makes requests from it finds
//! nothing that the server answers otherwise.

use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::scene::Scene;

fn python() -> Command {
    Command::new(std::env::var_os("STRONGROOM_PYTHON").expect(
        "STRONGROOM_PYTHON must name a Python with the packages of tests/python/requirements.txt: scripts/test makes one \
         in target/python",
    ))
}

#[test]
fn the_document_says_what_azures_sdks_do() {
    let (scene, served) = Scene::new();
    let client = scene.client(&served);
    let mut open = client.clone();
    open.token = String::new();
    let document = open.ask("GET", "/openapi.json", &Value::Null).with(200);
    let file = scene.folder.path().join("openapi.json");
    fs::write(&file, document.to_string()).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/openapi_against_sdks.py");
    let compared = python().arg("-B").arg(script).stdin(File::open(file).unwrap()).output().unwrap();
    let said = String::from_utf8_lossy(&compared.stdout).into_owned();
    assert!(compared.status.success(), "{}", String::from_utf8_lossy(&compared.stderr));
    let counts: Vec<usize> = said.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
    assert!(counts[0] > 30 && counts[1] > 14 && counts[2] > 4, "{said}");
}

/// The document with the names and versions of objects that are there, so that requests reach more than "not found".
fn with_objects(mut document: Value, versions: &[String]) -> Value {
    for (path, methods) in document["paths"].as_object_mut().unwrap() {
        let names = match path.split('/').nth(1).unwrap() {
            "secrets" | "deletedsecrets" => ["sec", "cert", "gone"],
            "certificates" | "deletedcertificates" => ["cert", "waits", "gone"],
            _ => ["ec", "rsa", "oct"],
        };
        for described in methods.as_object_mut().unwrap().values_mut() {
            for parameter in described["parameters"].as_array_mut().unwrap() {
                match parameter["name"].as_str().unwrap() {
                    "name" => parameter["schema"] = json!({"type": "string", "enum": names}),
                    "version" => parameter["schema"] = json!({"type": "string", "enum": versions}),
                    _ => {}
                }
            }
        }
    }
    document
}

#[test]
fn load_requests_made_from_the_document_find_no_failure_of_the_server() {
    let (scene, served) = Scene::new();
    let client = scene.client(&served);
    let mut versions = Vec::new();
    for (name, kty) in [("ec", "EC"), ("rsa", "RSA"), ("oct", "oct")] {
        let made = client.ask("POST", &format!("/keys/{name}/create"), &json!({ "kty": kty })).with(200);
        versions.push(made["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned());
    }
    client.ask("PUT", "/secrets/sec", &json!({"value": "v"})).with(200);
    for (name, issuer) in [("cert", "Self"), ("waits", "Unknown")] {
        let x509 = json!({ "subject": "CN=made" });
        let policy = json!({ "issuer": { "name": issuer }, "key_props": { "kty": "EC" }, "x509_props": x509 });
        client.ask("POST", &format!("/certificates/{name}/create"), &json!({ "policy": policy })).with(202);
    }
    let document = client.ask("GET", "/openapi.json", &Value::Null).with(200);
    for (file, document) in [("plain.json", document.clone()), ("objects.json", with_objects(document, &versions))] {
        fs::write(scene.folder.path().join(file), document.to_string()).unwrap();
        let output = python()
            .args(["-m", "schemathesis.cli", "run", file, "--url", &format!("https://{}", client.address)])
            .args(["--header", &format!("Host:{}", client.host)])
            .args(["--header", &format!("Authorization:Bearer {}", client.token)])
            .args(["--tls-verify", "ca.pem", "--request-timeout", "30", "--workers", "1", "--no-color"])
            .args(["--phases", "coverage,fuzzing", "--max-time", "40", "--continue-on-failure", "--seed", "1"])
            .args(["--checks", "not_a_server_error,status_code_conformance,content_type_conformance"])
            .args(["--checks", "response_schema_conformance"])
            .args(["--generation-database", "none", "--suppress-health-check", "all"])
            .current_dir(scene.folder.path())
            .env("NO_PROXY", "*")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).replace(&client.token, "TOKEN");
        assert!(output.status.success(), "{file}: {said}{}", String::from_utf8_lossy(&output.stderr));
        println!("{said}");
    }
    assert!(
        !served.printed().contains("ERROR") && !served.printed().contains("internal failure"),
        "{}",
        served.printed()
    );
}

#[test]
fn what_the_page_says_of_health_works_as_it_stands_there() {
    let (scene, served) = Scene::new();
    let page = include_str!("../../docs/server.md").split_once("<!-- health -->").unwrap().1;
    let commands = page.split("```").nth(1).unwrap().strip_prefix("sh").unwrap();
    assert_eq!(commands.matches("localhost:8443").count(), 3);
    let commands = commands.replace("localhost:8443", &format!("localhost:{}", served.address.port()));
    let mut shell = Command::new("sh");
    shell.args(["-euc", &commands]).current_dir(scene.folder.path()).env("NO_PROXY", "*");
    let output = shell.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && said.starts_with("okready{"),
        "{said}{}",
        String::from_utf8_lossy(&output.stderr)
    );
}
