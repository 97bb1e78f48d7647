//! The vaults themselves, and the one place that makes them from the configuration.

pub mod azure;
pub mod local;

use std::sync::Arc;

use crate::config::{Backend, Config};
use crate::vault::{Result, VaultAdmin, VaultError};

/// The vaults of the configuration, in its order. Opens nothing: a vault that can't be opened says so when it is used, and
/// a place without one says that it isn't initialised.
pub fn open_all(config: &Config) -> Result<Vec<Arc<dyn VaultAdmin>>> {
    let mut vaults: Vec<Arc<dyn VaultAdmin>> = Vec::new();
    for vault in &config.vaults {
        match &vault.backend {
            Backend::Local(_) => vaults.push(local::LocalVault::open(vault)?),
            Backend::Azure(_) => return Err(VaultError::Unsupported("a vault at Azure's interface")),
        }
    }
    Ok(vaults)
}
