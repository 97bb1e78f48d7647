//! Processes of this machine on the Unix socket, known by their user and their groups.

use std::process::Command;

use strongroom::server::identity::LocalPeer;
use strongroom::sys::env::effective_uid;

use crate::scene::Scene;

const SECRET: &str = "/secrets/word";
const VALUE: &str = r#"{"value":"sesame"}"#;

#[test]
fn a_process_is_the_identity_that_has_its_user_until_that_is_taken_away() {
    let scene = Scene::new();
    let (one, other) = (scene.somebody("one"), scene.somebody("other"));
    let mut client = scene.world.connect();
    assert_eq!(client.ask("GET", "/secrets", "").status, 401);
    scene.change(&one, |identity| identity.local.push(LocalPeer::Uid(effective_uid())));
    assert_eq!(client.ask("GET", "/secrets", "").status, 200);
    assert_eq!(client.ask("PUT", SECRET, "").status, 401);
    assert_eq!(client.ask("PUT", SECRET, VALUE).status, 200);
    let versions = client.ask("GET", &format!("{SECRET}/versions"), "").json();
    assert_eq!(versions["value"].as_array().unwrap().len(), 1);
    scene.change(&other, |identity| identity.local.push(LocalPeer::Uid(effective_uid())));
    let answer = client.ask("GET", "/secrets", "");
    assert!(answer.status == 401 && answer.body.contains("fits two identities"), "{answer:?}");
    scene.change(&other, |identity| identity.local.clear());
    assert_eq!(client.ask("GET", "/secrets", "").status, 200);
    scene.change(&one, |identity| identity.local.clear());
    assert_eq!(client.ask("GET", "/secrets", "").status, 401);
}

#[test]
fn a_token_decides_on_the_unix_socket_too() {
    let scene = Scene::new();
    let one = scene.somebody("one");
    scene.change(&one, |identity| identity.local.push(LocalPeer::Uid(effective_uid())));
    let (_, reader) = scene.world.token_with("Key Vault Secrets User");
    let mut client = scene.world.connect();
    assert_eq!(client.call(&reader, "PUT", SECRET, VALUE).status, 403);
    assert_eq!(client.call("x", "GET", "/secrets", "").status, 401);
    assert_eq!(client.ask("PUT", SECRET, VALUE).status, 200);
}

/// What curl is answered as a process of another group, whose own and whose supplementary one these are.
fn status_as(scene: &Scene, gid: u32, supplementary: u32) -> String {
    let mut command = Command::new("setpriv");
    command.args(["--regid", &gid.to_string(), "--groups", &supplementary.to_string(), "curl", "--silent"]);
    command.args(["--output", "/dev/null", "--write-out", "%{http_code}", "--unix-socket"]).arg(scene.world.socket());
    let output = command.arg("http://one.vault.test:8443/secrets?api-version=7.5").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn a_process_is_known_by_its_group_and_by_its_other_groups() {
    if effective_uid() != 0 {
        eprintln!("not root: no process of another group can be made");
        return;
    }
    let scene = Scene::new();
    let one = scene.somebody("one");
    scene.change(&one, |identity| identity.local.push(LocalPeer::Gid(61234)));
    for (gid, supplementary, status) in [(61234, 61235, "200"), (61235, 61234, "200"), (61235, 61236, "401")] {
        assert_eq!(status_as(&scene, gid, supplementary), status, "{gid} {supplementary}");
    }
    scene.change(&one, |identity| identity.local.clear());
    assert_eq!(status_as(&scene, 61234, 61234), "401");
}
