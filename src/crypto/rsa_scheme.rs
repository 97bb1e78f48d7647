//! What RSA's signature schemes do around AWS-LC's operations: DigestInfo, lengths, parameters.

use super::aws_lc_raw::{PssScheme, RsaKey, RsaPadding};
use super::{CryptoError, DigestAlgorithm, PublicKey, Result, SignScheme};

/// Longest modulus of a private key that signs here, in bytes.
pub(super) const MAX_SIGNING_LEN: usize = 1024;
/// Longest modulus of a public key, in bytes.
pub(super) const MAX_MODULUS_LEN: usize = PublicKey::MAX_RSA_LEN;
/// Bytes that PKCS#1 v1.5 adds at least (RFC 8017 §9.2).
pub(super) const PKCS1_OVERHEAD: usize = 11;

/// Signs with a key of at most [`MAX_SIGNING_LEN`] bytes into `out`, which has as many as the modulus.
pub(super) fn sign(key: &RsaKey, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize> {
    match *scheme {
        SignScheme::RsaPkcs1 => {
            check_pkcs1_len(key, input.len())?;
            key.sign(RsaPadding::Pkcs1, input, out)
        }
        SignScheme::RsaPkcs1Digest(algorithm) => {
            let info = DigestInfo::new(algorithm, input)?;
            check_pkcs1_len(key, info.bytes().len())?;
            key.sign(RsaPadding::Pkcs1, info.bytes(), out)
        }
        SignScheme::RsaPss { digest, mgf, salt_len } => {
            let scheme = pss_scheme(key, digest, mgf, salt_len)?;
            check_digest_len(digest, input)?;
            key.sign_pss(&scheme, input, out)
        }
        SignScheme::RsaRaw => sign_raw(key, input, out),
        SignScheme::Ecdsa | SignScheme::Ed25519 => Err(CryptoError::SchemeMismatch),
    }
}

/// Checks a signature; the key has at most [`MAX_MODULUS_LEN`] bytes.
pub(super) fn verify(key: &RsaKey, scheme: &SignScheme, input: &[u8], signature: &[u8]) -> Result<()> {
    match *scheme {
        SignScheme::Ecdsa | SignScheme::Ed25519 => Err(CryptoError::SchemeMismatch),
        _ if signature.len() != key.size() => Err(CryptoError::SignatureLength),
        SignScheme::RsaPkcs1 => verify_recovered(key, RsaPadding::Pkcs1, input, signature),
        SignScheme::RsaPkcs1Digest(algorithm) => {
            verify_recovered(key, RsaPadding::Pkcs1, DigestInfo::new(algorithm, input)?.bytes(), signature)
        }
        SignScheme::RsaPss { digest, mgf, salt_len } => {
            let scheme = pss_scheme(key, digest, mgf, salt_len)?;
            check_digest_len(digest, input)?;
            key.verify_pss(&scheme, input, signature)
        }
        SignScheme::RsaRaw => {
            let mut padded = [0; MAX_MODULUS_LEN];
            let padded = pad_left(input, &mut padded[..key.size()])?;
            verify_recovered(key, RsaPadding::None, padded, signature)
        }
    }
}

/// What was signed, written to the start of `out`; the key has at most [`MAX_MODULUS_LEN`] bytes.
pub(super) fn recover(key: &RsaKey, scheme: &SignScheme, signature: &[u8], out: &mut [u8]) -> Result<usize> {
    let padding = match scheme {
        SignScheme::RsaPkcs1 => RsaPadding::Pkcs1,
        SignScheme::RsaRaw => RsaPadding::None,
        _ => return Err(CryptoError::SchemeMismatch),
    };
    if signature.len() != key.size() {
        return Err(CryptoError::SignatureLength);
    }
    let mut recovered = [0; MAX_MODULUS_LEN];
    let len = key.recover(padding, signature, &mut recovered[..key.size()])?;
    out.get_mut(..len).ok_or(CryptoError::OutputLength)?.copy_from_slice(&recovered[..len]);
    Ok(len)
}

/// The whole of what was signed must be what is expected: comparing, instead of parsing, leaves no room for a
/// DigestInfo with something else in it (Bleichenbacher 2006).
fn verify_recovered(key: &RsaKey, padding: RsaPadding, expected: &[u8], signature: &[u8]) -> Result<()> {
    let mut recovered = [0; MAX_MODULUS_LEN];
    let len = key.recover(padding, signature, &mut recovered[..key.size()])?;
    if &recovered[..len] == expected { Ok(()) } else { Err(CryptoError::SignatureInvalid) }
}

fn sign_raw(key: &RsaKey, input: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut padded = [0; MAX_SIGNING_LEN];
    let padded = pad_left(input, &mut padded[..key.size()])?;
    private_power(key, padded, out)
}

/// The bare private operation on a number as long as the modulus; one that isn't smaller is
/// [`CryptoError::InputLength`].
pub(super) fn private_power(key: &RsaKey, number: &[u8], out: &mut [u8]) -> Result<usize> {
    let mut modulus = [0; MAX_SIGNING_LEN];
    let modulus = &mut modulus[..key.size()];
    key.write_modulus(modulus)?;
    if *number >= *modulus {
        return Err(CryptoError::InputLength);
    }
    if is_its_own_power(number, modulus) {
        out[..number.len()].copy_from_slice(number);
        return Ok(number.len());
    }
    key.sign(RsaPadding::None, number, out)
}

/// 0, 1 and n − 1 are their own d-th powers, since d is odd. AWS-LC refuses them, for blinding hides nothing there.
fn is_its_own_power(number: &[u8], modulus: &[u8]) -> bool {
    let (Some((last, front)), Some((modulus_last, modulus_front))) = (number.split_last(), modulus.split_last()) else {
        return false;
    };
    (*last <= 1 && front.iter().all(|&byte| byte == 0)) || (front == modulus_front && *last == modulus_last - 1)
}

/// `input` with zeros before it.
pub(super) fn pad_left<'a>(input: &[u8], padded: &'a mut [u8]) -> Result<&'a [u8]> {
    let start = padded.len().checked_sub(input.len()).ok_or(CryptoError::InputLength)?;
    padded[start..].copy_from_slice(input);
    Ok(padded)
}

pub(super) fn check_pkcs1_len(key: &RsaKey, len: usize) -> Result<()> {
    if len + PKCS1_OVERHEAD <= key.size() { Ok(()) } else { Err(CryptoError::InputLength) }
}

fn check_digest_len(algorithm: DigestAlgorithm, digest: &[u8]) -> Result<()> {
    if digest.len() == algorithm.len() { Ok(()) } else { Err(CryptoError::InputLength) }
}

/// The parameters, if the key has room for digest, salt and two bytes (RFC 8017 §9.1.1).
fn pss_scheme(key: &RsaKey, digest: DigestAlgorithm, mgf: DigestAlgorithm, salt_len: usize) -> Result<PssScheme> {
    let encoded_len = (key.bits() as usize - 1).div_ceil(8);
    let max_salt = encoded_len.checked_sub(digest.len() + 2).ok_or(CryptoError::ParametersInvalid)?;
    if salt_len > max_salt {
        return Err(CryptoError::ParametersInvalid);
    }
    let salt_len = salt_len.try_into().map_err(|_| CryptoError::ParametersInvalid)?;
    Ok(PssScheme { digest, mgf, salt_len })
}

/// A digest with its algorithm in front (RFC 8017 §9.2), on the stack.
struct DigestInfo {
    bytes: [u8; 19 + DigestAlgorithm::MAX_LEN],
    len: usize,
}

impl DigestInfo {
    fn new(algorithm: DigestAlgorithm, digest: &[u8]) -> Result<Self> {
        check_digest_len(algorithm, digest)?;
        let prefix = algorithm.digest_info_prefix()?;
        let mut info = Self { bytes: [0; 19 + DigestAlgorithm::MAX_LEN], len: prefix.len() + digest.len() };
        info.bytes[..prefix.len()].copy_from_slice(prefix);
        info.bytes[prefix.len()..info.len].copy_from_slice(digest);
        Ok(info)
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }
}
