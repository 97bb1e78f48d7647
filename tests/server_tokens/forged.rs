//! Tokens that don't count: each is answered with the challenge, and nothing is done.

use serde_json::{Value, json};
use strongroom::vault::Collection;

use super::jwt::{Key, ec, parts, point, token};
use super::serving::{Client, LOGIN, NOW, VAULT, World};

/// The key that signs the server's tokens, from its vault.
fn signing_key(world: &World) -> Vec<u8> {
    let image = world.vault.image();
    let key = image.service().values().find(|object| object.content.label.starts_with(b"signing-key/")).unwrap();
    world.vault.secret(key.number).unwrap().expose().to_vec()
}

/// Sends a write that the identity may do, with this `Authorization`.
fn refused(world: &World, client: &mut Client, authorization: &str) {
    let headers = [("authorization", authorization), ("content-type", "application/json")];
    let answer = client.send("PUT", VAULT, "/secrets/never?api-version=7.5", &headers, r#"{"value":"x"}"#);
    assert_eq!(answer.status, 401, "{authorization}");
    let challenge = answer.header("www-authenticate").unwrap_or_default();
    assert!(challenge.starts_with(&format!("Bearer authorization=\"https://{LOGIN}/")), "{challenge}");
    assert_eq!(answer.json()["error"]["code"], "Unauthorized");
    assert_eq!(world.vault.image().with_name(Collection::Secrets, "never").count(), 0);
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

#[test]
fn a_token_that_is_not_signed_by_the_server_as_it_signs_does_not_count() {
    let world = World::new();
    let (_, good) = world.token_with("Key Vault Administrator");
    let (header, claims) = parts(&good);
    let stranger = ec(&rcgen::KeyPair::generate().unwrap().serialize_der());
    let ours = ec(&signing_key(&world));
    let (signed, signature) = good.rsplit_once('.').unwrap();
    let hs256 = json!({ "alg": "HS256", "typ": "JWT", "kid": header["kid"] });
    let jwks = world.connect().send("GET", LOGIN, "/adfs/discovery/v2.0/keys", &[], "").body;
    let mut client = world.connect();
    for forged in [
        token(&header, &claims, &Key::Ec(&stranger)),
        token(&with(header.clone(), "kid", json!("another")), &claims, &Key::Ec(&ours)),
        token(&json!({ "alg": "ES256", "typ": "JWT" }), &claims, &Key::Ec(&ours)),
        token(&json!({ "alg": "none", "kid": header["kid"] }), &claims, &Key::None),
        token(&hs256, &claims, &Key::Secret(&point(&ours))),
        token(&hs256, &claims, &Key::Secret(jwks.as_bytes())),
        token(&with(header.clone(), "alg", json!("ES384")), &claims, &Key::Ec(&ours)),
        format!("{signed}."),
        signed.to_owned(),
        format!("{signed}.{}", &signature[..signature.len() - 4]),
        good[..good.len() / 2].to_owned(),
        format!("{}.{}.{signature}", good.split('.').next().unwrap(), "e30"),
        "x".repeat(20_000),
        String::new(),
    ] {
        refused(&world, &mut client, &format!("Bearer {forged}"));
    }
    for scheme in ["PoP", "mtls_pop", "Basic", "Bearer:"] {
        refused(&world, &mut client, &format!("{scheme} {good}"));
    }
    assert_eq!(client.call(&good, "PUT", "/secrets/real", r#"{"value":"x"}"#).status, 200);
}

#[test]
fn a_token_that_the_server_signed_for_something_else_does_not_count() {
    let world = World::new();
    let (_, good) = world.token_with("Key Vault Administrator");
    let (header, claims) = parts(&good);
    let ours = ec(&signing_key(&world));
    let mut client = world.connect();
    for (name, value) in [
        ("aud", json!("https://other.example")),
        ("aud", json!("https://one.vault.test:8443")),
        ("aud", json!("http://vault.test:8443")),
        ("iss", json!("https://login.other.example/t/v2.0")),
        ("iss", json!(claims["iss"].as_str().unwrap().replace("v2.0", "v1.0"))),
        ("tid", json!("00000000-0000-4000-8000-000000000000")),
        ("oid", json!("00000000-0000-4000-8000-000000000000")),
        ("exp", json!(NOW)),
        ("nbf", json!(NOW + 1)),
        ("exp", json!("never")),
    ] {
        let wrong = token(&header, &with(claims.clone(), name, value), &Key::Ec(&ours));
        refused(&world, &mut client, &format!("Bearer {wrong}"));
    }
    let same = token(&header, &claims, &Key::Ec(&ours));
    assert_eq!(client.call(&same, "GET", "/keys", "").status, 200, "what was changed above is what was wrong");
}

#[test]
fn a_token_counts_within_its_dates_alone() {
    let world = World::new();
    let (_, token) = world.token_with("Key Vault Administrator");
    let mut client = world.connect();
    world.clock.set(NOW - 1);
    refused(&world, &mut client, &format!("Bearer {token}"));
    for moment in [NOW, NOW + 3599] {
        world.clock.set(moment);
        assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
    }
    world.clock.set(NOW + 3600);
    refused(&world, &mut client, &format!("Bearer {token}"));
}

#[test]
fn another_servers_token_does_not_count() {
    let (world, other) = (World::new(), World::new());
    let (_, token) = other.token_with("Key Vault Administrator");
    world.token_with("Key Vault Administrator");
    refused(&world, &mut world.connect(), &format!("Bearer {token}"));
    assert_eq!(other.connect().call(&token, "GET", "/keys", "").status, 200);
}
