//! Keys and algorithms. No I/O, and no knowledge of vaults, files or PKCS#11.
//!
//! AWS-LC does the work: random bytes come through `aws-lc-rs`, keys, digests and ciphers through the raw bindings in
//! `aws_lc_raw`, because `aws-lc-rs` fixes digests and encodings and allocates on the way; only SHA-3 is another
//! library's. A key is parsed and checked once, when its type here is made; signing with it afterwards allocates nothing
//! of ours.

#[allow(unsafe_code)]
mod aws_lc_raw;
mod blocks;
mod cipher;
mod counter;
mod derive;
mod digest;
mod error;
mod key_wrap;
mod mac;
mod message;
mod message_iv;
mod padding;
mod private_key;
mod public_key;
mod rsa_encryption;
mod rsa_scheme;
mod scheme;
mod secret;
mod secret_key;
mod sponge;

pub use cipher::{Cipher, CipherScheme, Direction};
pub use derive::{Kdf, hkdf_expand, hkdf_extract};
pub use digest::{Digest, DigestAlgorithm};
pub use error::CryptoError;
pub use key_wrap::KeyWrapScheme;
pub use mac::{Mac, MacScheme};
pub use message::{GcmMessages, GcmWork, Text};
pub use message_iv::{IvForm, IvSource, Ivs};
pub use private_key::{PrivateKey, PrivateParts, RSA_BITS};
pub use public_key::PublicKey;
pub use rsa_encryption::RejectionKey;
pub use scheme::{Curve, EncryptScheme, KeyAlgorithm, SignScheme};
pub use secret::SecretBytes;
pub use secret_key::SecretKey;

use crate::sys::fork::Section;

/// A result of the crypto layer.
pub type Result<T> = std::result::Result<T, CryptoError>;

/// Fills `out` from AWS-LC's generator, which reseeds itself after a fork.
pub fn random(out: &mut [u8]) -> Result<()> {
    let _section = Section::enter();
    aws_lc_rs::rand::fill(out).map_err(|_| CryptoError::Internal("random generator"))
}

#[cfg(test)]
pub(crate) mod tests;
