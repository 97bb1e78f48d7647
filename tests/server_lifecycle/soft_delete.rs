//! Soft deletion.

use std::time::{Duration, Instant};

use serde_json::json;
use strongroom::vault::*;

use crate::scene::*;

/// Only against hangs.
const HANG: Duration = Duration::from_secs(30);

fn with_key_and_secret() -> Scene {
    let scene = Scene::new();
    for _ in 0..2 {
        scene.post("/keys/Www/create", json!({ "kty": "EC", "tags": { "a": "b" } })).with(200);
        scene.put("/secrets/Token", json!({ "value": "v" })).with(200);
    }
    scene
}

#[test]
fn a_deleted_object_is_there_a_second_before_its_date_and_gone_a_second_after() {
    for restart in [false, true] {
        for (path, deleted) in [("/keys/Www", "/deletedkeys/Www"), ("/secrets/Token", "/deletedsecrets/Token")] {
            let mut scene = with_key_and_secret();
            let bundle = scene.delete(path).with(200);
            let purge = START + 90 * DAY;
            assert_eq!(bundle["deletedDate"], START);
            assert_eq!(bundle["scheduledPurgeDate"], purge);
            assert_eq!(bundle["recoveryId"], format!("{BASE}{deleted}"));
            scene.clock.set(purge - 1);
            scene = if restart { scene.restarted() } else { scene };
            assert_eq!(scene.get(deleted).with(200), bundle);
            scene.clock.set(purge + 1);
            scene = if restart { scene.restarted() } else { scene };
            scene.get(deleted).refused(404);
            scene.post(&format!("{deleted}/recover"), json!(null)).refused(404);
            assert_eq!(scene.vault.image().deleted().count(), 0, "the objects are gone, not only hidden");
            let body = if path.starts_with("/keys") { json!({ "kty": "EC" }) } else { json!({ "value": "new" }) };
            let (method, made) = if path.starts_with("/keys") { ("POST", "/keys/Www/create") } else { ("PUT", path) };
            scene.ask(method, made, body).with(200);
        }
    }
}

#[test]
fn a_clock_that_goes_backward_purges_nothing_early() {
    let scene = with_key_and_secret();
    let bundle = scene.delete("/keys/Www").with(200);
    scene.clock.set(START - 1000 * DAY);
    assert_eq!(scene.get("/deletedkeys/Www").with(200), bundle);
    scene.post("/deletedkeys/Www/recover", json!(null)).with(200);
    scene.delete("/keys/Www").with(200);
    scene.clock.set(START - 1000 * DAY + 89 * DAY);
    scene.get("/deletedkeys/Www").with(200);
}

#[test]
fn a_clock_that_was_behind_at_the_deletion_purges_nothing_early() {
    let scene = with_key_and_secret();
    let made = scene.get("/keys/Www").with(200)["attributes"]["created"].as_i64().unwrap();
    scene.clock.set(made - 1000 * DAY);
    let bundle = scene.delete("/keys/Www").with(200);
    let deleted = bundle["deletedDate"].as_i64().unwrap();
    assert!((made..made + DAY).contains(&deleted), "{bundle}");
    assert_eq!(bundle["scheduledPurgeDate"], deleted + 90 * DAY);
    scene.clock.set(made + 90 * DAY - 1);
    assert_eq!(scene.get("/deletedkeys/Www").with(200), bundle);
}

#[test]
fn all_versions_come_back_with_everything_that_they_said() {
    let mut scene = with_key_and_secret();
    for (path, deleted) in [("/keys/Www", "/deletedkeys/Www"), ("/secrets/Token", "/deletedsecrets/Token")] {
        let newest = scene.get(path).with(200);
        let versions = scene.get(&format!("{path}/versions")).with(200);
        assert_eq!(versions["value"].as_array().unwrap().len(), 2);
        scene.delete(path).with(200);
        scene = scene.restarted();
        let recovered = scene.post(&format!("{deleted}/recover"), json!(null)).with(200);
        let mut shown = newest.clone();
        shown.as_object_mut().unwrap().remove("value");
        assert_eq!(recovered, shown);
        assert_eq!(scene.get(path).with(200), newest);
        assert_eq!(scene.get(&format!("{path}/versions")).with(200), versions);
        scene.get(deleted).refused(404);
    }
}

#[test]
fn the_name_of_what_is_deleted_is_held_and_nothing_else_answers_to_it() {
    let scene = with_key_and_secret();
    let live = scene.get("/keys/Www").with(200);
    let kid = live["key"]["kid"].as_str().unwrap();
    scene.delete("/keys/www").with(200);
    scene.delete("/secrets/TOKEN").with(200);
    let held = ("Conflict".to_owned(), "ObjectIsDeletedButRecoverable".to_owned());
    assert_eq!(scene.post("/keys/wWw/create", json!({ "kty": "EC" })).refused(409), held);
    let brought = json!({ "key": { "kty": "oct", "k": "AAAAAAAAAAAAAAAAAAAAAA" } });
    assert_eq!(scene.put("/keys/www", brought).refused(409), held);
    assert_eq!(scene.put("/secrets/token", json!({ "value": "v" })).refused(409), held);
    for path in [kid, "/keys/www", "/keys/www/versions", "/secrets/token", "/secrets/token/versions"] {
        scene.get(path).refused(404);
    }
    scene.delete("/keys/www").refused(404);
    scene.post(&format!("{kid}/sign"), json!({ "alg": "ES256", "value": "A".repeat(43) })).refused(404);
    scene.ask("PATCH", kid, json!({ "tags": {} })).refused(404);
    assert_eq!(scene.get("/keys").with(200)["value"], json!([]));
    assert_eq!(scene.get("/secrets").with(200)["value"], json!([]));
}

#[test]
fn deleted_objects_are_listed_in_pages() {
    let scene = Scene::new();
    for number in 0..5 {
        scene.put(&format!("/secrets/s{number}"), json!({ "value": "v", "contentType": "text" })).with(200);
        scene.post(&format!("/keys/k{number}/create"), json!({ "kty": "EC" })).with(200);
        scene.delete(&format!("/secrets/s{number}")).with(200);
        scene.delete(&format!("/keys/k{number}")).with(200);
    }
    for (collection, id) in [("secrets", "id"), ("keys", "kid")] {
        let mut found = Vec::new();
        let mut next = Some(format!("/deleted{collection}?maxresults=2"));
        while let Some(link) = next {
            let page = scene.get(&link).with(200);
            assert!(page["value"].as_array().unwrap().len() <= 2);
            found.extend(page["value"].as_array().unwrap().clone());
            next = page["nextLink"].as_str().map(str::to_owned);
        }
        assert_eq!(found.len(), 5);
        for (number, item) in found.iter().enumerate() {
            let name = format!("{}{number}", &collection[..1]);
            assert_eq!(item[id], format!("{BASE}/{collection}/{name}"));
            assert_eq!(item["recoveryId"], format!("{BASE}/deleted{collection}/{name}"));
            assert_eq!(item["scheduledPurgeDate"], START + 90 * DAY);
            assert!(item.get("value").is_none() && item.get("key").is_none());
        }
    }
}

#[test]
fn a_purge_frees_the_name_at_once() {
    let scene = with_key_and_secret();
    scene.delete("/keys/Www").with(200);
    assert!(scene.delete("/deletedkeys/www").with(204).is_null());
    scene.get("/deletedkeys/Www").refused(404);
    scene.delete("/deletedkeys/Www").refused(404);
    let made = scene.post("/keys/www/create", json!({ "kty": "EC" })).with(200);
    assert!(made["key"]["kid"].as_str().unwrap().starts_with(&format!("{BASE}/keys/www/")));
    assert_eq!(scene.get("/keys/www/versions").with(200)["value"].as_array().unwrap().len(), 1);
}

#[test]
fn with_purge_protection_nothing_goes_before_its_date_by_nobody() {
    let scene = with_key_and_secret();
    Retention::change(&*scene.vault, &mut |retention| {
        *retention = Retention { days: 7, purge_protection: true };
    })
    .unwrap();
    let stays = Retention::change(&*scene.vault, &mut |retention| retention.purge_protection = false).unwrap();
    assert!(stays.purge_protection, "it can't be taken back");
    let live = scene.get("/keys/Www").with(200);
    assert_eq!(live["attributes"]["recoveryLevel"], "CustomizedRecoverable");
    assert_eq!(live["attributes"]["recoverableDays"], 7);
    let number = scene.vault.image().with_class(Class::PrivateKey).next().unwrap().number;
    assert!(matches!(scene.vault.delete(&[number]), Err(VaultError::PurgeProtected)));
    let bundle = scene.delete("/keys/Www").with(200);
    assert_eq!(bundle["scheduledPurgeDate"], START + 7 * DAY);
    let (code, _) = scene.delete("/deletedkeys/Www").refused(403);
    assert_eq!(code, "Forbidden");
    scene.get("/deletedkeys/Www").with(200);
    scene.clock.set(START + 7 * DAY);
    scene.get("/deletedkeys/Www").refused(404);
}

#[test]
fn a_key_that_is_deleted_over_rest_stops_signing_in_another_process_at_once_and_signs_again_when_it_is_back() {
    let scene = with_key_and_secret();
    let other = scene.of_another_process();
    let image = other.image();
    let of_key = |object: &&std::sync::Arc<Object>| object.content.class == Class::PrivateKey;
    let number = image.with_label(b"Www").filter(of_key).last().unwrap().number;
    let held = other.private_key(number).unwrap();
    held.check_usable().unwrap();
    scene.delete("/keys/Www").with(200);
    // Nothing was loaded anew in between: the key itself finds it out.
    assert!(matches!(held.check_usable(), Err(VaultError::Deleted)));
    assert!(matches!(other.private_key(number), Err(VaultError::Deleted)));
    scene.post("/deletedkeys/Www/recover", json!(null)).with(200);
    other.refresh().unwrap();
    scene.sign_elsewhere(&*other, "Www").unwrap();
}

#[test]
fn what_is_due_is_purged_without_any_request() {
    let scene = with_key_and_secret();
    scene.delete("/keys/Www").with(200);
    scene.put("/secrets/later", json!({ "value": "v" })).with(200);
    scene.clock.set(START + DAY);
    scene.delete("/secrets/later").with(200);
    scene.clock.set(START + 90 * DAY);
    scene.purges_by_itself();
    let began = Instant::now();
    while scene.vault.image().deleted_names(Collection::Keys, "").next().is_some() {
        assert!(began.elapsed() < HANG, "nobody purged");
        std::thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(scene.vault.image().deleted_names(Collection::Secrets, "").collect::<Vec<_>>(), ["later"]);
}
