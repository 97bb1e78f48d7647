//! The vaults themselves, and the one place that makes them from the configuration.

pub mod local;

use std::sync::Arc;

use crate::config::{Backend, Config};
use crate::vault::{Result, VaultAdmin};

/// Every vault that the configuration names or that lies under its vaults directory, in the configuration's order; then,
/// while there is none or with `free_slot = true`, one that isn't initialised yet.
///
/// Opens nothing: a vault that can't be opened says so when it is used.
pub fn open_all(config: &Config) -> Result<Vec<Arc<dyn VaultAdmin>>> {
    let mut vaults: Vec<Arc<dyn VaultAdmin>> = Vec::new();
    for vault in &config.vaults {
        match &vault.backend {
            Backend::Local(_) => vaults.push(local::LocalVault::open(vault)?),
        }
    }
    Ok(vaults)
}
