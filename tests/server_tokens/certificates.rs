//! Logins with a certificate: assertions as clients write them, and all that must not pass.

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use strongroom::config::Manner;
use strongroom::server::identity::{self, ClientCertificate};

use super::jwt::{Certificate, Key, ec, es256, token};
use super::serving::{Answer, LOGIN, NOW, RESOURCE, Somebody, World, grant};

const JWT_BEARER: &str = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer";

fn register(world: &World, somebody: &Somebody, certificate: &Certificate) {
    let der = Base64UrlUnpadded::encode_string(&certificate.der);
    let kept = ClientCertificate { der, created: NOW };
    let add = &mut |identity: &mut identity::Identity| identity.certificates.push(kept.clone());
    identity::change(&*world.vault, &somebody.identity.oid, add).unwrap();
}

fn login(world: &World, somebody: &Somebody, assertion: &str) -> Answer {
    let form = format!(
        "{}&client_id={}&client_assertion_type={JWT_BEARER}&client_assertion={assertion}",
        grant(RESOURCE),
        somebody.identity.appid
    );
    world.connect().login("adfs", &form)
}

/// Claims as MSAL for Python writes them.
fn claims(somebody: &Somebody, jti: &str, now: i64) -> Value {
    let id = &somebody.identity.appid;
    json!({
        "aud": format!("https://{LOGIN}/adfs/oauth2/v2.0/token"),
        "iss": id, "sub": id, "jti": jti,
        "exp": now as f64 + 600.25, "iat": now as f64 + 0.25,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(claims.as_object_mut().unwrap().remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[test]
fn every_way_in_which_clients_sign_is_understood() {
    let world = World::new();
    let somebody = world.somebody("app");
    let (rsa, p256) = (Certificate::rsa(), Certificate::ec());
    register(&world, &somebody, &rsa);
    register(&world, &somebody, &p256);
    for (number, (certificate, header)) in [
        (&rsa, json!({ "typ": "JWT", "alg": "RS256", "x5t": rsa.x5t() })),
        (&rsa, json!({ "typ": "JWT", "alg": "PS256", "x5t#S256": rsa.x5t_s256(), "x5c": ["MA=="] })),
        (&rsa, json!({ "alg": "RS256", "x5t": rsa.x5t().trim_end_matches('='), "x5t#S256": rsa.x5t_s256() })),
        (&p256, es256(&p256)),
    ]
    .into_iter()
    .enumerate()
    {
        let answer =
            login(&world, &somebody, &certificate.assertion(&header, &claims(&somebody, &number.to_string(), NOW)));
        assert_eq!(answer.status, 200, "{header} {answer:?}");
    }
    let several = with(
        claims(&somebody, "x", NOW),
        "aud",
        json!(["https://elsewhere.example", format!("https://{LOGIN}/adfs/oauth2/token")]),
    );
    assert_eq!(login(&world, &somebody, &p256.assertion(&es256(&p256), &several)).status, 200);
}

#[test]
fn an_assertion_works_once_also_across_a_restart() {
    let mut world = World::new();
    let somebody = world.somebody("app");
    let other = world.somebody("other");
    let certificate = Certificate::ec();
    register(&world, &somebody, &certificate);
    register(&world, &other, &certificate);
    let assertion = |somebody, now| certificate.assertion(&es256(&certificate), &claims(somebody, "the same", now));
    let first = assertion(&somebody, NOW);
    assert_eq!(login(&world, &somebody, &first).status, 200);
    let again = login(&world, &somebody, &first);
    assert_eq!((again.status, again.json()["error_codes"][0].as_u64()), (401, Some(50013)));
    assert!(again.body.contains("used before"), "{}", again.body);
    assert_eq!(login(&world, &other, &assertion(&other, NOW)).status, 200, "another client's may have the same jti");
    world.clock.set(NOW + 10);
    world.restart();
    let after = login(&world, &somebody, &first);
    assert_eq!((after.status, after.json()["error_codes"][0].as_u64()), (401, Some(700024)), "{}", after.body);
    assert_eq!(login(&world, &somebody, &assertion(&somebody, NOW + 10)).status, 200);
}

#[test]
fn an_assertion_that_claims_something_wrong_is_refused() {
    let world = World::new();
    let somebody = world.somebody("app");
    let other = world.somebody("other");
    let certificate = Certificate::ec();
    register(&world, &somebody, &certificate);
    let good = claims(&somebody, "good", NOW);
    for (name, value) in [
        ("aud", json!("https://login.other.example/adfs/oauth2/v2.0/token")),
        ("aud", json!(format!("https://{LOGIN}/keys"))),
        ("aud", json!([])),
        ("aud", Value::Null),
        ("iss", json!("somebody else")),
        ("sub", json!(other.identity.appid)),
        ("jti", Value::Null),
        ("jti", json!("")),
        ("exp", Value::Null),
        ("exp", json!(NOW)),
        ("exp", json!(NOW as f64 - 0.5)),
        ("exp", json!(NOW + 24 * 3600 + 1)),
        ("exp", json!("tomorrow")),
        ("nbf", json!(NOW + 301)),
        ("iat", json!(NOW as f64 + 300.5)),
        ("iat", json!(NOW - 1)),
        ("iat", Value::Null),
    ] {
        let wrong = with(good.clone(), name, value);
        let answer = login(&world, &somebody, &certificate.assertion(&es256(&certificate), &wrong));
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{wrong}");
    }
    assert_eq!(login(&world, &somebody, &certificate.assertion(&es256(&certificate), &good)).status, 200);
}

#[test]
fn an_assertion_that_the_registered_key_did_not_sign_in_its_own_way_is_refused() {
    let world = World::new();
    let somebody = world.somebody("app");
    let (ours, strange, rsa) = (Certificate::ec(), Certificate::ec(), Certificate::rsa());
    register(&world, &somebody, &ours);
    register(&world, &somebody, &rsa);
    let claims = claims(&somebody, "x", NOW);
    let pair = ec(&ours.pkcs8);
    let point = super::jwt::point(&pair);
    let hs256 = json!({ "alg": "HS256", "x5t#S256": ours.x5t_s256() });
    let none = json!({ "alg": "none", "x5t#S256": ours.x5t_s256() });
    let good = ours.assertion(&es256(&ours), &claims);
    let mixed = json!({ "alg": "ES256", "x5t": rsa.x5t(), "x5t#S256": ours.x5t_s256() });
    let of_rsa = json!({ "alg": "ES256", "x5t": rsa.x5t() });
    for wrong in [
        strange.assertion(&es256(&strange), &claims),
        strange.assertion(&es256(&ours), &claims),
        ours.assertion(&json!({ "alg": "ES256" }), &claims),
        ours.assertion(&mixed, &claims),
        ours.assertion(&of_rsa, &claims),
        token(&hs256, &claims, &Key::Secret(&point)),
        token(&hs256, &claims, &Key::Secret(&ours.der)),
        token(&none, &claims, &Key::None),
        good[..good.len() - 2].to_owned(),
        good.rsplit_once('.').unwrap().0.to_owned(),
        format!("{good}.x"),
        "a.b.c".to_owned(),
        String::new(),
    ] {
        let answer = login(&world, &somebody, &wrong);
        assert_eq!((answer.status, answer.json()["error"].as_str()), (401, Some("invalid_client")), "{wrong}");
    }
    assert_eq!(login(&world, &somebody, &good).status, 200);
}

#[test]
fn a_certificate_outside_its_dates_or_of_a_disabled_identity_is_refused() {
    let world = World::new();
    let somebody = world.somebody("app");
    let expired = Certificate::new(&rcgen::PKCS_ECDSA_P256_SHA256, |params| {
        params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    });
    let good = Certificate::ec();
    register(&world, &somebody, &expired);
    register(&world, &somebody, &good);
    let with = |certificate: &Certificate, jti| {
        login(&world, &somebody, &certificate.assertion(&es256(certificate), &claims(&somebody, jti, NOW))).status
    };
    assert_eq!((with(&expired, "1"), with(&good, "2")), (401, 200));
    identity::set_enabled(&*world.vault, Manner::KeyVault, &somebody.identity.oid, false).unwrap();
    assert_eq!(with(&good, "3"), 401);
}
