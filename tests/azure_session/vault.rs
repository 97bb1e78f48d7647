//! The vault's own trait against what lies between: a list that is slow, endless or silent, and answers about something else
//! than what was asked. No call waits behind another one's, or longer than it may.

use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use strongroom::backend::azure::AzureVault;
use strongroom::backend::azure::session::{Repeat, Session};
use strongroom::config::{AzureConfig, AzureCredential, Backend, SecretText, VaultConfig};
use strongroom::crypto::{
    CipherScheme, CryptoError, Curve, DigestAlgorithm, Direction, EncryptScheme, KeyWrapScheme, PublicKey,
};
use strongroom::vault::*;

use crate::proxy::Fault;
use crate::scene::{HANG, Scene, make_key};

const JSON: &str = "Content-Type: application/json\r\n";
const P256: KeyAlgorithm = KeyAlgorithm::Ec(Curve::P256);

/// A vault that is logged in and has read its list, which every search reads anew. What is seen begins anew.
fn listed(scene: &Scene, change: impl FnOnce(&mut AzureConfig)) -> Arc<dyn VaultAdmin> {
    let vault = unlisted(scene, change);
    vault.refresh().unwrap();
    scene.proxy.seen();
    vault
}

/// The same without a list.
fn unlisted(scene: &Scene, change: impl FnOnce(&mut AzureConfig)) -> Arc<dyn VaultAdmin> {
    let mut azure = scene.config();
    azure.remote.refresh = Duration::ZERO;
    change(&mut azure);
    let config = VaultConfig { backend: Backend::Azure(azure.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault = AzureVault::open(&config, &azure).unwrap();
    vault.unlock(&Unlock::Configured).unwrap();
    scene.proxy.seen();
    vault
}

fn draft(class: Class, label: &str, usage: Usage) -> Draft {
    let content = Content { label: label.into(), usage, ..Content::new(class) };
    Draft { content, naming: Naming::FromLabel, secret: None }
}

fn make(vault: &dyn VaultAdmin, label: &str, algorithm: KeyAlgorithm) -> Result<[Arc<Object>; 2]> {
    let (private, public) = match algorithm {
        KeyAlgorithm::Rsa { .. } => (Usage::SIGN | Usage::DECRYPT, Usage::VERIFY | Usage::ENCRYPT),
        _ => (Usage::SIGN, Usage::VERIFY),
    };
    let halves = (draft(Class::PrivateKey, label, private), draft(Class::PublicKey, label, public));
    vault.generate_pair(algorithm, halves.0, halves.1)
}

fn sign(vault: &dyn VaultAdmin, key: &Object) -> Result<usize> {
    vault.private_key(key.number)?.sign(&SignScheme::Ecdsa, &[7; 32], &mut [0; 64])
}

fn wait_until(happened: impl Fn() -> bool) {
    let begun = Instant::now();
    while !happened() {
        assert!(begun.elapsed() < HANG);
        thread::sleep(Duration::from_millis(2));
    }
}

/// An answer of the proxy's own lives as long as the test.
fn answer(status: u16, body: String) -> Fault {
    Fault::Answer(status, JSON, body.leak())
}

#[test]
fn a_list_that_goes_round_is_left_at_once() {
    let scene = Scene::new();
    let vault = unlisted(&scene, |_| {});
    let round = r#"{"value":[],"nextLink":"https://elsewhere.example/keys?api-version=7.6&$skiptoken=1"}"#;
    scene.proxy.always(answer(200, round.into()));
    let error = vault.refresh().unwrap_err();
    assert!(matches!(error, VaultError::AnswerInvalid { .. }) && error.to_string().contains("goes round"), "{error}");
    assert_eq!(scene.proxy.seen().len(), 2);
    scene.proxy.always(Fault::None);
    vault.refresh().unwrap();
}

#[test]
fn a_call_ends_in_its_time_and_the_next_goes_on_where_its_reading_was_left() {
    let scene = Scene::new();
    let session = scene.session();
    let keys = 12;
    for number in 0..keys {
        make_key(&session, &format!("key-{number}"));
    }
    let vault = unlisted(&scene, |config| config.remote.timeout = Duration::from_secs(1));
    scene.proxy.always(Fault::Delay(Duration::from_millis(150)));
    let mut left = 0;
    let begun = Instant::now();
    loop {
        let call = Call::begin();
        let outcome = vault.refresh();
        drop(call);
        match outcome {
            Ok(()) => break,
            Err(error) => {
                assert!(matches!(error, VaultError::Unreachable { .. }), "{error}");
                left += usize::from(error.to_string().contains("the next search goes on there"));
            }
        }
        assert!(begun.elapsed() < HANG);
    }
    assert!(left >= 2, "all of it takes four times as long as a call may");
    assert_eq!(vault.image().len(), 2 * keys);
}

#[test]
fn who_has_a_list_goes_on_with_it_where_a_new_one_does_not_come() {
    let scene = Scene::new();
    make_key(&scene.session(), "www");
    let vault = listed(&scene, |config| config.remote.timeout = Duration::from_secs(2));
    scene.proxy.always(Fault::Stall);
    let call = Call::begin();
    vault.refresh().unwrap();
    assert_eq!(vault.image().len(), 2);
    scene.proxy.always(Fault::None);
    // The reading took a part of the call's time only.
    let key = vault.image().with_name(Collection::Keys, "www").find(|object| object.has_secret).unwrap().clone();
    assert_eq!(sign(&*vault, &key).unwrap(), 64);
    drop(call);
}

#[test]
fn many_threads_without_a_list_wait_for_one_reading_and_hear_what_came_of_it() {
    let scene = Scene::new();
    let vault = unlisted(&scene, |config| config.remote.timeout = Duration::from_secs(2));
    scene.proxy.always(Fault::Stall);
    let together = Barrier::new(8);
    let before = scene.proxy.connections();
    thread::scope(|scope| {
        let ask = || {
            together.wait();
            let _call = Call::begin();
            vault.refresh()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(ask)).collect();
        for thread in threads {
            assert!(matches!(thread.join().unwrap(), Err(VaultError::Unreachable { .. })));
        }
    });
    // One on the kept connection and one on a new one; each thread by itself would have needed its own.
    assert!(scene.proxy.connections() - before < 4, "{}", scene.proxy.connections() - before);
    scene.proxy.always(Fault::None);
    vault.refresh().unwrap();
}

#[test]
fn making_a_key_waits_for_no_reading_and_the_reading_does_not_forget_it() {
    let scene = Scene::new();
    let vault = listed(&scene, |config| config.remote.timeout = Duration::from_secs(60));
    scene.proxy.plan(&[Fault::Stall]);
    thread::scope(|scope| {
        let reading = scope.spawn(|| vault.refresh());
        wait_until(|| scene.proxy.planned() == 0);
        let [private, _] = make(&*vault, "meanwhile", P256).unwrap();
        assert!(!reading.is_finished(), "it waited for the reading");
        reading.join().unwrap().unwrap();
        assert!(vault.image().get(private.number).is_some());
        assert_eq!(sign(&*vault, &private).unwrap(), 64);
    });
}

#[test]
fn who_may_not_look_for_a_name_never_makes_a_version_of_it() {
    let scene = Scene::new();
    let session = scene.session();
    make_key(&session, "www");
    let maker = scene.local(&["identity", "create", "maker"]);
    scene.local(&["role", "definition", "create", "Maker", "--allow", "keys/create/action"]);
    scene.local(&["role", "assign", "Maker", "maker"]);
    let secret = scene.local(&["identity", "secret", "add", "maker"])["client_secret"].as_str().unwrap().to_owned();
    let credential = AzureCredential::ClientSecret {
        client_id: maker["client_id"].as_str().unwrap().to_owned(),
        secret: Some(SecretText::new(secret)),
    };
    let vault = unlisted(&scene, |config| config.credential = credential);
    let [private, _] = make(&*vault, "www", P256).unwrap();
    assert!(private.name.as_ref().unwrap().as_str().starts_with("www-"), "{:?}", private.name);
    let mut explicit = draft(Class::PrivateKey, "www", Usage::SIGN);
    explicit.naming = Naming::New(Name::new("www").unwrap());
    let refused = vault.generate_pair(P256, explicit, draft(Class::PublicKey, "www", Usage::VERIFY));
    assert!(matches!(refused, Err(VaultError::NotPermitted { .. })), "{refused:?}");
    assert_eq!(versions_of(&session, "www"), 1);
}

fn versions_of(session: &Session, name: &str) -> usize {
    let list = session.call("GET", &format!("/keys/{name}/versions"), None, Repeat::Safe).unwrap();
    let list: serde_json::Value = serde_json::from_slice(&list.body).unwrap();
    list["value"].as_array().unwrap().len()
}

#[test]
fn an_answer_about_another_key_is_neither_listed_nor_taken_for_the_one_just_made() {
    let scene = Scene::new();
    let session = scene.session();
    make_key(&session, "mail");
    let other = session.call("GET", "/keys/mail/", None, Repeat::Safe).unwrap();
    let other = answer(200, String::from_utf8(other.body.to_vec()).unwrap());
    let vault = listed(&scene, |_| {});
    scene.proxy.plan(&[Fault::None, other.clone()]);
    let made = make(&*vault, "www", P256);
    assert!(matches!(made, Err(VaultError::AnswerInvalid { .. })), "{made:?}");
    make_key(&session, "www");
    let fresh = unlisted(&scene, |_| {});
    // The list, the versions of each and its key.
    scene.proxy.plan(&[Fault::None, Fault::None, Fault::None, Fault::None, other]);
    let error = fresh.refresh().unwrap_err();
    assert!(error.to_string().contains("something else for /keys/www/"), "{error}");
    assert!(fresh.image().is_empty());
    fresh.refresh().unwrap();
    assert_eq!(fresh.image().len(), 4);
}

#[test]
fn a_wrong_padding_of_pkcs1_looks_like_any_other_message() {
    let scene = Scene::new();
    let vault = listed(&scene, |_| {});
    let algorithm = KeyAlgorithm::Rsa { bits: 2048 };
    let [private, public] = make(&*vault, "rsa", algorithm).unwrap();
    let key = vault.private_key(private.number).unwrap();
    // As Azure says it; our own server rejects without a word.
    let refused = || answer(400, r#"{"error":{"code":"BadParameter","message":"Decryption failed."}}"#.into());
    let decrypt = |key: &dyn PrivateKey, byte: u8| {
        scene.proxy.plan(&[refused()]);
        let mut out = vec![0; 256];
        let len = key.decrypt(&EncryptScheme::RsaPkcs1, &[byte; 256], &mut out).unwrap();
        assert!(len <= 256 - 11);
        out.truncate(len);
        out
    };
    let one = decrypt(&*key, 1);
    assert_eq!(decrypt(&*key, 1), one, "the same ciphertext has the same message");
    assert_ne!(decrypt(&*key, 2), one);
    // A child's answer would tell, if it were another.
    let child = vault.in_forked_child().unwrap();
    child.unlock(&Unlock::Configured).unwrap();
    assert_eq!(decrypt(&*child.private_key(private.number).unwrap(), 1), one);
    // What doesn't tell is an error as before, and a good ciphertext its message.
    scene.proxy.plan(&[refused()]);
    let oaep = EncryptScheme::RsaOaep { digest: DigestAlgorithm::Sha256, mgf: DigestAlgorithm::Sha256, label: &[] };
    let wrong = key.decrypt(&oaep, &[1; 256], &mut [0; 256]);
    assert!(matches!(wrong, Err(VaultError::Crypto(CryptoError::CiphertextInvalid))), "{wrong:?}");
    scene.proxy.plan(&[answer(400, r#"{"error":{"code":"Unsupported","message":"No such algorithm."}}"#.into())]);
    let other = key.decrypt(&EncryptScheme::RsaPkcs1, &[1; 256], &mut [0; 256]);
    assert!(matches!(other, Err(VaultError::RefusedThere { status: 400, .. })), "{other:?}");
    let public = PublicKey::from_spki(&public.content.key.as_ref().unwrap().public).unwrap();
    let (mut ciphertext, mut out) = (vec![0; 256], vec![0; 256]);
    public.encrypt(&EncryptScheme::RsaPkcs1, b"a message", &mut ciphertext).unwrap();
    let len = key.decrypt(&EncryptScheme::RsaPkcs1, &ciphertext, &mut out).unwrap();
    assert_eq!(&out[..len], b"a message");
}

#[test]
fn a_result_of_another_length_than_the_mode_gives_is_no_result() {
    let scene = Scene::new();
    let vault = listed(&scene, |_| {});
    let usage = Usage::ENCRYPT | Usage::DECRYPT | Usage::WRAP | Usage::UNWRAP;
    let algorithm = KeyAlgorithm::Aes { bits: 256 };
    let made = vault.generate_secret(algorithm, draft(Class::SecretKey, "aes", usage)).unwrap();
    let key = vault.secret_key(made.number).unwrap();
    let UsableKey::There(there) = key.usable().unwrap() else { panic!("its value is here") };
    let version: String = made.version.unwrap().id.iter().map(|byte| format!("{byte:02x}")).collect();
    let kid = format!("https://dev.vault.localhost/keys/aes/{version}");
    // 15 bytes and 33.
    for value in ["A".repeat(20), "A".repeat(44)] {
        let refused = |outcome: Result<()>| {
            assert!(matches!(outcome, Err(VaultError::AnswerInvalid { .. })), "{outcome:?}");
        };
        let planned = || scene.proxy.plan(&[answer(200, format!(r#"{{"kid":"{kid}","value":"{value}"}}"#))]);
        for scheme in [CipherScheme::AesCbc { iv: [1; 16] }, CipherScheme::AesCbcPad { iv: [1; 16] }] {
            for direction in [Direction::Encrypt, Direction::Decrypt] {
                // With a padding 15 bytes come out of one block.
                let len = if direction == Direction::Decrypt { 64 } else { 16 };
                planned();
                refused(there.apply(&scheme, direction, &vec![9; len]).map(drop));
            }
        }
        let gcm = CipherScheme::AesGcm { iv: &[3; 12], aad: b"", tag_len: 16 };
        planned();
        refused(there.apply(&gcm, Direction::Decrypt, &[9; 48]).map(drop));
        let scheme = KeyWrapScheme::AesKw { iv: None };
        planned();
        refused(there.wrap(&scheme, &[5; 32]).map(drop));
        planned();
        refused(there.unwrap(&scheme, &[5; 40]).map(drop));
    }
    // Nothing, padded, is a block.
    let scheme = CipherScheme::AesCbcPad { iv: [1; 16] };
    let sealed = there.apply(&scheme, Direction::Encrypt, b"").unwrap();
    assert_eq!(sealed.len(), 16);
    assert!(there.apply(&scheme, Direction::Decrypt, sealed.expose()).unwrap().is_empty());
}

#[test]
fn a_key_whose_time_was_extended_there_signs_without_being_searched_again() {
    let scene = Scene::new();
    let vault = listed(&scene, |_| {});
    let [private, _] = make(&*vault, "www", P256).unwrap();
    let expire = |vault: &dyn VaultAdmin, at: i64| {
        vault
            .change(&[private.number], &mut |content| {
                content.expires = Some(at);
                Ok(())
            })
            .unwrap();
    };
    expire(&*vault, 1_000_000_000);
    let other = listed(&scene, |_| {});
    expire(&*other, 4_000_000_000);
    assert_eq!(sign(&*vault, &private).unwrap(), 64);
    // The other way round the service says so itself.
    let held = other.private_key(private.number).unwrap();
    expire(&*vault, 1_000_000_001);
    let ended = held.sign(&SignScheme::Ecdsa, &[7; 32], &mut [0; 64]);
    assert!(matches!(ended, Err(VaultError::Expired(1_000_000_001))), "{ended:?}");
}
