//! What who may make or bring certificates can't make of that: an authority, another's certificate in a program's eyes, a
//! private key that was to stay, records without bound.

use base64ct::{Base64, Encoding};
use cryptoki_sys::{CKA_ALWAYS_SENSITIVE, CKA_NEVER_EXTRACTABLE};
use serde_json::{Value, json};
use strongroom::certificate::{Authority, Certificate, KeyUsages, Profile, Signer, Usages, make, name, pem};
use strongroom::crypto::{Curve, PrivateKey, SecretBytes};
use strongroom::vault::*;

use crate::scene::*;

/// A key that isn't the vault's.
struct Key {
    signer: Signer,
    pkcs8: SecretBytes,
}

fn key_of(algorithm: KeyAlgorithm) -> Key {
    let (key, pkcs8) = PrivateKey::generate(algorithm).unwrap();
    Key { signer: Signer::new(key.into()).unwrap(), pkcs8 }
}

fn key() -> Key {
    key_of(KeyAlgorithm::Ec(Curve::P256))
}

fn profile(subject: &str, authority: bool) -> Profile {
    let signing: Usages = KeyUsages::KeyCertSign | KeyUsages::CRLSign;
    Profile {
        subject: name::parse(subject).unwrap(),
        alternatives: Vec::new(),
        key_usages: if authority { signing } else { Usages::default() },
        extended_usages: Vec::new(),
        authority: authority.then(Authority::default),
        not_before: 1_600_000_000,
        not_after: 4_000_000_000,
    }
}

fn self_signed(subject: &str, key: &Key) -> Certificate {
    Certificate::from_der(&make::self_signed(&profile(subject, true), &key.signer).unwrap()).unwrap()
}

fn issued(subject: &str, authority: bool, spki: &[u8], issuer: &Certificate, by: &Key) -> Certificate {
    let der = make::issue(&profile(subject, authority), spki, issuer, &by.signer).unwrap();
    Certificate::from_der(&der).unwrap()
}

fn file(key: &Key, chain: &[&Certificate]) -> String {
    let chain: Vec<_> = chain.iter().map(|certificate| certificate.der()).collect();
    String::from_utf8(pem::bundle(Some(&key.pkcs8), &chain).expose().to_vec()).unwrap()
}

fn policy(issuer: &str) -> Value {
    json!({
        "issuer": { "name": issuer }, "key_props": { "kty": "EC" }, "x509_props": { "subject": "CN=www" },
        "secret_props": { "contentType": "application/x-pem-file" },
    })
}

fn with(mut policy: Value, part: &str, value: Value) -> Value {
    policy[part].as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    policy
}

fn create(scene: &Scene, name: &str, policy: &Value) -> Value {
    scene.post(&format!("/certificates/{name}/create"), json!({ "policy": policy })).with(202)
}

fn current(scene: &Scene, name: &str) -> Certificate {
    let shown = scene.get(&format!("/certificates/{name}")).with(200);
    Certificate::from_der(&Base64::decode_vec(shown["cer"].as_str().unwrap()).unwrap()).unwrap()
}

/// A vault whose issuer `own` is an authority of its own.
fn with_issuer() -> Scene {
    let scene = Scene::new();
    let key = key();
    let value = file(&key, &[&self_signed("CN=authority", &key)]);
    scene.post("/certificates/ca/import", json!({ "value": value })).with(200);
    let issuer = json!({ "provider": "Strongroom", "credentials": { "account_id": "ca" } });
    scene.put("/certificates/issuers/own", issuer).with(200);
    scene
}

#[test]
fn nothing_that_is_made_under_a_policy_is_an_authority() {
    let scene = with_issuer();
    let own = key();
    let value = file(&own, &[&self_signed("CN=brought", &own)]);
    let brought = scene.post("/certificates/sub/import", json!({ "value": value })).with(200);
    assert_eq!(brought["policy"]["x509_props"]["basic_constraints"], json!({ "ca": false }));
    let patch = |of: Value| scene.ask("PATCH", "/certificates/sub/policy", of);
    let (code, _) = patch(json!({ "issuer": { "name": "own" } })).refused(400);
    assert_eq!(code, "BadParameter");
    patch(json!({ "issuer": { "name": "own" }, "x509_props": { "key_usage": ["digitalSignature"], "validity_months": 12 } })).with(200);
    scene.post("/certificates/sub/create", json!({})).with(202);
    assert_eq!(scene.get("/certificates/sub/pending").with(200)["status"], "completed");
    let made = current(&scene, "sub");
    assert!(!made.is_ca() && !made.is_self_issued());
    patch(json!({ "issuer": { "name": "Self" }, "x509_props": { "key_usage": ["keyCertSign"] } })).with(200);
    scene.post("/certificates/sub/create", json!({})).with(202);
    let again = current(&scene, "sub");
    assert!(again.is_self_signed() && !again.is_ca());
}

#[test]
fn an_issuer_is_asked_for_nothing_by_which_one_speaks_for_it() {
    let scene = with_issuer();
    let asked = [
        json!({ "key_usage": ["digitalSignature", "keyCertSign"] }),
        json!({ "key_usage": ["cRLSign"] }),
        json!({ "ekus": ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.9"] }),
    ];
    for x509 in asked {
        let body = json!({ "policy": with(policy("own"), "x509_props", x509.clone()) });
        let answer = scene.post("/certificates/www/create", body);
        assert!(answer.body["error"]["message"].as_str().unwrap().contains("--authority"), "{answer:?}");
        answer.refused(400);
        scene.get("/keys/www").refused(404);
        // The vault signs nothing of what waits for somebody else, or signs itself.
        for (name, issuer) in [("itself", "Self"), ("waits", "Unknown")] {
            create(&scene, name, &with(policy(issuer), "x509_props", x509.clone()));
        }
        scene.delete("/certificates/waits/pending").with(200);
    }
}

/// The certificates without a name, by their labels.
fn members(scene: &Scene) -> Vec<String> {
    let image = scene.vault.image();
    let members = image.with_class(Class::Certificate).filter(|object| object.name.is_none());
    members.map(|object| String::from_utf8(object.content.label.clone()).unwrap()).collect()
}

fn import_in_order(scene: &Scene, name: &str, key: &Key, chain: &[&Certificate]) -> usize {
    let body = json!({ "value": file(key, chain), "preserveCertOrder": true });
    scene.post(&format!("/certificates/{name}/import"), body).with(200);
    let secret = scene.get(&format!("/secrets/{name}")).with(200);
    secret["value"].as_str().unwrap().matches("BEGIN CERTIFICATE").count()
}

#[test]
fn of_a_chain_in_its_own_order_programs_find_what_is_proven_alone() {
    let scene = Scene::new();
    create(&scene, "victim", &policy("Self"));
    let victim = current(&scene, "victim");
    let (root_key, middle_key, leaf_key) = (key(), key(), key());
    let root = self_signed("CN=Root", &root_key);
    let middle = issued("CN=Middle", true, middle_key.signer.spki(), &root, &root_key);
    let leaf = issued("CN=leaf", false, leaf_key.signer.spki(), &middle, &middle_key);
    // Another's name and public key, by an authority of the attacker's own; and an authority that issued nothing here.
    let fake = issued("CN=victim", true, victim.spki(), &root, &root_key);
    let stray = self_signed("CN=Stray", &key());
    let shown = import_in_order(&scene, "mine", &leaf_key, &[&leaf, &fake, &root, &stray, &middle]);
    assert_eq!(shown, 5, "the secret holds what was brought");
    let mut found = members(&scene);
    found.sort();
    assert_eq!(found, ["CN=Middle", "CN=Root"]);
    let image = scene.vault.image();
    let named = |object: &&std::sync::Arc<Object>| object.content.class == Class::Certificate;
    assert_eq!(image.with_label(b"victim").filter(named).count(), 1);
    assert_eq!(image.with_id(&victim.key_id()).filter(named).count(), 1);
}

/// Gives something a label that is no name, as a PKCS#11 program may.
fn relabel(scene: &Scene, collection: Collection, name: &str, label: &str) {
    let changed = scene.vault.transact(&mut |image| {
        let change = |object: &std::sync::Arc<Object>| {
            Change::Set(object.number, Content { label: label.into(), ..object.content.clone() })
        };
        Ok(image.with_name(collection, name).map(change).collect())
    });
    assert!(!changed.unwrap().is_empty());
}

#[test]
fn an_authority_never_has_the_label_of_what_is_made_under_a_name() {
    let scene = Scene::new();
    create(&scene, "earlier", &policy("Self"));
    for name in ["earlier", "later"] {
        let (above, own) = (key(), key());
        let authority = self_signed(&format!("CN={name}"), &above);
        let leaf = issued("CN=leaf", false, own.signer.spki(), &authority, &above);
        import_in_order(&scene, &format!("mine-{name}"), &own, &[&leaf, &authority]);
    }
    create(&scene, "later", &policy("Self"));
    assert_eq!(members(&scene).len(), 2);
    let image = scene.vault.image();
    for name in ["earlier", "later"] {
        let found = image.with_label(name.as_bytes()).filter(|object| object.content.class == Class::Certificate);
        assert_eq!(found.count(), 1, "{name}");
    }
}

#[test]
fn a_proven_authority_with_the_label_or_the_id_of_something_else_is_kept_in_the_chain_alone() {
    let scene = Scene::new();
    scene.post("/keys/lonely/create", json!({ "kty": "EC" })).with(200);
    scene.put("/secrets/hidden", json!({ "value": "v" })).with(200);
    relabel(&scene, Collection::Keys, "lonely", "A Key");
    relabel(&scene, Collection::Secrets, "hidden", "The Secret");
    for (number, subject) in ["CN=A Key", "CN=a key", "CN=The Secret"].into_iter().enumerate() {
        let (above, own) = (key(), key());
        let authority = self_signed(subject, &above);
        let leaf = issued("CN=leaf", false, own.signer.spki(), &authority, &above);
        assert_eq!(import_in_order(&scene, &format!("mine-{number}"), &own, &[&leaf, &authority]), 2, "{subject}");
        assert_eq!(members(&scene), Vec::<String>::new(), "{subject}");
    }
    // The same key under another certificate than the vault's own.
    let above = key();
    let value = file(&above, &[&self_signed("CN=Real", &above)]);
    scene.post("/certificates/real/import", json!({ "value": value })).with(200);
    let (false_one, own) = (self_signed("CN=Real", &above), key());
    let leaf = issued("CN=leaf", false, own.signer.spki(), &false_one, &above);
    import_in_order(&scene, "other", &own, &[&leaf, &false_one]);
    scene.delete("/certificates/real").with(200);
    import_in_order(&scene, "third", &own, &[&leaf, &false_one]);
    assert_eq!(members(&scene), Vec::<String>::new());
}

#[test]
fn a_key_that_is_kept_leaves_no_more_once_a_version_forbids_it() {
    let scene = Scene::new();
    let holds_key = |path: &str| scene.get(path).with(200)["value"].as_str().unwrap().contains("PRIVATE KEY");
    let kept = |exportable: bool| json!({ "exportable": exportable, "reuse_key": true });
    create(&scene, "www", &with(policy("Self"), "key_props", kept(true)));
    let first = scene.get("/certificates/www").with(200);
    assert!(holds_key("/secrets/www"));
    create(&scene, "www", &with(policy("Self"), "key_props", kept(false)));
    let second = scene.get("/certificates/www").with(200);
    assert_eq!(first["kid"], second["kid"]);
    for of in [&first, &second] {
        assert!(!holds_key(of["sid"].as_str().unwrap()));
    }
    let image = scene.vault.image();
    let key = image.with_name(Collection::Keys, "www").find(|half| half.content.class == Class::PrivateKey).unwrap();
    let said = |attribute| key.content.attributes.get(&attribute).map(|value| &**value);
    assert_eq!([said(CKA_NEVER_EXTRACTABLE), said(CKA_ALWAYS_SENSITIVE)], [Some(&[0][..]); 2]);
    let body = json!({ "policy": with(policy("Self"), "key_props", kept(true)) });
    assert_eq!(scene.post("/certificates/www/create", body).refused(400).0, "BadParameter");
    // A new key may leave if the policy says so.
    create(&scene, "www", &with(policy("Self"), "key_props", json!({ "exportable": true })));
    assert!(holds_key("/secrets/www") && !holds_key(first["sid"].as_str().unwrap()));
}

#[test]
fn the_key_of_a_certificate_is_changed_by_its_tags_alone() {
    let scene = Scene::new();
    create(&scene, "www", &policy("Self"));
    scene.ask("PATCH", "/certificates/www", json!({ "attributes": { "enabled": false } })).with(200);
    let patch = |of: Value| scene.ask("PATCH", "/keys/www", of);
    for of in [
        json!({ "attributes": { "enabled": true } }),
        json!({ "attributes": { "exp": 4_102_444_800_u64 } }),
        json!({ "key_ops": ["sign"] }),
    ] {
        assert_eq!(patch(of).refused(403).1, "ObjectIsManaged");
    }
    let rotation = json!({ "lifetimeActions": [], "attributes": { "expiryTime": "P90D" } });
    assert_eq!(scene.put("/keys/www/rotationpolicy", rotation).refused(403).1, "ObjectIsManaged");
    assert_eq!(patch(json!({ "tags": { "a": "b" }, "attributes": {} })).with(200)["tags"]["a"], "b");
    assert_eq!(scene.get("/keys/www").with(200)["attributes"]["enabled"], false);
}

#[test]
fn a_key_does_what_its_certificate_says() {
    let scene = Scene::new();
    let cases: [(&str, Value, &[&str]); 7] = [
        ("RSA", json!(["digitalSignature", "keyEncipherment"]), &["sign", "verify", "wrapKey", "unwrapKey"]),
        ("RSA", json!(["keyCertSign"]), &["sign", "verify"]),
        ("RSA", json!(["dataEncipherment"]), &["encrypt", "decrypt"]),
        ("RSA", json!(["decipherOnly"]), &["decrypt"]),
        ("RSA", json!([]), &["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"]),
        ("EC", json!(["digitalSignature", "keyEncipherment"]), &["sign", "verify"]),
        ("EC", json!(["keyAgreement"]), &[]),
    ];
    for (number, (kty, usage, wanted)) in cases.into_iter().enumerate() {
        let name = format!("key-{number}");
        let policy = with(policy("Self"), "x509_props", json!({ "key_usage": usage }));
        create(&scene, &name, &with(policy, "key_props", json!({ "kty": kty, "reuse_key": true })));
        assert_eq!(scene.get(&format!("/keys/{name}")).with(200)["key"]["key_ops"], json!(wanted), "{kty} {usage}");
        // It signs its certificates all the same.
        scene.post(&format!("/certificates/{name}/create"), json!({})).with(202);
        assert!(current(&scene, &name).is_self_signed());
    }
}

#[test]
fn a_policy_and_a_chain_have_their_bounds() {
    let scene = Scene::new();
    let create = |x509: Value| {
        let body = json!({ "policy": with(policy("Self"), "x509_props", x509) });
        scene.post("/certificates/www/create", body)
    };
    let uris = |count: usize| -> Value {
        let uri = |number| format!("https://example.org/{number:04}{}", "x".repeat(1000));
        json!({ "sans": { "uris": (0..count).map(uri).collect::<Vec<_>>() } })
    };
    create(uris(16)).with(202);
    create(uris(17)).refused(400);
    let platform = |len: usize| json!({ "certificateUsage": "x", "metadata": { "a": "x".repeat(len) } });
    for (len, status) in [(4000, 202), (5000, 400)] {
        let mut policy = policy("Self");
        policy["platformManaged"] = platform(len);
        let answer = scene.post("/certificates/www/create", json!({ "policy": policy }));
        assert_eq!(answer.status, status, "{answer:?}");
    }
    // Certificates that are large, few or many.
    let own = key();
    let leaf = self_signed("CN=leaf", &own);
    let large = |number: usize| self_signed(&format!("CN={number},O={}", "x".repeat(50)), &key());
    let body = |above: Vec<Certificate>| {
        let chain: Vec<_> = std::iter::once(&leaf).chain(&above).collect();
        json!({ "value": file(&own, &chain), "preserveCertOrder": true })
    };
    scene.post("/certificates/many/import", body((0..19).map(large).collect())).with(200);
    scene.post("/certificates/more/import", body((0..20).map(large).collect())).refused(400);
    let names = (0..120).map(|number| format!("OU={number}{}", "x".repeat(60))).collect::<Vec<_>>().join(",");
    let huge = |number: usize| self_signed(&format!("CN={number},{names}"), &key());
    let sum = (0..5).map(|number| huge(number).der().len()).sum::<usize>();
    assert!(sum > 64 * 1024, "{sum}");
    scene.post("/certificates/huge/import", body((0..5).map(huge).collect())).refused(400);
}

#[test]
fn only_the_newest_version_keeps_what_is_said_of_the_next() {
    let scene = Scene::new();
    for _ in 0..3 {
        create(&scene, "www", &with(policy("Self"), "key_props", json!({ "reuse_key": true })));
    }
    let versions = || {
        let image = scene.vault.image();
        let mut versions: Vec<_> = image.with_name(Collection::Certificates, "www").cloned().collect();
        versions.sort_by_key(|object| object.version.unwrap().ordinal);
        versions
    };
    let keeping =
        |note: &str| -> Vec<bool> { versions().iter().map(|object| object.content.notes.contains_key(note)).collect() };
    for note in ["certificate-policy", "certificate-operation"] {
        assert_eq!(keeping(note), [false, false, true], "{note}");
    }
    let first = scene.get("/certificates/www/versions").with(200)["value"][0]["id"].as_str().unwrap().to_owned();
    let changed = scene.ask("PATCH", &first, json!({ "policy": { "x509_props": { "subject": "CN=later" } } }));
    assert_eq!(changed.with(200)["policy"]["x509_props"]["subject"], "CN=later");
    assert_eq!(keeping("certificate-policy"), [false, false, true]);
    // What waits says it too, and the version before it says it again when nobody waits any more.
    create(&scene, "www", &policy("Unknown"));
    assert_eq!(scene.get("/certificates/www/policy").with(200)["issuer"]["name"], "Unknown");
    scene.delete("/certificates/www/pending").with(200);
    assert_eq!(scene.get("/certificates/www/policy").with(200)["x509_props"]["subject"], "CN=later");
    scene.post("/certificates/www/create", json!({})).with(202);
    let operation = scene.get("/certificates/www/pending").with(200);
    assert_eq!((&operation["status"], current(&scene, "www").is_self_signed()), (&json!("completed"), true));
    assert_eq!(scene.get("/secrets/www/versions").with(200)["value"].as_array().unwrap().len(), 4);
}
