//! What is given becomes a whole policy, or a sentence.

use serde_json::{Value, json};

use super::*;
use crate::crypto::Curve;

const NOW: i64 = 1_800_000_000;

fn given(policy: Value) -> GivenPolicy {
    serde_json::from_value(policy).expect("a policy's shape")
}

fn new(policy: Value) -> Result<Policy> {
    Policy::new(given(policy), NOW)
}

fn with(part: &str, value: Value) -> Value {
    let mut policy = json!({ "issuer": { "name": "self" }, "x509_props": { "subject": "CN=www" } });
    policy[part] = value;
    policy
}

#[test]
fn an_issuers_word_is_spelled_as_the_service_spells_it() {
    assert_eq!(new(with("issuer", json!({ "name": "UNKNOWN" }))).expect("sound").issuer.name, "Unknown");
    assert_eq!(new(with("issuer", json!({ "name": "DigiCert" }))).expect("sound").issuer.name, "DigiCert");
}

#[test]
fn a_key_is_of_the_kind_and_size_that_is_asked_for_or_of_the_service_s() {
    let algorithm = |key: Value| new(with("key_props", key)).and_then(|policy| policy.key_props.algorithm());
    for (key, expected) in [
        (json!({}), KeyAlgorithm::Rsa { bits: 2048 }),
        (json!({ "key_size": 4096 }), KeyAlgorithm::Rsa { bits: 4096 }),
        (json!({ "kty": "RSA", "crv": "P-256" }), KeyAlgorithm::Rsa { bits: 2048 }),
        (json!({ "kty": "EC" }), KeyAlgorithm::Ec(Curve::P256)),
        (json!({ "kty": "EC", "key_size": 384 }), KeyAlgorithm::Ec(Curve::P384)),
        (json!({ "kty": "EC-HSM", "crv": "P-521", "key_size": 521 }), KeyAlgorithm::Ec(Curve::P521)),
        (json!({ "kty": "EC", "crv": "P-256K" }), KeyAlgorithm::Ec(Curve::Secp256k1)),
    ] {
        assert_eq!(algorithm(key.clone()).expect("sound").1, expected, "{key}");
    }
    for key in [
        json!({ "kty": "EC", "key_size": 2048 }),
        json!({ "kty": "EC", "crv": "P-256", "key_size": 384 }),
        json!({ "kty": "oct-HSM" }),
        json!({ "kty": "RSA", "key_size": 2047 }),
        json!({ "kty": "EC-HSM", "exportable": true }),
    ] {
        assert!(algorithm(key.clone()).is_err(), "{key}");
    }
}

#[test]
fn what_is_changed_of_a_key_leaves_the_rest_where_it_still_fits() {
    let policy = new(with("key_props", json!({ "kty": "EC", "crv": "P-384", "reuse_key": true }))).expect("sound");
    let changed =
        |key: Value| policy.clone().changed(given(json!({ "key_props": key })), NOW + 1).expect("sound").key_props;
    assert_eq!(changed(json!({})), policy.key_props);
    assert_eq!(changed(json!({ "key_size": 256 })).crv.as_deref(), Some("P-256"));
    let hardware = changed(json!({ "kty": "EC-HSM" }));
    assert_eq!((hardware.crv.as_deref(), hardware.exportable, hardware.reuse_key), (Some("P-384"), false, true));
    let rsa = changed(json!({ "kty": "RSA" }));
    assert_eq!((rsa.key_size, rsa.crv, rsa.exportable), (2048, None, true));
}

#[test]
fn a_policy_is_read_back_from_its_note_and_says_the_same_in_a_certificate() {
    let mut policy = with(
        "lifetime_actions",
        json!([
            { "trigger": { "days_before_expiry": 30 }, "action": { "action_type": "EmailContacts" } },
        ]),
    );
    policy["x509_props"]["sans"] = json!({
        "dns_names": ["www.example.org"], "emails": ["a@b"], "upns": ["ü@b"], "uris": ["x:y"], "ipAddresses": ["::1"],
    });
    policy["platformManaged"] = json!({ "certificateUsage": "x", "metadata": { "a": null } });
    let policy = new(policy).expect("sound");
    let mut content = Content::new(crate::vault::Class::Certificate);
    policy.note(&mut content);
    assert_eq!(Policy::of(&content), Some(policy.clone()));
    let profile = policy.x509_props.profile(NOW).expect("a profile");
    assert_eq!((profile.not_before, profile.alternatives.len()), (NOW - 600, 5));
    assert_eq!(X509Properties::of(&profile), policy.x509_props);
}

#[test]
fn of_two_policies_the_one_that_was_put_last_counts_whatever_the_clock_said() {
    let before = new(with("key_props", json!({}))).expect("sound");
    let after = Policy::new(given(with("key_props", json!({ "kty": "EC" }))), NOW - 1000).expect("sound");
    let after = after.following(Some(&before));
    assert_eq!((after.attributes.created, after.attributes.updated), (NOW, NOW + 1));
}

#[test]
fn a_life_is_told_in_months_to_the_nearest_one() {
    let day = 24 * 3600;
    for (days, months) in
        [(1, 1), (28, 1), (45, 1), (46, 2), (365, 12), (366, 12), (730, 24), (36_500, 1199), (99_999, 1200)]
    {
        assert_eq!(months_between(0, days * day), months, "{days}");
    }
}

#[test]
fn what_is_given_with_a_key_that_is_brought_may_not_say_another_one() {
    let derived = || {
        let key = KeyProperties::for_algorithm(KeyAlgorithm::Ec(Curve::P384));
        Policy::with(key, X509Properties { subject: "CN=www".into(), ..X509Properties::default() }, NOW)
    };
    let brought = |key: Value| Policy::for_brought_key(Some(given(json!({ "key_props": key }))), derived(), NOW);
    let kept = brought(json!({ "kty": "EC-HSM", "key_size": 384, "crv": "P-384" })).expect("the same key");
    assert_eq!((kept.key_props.kty.as_str(), kept.key_props.exportable), ("EC-HSM", false));
    for key in [json!({ "kty": "RSA" }), json!({ "key_size": 256 }), json!({ "crv": "P-256" }), json!({ "kty": "oct" })]
    {
        assert!(brought(key.clone()).is_err(), "{key}");
    }
    assert_eq!(Policy::for_brought_key(None, derived(), NOW).expect("derived"), derived());
}
