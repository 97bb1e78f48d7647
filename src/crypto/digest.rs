//! Digests, in one call or in parts.

use super::{CryptoError, Result};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1: for old signatures and key ids.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl DigestAlgorithm {
    /// Longest digest, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Bytes of the digest.
    pub fn len(self) -> usize {
        todo!()
    }
}

/// A digest being computed. Copying it is cheap and allocates nothing.
#[derive(Clone)]
pub struct Digest {}

impl Digest {
    /// Starts.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        todo!()
    }

    /// What it is computing.
    pub fn algorithm(&self) -> DigestAlgorithm {
        todo!()
    }

    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) {
        todo!()
    }

    /// Ends, writing the digest to the start of `out`; returns its length.
    pub fn finish(self, out: &mut [u8]) -> Result<usize> {
        todo!()
    }
}
