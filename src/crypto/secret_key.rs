//! Secret keys: AES keys and generic secrets.
//!
//! Their values lie in memory that a fork wipes. In the child such a key is no key any more: everything that it is asked
//! for fails, and nothing is ever computed with the zeros.

use std::fmt;

use super::cipher::{Cipher, CipherScheme, Direction};
use super::key_wrap::{self, KeyWrapScheme};
use super::mac::{Mac, MacScheme};
use super::message::GcmMessages;
use super::{CryptoError, DigestAlgorithm, KeyAlgorithm, Result, SecretBytes};
use crate::sys::memory::OwnSecret;

/// A secret key whose length fits its kind. Usable from many threads of one process at once; wiped when dropped.
pub struct SecretKey {
    algorithm: KeyAlgorithm,
    value: OwnSecret,
}

impl SecretKey {
    /// Checks the length. A key type that isn't ours is as good as a generic secret.
    pub fn new(algorithm: KeyAlgorithm, value: SecretBytes) -> Result<Self> {
        let fits = match algorithm {
            KeyAlgorithm::Aes { bits: bits @ (128 | 192 | 256) } => value.len() == bits as usize / 8,
            KeyAlgorithm::Generic { bytes } => value.len() == bytes as usize,
            KeyAlgorithm::Other(_) => true,
            _ => false,
        };
        if !fits {
            return Err(CryptoError::KeyInvalid("its length is another kind's"));
        }
        let value = OwnSecret::new(value.expose()).map_err(|error| {
            tracing::warn!("no memory for a secret key: {error}");
            CryptoError::NoMemory
        })?;
        Ok(Self { algorithm, value })
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.algorithm
    }

    /// The key itself; fails in a process that was forked off since the key was made.
    pub fn value(&self) -> Result<&[u8]> {
        self.value.expose().ok_or(CryptoError::Internal("a key of the process that this one was forked off from"))
    }

    /// Begins to encrypt or decrypt, with an AES key.
    pub fn cipher(&self, scheme: &CipherScheme<'_>, direction: Direction) -> Result<Cipher> {
        Cipher::new(self.aes()?, scheme, direction)
    }

    /// Begins to encrypt or decrypt messages with AES-GCM, with an AES key.
    pub fn gcm_messages(&self, direction: Direction) -> Result<GcmMessages> {
        GcmMessages::new(self.aes()?, direction)
    }

    /// Begins a code: CMAC with an AES key, HMAC with any other.
    pub fn mac(&self, scheme: MacScheme) -> Result<Mac> {
        match (scheme, self.algorithm) {
            (MacScheme::Hmac(digest), KeyAlgorithm::Generic { .. } | KeyAlgorithm::Other(_)) => {
                Ok(Mac::hmac(digest, self.value()?))
            }
            (MacScheme::Hmac(_), _) => Err(CryptoError::SchemeMismatch),
            (MacScheme::AesCmac, _) => Mac::cmac(self.aes()?),
        }
    }

    /// Begins HMAC with a key of whatever kind, for front ends whose keys have none: Key Vault's `oct` keys encrypt and
    /// authenticate alike. [`mac`](Self::mac) keeps AES keys apart from that.
    pub fn hmac(&self, digest: DigestAlgorithm) -> Result<Mac> {
        Ok(Mac::hmac(digest, self.value()?))
    }

    /// Wraps the bytes of another key, with an AES key.
    pub fn wrap(&self, scheme: &KeyWrapScheme, key: &[u8]) -> Result<Vec<u8>> {
        key_wrap::wrap(self.aes()?, scheme, key)
    }

    /// Unwraps the bytes of another key, with an AES key. A wrapped key that is damaged or wrapped otherwise is
    /// [`CryptoError::CiphertextInvalid`], a length that no wrapped key has [`CryptoError::InputLength`].
    pub fn unwrap(&self, scheme: &KeyWrapScheme, wrapped: &[u8]) -> Result<SecretBytes> {
        key_wrap::unwrap(self.aes()?, scheme, wrapped)
    }

    fn aes(&self) -> Result<&[u8]> {
        match self.algorithm {
            KeyAlgorithm::Aes { .. } => self.value(),
            _ => Err(CryptoError::SchemeMismatch),
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretKey").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}
