//! `CKA_CHECK_VALUE`: three bytes by which people compare a key or a certificate with what they have elsewhere.

use crate::crypto::{
    CipherScheme, CryptoError, Digest, DigestAlgorithm, Direction, KeyAlgorithm, SecretBytes, SecretKey,
};
use crate::pkcs11::mechanism::KeyKind;

/// The three bytes.
pub type CheckValue = [u8; 3];

/// PKCS#11 v3.2 §4.6.2: the first bytes of the SHA-1 over the certificate.
pub fn of_certificate(der: &[u8]) -> Option<CheckValue> {
    of_sha1(der).ok()
}

/// PKCS#11 v3.2 §4.11: the first bytes of a block of zeros encrypted with the key; of a generic secret (§6.8), and of
/// what is one under another name, those of its SHA-1. `None` for ciphers that we don't have.
pub fn of_secret_key(algorithm: KeyAlgorithm, value: &SecretBytes) -> Result<Option<CheckValue>, CryptoError> {
    match KeyKind::of(algorithm) {
        KeyKind::Aes => {
            let key = SecretKey::new(algorithm, value.clone())?;
            let mut block = [0; 16];
            key.cipher(&CipherScheme::AesEcb, Direction::Encrypt)?.whole(&[0; 16], &mut block)?;
            Ok(Some(first(&block)))
        }
        KeyKind::Generic => of_sha1(value.expose()).map(Some),
        _ => Ok(None),
    }
}

fn of_sha1(bytes: &[u8]) -> Result<CheckValue, CryptoError> {
    let mut sum = [0; 20];
    let mut digest = Digest::new(DigestAlgorithm::Sha1);
    digest.update(bytes);
    digest.finish(&mut sum)?;
    Ok(first(&sum))
}

fn first<const N: usize>(bytes: &[u8; N]) -> CheckValue {
    [bytes[0], bytes[1], bytes[2]]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(algorithm: KeyAlgorithm, value: &[u8]) -> Option<CheckValue> {
        of_secret_key(algorithm, &SecretBytes::from_slice(value)).unwrap()
    }

    #[test]
    fn an_aes_key_is_known_by_what_it_makes_of_zeros_and_a_secret_by_its_sum() {
        assert_eq!(of(KeyAlgorithm::Aes { bits: 128 }, &[0; 16]), Some([0x66, 0xE9, 0x4B]));
        assert_eq!(of(KeyAlgorithm::Aes { bits: 256 }, &[0; 32]), Some([0xDC, 0x95, 0xC0]));
        assert_eq!(of(KeyAlgorithm::Generic { bytes: 3 }, b"abc"), Some([0xA9, 0x99, 0x3E]));
        let hmac = KeyAlgorithm::Other(cryptoki_sys::CKK_SHA256_HMAC as u32);
        assert_eq!(of(hmac, b"abc"), Some([0xA9, 0x99, 0x3E]));
        assert_eq!(of(KeyAlgorithm::Other(cryptoki_sys::CKK_DES3 as u32), &[1; 24]), None);
    }
}
