//! Keys: kinds (`kty`), permitted operations (`key_ops`), JSON Web Keys and what the algorithms' names mean are pure
//! functions, which know nothing of HTTP and ask a vault for nothing but a private operation.

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

use super::call::Call;

/// Whether the key that a call uses takes so long that it has threads of its own.
pub(super) fn is_slow(_call: &Call) -> bool {
    false
}

/// Whether the key that a call is about has a public part.
pub(super) fn is_asymmetric(_call: &Call) -> bool {
    false
}
