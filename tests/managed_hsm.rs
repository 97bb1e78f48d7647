//! A vault that is served as a Managed HSM: what such a vault has otherwise than a key vault, and what it hasn't.
#![cfg(feature = "server")]

mod serving;

use serving::{HSM_RESOURCE, RESOURCE, VAULT, World};

#[test]
fn a_managed_hsm_has_no_secrets_and_no_certificates() {
    let world = World::of_hsm();
    let (somebody, token) = world.token_with("Administrator");
    for role in ["Crypto User", "Crypto Officer"] {
        world.assign(&somebody.identity.oid, role, "/");
    }
    let mut client = world.connect();
    for path in ["/secrets", "/secrets/a", "/deletedsecrets", "/certificates", "/certificates/a/create"] {
        let answer = client.call(&token, "GET", path, "");
        assert_eq!(answer.status, 404, "{path}: {answer:?}");
        assert!(answer.body.contains("not found"), "{answer:?}");
    }
}

#[test]
fn a_managed_hsm_makes_its_own_kinds_of_keys_alone() {
    let world = World::of_hsm();
    let (_, token) = world.token_with("Crypto User");
    let mut client = world.connect();
    for (kty, status) in [("RSA", 400), ("EC", 400), ("oct", 400), ("EC-HSM", 200), ("oct-HSM", 200)] {
        let answer = client.call(&token, "POST", &format!("/keys/{kty}/create"), &format!(r#"{{"kty":"{kty}"}}"#));
        assert_eq!(answer.status, status, "{answer:?}");
        if status == 400 {
            assert!(answer.body.contains("-HSM"), "{answer:?}");
        } else {
            assert_eq!(answer.json()["key"]["kty"], kty);
            let kid = answer.json()["key"]["kid"].as_str().unwrap().to_owned();
            assert!(kid.starts_with("https://one.managedhsm.test:8443/keys/"), "{kid}");
        }
    }
    let key = r#""key":{"kty":"oct","k":"AgICAgICAgICAgICAgICAg"}"#;
    for body in [format!("{{{key}}}"), format!("{{{key},\"Hsm\":true}}"), format!("{{{key},\"Hsm\":false}}")] {
        let answer = client.call(&token, "PUT", "/keys/brought", &body);
        assert_eq!((answer.status, answer.json()["key"]["kty"].as_str()), (200, Some("oct-HSM")), "{answer:?}");
    }
}

#[test]
fn a_key_that_was_made_elsewhere_is_shown_as_an_hsm_key() {
    use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey};
    use strongroom::vault::{Class, Content, Draft, KeyDescription, Name, Naming, Usage};

    let world = World::of_hsm();
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
    let mut content = Content::new(Class::PrivateKey);
    content.label = b"module".to_vec();
    content.usage = Usage::SIGN;
    content.key = Some(KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() });
    let naming = Naming::Set(Name::new("module").unwrap());
    world.vault.create(vec![Draft { content, naming, secret: Some(pkcs8) }]).unwrap();
    let (_, token) = world.token_with("Crypto User");
    let answer = world.connect().call(&token, "GET", "/keys/module", "");
    assert_eq!(answer.json()["key"]["kty"], "EC-HSM", "{answer:?}");
}

#[test]
fn each_manner_has_its_own_host_challenge_and_tokens() {
    let world = World::of_hsm();
    let (somebody, token) = world.token_with("Crypto User");
    let mut client = world.connect();
    let challenge = client.send("GET", serving::HSM, "/keys", &[], "");
    assert_eq!(challenge.status, 401);
    let header = challenge.header("www-authenticate").unwrap();
    assert!(header.ends_with(&format!(r#"resource="{HSM_RESOURCE}""#)), "{header}");
    assert!(header.contains(r#"authorization="https://login.vault.test:8443/"#), "{header}");
    // The same vault isn't a key vault besides.
    assert_eq!(client.send("GET", VAULT, "/keys", &[], "").status, 404);
    // A token for key vaults doesn't count here, nor one for the resource manager.
    assert_eq!(client.call(&token, "GET", "/keys", "").status, 200);
    for resource in [RESOURCE, "https://login.vault.test:8443", "https://login.vault.test:8443/"] {
        let answer = client.login("adfs", &somebody.form_for(resource));
        let other = answer.json()["access_token"].as_str().unwrap().to_owned();
        assert_eq!(client.call(&other, "GET", "/keys", "").status, 401, "{resource}");
    }
    let nowhere = client.login("adfs", &somebody.form_for("https://management.azure.com"));
    assert_eq!(nowhere.json()["error"], "invalid_resource", "{nowhere:?}");
}
