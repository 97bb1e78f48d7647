//! What `aws-lc-rs` does not expose, through `aws-lc-sys`: the only folder of this layer with `unsafe`.
//!
//! Each type here owns one AWS-LC object and frees it when dropped. AWS-LC wipes the memory of every object that it
//! frees (`OPENSSL_free` overwrites the whole block, `BN_free` and `RSA_free` come down to it), so dropping a key
//! leaves nothing of it behind. The functions take slices and check lengths that AWS-LC takes on trust; what a key or
//! a scheme allows is decided above, in `private_key` and `public_key`.

mod aes_block;
mod bignum;
mod cipher;
mod cmac;
mod digest;
mod ec;
mod ed25519;
mod evp;
mod fork_generation;
mod rsa;
mod rsa_oaep;
mod x25519;

use std::ffi::c_int;

use super::{CryptoError, Result};

pub use aes_block::{AesDecrypt, AesEncrypt};
pub use bignum::ed25519_point_is_valid;
pub use cipher::Aes;
pub use cmac::Cmac;
pub use digest::Sha;
pub use ec::EcKey;
pub use ed25519::{Ed25519Key, verify_ed25519};
pub use evp::{EvpKey, EvpKind};
pub use rsa::{PssScheme, RsaComponent, RsaFactors, RsaKey, RsaPadding};
pub use rsa_oaep::OaepScheme;
pub use x25519::X25519Key;

/// AWS-LC's convention: 1 is success.
fn succeeded(status: c_int, operation: &'static str) -> Result<()> {
    if status == 1 { Ok(()) } else { Err(CryptoError::Internal(operation)) }
}
