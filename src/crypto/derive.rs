//! Keys from other secrets: what follows a key agreement, and HKDF.

use zeroize::Zeroizing;

use super::mac::Hmac;
use super::{CryptoError, Digest, DigestAlgorithm, Result, SecretBytes};

/// What makes a key of the secret that two keys agree on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kdf<'a> {
    /// The secret itself, cut if it is too long.
    None,
    /// ANSI X9.63 (SEC 1 §3.6.1).
    X963 {
        /// The hash function.
        digest: DigestAlgorithm,
        /// What both sides know and bind the key to.
        shared_info: &'a [u8],
    },
}

impl Kdf<'_> {
    /// `len` bytes of key.
    pub fn derive(&self, secret: &SecretBytes, len: usize) -> Result<SecretBytes> {
        match *self {
            // "The truncation removes bytes from the leading end of the secret value" (PKCS#11 v3.2,
            // CKM_ECDH1_DERIVE): its last bytes stay.
            Self::None => {
                let start = secret.len().checked_sub(len).ok_or(CryptoError::ParametersInvalid)?;
                Ok(SecretBytes::from_slice(&secret.expose()[start..]))
            }
            Self::X963 { digest, shared_info } => x963(digest, secret.expose(), shared_info, len),
        }
    }
}

/// K = H(Z ‖ 1 ‖ info) ‖ H(Z ‖ 2 ‖ info) ‖ …
fn x963(algorithm: DigestAlgorithm, secret: &[u8], shared_info: &[u8], len: usize) -> Result<SecretBytes> {
    if u32::try_from(len.div_ceil(algorithm.len())).is_err() {
        return Err(CryptoError::ParametersInvalid);
    }
    let mut start = Digest::new(algorithm);
    start.update(secret);
    let mut block = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
    SecretBytes::filled(len, |key| {
        for (chunk, counter) in key.chunks_mut(algorithm.len()).zip(1_u32..) {
            let mut digest = start.clone();
            digest.update(&counter.to_be_bytes());
            digest.update(shared_info);
            digest.finish(&mut *block)?;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    })
}

/// HKDF's first half (RFC 5869 §2.2): a uniform key from any secret. Without a salt it is as if there were zeros.
pub fn hkdf_extract(digest: DigestAlgorithm, salt: &[u8], key: &[u8]) -> Result<SecretBytes> {
    let mut hmac = Hmac::new(digest, salt);
    hmac.update(key);
    SecretBytes::filled(digest.len(), |out| hmac.finish(out).map(|_| ()))
}

/// HKDF's second half (RFC 5869 §2.3): up to 255 digests' length of key from a uniform one.
pub fn hkdf_expand(digest: DigestAlgorithm, key: &[u8], info: &[u8], len: usize) -> Result<SecretBytes> {
    if len > 255 * digest.len() {
        return Err(CryptoError::ParametersInvalid);
    }
    let keyed = Hmac::new(digest, key);
    let mut block = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
    let mut previous = 0;
    SecretBytes::filled(len, |out| {
        for (chunk, counter) in out.chunks_mut(digest.len()).zip(1_u8..) {
            let mut hmac = keyed.clone();
            hmac.update(&block[..previous]);
            hmac.update(info);
            hmac.update(&[counter]);
            previous = hmac.finish(&mut *block)?;
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    })
}
