//! Certificates over time: dates, policies, and what ends with them.

use serde_json::{Value, json};
use strongroom::certificate::{Profile, Signer, make, name, pem};
use strongroom::crypto::{Curve, PrivateKey};
use strongroom::vault::*;

use crate::scene::*;

fn policy(issuer: &str) -> Value {
    json!({ "issuer": { "name": issuer }, "key_props": { "kty": "EC" }, "x509_props": { "subject": "CN=www" } })
}

fn create(scene: &Scene, name: &str, policy: &Value) {
    scene.post(&format!("/certificates/{name}/create"), json!({ "policy": policy })).with(202);
}

/// An authority's certificate with its key, in PEM; valid until 2096.
fn authority() -> String {
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
    let profile = Profile {
        subject: name::parse("CN=authority").unwrap(),
        alternatives: Vec::new(),
        key_usages: Default::default(),
        extended_usages: Vec::new(),
        authority: Some(Default::default()),
        not_before: 1_600_000_000,
        not_after: 4_000_000_000,
    };
    let der = make::self_signed(&profile, &Signer::new(key.into()).unwrap()).unwrap();
    String::from_utf8(pem::bundle(Some(&pkcs8), &[&der]).expose().to_vec()).unwrap()
}

/// A vault whose issuer `own` is an authority of its own.
fn with_issuer() -> Scene {
    let scene = Scene::new();
    scene.post("/certificates/ca/import", json!({ "value": authority() })).with(200);
    scene
        .put("/certificates/issuers/own", json!({ "provider": "Strongroom", "credentials": { "account_id": "ca" } }))
        .with(200);
    scene
}

fn chain_members(scene: &Scene) -> usize {
    let image = scene.vault.image();
    image.with_class(Class::Certificate).filter(|object| object.name.is_none()).count()
}

#[test]
fn a_certificate_lives_from_ten_minutes_ago_for_the_months_of_its_policy_and_its_key_as_long() {
    let scene = Scene::new();
    create(&scene, "www", &policy("Self"));
    let made = scene.get("/certificates/www").with(200);
    assert_eq!(made["attributes"]["nbf"], START - 600);
    // 2055-01-15 to 2056-01-15.
    assert_eq!(made["attributes"]["exp"], START + 365 * DAY);
    let key = scene.get("/keys/www").with(200);
    for of in ["nbf", "exp", "enabled"] {
        assert_eq!(key["attributes"][of], made["attributes"][of]);
        assert_eq!(scene.get("/secrets/www").with(200)["attributes"][of], made["attributes"][of]);
    }
}

#[test]
fn everything_is_the_same_after_a_restart() {
    let mut scene = Scene::new();
    create(&scene, "www", &policy("Self"));
    create(&scene, "waits", &policy("Unknown"));
    scene.put("/certificates/contacts", json!({ "contacts": [{ "email": "who@example.org" }] })).with(200);
    let paths =
        ["/certificates/www", "/certificates/www/pending", "/certificates/waits", "/certificates/waits/pending"];
    let more = ["/secrets/www", "/certificates/www/policy", "/certificates/contacts", "/certificates/waits/policy"];
    let all = |scene: &Scene| paths.iter().chain(&more).map(|path| scene.get(path).with(200)).collect::<Vec<_>>();
    let before = all(&scene);
    scene = scene.restarted();
    assert_eq!(all(&scene), before);
}

#[test]
fn the_policy_that_was_put_last_counts_also_where_a_clock_went_backward() {
    let scene = Scene::new();
    create(&scene, "www", &policy("Self"));
    scene.clock.set(START - 1000 * DAY);
    let mut later = policy("Self");
    later["x509_props"] = json!({ "subject": "CN=later", "validity_months": 5 });
    create(&scene, "www", &later);
    let kept = scene.get("/certificates/www/policy").with(200);
    assert_eq!((&kept["x509_props"]["subject"], &kept["attributes"]["created"]), (&json!("CN=later"), &json!(START)));
    scene.clock.set(START);
    scene.ask("PATCH", "/certificates/www/policy", json!({ "x509_props": { "validity_months": 6 } })).with(200);
    let kept = scene.get("/certificates/www/policy").with(200);
    assert_eq!(kept["x509_props"]["validity_months"], 6);
    assert_eq!(kept["x509_props"]["subject"], "CN=later");
}

#[test]
fn a_certificate_ends_at_its_date_with_its_key_and_with_what_stood_above_it_alone() {
    for protected in [false, true] {
        let scene = with_issuer();
        let purge = START + 90 * DAY;
        for name in ["one", "two"] {
            create(&scene, name, &policy("own"));
            assert_eq!(scene.get(&format!("/certificates/{name}/pending")).with(200)["status"], "completed");
        }
        assert_eq!(chain_members(&scene), 0, "the authority's own certificate stands above them");
        // Without it another one with its chain keeps it in the vault.
        let secret = scene.get("/secrets/one").with(200);
        scene.post("/certificates/brought/import", json!({ "value": secret["value"] })).with(200);
        scene.delete("/certificates/ca").with(200);
        scene.clock.set(purge + 1);
        scene.get("/deletedcertificates/ca").refused(404);
        scene.post("/certificates/again/import", json!({ "value": secret["value"] })).with(200);
        assert_eq!(chain_members(&scene), 1);
        if protected {
            Retention::change(&*scene.vault, &mut |retention| retention.purge_protection = true).unwrap();
        }
        for name in ["one", "two", "brought", "again"] {
            scene.delete(&format!("/certificates/{name}")).with(200);
        }
        assert_eq!(chain_members(&scene), 1);
        scene.clock.set(purge + 90 * DAY + 2);
        scene.get("/deletedcertificates/one").refused(404);
        let image = scene.vault.image();
        assert_eq!((image.deleted().count(), image.len()), (0, 0), "nothing of them is left, protected or not");
    }
}

#[test]
fn what_an_authority_is_asked_for_fails_when_it_ends_too_early_and_says_so() {
    let scene = with_issuer();
    let mut long = policy("own");
    long["x509_props"]["validity_months"] = json!(1200);
    create(&scene, "long", &long);
    let failed = scene.get("/certificates/long/pending").with(200);
    assert_eq!((&failed["status"], &failed["error"]["code"]), (&json!("failed"), &json!("IssuerCannotSign")));
    assert!(failed["error"]["message"].as_str().unwrap().contains("valid until"), "{failed}");
    create(&scene, "long", &policy("own"));
    assert_eq!(scene.get("/certificates/long").with(200)["attributes"]["enabled"], true);
}
