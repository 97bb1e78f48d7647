//! What a vault's operator decides once for a whole vault: its tenant, how long what is deleted can be brought back, and
//! whether it can be purged before.

use serde::{Deserialize, Serialize};

use super::guid;
use super::record::{self, Record};
use crate::vault::{Image, RETENTION_DAYS, Result, Retention, Vault, VaultError};

/// The settings of one vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The tenant whose tokens count, a GUID; of the server's first vault.
    pub tenant: String,
    /// Days for which a deleted object can be brought back: 7 to 90. Said by the vault's own record.
    #[serde(skip)]
    pub retention_days: u32,
    /// Nothing is purged before its date, by nobody. Can't be taken back. Said by the vault's own record.
    #[serde(skip)]
    pub purge_protection: bool,
}

impl Record for Settings {
    const KIND: &'static str = "settings";

    fn id(&self) -> &str {
        "1"
    }
}

impl Settings {
    fn new() -> Result<Self> {
        Ok(Self { tenant: guid::random()?, retention_days: 0, purge_protection: false }.with(Retention::default()))
    }

    fn with(self, retention: Retention) -> Self {
        Self { retention_days: retention.days, purge_protection: retention.purge_protection, ..self }
    }

    /// What the image says; `None` if no server has served the vault yet.
    pub fn of(image: &Image) -> Option<Self> {
        let stored = record::find::<Self>(image, "1")?;
        Some(stored.record.with(Retention::of(image)?))
    }

    /// The vault's settings, made when they are first asked for.
    pub fn ensure(vault: &dyn Vault) -> Result<Self> {
        if let Some(settings) = Self::of(&vault.image()) {
            return Ok(settings);
        }
        Retention::change(vault, &mut |_| {})?;
        let fresh = Self::new()?;
        vault.transact(&mut |image| match record::find::<Self>(image, "1") {
            Some(_) => Ok(Vec::new()),
            None => Ok(vec![record::create(&fresh, None)]),
        })?;
        Self::of(&vault.image()).ok_or(VaultError::NotFound)
    }

    /// `recoveryLevel` of objects in this vault.
    pub fn recovery_level(&self) -> &'static str {
        match (self.retention_days < *RETENTION_DAYS.end(), self.purge_protection) {
            (false, false) => "Recoverable+Purgeable",
            (false, true) => "Recoverable",
            (true, false) => "CustomizedRecoverable+Purgeable",
            (true, true) => "CustomizedRecoverable",
        }
    }
}
