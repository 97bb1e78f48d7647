//! Requests to a vault at Azure's interface: the challenge, the token, retries, and a refusal in the vault's own words.

use zeroize::Zeroizing;

use crate::config::{AzureConfig, Origin};
use crate::vault::{Pin, Result, VaultError};

/// A vault at Azure's interface, as one process reaches it.
pub struct Session {
    config: AzureConfig,
}

/// Whether a request may reach the vault twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or the same thing again: reading, signing, decrypting.
    Safe,
    /// It makes, changes or deletes something: it is sent again only if it surely didn't arrive.
    Never,
}

/// What the vault answered: a status of success.
pub struct Reply {
    /// The status, 200 to 299.
    pub status: u16,
    /// The body.
    pub body: Zeroizing<Vec<u8>>,
}

impl Session {
    /// Reads no file and sends nothing.
    pub fn new(config: &AzureConfig) -> Result<Self> {
        Ok(Self { config: config.clone() })
    }

    /// The vault's first address: what it is called in messages.
    pub fn origin(&self) -> &Origin {
        &self.config.remote.origins[0]
    }

    /// Whether requests can be made: the credential is complete without a PIN, or a PIN was given.
    pub fn can_ask(&self) -> bool {
        true
    }

    /// Whether the configuration alone is enough to log in.
    pub fn needs_no_pin(&self) -> bool {
        true
    }

    /// Gets a token, with the PIN as the client's secret where the configuration has none.
    ///
    /// [`VaultError::CredentialRefused`] if the authority or the vault refuses it.
    pub fn log_in(&self, _pin: Option<&Pin>) -> Result<()> {
        Err(VaultError::Unsupported("a vault at Azure's interface"))
    }

    /// Forgets token and PIN and closes connections that are idle.
    pub fn log_out(&self) {}

    /// One request and its answer: `path_and_query` without `api-version`, `body` in JSON. A status that isn't one of
    /// success is an error.
    pub fn call(&self, _method: &str, _path_and_query: &str, _body: Option<&[u8]>, _repeat: Repeat) -> Result<Reply> {
        Err(VaultError::Unsupported("a vault at Azure's interface"))
    }

    /// The same vault in a child that was forked off, which shares no connection, no token and no lock with this one.
    pub fn in_forked_child(&self) -> Self {
        Self { config: self.config.clone() }
    }
}
