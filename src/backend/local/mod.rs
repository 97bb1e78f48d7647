//! The local vault: an encrypted directory on this machine's disk.

use std::sync::Arc;

use crate::config::VaultConfig;
use crate::vault::*;

/// A vault in a directory.
pub struct LocalVault {}

impl LocalVault {
    /// The vault that `config` names, whether it exists yet or not.
    pub fn new(config: &VaultConfig) -> Result<Arc<dyn VaultAdmin>> {
        todo!()
    }
}
