//! Logins with a client secret, and the authority's documents.

use std::num::NonZeroU32;

use base64ct::{Base64, Encoding};
use strongroom::config::{Manner, Rate};
use strongroom::server::identity;

use super::jwt;
use super::serving::{Answer, LOGIN, NOW, RESOURCE, VAULT, World, grant};

const FORM: (&str, &str) = ("content-type", "application/x-www-form-urlencoded");

fn tenant(world: &World) -> String {
    let answer = world.connect().send("GET", VAULT, "/keys", &[], "");
    let challenge = answer.header("www-authenticate").unwrap();
    challenge.split('"').nth(1).unwrap().rsplit('/').next().unwrap().to_owned()
}

fn error(answer: &Answer) -> String {
    let body = answer.json();
    let number = body["error_codes"][0].as_u64().unwrap();
    let description = body["error_description"].as_str().unwrap();
    assert!(description.starts_with(&format!("AADSTS{number}: ")), "{description}");
    format!("{} {} {number}", answer.status, body["error"].as_str().unwrap())
}

#[test]
fn a_secret_gives_a_token_at_every_endpoint_of_the_tenant_and_the_vault_takes_it() {
    let world = World::new();
    let somebody = world.somebody("app");
    world.assign(&somebody.identity.oid, "Key Vault Reader", "/");
    let tenant = tenant(&world);
    let mut client = world.connect();
    let older = format!(
        "grant_type=client_credentials&resource=https%3A%2F%2Fvault.test%3A8443&client_id={}&client_secret={}",
        somebody.identity.appid.to_uppercase(),
        somebody.secret
    );
    let basic = Base64::encode_string(format!("{}:{}", somebody.identity.appid, somebody.secret).as_bytes());
    let basic = format!("Basic {basic}");
    for (path, headers, form) in [
        (format!("/{tenant}/oauth2/v2.0/token"), vec![FORM], somebody.form()),
        (format!("/{}/oauth2/v2.0/token", tenant.to_uppercase()), vec![FORM], somebody.form()),
        ("/adfs/oauth2/v2.0/token".to_owned(), vec![FORM], somebody.form()),
        ("/adfs/oauth2/v2.0/token".to_owned(), vec![FORM, ("authorization", &basic)], grant(RESOURCE)),
        (format!("/{tenant}/oauth2/token"), vec![FORM], older.clone()),
    ] {
        let answer = client.send("POST", LOGIN, &path, &headers, &form);
        assert_eq!((answer.status, answer.header("cache-control")), (200, Some("no-store")), "{path} {answer:?}");
        let token = answer.json()["access_token"].as_str().unwrap().to_owned();
        let (_, claims) = jwt::parts(&token);
        assert_eq!((claims["tid"].as_str(), claims["aud"].as_str()), (Some(&*tenant), Some(RESOURCE)));
        assert_eq!((claims["exp"].as_i64(), claims["oid"].as_str()), (Some(NOW + 3600), Some(&*somebody.identity.oid)));
        assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
    }
    let answer = client.send("POST", LOGIN, &format!("/{tenant}/oauth2/token"), &[FORM], &older).json();
    assert_eq!((answer["expires_in"].as_str(), answer["resource"].as_str()), (Some("3600"), Some(RESOURCE)));
}

#[test]
fn what_a_login_lacks_is_said_in_the_authoritys_words() {
    let world = World::new();
    let somebody = world.somebody("app");
    let mut client = world.connect();
    let id = &somebody.identity.appid;
    let other = grant("https://other.example");
    let wrong = format!("{}&client_id={id}&client_secret=wrong", grant(RESOURCE));
    let stranger = format!("{}&client_id=00000000-0000-4000-8000-000000000000&client_secret=wrong", grant(RESOURCE));
    for (tenant, form, expected) in [
        ("00000000-0000-4000-8000-000000000000", somebody.form(), "400 invalid_request 90002"),
        ("adfs", String::new(), "400 invalid_request 900144"),
        ("adfs", somebody.form().replace("client_credentials", "password"), "400 unsupported_grant_type 70003"),
        ("adfs", format!("{other}&client_id={id}&client_secret={}", somebody.secret), "400 invalid_resource 500011"),
        ("adfs", format!("{}&client_id={id}", grant(RESOURCE)), "401 invalid_client 7000218"),
        ("adfs", format!("{}&client_id={id}", somebody.form()), "400 invalid_request 90014"),
        ("adfs", wrong.clone(), "401 invalid_client 7000215"),
        ("adfs", stranger.clone(), "401 invalid_client 7000215"),
    ] {
        assert_eq!(error(&client.login(tenant, &form)), expected, "{form}");
    }
    assert_eq!(client.login("adfs", &wrong).body, client.login("adfs", &stranger).body);
    let json = client.send("POST", LOGIN, "/adfs/oauth2/v2.0/token", &[("content-type", "application/json")], "{}");
    assert_eq!(error(&json), "400 invalid_request 90014");
    let got = client.send("GET", LOGIN, "/adfs/oauth2/v2.0/token", &[], "");
    assert_eq!(error(&got), "405 invalid_request 900561");
}

#[test]
fn a_form_that_is_too_long_is_refused() {
    let world = World::new();
    let answer = world.connect().login("adfs", &"x".repeat(64 * 1024 + 1));
    assert_eq!(error(&answer), "413 invalid_request 90014");
}

#[test]
fn a_secret_that_expired_was_removed_or_belongs_to_a_disabled_identity_gives_no_token() {
    let world = World::new();
    let mut somebody = world.somebody("app");
    let oid = somebody.identity.oid.clone();
    let short = identity::add_secret(&*world.vault, &oid, NOW, Some(NOW + 60)).unwrap();
    let status = |form: &str| world.connect().login("adfs", form).status;
    let kept = somebody.form();
    somebody.secret = short.text.to_string();
    assert_eq!((status(&kept), status(&somebody.form())), (200, 200));
    world.clock.set(NOW + 60);
    assert_eq!((status(&kept), status(&somebody.form())), (200, 401));
    identity::set_enabled(&*world.vault, Manner::KeyVault, &oid, false).unwrap();
    assert_eq!(status(&kept), 401);
    identity::set_enabled(&*world.vault, Manner::KeyVault, &oid, true).unwrap();
    assert_eq!(status(&kept), 200);
    identity::change(&*world.vault, &oid, &mut |identity| identity.secrets.clear()).unwrap();
    assert_eq!(status(&kept), 401);
}

#[test]
fn logins_beyond_the_limit_are_told_when_to_come_back() {
    let limit = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(3).unwrap() };
    let world = World::with_login_limit(limit);
    let somebody = world.somebody("app");
    let mut client = world.connect();
    let answers: Vec<_> = (0..6).map(|_| client.login("adfs", &somebody.form())).collect();
    assert_eq!(answers[0].status, 200);
    let refused = answers.iter().find(|answer| answer.status == 429).expect("one of six is too many");
    assert_eq!(refused.header("retry-after"), Some("1"));
    assert_eq!(refused.json()["error"], "temporarily_unavailable");
    // What isn't a login is answered all the while.
    assert_eq!(client.send("GET", LOGIN, "/adfs/discovery/v2.0/keys", &[], "").status, 200);
}

#[test]
fn the_authority_and_the_vaults_are_told_apart_by_their_host_alone() {
    let world = World::new();
    let (_, token) = world.token_with("Key Vault Administrator");
    let bearer = format!("Bearer {token}");
    let mut client = world.connect();
    let token_path = "/adfs/oauth2/v2.0/token";
    let at_vault = client.send("POST", VAULT, token_path, &[FORM], "grant_type=client_credentials");
    assert_eq!((at_vault.status, at_vault.header("www-authenticate").is_some()), (401, true));
    let at_vault = client.send("POST", VAULT, token_path, &[FORM, ("authorization", &bearer)], "");
    assert_eq!(at_vault.status, 404);
    let at_login = client.send("GET", LOGIN, "/keys?api-version=7.5", &[("authorization", &bearer)], "");
    assert_eq!((at_login.status, at_login.json()["error"].as_str()), (404, Some("invalid_request")));
    let at_nobody = client.send("GET", "two.vault.test:8443", "/keys", &[("authorization", &bearer)], "");
    assert_eq!(at_nobody.status, 404);
    for host in [VAULT, LOGIN, "localhost", "10.0.0.1:1"] {
        assert_eq!(client.send("GET", host, "/healthz", &[], "").body, "ok", "{host}");
        assert_eq!(client.send("GET", host, "/readyz", &[], "").body, "ready", "{host}");
    }
}

#[test]
fn clients_find_the_endpoint_and_the_keys_of_tokens_by_the_authoritys_documents() {
    let world = World::new();
    let somebody = world.somebody("app");
    let tenant = tenant(&world);
    let mut client = world.connect();
    for path in [
        "/adfs/.well-known/openid-configuration".to_owned(),
        format!("/{tenant}/v2.0/.well-known/openid-configuration"),
    ] {
        let document = client.send("GET", LOGIN, &path, &[], "").json();
        let at = |name: &str| {
            let address = document[name].as_str().unwrap();
            address.strip_prefix(&format!("https://{LOGIN}")).unwrap().to_owned()
        };
        let login = client.send("POST", LOGIN, &at("token_endpoint"), &[FORM], &somebody.form());
        let (header, claims) = jwt::parts(login.json()["access_token"].as_str().unwrap());
        assert_eq!(claims["iss"], document["issuer"]);
        let keys = client.send("GET", LOGIN, &at("jwks_uri"), &[], "").json();
        assert!(keys["keys"].as_array().unwrap().iter().any(|key| key["kid"] == header["kid"]));
    }
    let other = client.send("GET", LOGIN, "/common/.well-known/openid-configuration", &[], "");
    assert_eq!(error(&other), "400 invalid_request 90002");
}
