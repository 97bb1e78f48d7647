//! What is wrong with a key or an operation that a client asks for. All of it is the client's to mend, except what the
//! vault itself says ([`OperationError::Vault`]); none of it carries key material.

use super::super::error::ServiceError;
use super::algorithms::Operation;
use crate::crypto::CryptoError;
use crate::vault::VaultError;

/// A key that can't be made, imported or described as the request wants it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// `kty` isn't one of ours.
    #[error("kty must be one of EC, EC-HSM, RSA, RSA-HSM, oct, oct-HSM")]
    Kty,
    /// `kty` isn't one of a Managed HSM's.
    #[error("kty must be one of EC-HSM, RSA-HSM, oct-HSM in a Managed HSM")]
    KtyInHsm,
    /// `crv` isn't one of ours.
    #[error("crv must be one of P-256, P-256K, P-384, P-521")]
    Curve,
    /// `key_size` isn't one of the kind's.
    #[error("key_size must be one of {0} for this kty")]
    KeySize(&'static str),
    /// `public_exponent` isn't one of ours.
    #[error("public_exponent must be one of 3, 17, 65537")]
    PublicExponent,
    /// A name in `key_ops` isn't known.
    #[error("key_ops may name encrypt, decrypt, sign, verify, wrapKey, unwrapKey, import, export")]
    KeyOps,
    /// A name in `key_ops` is nothing that the kind can do, or stands beside one that it excludes.
    #[error("key_ops: {0}")]
    KeyOpsUnfit(&'static str),
    /// A member of the key is missing.
    #[error("key.{0} is missing; an {1} key needs it")]
    Missing(&'static str, &'static str),
    /// A member of the key can't be right.
    #[error("key.{0} {1}")]
    Member(&'static str, &'static str),
    /// The cryptography refused for a reason of its own.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

/// An operation that can't be done as the request wants it.
#[derive(Debug, thiserror::Error)]
pub enum OperationError {
    /// `alg` isn't one of ours.
    #[error("alg names no algorithm of this service")]
    UnknownAlgorithm,
    /// The algorithm isn't for this operation.
    #[error("{algorithm} can't be used to {}", operation.verb())]
    WrongOperation {
        /// Its name.
        algorithm: &'static str,
        /// What it was asked for.
        operation: Operation,
    },
    /// The algorithm isn't for this key.
    #[error("{algorithm} needs {needed}, and this is {given}")]
    WrongAlgorithmForKey {
        /// Its name.
        algorithm: &'static str,
        /// The keys that it fits.
        needed: &'static str,
        /// The key that was named.
        given: String,
    },
    /// What is to be signed or verified has another length than the algorithm's digest.
    #[error("{algorithm} takes {needed}, not {given} bytes")]
    WrongDigestLength {
        /// Its name.
        algorithm: &'static str,
        /// The length that it takes.
        needed: String,
        /// The length that came.
        given: usize,
    },
    /// What is to be encrypted or wrapped has a length that the algorithm doesn't take.
    #[error("{algorithm} takes {needed}, not {given} bytes")]
    WrongInputLength {
        /// Its name.
        algorithm: &'static str,
        /// The length that it takes.
        needed: String,
        /// The length that came.
        given: usize,
    },
    /// `iv`, `aad` or `tag` is missing, too much, or of another length.
    #[error("{algorithm}: {member} {reason}")]
    BadParameter {
        /// The algorithm's name.
        algorithm: &'static str,
        /// Which.
        member: &'static str,
        /// What is expected of it.
        reason: &'static str,
    },
    /// The ciphertext wasn't made with this key and these parameters, or was changed since. Says nothing more, whatever
    /// was wrong with it.
    #[error("the value can't be decrypted with this key, this algorithm and these parameters")]
    BadCiphertext,
    /// The key that the request brings can't be right.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The vault refused.
    #[error(transparent)]
    Vault(VaultError),
}

/// Every way in which cryptography finds a ciphertext wrong is one answer.
impl From<VaultError> for OperationError {
    fn from(error: VaultError) -> Self {
        match error {
            VaultError::Crypto(CryptoError::CiphertextInvalid) => Self::BadCiphertext,
            other => Self::Vault(other),
        }
    }
}

impl From<CryptoError> for OperationError {
    fn from(error: CryptoError) -> Self {
        VaultError::Crypto(error).into()
    }
}

impl From<KeyError> for ServiceError {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::Crypto(error) => VaultError::Crypto(error).into(),
            other => Self::bad_parameter(format!("{other}.")),
        }
    }
}

impl From<OperationError> for ServiceError {
    fn from(error: OperationError) -> Self {
        match error {
            OperationError::Vault(error) => error.into(),
            OperationError::Key(error) => error.into(),
            other => Self::bad_parameter(format!("{other}.")),
        }
    }
}
