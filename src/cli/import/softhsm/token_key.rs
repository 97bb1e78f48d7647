//! The key under which SoftHSM 2 encrypts what is private on a token.
//!
//! The user's PIN opens it: salt, initialization vector and AES-256-CBC of three known bytes and the key, under a key
//! that is derived from the PIN by iterated SHA-256. There is no code over any of it, so damage is told from a wrong
//! PIN by what fits nevertheless, and a value that was changed in a stored object by what its object says of it.

use crate::crypto::{CipherScheme, Digest, DigestAlgorithm, Direction, KeyAlgorithm, SecretBytes, SecretKey};

/// See the [module](self).
pub(super) struct TokenKey(SecretKey);

/// Why a token doesn't open.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    WrongPin,
    Damaged,
}

impl TokenKey {
    /// Opens the token's `wrapped` key by a PIN.
    pub(super) fn open(wrapped: &[u8], pin: &[u8]) -> Result<Self, Refusal> {
        let Some((salt, encrypted)) = wrapped.split_first_chunk::<SALT>() else { return Err(Refusal::Damaged) };
        if encrypted.len() != IV + WRAPPED {
            return Err(Refusal::Damaged);
        }
        let plain = decrypt_blocks(&derived(salt, pin).ok_or(Refusal::Damaged)?, encrypted).ok_or(Refusal::Damaged)?;
        let (contents, padding) = plain.expose().split_at(MAGIC.len() + KEY);
        let padded = padding.iter().all(|byte| usize::from(*byte) == padding.len());
        let known = contents.starts_with(&MAGIC);
        match (known, padded) {
            (true, true) => Ok(Self(aes(&contents[MAGIC.len()..]).ok_or(Refusal::Damaged)?)),
            // Nobody hits three or thirteen bytes with a wrong PIN.
            (true, false) | (false, true) => Err(Refusal::Damaged),
            (false, false) => Err(Refusal::WrongPin),
        }
    }

    /// A stored value; `None` if it is damaged or was encrypted under another key. Nothing is stored as nothing.
    pub(super) fn decrypt(&self, stored: &[u8]) -> Option<SecretBytes> {
        if stored.is_empty() {
            return Some(SecretBytes::from_slice(&[]));
        }
        let plain = decrypt_blocks(&self.0, stored)?;
        let plain = plain.expose();
        let padding = usize::from(*plain.last()?);
        let len = plain.len().checked_sub(padding).filter(|_| (1..=BLOCK).contains(&padding))?;
        let (value, padding) = plain.split_at(len);
        padding.iter().all(|byte| usize::from(*byte) == padding.len()).then(|| SecretBytes::from_slice(value))
    }
}

/// "Iterated and salted" of RFC 4880 §3.7.1.3 in SoftHSM's reading: the sum is summed again, as often as the salt
/// says.
fn derived(salt: &[u8; SALT], pin: &[u8]) -> Option<SecretKey> {
    let rounds = ROUNDS + usize::from(salt[SALT - 1]);
    let sum = (0..rounds).try_fold(SecretBytes::from_slice(&[]), |sum, round| {
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        if round == 0 {
            digest.update(salt);
            digest.update(pin);
        } else {
            digest.update(sum.expose());
        }
        SecretBytes::filled(KEY, |next| digest.finish(next).map(drop)).ok()
    })?;
    aes(sum.expose())
}

fn aes(key: &[u8]) -> Option<SecretKey> {
    SecretKey::new(KeyAlgorithm::Aes { bits: 256 }, SecretBytes::from_slice(key)).ok()
}

/// Initialization vector and whole blocks; the padding stays.
fn decrypt_blocks(key: &SecretKey, encrypted: &[u8]) -> Option<SecretBytes> {
    let (iv, blocks) = encrypted.split_first_chunk::<IV>()?;
    if blocks.is_empty() || !blocks.len().is_multiple_of(BLOCK) {
        return None;
    }
    let mut cipher = key.cipher(&CipherScheme::AesCbc { iv: *iv }, Direction::Decrypt).ok()?;
    SecretBytes::filled(blocks.len(), |plain| cipher.whole(blocks, plain).map(drop)).ok()
}

/// The known bytes before the key.
const MAGIC: [u8; 3] = *b"RJR";
const SALT: usize = 8;
const IV: usize = 16;
const KEY: usize = 32;
const BLOCK: usize = 16;
/// Known bytes and key, padded.
const WRAPPED: usize = 48;
/// To these the salt's last byte is added.
const ROUNDS: usize = 1500;

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a token that `softhsm2-util` 2.6.1 made with this PIN.
    const PIN: &[u8] = b"87654321";
    const WRAPPED_KEY: [u8; 72] = [
        0xAB, 0x8A, 0xD7, 0xA1, 0x34, 0x02, 0xFE, 0xA0, 0x1A, 0xF8, 0x1F, 0xAB, 0xCB, 0x7A, 0xF9, 0x6F, 0x17, 0x8E,
        0x76, 0x7A, 0xBD, 0xA0, 0x77, 0x7F, 0x86, 0x54, 0x22, 0xFF, 0x84, 0x68, 0x74, 0x04, 0xB0, 0xE9, 0xE4, 0x23,
        0xAA, 0x05, 0xDA, 0xFB, 0x83, 0xF5, 0x05, 0x96, 0x55, 0x18, 0xF7, 0xB8, 0x75, 0xA7, 0x14, 0xAD, 0x82, 0xDC,
        0x6D, 0x37, 0xF3, 0xD1, 0x70, 0x12, 0x3F, 0x38, 0xE5, 0x78, 0x53, 0xCF, 0x3A, 0xC3, 0x1C, 0x61, 0x0E, 0xBB,
    ];
    /// The stored label of a private key on that token.
    const LABEL: [u8; 32] = [
        0xF6, 0x2C, 0xE8, 0xF2, 0x9E, 0x00, 0xEF, 0xD8, 0x18, 0xEC, 0x44, 0xAD, 0x51, 0x04, 0xAC, 0x19, 0x2B, 0x16,
        0x83, 0x9F, 0x90, 0xB6, 0x3F, 0xCA, 0x9B, 0xD4, 0x2E, 0xF2, 0xDE, 0xED, 0x94, 0x6C,
    ];

    #[test]
    fn the_pin_opens_the_key_and_the_key_opens_a_value() {
        let key = TokenKey::open(&WRAPPED_KEY, PIN).ok().unwrap();
        assert_eq!(key.decrypt(&LABEL).unwrap().expose(), b"ec");
        assert!(key.decrypt(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_wrong_pin_is_no_damage() {
        assert_eq!(TokenKey::open(&WRAPPED_KEY, b"87654322").err(), Some(Refusal::WrongPin));
        assert_eq!(TokenKey::open(&WRAPPED_KEY, b"").err(), Some(Refusal::WrongPin));
    }

    /// What is bent in the initialization vector's first bytes or in the last block leaves the other mark as it was.
    #[test]
    fn damage_is_no_wrong_pin() {
        for at in [SALT, SALT + 2, SALT + IV, SALT + IV + WRAPPED - 1] {
            let mut bent = WRAPPED_KEY;
            bent[at] ^= 1;
            assert_eq!(TokenKey::open(&bent, PIN).err(), Some(Refusal::Damaged), "byte {at}");
        }
        for len in 0..WRAPPED_KEY.len() {
            assert_eq!(TokenKey::open(&WRAPPED_KEY[..len], PIN).err(), Some(Refusal::Damaged), "{len} bytes");
        }
    }

    #[test]
    fn a_value_that_is_cut_or_bent_in_its_last_block_is_refused() {
        let key = TokenKey::open(&WRAPPED_KEY, PIN).ok().unwrap();
        for len in 1..LABEL.len() {
            assert!(key.decrypt(&LABEL[..len]).is_none(), "{len} bytes");
        }
        let mut bent = LABEL;
        bent[31] ^= 1;
        assert!(key.decrypt(&bent).is_none());
    }
}
