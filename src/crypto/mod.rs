//! Keys and algorithms. No I/O, and no knowledge of vaults, files or PKCS#11.
//!
//! AWS-LC does the work: random bytes come through `aws-lc-rs`, keys and digests through the raw bindings in
//! `aws_lc_raw`, because `aws-lc-rs` fixes digests and encodings and allocates on the way. A key is parsed and checked
//! once, when its type here is made; using it afterwards allocates nothing of ours.

#[allow(unsafe_code)]
mod aws_lc_raw;
mod digest;
mod error;
mod private_key;
mod public_key;
mod rsa_scheme;
mod scheme;
mod secret;

pub use digest::{Digest, DigestAlgorithm};
pub use error::CryptoError;
pub use private_key::{PrivateKey, PrivateParts, RSA_BITS};
pub use public_key::PublicKey;
pub use scheme::{Curve, KeyAlgorithm, SignScheme};
pub use secret::SecretBytes;

use crate::sys::fork::Section;

/// A result of the crypto layer.
pub type Result<T> = std::result::Result<T, CryptoError>;

/// Fills `out` from AWS-LC's generator, which reseeds itself after a fork.
pub fn random(out: &mut [u8]) -> Result<()> {
    let _section = Section::enter();
    aws_lc_rs::rand::fill(out).map_err(|_| CryptoError::Internal("random generator"))
}

#[cfg(test)]
mod tests;
