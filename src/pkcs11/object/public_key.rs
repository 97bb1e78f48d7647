//! The numbers in a SubjectPublicKeyInfo, as slices of it: searches and attribute reads ask for them far more often
//! than a key is used, so nothing is checked again or copied here.

use der::asn1::{BitStringRef, UintRef};
use der::{Reader, SliceReader};

/// Modulus and public exponent of an RSA key, without leading zeros.
pub fn rsa(spki: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut reader = SliceReader::new(bit_string(spki)?).ok()?;
    let numbers = reader.sequence(|numbers| -> der::Result<_> {
        Ok((numbers.decode::<UintRef<'_>>()?, numbers.decode::<UintRef<'_>>()?))
    });
    let (modulus, exponent) = numbers.ok()?;
    Some((modulus.as_bytes(), exponent.as_bytes()))
}

/// The contents of the key's bit string: the point of an elliptic curve key.
pub fn bit_string(spki: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(spki).ok()?;
    let key = reader.sequence(|parts| -> der::Result<_> {
        parts.tlv_bytes()?;
        parts.decode::<BitStringRef<'_>>()
    });
    key.ok()?.as_bytes()
}
