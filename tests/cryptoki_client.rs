//! The crate `cryptoki`, as a Rust program uses it, drives the module through each operation of its API.
#![allow(unsafe_code)]

mod stage;

use std::sync::{Mutex, MutexGuard, PoisonError};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Function, Pkcs11};
use cryptoki::error::{Error, RvError};
use cryptoki::mechanism::aead::{GcmMessageParams, GcmParams, GeneratorFunction};
use cryptoki::mechanism::eddsa::{EddsaParams, EddsaSignatureScheme};
use cryptoki::mechanism::elliptic_curve::{EcKdf, Ecdh1DeriveParams};
use cryptoki::mechanism::hkdf::{HkdfParams, HkdfSalt};
use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsOaepParams, PkcsOaepSource, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType, MessageParam};
use cryptoki::object::{Attribute, AttributeInfo, AttributeType, KeyType, ObjectClass, ObjectHandle};
use cryptoki::session::{Session, SessionState, UserType};
use cryptoki::slot::Slot;
use cryptoki::types::AuthPin;

const MESSAGE: &[u8] = b"a message that several clients sign";
const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
const X25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6E];

/// The module over a token of its own. It is one for the process: tests take turns.
struct Client {
    pkcs11: Pkcs11,
    slot: Slot,
    _folder: tempfile::TempDir,
    _turn: MutexGuard<'static, ()>,
}

impl Client {
    fn new() -> Self {
        static TURN: Mutex<()> = Mutex::new(());
        let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let folder = tempfile::tempdir().unwrap();
        // SAFETY: only who holds the turn touches the environment.
        unsafe { std::env::set_var("STRONGROOM_VAULT", folder.path().join("vault")) };
        let pkcs11 = Pkcs11::new(stage::module()).unwrap();
        pkcs11.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).unwrap();
        let slot = pkcs11.get_all_slots().unwrap()[0];
        pkcs11.init_token(slot, &pin(stage::SO_PIN), stage::TOKEN).unwrap();
        let client = Self { pkcs11, slot, _folder: folder, _turn: turn };
        let session = client.pkcs11.open_rw_session(slot).unwrap();
        session.login(UserType::So, Some(&pin(stage::SO_PIN))).unwrap();
        session.init_pin(&pin(stage::PIN)).unwrap();
        session.logout().unwrap();
        client
    }

    fn user_session(&self) -> Session {
        let session = self.pkcs11.open_rw_session(self.slot).unwrap();
        session.login(UserType::User, Some(&pin(stage::PIN))).unwrap();
        session
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.pkcs11.clone().finalize();
    }
}

fn pin(text: &str) -> AuthPin {
    AuthPin::new(text.into())
}

/// The code that a call answers.
fn code<T: std::fmt::Debug>(outcome: Result<T, Error>) -> RvError {
    match outcome.expect_err("refused") {
        Error::Pkcs11(code, _) => code,
        other => panic!("{other}"),
    }
}

fn rsa(session: &Session) -> (ObjectHandle, ObjectHandle) {
    let public = [
        Attribute::ModulusBits(2048.into()),
        Attribute::PublicExponent(vec![1, 0, 1]),
        Attribute::Encrypt(true),
        Attribute::Verify(true),
        Attribute::Wrap(true),
    ];
    let private = [Attribute::Decrypt(true), Attribute::Sign(true), Attribute::Unwrap(true)];
    session.generate_key_pair(&Mechanism::RsaPkcsKeyPairGen, &public, &private).unwrap()
}

fn curve(session: &Session, mechanism: &Mechanism, params: &[u8], usage: Attribute) -> (ObjectHandle, ObjectHandle) {
    session.generate_key_pair(mechanism, &[Attribute::EcParams(params.to_vec())], &[usage]).unwrap()
}

fn aes(session: &Session, usages: &[Attribute]) -> ObjectHandle {
    let template = [&[Attribute::ValueLen(32.into())], usages].concat();
    session.generate_key(&Mechanism::AesKeyGen, &template).unwrap()
}

/// A secret key whose value can be read.
fn readable(key_type: KeyType) -> Vec<Attribute> {
    vec![
        Attribute::Class(ObjectClass::SECRET_KEY),
        Attribute::KeyType(key_type),
        Attribute::Sensitive(false),
        Attribute::Extractable(true),
    ]
}

fn secret(session: &Session, value: &[u8], usages: &[Attribute]) -> ObjectHandle {
    let value = Attribute::Value(value.to_vec());
    session.create_object(&[&readable(KeyType::GENERIC_SECRET), &[value][..], usages].concat()).unwrap()
}

fn value(session: &Session, object: ObjectHandle, attribute: AttributeType) -> Vec<u8> {
    match session.get_attributes(object, &[attribute]).unwrap().pop() {
        Some(Attribute::Value(value) | Attribute::EcPoint(value) | Attribute::Label(value)) => value,
        other => panic!("{attribute} is {other:?}"),
    }
}

#[test]
fn library_slots_tokens_and_mechanisms_are_told() {
    let client = Client::new();
    let (pkcs11, slot) = (&client.pkcs11, client.slot);
    assert!(!pkcs11.get_library_info().unwrap().manufacturer_id().is_empty());
    assert!(pkcs11.is_fn_supported(Function::Encrypt) && pkcs11.is_fn_supported(Function::LoginUser));
    assert_eq!(pkcs11.get_slots_with_token().unwrap(), pkcs11.get_slots_with_initialized_token().unwrap());
    assert!(pkcs11.get_slot_info(slot).unwrap().token_present());
    let token = pkcs11.get_token_info(slot).unwrap();
    assert_eq!(token.label(), stage::TOKEN);
    assert!(token.rng() && token.login_required() && token.user_pin_initialized() && token.token_initialized());
    let mechanisms = pkcs11.get_mechanism_list(slot).unwrap();
    for expected in [MechanismType::ECDSA, MechanismType::AES_GCM, MechanismType::HKDF_DERIVE, MechanismType::SHA256] {
        assert!(mechanisms.contains(&expected), "{expected}");
        pkcs11.get_mechanism_info(slot, expected).unwrap();
    }
    let rsa = pkcs11.get_mechanism_info(slot, MechanismType::RSA_PKCS).unwrap();
    assert!(rsa.sign() && rsa.verify() && rsa.encrypt() && rsa.decrypt() && rsa.wrap() && rsa.unwrap());
    assert_eq!(rsa.min_key_size(), 2048);
    assert!(pkcs11.get_slot_event().unwrap().is_none());
}

#[test]
fn sessions_follow_login_and_logout() {
    let client = Client::new();
    let session = client.pkcs11.open_rw_session(client.slot).unwrap();
    assert_eq!(session.get_session_info().unwrap().session_state(), SessionState::RwPublic);
    assert_eq!(code(session.login(UserType::User, Some(&pin("wrong-pin-1")))), RvError::PinIncorrect);
    session.login(UserType::User, Some(&pin(stage::PIN))).unwrap();
    assert_eq!(session.get_session_info().unwrap().session_state(), SessionState::RwUser);
    let reader = client.pkcs11.open_ro_session(client.slot).unwrap();
    assert_eq!(reader.get_session_info().unwrap().session_state(), SessionState::RoUser);
    let token_key = [Attribute::Token(true), Attribute::ValueLen(16.into())];
    assert_eq!(code(reader.generate_key(&Mechanism::AesKeyGen, &token_key)), RvError::SessionReadOnly);
    reader.close().unwrap();
    session.set_pin(&pin(stage::PIN), &pin("another-pin-1")).unwrap();
    session.logout().unwrap();
    session.login(UserType::So, Some(&pin(stage::SO_PIN))).unwrap();
    assert_eq!(session.get_session_info().unwrap().session_state(), SessionState::RwSecurityOfficer);
    session.init_pin(&pin(stage::PIN)).unwrap();
    session.logout().unwrap();
    session.login_with_raw(UserType::User, &Box::new(stage::PIN.as_bytes().to_vec()).into()).unwrap();
    session.close().unwrap();
}

#[test]
fn every_signature_is_made_and_verified_in_one_part_and_in_several() {
    let client = Client::new();
    let session = client.user_session();
    let rsa = rsa(&session);
    let p256 = curve(&session, &Mechanism::EccKeyPairGen, P256, Attribute::Sign(true));
    let ed25519 = curve(&session, &Mechanism::EccEdwardsKeyPairGen, ED25519, Attribute::Sign(true));
    let mac = secret(&session, &[7; 32], &[Attribute::Sign(true), Attribute::Verify(true)]);
    let cmac = aes(&session, &[Attribute::Sign(true), Attribute::Verify(true)]);
    let pss = |hash_alg, mgf, salt: u64| PkcsPssParams { hash_alg, mgf, s_len: salt.into() };
    let sha256 = pss(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, 32);
    let sha512 = pss(MechanismType::SHA512, PkcsMgfType::MGF1_SHA512, 0);
    let cases = [
        (Mechanism::Sha1RsaPkcs, rsa),
        (Mechanism::Sha224RsaPkcs, rsa),
        (Mechanism::Sha256RsaPkcs, rsa),
        (Mechanism::Sha384RsaPkcs, rsa),
        (Mechanism::Sha512RsaPkcs, rsa),
        (Mechanism::Sha256RsaPkcsPss(sha256), rsa),
        (Mechanism::Sha512RsaPkcsPss(sha512), rsa),
        (Mechanism::EcdsaSha1, p256),
        (Mechanism::EcdsaSha256, p256),
        (Mechanism::EcdsaSha384, p256),
        (Mechanism::EcdsaSha512, p256),
        (Mechanism::Eddsa(EddsaParams::new(EddsaSignatureScheme::Ed25519)), ed25519),
        (Mechanism::Sha1Hmac, (mac, mac)),
        (Mechanism::Sha256Hmac, (mac, mac)),
        (Mechanism::Sha512Hmac, (mac, mac)),
        (Mechanism::AesCMac, (cmac, cmac)),
    ];
    for (mechanism, (public, private)) in cases {
        let signature = session.sign(&mechanism, private, MESSAGE).unwrap();
        session.verify(&mechanism, public, MESSAGE, &signature).unwrap();
        let refused = code(session.verify(&mechanism, public, b"another message", &signature));
        assert_eq!(refused, RvError::SignatureInvalid, "{mechanism:?}");
        session.sign_init(&mechanism, private).unwrap();
        MESSAGE.chunks(5).for_each(|part| session.sign_update(part).unwrap());
        let signature = session.sign_final().unwrap();
        session.verify_init(&mechanism, public).unwrap();
        MESSAGE.chunks(9).for_each(|part| session.verify_update(part).unwrap());
        session.verify_final(&signature).unwrap();
    }
    let digest = session.digest(&Mechanism::Sha256, MESSAGE).unwrap();
    for (mechanism, (public, private)) in
        [(Mechanism::RsaPkcs, rsa), (Mechanism::RsaPkcsPss(sha256), rsa), (Mechanism::Ecdsa, p256)]
    {
        let signature = session.sign(&mechanism, private, &digest).unwrap();
        session.verify(&mechanism, public, &digest, &signature).unwrap();
    }
}

#[test]
fn every_cipher_encrypts_and_decrypts_in_one_part_and_in_several() {
    let client = Client::new();
    let session = client.user_session();
    let key = aes(&session, &[Attribute::Encrypt(true), Attribute::Decrypt(true)]);
    let (mut iv, text) = ([9; 12], [3; 64]);
    let gcm = GcmParams::new(&mut iv, b"also authenticated", 128.into()).unwrap();
    for mechanism in
        [Mechanism::AesEcb, Mechanism::AesCbc([1; 16]), Mechanism::AesCbcPad([1; 16]), Mechanism::AesGcm(gcm)]
    {
        let sealed = session.encrypt(&mechanism, key, &text).unwrap();
        assert_eq!(session.decrypt(&mechanism, key, &sealed).unwrap(), text, "{mechanism:?}");
        session.encrypt_init(&mechanism, key).unwrap();
        let mut parts: Vec<u8> = text.chunks(7).flat_map(|part| session.encrypt_update(part).unwrap()).collect();
        parts.extend(session.encrypt_final().unwrap());
        assert_eq!(parts, sealed, "{mechanism:?}");
        session.decrypt_init(&mechanism, key).unwrap();
        let mut parts: Vec<u8> = sealed.chunks(11).flat_map(|part| session.decrypt_update(part).unwrap()).collect();
        parts.extend(session.decrypt_final().unwrap());
        assert_eq!(parts, text, "{mechanism:?}");
    }
    let (public, private) = rsa(&session);
    for mechanism in [Mechanism::RsaPkcs, oaep(PkcsOaepSource::empty()), oaep(PkcsOaepSource::data_specified(b"label"))]
    {
        let sealed = session.encrypt(&mechanism, public, MESSAGE).unwrap();
        assert_eq!(session.decrypt(&mechanism, private, &sealed).unwrap(), MESSAGE, "{mechanism:?}");
    }
    let block = [&[0][..], &[5; 255]].concat();
    let sealed = session.encrypt(&Mechanism::RsaX509, public, &block).unwrap();
    assert_eq!(session.decrypt(&Mechanism::RsaX509, private, &sealed).unwrap(), block);
}

fn oaep(source: PkcsOaepSource) -> Mechanism {
    Mechanism::RsaPkcsOaep(PkcsOaepParams::new(MechanismType::SHA256, PkcsMgfType::MGF1_SHA256, source))
}

#[test]
fn keys_are_wrapped_and_unwrapped() {
    let client = Client::new();
    let session = client.user_session();
    let kek = aes(&session, &[Attribute::Wrap(true), Attribute::Unwrap(true)]);
    let (public, private) = rsa(&session);
    let key = secret(&session, &[8; 40], &[]);
    for (mechanism, wrapping, unwrapping) in [
        (Mechanism::AesKeyWrap, kek, kek),
        (Mechanism::AesKeyWrapPad, kek, kek),
        (Mechanism::AesCbcPad([2; 16]), kek, kek),
        (Mechanism::RsaPkcs, public, private),
        (oaep(PkcsOaepSource::empty()), public, private),
    ] {
        let wrapped = session.wrap_key(&mechanism, wrapping, key).unwrap();
        let template = readable(KeyType::GENERIC_SECRET);
        let back = session.unwrap_key(&mechanism, unwrapping, &wrapped, &template).unwrap();
        assert_eq!(value(&session, back, AttributeType::Value), [8; 40], "{mechanism:?}");
    }
    let kept = aes(&session, &[Attribute::Encrypt(true)]);
    assert_eq!(code(session.wrap_key(&Mechanism::AesKeyWrap, kek, kept)), RvError::KeyUnextractable);
}

#[test]
fn keys_are_derived() {
    let client = Client::new();
    let session = client.user_session();
    let template = [&readable(KeyType::GENERIC_SECRET)[..], &[Attribute::ValueLen(32.into())]].concat();
    for (mechanism, params) in [(Mechanism::EccKeyPairGen, P256), (Mechanism::EccMontgomeryKeyPairGen, X25519)] {
        let one = curve(&session, &mechanism, params, Attribute::Derive(true));
        let other = curve(&session, &mechanism, params, Attribute::Derive(true));
        for kdf in [EcKdf::null(), EcKdf::sha1(b"shared"), EcKdf::sha256(b"")] {
            let derive = |private, public| {
                let point = value(&session, public, AttributeType::EcPoint);
                let mechanism = Mechanism::Ecdh1Derive(Ecdh1DeriveParams::new(kdf, &point));
                let key = session.derive_key(&mechanism, private, &template).unwrap();
                value(&session, key, AttributeType::Value)
            };
            assert_eq!(derive(one.1, other.0), derive(other.1, one.0));
        }
    }
    // RFC 5869, test case 1.
    let base = secret(&session, &[0x0B; 22], &[Attribute::Derive(true)]);
    let (salt, info) = ((0..13).collect::<Vec<u8>>(), (0xF0..0xFA).collect::<Vec<u8>>());
    let params = HkdfParams::new(MechanismType::SHA256, Some(HkdfSalt::Data(&salt)), Some(&info));
    let key = session.derive_key(&Mechanism::HkdfDerive(params), base, &template).unwrap();
    let okm = value(&session, key, AttributeType::Value);
    assert_eq!(okm[..6], [0x3C, 0xB2, 0x5F, 0x25, 0xFA, 0xAC]);
    let data = [Attribute::Class(ObjectClass::DATA), Attribute::ValueLen(32.into())];
    let data = session.derive_key(&Mechanism::HkdfData(params), base, &data).unwrap();
    assert_eq!(value(&session, data, AttributeType::Value), okm);
}

#[test]
fn digests_and_random_bytes_are_made() {
    let client = Client::new();
    let session = client.user_session();
    for (mechanism, len) in [
        (Mechanism::Sha1, 20),
        (Mechanism::Sha224, 28),
        (Mechanism::Sha256, 32),
        (Mechanism::Sha384, 48),
        (Mechanism::Sha512, 64),
    ] {
        let digest = session.digest(&mechanism, MESSAGE).unwrap();
        assert_eq!(digest.len(), len);
        session.digest_init(&mechanism).unwrap();
        MESSAGE.chunks(3).for_each(|part| session.digest_update(part).unwrap());
        assert_eq!(session.digest_final().unwrap(), digest);
    }
    // The digest of a key says what a short key is: it isn't made (see `docs/pkcs11.md`).
    session.digest_init(&Mechanism::Sha256).unwrap();
    assert_eq!(code(session.digest_key(secret(&session, &[1; 8], &[]))), RvError::KeyIndigestible);
    let mut bytes = [0; 32];
    session.generate_random_slice(&mut bytes).unwrap();
    assert_ne!(session.generate_random_vec(32).unwrap(), bytes);
    assert_eq!(code(session.seed_random(b"seed")), RvError::RandomSeedNotSupported);
}

#[test]
fn objects_are_made_found_read_changed_copied_and_destroyed() {
    let client = Client::new();
    let session = client.user_session();
    let data = session
        .create_object(&[
            Attribute::Class(ObjectClass::DATA),
            Attribute::Token(true),
            Attribute::Label(b"kept".to_vec()),
            Attribute::Value(b"value".to_vec()),
        ])
        .unwrap();
    assert_eq!(session.find_objects(&[Attribute::Label(b"kept".to_vec())]).unwrap(), [data]);
    session.update_attributes(data, &[Attribute::Label(b"renamed".to_vec())]).unwrap();
    let copy = session.copy_object(data, &[Attribute::Token(false)]).unwrap();
    assert_eq!(value(&session, copy, AttributeType::Label), b"renamed");
    session.destroy_object(data).unwrap();
    assert_eq!(code(session.destroy_object(data)), RvError::ObjectHandleInvalid);
    let key = aes(&session, &[Attribute::Label(b"several".to_vec())]);
    let keys: Vec<_> = std::iter::once(key).chain((0..9).map(|_| aes(&session, &[]))).collect();
    let template = [Attribute::Class(ObjectClass::SECRET_KEY)];
    let found: Vec<_> = session.iter_objects_with_cache_size(&template, 3.try_into().unwrap()).unwrap().collect();
    assert_eq!(found.len(), keys.len());
    let wanted = [AttributeType::Label, AttributeType::Value, AttributeType::Modulus];
    let info = session.get_attribute_info(key, &wanted).unwrap();
    assert!(matches!(info[..], [AttributeInfo::Available(7), AttributeInfo::Sensitive, AttributeInfo::TypeInvalid]));
}

/// The key is taken into use once; each message has an initialisation vector of its own, which the module makes, and a tag.
#[test]
fn messages_are_sealed_and_opened_one_after_the_other() {
    let client = Client::new();
    let session = client.user_session();
    let key = aes(&session, &[Attribute::Encrypt(true), Attribute::Decrypt(true)]);
    let texts = [MESSAGE, b"", &[7; 100_000]];
    let mut places = texts.map(|_| ([0xA5; 12], [0; 16]));
    let mut params = places
        .each_mut()
        .map(|(iv, tag)| GcmMessageParams::new(iv, 32.into(), GeneratorFunction::GenerateCounter, tag).unwrap());
    session.message_encrypt_init(&Mechanism::AesGcmMessage(params[0]), key).unwrap();
    let seal = |params: &GcmMessageParams<'_>, text: &[u8]| {
        let (one, other) = text.split_at(text.len() / 2);
        let param = || MessageParam::AesGcmMessage(*params);
        if text == MESSAGE {
            return session.encrypt_message(&param(), b"with it", text).unwrap();
        }
        session.encrypt_message_begin(param(), b"with it").unwrap();
        let parts = [(one, false), (other, true)];
        parts.map(|(part, last)| session.encrypt_message_next(param(), part, last).unwrap()).concat()
    };
    let sealed = [seal(&params[0], texts[0]), seal(&params[1], texts[1]), seal(&params[2], texts[2])];
    session.message_encrypt_final().unwrap();
    for (count, params) in params.iter_mut().enumerate() {
        assert_eq!(params.iv(), [[0xA5; 4].as_slice(), &(count as u64).to_be_bytes()].concat());
    }
    session.message_decrypt_init(&Mechanism::AesGcmMessage(params[0]), key).unwrap();
    for ((params, sealed), text) in params.iter().zip(&sealed).zip(texts) {
        let param = || MessageParam::AesGcmMessage(*params);
        assert_eq!(session.decrypt_message(&param(), b"with it", sealed).unwrap(), text);
        session.decrypt_message_begin(param(), b"with it").unwrap();
        let (one, other) = sealed.split_at(sealed.len() / 3);
        assert!(session.decrypt_message_next(param(), one, false).unwrap().is_empty());
        assert_eq!(session.decrypt_message_next(param(), other, true).unwrap(), text);
        // CKR_AEAD_DECRYPT_FAILED, which the crate has no name for.
        assert_eq!(code(session.decrypt_message(&param(), b"with", sealed)), RvError::UnknownErrorCode(0x42));
    }
    session.message_decrypt_final().unwrap();
}

/// Encapsulation and signatures that are verified as they come in are of later versions, and say so.
#[test]
fn what_is_not_done_says_so() {
    let client = Client::new();
    let session = client.user_session();
    let (public, private) = rsa(&session);
    let not_done = RvError::FunctionNotSupported;
    assert_eq!(code(session.verify_signature_init(&Mechanism::Sha256RsaPkcs, public, &[0; 256])), not_done);
    assert_eq!(code(session.encapsulate_key(&Mechanism::MlKem, public, &[])), not_done);
    assert_eq!(code(session.decapsulate_key(&Mechanism::MlKem, private, &[], &[0; 32])), not_done);
}
