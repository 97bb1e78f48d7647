//! X25519 (RFC 7748).

use aws_lc_sys::{X25519, X25519_keypair, X25519_public_from_private};
use zeroize::Zeroizing;

use crate::crypto::{CryptoError, Result, SecretBytes};

/// A private key and its public half. On the heap, so that moving the value leaves no copy behind.
pub struct X25519Key {
    private: Box<Zeroizing<[u8; 32]>>,
    public: [u8; 32],
}

impl X25519Key {
    /// A new key.
    pub fn generate() -> Self {
        let mut key = Self { private: Box::new(Zeroizing::new([0; 32])), public: [0; 32] };
        // SAFETY: 32 bytes are written to each.
        unsafe { X25519_keypair(key.public.as_mut_ptr(), key.private.as_mut_ptr()) };
        key
    }

    /// The key of this scalar; any 32 bytes are one.
    pub fn from_private(private: &[u8; 32]) -> Self {
        let mut key = Self { private: Box::new(Zeroizing::new([0; 32])), public: [0; 32] };
        key.private.copy_from_slice(private);
        // SAFETY: 32 bytes are written to the first and read from the second.
        unsafe { X25519_public_from_private(key.public.as_mut_ptr(), key.private.as_ptr()) };
        key
    }

    pub fn private(&self) -> &[u8] {
        &**self.private
    }

    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The shared secret; a public key of small order, with which it would be zeros for everybody, is refused (RFC 7748
    /// §6.1).
    pub fn agree(&self, peer: &[u8; 32]) -> Result<SecretBytes> {
        SecretBytes::filled(32, |out| {
            // SAFETY: `out` has the 32 bytes that are written; 32 are read from each of the others.
            let status = unsafe { X25519(out.as_mut_ptr(), self.private.as_ptr(), peer.as_ptr()) };
            if status == 1 { Ok(()) } else { Err(CryptoError::KeyInvalid("an X25519 public key of small order")) }
        })
    }
}
