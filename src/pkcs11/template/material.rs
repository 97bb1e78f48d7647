//! The value of a key, put together from the separate attributes that PKCS#11 has for its parts.
//!
//! Everything that is given twice in one template, a point beside a scalar or a modulus beside primes, must agree; the
//! cryptography checks the parts of a private key against each other when it makes PKCS#8 of them.

use cryptoki_sys::*;

use super::Checked;
use crate::crypto::{CryptoError, KeyAlgorithm, PrivateKey, PrivateParts, PublicKey, SecretBytes};
use crate::pkcs11::attribute::Kinds;
use crate::pkcs11::ec;
use crate::pkcs11::error::Rv;
use crate::pkcs11::mechanism::KeyKind;
use crate::pkcs11::object::RSA_PRIMES;
use crate::vault::KeyDescription;

/// The longest generic secret, in bytes.
pub const MAX_GENERIC_LEN: usize = 8192;

/// A public key.
pub fn public_key(kind: Kinds, given: &Checked<'_>) -> Result<KeyDescription, Rv> {
    let key = match kind {
        Kinds::RSA_PUBLIC => PublicKey::from_rsa(given.required(CKA_MODULUS)?, given.required(CKA_PUBLIC_EXPONENT)?),
        Kinds::EC_PUBLIC => {
            let curve = ec::curve(given.required(CKA_EC_PARAMS)?)?;
            PublicKey::from_ec_point(curve, ec::point(curve, given.required(CKA_EC_POINT)?)?)
        }
        Kinds::EDWARDS_PUBLIC => {
            ec::edwards(given.required(CKA_EC_PARAMS)?)?;
            PublicKey::from_ed25519(ec::point_25519(given.required(CKA_EC_POINT)?)?)
        }
        Kinds::MONTGOMERY_PUBLIC => {
            ec::montgomery(given.required(CKA_EC_PARAMS)?)?;
            PublicKey::from_x25519(ec::point_25519(given.required(CKA_EC_POINT)?)?)
        }
        _ => {
            let algorithm = KeyAlgorithm::Other(other_key_type(given)?);
            let public = given.get(CKA_PUBLIC_KEY_INFO).unwrap_or_default().into();
            return Ok(KeyDescription { algorithm, public });
        }
    };
    describe(&key.map_err(refusal)?, given)
}

/// A private key as PKCS#8.
pub fn private_key(kind: Kinds, given: &Checked<'_>) -> Result<(SecretBytes, KeyDescription), Rv> {
    let parts = match kind {
        Kinds::RSA_PRIVATE => rsa_parts(given)?,
        Kinds::EC_PRIVATE => {
            let curve = ec::curve(given.required(CKA_EC_PARAMS)?)?;
            PrivateParts::Ec(curve, scalar(given.required(CKA_VALUE)?, curve.field_len())?)
        }
        Kinds::EDWARDS_PRIVATE => {
            ec::edwards(given.required(CKA_EC_PARAMS)?)?;
            PrivateParts::Ed25519(SecretBytes::from_slice(ec::private_25519(given.required(CKA_VALUE)?)?))
        }
        Kinds::MONTGOMERY_PRIVATE => {
            ec::montgomery(given.required(CKA_EC_PARAMS)?)?;
            PrivateParts::X25519(SecretBytes::from_slice(ec::private_25519(given.required(CKA_VALUE)?)?))
        }
        _ => return Err(Rv(CKR_TEMPLATE_INCONSISTENT)),
    };
    let pkcs8 = PrivateKey::pkcs8_from_parts(&parts).map_err(refusal)?;
    let key = PrivateKey::from_pkcs8(pkcs8.expose()).map_err(refusal)?;
    let key = describe(key.public_key(), given)?;
    Ok((pkcs8, key))
}

/// A secret key.
pub fn secret_key(kind: Kinds, given: &Checked<'_>) -> Result<(SecretBytes, KeyDescription), Rv> {
    let value = given.required(CKA_VALUE)?;
    let algorithm = match kind {
        Kinds::AES => aes(value.len())?,
        Kinds::GENERIC => generic(value.len())?,
        _ => {
            let other = KeyAlgorithm::Other(other_key_type(given)?);
            if KeyKind::of(other) == KeyKind::Generic {
                check_generic_len(value.len())?;
            }
            other
        }
    };
    Ok((SecretBytes::from_slice(value), KeyDescription { algorithm, public: [].into() }))
}

/// AES with a key of `len` bytes.
pub fn aes(len: usize) -> Result<KeyAlgorithm, Rv> {
    match len {
        16 | 24 | 32 => Ok(KeyAlgorithm::Aes { bits: 8 * len as u32 }),
        _ => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
    }
}

/// A generic secret of `len` bytes.
pub fn generic(len: usize) -> Result<KeyAlgorithm, Rv> {
    match len {
        0 => Err(Rv(CKR_ATTRIBUTE_VALUE_INVALID)),
        1..=MAX_GENERIC_LEN => Ok(KeyAlgorithm::Generic { bytes: len as u32 }),
        _ => Err(Rv(CKR_KEY_SIZE_RANGE)),
    }
}

/// Whether there can be a generic secret of this length.
pub fn check_generic_len(len: usize) -> Result<(), Rv> {
    generic(len).map(drop)
}

/// A big integer without leading zeros (PKCS#11 v3.2 §4 doesn't forbid them).
pub fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

fn rsa_parts(given: &Checked<'_>) -> Result<PrivateParts, Rv> {
    let number = |attribute| given.required(attribute).map(|value| SecretBytes::from_slice(trimmed(value)));
    // Either all five are there or they are worked out; a rest of them is a mistake.
    let primes = if RSA_PRIMES.iter().any(|part| given.filled(*part).is_some()) {
        let [p, q, dp, dq, inverse] = RSA_PRIMES;
        Some([number(p)?, number(q)?, number(dp)?, number(dq)?, number(inverse)?])
    } else {
        None
    };
    Ok(PrivateParts::Rsa {
        modulus: trimmed(given.required(CKA_MODULUS)?).to_vec(),
        public_exponent: trimmed(given.required(CKA_PUBLIC_EXPONENT)?).to_vec(),
        private_exponent: number(CKA_PRIVATE_EXPONENT)?,
        primes,
    })
}

/// The scalar of an EC key, a big integer, as long as the field.
fn scalar(value: &[u8], len: usize) -> Result<SecretBytes, Rv> {
    let value = trimmed(value);
    let start = len.checked_sub(value.len()).ok_or(Rv(CKR_ATTRIBUTE_VALUE_INVALID))?;
    SecretBytes::filled(len, |bytes| {
        bytes[start..].copy_from_slice(value);
        Ok(())
    })
}

/// What is kept of a key, after what the template says of its public half was held against it.
fn describe(key: &PublicKey, given: &Checked<'_>) -> Result<KeyDescription, Rv> {
    if let Some(public) = given.filled(CKA_PUBLIC_KEY_INFO)
        && PublicKey::from_spki(public).map_err(refusal)?.spki() != key.spki()
    {
        return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
    }
    if let Some(point) = given.filled(CKA_EC_POINT) {
        let point = match key.algorithm() {
            KeyAlgorithm::Ec(curve) => ec::point(curve, point)?,
            _ => ec::point_25519(point)?,
        };
        if point != key.value() {
            return Err(Rv(CKR_TEMPLATE_INCONSISTENT));
        }
    }
    Ok(KeyDescription { algorithm: key.algorithm(), public: key.spki().into() })
}

fn other_key_type(given: &Checked<'_>) -> Result<u32, Rv> {
    let key_type = given.ulong(CKA_KEY_TYPE).ok_or(Rv(CKR_TEMPLATE_INCOMPLETE))?;
    u32::try_from(key_type).map_err(|_| Rv(CKR_ATTRIBUTE_VALUE_INVALID))
}

fn refusal(error: CryptoError) -> Rv {
    match error {
        CryptoError::KeyInvalid(_) => Rv(CKR_ATTRIBUTE_VALUE_INVALID),
        CryptoError::KeyUnsupported(_) => Rv(CKR_KEY_SIZE_RANGE),
        other => other.into(),
    }
}
