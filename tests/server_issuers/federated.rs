//! Another issuer's tokens as assertions at the token endpoint: whose they are, how often they count, and what a token that was
//! given for one goes on to say.

use serde_json::{Value, json};
use strongroom::config::Manner;
use strongroom::server::identity::{self, ForeignGroup, group};

use super::bearer::{federate, group_with, refused, scene, with};
use super::issuer::{Issuer, Signer};
use super::jwt::parts;
use super::serving::{Answer, NOW, RESOURCE, Somebody, World, grant};

const JWT_BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";
const EXCHANGE: &str = "api://AzureADTokenExchange";
const SUBJECT: &str = "system:serviceaccount:shop:web";

/// Shows an assertion at the token endpoint.
pub fn login(world: &World, client_id: &str, assertion: &str) -> Answer {
    let form = format!(
        "{}&client_id={client_id}&client_assertion_type={JWT_BEARER}&client_assertion={assertion}",
        grant(RESOURCE)
    );
    world.connect().login("adfs", &form)
}

fn assertion(issuer: &Issuer) -> Value {
    with(issuer.claims(SUBJECT), "aud", json!([EXCHANGE]))
}

fn web(world: &World, issuer: &Issuer) -> Somebody {
    let somebody = world.somebody("web");
    world.assign(&somebody.identity.oid, "Key Vault Reader", "/");
    federate(world, &somebody, &issuer.url, SUBJECT, EXCHANGE);
    somebody
}

fn token(answer: &Answer) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

#[test]
fn an_assertion_gives_a_token_as_often_as_it_is_shown_while_it_lives() {
    let (signer, issuer, world) = scene();
    let somebody = web(&world, &issuer);
    // A projected file, which clients read again until Kubernetes renews it.
    let file = signer.sign(&assertion(&issuer));
    for _ in 0..3 {
        let token = token(&login(&world, &somebody.identity.appid, &file));
        let (_, claims) = parts(&token);
        assert_eq!((&claims["oid"], &claims["exp"]), (&json!(somebody.identity.oid), &json!(NOW + 3600)));
        assert_eq!(world.connect().call(&token, "GET", "/keys", "").status, 200);
    }
    assert_eq!(issuer.asked(), 2, "its keys were asked for once");
    world.clock.set(NOW + 900);
    let late = login(&world, &somebody.identity.appid, &file);
    assert_eq!((late.status, late.json()["error_codes"][0].as_u64()), (401, Some(700024)), "{late:?}");
}

#[test]
fn an_assertion_counts_for_the_client_whose_credential_it_is_and_for_nobody_else() {
    let (signer, issuer, world) = scene();
    let somebody = web(&world, &issuer);
    let other = world.somebody("other");
    federate(&world, &other, &issuer.url, "system:serviceaccount:shop:db", EXCHANGE);
    let good = assertion(&issuer);
    let refuses = |client_id: &str, claims: &Value, number: u64| {
        let answer = login(&world, client_id, &signer.sign(claims));
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{answer:?}");
        assert_eq!(answer.json()["error_codes"][0].as_u64(), Some(number), "{answer:?}");
    };
    let appid = &somebody.identity.appid;
    refuses(&other.identity.appid, &good, 700213);
    refuses("00000000-0000-4000-8000-000000000000", &good, 700213);
    for (name, value, number) in [
        ("sub", json!("system:serviceaccount:shop:db"), 700213),
        ("sub", json!(SUBJECT.to_uppercase()), 700213),
        ("aud", json!(RESOURCE), 700213),
        ("aud", Value::Null, 700213),
        ("exp", Value::Null, 50013),
        ("exp", json!(NOW + 48 * 3600), 700024),
        ("nbf", json!(NOW + 301), 700024),
    ] {
        refuses(appid, &with(good.clone(), name, value), number);
    }
    let stranger = login(&world, appid, &Signer::new("one").sign(&good));
    assert_eq!(stranger.json()["error_codes"][0].as_u64(), Some(50013), "{stranger:?}");
    token(&login(&world, appid, &signer.sign(&good)));
    identity::set_enabled(&*world.vault, Manner::KeyVault, &somebody.identity.oid, false).unwrap();
    refuses(appid, &good, 700213);
}

#[test]
fn a_token_for_a_vault_is_no_assertion_and_an_assertion_no_token_for_a_vault() {
    let (signer, issuer, world) = scene();
    web(&world, &issuer);
    refused(&world, &mut world.connect(), &signer.sign(&assertion(&issuer)), "something else");
}

#[test]
fn what_takes_the_issuers_word_back_takes_the_tokens_back_that_were_given_for_it() {
    let (signer, issuer, mut world) = scene();
    let somebody = web(&world, &issuer);
    let file = signer.sign(&assertion(&issuer));
    let given = token(&login(&world, &somebody.identity.appid, &file));
    let mut client = world.connect();
    assert_eq!(client.call(&given, "GET", "/keys", "").status, 200);
    let clear = &mut |identity: &mut identity::Identity| identity.federated.clear();
    identity::change(&*world.vault, &somebody.identity.oid, clear).unwrap();
    refused(&world, &mut client, &given, "counts no longer");
    federate(&world, &somebody, &issuer.url, SUBJECT, EXCHANGE);
    assert_eq!(client.call(&given, "GET", "/keys", "").status, 200);
    world.restart();
    refused(&world, &mut world.connect(), &given, "counts no longer");
}

#[test]
fn the_issuers_groups_count_as_long_as_they_are_mapped() {
    let (signer, issuer, world) = scene();
    let somebody = world.somebody("web");
    federate(&world, &somebody, &issuer.url, SUBJECT, EXCHANGE);
    let file = signer.sign(&with(assertion(&issuer), "groups", json!(["dev", "ops"])));
    let given = token(&login(&world, &somebody.identity.appid, &file));
    let mut client = world.connect();
    let mut status = || client.call(&given, "GET", "/keys", "").status;
    assert_eq!(status(), 403);
    let oid = group_with(&world, "operators", &issuer, "ops", "Key Vault Reader");
    assert_eq!(status(), 200);
    let foreign = ForeignGroup { issuer: issuer.url.clone(), value: "ops".to_owned() };
    group::remove_foreign(&*world.vault, Manner::KeyVault, &oid, &foreign).unwrap();
    assert_eq!(status(), 403);
    let many: Vec<String> = (0..300).map(|number| format!("{number:036}")).collect();
    let crowded = signer.sign(&with(assertion(&issuer), "groups", json!(many)));
    let answer = login(&world, &somebody.identity.appid, &crowded);
    assert_eq!((answer.status, answer.body.contains("fewer")), (400, true), "{answer:?}");
}
