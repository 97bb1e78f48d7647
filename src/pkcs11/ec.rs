//! `CKA_EC_PARAMS` and `CKA_EC_POINT`: curves and points in all the encodings that clients use.
//!
//! A curve is an object identifier or a `PrintableString` with its name (PKCS#11 v3.2 §6.3.3). A point of a
//! Weierstrass curve is a DER `OCTET STRING` around the uncompressed point; clients also give the bare point. A point of
//! an Edwards or a Montgomery curve is the bare 32 bytes since v3.1; v3.0 could be read as `BIT STRING`, and SoftHSM wraps
//! it in an `OCTET STRING`. All are taken; what is read back is v3.2's.

use cryptoki_sys::*;

use super::error::Rv;
use crate::crypto::{Curve, KeyAlgorithm};

/// Bytes of a public key of Curve25519, and of the private key or its seed.
pub const LEN_25519: usize = 32;

/// `CKA_EC_PARAMS` of a key, as we write it.
pub fn params(algorithm: KeyAlgorithm) -> Option<&'static [u8]> {
    match algorithm {
        KeyAlgorithm::Ec(curve) => Some(curve.oid_der()),
        KeyAlgorithm::Ed25519 => Some(ED25519_OID),
        KeyAlgorithm::X25519 => Some(X25519_OID),
        _ => None,
    }
}

/// The curve that a `CKA_EC_PARAMS` of `CKK_EC` names.
pub fn curve(params: &[u8]) -> Result<Curve, Rv> {
    let by_name = |name: &[u8]| match name {
        b"secp256r1" | b"prime256v1" | b"P-256" => Some(Curve::P256),
        b"secp384r1" | b"P-384" => Some(Curve::P384),
        b"secp521r1" | b"P-521" => Some(Curve::P521),
        b"secp256k1" => Some(Curve::Secp256k1),
        _ => None,
    };
    let by_oid = |oid: &[u8]| Curve::ALL.into_iter().find(|curve| curve.oid_der() == oid);
    named(params, by_name, by_oid)
}

/// Whether a `CKA_EC_PARAMS` of `CKK_EC_EDWARDS` names Ed25519.
pub fn edwards(params: &[u8]) -> Result<(), Rv> {
    let by_name = |name: &[u8]| (name == b"edwards25519").then_some(());
    let by_oid = |oid: &[u8]| (oid == ED25519_OID || oid == GNU_ED25519_OID).then_some(());
    named(params, by_name, by_oid)
}

/// Whether a `CKA_EC_PARAMS` of `CKK_EC_MONTGOMERY` names X25519.
pub fn montgomery(params: &[u8]) -> Result<(), Rv> {
    let by_name = |name: &[u8]| (name == b"curve25519").then_some(());
    let by_oid = |oid: &[u8]| (oid == X25519_OID || oid == GNU_X25519_OID).then_some(());
    named(params, by_name, by_oid)
}

/// The uncompressed point in a `CKA_EC_POINT` of `CKK_EC`. Its length tells it from a wrapped one: both begin with 4.
pub fn point(curve: Curve, bytes: &[u8]) -> Result<&[u8], Rv> {
    let len = 1 + 2 * curve.field_len();
    [Some(bytes), unwrap(OCTET_STRING, bytes)]
        .into_iter()
        .flatten()
        .find(|point| point.len() == len)
        .ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))
}

/// The 32 bytes in a `CKA_EC_POINT` of `CKK_EC_EDWARDS` or `CKK_EC_MONTGOMERY`.
pub fn point_25519(bytes: &[u8]) -> Result<&[u8], Rv> {
    let bits = unwrap(BIT_STRING, bytes).and_then(|bits| bits.strip_prefix(&[0]));
    [Some(bytes), unwrap(OCTET_STRING, bytes), bits]
        .into_iter()
        .flatten()
        .find(|point| point.len() == LEN_25519)
        .ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))
}

/// The 32 bytes of an Ed25519 seed or an X25519 private key, bare or as RFC 8410 §7 wraps them.
pub fn private_25519(bytes: &[u8]) -> Result<&[u8], Rv> {
    [Some(bytes), unwrap(OCTET_STRING, bytes)]
        .into_iter()
        .flatten()
        .find(|seed| seed.len() == LEN_25519)
        .ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))
}

/// A point in a DER `OCTET STRING`.
pub fn wrap_point(point: &[u8]) -> Vec<u8> {
    let mut der = vec![OCTET_STRING];
    match point.len() {
        len @ 0..=127 => der.push(len as u8),
        len @ 128..=255 => der.extend([0x81, len as u8]),
        len => der.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    der.extend_from_slice(point);
    der
}

/// Explicit or inherited parameters are domain parameters that we don't take; an unknown name is a curve that we don't.
fn named<T>(params: &[u8], by_name: impl Fn(&[u8]) -> Option<T>, by_oid: impl Fn(&[u8]) -> Option<T>) -> Result<T, Rv> {
    if let Some(name) = unwrap(PRINTABLE_STRING, params) {
        by_name(name).ok_or(Rv(CKR_CURVE_NOT_SUPPORTED))
    } else if unwrap(OBJECT_IDENTIFIER, params).is_some() {
        by_oid(params).ok_or(Rv(CKR_CURVE_NOT_SUPPORTED))
    } else {
        Err(Rv(CKR_DOMAIN_PARAMS_INVALID))
    }
}

/// The contents of a DER element that fills `der` and has this tag.
fn unwrap(tag: u8, der: &[u8]) -> Option<&[u8]> {
    let (len, contents) = match der.strip_prefix(&[tag])? {
        [0x81, len, contents @ ..] if *len >= 0x80 => (usize::from(*len), contents),
        [len, contents @ ..] if *len < 0x80 => (usize::from(*len), contents),
        _ => return None,
    };
    (contents.len() == len).then_some(contents)
}

const BIT_STRING: u8 = 3;
const OCTET_STRING: u8 = 4;
const OBJECT_IDENTIFIER: u8 = 6;
const PRINTABLE_STRING: u8 = 19;

/// id-Ed25519, 1.3.101.112 (RFC 8410 §3).
const ED25519_OID: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
/// id-X25519, 1.3.101.110 (RFC 8410 §3).
const X25519_OID: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6E];
/// 1.3.6.1.4.1.3029.1.5.1, which pkcs11-tool writes for `EC:curve25519`.
const GNU_X25519_OID: &[u8] = &[0x06, 0x0A, 0x2B, 0x06, 0x01, 0x04, 0x01, 0x97, 0x55, 0x01, 0x05, 0x01];
/// 1.3.6.1.4.1.11591.15.1, which pkcs11-tool writes for `EC:edwards25519`.
const GNU_ED25519_OID: &[u8] = &[0x06, 0x09, 0x2B, 0x06, 0x01, 0x04, 0x01, 0xDA, 0x47, 0x0F, 0x01];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_curve_is_named_by_oid_or_by_name() {
        for wanted in Curve::ALL {
            assert_eq!(curve(wanted.oid_der()), Ok(wanted));
        }
        assert_eq!(curve(b"\x13\x09secp256r1"), Ok(Curve::P256));
        assert_eq!(edwards(b"\x13\x0cedwards25519"), Ok(()));
        assert_eq!(edwards(ED25519_OID), Ok(()));
        assert_eq!(edwards(GNU_ED25519_OID), Ok(()));
        assert_eq!(montgomery(b"\x13\x0acurve25519"), Ok(()));
        assert_eq!(montgomery(X25519_OID), Ok(()));
        assert_eq!(montgomery(GNU_X25519_OID), Ok(()));
    }

    #[test]
    fn an_unknown_curve_and_no_curve_are_told_apart() {
        let brainpool = [0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07];
        assert_eq!(curve(&brainpool), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        assert_eq!(curve(ED25519_OID), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        assert_eq!(edwards(b"\x13\x0aedwards448"), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        assert_eq!(edwards(X25519_OID), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        assert_eq!(montgomery(ED25519_OID), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        assert_eq!(montgomery(b"\x13\x08curve448"), Err(Rv(CKR_CURVE_NOT_SUPPORTED)));
        for params in [&b""[..], b"\x05\x00", b"\x30\x03\x02\x01\x01", b"\x06\x08\x2a", b"secp256r1"] {
            assert_eq!(curve(params), Err(Rv(CKR_DOMAIN_PARAMS_INVALID)), "{params:?}");
        }
    }

    #[test]
    fn a_point_is_taken_bare_or_wrapped() {
        for curve in Curve::ALL {
            let mut bare = vec![4; 1 + 2 * curve.field_len()];
            bare[1] = 0x3F;
            assert_eq!(point(curve, &bare), Ok(&bare[..]));
            assert_eq!(point(curve, &wrap_point(&bare)), Ok(&bare[..]));
            assert_eq!(point(curve, &bare[1..]), Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)));
        }
    }

    #[test]
    fn a_point_of_curve25519_is_taken_in_all_three_encodings() {
        // Bytes that could be mistaken for DER: the length decides.
        let mut bare = [7; 32];
        bare[..2].copy_from_slice(&[4, 30]);
        let bits = [&[3, 33, 0][..], &bare].concat();
        for encoded in [&bare[..], &wrap_point(&bare), &bits] {
            assert_eq!(point_25519(encoded), Ok(&bare[..]));
        }
        assert!(point_25519(&bare[1..]).is_err());
    }
}
