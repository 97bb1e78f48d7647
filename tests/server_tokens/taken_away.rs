//! What takes a token's force away before its end: at the next request, on the same connection, whoever did it; and what
//! doesn't: a new signing key.

use std::process::{Command, Stdio};

use strongroom::config::Manner;
use strongroom::server::access::unassign;
use strongroom::server::identity;

use super::jwt::parts;
use super::serving::{LOGIN, NOW, PIN, World};

/// The command, in another process, on the world's vault.
fn command(world: &World, arguments: &[&str]) {
    let pin = world.folder.path().join("pin");
    std::fs::write(&pin, PIN).unwrap();
    std::fs::set_permissions(&pin, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    // This build's: a release refuses a vault that this test made with its cheap costs.
    let mut command = Command::new(env!("CARGO_BIN_EXE_strongroom"));
    command.args(arguments).args(["--yes", "--pin-file"]).arg(&pin).stdin(Stdio::null());
    command.env_clear().env("STRONGROOM_VAULT", world.folder.path().join("vault"));
    let output = command.output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_role_that_is_taken_away_no_longer_counts_for_the_same_token_on_the_same_connection() {
    let world = World::new();
    let somebody = world.somebody("app");
    let assignment = world.assign(&somebody.identity.oid, "Key Vault Reader", "/");
    let (token, mut client) = (world.token_of(&somebody), world.connect());
    assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
    unassign(&*world.vault, Manner::KeyVault, &assignment).unwrap();
    let denied = client.call(&token, "GET", "/keys", "");
    assert_eq!((denied.status, denied.inner_code().as_deref()), (403, Some("ForbiddenByRbac")));
    world.assign(&somebody.identity.oid, "Key Vault Reader", "/");
    assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
}

#[test]
fn what_the_command_changes_in_another_process_counts_at_once() {
    let world = World::new();
    let somebody = world.somebody("app");
    let (token, mut client) = (world.token_of(&somebody), world.connect());
    let mut status = || client.call(&token, "GET", "/keys", "").status;
    assert_eq!(status(), 403);
    command(&world, &["role", "assign", "Reader", "app"]);
    assert_eq!(status(), 200);
    command(&world, &["role", "unassign", "Key Vault Reader", "app"]);
    assert_eq!(status(), 403);
    command(&world, &["role", "assign", "Reader", "app"]);
    command(&world, &["identity", "disable", "app"]);
    assert_eq!(status(), 401);
    command(&world, &["identity", "enable", "app"]);
    assert_eq!(status(), 200);
    command(&world, &["identity", "delete", "app"]);
    assert_eq!(status(), 401);
}

#[test]
fn a_token_of_a_disabled_or_deleted_identity_does_not_count() {
    let world = World::new();
    let (somebody, token) = world.token_with("Key Vault Reader");
    let mut client = world.connect();
    let mut status = || client.call(&token, "GET", "/keys", "").status;
    for (enabled, expected) in [(true, 200), (false, 401), (true, 200)] {
        identity::set_enabled(&*world.vault, Manner::KeyVault, &somebody.identity.oid, enabled).unwrap();
        assert_eq!(status(), expected);
    }
    identity::delete(&*world.vault, Manner::KeyVault, &somebody.identity.oid).unwrap();
    assert_eq!(status(), 401);
}

#[test]
fn a_new_signing_key_leaves_older_tokens_their_time_and_no_more() {
    const SIGNS_FOR: i64 = 30 * 24 * 3600;
    let world = World::new();
    let somebody = world.somebody("app");
    world.assign(&somebody.identity.oid, "Key Vault Reader", "/");
    let mut client = world.connect();
    world.clock.set(NOW + SIGNS_FOR - 1);
    let older = world.token_of(&somebody);
    world.clock.set(NOW + SIGNS_FOR);
    let newer = world.token_of(&somebody);
    let kid = |token: &str| parts(token).0["kid"].as_str().unwrap().to_owned();
    assert_ne!(kid(&older), kid(&newer));
    let published = |client: &mut super::serving::Client| -> Vec<String> {
        let keys = client.send("GET", LOGIN, "/adfs/discovery/v2.0/keys", &[], "").json();
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(published(&mut client), [kid(&newer), kid(&older)]);
    let mut status = |token: &str| client.call(token, "GET", "/keys", "").status;
    for (moment, expected) in [(0, (200, 200)), (3598, (200, 200)), (3599, (401, 200)), (3600, (401, 401))] {
        world.clock.set(NOW + SIGNS_FOR + moment);
        assert_eq!((status(&older), status(&newer)), expected, "{moment} s after the new key");
    }
    assert_eq!(published(&mut client), [kid(&newer)]);
}
