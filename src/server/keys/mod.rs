//! Keys as Key Vault speaks of them: kinds (`kty`), permitted operations (`key_ops`), JSON Web Keys, what the algorithms'
//! names mean, and the operations of the keys' routes.
//!
//! A key of the vault is a pair of halves or one secret key; a public key that stands alone is none here. Tags and notes
//! lie on the private half.

pub mod algorithms;
pub mod apply;
pub mod base64url;
mod bundle;
mod error;
pub mod import;
pub mod jwk;
pub mod key_ops;
pub mod kty;
mod manage;
mod operate;
mod rotation;
mod schema;
mod wrapped;

pub use algorithms::Algorithm;
pub use apply::{AesInput, Private, Public, Sealed};
pub use base64url::Base64Url;
pub use bundle::{KTY, Keys, set_operations};
pub use error::{KeyError, OperationError};
pub use import::import;
pub use jwk::{Jwk, PublicJwk};
pub use key_ops::KeyOps;
pub use kty::{Kty, Wish};
pub use manage::{create, get, import as import_key, list, list_versions, update};
pub use operate::{decrypt, encrypt, has_public_part, is_asymmetric, is_slow, random, sign, unwrap, verify, wrap};

pub use rotation::{get_policy, put_policy, refuse_attestation, refuse_release, rotate};
pub use wrapped::Wrapped;

/// Shapes of bodies.
pub mod bodies {
    pub use super::manage::{CreateParameters, ImportParameters, UpdateParameters};
    pub use super::operate::{OperationParameters, RandomParameters, SignParameters, VerifyParameters};
    pub use super::rotation::{PolicyParameters, ReleaseParameters};
}
