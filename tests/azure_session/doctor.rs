//! `strongroom doctor` at a vault that is elsewhere: which step fails, and what mends it.

use std::process::Command;

use serde_json::Value;
use strongroom::backend::azure::session::Session;
use strongroom::config::Origin;

use crate::proxy::{Fault, Proxy};
use crate::scene::{LOGIN, Scene, VAULT, make, make_key, write};

/// What it says of a configuration with these lines, as ids of what is wrong and of what holds.
struct Said {
    wrong: Vec<String>,
    holds: Vec<String>,
    text: String,
}

fn doctor(scene: &Scene, lines: &str) -> Said {
    write(scene.path("secret"), &format!("{}\n", scene.secret));
    write(scene.path("proxy-ca.pem"), scene.proxy.ca());
    let url = format!("https://{}:{}", scene.host, scene.proxy.port());
    let conf = scene.path("client.toml");
    let who = format!("credential = \"client-secret\"\nclient_id = \"{}\"\n", scene.client_id);
    let all =
        format!("client_secret_file = \"secret\"\nurl = \"{url}\"\nca_file = \"proxy-ca.pem\"\ntimeout = 2\n{who}");
    // A line of the test's own goes before the usual one with the same key.
    let key = |line: &str| line.split(' ').next().unwrap().to_owned();
    let given: Vec<String> = lines.lines().map(key).collect();
    let kept: Vec<&str> = all.lines().filter(|line| !given.contains(&key(line))).collect();
    let table = format!("[[vault]]\nname = \"there\"\nbackend = \"azure\"\n{}\n{lines}\n", kept.join("\n"));
    write(conf.clone(), &table);
    let cli = std::env::var_os("STRONGROOM_CLI").filter(|path| !path.is_empty());
    let mut command = Command::new(cli.unwrap_or_else(|| env!("CARGO_BIN_EXE_strongroom").into()));
    command.args(["--json", "doctor", "--vault", "there"]).env_clear().env("STRONGROOM_CONF", conf);
    let output = command.env("PATH", std::env::var_os("PATH").unwrap()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let value: Value =
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    let ids = |state: fn(&str) -> bool| {
        let checks = value["checks"].as_array().unwrap().iter();
        let chosen = checks.filter(|check| state(check["state"].as_str().unwrap()));
        chosen.map(|check| check["id"].as_str().unwrap().to_owned()).filter(|id| id.starts_with("remote-")).collect()
    };
    Said { wrong: ids(|state| state != "ok"), holds: ids(|state| state == "ok"), text }
}

#[test]
fn a_vault_that_signs_is_well_in_every_step() {
    let scene = Scene::new();
    make_key(&scene.session(), "www");
    let said = doctor(&scene, "");
    assert_eq!(said.wrong, Vec::<String>::new(), "{}", said.text);
    let steps = ["name", "connection", "tls", "answer", "clock", "token", "permission", "signature"];
    assert_eq!(said.holds, steps.map(|step| format!("remote-{step}")), "{}", said.text);
}

#[test]
fn the_step_that_fails_is_named_and_nothing_behind_it_is_tried() {
    let scene = Scene::new();
    make_key(&scene.session(), "www");
    let only = |lines: &str, id: &str| {
        let said = doctor(&scene, lines);
        assert_eq!(said.wrong, [id], "{lines}: {}", said.text);
        said
    };
    let name = only("url = \"https://dev.vault.invalid\"", "remote-name");
    assert!(name.text.contains("getent ahosts dev.vault.invalid") && name.holds.is_empty(), "{}", name.text);
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let refused = only(&format!("url = \"https://{VAULT}:{closed}\""), "remote-connection");
    assert_eq!(refused.holds, ["remote-name"], "{}", refused.text);
    let stranger = Proxy::before(scene.socket(), &[VAULT, LOGIN]);
    write(scene.path("stranger.pem"), stranger.ca());
    only("ca_file = \"stranger.pem\"", "remote-tls");
    scene.proxy.always(Fault::Html);
    let page = doctor(&scene, "");
    assert!(!page.wrong.is_empty() && !page.holds.contains(&"remote-token".to_owned()), "{}", page.text);
    scene.proxy.always(Fault::None);
    write(scene.path("wrong"), "not-the-secret-at-all\n");
    let token = only("client_secret_file = \"wrong\"", "remote-token");
    assert!(!token.text.contains("not-the-secret") && !token.holds.contains(&"remote-permission".to_owned()));
    let wanted = scene.local(&["identity", "create", "nobody"]);
    let secret = scene.local(&["identity", "secret", "add", "nobody"]);
    write(scene.path("nobody"), secret["client_secret"].as_str().unwrap());
    let id = wanted["client_id"].as_str().unwrap();
    let lines = format!("client_id = \"{id}\"\nclient_secret_file = \"nobody\"");
    let denied = only(&lines, "remote-permission");
    assert!(denied.text.contains("Microsoft.KeyVault/vaults/") && denied.text.contains(id), "{}", denied.text);
}

#[test]
fn what_a_managed_hsm_does_not_allow_is_mended_with_a_role_of_its_own() {
    let scene = Scene::of_hsm();
    make(&scene.session(), "www", r#"{"kty":"EC-HSM","crv":"P-256"}"#);
    assert_eq!(doctor(&scene, "").wrong, Vec::<String>::new());
    let (client_id, secret) = scene.client("nobody", &[]);
    write(scene.path("nobody"), &secret);
    let said = doctor(&scene, &format!("client_id = \"{client_id}\"\nclient_secret_file = \"nobody\""));
    assert_eq!(said.wrong, ["remote-permission"], "{}", said.text);
    assert!(said.text.contains("Microsoft.KeyVault/managedHsm/keys/read/action"), "{}", said.text);
    assert!(said.text.contains(&format!("role assign 'Managed HSM Crypto User' {client_id}")), "{}", said.text);
}

/// One whose server was given another domain for them.
#[test]
fn a_managed_hsm_whose_host_does_not_say_so_is_one_by_the_configuration() {
    let scene =
        Scene::served("managed-hsm", "dev.keys.localhost", LOGIN, "[server]\nhsm_domain = \"keys.localhost\"\n");
    let lines = format!("managed_hsm = true\nauthority = \"https://{LOGIN}:{}\"", scene.proxy.port());
    let mut config = scene.config();
    config.managed_hsm = true;
    config.authority = Some(Origin::parse(&format!("https://{LOGIN}:{}", scene.proxy.port())).unwrap());
    make(&Session::new(&config).unwrap(), "www", r#"{"kty":"EC-HSM","crv":"P-256"}"#);
    let said = doctor(&scene, &lines);
    assert_eq!(said.wrong, Vec::<String>::new(), "{}", said.text);
    let (client_id, secret) = scene.client("nobody", &[]);
    write(scene.path("nobody"), &secret);
    let said = doctor(&scene, &format!("{lines}\nclient_id = \"{client_id}\"\nclient_secret_file = \"nobody\""));
    assert!(said.text.contains("role assign 'Managed HSM Crypto User'"), "{}", said.text);
}
