//! AES with a key whose value stays in its vault: one request with the whole input, so that what comes in parts is collected
//! first. How long the result is, is said without a request.

use std::sync::Arc;

use cryptoki_sys::*;
use zeroize::Zeroizing;

use crate::crypto::{CipherScheme, Direction};
use crate::pkcs11::error::Rv;
use crate::vault::{SecretKey, UsableKey, VaultError};

/// The most that is collected for one request; what a service takes is less, and it says so itself.
const MOST_COLLECTED: usize = 1 << 20;

/// Bytes of AES's block, and of the tag that alone is offered.
const BLOCK_LEN: usize = 16;

/// An encryption or decryption that a vault will do.
pub struct RemoteCipher {
    key: Arc<dyn SecretKey>,
    direction: Direction,
    scheme: OwnScheme,
    collected: Zeroizing<Vec<u8>>,
}

/// A [`CipherScheme`] with bytes of its own: the caller's are gone when the data comes.
struct OwnScheme {
    scheme: CipherScheme<'static>,
    iv: Box<[u8]>,
    aad: Box<[u8]>,
}

impl RemoteCipher {
    /// Before any input.
    pub fn new(key: Arc<dyn SecretKey>, scheme: &CipherScheme<'_>, direction: Direction) -> Result<Self, Rv> {
        Ok(Self { key, direction, scheme: OwnScheme::new(scheme)?, collected: Zeroizing::new(Vec::new()) })
    }

    /// The most that comes out of so many bytes and what was collected before.
    pub fn most(&self, input_len: usize) -> usize {
        let len = self.collected.len() + input_len;
        match (self.scheme.scheme, self.direction) {
            (CipherScheme::AesCbcPad { .. }, Direction::Encrypt) => len + BLOCK_LEN - len % BLOCK_LEN,
            (CipherScheme::AesGcm { tag_len, .. }, Direction::Encrypt) => len + tag_len,
            (CipherScheme::AesGcm { tag_len, .. }, Direction::Decrypt) => len.saturating_sub(tag_len),
            _ => len,
        }
    }

    /// Keeps a part.
    pub fn collect(&mut self, part: &[u8]) -> Result<(), Rv> {
        if part.len() > MOST_COLLECTED - self.collected.len() {
            return Err(VaultError::from(crate::crypto::CryptoError::TooLong).into());
        }
        if self.collected.capacity() - self.collected.len() < part.len() {
            // By hand, so that what is left behind is wiped.
            let mut grown = Zeroizing::new(Vec::new());
            let room = (2 * (self.collected.len() + part.len())).clamp(4096, MOST_COLLECTED);
            grown.try_reserve_exact(room).map_err(|_| Rv(CKR_HOST_MEMORY))?;
            grown.extend_from_slice(&self.collected);
            self.collected = grown;
        }
        self.collected.extend_from_slice(part);
        Ok(())
    }

    /// The one request: all that was collected, or `input` where nothing was.
    pub fn finish(&self, input: &[u8], out: &mut [u8]) -> Result<usize, VaultError> {
        let UsableKey::There(key) = self.key.usable()? else {
            return Err(VaultError::Unsupported("the key came here after it was taken into use"));
        };
        let input = if self.collected.is_empty() { input } else { &self.collected };
        let result = key.apply(&self.scheme.get(), self.direction, input)?;
        let room = out.get_mut(..result.len()).ok_or(crate::crypto::CryptoError::OutputLength)?;
        room.copy_from_slice(result.expose());
        Ok(result.len())
    }
}

impl OwnScheme {
    fn new(scheme: &CipherScheme<'_>) -> Result<Self, Rv> {
        let bare = |scheme| Self { scheme, iv: [].into(), aad: [].into() };
        Ok(match *scheme {
            CipherScheme::AesEcb => bare(CipherScheme::AesEcb),
            CipherScheme::AesCbc { iv } => bare(CipherScheme::AesCbc { iv }),
            CipherScheme::AesCbcPad { iv } => bare(CipherScheme::AesCbcPad { iv }),
            CipherScheme::AesCtr { counter_bits, block } => bare(CipherScheme::AesCtr { counter_bits, block }),
            CipherScheme::AesGcm { iv, aad, tag_len } => {
                Self { scheme: CipherScheme::AesGcm { iv: &[], aad: &[], tag_len }, iv: owned(iv)?, aad: owned(aad)? }
            }
        })
    }

    fn get(&self) -> CipherScheme<'_> {
        match self.scheme {
            CipherScheme::AesGcm { tag_len, .. } => CipherScheme::AesGcm { iv: &self.iv, aad: &self.aad, tag_len },
            other => other,
        }
    }
}

fn owned(bytes: &[u8]) -> Result<Box<[u8]>, Rv> {
    let mut own = Vec::new();
    own.try_reserve_exact(bytes.len()).map_err(|_| Rv(CKR_HOST_MEMORY))?;
    own.extend_from_slice(bytes);
    Ok(own.into())
}
