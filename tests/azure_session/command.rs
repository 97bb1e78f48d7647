//! The command on a vault that the configuration names and that is at a server: its verbs mean all that is there, and not
//! only what programs see of it.

use std::process::Command;

use serde_json::Value;

use crate::scene::{Scene, VAULT, program, succeeded, write};

/// The command, with a configuration that has the vault as `web`, and the client's secret for a PIN.
fn command(scene: &Scene, arguments: &[&str]) -> Command {
    write(scene.path("secret"), &scene.secret);
    let table = format!(
        "vaults_dir = \"none\"\n[[vault]]\nname = \"web\"\nbackend = \"azure\"\nurl = \"https://{VAULT}\"\n\
         socket = {:?}\ncredential = \"client-secret\"\nclient_id = {:?}\nsecrets = true\n",
        scene.socket(),
        scene.client_id
    );
    write(scene.path("client.toml"), &table);
    let mut command = program(&scene.folder);
    command.args(["--yes", "--pin-file", "secret", "--json"]).args(arguments);
    command.env("STRONGROOM_CONF", scene.path("client.toml"));
    command
}

fn json(scene: &Scene, arguments: &[&str]) -> Value {
    serde_json::from_str(&succeeded(command(scene, arguments))).unwrap()
}

#[test]
fn keys_and_secrets_of_a_configured_vault_are_disabled_enabled_set_and_deleted() {
    let scene = Scene::new();
    json(&scene, &["key", "create", "www", "--kind", "p-256"]);
    json(&scene, &["key", "rotate", "www"]);
    for (verb, enabled) in [("disable", false), ("enable", true), ("disable", false)] {
        let changed = json(&scene, &["key", verb, "www"]);
        assert_eq!(changed["enabled"], enabled, "{verb}: {changed}");
    }
    // One of its versions is disabled, and goes with it.
    let deleted = json(&scene, &["--vault", "web", "key", "delete", "www"]);
    assert_eq!(deleted["name"], "www");
    assert_eq!(json(&scene, &["key", "list"]).as_array().unwrap().len(), 0);
    let kept = json(&scene, &["deleted", "list"]);
    assert!(kept.to_string().contains("www"), "{kept}");
    write(scene.path("value"), "a value");
    for _ in 0..2 {
        json(&scene, &["secret", "set", "db", "--file", "value"]);
    }
    assert_eq!(json(&scene, &["secret", "get", "db"])["value"], "a value");
    json(&scene, &["secret", "delete", "db"]);
}
