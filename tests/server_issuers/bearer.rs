//! Tokens of another issuer shown at a vault: who they speak for, and which don't count.

use serde_json::{Value, json};
use strongroom::config::Manner;
use strongroom::server::identity::{self, FederatedCredential, ForeignGroup, group};
use strongroom::vault::Collection;

use super::issuer::{Issuer, Signer};
use super::jwt::{Certificate, Key, token};
use super::serving::{Answer, Client, HSM_RESOURCE, LOGIN, NOW, RESOURCE, Somebody, World};

/// An issuer with one key, and a server that takes its tokens.
pub fn scene() -> (Signer, Issuer, World) {
    let signer = Signer::new("one");
    let issuer = Issuer::start(&[&signer]);
    let world = World::with_issuers(vec![issuer.config()]);
    (signer, issuer, world)
}

/// The identity is this subject of the issuer from now on.
pub fn federate(world: &World, somebody: &Somebody, issuer: &str, subject: &str, audience: &str) {
    let (issuer, subject, audience) = (issuer.to_owned(), subject.to_owned(), audience.to_owned());
    let credential = FederatedCredential { issuer, subject, audience, created: NOW };
    let add = &mut |identity: &mut identity::Identity| identity.federated.push(credential.clone());
    identity::change(&*world.vault, &somebody.identity.oid, add).unwrap();
}

/// Our group that a group of the issuer counts as, with a role.
pub fn group_with(world: &World, name: &str, issuer: &Issuer, value: &str, role: &str) -> String {
    let group = group::create(&*world.vault, name, NOW).unwrap();
    let foreign = ForeignGroup { issuer: issuer.url.clone(), value: value.to_owned() };
    group::add_foreign(&*world.vault, &group.oid, &foreign).unwrap();
    world.assign(&group.oid, role, "/");
    group.oid
}

pub fn with(mut claims: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

fn set(client: &mut Client, token: &str) -> Answer {
    client.call(token, "PUT", "/secrets/written", r#"{"value":"x"}"#)
}

/// A write is refused with the challenge, and nothing is done.
pub fn refused(world: &World, client: &mut Client, token: &str, why: &str) {
    let answer = client.call(token, "PUT", "/secrets/never", r#"{"value":"x"}"#);
    assert_eq!(answer.status, 401, "{answer:?}");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with(&format!("Bearer authorization=\"https://{LOGIN}/")), "{challenge}");
    assert!(answer.body.contains(why), "{why}: {}", answer.body);
    assert_eq!(world.vault.image().with_name(Collection::Secrets, "never").count(), 0);
}

#[test]
fn a_subject_that_is_an_identity_here_has_its_roles_until_it_is_disabled() {
    let (signer, issuer, world) = scene();
    let somebody = world.somebody("app");
    world.assign(&somebody.identity.oid, "Key Vault Secrets Officer", "/");
    federate(&world, &somebody, &issuer.url, "repo:org/app", "api://AzureADTokenExchange");
    let token = signer.sign(&issuer.claims("repo:org/app"));
    let mut client = world.connect();
    assert_eq!(set(&mut client, &token).status, 200);
    let other = signer.sign(&issuer.claims("repo:org/other"));
    assert_eq!(set(&mut client, &other).inner_code().as_deref(), Some("ForbiddenByRbac"));
    let set_enabled = |enabled| {
        identity::set_enabled(&*world.vault, Manner::KeyVault, &somebody.identity.oid, enabled).unwrap();
    };
    set_enabled(false);
    refused(&world, &mut client, &token, "disabled");
    set_enabled(true);
    assert_eq!(set(&mut client, &token).status, 200);
    let clear = &mut |identity: &mut identity::Identity| identity.federated.clear();
    identity::change(&*world.vault, &somebody.identity.oid, clear).unwrap();
    assert_eq!(set(&mut client, &token).inner_code().as_deref(), Some("ForbiddenByRbac"), "a stranger from now on");
}

#[test]
fn a_subject_that_is_two_identities_must_say_which_at_the_token_endpoint() {
    let (signer, issuer, world) = scene();
    for name in ["one", "two"] {
        let somebody = world.somebody(name);
        world.assign(&somebody.identity.oid, "Key Vault Administrator", "/");
        federate(&world, &somebody, &issuer.url, "both", "x");
    }
    refused(&world, &mut world.connect(), &signer.sign(&issuer.claims("both")), "several identities");
}

#[test]
fn a_stranger_has_what_their_groups_have_and_always_the_same_object_id() {
    let (signer, issuer, world) = scene();
    group_with(&world, "deployers", &issuer, "ops", "Key Vault Secrets Officer");
    let claims = |groups: Value| with(issuer.claims("ada"), "groups", groups);
    let mut client = world.connect();
    let in_group = signer.sign(&claims(json!(["dev", "ops"])));
    assert_eq!(set(&mut client, &in_group).status, 200);
    assert_eq!(set(&mut client, &signer.sign(&claims(json!("ops")))).status, 200, "one group is a text");
    for groups in [json!(["dev"]), json!(["OPS"]), json!([]), json!({ "ops": true }), json!(7), Value::Null] {
        let answer = set(&mut client, &signer.sign(&claims(groups.clone())));
        assert_eq!(answer.inner_code().as_deref(), Some("ForbiddenByRbac"), "{groups}");
    }
    let oid = |client: &mut Client, subject: &str| {
        let body = set(client, &signer.sign(&issuer.claims(subject))).body;
        body.split("oid=").nth(1).unwrap()[..36].to_owned()
    };
    let (ada, grace) = (oid(&mut client, "ada"), oid(&mut client, "grace"));
    assert_eq!((ada.as_bytes()[14], ada == grace), (b'8', false), "{ada}");
    world.assign(&ada, "Key Vault Secrets Officer", "/");
    assert_eq!(set(&mut client, &signer.sign(&issuer.claims("ada"))).status, 200);
    assert_eq!(set(&mut client, &signer.sign(&issuer.claims("grace"))).status, 403);
}

#[test]
fn a_group_that_is_mapped_no_longer_counts_no_longer_at_the_next_request() {
    let (signer, issuer, world) = scene();
    let oid = group_with(&world, "deployers", &issuer, "ops", "Key Vault Secrets Officer");
    let token = signer.sign(&with(issuer.claims("ada"), "groups", json!(["ops"])));
    let mut client = world.connect();
    let foreign = ForeignGroup { issuer: issuer.url.clone(), value: "ops".to_owned() };
    assert_eq!(set(&mut client, &token).status, 200);
    group::remove_foreign(&*world.vault, Manner::KeyVault, &oid, &foreign).unwrap();
    assert_eq!(set(&mut client, &token).status, 403);
    group::add_foreign(&*world.vault, &oid, &foreign).unwrap();
    assert_eq!(set(&mut client, &token).status, 200);
    assert_eq!(issuer.asked(), 2, "one document and one set of keys for all of it");
}

#[test]
fn a_token_that_is_forged_or_signed_in_another_way_does_not_count() {
    let (signer, issuer, world) = scene();
    group_with(&world, "all", &issuer, "all", "Key Vault Administrator");
    let claims = with(issuer.claims("ada"), "groups", json!(["all"]));
    let good = signer.sign(&claims);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let header = |alg: &str| json!({ "alg": alg, "typ": "JWT", "kid": signer.kid });
    let (stranger, rsa) = (Signer::new("one"), Certificate::rsa());
    let rsa = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&rsa.pkcs8).unwrap();
    let mut client = world.connect();
    for (forged, why) in [
        (stranger.sign(&claims), "signature"),
        (format!("{signed}."), "signature"),
        (token(&header("none"), &claims, &Key::None), ""),
        (token(&header("HS256"), &claims, &Key::Secret(signer.jwk().to_string().as_bytes())), "isn't allowed"),
        (token(&header("ES384"), &claims, &signer.key()), "isn't allowed"),
        (token(&header("PS256"), &claims, &Key::Rsa(&rsa)), "isn't allowed"),
        (token(&header("RS256"), &claims, &Key::Rsa(&rsa)), "doesn't have"),
        (token(&json!({ "alg": "ES256" }), &claims, &signer.key()), "malformed"),
        (token(&with(header("ES256"), "crit", json!(["x"])), &claims, &signer.key()), "malformed"),
        (Signer::new("another").sign(&claims), "doesn't have"),
        (signer.sign(&with(claims.clone(), "iss", json!(format!("{}/", issuer.url)))), "not made by this server"),
        (signer.sign(&with(claims.clone(), "pad", json!("x".repeat(20_000)))), "longer than"),
    ] {
        refused(&world, &mut client, &forged, why);
    }
    assert_eq!(set(&mut client, &good).status, 200);
    let header = ("authorization", &*format!("Bearer {}", "x".repeat(64 * 1024)));
    assert!(client.is_too_large("GET", "/secrets/never?api-version=7.5", header), "a token of 64 KiB isn't even read");
}

#[test]
fn a_token_must_be_for_this_vault_within_its_dates_and_of_its_tenant() {
    let (signer, issuer, world) = scene();
    group_with(&world, "all", &issuer, "all", "Key Vault Administrator");
    let claims = with(issuer.claims("ada"), "groups", json!(["all"]));
    let mut client = world.connect();
    for (name, value, why) in [
        ("aud", json!("api://AzureADTokenExchange"), "something else"),
        ("aud", json!(HSM_RESOURCE), "something else"),
        ("aud", json!([]), "something else"),
        ("aud", Value::Null, "something else"),
        ("aud", json!("https://vault.test.example"), "something else"),
        ("sub", Value::Null, "lacks"),
        ("sub", json!(""), "lacks"),
        ("sub", json!(["ada"]), "lacks"),
        ("exp", Value::Null, "lacks"),
        ("exp", json!("tomorrow"), "lacks"),
        ("exp", json!(NOW - 300), "expired"),
        ("exp", json!(NOW + 24 * 3600 + 301), "more than a day"),
        ("nbf", json!(NOW + 301), "not valid yet"),
        ("iat", json!(NOW + 301), "not valid yet"),
    ] {
        refused(&world, &mut client, &signer.sign(&with(claims.clone(), name, value)), why);
    }
    for (name, value) in [
        ("aud", json!(["https://elsewhere.example", RESOURCE])),
        ("aud", json!(format!("{RESOURCE}/"))),
        ("exp", json!(NOW - 299)),
        ("exp", json!(NOW as f64 + 60.5)),
        ("nbf", json!(NOW + 300)),
        ("nbf", Value::Null),
    ] {
        let answer = set(&mut client, &signer.sign(&with(claims.clone(), name, value.clone())));
        assert_eq!(answer.status, 200, "{name} {value}: {answer:?}");
    }
    let kept = signer.sign(&claims);
    assert_eq!(set(&mut client, &kept).status, 200);
    world.clock.set(NOW + 900);
    refused(&world, &mut client, &kept, "expired");
}

#[test]
fn the_configuration_says_audience_tenant_and_which_claims_are_meant() {
    let signer = Signer::new("one");
    let issuer = Issuer::start(&[&signer]);
    let mut config = issuer.config();
    config.audience = vec!["strongroom".to_owned()];
    config.tenant = Some("9122040d-6c67-4c5b-b112-36a304b66dad".to_owned());
    config.subject_claim = "oid".to_owned();
    config.groups_claim = Some("/realm_access/roles".to_owned());
    let world = World::with_issuers(vec![config]);
    group_with(&world, "all", &issuer, "all", "Key Vault Administrator");
    let claims = json!({
        "iss": issuer.url, "sub": "pairwise", "oid": "ada", "aud": "strongroom", "exp": NOW + 600,
        "tid": "9122040D-6C67-4C5B-B112-36A304B66DAD", "realm_access": { "roles": ["all"] },
    });
    let mut client = world.connect();
    assert_eq!(set(&mut client, &signer.sign(&claims)).status, 200);
    for (name, value, why) in [
        ("aud", json!(RESOURCE), "something else"),
        ("tid", json!("00000000-0000-4000-8000-000000000000"), "another tenant"),
        ("tid", Value::Null, "another tenant"),
        ("oid", Value::Null, "lacks"),
    ] {
        refused(&world, &mut client, &signer.sign(&with(claims.clone(), name, value)), why);
    }
}

#[test]
fn another_issuers_key_never_counts_and_its_groups_are_its_own() {
    let (ours, theirs) = (Signer::new("shared"), Signer::new("theirs"));
    let (issuer, other) = (Issuer::start(&[&ours]), Issuer::start(&[&theirs]));
    let world = World::with_issuers(vec![issuer.config(), other.config()]);
    group_with(&world, "all", &issuer, "all", "Key Vault Administrator");
    let claims = with(issuer.claims("ada"), "groups", json!(["all"]));
    let mut client = world.connect();
    assert_eq!(set(&mut client, &ours.sign(&claims)).status, 200);
    // The other issuer's keys are known by now.
    let own = with(other.claims("ada"), "groups", json!(["all"]));
    assert_eq!(set(&mut client, &theirs.sign(&own)).status, 403, "its group of the same name is another one");
    refused(&world, &mut client, &theirs.sign(&claims), "doesn't have");
    refused(&world, &mut client, &ours.sign(&own), "doesn't have");
}

#[test]
fn an_issuer_that_is_taken_out_of_the_configuration_counts_no_longer() {
    let (signer, issuer, mut world) = scene();
    group_with(&world, "all", &issuer, "all", "Key Vault Administrator");
    let token = signer.sign(&with(issuer.claims("ada"), "groups", json!(["all"])));
    assert_eq!(set(&mut world.connect(), &token).status, 200);
    world.restart();
    refused(&world, &mut world.connect(), &token, "not made by this server");
}

#[test]
fn a_stranger_learns_no_identities_of_the_directory() {
    let (signer, issuer, world) = scene();
    let somebody = world.somebody("app");
    let manager = with(issuer.claims("ada"), "aud", json!(format!("https://{LOGIN}")));
    let bearer = format!("Bearer {}", signer.sign(&manager));
    let headers = [("authorization", &*bearer), ("content-type", "application/json")];
    let body = json!({ "ids": [somebody.identity.oid] }).to_string();
    let answer = world.connect().send("POST", LOGIN, "/v1.0/directoryObjects/getByIds", &headers, &body);
    assert_eq!(answer.status, 401, "{answer:?}");
}
