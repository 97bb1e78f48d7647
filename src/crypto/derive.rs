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
        for (chunk, counter) in key.chunks_mut(algorithm.len()).zip(1..=u32::MAX) {
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
        for (chunk, counter) in out.chunks_mut(digest.len()).zip(1..=u8::MAX) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    /// RFC 5869, appendix A.1 and A.6; the last is OpenSSL's.
    #[test]
    fn hkdf_gives_the_published_keys() {
        let ascending: Vec<u8> = (0..13).collect();
        for (digest, salt, key, info, expected) in [
            (
                DigestAlgorithm::Sha256,
                &ascending[..],
                &[0x0B; 22][..],
                &[0xF0, 0xF1, 0xF2, 0xF3, 0xF4, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9][..],
                "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
            ),
            (
                DigestAlgorithm::Sha1,
                &[],
                &[0x0C; 22],
                &[],
                "2c91117204d745f3500d636a62f64f0ab3bae548aa53d423b0d1f27ebba6f5e5673a081d70cce7acfc48",
            ),
            (
                DigestAlgorithm::Sha3_384,
                b"salt",
                b"key",
                b"info",
                "1a93888f0e34c22d0bef3e311969466ac055222c6150df2ceda8660a3d3fa1accf3ef3c3c1735bbd817da2e418da1521\
                 bb863b7f5afb42b5675cfceff844e7b6c01720619bf825a5d34594adb10ae7355f533b86b910349e27eb69adb20bf123\
                 0478593f",
            ),
        ] {
            let expected = hex(expected);
            let uniform = hkdf_extract(digest, salt, key).expect("a key");
            assert_eq!(uniform.len(), digest.len());
            let derived = hkdf_expand(digest, uniform.expose(), info, expected.len()).expect("a key");
            assert_eq!(derived.expose(), expected, "{digest:?}");
        }
        let uniform = hkdf_extract(DigestAlgorithm::Sha256, &ascending, &[0x0B; 22]).expect("a key");
        assert_eq!(uniform.expose(), hex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5"));
    }

    #[test]
    fn hkdf_gives_255_digests_and_no_more() {
        for digest in [DigestAlgorithm::Sha1, DigestAlgorithm::Sha3_512] {
            let most = 255 * digest.len();
            let longest = hkdf_expand(digest, b"key", b"", most).expect("a key");
            let shorter = hkdf_expand(digest, b"key", b"", 9).expect("a key");
            assert_eq!(&longest.expose()[..9], shorter.expose());
            assert_eq!(hkdf_expand(digest, b"key", b"", most + 1), Err(CryptoError::ParametersInvalid));
            assert!(hkdf_expand(digest, b"key", b"", 0).expect("an empty key").is_empty());
        }
    }

    /// Values of OpenSSL.
    #[test]
    fn x963_gives_the_known_keys() {
        let secret = SecretBytes::from_slice(&(0..32).collect::<Vec<u8>>());
        for (digest, expected) in [
            (
                DigestAlgorithm::Sha1,
                "4011ea603f80e0ee1a1724d45854c25790566e05ec2a78794d8c1af6a379b62b078e20f66ac752b88d123b8c1b968595\
                 2fd188b17b47ffaeb4c6c30a5980273c7712a6f81b06",
            ),
            (
                DigestAlgorithm::Sha256,
                "a2ba25392f91013464ed530b7260876d7d85630fd24cd7894a49600ab4c7a8c33354555992b455ebe41e722867504954\
                 a4df484c1d3c0c1bdf6ecefb467afb36a3c7188e88fd",
            ),
            (
                DigestAlgorithm::Sha512,
                "690226c0e6ac85fe577d4e7f1751e44be3028e400b2a2f4c824cbe97e147b133e204741bb20286e114d6907b66113c6f\
                 38396388e0000477725636aacd40db67b5fe27c2eb0f",
            ),
        ] {
            let kdf = Kdf::X963 { digest, shared_info: b"shared info" };
            for len in [0, 1, 19, 20, 21, 70] {
                let key = kdf.derive(&secret, len).expect("a key");
                assert_eq!(key.expose(), &hex(expected)[..len], "{digest:?}");
            }
        }
    }

    #[test]
    fn without_a_kdf_the_end_of_the_secret_is_the_key() {
        let secret = SecretBytes::from_slice(&[1, 2, 3, 4]);
        assert_eq!(Kdf::None.derive(&secret, 4), Ok(secret.clone()));
        assert_eq!(Kdf::None.derive(&secret, 3).expect("a key").expose(), [2, 3, 4]);
        assert_eq!(Kdf::None.derive(&secret, 5), Err(CryptoError::ParametersInvalid));
    }
}
