//! Why a verb failed: one sentence on what was wrong and what to do.

use std::io;
use std::path::PathBuf;

use super::time;
use crate::certificate;
use crate::config::ConfigError;
use crate::crypto::CryptoError;
use crate::vault::VaultError;

pub(super) type Result<T> = std::result::Result<T, Error>;

/// A reason.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    /// From the configuration.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// From the vault.
    #[error("{}", vault_text(.0))]
    Vault(#[from] VaultError),
    /// A certificate, or a file of keys and certificates.
    #[error("{}", certificate_text(.0))]
    Certificate(#[from] certificate::Error),
    /// From the cryptography, without a vault.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
    /// A file that a verb reads or writes.
    #[error("{}: {source}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The answer could not be written.
    #[error("can't write the answer: {0}")]
    Output(io::Error),
    /// Arguments that don't go together; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Anything else, as a whole sentence.
    #[error("{0}")]
    Refused(String),
}

impl Error {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Self::Refused(text.into())
    }
}

fn certificate_text(error: &certificate::Error) -> String {
    match error {
        certificate::Error::Vault(error) => vault_text(error),
        other => other.to_string(),
    }
}

/// The vault speaks in seconds since 1970; people don't.
fn vault_text(error: &VaultError) -> String {
    match error {
        VaultError::NotYetValid(start) => format!("the key is not valid before {}", time::text(*start)),
        VaultError::Expired(end) => {
            format!("the key expired at {}: `strongroom key rotate` makes a new version", time::text(*end))
        }
        other => other.to_string(),
    }
}
