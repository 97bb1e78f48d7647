//! Logging in: wrong PINs are counted before they are tried, and the vault is read whole and verified.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::{MutexGuard, PoisonError};

use zeroize::Zeroizing;

use super::header;
use super::record::TOMBSTONE;
use super::seal::RootKey;
use super::store::{Attempts, Store};
use super::wrapped::{self, Opener, Way};
use super::{LocalVault, State};
use crate::config::UnlockConfig;
use crate::crypto::SecretBytes;
use crate::vault::{PinState, Result, Retention, Role, Unlock, VaultError, VaultInfo};

/// Longest PIN, in bytes.
const MAX_PIN_LEN: usize = 255;
/// How many rekeys in a row may come between a PIN and what it opens.
const REKEYS_SURVIVED: usize = 8;
/// Shortest key in a file: 256 bits.
pub(super) const MIN_KEY_LEN: usize = 32;

impl LocalVault {
    pub(super) fn log_in(&self, how: &Unlock) -> Result<()> {
        if self.heir {
            return self.log_in_as_heir(how);
        }
        let state = self.enter(how)?;
        self.publish(&state);
        drop(state);
        self.unlocked.store(true, Ordering::Release);
        if !matches!(how, Unlock::Pin(Role::SecurityOfficer, _)) {
            self.remember_for_children(how)?;
        }
        Ok(())
    }

    /// Opens the root key and loads everything with it. Again, when somebody replaced it in between.
    pub(super) fn enter(&self, how: &Unlock) -> Result<MutexGuard<'_, State>> {
        for _ in 0..REKEYS_SURVIVED {
            let root = self.open_root(how)?;
            let mut state = self.state();
            match self.adopt(&mut state, root) {
                Err(VaultError::Rekeyed) => {}
                entered => return entered.map(|()| state),
            }
        }
        Err(VaultError::Rekeyed)
    }

    /// Takes a root key in and loads everything with it; a state that was verified stays.
    pub(super) fn adopt(&self, state: &mut State, root: RootKey) -> Result<()> {
        if state.root.as_ref().is_none_or(|old| old.number() != root.number()) {
            state.root = Some(Arc::new(root));
            state.rekeyed = false;
            state.loaded.verified = false;
        }
        let loaded = self.reload(state);
        if loaded.is_err() && !state.loaded.verified {
            state.forget();
        }
        loaded
    }

    /// The root key, by one of the ways.
    pub(super) fn open_root(&self, how: &Unlock) -> Result<RootKey> {
        self.check_exists()?;
        let (way, secret) = self.way_of(how)?;
        if way.is_pin() { self.open_with_pin(way, secret) } else { self.open_with_key(way, secret) }
    }

    /// Which of the vault's ways it is, and what opens it.
    pub(super) fn way_of<'a>(&'a self, how: &'a Unlock) -> Result<(Way, &'a [u8])> {
        match how {
            Unlock::Pin(role, pin) => Ok((Way::pin(*role), pin.expose())),
            Unlock::Recovery(key) => Ok((Way::Recovery, key.expose())),
            Unlock::Configured => match &self.config.unlock {
                Some(UnlockConfig::Pin(pin)) => Ok((Way::UserPin, pin)),
                Some(UnlockConfig::Key(key)) => Ok((Way::KeyFile, key)),
                None => Err(VaultError::Unsupported("the configuration doesn't say how to unlock this vault")),
            },
        }
    }

    fn open_with_key(&self, way: Way, key: &[u8]) -> Result<RootKey> {
        self.try_way(way, key)?.root.ok_or(VaultError::KeyIncorrect(way.text()))
    }

    /// One attempt at a time on one vault, each counted durably before it is made. The same wrong PIN again isn't
    /// counted twice, so that a wrong PIN in a configuration never locks.
    fn open_with_pin(&self, way: Way, pin: &[u8]) -> Result<RootKey> {
        let limit = self.local.max_attempts;
        let read_only = self.check_directory()?;
        let _one_at_a_time = if read_only { None } else { Some(self.directory.lock_pin()?) };
        let mut attempts = self.attempts(way, read_only)?;
        if attempts.failed >= limit {
            return Err(VaultError::PinLocked);
        }
        let before = attempts.clone();
        attempts.failed += 1;
        self.count(way, &attempts, read_only)?;
        let tried = match self.try_way(way, pin) {
            Ok(tried) => tried,
            Err(error) => {
                // That was no verdict on the PIN.
                self.count(way, &before, read_only)?;
                return Err(error);
            }
        };
        if let Some(root) = tried.root {
            self.count(way, &Attempts::default(), read_only)?;
            return Ok(root);
        }
        if attempts.seen.contains(&tried.fingerprint) {
            attempts.failed -= 1;
        } else {
            attempts.seen.push(tried.fingerprint);
        }
        self.count(way, &attempts, read_only)?;
        Err(VaultError::PinIncorrect { remaining: limit.saturating_sub(attempts.failed) })
    }

    fn try_way(&self, way: Way, secret: &[u8]) -> Result<wrapped::Tried> {
        let file = self.directory.database().display().to_string();
        let mut found = None;
        self.read(&mut |snapshot| {
            let header = snapshot.header()?;
            header::check_format(&header, &file)?;
            let wrapped = snapshot.wrapped_keys()?;
            wrapped::check_all(&wrapped, &header.vault_id, header.root_number, &file)?;
            let body = wrapped.into_iter().find(|(kind, _)| *kind == way as u8).map(|(_, body)| body);
            found = Some((header, body));
            Ok(())
        })?;
        let (header, body) = found.ok_or_else(|| VaultError::NotInitialized(self.directory.text()))?;
        let body = body.ok_or(VaultError::PinNotSet)?;
        let machine_key = if wrapped::needs_machine_key(&body) { self.machine_key()? } else { None };
        let opener = Opener { way, secret, machine_key: machine_key.as_ref() };
        wrapped::unwrap(&body, &opener, &header.vault_id, header.root_number, &file)
    }

    fn attempts(&self, way: Way, read_only: bool) -> Result<Attempts> {
        let mut attempts = Attempts::default();
        self.read(&mut |snapshot| {
            attempts = snapshot.attempts(way as u8)?;
            Ok(())
        })?;
        if read_only {
            let counted = self.uncommitted.lock().unwrap_or_else(PoisonError::into_inner);
            attempts = counted.get(&(way as u8)).cloned().unwrap_or(attempts);
        }
        Ok(attempts)
    }

    /// Durably; in memory where nothing can be written.
    fn count(&self, way: Way, attempts: &Attempts, read_only: bool) -> Result<()> {
        if read_only {
            let mut counted = self.uncommitted.lock().unwrap_or_else(PoisonError::into_inner);
            counted.insert(way as u8, attempts.clone());
            return Ok(());
        }
        let _process = self.directory.lock_process()?;
        let _writer = self.directory.lock_writer()?;
        self.store().write(&mut |transaction| {
            transaction.set_attempts(way as u8, attempts)?;
            transaction.commit()
        })
    }

    /// The key outside the directory, if the configuration names one.
    pub(super) fn machine_key(&self) -> Result<Option<SecretBytes>> {
        let Some(path) = &self.local.machine_key else { return Ok(None) };
        let fail = |source| VaultError::Io { path: path.display().to_string(), source };
        let bytes = Zeroizing::new(std::fs::read(path).map_err(fail)?);
        if bytes.len() < MIN_KEY_LEN {
            let problem = "a machine key has at least 32 random bytes".to_owned();
            return Err(VaultError::Unsafe { path: path.display().to_string(), problem });
        }
        Ok(Some(SecretBytes::from_slice(&bytes)))
    }

    /// Refuses a new PIN that is too short or too long.
    pub(super) fn check_pin_len(&self, pin: &[u8]) -> Result<()> {
        let (min, max) = (self.local.min_pin_len, MAX_PIN_LEN);
        if (min..=max).contains(&pin.len()) { Ok(()) } else { Err(VaultError::PinLength { min, max }) }
    }

    pub(super) fn describe(&self) -> Result<VaultInfo> {
        let mut info = VaultInfo {
            location: self.directory.text(),
            slot_id: self.slot_id_of_path(),
            pin_len: (self.local.min_pin_len, MAX_PIN_LEN),
            unlock_configured: self.config.unlock.is_some(),
            show_all_versions: self.config.show_all_versions,
            allow_conflicting_usage: self.config.allow_conflicting_usage,
            ..VaultInfo::default()
        };
        if self.heir {
            let published = self.published.load();
            if let Some(header) = &published.header {
                self.describe_header(&mut info, header);
            }
            info.read_only = true;
            info.user_pin = Some(self.pin_state_of_heir());
            info.so_pin = Some(PinState { failed: 0, limit: self.local.max_attempts });
            return Ok(info);
        }
        if !self.directory.exists()? {
            return Ok(info);
        }
        info.read_only = self.check_directory()?;
        self.read(&mut |snapshot| {
            self.describe_header(&mut info, &snapshot.header()?);
            for (kind, _) in snapshot.wrapped_keys()? {
                let failed = snapshot.attempts(kind)?.failed;
                let state = Some(PinState { failed, limit: self.local.max_attempts });
                match kind {
                    kind if kind == Way::UserPin as u8 => info.user_pin = state,
                    kind if kind == Way::SoPin as u8 => info.so_pin = state,
                    kind if kind == Way::Recovery as u8 => info.has_recovery_key = true,
                    _ => {}
                }
            }
            Ok(())
        })?;
        Ok(info)
    }

    fn describe_header(&self, info: &mut VaultInfo, header: &super::HeaderRow) {
        info.initialized = true;
        info.label = header.label.clone();
        info.serial = header.serial.clone();
        info.slot_id = header.slot_id;
    }

    /// Whether the store holds objects, which aren't opened.
    pub(super) fn holds_objects(&self) -> Result<bool> {
        let mut holds = false;
        self.read(&mut |snapshot| {
            snapshot.scan(0, &mut |row| {
                holds |= row.kind != TOMBSTONE;
                Ok(())
            })
        })?;
        Ok(holds)
    }

    /// Whether the vault that `root` opens has purge protection, by what is in it now and found whole.
    pub(super) fn is_purge_protected(&self, root: RootKey) -> Result<bool> {
        let mut state = State::new()?;
        state.root = Some(Arc::new(root));
        self.load_newest(&mut state)?;
        Ok(Retention::of(&state.loaded.image).is_some_and(|retention| retention.purge_protection))
    }
}
