//! Digests.

use cryptoki_sys::*;

use crate::client::{Mechanism, Outcome, Parameter, Session};
use crate::tally::{Tally, judge};
use crate::vector_file::{Record, records};
use crate::{parts, session};

const DIGESTS: [(&str, CK_MECHANISM_TYPE); 11] = [
    ("SHA1/SHA1", CKM_SHA_1),
    ("SHA2/SHA224", CKM_SHA224),
    ("SHA2/SHA256", CKM_SHA256),
    ("SHA2/SHA384", CKM_SHA384),
    ("SHA2/SHA512", CKM_SHA512),
    ("SHA2/SHA512_224", CKM_SHA512_224),
    ("SHA2/SHA512_256", CKM_SHA512_256),
    ("SHA3/SHA3_224", CKM_SHA3_224),
    ("SHA3/SHA3_256", CKM_SHA3_256),
    ("SHA3/SHA3_384", CKM_SHA3_384),
    ("SHA3/SHA3_512", CKM_SHA3_512),
];

#[test]
fn digests_agree_with_the_vectors_in_one_part_and_in_several() {
    let session = session();
    let files = DIGESTS.iter().flat_map(|(name, number)| ["Short", "Long"].map(|kind| (name, *number, kind)));
    judge(files.map(|(name, number, kind)| {
        let vectors = records(&format!("hashes/{name}{kind}Msg.rsp"), "len");
        let mut tally = Tally::new(format!("{name}{kind}Msg"), vectors.len());
        for vector in &vectors {
            let (message, expected) = (message(vector), vector.bytes("md"));
            let digest = session.digest(number, &message);
            tally.check_output(vector.number("len"), &digest, &expected);
            let in_parts = session.digest_parts(number, &parts(&message));
            tally.require(in_parts == digest, format!("{}: {in_parts:02x?}", vector.number("len")));
        }
        tally
    }));
}

/// No bytes are written as one zero byte.
fn message(vector: &Record) -> Vec<u8> {
    let mut message = vector.bytes("msg");
    message.truncate(vector.number("len") / 8);
    message
}

#[test]
fn a_thousand_digests_of_digests_agree_with_the_vectors() {
    let session = session();
    judge(DIGESTS.iter().map(|(name, number)| {
        let path = format!("hashes/{name}Monte.rsp");
        let vectors = records(&path, "count");
        let mut digest = records(&path, "seed")[0].bytes("seed");
        let mut tally = Tally::new(format!("{name}Monte"), vectors.len());
        for vector in &vectors {
            let outcome = thousand(&session, *number, &digest, name.starts_with("SHA3"));
            tally.check_output(vector.number("count"), &outcome, &vector.bytes("md"));
            digest = vector.bytes("md");
        }
        tally
    }));
}

/// The Monte Carlo tests of SHAVS §6.4, which digests the last three digests, and of SHA3VS §6.2.3.
fn thousand(session: &Session, number: CK_MECHANISM_TYPE, seed: &[u8], sha3: bool) -> Outcome<Vec<u8>> {
    let mut last = [seed.to_vec(), seed.to_vec(), seed.to_vec()];
    for _ in 0..1000 {
        let message = if sha3 { last[2].clone() } else { last.concat() };
        last.rotate_left(1);
        last[2] = session.digest(number, &message)?;
    }
    Ok(last[2].clone())
}

#[test]
fn sha512_t_is_sha512_224_and_256_when_it_is_asked_for_these_lengths() {
    let session = session();
    for (bits, number) in [(224, CKM_SHA512_224), (256, CKM_SHA512_256)] {
        let truncated = Mechanism::with(CKM_SHA512_T, Parameter::Number(bits));
        let digest = session.digest(number, b"abc").unwrap();
        assert_eq!(session.digest(truncated, b"abc"), Ok(digest));
    }
}
