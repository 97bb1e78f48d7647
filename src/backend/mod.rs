//! The vaults themselves, and the one place that makes them from the configuration.

pub mod azure;
pub mod local;
pub mod remote;

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use globset::{Glob, GlobSet, GlobSetBuilder};

use crate::config::{Backend, Config};
use crate::vault::{Result, VaultAdmin, VaultError};

/// The vaults of the configuration, in its order. Opens nothing: a vault that can't be opened says so when it is used, and
/// a place without one says that it isn't initialised.
pub fn open_all(config: &Config) -> Result<Vec<Arc<dyn VaultAdmin>>> {
    let mut vaults: Vec<Arc<dyn VaultAdmin>> = Vec::new();
    for vault in &config.vaults {
        match &vault.backend {
            Backend::Local(_) => vaults.push(local::LocalVault::open(vault)?),
            Backend::Azure(azure) => vaults.push(azure::AzureVault::open(vault, azure)?),
        }
    }
    Ok(vaults)
}

/// The globs of `objects`; none means all.
fn globs(globs: &[String]) -> Result<Option<GlobSet>> {
    if globs.is_empty() {
        return Ok(None);
    }
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob).map_err(|_| VaultError::Unsupported("a pattern in `objects` is no glob"))?);
    }
    set.build().map(Some).map_err(|_| VaultError::Unsupported("the patterns in `objects` are too large"))
}

/// Seconds since 1970.
fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64)
}
