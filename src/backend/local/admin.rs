//! What [`VaultAdmin`] offers: making a vault, its ways to unlock, its root key, its backups.

use std::path::Path;
use std::sync::Arc;

use super::login::MIN_KEY_LEN;
use super::rewrite::Renewal;
use super::seal::RootKey;
use super::wrapped::{self, Opener, Way};
use super::{LocalVault, backup};
use crate::crypto::{self, SecretBytes};
use crate::sys::memory::WipeStack;
use crate::vault::{
    BackupLabel, BackupRequest, BackupSource, Draft, Losses, NamedInBackup, Object, ObjectNumber, Pin, RecoveryKey,
    RestoreWish, Restored, Result, Role, Rollback, Unlock, VaultAdmin, VaultError,
};

impl VaultAdmin for LocalVault {
    fn initialize(&self, label: &str, so_pin: &Pin) -> Result<()> {
        let _wipe = WipeStack;
        self.check_pin_len(so_pin.expose())?;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        if !self.directory.exists()? {
            return self.make(label, so_pin, None);
        }
        let root = self.open_root(&Unlock::Pin(Role::SecurityOfficer, so_pin.clone()))?;
        if !self.holds_objects()? {
            let new = RootKey::generate(root.number() + 1)?;
            let renewal = Renewal { root: Some(new), label: Some(label), renumber: false };
            return self.rewrite(root, &renewal, &[(Way::SoPin, so_pin.expose())], &mut |_, _| {});
        }
        if !self.local.reinitialize {
            return Err(VaultError::NotEmpty(self.directory.text()));
        }
        if self.is_purge_protected(root)? {
            return Err(VaultError::PurgeProtected);
        }
        self.make_again(label, so_pin)
    }

    fn add_key_file(&self, contents: &SecretBytes) -> Result<()> {
        if contents.len() < MIN_KEY_LEN {
            return Err(VaultError::PinLength { min: MIN_KEY_LEN, max: usize::MAX });
        }
        self.wrap_for(Way::KeyFile, contents.expose())
    }

    fn add_recovery_key(&self) -> Result<RecoveryKey> {
        let key = SecretBytes::filled(32, crypto::random)?;
        self.wrap_for(Way::Recovery, key.expose())?;
        Ok(RecoveryKey::new(key))
    }

    fn set_pin(&self, role: Role, new: &Pin) -> Result<()> {
        self.check_pin_len(new.expose())?;
        self.wrap_for(Way::pin(role), new.expose())
    }

    fn change_pin(&self, role: Role, old: &Pin, new: &Pin) -> Result<()> {
        let _wipe = WipeStack;
        self.check_pin_len(new.expose())?;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        let was_locked = self.state().root.is_none();
        drop(self.enter(&Unlock::Pin(role, old.clone()))?);
        let result = self.wrap_for(Way::pin(role), new.expose());
        if was_locked {
            crate::vault::Vault::lock(self);
        }
        result
    }

    fn rekey(&self, keep: &[Unlock], renumber: bool, progress: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let _wipe = WipeStack;
        let mut root = None;
        let mut ways = Vec::new();
        for how in keep {
            root = Some(self.open_root(how)?);
            ways.push(self.way_of(how)?);
        }
        let root = root.ok_or(VaultError::Unsupported("a rekey keeps at least one way to unlock"))?;
        let new = RootKey::generate(root.number() + 1)?;
        self.rewrite(root, &Renewal { root: Some(new), label: None, renumber }, &ways, progress)
    }

    fn is_secret_of(&self, number: ObjectNumber, value: &SecretBytes) -> Result<bool> {
        Ok(self.secret_part(number, false)? == *value)
    }

    fn create_in_place_of(&self, drafts: Vec<Draft>, replaced: &[ObjectNumber]) -> Result<Vec<Arc<Object>>> {
        let mut drafts = Some(drafts);
        self.write(&mut |state, counters, plan| {
            plan.create(state, counters, drafts.take().unwrap_or_default(), false)?;
            plan.end(state, replaced)
        })
    }

    fn purge(&self) -> Result<()> {
        let _wipe = WipeStack;
        let root = {
            let state = self.writable_state()?;
            let root = state.root.as_ref().ok_or(VaultError::Locked)?;
            root.copy()?
        };
        self.rewrite(root, &Renewal::default(), &[], &mut |_, _| {})
    }

    fn back_up(&self, request: &BackupRequest<'_>, progress: &mut dyn FnMut(usize, usize)) -> Result<BackupLabel> {
        self.write_backup(request, progress)
    }

    fn backup_label(&self, file: &Path) -> Result<BackupLabel> {
        backup::label(file)
    }

    fn try_backup(&self, source: &BackupSource<'_>, scratch: &Path) -> Result<Arc<dyn VaultAdmin>> {
        self.restore_into_scratch(source, scratch)
    }

    fn restore(
        &self,
        source: &BackupSource<'_>,
        wish: &RestoreWish<'_>,
        agree: &mut dyn FnMut(&Losses) -> bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored> {
        self.restore_whole(source, wish, agree, progress)
    }

    fn preview_restore(&self, source: &BackupSource<'_>, wish: &RestoreWish<'_>) -> Result<(BackupLabel, Losses)> {
        self.preview(source, wish)
    }

    fn restore_named(&self, source: &BackupSource<'_>, named: &NamedInBackup<'_>) -> Result<Vec<Arc<Object>>> {
        self.restore_one_name(source, named)
    }

    fn accept_rollback(&self, how: &Unlock, agree: &mut dyn FnMut(&Rollback) -> bool) -> Result<Rollback> {
        self.accept(how, agree)
    }
}

impl LocalVault {
    /// Wraps the root key of an unlocked vault for one way, in place of what was there.
    fn wrap_for(&self, way: Way, secret: &[u8]) -> Result<()> {
        let _wipe = WipeStack;
        let machine_key = self.machine_key()?;
        let (body, root_number) = {
            let state = self.writable_state()?;
            let (Some(root), Some(header)) = (&state.root, &state.loaded.header) else {
                return Err(VaultError::Locked);
            };
            let opener = Opener { way, secret, machine_key: machine_key.as_ref() };
            (wrapped::wrap(root, &opener, &header.vault_id, header.root_number)?, header.root_number)
        };
        self.write(&mut |state, _, plan| {
            if state.loaded.header.as_ref().is_none_or(|header| header.root_number != root_number) {
                return Err(VaultError::Rekeyed);
            }
            plan.set_wrapped(way, body.clone());
            Ok(())
        })?;
        Ok(())
    }
}
