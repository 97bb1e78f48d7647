//! Answers in which every field that the SDK's models name has a value, in the place of the server's.

use std::sync::Arc;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde_json::{Value, json};
use strongroom::backend::azure::AzureVault;
use strongroom::config::{Backend, VaultConfig};
use strongroom::crypto::{Curve, KeyAlgorithm, PrivateKey, PublicKey, SignScheme};
use strongroom::vault::{Class, Draft, Naming, Object, Unlock, Usage, VaultAdmin, VaultError};

use crate::beside::models;
use crate::proxy::Fault;
use crate::scene::{Scene, VAULT};

const VERSION: &str = "0123456789abcdef0123456789abcdef";

/// What the service answers with next.
struct Service {
    scene: Scene,
    models: Value,
    vault: Arc<dyn VaultAdmin>,
}

impl Service {
    /// `fill` is what becomes of the members of each model.
    fn new(fill: fn(Value) -> Value) -> Self {
        let scene = Scene::new();
        let mut config = scene.config();
        config.secrets = true;
        config.random_from_vault = true;
        let place =
            VaultConfig { backend: Backend::Azure(config.clone()), ..VaultConfig::local("web", "/nonexistent") };
        let vault = AzureVault::open(&place, &config).unwrap();
        vault.unlock(&Unlock::Configured).unwrap();
        let models: Value = serde_json::from_str(&models("fill", &Value::Null)).unwrap();
        Self { scene, models: fill(models), vault }
    }

    /// An answer of this model with these members, which mean something, in the place of those that only are there.
    fn model(&self, name: &str, members: Value) -> Value {
        let mut answer = self.models[name].clone();
        put(&mut answer, members);
        answer
    }

    fn answer(&self, status: u16, body: &Value) {
        let body: &'static str = body.to_string().leak();
        self.scene.proxy.plan(&[Fault::Answer(status, "Content-Type: application/json; charset=utf-8\r\n", body)]);
    }

    fn id(&self, path: &str) -> String {
        format!("https://{VAULT}:{}/{path}", self.scene.proxy.port())
    }

    /// The lists, in the order in which they are asked for, the first in two parts.
    fn list(&self, key: &Value, certificate: &Value) {
        let end = |item: Value| json!({"value": [item], "nextLink": null});
        let key_item = |path: &str| self.model("KeyItem", json!({"kid": self.id(path), "attributes": in_use()}));
        let rest = self.id("keys?$skiptoken=abc&maxresults=25&api-version=7.5");
        self.answer(200, &json!({"value": [], "nextLink": rest}));
        self.answer(200, &end(key_item("keys/k")));
        self.answer(200, &end(key_item(&format!("keys/k/{VERSION}"))));
        self.answer(200, key);
        let item = |kind: &str, path: &str| {
            self.model(kind, json!({"id": self.id(path), "attributes": in_use(), "managed": false}))
        };
        let of_certificate = |path: &str| {
            let mut item = item("CertificateItem", path);
            item.as_object_mut().unwrap().remove("managed");
            item
        };
        self.answer(200, &end(of_certificate("certificates/c")));
        self.answer(200, &end(of_certificate(&format!("certificates/c/{VERSION}"))));
        self.answer(200, certificate);
        self.answer(200, &end(item("SecretItem", "secrets/s")));
        self.answer(200, &end(item("SecretItem", &format!("secrets/s/{VERSION}"))));
    }

    fn only(&self, class: Class) -> Arc<Object> {
        let image = self.vault.image();
        let all: Vec<_> = image.with_class(class).cloned().collect();
        let [one] = &all[..] else { panic!("{class:?}: {}", all.len()) };
        Arc::clone(one)
    }
}

/// Puts members in, also into members of members.
fn put(into: &mut Value, members: Value) {
    match (into, members) {
        (Value::Object(into), Value::Object(members)) => {
            for (name, member) in members {
                put(into.entry(name).or_insert(Value::Null), member);
            }
        }
        (into, member) => *into = member,
    }
}

fn in_use() -> Value {
    json!({"enabled": true, "nbf": 1, "exp": 4_000_000_000_i64})
}

fn base64url(bytes: &[u8]) -> String {
    Base64UrlUnpadded::encode_string(bytes)
}

fn key_bundle(service: &Service, model: &str, public: &PublicKey) -> Value {
    let (x, y) = public.value()[1..].split_at(32);
    let kid = service.id(&format!("keys/k/{VERSION}"));
    let operations = json!(["sign", "verify", "a new one"]);
    let key =
        json!({"kid": kid, "kty": "EC", "crv": "P-256", "x": base64url(x), "y": base64url(y), "key_ops": operations});
    service.model(model, json!({"key": key, "attributes": in_use()}))
}

fn certificate_bundle(service: &Service, model: &str) -> Value {
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::new(Vec::new()).unwrap().self_signed(&key).unwrap();
    let (id, kid) = (service.id(&format!("certificates/c/{VERSION}")), service.id(&format!("keys/c/{VERSION}")));
    let members =
        json!({"id": id, "kid": kid, "cer": Base64::encode_string(certificate.der()), "attributes": in_use()});
    service.model(model, members)
}

#[test]
fn whatever_the_models_name_may_stand_in_an_answer() {
    assert_eq!(is_understood(&Service::new(|models| models)), 4);
}

/// Every member is optional in them.
#[test]
fn whatever_the_models_name_may_be_null_in_an_answer() {
    let nothing = |mut models: Value| {
        for model in models.as_object_mut().unwrap().values_mut() {
            model.as_object_mut().unwrap().values_mut().for_each(|member| *member = Value::Null);
        }
        models
    };
    assert_eq!(is_understood(&Service::new(nothing)), 0);
}

/// How many objects had the tag.
fn is_understood(service: &Service) -> usize {
    let (own, _) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
    let bundle = key_bundle(service, "KeyBundle", own.public_key());
    let certificate = certificate_bundle(service, "CertificateBundle");
    service.list(&bundle, &certificate);
    service.vault.refresh().unwrap();
    let told = |object: &Object| (object.content.enabled, object.content.not_before, object.content.expires);
    let mut tagged = 0;
    for class in [Class::PrivateKey, Class::PublicKey, Class::Certificate, Class::Data] {
        let object = service.only(class);
        assert_eq!(told(&object), (true, Some(1), Some(4_000_000_000)), "{class:?}");
        tagged += usize::from(object.content.tags.get("a tag").is_some_and(|value| value == "its value"));
    }
    uses(service, &own);
    changes(service, &bundle, &certificate);
    is_refused(service);
    assert_eq!(service.scene.proxy.planned(), 0, "every answer was asked for");
    tagged
}

fn uses(service: &Service, own: &PrivateKey) {
    let key = service.only(Class::PrivateKey).number;
    let result = |value: &[u8]| {
        let kid = service.id(&format!("keys/k/{VERSION}"));
        service.model("KeyOperationResult", json!({"kid": kid, "value": base64url(value)}))
    };
    let mut signature = [0; 64];
    own.sign(&SignScheme::Ecdsa, &[7; 32], &mut signature).unwrap();
    service.answer(200, &result(&signature));
    let mut out = [0; 64];
    service.vault.private_key(key).unwrap().sign(&SignScheme::Ecdsa, &[7; 32], &mut out).unwrap();
    assert_eq!(out, signature);

    let id = service.id(&format!("secrets/s/{VERSION}"));
    service.answer(200, &service.model("SecretBundle", json!({"id": id, "value": "a \"word\""})));
    let secret = service.vault.secret(service.only(Class::Data).number).unwrap();
    assert_eq!(secret.expose(), b"a \"word\"");

    service.answer(200, &service.model("RandomBytes", json!({"value": base64url(&[4; 16])})));
    let mut random = [0; 16];
    service.vault.random(&mut random).unwrap();
    assert_eq!(random, [4; 16]);
}

fn changes(service: &Service, bundle: &Value, certificate: &Value) {
    let draft = |class, usage| {
        let content =
            strongroom::vault::Content { label: b"k".to_vec(), usage, ..strongroom::vault::Content::new(class) };
        Draft { content, naming: Naming::FromLabel, secret: None }
    };
    service.answer(404, &service.models["KeyVaultError"]);
    service.answer(200, bundle);
    let halves = (draft(Class::PrivateKey, Usage::SIGN), draft(Class::PublicKey, Usage::VERIFY));
    service.vault.generate_pair(KeyAlgorithm::Ec(Curve::P256), halves.0, halves.1).unwrap();

    for (class, model) in [(Class::PrivateKey, bundle), (Class::Certificate, certificate)] {
        service.answer(200, model);
        service.answer(200, model);
        let mut label = |content: &mut strongroom::vault::Content| {
            content.label = b"another".to_vec();
            Ok(())
        };
        service.vault.change(&[service.only(class).number], &mut label).unwrap();
    }
    let gone = [
        (Class::PrivateKey, "KeyItem", "kid", "keys/k", "DeletedKeyBundle"),
        (Class::Certificate, "CertificateItem", "id", "certificates/c", "DeletedCertificateBundle"),
        (Class::Data, "SecretItem", "id", "secrets/s", "DeletedSecretBundle"),
    ];
    for (class, item, id, path, deleted) in gone {
        let only = service.model(item, json!({id: service.id(&format!("{path}/{VERSION}"))}));
        service.answer(200, &json!({"value": [only], "nextLink": ""}));
        service.answer(200, &service.models[deleted]);
        service.vault.delete(&[service.only(class).number]).unwrap();
        assert_eq!(service.vault.image().with_class(class).count(), 0);
    }
}

fn is_refused(service: &Service) {
    let inner = json!({"code": "ForbiddenByRbac", "innererror": null});
    let error = json!({"code": "Forbidden", "message": "Caller is not authorized", "innererror": inner});
    service.answer(403, &service.model("KeyVaultError", json!({"error": error})));
    let refused = service.vault.random(&mut [0; 16]).unwrap_err();
    assert!(matches!(refused, VaultError::NotPermitted { .. }), "{refused:?}");
}
