//! 64 threads do every operation at once, with the same keys, each in sessions of its own: every call must succeed. Beside
//! them, a few share one session and take it from each other: there every call must at least return, with a code that says
//! so.
//!
//! `STRONGROOM_SECONDS_OF_LOAD` says for how long, 30 by default.

#[path = "client/mod.rs"]
mod client;
mod stage;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cryptoki_sys::*;

use client::{Attribute, GcmMessage, Mechanism, Oaep, Outcome, Parameter, Session, Token, attribute};

const THREADS: usize = 64;
/// Threads that share one session.
const SHARING: usize = 4;

const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
const ED25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
const X25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6E];
const IV: [u8; 16] = [5; 16];
const TEXT: &[u8; 64] = &[0x61; 64];
const OAEP: Oaep<'static> = Oaep { hash: CKM_SHA256, mgf: CKG_MGF1_SHA256, label: b"label" };

/// Token keys that all threads use.
struct Keys {
    rsa: (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE),
    ec: (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE),
    edwards: (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE),
    montgomery: (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE),
    ec_point: Vec<u8>,
    montgomery_point: Vec<u8>,
    aes: CK_OBJECT_HANDLE,
    wrapping: CK_OBJECT_HANDLE,
    generic: CK_OBJECT_HANDLE,
}

fn yes(numbers: &[CK_ATTRIBUTE_TYPE]) -> Vec<Attribute> {
    numbers.iter().map(|number| attribute(*number, true)).collect()
}

impl Keys {
    fn make(session: Session<'_>) -> Self {
        let pair = |mechanism: CK_MECHANISM_TYPE, public: Attribute, private: &[CK_ATTRIBUTE_TYPE]| {
            let private = [yes(private), yes(&[CKA_TOKEN])].concat();
            session.generate_pair(mechanism, &[public, attribute(CKA_TOKEN, true)], &private).unwrap()
        };
        let secret = |mechanism: CK_MECHANISM_TYPE, uses: &[CK_ATTRIBUTE_TYPE]| {
            let template = [vec![attribute(CKA_VALUE_LEN, 32u64)], yes(uses), yes(&[CKA_TOKEN])].concat();
            session.generate(mechanism, &template).unwrap()
        };
        let curve = |oid: &[u8]| attribute(CKA_EC_PARAMS, oid);
        let rsa_uses = [CKA_DECRYPT, CKA_SIGN, CKA_SIGN_RECOVER, CKA_UNWRAP];
        let rsa_public = [
            yes(&[CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP, CKA_TOKEN]),
            vec![attribute(CKA_MODULUS_BITS, 2048u64)],
        ]
        .concat();
        let rsa_private = [yes(&rsa_uses), yes(&[CKA_TOKEN])].concat();
        let ec = pair(CKM_EC_KEY_PAIR_GEN, curve(P256), &[CKA_SIGN, CKA_DERIVE]);
        let montgomery = pair(CKM_EC_MONTGOMERY_KEY_PAIR_GEN, curve(X25519), &[CKA_DERIVE]);
        Self {
            rsa: session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &rsa_public, &rsa_private).unwrap(),
            edwards: pair(CKM_EC_EDWARDS_KEY_PAIR_GEN, curve(ED25519), &[CKA_SIGN]),
            ec_point: session.get(ec.0, CKA_EC_POINT).unwrap(),
            montgomery_point: session.get(montgomery.0, CKA_EC_POINT).unwrap(),
            ec,
            montgomery,
            aes: secret(CKM_AES_KEY_GEN, &[CKA_ENCRYPT, CKA_DECRYPT, CKA_SIGN, CKA_VERIFY]),
            wrapping: secret(CKM_AES_KEY_GEN, &[CKA_WRAP, CKA_UNWRAP]),
            generic: secret(CKM_GENERIC_SECRET_KEY_GEN, &[CKA_SIGN, CKA_VERIFY, CKA_DERIVE]),
        }
    }
}

type Work = fn(Session<'_>, &Keys) -> Outcome<()>;

/// Every class of operation.
const WORK: [(&str, Work); 10] = [
    ("signing with RSA", sign_rsa),
    ("signing with curves", sign_curves),
    ("MACs", authenticate),
    ("AES", cipher),
    ("messages under AES", messages),
    ("RSA encryption", encrypt_rsa),
    ("wrapping", wrap),
    ("agreement and derivation", derive),
    ("digests and dual functions", digest),
    ("objects and questions", objects),
];

fn signed(session: Session<'_>, m: Mechanism<'_>, keys: (CK_OBJECT_HANDLE, CK_OBJECT_HANDLE)) -> Outcome<()> {
    let signature = session.sign(m, keys.1, TEXT)?;
    session.verify(m, keys.0, TEXT, &signature)
}

fn sign_rsa(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    let pss = Parameter::Pss { hash: CKM_SHA256, mgf: CKG_MGF1_SHA256, salt_len: 32 };
    signed(session, CKM_RSA_PKCS.into(), keys.rsa)?;
    signed(session, Mechanism::with(CKM_SHA256_RSA_PKCS_PSS, pss), keys.rsa)?;
    let parts = session.sign_parts(CKM_SHA3_256_RSA_PKCS, keys.rsa.1, &[TEXT, TEXT])?;
    session.verify_parts(CKM_SHA3_256_RSA_PKCS, keys.rsa.0, &[TEXT, TEXT], &parts)?;
    let recoverable = session.sign_recover(CKM_RSA_PKCS, keys.rsa.1, TEXT)?;
    assert_eq!(session.verify_recover(CKM_RSA_PKCS, keys.rsa.0, &recoverable)?, TEXT);
    Ok(())
}

fn sign_curves(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    signed(session, CKM_ECDSA.into(), keys.ec)?;
    signed(session, CKM_ECDSA_SHA384.into(), keys.ec)?;
    signed(session, CKM_EDDSA.into(), keys.edwards)
}

fn authenticate(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    for mechanism in [CKM_SHA256_HMAC, CKM_SHA3_512_HMAC] {
        signed(session, mechanism.into(), (keys.generic, keys.generic))?;
    }
    let general = Mechanism::with(CKM_SHA512_HMAC_GENERAL, Parameter::Number(20));
    signed(session, general, (keys.generic, keys.generic))?;
    signed(session, CKM_AES_CMAC.into(), (keys.aes, keys.aes))
}

fn cipher(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    for (number, parameter) in [
        (CKM_AES_CBC_PAD, Parameter::Bytes(&IV)),
        (CKM_AES_CBC, Parameter::Bytes(&IV)),
        (CKM_AES_ECB, Parameter::None),
        (CKM_AES_CTR, Parameter::Ctr { bits: 64, block: IV }),
        (CKM_AES_GCM, Parameter::Gcm { iv: &IV[..12], aad: b"aad", tag_bits: 128 }),
    ] {
        let mechanism = Mechanism::with(number, parameter);
        let whole = session.encrypt(mechanism, keys.aes, TEXT)?;
        let parts = session.encrypt_parts(mechanism, keys.aes, &[&TEXT[..20], &TEXT[20..]])?;
        assert_eq!(whole, parts);
        assert_eq!(session.decrypt(mechanism, keys.aes, &whole)?, TEXT);
        assert_eq!(session.decrypt_parts(mechanism, keys.aes, &[&whole[..33], &whole[33..]])?, TEXT);
    }
    Ok(())
}

fn messages(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    let mut sent = GcmMessage::generated(CKG_GENERATE, b"here");
    session.message_encrypt_init(CKM_AES_GCM, keys.aes)?;
    session.encrypt_message(&mut sent.clone(), b"aad", TEXT)?;
    let sealed = session.encrypt_message_parts(&mut sent, b"aad", &[&TEXT[..20], &TEXT[20..]])?;
    session.message_encrypt_final()?;
    session.message_decrypt_init(CKM_AES_GCM, keys.aes)?;
    assert_eq!(session.decrypt_message(&mut sent, b"aad", &sealed)?, TEXT);
    session.message_decrypt_final()
}

fn encrypt_rsa(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    for mechanism in [CKM_RSA_PKCS.into(), Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(OAEP))] {
        let encrypted = session.encrypt(mechanism, keys.rsa.0, TEXT)?;
        assert_eq!(session.decrypt(mechanism, keys.rsa.1, &encrypted)?, TEXT);
    }
    Ok(())
}

fn wrap(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    let shown = [attribute(CKA_EXTRACTABLE, true), attribute(CKA_SENSITIVE, false)];
    let template = [vec![attribute(CKA_VALUE_LEN, 32u64)], shown.to_vec()].concat();
    let key = session.generate(CKM_AES_KEY_GEN, &template)?;
    let rsa_aes = Parameter::RsaAesWrap { aes_bits: 256, oaep: OAEP };
    for (mechanism, wrapping, unwrapping) in [
        (CKM_AES_KEY_WRAP.into(), keys.wrapping, keys.wrapping),
        (CKM_AES_KEY_WRAP_KWP.into(), keys.wrapping, keys.wrapping),
        (Mechanism::with(CKM_AES_CBC_PAD, Parameter::Bytes(&IV)), keys.wrapping, keys.wrapping),
        (Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(OAEP)), keys.rsa.0, keys.rsa.1),
        (Mechanism::with(CKM_RSA_AES_KEY_WRAP, rsa_aes), keys.rsa.0, keys.rsa.1),
    ] {
        let wrapped = session.wrap(mechanism, wrapping, key)?;
        let kind = [attribute(CKA_CLASS, CKO_SECRET_KEY), attribute(CKA_KEY_TYPE, CKK_AES)];
        let unwrapped = session.unwrap(mechanism, unwrapping, &wrapped, &[&kind[..], &shown].concat())?;
        assert_eq!(session.get(unwrapped, CKA_VALUE)?, session.get(key, CKA_VALUE)?);
        session.destroy(unwrapped)?;
    }
    session.destroy(key)
}

fn derive(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    let ecdh = |kdf, public| Parameter::Ecdh { kdf, shared: &[], public };
    let hkdf = Parameter::Hkdf { extract: true, expand: true, hash: CKM_SHA256, salt: Some(b"salt"), info: b"info" };
    for (mechanism, key) in [
        (Mechanism::with(CKM_ECDH1_DERIVE, ecdh(CKD_NULL, &keys.ec_point)), keys.ec.1),
        (Mechanism::with(CKM_ECDH1_COFACTOR_DERIVE, ecdh(CKD_SHA256_KDF, &keys.ec_point)), keys.ec.1),
        (Mechanism::with(CKM_ECDH1_DERIVE, ecdh(CKD_NULL, &keys.montgomery_point)), keys.montgomery.1),
        (Mechanism::with(CKM_HKDF_DERIVE, hkdf), keys.generic),
    ] {
        let template = [
            attribute(CKA_CLASS, CKO_SECRET_KEY),
            attribute(CKA_KEY_TYPE, CKK_GENERIC_SECRET),
            attribute(CKA_VALUE_LEN, 32u64),
        ];
        session.destroy(session.derive(mechanism, key, &template)?)?;
    }
    Ok(())
}

fn digest(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    for mechanism in [CKM_SHA_1, CKM_SHA256, CKM_SHA512_256, CKM_SHA3_384] {
        assert_eq!(session.digest(mechanism, TEXT)?, session.digest_parts(mechanism, &[&TEXT[..7], &TEXT[7..]])?);
    }
    session.digest_init(CKM_SHA256)?;
    session.digest_update(TEXT)?;
    let state = session.operation_state()?;
    let sum = session.digest_final()?;
    session.set_operation_state(&state)?;
    assert_eq!(session.digest_final()?, sum);
    let cbc = Mechanism::with(CKM_AES_CBC, Parameter::Bytes(&IV));
    session.digest_init(CKM_SHA256)?;
    session.encrypt_init(cbc, keys.aes)?;
    let encrypted = session.digest_encrypt_update(TEXT)?;
    session.encrypt_final()?;
    assert_eq!(session.digest_final()?, sum);
    assert_eq!(session.decrypt(cbc, keys.aes, &encrypted)?, TEXT);
    Ok(())
}

fn objects(session: Session<'_>, keys: &Keys) -> Outcome<()> {
    let public = [attribute(CKA_EC_PARAMS, P256)];
    let (public, private) = session.generate_pair(CKM_EC_KEY_PAIR_GEN, &public, &yes(&[CKA_SIGN]))?;
    let copy = session.copy(public, &[attribute(CKA_LABEL, "a copy")])?;
    session.set(private, &[attribute(CKA_LABEL, "another label")])?;
    assert_eq!(session.get(private, CKA_LABEL)?, b"another label");
    assert!(session.size(copy)? > 0);
    assert!(session.find(&[attribute(CKA_CLASS, CKO_PRIVATE_KEY), attribute(CKA_TOKEN, true)])?.contains(&keys.rsa.1));
    for object in [copy, public, private] {
        session.destroy(object)?;
    }
    session.random(32)?;
    session.info()?;
    session.sign_init(CKM_ECDSA, keys.ec.1)?;
    session.cancel(CKF_SIGN)?;
    assert_eq!(session.login(CKU_USER, client::PIN), Err(CKR_USER_ALREADY_LOGGED_IN));
    Ok(())
}

/// What a call on a session may answer that others use at the same time.
const TAKEN: [CK_RV; 4] =
    [CKR_OPERATION_ACTIVE, CKR_OPERATION_NOT_INITIALIZED, CKR_SIGNATURE_INVALID, CKR_ENCRYPTED_DATA_INVALID];

fn seconds() -> u64 {
    std::env::var("STRONGROOM_SECONDS_OF_LOAD").map_or(30, |seconds| seconds.parse().unwrap())
}

#[test]
fn sixty_four_threads_do_every_operation_at_once() {
    if !stage::is_ours() {
        return;
    }
    let token = Token::new(&stage::module());
    let keeper = token.user_session();
    let (token, keys, rounds) = (&token, &Keys::make(keeper), &[const { AtomicUsize::new(0) }; THREADS]);
    let end = Instant::now() + Duration::from_secs(seconds());
    thread::scope(|threads| {
        for (index, rounds) in rounds.iter().enumerate() {
            threads.spawn(move || {
                while Instant::now() < end {
                    let round = rounds.fetch_add(1, Ordering::Relaxed);
                    let (name, work) = WORK[(index + round) % WORK.len()];
                    let session = token.session();
                    work(session, keys).unwrap_or_else(|code| panic!("{name}: {code:#x}"));
                    session.close().unwrap();
                }
            });
        }
        for _ in 0..SHARING {
            threads.spawn(|| share(keeper, keys, end));
        }
    });
    let rounds: Vec<_> = rounds.iter().map(|rounds| rounds.load(Ordering::Relaxed)).collect();
    println!("{} rounds, at least {:?} in each thread", rounds.iter().sum::<usize>(), rounds.iter().min());
    assert!(rounds.iter().all(|rounds| *rounds > 0), "a thread never came to its turn: {rounds:?}");
    token.module.finalize().unwrap();
}

/// Signs and decrypts in a session that others use too.
fn share(session: Session<'_>, keys: &Keys, end: Instant) {
    while Instant::now() < end {
        let signed = session.sign_init(CKM_ECDSA, keys.ec.1).and_then(|()| session.sign_once(TEXT)).map(drop);
        let digested = session.digest_init(CKM_SHA256).and_then(|()| session.digest_once(TEXT)).map(drop);
        for outcome in [signed, digested] {
            assert!(outcome.is_ok() || outcome.is_err_and(|code| TAKEN.contains(&code)), "{outcome:x?}");
        }
    }
}
