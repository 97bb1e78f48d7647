//! Keys as Key Vault speaks of them: kinds (`kty`), permitted operations (`key_ops`), JSON Web Keys, and what the
//! algorithms' names mean. Pure functions: nothing here knows HTTP or asks a vault for anything but a private operation.

pub mod algorithms;
pub mod apply;
pub mod base64url;
mod error;
pub mod import;
pub mod jwk;
pub mod key_ops;
pub mod kty;
pub mod wrapped;

pub use algorithms::{Algorithm, Operation};
pub use apply::{AesInput, Private, Public, Sealed};
pub use base64url::{Base64Url, SecretBase64Url};
pub use error::{KeyError, OperationError};
pub use import::{Imported, import};
pub use jwk::{Jwk, PublicJwk};
pub use key_ops::KeyOps;
pub use kty::{Kty, Wish};
pub use wrapped::Wrapped;
