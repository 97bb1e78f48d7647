//! Ed25519 (RFC 8032).

use aws_lc_sys::{ED25519_keypair, ED25519_keypair_from_seed, ED25519_sign, ED25519_verify};
use zeroize::Zeroizing;

use super::succeeded;
use crate::crypto::{CryptoError, Result};

/// A private key: AWS-LC's form of it, the seed followed by the public key. On the heap, so that moving the value
/// leaves no copy behind.
pub struct Ed25519Key(Box<Zeroizing<[u8; 64]>>);

impl Ed25519Key {
    /// A new key.
    pub fn generate() -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; 64])));
        let mut public = [0; 32];
        // SAFETY: 32 bytes are written to the first pointer, 64 to the second.
        unsafe { ED25519_keypair(public.as_mut_ptr(), key.0.as_mut_ptr()) };
        key
    }

    /// The key of this seed; every seed is one.
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; 64])));
        let mut public = [0; 32];
        // SAFETY: 32 bytes are written to the first pointer, 64 to the second, 32 read from the third.
        unsafe { ED25519_keypair_from_seed(public.as_mut_ptr(), key.0.as_mut_ptr(), seed.as_ptr()) };
        key
    }

    pub fn seed(&self) -> &[u8] {
        &self.0[..32]
    }

    pub fn public(&self) -> &[u8] {
        &self.0[32..]
    }

    pub fn sign(&self, message: &[u8], out: &mut [u8; 64]) -> Result<()> {
        // SAFETY: 64 bytes are written to the first pointer; the next two describe `message`; the key has 64 bytes.
        let status = unsafe { ED25519_sign(out.as_mut_ptr(), message.as_ptr(), message.len(), self.0.as_ptr()) };
        succeeded(status, "ED25519_sign")
    }
}

/// Checks a signature.
pub fn verify_ed25519(public: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> Result<()> {
    // SAFETY: the first two describe `message`; 64 and 32 bytes are read from the others.
    let status = unsafe { ED25519_verify(message.as_ptr(), message.len(), signature.as_ptr(), public.as_ptr()) };
    if status == 1 { Ok(()) } else { Err(CryptoError::SignatureInvalid) }
}
