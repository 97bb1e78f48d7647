//! Backups of single objects.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use strongroom::vault::*;

use crate::scene::*;

/// A key of three versions, of which one is disabled, and a secret of two.
fn with_versions() -> Scene {
    let scene = Scene::new();
    for kty in ["EC", "RSA-HSM", "oct"] {
        let attributes = json!({ "nbf": START - 5, "exp": START + 5 });
        let body = json!({ "kty": kty, "attributes": attributes, "tags": { "kind": kty } });
        scene.post("/keys/Www/create", body).with(200);
    }
    scene.ask("PATCH", "/keys/Www", json!({ "attributes": { "enabled": false } })).with(200);
    for value in ["one", "two"] {
        let body = json!({ "value": value, "contentType": "text/plain", "tags": { "v": value } });
        scene.put("/secrets/Token", body).with(200);
    }
    scene
}

fn backup(scene: &Scene, path: &str) -> Value {
    scene.post(&format!("{path}/backup"), json!(null)).with(200)
}

/// Every version of an object, by its id, as GET answers it.
fn versions(scene: &Scene, path: &str, id: &str) -> Vec<Value> {
    let list = scene.get(&format!("{path}/versions")).with(200);
    list["value"].as_array().unwrap().iter().map(|item| scene.get(item[id].as_str().unwrap()).with(200)).collect()
}

fn purge(scene: &Scene, path: &str) {
    scene.delete(path).with(200);
    scene.delete(&path.replacen('/', "/deleted", 1)).with(204);
}

#[test]
fn every_version_comes_back_with_its_id_dates_attributes_and_tags() {
    let scene = with_versions();
    let keys = versions(&scene, "/keys/Www", "kid");
    let secrets = versions(&scene, "/secrets/Token", "id");
    assert_eq!((keys.len(), secrets.len()), (3, 2));
    let (key, secret) = (backup(&scene, "/keys/Www"), backup(&scene, "/secrets/Token"));
    purge(&scene, "/keys/Www");
    purge(&scene, "/secrets/Token");
    let scene = scene.restarted();
    let restored = scene.post("/keys/restore", key).with(200);
    assert_eq!(&restored, keys.last().unwrap());
    let restored = scene.post("/secrets/restore", secret).with(200);
    assert_eq!((&restored["id"], restored.get("value")), (&secrets.last().unwrap()["id"], None));
    assert_eq!(versions(&scene, "/keys/Www", "kid"), keys);
    assert_eq!(versions(&scene, "/secrets/Token", "id"), secrets);
}

#[test]
fn a_restored_key_is_the_same_key() {
    let scene = Scene::new();
    let made = scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    let kid = made["key"]["kid"].as_str().unwrap();
    let digest = Base64UrlUnpadded::encode_string(&[7; 32]);
    let signed = scene.post(&format!("{kid}/sign"), json!({ "alg": "ES256", "value": digest })).with(200);
    let blob = backup(&scene, "/keys/www");
    purge(&scene, "/keys/www");
    scene.post("/keys/restore", blob).with(200);
    let verify = |signature: &Value| {
        let body = json!({ "alg": "ES256", "digest": digest, "value": signature });
        scene.post(&format!("{kid}/verify"), body).with(200)["value"].clone()
    };
    assert_eq!(verify(&signed["value"]), true, "the public key is the one that was there");
    let again = scene.post(&format!("{kid}/sign"), json!({ "alg": "ES256", "value": digest })).with(200);
    assert_eq!(verify(&again["value"]), true, "and the private key is its other half");
    let next = scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    assert_ne!(next["key"]["kid"], kid, "the name goes on with further versions");
    assert_eq!(scene.get("/keys/www").with(200), next);
}

#[test]
fn a_name_that_is_there_or_deleted_is_not_restored_over() {
    let scene = with_versions();
    for path in ["/keys/Www", "/secrets/Token"] {
        let blob = backup(&scene, path);
        let restore = format!("/{}/restore", path.split('/').nth(1).unwrap());
        let before = scene.get(path).with(200);
        assert_eq!(scene.post(&restore, blob.clone()).refused(409).0, "Conflict");
        assert_eq!(scene.get(path).with(200), before);
        scene.delete(path).with(200);
        let (_, inner) = scene.post(&restore, blob).refused(409);
        assert_eq!(inner, "ObjectIsDeletedButRecoverable");
    }
}

#[test]
fn a_blob_with_one_bit_changed_anywhere_is_refused() {
    let scene = with_versions();
    let blob = backup(&scene, "/secrets/Token")["value"].as_str().unwrap().to_owned();
    let bytes = Base64UrlUnpadded::decode_vec(&blob).unwrap();
    purge(&scene, "/secrets/Token");
    for at in 0..bytes.len() {
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (at % 8);
        let body = json!({ "value": Base64UrlUnpadded::encode_string(&flipped) });
        assert_eq!(scene.post("/secrets/restore", body).refused(400).0, "BadParameter", "byte {at}");
    }
    for len in [0, 1, 2, 13, 14, 29, 30, bytes.len() - 1] {
        let body = json!({ "value": Base64UrlUnpadded::encode_string(&bytes[..len]) });
        scene.post("/secrets/restore", body).refused(400);
    }
    for wrong in [json!({}), json!({ "value": 7 }), json!({ "value": "*" }), json!({ "value": format!("{blob}=") })] {
        scene.post("/secrets/restore", wrong).refused(400);
    }
    scene.get("/secrets/Token").refused(404);
    scene.post("/secrets/restore", json!({ "value": blob })).with(200);
}

#[test]
fn a_blob_of_another_kind_or_server_is_refused() {
    let (scene, other) = (with_versions(), Scene::new());
    let (key, secret) = (backup(&scene, "/keys/Www"), backup(&scene, "/secrets/Token"));
    // The other server has a key for blobs of its own by now.
    other.put("/secrets/own", json!({ "value": "v" })).with(200);
    backup(&other, "/secrets/own");
    for (path, blob) in [("/keys/restore", &secret), ("/secrets/restore", &key)] {
        assert_eq!(scene.post(path, blob.clone()).refused(400).0, "BadParameter");
        assert_eq!(other.post(path, blob.clone()).refused(400).0, "BadParameter");
    }
    other.post("/keys/restore", key).refused(400);
    other.post("/secrets/restore", secret).refused(400);
}

#[test]
fn a_blob_outlives_a_rekey_of_the_vault() {
    let scene = with_versions();
    let blob = backup(&scene, "/secrets/Token");
    purge(&scene, "/secrets/Token");
    let vault = scene.of_another_process();
    vault.rekey(&[crate::faults::user(crate::faults::USER_PIN)], false, &mut |_, _| {}).unwrap();
    scene.restarted().post("/secrets/restore", blob).with(200);
}

#[test]
fn nothing_is_backed_up_that_is_not_there() {
    let scene = with_versions();
    scene.post("/keys/other/backup", Value::Null).refused(404);
    scene.delete("/secrets/Token").with(200);
    scene.post("/secrets/Token/backup", Value::Null).refused(404);
    let secret_key =
        scene.vault.image().service().values().find(|object| object.content.label == b"blob-key/1").cloned();
    assert!(secret_key.is_none(), "a refusal makes nothing");
    backup(&scene, "/keys/Www");
    let image = scene.vault.image();
    let key = image.service().values().find(|object| object.content.label == b"blob-key/1").unwrap();
    assert!(key.content.class == Class::Service && key.secret_len == 32);
}
