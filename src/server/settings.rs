//! What a vault's operator decides once for a whole vault: its tenant, how long what is deleted can be brought back, and
//! whether it can be purged before.

use serde::{Deserialize, Serialize};

use super::guid;
use super::record::{self, Record};
use crate::vault::{Image, Result, Vault};

/// The settings of one vault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The tenant whose tokens count, a GUID; of the server's first vault.
    pub tenant: String,
    /// Days for which a deleted object can be brought back: 7 to 90.
    pub retention_days: u32,
    /// Nothing is purged before its date, by nobody. Can't be taken back.
    pub purge_protection: bool,
}

/// Days of retention that can be chosen.
pub const RETENTION_DAYS: std::ops::RangeInclusive<u32> = 7..=90;

impl Record for Settings {
    const KIND: &'static str = "settings";

    fn id(&self) -> &str {
        "1"
    }
}

impl Settings {
    fn new() -> Result<Self> {
        Ok(Self { tenant: guid::random()?, retention_days: *RETENTION_DAYS.end(), purge_protection: false })
    }

    /// What the image says; `None` if no server has served the vault yet.
    pub fn of(image: &Image) -> Option<Self> {
        record::find::<Self>(image, "1").map(|stored| stored.record)
    }

    /// The vault's settings, made when they are first asked for.
    pub fn ensure(vault: &dyn Vault) -> Result<Self> {
        match Self::of(&vault.image()) {
            Some(settings) => Ok(settings),
            None => Self::change(vault, &mut |_| {}),
        }
    }

    /// Changes the settings. Purge protection stays once it is on, and the tenant stays.
    pub fn change(vault: &dyn Vault, edit: &mut dyn FnMut(&mut Self)) -> Result<Self> {
        let fresh = Self::new()?;
        let mut changed = fresh.clone();
        vault.transact(&mut |image| {
            let present = record::find::<Self>(image, "1");
            let before = present.as_ref().map_or(&fresh, |stored| &stored.record);
            changed = before.clone();
            edit(&mut changed);
            changed.tenant.clone_from(&before.tenant);
            changed.purge_protection |= before.purge_protection;
            Ok(vec![match &present {
                Some(stored) => record::replace(stored.number, &changed),
                None => record::create(&changed, None),
            }])
        })?;
        Ok(changed)
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
