//! Answers that are whole and wrong: none of them becomes a signature or a text, each is said in the log, and the same
//! session goes on.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use cryptoki::error::RvError;
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use cryptoki::object::{Attribute, KeyType, ObjectClass, ObjectHandle};
use strongroom::backend::azure::AzureVault;
use strongroom::config::{Backend, VaultConfig};
use strongroom::crypto::{self, Curve, KeyAlgorithm, PrivateParts, SignScheme};
use strongroom::vault::{PrivateKey, Unlock, VaultAdmin, VaultError};

use crate::program::{BUDGET, DIGEST, Program, TIMEOUT, find};
use crate::proxy::Fault;
use crate::scene::{Scene, make, make_key};
use crate::stage::is_ours;

const ROLES: &[&str] = &["Key Vault Administrator"];
/// What every line of the log about such an answer says.
const UNUSABLE: &str = "answered something that can't be used";
/// What it says of JSON that is none, or has other members.
const STRANGE: &str = "it isn't what the interface says";
const OTHER_KEY: &str = "it used another key than version";
/// P-256, as PKCS#11 names it.
const PRIME256V1: [u8; 10] = [0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const NO_SIGNATURE: &str = "isn't a signature by its public key";

fn half(body: &str) -> String {
    body[..body.len() / 2].to_owned()
}

/// The answer with a member that says something else.
fn with_member(body: &str, name: &str, change: impl FnOnce(&str) -> String) -> String {
    let name = format!("\"{name}\":\"");
    let (before, rest) = body.split_once(&name).unwrap();
    let (value, after) = rest.split_once('"').unwrap();
    format!("{before}{name}{}\"{after}", change(value))
}

fn with_value(body: &str, change: impl FnOnce(&str) -> String) -> String {
    with_member(body, "value", change)
}

/// Another letter in the middle: the length and the encoding stay.
fn one_letter_off(body: &str) -> String {
    with_value(body, |value| {
        let (before, after) = value.split_at(value.len() / 2);
        let other = if after.starts_with('A') { "B" } else { "A" };
        format!("{before}{other}{}", &after[1..])
    })
}

/// What can come in the place of a signature by the first of two versions or keys, and what the log says of it.
fn wrong_signatures(meant: &str, older: &str, other: &str) -> Vec<(Fault, &'static str)> {
    vec![
        (Fault::Html, "text/html"),
        (Fault::Garble, STRANGE),
        (Fault::Body(half), STRANGE),
        (Fault::Body(|_| String::new()), STRANGE),
        (Fault::Body(|_| "[]".into()), STRANGE),
        (Fault::Body(|_| "null".into()), STRANGE),
        (Fault::Body(|body| body.replace("\"value\"", "\"result\"")), STRANGE),
        (Fault::Body(|body| body.replace("\"kid\"", "\"key\"")), STRANGE),
        (Fault::says(&name_in(meant), &name_in(other)), OTHER_KEY),
        (Fault::says(version_in(meant), version_in(older)), OTHER_KEY),
        (Fault::asks(version_in(meant), version_in(older)), OTHER_KEY),
        // Well formed, and said to be by the key that was meant.
        (Fault::uses(meant, other), NO_SIGNATURE),
        (Fault::uses(version_in(meant), version_in(older)), NO_SIGNATURE),
        (Fault::Body(one_letter_off), NO_SIGNATURE),
        (Fault::Body(|body| with_value(body, |value| value[..80].to_owned())), NO_SIGNATURE),
        (Fault::Body(|body| with_value(body, |value| format!("{value}AAAA"))), NO_SIGNATURE),
        (Fault::Body(|body| with_value(body, |_| String::new())), NO_SIGNATURE),
        (Fault::Body(|body| with_value(body, |_| "!".into())), "isn't base64url"),
    ]
}

fn name_in(path: &str) -> String {
    format!("/{}/", path.split('/').nth(2).unwrap())
}

fn version_in(path: &str) -> &str {
    path.rsplit('/').next().unwrap()
}

/// The vault itself, without the module in between.
fn vault(scene: &Scene) -> Arc<dyn VaultAdmin> {
    let config = scene.config();
    let place = VaultConfig { backend: Backend::Azure(config.clone()), ..VaultConfig::local("web", "/nonexistent") };
    let vault: Arc<dyn VaultAdmin> = AzureVault::open(&place, &config).unwrap();
    vault.unlock(&Unlock::Configured).unwrap();
    vault.refresh().unwrap();
    vault
}

#[test]
fn what_is_no_signature_by_the_key_is_handed_on_to_nobody() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let admin = scene.session();
    let [older, other, meant] = ["www", "two", "www"].map(|name| make_key(&admin, name));
    let mut program = Program::at(&scene, ROLES, TIMEOUT);
    program.log_in();
    program.signs("www");
    let key = program.private("www");
    scene.proxy.seen();
    for (fault, why) in wrong_signatures(&meant, &older, &other) {
        scene.proxy.plan(std::slice::from_ref(&fault));
        program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, why]), |session| {
            session.sign(&Mechanism::Ecdsa, key, &DIGEST)
        });
        assert_eq!(scene.proxy.seen().len(), 1, "{fault:?} is no reason to ask again");
        program.signs("www");
        assert_eq!(scene.proxy.seen().len(), 1);
    }
    assert_eq!(program.log(), "");
}

/// Not even a part of it comes to who asked.
#[test]
fn the_room_for_a_signature_stays_as_it_was() {
    let scene = Scene::new();
    let admin = scene.session();
    let [older, other, meant] = ["www", "two", "www"].map(|name| make_key(&admin, name));
    let vault = vault(&scene);
    let image = vault.image();
    let current = image.with_label(b"www").find(|object| object.has_secret && image.is_current(object)).unwrap();
    let key: Arc<dyn PrivateKey> = vault.private_key(current.number).unwrap();
    for (fault, why) in wrong_signatures(&meant, &older, &other) {
        scene.proxy.plan(std::slice::from_ref(&fault));
        let mut out = [0; 64];
        match key.sign(&SignScheme::Ecdsa, &DIGEST, &mut out) {
            Err(VaultError::AnswerInvalid { what, .. }) => assert!(what.contains(why), "{fault:?}: {what}"),
            outcome => panic!("{fault:?}: {outcome:?}"),
        }
        assert_eq!(out, [0; 64], "{fault:?}");
        assert_eq!(key.sign(&SignScheme::Ecdsa, &DIGEST, &mut out).unwrap(), 64);
    }
}

/// Two RSA keys of one size by their identifiers, a program that has logged in, and for it both halves of the first, `rsa`.
fn with_two(scene: &Scene) -> ([String; 2], Program, [ObjectHandle; 2]) {
    let admin = scene.session();
    let keys = ["rsa", "two"].map(|name| make(&admin, name, r#"{"kty":"RSA","key_size":2048}"#));
    let program = Program::at(scene, ROLES, TIMEOUT);
    program.log_in();
    let halves = [program.private("rsa"), program.public("rsa")];
    (keys, program, halves)
}

/// Another RSA key of the same size, another padding, another hash.
#[test]
fn a_vault_that_passes_a_parameter_over_is_found_out() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let ([meant, other], mut program, [key, public]) = with_two(&scene);
    let pss = PkcsPssParams { hash_alg: MechanismType::SHA256, mgf: PkcsMgfType::MGF1_SHA256, s_len: 32.into() };
    for (mechanism, fault) in [
        (Mechanism::Sha256RsaPkcs, Fault::uses(&meant, &other)),
        (Mechanism::Sha256RsaPkcs, Fault::asks("RS256", "PS256")),
        (Mechanism::Sha256RsaPkcsPss(pss), Fault::uses(&meant, &other)),
        (Mechanism::Sha256RsaPkcsPss(pss), Fault::asks("PS256", "RS256")),
    ] {
        scene.proxy.plan(std::slice::from_ref(&fault));
        program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, NO_SIGNATURE]), |session| {
            session.sign(&mechanism, key, b"a message")
        });
        let signature = program.session.sign(&mechanism, key, b"a message").unwrap();
        program.session.verify(&mechanism, public, b"a message", &signature).unwrap();
    }
}

#[test]
fn a_key_that_was_brought_and_became_another_is_no_object() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let mut program = Program::at(&scene, ROLES, TIMEOUT);
    program.log_in();
    let (own, pkcs8) = crypto::PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).unwrap();
    let PrivateParts::Ec(_, scalar) = crypto::PrivateKey::parts_from_pkcs8(pkcs8.expose()).unwrap() else { panic!() };
    let template = |label: &str| {
        vec![
            Attribute::Class(ObjectClass::PRIVATE_KEY),
            Attribute::KeyType(KeyType::EC),
            Attribute::Token(true),
            Attribute::Private(true),
            Attribute::Label(label.into()),
            Attribute::EcParams(PRIME256V1.into()),
            Attribute::Value(scalar.expose().to_vec()),
            Attribute::Sign(true),
        ]
    };
    // RFC 7515 appendix A.3's public key.
    let another = Fault::Body(|body| {
        let x = with_member(body, "x", |_| "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU".into());
        with_member(&x, "y", |_| "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0".into())
    });
    scene.proxy.plan(&[Fault::None, another]);
    program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, "isn't what was asked for"]), |session| {
        session.create_object(&template("one"))
    });
    let key = program.session.create_object(&template("two")).unwrap();
    let signature = program.session.sign(&Mechanism::Ecdsa, key, &DIGEST).unwrap();
    own.public_key().verify(&SignScheme::Ecdsa, &DIGEST, &signature).unwrap();
}

/// A text that was opened by another key can be told only by its form: the padding's, the wrap's, its length.
#[test]
fn what_another_rsa_key_opened_is_no_text() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let ([meant, other], mut program, [key, public]) = with_two(&scene);
    let oaep = PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, PkcsOaepSource::empty());
    let mechanism = Mechanism::RsaPkcsOaep(oaep);
    let sealed = program.session.encrypt(&mechanism, public, &[5; 32]).unwrap();
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
    for (fault, why) in [
        (Fault::Html, "text/html"),
        (Fault::Body(half), STRANGE),
        (Fault::says("/rsa/", "/two/"), OTHER_KEY),
        (Fault::Body(|body| with_value(body, |_| "A".repeat(400))), "more than the key holds"),
    ] {
        scene.proxy.plan(&[fault.clone(), fault]);
        let wanted = (BUDGET, RvError::DeviceError, &[UNUSABLE, why][..]);
        program.fails(wanted, |session| session.decrypt(&mechanism, key, &sealed));
        program.fails(wanted, |session| session.unwrap_key(&mechanism, key, &sealed, &template));
        assert_eq!(program.session.decrypt(&mechanism, key, &sealed).unwrap(), [5; 32]);
    }
    // The other key finds no padding: an ordinary answer to a wrong ciphertext.
    scene.proxy.plan(&[Fault::asks(&meant, &other), Fault::asks(&meant, &other)]);
    let opened = program.session.decrypt(&mechanism, key, &sealed);
    assert!(is(&opened, RvError::EncryptedDataInvalid), "{opened:?}");
    let opened = program.session.unwrap_key(&mechanism, key, &sealed, &template);
    assert!(is(&opened, RvError::WrappedKeyInvalid), "{opened:?}");
    program.session.unwrap_key(&mechanism, key, &sealed, &template).unwrap();
}

fn is<T>(outcome: &cryptoki::error::Result<T>, code: RvError) -> bool {
    matches!(outcome, Err(cryptoki::error::Error::Pkcs11(found, _)) if *found == code)
}

#[test]
fn what_an_aes_key_made_has_its_length_and_its_initialisation_vector() {
    if !is_ours() {
        return;
    }
    let scene = Scene::new();
    let admin = scene.session();
    let kind = r#"{"kty":"oct-HSM","key_size":256,"key_ops":["encrypt","decrypt","wrapKey","unwrapKey"]}"#;
    let [meant, other] = ["aes", "two"].map(|name| make(&admin, name, kind));
    let mut program = Program::at(&scene, ROLES, TIMEOUT);
    program.log_in();
    let key = find(&program.session, ObjectClass::SECRET_KEY, "aes");
    let cut = Fault::Body(|body| with_value(body, |value| value[12..].to_owned()));
    let mechanism = Mechanism::AesCbcPad([1; 16]);
    let ivs = [[1; 16], [2; 16]].map(|iv| Base64UrlUnpadded::encode_string(&iv));
    for (fault, why) in [
        (cut.clone(), "isn't as long as it must be"),
        (Fault::says("/aes/", "/two/"), OTHER_KEY),
        (Fault::asks(&ivs[0], &ivs[1]), "another initialisation vector"),
    ] {
        scene.proxy.plan(&[fault]);
        program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, why]), |session| {
            session.encrypt(&mechanism, key, &[7; 40])
        });
        program.session.encrypt(&mechanism, key, &[7; 40]).unwrap();
    }
    let sealed = program.session.encrypt(&mechanism, key, &[7; 40]).unwrap();
    let too_short = Fault::Body(|body| with_value(body, |value| value[..16].to_owned()));
    scene.proxy.plan(&[too_short]);
    program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, "isn't as long"]), |session| {
        session.decrypt(&mechanism, key, &sealed)
    });
    assert_eq!(program.session.decrypt(&mechanism, key, &sealed).unwrap(), [7; 40]);

    wraps(&scene, &mut program, [meant, other], cut);
}

fn wraps(scene: &Scene, program: &mut Program, [meant, other]: [String; 2], cut: Fault) {
    let key = find(&program.session, ObjectClass::SECRET_KEY, "aes");
    let template = [Attribute::Class(ObjectClass::SECRET_KEY), Attribute::KeyType(KeyType::AES)];
    let open = [Attribute::Value(vec![5; 32]), Attribute::Extractable(true), Attribute::Sensitive(false)];
    let brought = program.session.create_object(&[&template[..], &open].concat()).unwrap();
    for mechanism in [Mechanism::AesKeyWrap, Mechanism::AesKeyWrapPad] {
        scene.proxy.plan(std::slice::from_ref(&cut));
        program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, "isn't as long"]), |session| {
            session.wrap_key(&mechanism, key, brought)
        });
        let wrapped = program.session.wrap_key(&mechanism, key, brought).unwrap();
        scene.proxy.plan(&[Fault::asks(&meant, &other), cut.clone()]);
        let opened = program.session.unwrap_key(&mechanism, key, &wrapped, &template);
        assert!(is(&opened, RvError::WrappedKeyInvalid), "{opened:?}");
        program.fails((BUDGET, RvError::DeviceError, &[UNUSABLE, "isn't as long"]), |session| {
            session.unwrap_key(&mechanism, key, &wrapped, &template)
        });
        program.session.unwrap_key(&mechanism, key, &wrapped, &template).unwrap();
    }
}
