//! Rotation now, and the policy that is kept for later.

use serde_json::{Value, json};
use strongroom::vault::*;

use crate::scene::*;

const NOTHING: Value = Value::Null;

fn policy(expiry: &str) -> Value {
    json!({
        "lifetimeActions": [{ "trigger": { "timeAfterCreate": "P60D" }, "action": { "type": "Rotate" } }],
        "attributes": { "expiryTime": expiry },
    })
}

#[test]
fn a_rotation_makes_a_version_of_the_same_kind_operations_and_tags() {
    let scene = Scene::new();
    for body in [
        json!({ "kty": "EC-HSM", "crv": "P-384", "key_ops": ["sign"] }),
        json!({ "kty": "RSA", "key_size": 3072, "public_exponent": 3, "key_ops": ["decrypt", "unwrapKey"] }),
        json!({ "kty": "oct-HSM", "key_size": 192, "key_ops": ["wrapKey", "unwrapKey"] }),
        json!({ "kty": "RSA-HSM", "key_ops": ["import"] }),
    ] {
        let mut body = body;
        body["tags"] = json!({ "team": "a" });
        body["attributes"] = json!({ "nbf": START - 10, "exp": START - 5, "enabled": false });
        let name = body["kty"].as_str().unwrap().to_owned();
        let first = scene.post(&format!("/keys/{name}/create"), body).with(200);
        let second = scene.post(&format!("/keys/{name}/rotate"), NOTHING).with(200);
        let kid = |bundle: &Value| bundle["key"]["kid"].as_str().unwrap().to_owned();
        assert_ne!(kid(&first), kid(&second));
        assert_eq!(scene.get(&format!("/keys/{name}")).with(200), second);
        assert_eq!(scene.get(&kid(&first)).with(200), first, "the version before stays as it was");
        for member in ["kty", "crv", "key_ops", "e"] {
            assert_eq!(first["key"][member], second["key"][member], "{member}");
        }
        let len = |bundle: &Value, member: &str| bundle["key"][member].as_str().map(str::len);
        assert_eq!(len(&first, "n"), len(&second, "n"));
        for member in ["n", "x"] {
            assert!(second["key"][member].is_null() || first["key"][member] != second["key"][member]);
        }
        assert_eq!(second["tags"], json!({ "team": "a" }));
        assert_eq!(second["attributes"]["enabled"], true);
        assert!(second["attributes"].get("exp").is_none() && second["attributes"].get("nbf").is_none());
    }
    scene.post("/keys/nobody/rotate", NOTHING).refused(404);
}

#[test]
fn the_policy_says_how_long_the_new_version_lives() {
    let scene = Scene::new();
    scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    scene.put("/keys/www/rotationpolicy", policy("P2Y")).with(200);
    scene.clock.set(START + 5);
    let rotated = scene.post("/keys/www/rotate", NOTHING).with(200);
    assert_eq!(rotated["attributes"]["exp"], START + 5 + (365 + 366) * DAY);
}

#[test]
fn a_policy_is_answered_as_it_was_completed_and_outlives_its_version() {
    let scene = Scene::new();
    scene.post("/keys/Www/create", json!({ "kty": "EC" })).with(200);
    let id = format!("{BASE}/keys/Www/rotationpolicy");
    let notify = json!({ "trigger": { "timeBeforeExpiry": "P30D" }, "action": { "type": "Notify" } });
    let none = scene.get("/keys/www/rotationpolicy").with(200);
    assert_eq!(none, json!({ "id": id, "lifetimeActions": [notify], "attributes": {} }));
    let put = scene.put("/keys/www/rotationpolicy", policy("P90D")).with(200);
    assert_eq!(put["id"], id);
    assert_eq!(put["lifetimeActions"], json!([policy("")["lifetimeActions"][0], notify]));
    assert_eq!(put["attributes"], json!({ "expiryTime": "P90D", "created": START, "updated": START }));
    assert_eq!(scene.get("/keys/www/rotationpolicy").with(200), put);
    // Handed on by a rotation, and by a version that is created; the versions before may go.
    for make in ["rotate", "create"] {
        scene.post(&format!("/keys/www/{make}"), json!({ "kty": "EC" })).with(200);
        let image = scene.vault.image();
        let mut numbers: Vec<_> = image.with_name(Collection::Keys, "www").map(|object| object.number).collect();
        numbers.truncate(2);
        scene.vault.delete(&numbers).unwrap();
        assert_eq!(scene.get("/keys/www/rotationpolicy").with(200), put);
    }
    scene.clock.set(START + 7);
    let replaced = scene.put("/keys/www/rotationpolicy", json!({})).with(200);
    assert_eq!(replaced["lifetimeActions"], json!([notify]), "a put replaces");
    assert_eq!(replaced["attributes"], json!({ "created": START, "updated": START + 7 }));
    let scene = scene.restarted();
    assert_eq!(scene.get("/keys/www/rotationpolicy").with(200), replaced);
}

#[test]
fn a_policy_that_is_refused_changes_nothing() {
    let scene = Scene::new();
    scene.put("/keys/www/rotationpolicy", policy("P90D")).refused(404);
    scene.get("/keys/www/rotationpolicy").refused(404);
    scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    let put = scene.put("/keys/www/rotationpolicy", policy("P90D")).with(200);
    for wrong in [policy("P27D"), policy("90"), json!({ "lifetimeActions": "Rotate" }), json!([])] {
        assert_eq!(scene.put("/keys/www/rotationpolicy", wrong).refused(400).0, "BadParameter");
    }
    assert_eq!(scene.get("/keys/www/rotationpolicy").with(200), put);
}

#[test]
fn release_and_attestation_are_refused_clearly() {
    let scene = Scene::new();
    let made = scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    let version = made["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap();
    for version in ["", version] {
        let release = scene.post(&format!("/keys/www/{version}/release"), json!({ "target": "x" }));
        assert_eq!(release.refused(400).0, "BadParameter");
        assert_eq!(scene.get(&format!("/keys/www/{version}/attestation")).refused(400).0, "BadParameter");
    }
}
