//! What a forked child may do.
//!
//! A child that may open the vault logs in by itself, with a root key and an image of its own. One that may not (nginx's
//! and Apache's workers, which gave root's rights up) serves the image and the key ring of its parent, read-only.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use arc_swap::{ArcSwap, ArcSwapOption};
use aws_lc_rs::hmac;
use tracing::info;

use super::{LocalVault, Published};
use crate::config::UnlockConfig;
use crate::sys::file;
use crate::sys::memory::FamilyPage;
use crate::vault::{Pin, PinState, Result, Role, Unlock, VaultAdmin, VaultError};

/// What parent and children share to check a PIN against mistakes, after a good login: 16 bits of a code over it, too few
/// to find the PIN by trying offline, and a counter of failures.
pub struct Family {
    page: FamilyPage,
    key: [u8; 32],
}

const SET: u32 = 1 << 16;

impl Family {
    fn new() -> Result<Self> {
        let page = FamilyPage::new().map_err(super::seal::no_memory)?;
        let mut key = [0; 32];
        crate::crypto::random(&mut key)?;
        Ok(Self { page, key })
    }

    fn check_bits(&self) -> &AtomicU32 {
        self.page.number(0)
    }

    fn failures(&self) -> &AtomicU32 {
        self.page.number(1)
    }

    fn bits(&self, pin: &Pin) -> u32 {
        let code = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &self.key), pin.expose());
        SET | u32::from(code.as_ref()[0]) << 8 | u32::from(code.as_ref()[1])
    }

    fn remember(&self, pin: &Pin) {
        self.check_bits().store(self.bits(pin), Ordering::Release);
        self.failures().store(0, Ordering::Release);
    }

    fn check(&self, pin: &Pin, limit: u32) -> Result<()> {
        if self.failures().load(Ordering::Acquire) >= limit {
            return Err(VaultError::PinLocked);
        }
        // Only wrong PINs are counted: many workers with the right one must not lock each other out.
        if self.check_bits().load(Ordering::Acquire) != self.bits(pin) {
            let failed = self.failures().fetch_add(1, Ordering::AcqRel) + 1;
            return Err(VaultError::PinIncorrect { remaining: limit.saturating_sub(failed) });
        }
        self.failures().store(0, Ordering::Release);
        Ok(())
    }

    fn state(&self, limit: u32) -> PinState {
        PinState { failed: self.failures().load(Ordering::Acquire), limit }
    }
}

impl LocalVault {
    /// The vault in a child that was just forked off; `self` is the parent's, whose locks are never touched.
    pub(super) fn child(&self) -> Result<Arc<dyn VaultAdmin>> {
        let torn = crate::sys::descriptor::torn();
        let may_open = !torn && file::may_open(&self.directory.database());
        let published = self.published.load_full();
        let inherits = published.verified || torn || self.heir;
        let fresh = Self::build(&self.config)?;
        if may_open || !inherits {
            return Ok(Arc::new(fresh));
        }
        info!(
            vault = self.config.name,
            "this forked process can't open the vault: it serves what its parent had loaded"
        );
        published.entries.values().for_each(|entry| entry.lock_again());
        Ok(Arc::new(Self {
            published: ArcSwap::from_pointee(Published::without_root(&published)),
            page: ArcSwapOption::new(self.page.load_full()),
            family: self.family.get().map_or_else(OnceLock::new, |family| OnceLock::from(Arc::clone(family))),
            heir: true,
            read_only: OnceLock::from(true),
            ..fresh
        }))
    }

    /// Notes a good login, so that children who can't open the vault can check the same PIN.
    pub(super) fn remember_for_children(&self, how: &Unlock) -> Result<()> {
        let family = match self.family.get() {
            Some(family) => family,
            None => {
                let family = Arc::new(Family::new()?);
                self.family.get_or_init(|| family)
            }
        };
        match self.user_pin(how) {
            Some(pin) => family.remember(&pin),
            // Unlocked by a key: there is no PIN to check.
            None => family.check_bits().store(0, Ordering::Release),
        }
        Ok(())
    }

    /// A login in a child that can't open the vault: microseconds.
    pub(super) fn log_in_as_heir(&self, how: &Unlock) -> Result<()> {
        let refused = || VaultError::ForkedReader(self.directory.text());
        let family = self.family.get().filter(|_| self.published.load().verified).ok_or_else(refused)?;
        match (self.user_pin(how), how) {
            (Some(pin), _) => family.check(&pin, self.local.max_attempts)?,
            (None, Unlock::Configured) if self.config.unlock.is_some() => {}
            _ => return Err(refused()),
        }
        self.unlocked.store(true, Ordering::Release);
        Ok(())
    }

    /// How the PIN stands in this process's family.
    pub(super) fn pin_state_of_heir(&self) -> PinState {
        let limit = self.local.max_attempts;
        self.family.get().map_or(PinState { failed: 0, limit }, |family| family.state(limit))
    }

    fn user_pin(&self, how: &Unlock) -> Option<Pin> {
        match (how, &self.config.unlock) {
            (Unlock::Pin(Role::User, pin), _) => Some(pin.clone()),
            (Unlock::Configured, Some(UnlockConfig::Pin(pin))) => Some(Pin::new(pin.to_vec())),
            _ => None,
        }
    }
}
