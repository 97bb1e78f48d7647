//! A vault at Azure's interface through the vault's own trait, against a real server of ours in this process.
#![cfg(feature = "server")]

#[path = "../serving/mod.rs"]
mod serving;
mod together;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serving::{HSM, VAULT, World};
use strongroom::backend::azure::AzureVault;
use strongroom::config::{AzureConfig, AzureCredential, Backend, Origin, SecretText, VaultConfig};
use strongroom::crypto::{
    self, CipherScheme, CryptoError, Curve, Digest, DigestAlgorithm, Direction, KeyWrapScheme, PublicKey,
};
use strongroom::vault::*;

/// A vault of this host, seen with this token; every search looks again.
fn open_at(world: &World, host: &str, token: &str, change: impl FnOnce(&mut VaultConfig)) -> Arc<dyn VaultAdmin> {
    let origin = Origin::parse(&format!("https://{host}")).unwrap();
    let mut azure = AzureConfig::at(origin, AzureCredential::Token(SecretText::new(token.into())));
    azure.remote.socket = Some(world.socket());
    azure.remote.refresh = Duration::ZERO;
    azure.secrets = true;
    let mut config = VaultConfig { backend: Backend::Azure(azure), ..VaultConfig::local("web", "/nonexistent") };
    change(&mut config);
    let Backend::Azure(azure) = config.backend.clone() else { unreachable!() };
    let vault = AzureVault::open(&config, &azure).unwrap();
    vault.unlock(&Unlock::Configured).unwrap();
    vault
}

fn open(world: &World) -> Arc<dyn VaultAdmin> {
    open_at(world, VAULT, &administrator(world), |_| {})
}

/// A token of somebody new, with every right.
fn administrator(world: &World) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let somebody = world.somebody(&format!("administrator-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    world.assign(&somebody.identity.oid, "Key Vault Administrator", "/");
    world.token_of(&somebody)
}

fn open_hsm(world: &World) -> Arc<dyn VaultAdmin> {
    let (somebody, _) = world.token_with("Managed HSM Crypto User");
    world.assign(&somebody.identity.oid, "Managed HSM Crypto Officer", "/");
    open_at(world, HSM, &world.token_of(&somebody), |_| {})
}

fn draft(class: Class, label: &str, usage: Usage) -> Draft {
    let content = Content { label: label.into(), usage, ..Content::new(class) };
    Draft { content, naming: Naming::FromLabel, secret: None }
}

fn make_pair(vault: &dyn VaultAdmin, label: &str, algorithm: KeyAlgorithm) -> [Arc<Object>; 2] {
    let (private, public) = match algorithm {
        KeyAlgorithm::Rsa { .. } => {
            (Usage::SIGN | Usage::DECRYPT | Usage::UNWRAP, Usage::VERIFY | Usage::ENCRYPT | Usage::WRAP)
        }
        _ => (Usage::SIGN, Usage::VERIFY),
    };
    let halves = (draft(Class::PrivateKey, label, private), draft(Class::PublicKey, label, public));
    vault.generate_pair(algorithm, halves.0, halves.1).unwrap()
}

fn public_key(object: &Object) -> PublicKey {
    PublicKey::from_spki(&object.content.key.as_ref().unwrap().public).unwrap()
}

fn digest(algorithm: DigestAlgorithm) -> Vec<u8> {
    let mut digest = Digest::new(algorithm);
    digest.update(b"what is signed");
    let mut sum = vec![0; algorithm.len()];
    digest.finish(&mut sum).unwrap();
    sum
}

#[test]
fn every_scheme_that_is_offered_signs_and_the_public_half_says_so() {
    let world = World::new();
    let vault = open(&world);
    let hashes = [
        DigestAlgorithm::Sha1,
        DigestAlgorithm::Sha224,
        DigestAlgorithm::Sha256,
        DigestAlgorithm::Sha384,
        DigestAlgorithm::Sha512,
        DigestAlgorithm::Sha3_256,
    ];
    let kinds = [Curve::P256, Curve::P384, Curve::P521, Curve::Secp256k1].map(KeyAlgorithm::Ec);
    for kind in kinds.into_iter().chain([KeyAlgorithm::Rsa { bits: 2048 }]) {
        let [private, public] = make_pair(&*vault, "key", kind);
        let (key, public) = (vault.private_key(private.number).unwrap(), public_key(&public));
        assert_eq!(public.algorithm(), kind);
        let pss = |digest: DigestAlgorithm| SignScheme::RsaPss { digest, mgf: digest, salt_len: digest.len() };
        let schemes =
            |digest| [SignScheme::Ecdsa, SignScheme::RsaPkcs1, SignScheme::RsaPkcs1Digest(digest), pss(digest)];
        let mut signed = 0;
        for hash in hashes {
            for scheme in schemes(hash).into_iter().filter(|scheme| vault.offers(&Ability::Sign(kind, *scheme))) {
                let mut signature = vec![0; kind.signature_len()];
                let len = key.sign(&scheme, &digest(hash), &mut signature).unwrap();
                assert_eq!(len, kind.signature_len());
                public.verify(&scheme, &digest(hash), &signature).unwrap();
                signed += 1;
            }
        }
        let rsa = matches!(kind, KeyAlgorithm::Rsa { .. });
        assert_eq!(signed, if rsa { 6 + 6 + 3 } else { 6 }, "{kind:?}");
    }
}

#[test]
fn what_was_encrypted_with_the_public_half_is_decrypted_and_unwrapped_there() {
    let world = World::new();
    let vault = open(&world);
    let kind = KeyAlgorithm::Rsa { bits: 2048 };
    let [private, public] = make_pair(&*vault, "rsa", kind);
    let (key, public) = (vault.private_key(private.number).unwrap(), public_key(&public));
    let oaep = |digest| EncryptScheme::RsaOaep { digest, mgf: digest, label: &[] };
    for scheme in [EncryptScheme::RsaPkcs1, oaep(DigestAlgorithm::Sha1), oaep(DigestAlgorithm::Sha256)] {
        let mut ciphertext = vec![0; 256];
        public.encrypt(&scheme, b"a message", &mut ciphertext).unwrap();
        let mut out = vec![0; scheme.decrypted_len(kind)];
        let len = key.decrypt(&scheme, &ciphertext, &mut out).unwrap();
        assert_eq!(&out[..len], b"a message");
        let len = key.unwrap(&scheme, &ciphertext, &mut out).unwrap();
        assert_eq!(&out[..len], b"a message");
    }
    let mut out = vec![0; 256];
    let wrong = key.decrypt(&oaep(DigestAlgorithm::Sha256), &[1; 256], &mut out);
    assert!(matches!(wrong, Err(VaultError::Crypto(CryptoError::CiphertextInvalid))), "{wrong:?}");
    assert!(!vault.offers(&Ability::Decrypt(oaep(DigestAlgorithm::Sha512))));
    assert!(!vault.offers(&Ability::Decrypt(EncryptScheme::RsaRaw)));
}

#[test]
fn aes_works_where_the_key_is_as_it_does_here() {
    let world = World::of_hsm();
    let vault = open_hsm(&world);
    let value = SecretBytes::from_slice(&[7; 32]);
    let here = crypto::SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, value.clone()).unwrap();
    let usage = Usage::ENCRYPT | Usage::DECRYPT | Usage::WRAP | Usage::UNWRAP;
    let mut brought = draft(Class::SecretKey, "aes", usage);
    brought.content.key = Some(KeyDescription { algorithm: KeyAlgorithm::Aes { bits: 256 }, public: Arc::from([]) });
    brought.secret = Some(value);
    let object = vault.create(vec![brought]).unwrap().remove(0);
    let key = vault.secret_key(object.number).unwrap();
    let UsableKey::There(there) = key.usable().unwrap() else { panic!("its value is here") };
    let whole = |scheme: &CipherScheme<'_>, direction, input: &[u8]| {
        let mut cipher = here.cipher(scheme, direction).unwrap();
        let mut out = vec![0; cipher.whole_len(input.len())];
        let len = cipher.whole(input, &mut out).unwrap();
        out.truncate(len);
        out
    };
    for scheme in [CipherScheme::AesCbc { iv: [1; 16] }, CipherScheme::AesCbcPad { iv: [2; 16] }] {
        let sealed = there.apply(&scheme, Direction::Encrypt, &[9; 48]).unwrap();
        assert_eq!(sealed.expose(), whole(&scheme, Direction::Encrypt, &[9; 48]));
        assert_eq!(there.apply(&scheme, Direction::Decrypt, sealed.expose()).unwrap().expose(), [9; 48]);
    }
    let gcm = CipherScheme::AesGcm { iv: &[3; 12], aad: b"beside", tag_len: 16 };
    let sealed = whole(&gcm, Direction::Encrypt, b"message");
    assert_eq!(there.apply(&gcm, Direction::Decrypt, &sealed).unwrap().expose(), b"message");
    assert!(!vault.offers(&Ability::Cipher(gcm, Direction::Encrypt, Matter::Bytes)));
    for scheme in [KeyWrapScheme::AesKw { iv: None }, KeyWrapScheme::AesKwp { iv: None }] {
        let wrapped = there.wrap(&scheme, &[5; 24]).unwrap();
        assert_eq!(here.unwrap(&scheme, &wrapped).unwrap().expose(), [5; 24]);
        assert_eq!(there.unwrap(&scheme, &wrapped).unwrap().expose(), [5; 24]);
        let mut forged = wrapped.clone();
        forged[0] ^= 1;
        let refused = there.unwrap(&scheme, &forged);
        assert!(matches!(refused, Err(VaultError::Crypto(CryptoError::CiphertextInvalid))));
    }
}

#[test]
fn a_managed_hsm_makes_takes_lists_and_uses_its_own_kinds_of_keys() {
    let world = World::of_hsm();
    let (somebody, _) = world.token_with("Managed HSM Crypto User");
    let token = world.token_of(&somebody);
    let vault = open_at(&world, HSM, &token, |_| {});
    let kinds = [KeyAlgorithm::Rsa { bits: 2048 }, KeyAlgorithm::Ec(Curve::P384)];
    for kind in kinds {
        make_pair(&*vault, "made", kind);
        let (own, pkcs8) = crypto::PrivateKey::generate(kind).unwrap();
        let mut brought = draft(Class::PrivateKey, "brought", Usage::SIGN);
        brought.content.key = Some(KeyDescription { algorithm: kind, public: own.public_key().spki().into() });
        brought.secret = Some(pkcs8);
        vault.create(vec![brought]).unwrap();
    }
    let other = open_at(&world, HSM, &token, |_| {});
    other.refresh().unwrap();
    let image = other.image();
    assert_eq!((image.count_class(Class::PrivateKey), image.count_class(Class::PublicKey)), (4, 4));
    for object in image.with_class(Class::PrivateKey) {
        let (key, public) = (other.private_key(object.number).unwrap(), public_key(object));
        let scheme = match key.algorithm() {
            KeyAlgorithm::Rsa { .. } => SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha384),
            _ => SignScheme::Ecdsa,
        };
        let mut signature = vec![0; key.algorithm().signature_len()];
        key.sign(&scheme, &digest(DigestAlgorithm::Sha384), &mut signature).unwrap();
        public.verify(&scheme, &digest(DigestAlgorithm::Sha384), &signature).unwrap();
    }
    let mut note = draft(Class::Data, "note", Usage::empty());
    note.content.private = true;
    note.secret = Some(SecretBytes::from_slice(b"a value"));
    assert!(matches!(other.create(vec![note]), Err(VaultError::Unsupported(_))));
}

#[test]
fn an_aes_key_that_is_made_there_keeps_its_size() {
    let world = World::of_hsm();
    let vault = open_hsm(&world);
    let usage = Usage::ENCRYPT | Usage::DECRYPT;
    let made = vault.generate_secret(KeyAlgorithm::Aes { bits: 128 }, draft(Class::SecretKey, "small", usage)).unwrap();
    assert_eq!(made.content.key.as_ref().unwrap().algorithm, KeyAlgorithm::Aes { bits: 128 });
    vault.refresh().unwrap();
    let listed = vault.image().get(made.number).unwrap().clone();
    assert_eq!(listed.content.key.as_ref().unwrap().algorithm, KeyAlgorithm::Aes { bits: 128 });
}

#[test]
fn a_key_that_is_brought_is_the_same_key_and_keeps_its_attributes() {
    let world = World::new();
    let vault = open(&world);
    for kind in [KeyAlgorithm::Ec(Curve::P384), KeyAlgorithm::Rsa { bits: 2048 }] {
        let (own, pkcs8) = crypto::PrivateKey::generate(kind).unwrap();
        let mut brought = draft(Class::PrivateKey, "Müller's key", Usage::SIGN);
        brought.content.id = vec![0xAB, 1];
        brought.content.attributes.insert(0x101, [0x30, 0].into());
        brought.content.key = Some(KeyDescription { algorithm: kind, public: own.public_key().spki().into() });
        brought.secret = Some(pkcs8);
        let made = vault.create(vec![brought]).unwrap().remove(0);
        vault.refresh().unwrap();
        let listed = vault.image().get(made.number).unwrap().clone();
        assert_eq!(*listed, Object { updated: listed.updated, ..(*made).clone() });
        assert_eq!(listed.content.label, "Müller's key".as_bytes());
        assert_eq!((&listed.content.id[..], &listed.content.attributes[&0x101][..]), (&[0xAB, 1][..], &[0x30, 0][..]));
        assert!(listed.name.as_ref().unwrap().as_str().starts_with("M-ller-s-key-"));
        let mut signature = vec![0; kind.signature_len()];
        let scheme = match kind {
            KeyAlgorithm::Rsa { .. } => SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256),
            _ => SignScheme::Ecdsa,
        };
        let sum = digest(DigestAlgorithm::Sha256);
        vault.private_key(made.number).unwrap().sign(&scheme, &sum, &mut signature).unwrap();
        own.public_key().verify(&scheme, &sum, &signature).unwrap();
    }
}

#[test]
fn a_label_that_is_taken_makes_another_key_and_never_a_version() {
    let world = World::new();
    let vault = open(&world);
    let [first, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    let [second, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    assert_eq!(first.name.as_ref().unwrap().as_str(), "www");
    assert!(second.name.as_ref().unwrap().as_str().starts_with("www-"));
    vault.refresh().unwrap();
    assert_eq!(vault.image().with_label(b"www").count(), 4);
    // A name that something deleted still holds gives way too.
    vault.delete(&[first.number]).unwrap();
    let [third, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    assert!(third.name.as_ref().unwrap().as_str().starts_with("www-"));
}

#[test]
fn versions_are_listed_in_their_order_and_those_disabled_are_not() {
    let world = World::new();
    let vault = open(&world);
    let [first, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    // All in one second: the service alone knows which is the newest.
    let (_, token) = world.token_with("Key Vault Crypto Officer");
    let versions: Vec<_> = (0..3)
        .map(|_| {
            let made = world.connect().call(&token, "POST", "/keys/www/rotate", "").json();
            made["key"]["kid"].as_str().unwrap().rsplit('/').next().unwrap().to_owned()
        })
        .collect();
    vault.refresh().unwrap();
    let image = vault.image();
    let private: Vec<_> = image.with_name(Collection::Keys, "www").filter(|object| object.has_secret).collect();
    assert_eq!(private.len(), 4);
    let current: Vec<_> = private.iter().filter(|object| image.is_current(object)).collect();
    let hex =
        |object: &Object| -> String { object.version.unwrap().id.iter().map(|byte| format!("{byte:02x}")).collect() };
    assert_eq!(current.iter().map(|object| hex(object)).collect::<Vec<_>>(), versions[2..]);
    assert!(image.get(first.number).is_some());
    let changed = vault.change(&[first.number], &mut |content| {
        content.enabled = false;
        Ok(())
    });
    assert!(!changed.unwrap()[0].content.enabled);
    assert!(vault.image().get(first.number).is_none());
    vault.refresh().unwrap();
    assert!(vault.image().get(first.number).is_none());
    assert!(matches!(vault.delete(&[current[0].number]), Err(VaultError::Inseparable { .. })));
}

#[test]
fn a_change_is_kept_there_and_goes_to_every_version() {
    let world = World::new();
    let vault = open(&world);
    let [private, public] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    let (_, token) = world.token_with("Key Vault Crypto Officer");
    world.connect().call(&token, "POST", "/keys/www/rotate", "");
    vault.refresh().unwrap();
    vault
        .change(&[private.number], &mut |content| {
            content.label = b"other".to_vec();
            content.id = vec![1, 2, 3];
            content.expires = Some(4_000_000_000);
            Ok(())
        })
        .unwrap();
    let seen = open(&world);
    seen.refresh().unwrap();
    let image = seen.image();
    assert_eq!(image.with_label(b"other").count(), 2);
    let changed = image.get(private.number).unwrap();
    assert_eq!((changed.content.id.as_slice(), changed.content.expires), (&[1, 2, 3][..], Some(4_000_000_000)));
    let other_half = image.get(public.number).unwrap();
    assert_eq!((other_half.content.label.as_slice(), other_half.content.id.len()), (&b"www"[..], 20));
    // Back to what follows anyway: no tag is left.
    vault
        .change(&[private.number], &mut |content| {
            content.label = b"www".to_vec();
            content.id.clone_from(&other_half.content.id);
            Ok(())
        })
        .unwrap();
    let answer = world.connect().call(&token, "GET", "/keys/www/", "").json();
    assert_eq!(answer["tags"], serde_json::json!({ "p11_pri_CKA_LOCAL": "true" }), "{answer}");
    // A refused edit changes nothing.
    let refused = vault.change(&[private.number], &mut |content| {
        content.label = b"never".to_vec();
        Err(VaultError::Refused(7))
    });
    assert!(matches!(refused, Err(VaultError::Refused(7))));
}

#[test]
fn a_deleted_key_is_gone_softly_with_both_halves() {
    let world = World::new();
    let vault = open(&world);
    let [private, public] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    let held = vault.private_key(private.number).unwrap();
    let alone = vault.delete(&[public.number]);
    assert!(matches!(alone, Err(VaultError::Inseparable { .. })), "{alone:?}");
    vault.delete(&[private.number]).unwrap();
    assert!(vault.image().get(public.number).is_none());
    assert!(matches!(held.sign(&SignScheme::Ecdsa, &[7; 32], &mut [0; 64]), Err(VaultError::NotFound)));
    assert!(world.vault.image().deleted_with_name(Collection::Keys, "www").next().is_some());
}

#[test]
fn certificates_and_secrets_are_listed_and_a_certificate_has_its_keys_id() {
    let world = World::new();
    let vault = open(&world);
    let token = administrator(&world);
    let policy = r#"{"policy":{"issuer":{"name":"Self"},"x509_props":{"subject":"CN=www.example.com"},"key_props":{"kty":"EC","crv":"P-256","exportable":false,"reuse_key":false}}}"#;
    let made = world.connect().call(&token, "POST", "/certificates/site/create", policy);
    assert_eq!(made.status, 202, "{made:?}");
    let begun = std::time::Instant::now();
    loop {
        vault.refresh().unwrap();
        if vault.image().count_class(Class::Certificate) == 1 {
            break;
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
        std::thread::sleep(Duration::from_millis(20));
    }
    world.connect().call(&token, "PUT", "/secrets/db", r#"{"value":"pass wörd"}"#);
    vault.refresh().unwrap();
    let image = vault.image();
    let of = |class| image.with_class(class).next().unwrap().clone();
    let (certificate, private, data) = (of(Class::Certificate), of(Class::PrivateKey), of(Class::Data));
    assert_eq!(certificate.content.id, private.content.id);
    assert_eq!(certificate.content.id.len(), 20);
    assert!(certificate.content.value.as_ref().is_some_and(|der| der[0] == 0x30));
    assert_eq!(image.count_class(Class::Data), 1, "a certificate's secret is no object");
    assert_eq!(vault.secret(data.number).unwrap().expose(), "pass wörd".as_bytes());
    assert!(matches!(vault.secret(private.number), Err(VaultError::Unsupported(_))));
    let mut bytes = draft(Class::Data, "blob", Usage::empty());
    bytes.content.private = true;
    bytes.secret = Some(SecretBytes::from_slice(&[0, 0xFF, 7]));
    let kept = vault.create(vec![bytes]).unwrap().remove(0);
    vault.refresh().unwrap();
    assert_eq!(vault.secret(kept.number).unwrap().expose(), [0, 0xFF, 7]);
}

#[test]
fn a_host_sees_what_its_configuration_names() {
    let world = World::new();
    let all = open(&world);
    make_pair(&*all, "www-1", KeyAlgorithm::Ec(Curve::P256));
    make_pair(&*all, "mail", KeyAlgorithm::Ec(Curve::P256));
    let (_, token) = world.token_with("Key Vault Crypto User");
    let some = open_at(&world, VAULT, &token, |config| config.objects = vec!["www-*".into()]);
    some.refresh().unwrap();
    let names: Vec<_> = some.image().objects().map(|object| object.content.label.clone()).collect();
    assert_eq!(names, [b"www-1", b"www-1"]);
}

#[test]
fn without_a_permission_the_data_action_is_named_and_lists_of_keys_are_enough() {
    let world = World::new();
    let vault = open(&world);
    let [private, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    // May read everything and use nothing.
    let (_, token) = world.token_with("Key Vault Reader");
    let reader = open_at(&world, VAULT, &token, |_| {});
    reader.refresh().unwrap();
    let denied = reader.private_key(private.number).unwrap().sign(&SignScheme::Ecdsa, &[7; 32], &mut [0; 64]);
    match denied {
        Err(VaultError::NotPermitted { action, .. }) => assert!(action.ends_with("keys/sign/action"), "{action}"),
        other => panic!("{other:?}"),
    }
    // May see keys, and neither certificates nor secrets.
    let (_, token) = world.token_with("Key Vault Crypto User");
    let user = open_at(&world, VAULT, &token, |_| {});
    user.refresh().unwrap();
    let mut signature = [0; 64];
    assert_eq!(
        user.private_key(private.number).unwrap().sign(&SignScheme::Ecdsa, &[7; 32], &mut signature).unwrap(),
        64
    );
}

#[test]
fn numbers_are_the_same_in_every_process_and_dates_count_here_too() {
    let world = World::new();
    let vault = open(&world);
    let [private, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    let other = open(&world);
    other.refresh().unwrap();
    assert_eq!(other.image().get(private.number).unwrap().content, private.content);
    other
        .change(&[private.number], &mut |content| {
            content.expires = Some(1_000_000_000);
            Ok(())
        })
        .unwrap();
    assert!(matches!(other.private_key(private.number), Err(VaultError::Expired(1_000_000_000))));
    vault.lock();
    assert!(matches!(vault.private_key(private.number), Err(VaultError::Locked)));
}

#[test]
fn a_role_on_one_key_is_enough_where_the_configuration_names_it() {
    let world = World::new();
    let vault = open(&world);
    let [private, _] = make_pair(&*vault, "www", KeyAlgorithm::Ec(Curve::P256));
    make_pair(&*vault, "mail", KeyAlgorithm::Ec(Curve::P256));
    let somebody = world.somebody("one-key");
    world.assign(&somebody.identity.oid, "Key Vault Crypto User", "/keys/www");
    let token = world.token_of(&somebody);
    let blind = open_at(&world, VAULT, &token, |_| {});
    assert!(matches!(blind.refresh(), Err(VaultError::NotPermitted { .. })));
    let named = open_at(&world, VAULT, &token, |config| config.objects = vec!["www".into(), "mail".into()]);
    named.refresh().unwrap();
    assert_eq!(named.image().len(), 2);
    let key = named.private_key(private.number).unwrap();
    assert_eq!(key.sign(&SignScheme::Ecdsa, &[7; 32], &mut [0; 64]).unwrap(), 64);
}
