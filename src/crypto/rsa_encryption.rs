//! What RSA's encryption schemes do around AWS-LC's operations. Decryption tells an attacker who sends ciphertexts of
//! their own nothing: OAEP fails in one way, and PKCS#1 v1.5 doesn't fail at all.

use subtle::{Choice, ConditionallySelectable, ConstantTimeEq, ConstantTimeGreater, ConstantTimeLess};
use zeroize::Zeroizing;

use super::aws_lc_raw::{OaepScheme, RsaKey, RsaPadding};
use super::mac::Hmac;
use super::rsa_scheme::{self, MAX_MODULUS_LEN, MAX_SIGNING_LEN, PKCS1_OVERHEAD};
use super::{CryptoError, Digest, DigestAlgorithm, EncryptScheme, Result, SecretBytes, random};

/// Encrypts with a key of at most [`MAX_MODULUS_LEN`] bytes into the start of `out`.
pub(super) fn encrypt(key: &RsaKey, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize> {
    let out = out.get_mut(..key.size()).ok_or(CryptoError::OutputLength)?;
    match *scheme {
        EncryptScheme::RsaPkcs1 => {
            rsa_scheme::check_pkcs1_len(key, input.len())?;
            key.encrypt_pkcs1(input, out)
        }
        EncryptScheme::RsaOaep { digest, mgf, label } => {
            let most = oaep_room(key, digest)?;
            if input.len() > most {
                return Err(CryptoError::InputLength);
            }
            OaepScheme { digest, mgf, label }.encrypt(key, input, out)
        }
        EncryptScheme::RsaRaw => {
            let mut padded = Zeroizing::new([0; MAX_MODULUS_LEN]);
            let padded = rsa_scheme::pad_left(input, &mut padded[..key.size()])?;
            // A number that isn't below the modulus is all that can be wrong.
            key.recover(RsaPadding::None, padded, out).map_err(|_| CryptoError::InputLength)
        }
    }
}

/// Decrypts with a key of at most [`MAX_SIGNING_LEN`] bytes into `out`, which has as many as the scheme writes at most.
pub(super) fn decrypt(
    key: &RsaKey,
    rejection: &RejectionKey,
    scheme: &EncryptScheme<'_>,
    input: &[u8],
    out: &mut [u8],
) -> Result<usize> {
    if let EncryptScheme::RsaOaep { digest, .. } = scheme {
        oaep_room(key, *digest)?;
    }
    if input.len() != key.size() {
        return Err(CryptoError::InputLength);
    }
    let mut message = Zeroizing::new([0; MAX_SIGNING_LEN]);
    let message = &mut message[..key.size()];
    if let EncryptScheme::RsaOaep { digest, mgf, label } = *scheme {
        let len = OaepScheme { digest, mgf, label }.decrypt(key, input, message)?;
        out[..len].copy_from_slice(&message[..len]);
        return Ok(len);
    }
    rsa_scheme::private_power(key, input, message).map_err(|error| match error {
        CryptoError::InputLength => CryptoError::CiphertextInvalid,
        other => other,
    })?;
    let len = match scheme {
        EncryptScheme::RsaPkcs1 => rejection.message_len(input, message)?,
        EncryptScheme::RsaOaep { .. } | EncryptScheme::RsaRaw => message.len(),
    };
    out[..len].copy_from_slice(&message[message.len() - len..]);
    Ok(len)
}

/// The longest message; a key that is too short for the hash can't be used with it.
fn oaep_room(key: &RsaKey, digest: DigestAlgorithm) -> Result<usize> {
    key.size().checked_sub(2 * digest.len() + 2).ok_or(CryptoError::ParametersInvalid)
}

/// The key from which come the messages that wrongly padded ciphertexts decrypt to: implicit rejection, as in
/// draft-irtf-cfrg-rsa-guidance, so that other implementations answer alike with the same private key.
#[derive(Clone)]
pub struct RejectionKey(SecretBytes);

impl RejectionKey {
    /// SHA-256 over the private exponent, as long as the modulus.
    pub(super) fn new(key: &RsaKey) -> Result<Self> {
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        digest.update(key.padded_private_exponent()?.expose());
        SecretBytes::filled(DigestAlgorithm::Sha256.len(), |out| digest.finish(out).map(|_| ())).map(Self)
    }

    /// One at random, for private keys that are elsewhere, where a wrong padding is answered by an error.
    pub fn random() -> Result<Self> {
        SecretBytes::filled(DigestAlgorithm::Sha256.len(), random).map(Self)
    }

    /// What a ciphertext decrypts to that the key which is called so refused: the same each time.
    pub fn message(&self, key: &[u8], ciphertext: &[u8], out: &mut [u8]) -> Result<usize> {
        let seed = self.seed(&[key, ciphertext])?;
        let mut block = Zeroizing::new([0; MAX_SIGNING_LEN]);
        let len = ciphertext.len();
        let block = block.get_mut(..len).filter(|_| len > PKCS1_OVERHEAD).ok_or(CryptoError::InputLength)?;
        expand(&seed, b"message", block)?;
        let message = &block[len - rejected_len(&seed, len)? as usize..];
        out.get_mut(..message.len()).ok_or(CryptoError::OutputLength)?.copy_from_slice(message);
        Ok(message.len())
    }

    /// Takes PKCS#1 v1.5's padding off a decrypted block: returns the length of the message, which is the block's end. If
    /// the padding is wrong, the message is another, and nothing is done otherwise for that, neither in time nor in
    /// memory: both are always computed, and one is chosen bit by bit.
    fn message_len(&self, ciphertext: &[u8], block: &mut [u8]) -> Result<usize> {
        let seed = self.seed(&[ciphertext])?;
        let mut other = Zeroizing::new([0; MAX_SIGNING_LEN]);
        let other = &mut other[..block.len()];
        expand(&seed, b"message", other)?;
        let other_len = rejected_len(&seed, block.len())?;

        let (valid, len) = padded_len(block);
        for (byte, other) in block.iter_mut().zip(&*other) {
            byte.conditional_assign(other, !valid);
        }
        Ok(u32::conditional_select(&other_len, &len, valid) as usize)
    }

    fn seed(&self, parts: &[&[u8]]) -> Result<Box<Hmac>> {
        let mut key = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
        let mut hmac = Hmac::new(DigestAlgorithm::Sha256, self.0.expose());
        parts.iter().for_each(|part| hmac.update(part));
        let len = hmac.finish(&mut *key)?;
        Ok(Hmac::new(DigestAlgorithm::Sha256, &key[..len]))
    }
}

/// Whether a block is 00 02, 8 or more bytes that aren't 0, 00 (RFC 8017 §7.2.2), and how many bytes follow. In constant
/// time.
fn padded_len(block: &[u8]) -> (Choice, u32) {
    let mut separator = 0_u32;
    let mut found = Choice::from(0);
    for (at, byte) in (0_u32..).zip(block).skip(2) {
        let is_zero = byte.ct_eq(&0);
        separator.conditional_assign(&at, is_zero & !found);
        found |= is_zero;
    }
    let valid = block[0].ct_eq(&0) & block[1].ct_eq(&2) & found & separator.ct_gt(&(PKCS1_OVERHEAD as u32 - 2));
    (valid, (block.len() as u32 - 1).wrapping_sub(separator))
}

/// A length from 0 to k − 11, of 128 candidates the last that isn't too long.
fn rejected_len(seed: &Hmac, block_len: usize) -> Result<u32> {
    let mut candidates = Zeroizing::new([0; 256]);
    expand(seed, b"length", &mut *candidates)?;
    let end = (block_len - PKCS1_OVERHEAD + 1) as u32;
    let mask = (end + 1).next_power_of_two() - 1;
    let mut len = 0;
    for pair in candidates.as_chunks().0 {
        let candidate = u32::from(u16::from_be_bytes(*pair)) & mask;
        len.conditional_assign(&candidate, candidate.ct_lt(&end));
    }
    Ok(len)
}

/// HMAC(seed, i ‖ label ‖ bits) for i = 0, 1, …; the numbers have 16 bits.
fn expand(seed: &Hmac, label: &[u8], out: &mut [u8]) -> Result<()> {
    let bits = (out.len() as u16).wrapping_mul(8).to_be_bytes();
    let mut block = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
    for (chunk, counter) in out.chunks_mut(DigestAlgorithm::Sha256.len()).zip(0_u16..) {
        let mut hmac = seed.clone();
        hmac.update(&counter.to_be_bytes());
        hmac.update(label);
        hmac.update(&bits);
        hmac.finish(&mut *block)?;
        chunk.copy_from_slice(&block[..chunk.len()]);
    }
    Ok(())
}
