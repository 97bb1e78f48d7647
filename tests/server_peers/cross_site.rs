//! A browser shows its user's certificate to whatever a page of another site asks for: nothing is done for that.

use crate::scene::{Certified, Says, Scene};
use crate::serving::{Client, VAULT};

const PATH: &str = "/certificates/www/import?api-version=7.5";
const JSON: (&str, &str) = ("content-type", "application/json");

/// The status of an operation with a body, with headers as a browser sends them.
fn status(client: &mut Client, headers: &[(&str, &str)]) -> u16 {
    client.send("POST", VAULT, PATH, headers, r#"{"value":"no certificate"}"#).status
}

fn scene() -> (Scene, Certified) {
    let scene = Scene::new();
    let identity = scene.somebody("web");
    scene.world.assign(&identity.oid, "Key Vault Administrator", "/");
    let own = Certified::by_itself(&Says::names(&[]));
    scene.change(&identity, |identity| identity.certificates.push(own.kept()));
    (scene, own)
}

#[test]
fn nothing_is_changed_for_a_page_of_another_site_by_a_certificate_alone() {
    let (scene, own) = scene();
    let mut client = scene.connect(Some(&own));
    let ours = format!("https://{VAULT}");
    // What comes as far as its body is told that it holds no certificate.
    for good in [&[][..], &[("origin", &*ours)], &[("sec-fetch-site", "same-origin")], &[("sec-fetch-site", "none")]] {
        assert_eq!(status(&mut client, &[&[JSON], good].concat()), 400, "{good:?}");
    }
    for origin in [
        "https://evil.example",
        "null",
        "http://one.vault.test:8443",
        "https://one.vault.test",
        "https://two.vault.test:8443",
    ] {
        assert_eq!(status(&mut client, &[JSON, ("origin", origin)]), 403, "{origin}");
        assert_eq!(status(&mut client, &[JSON, ("origin", &ours), ("origin", origin)]), 403, "{origin}");
    }
    for site in ["cross-site", "same-site", ""] {
        assert_eq!(status(&mut client, &[JSON, ("sec-fetch-site", site)]), 403, "{site}");
    }
    // From a browser that says neither.
    assert_eq!(status(&mut client, &[]), 415);
    for text in ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"] {
        assert_eq!(status(&mut client, &[("content-type", text)]), 415, "{text}");
    }
}

fn versions(client: &mut Client) -> usize {
    client.ask("GET", "/keys/one/versions", "").json()["value"].as_array().unwrap().len()
}

#[test]
fn nor_is_anything_that_takes_no_body() {
    let (scene, own) = scene();
    let mut client = scene.connect(Some(&own));
    assert_eq!(client.ask("POST", "/keys/one/create", r#"{"kty":"EC"}"#).status, 200);
    let rotate = "/keys/one/rotate?api-version=7.5";
    let mut status = |headers: &[(&str, &str)], body: &str| client.send("POST", VAULT, rotate, headers, body).status;
    let form = ("content-type", "application/x-www-form-urlencoded");
    assert_eq!(status(&[("origin", "https://evil.example"), form], ""), 403);
    assert_eq!(status(&[("sec-fetch-site", "cross-site")], ""), 403);
    assert_eq!((status(&[form], "a=b"), status(&[form], ""), status(&[], "a=b")), (415, 415, 415));
    assert_eq!(versions(&mut client), 1);
    let mut status = |headers: &[(&str, &str)]| client.send("POST", VAULT, rotate, headers, "").status;
    assert_eq!((status(&[JSON]), status(&[])), (200, 200));
    assert_eq!(versions(&mut client), 3);
}

#[test]
fn what_changes_nothing_or_has_a_token_goes_by_no_origin() {
    let (scene, own) = scene();
    let elsewhere = [("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let mut client = scene.connect(Some(&own));
    let answer = client.send("GET", VAULT, "/secrets?api-version=7.5", &elsewhere, "");
    assert!(answer.status == 200 && answer.header("access-control-allow-origin").is_none(), "{answer:?}");
    let (_, token) = scene.world.token_with("Key Vault Secrets Officer");
    let bearer = format!("Bearer {token}");
    let headers = [&elsewhere[..], &[JSON, ("authorization", &bearer)]].concat();
    let path = "/secrets/word?api-version=7.5";
    assert_eq!(client.send("PUT", VAULT, path, &headers, r#"{"value":"x"}"#).status, 200);
}
