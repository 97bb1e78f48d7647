//! Making a vault, changing its ways to unlock, replacing its root key.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest;

use super::changes::Page;
use super::header::{self, Counters, FORMAT};
use super::login::MIN_KEY_LEN;
use super::record::TOMBSTONE;
use super::seal::{self, Part, RootKey, RowCode};
use super::store::{Attempts, HeaderRow, Row, SqliteStore, Store, Transaction};
use super::sum::RecordSum;
use super::wrapped::{self, Opener, Way};
use super::{LocalVault, State};
use crate::crypto::{self, SecretBytes};
use crate::sys::file::{self, TrackedFile};
use crate::vault::{Pin, RecoveryKey, Result, Role, Unlock, VaultAdmin, VaultError};

/// What of a vault stays when it is made again in the same place.
struct Identity {
    vault_id: [u8; 16],
    slot_id: u32,
}

impl VaultAdmin for LocalVault {
    fn initialize(&self, label: &str, so_pin: &Pin) -> Result<()> {
        self.check_pin_len(so_pin.expose())?;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        if !self.directory.exists()? {
            return self.make(label, so_pin, None);
        }
        let root = self.open_root(&Unlock::Pin(Role::SecurityOfficer, so_pin.clone()))?;
        if !self.holds_objects()? {
            let new = RootKey::generate()?;
            return self.rewrite(root, Some(new), Some(label), &[(Way::SoPin, so_pin.expose())], &mut |_, _| {});
        }
        if !self.local.reinitialize {
            return Err(VaultError::NotEmpty(self.directory.text()));
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
        self.check_pin_len(new.expose())?;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        let root = self.open_root(&Unlock::Pin(role, old.clone()))?;
        let was_locked = {
            let mut state = self.state();
            let was_locked = state.root.is_none();
            self.adopt(&mut state, root)?;
            was_locked
        };
        let result = self.wrap_for(Way::pin(role), new.expose());
        if was_locked {
            crate::vault::Vault::lock(self);
        }
        crate::sys::memory::wipe_stack();
        result
    }

    fn rekey(&self, keep: &[Unlock], progress: &mut dyn FnMut(usize, usize)) -> Result<()> {
        let mut root = None;
        let mut ways = Vec::new();
        for how in keep {
            root = Some(self.open_root(how)?);
            ways.push(match how {
                Unlock::Pin(role, pin) => (Way::pin(*role), SecretBytes::from_slice(pin.expose())),
                Unlock::Recovery(key) => (Way::Recovery, SecretBytes::from_slice(key.expose())),
                Unlock::KeyFile(path) => {
                    let read = std::fs::read(path);
                    let read = read.map_err(|source| VaultError::Io { path: path.display().to_string(), source })?;
                    (Way::KeyFile, SecretBytes::from_slice(&zeroize::Zeroizing::new(read)))
                }
                Unlock::Configured => return Err(VaultError::Unsupported("name the PINs and keys that a rekey keeps")),
            });
        }
        let root = root.ok_or(VaultError::Unsupported("a rekey keeps at least one way to unlock"))?;
        let ways: Vec<(Way, &[u8])> = ways.iter().map(|(way, secret)| (*way, secret.expose())).collect();
        let result = self.rewrite(root, Some(RootKey::generate()?), None, &ways, progress);
        crate::sys::memory::wipe_stack();
        result
    }

    fn purge(&self) -> Result<()> {
        let root = {
            let state = self.writable_state()?;
            let root = state.root.as_ref().ok_or(VaultError::Locked)?;
            copy(root)?
        };
        self.rewrite(root, None, None, &[], &mut |_, _| {})
    }
}

fn copy(root: &RootKey) -> Result<RootKey> {
    let bytes = root.expose().first_chunk().ok_or(VaultError::Locked)?;
    RootKey::from_bytes(bytes)
}

impl LocalVault {
    /// Wraps the root key of an unlocked vault for one way, in place of what was there.
    fn wrap_for(&self, way: Way, secret: &[u8]) -> Result<()> {
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

    /// The slot of the vault that would be made at this path: 31 bits of a digest over it.
    pub(super) fn slot_id_of_path(&self) -> u32 {
        let path = self.directory.path().as_os_str().as_encoded_bytes();
        let digest = digest::digest(&digest::SHA256, path);
        digest.as_ref().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) & 0x7FFF_FFFF)
    }

    /// Makes the directory under another name and renames it, so that it is there whole or not at all.
    fn make(&self, label: &str, so_pin: &Pin, identity: Option<Identity>) -> Result<()> {
        let path = self.directory.path();
        let fail = |source| VaultError::Io { path: path.display().to_string(), source };
        let parent = path.parent().unwrap_or(Path::new("/"));
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(fail)?;
        if self.directory.check_file_system(parent)? {
            return Err(VaultError::ReadOnly(parent.display().to_string()));
        }
        let mut suffix = [0; 8];
        crypto::random(&mut suffix)?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let staging = parent.join(format!(".{name}.new-{}", super::loaded::hex(&suffix)));
        let made = self.fill(&staging, label, so_pin, identity).and_then(|()| {
            std::fs::rename(&staging, path).map_err(|source| match source.kind() {
                io::ErrorKind::DirectoryNotEmpty => VaultError::Unsafe {
                    path: path.display().to_string(),
                    problem: "holds other files: name an empty or a new directory for the vault".into(),
                },
                _ => fail(source),
            })?;
            file::sync_directory(parent).map_err(fail)
        });
        if made.is_err() {
            // Nothing in there is anybody's yet.
            let _ = std::fs::remove_dir_all(&staging);
        }
        made
    }

    fn fill(&self, directory: &Path, label: &str, so_pin: &Pin, identity: Option<Identity>) -> Result<()> {
        let fail = |source| VaultError::Io { path: directory.display().to_string(), source };
        let identity = match identity {
            Some(identity) => identity,
            None => {
                let mut vault_id = [0; 16];
                crypto::random(&mut vault_id)?;
                Identity { vault_id, slot_id: self.slot_id_of_path() }
            }
        };
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(fail)?;
        for name in ["lock", "vault.db"] {
            drop(TrackedFile::create(&directory.join(name), self.directory.file_mode()).map_err(fail)?);
        }
        Page::create(directory, self.directory.file_mode())?;
        let root = RootKey::generate()?;
        let machine_key = self.machine_key()?;
        let opener = Opener { way: Way::SoPin, secret: so_pin.expose(), machine_key: machine_key.as_ref() };
        let body = wrapped::wrap(&root, &opener, &identity.vault_id, 1)?;
        let mut header = new_header(label, &identity)?;
        let digest = wrapped::digest_of(&[(Way::SoPin as u8, body.clone())]);
        Counters::new(digest).seal_into(&root, &mut header)?;
        SqliteStore::create(&directory.join("vault.db"), &mut |transaction| {
            transaction.set_header(&header)?;
            transaction.set_wrapped_key(Way::SoPin as u8, Some(&body))?;
            transaction.commit()
        })?;
        self.hand_to_group(directory)?;
        file::sync_directory(directory).map_err(fail)
    }

    /// Gives directory and files their final group and modes.
    fn hand_to_group(&self, directory: &Path) -> Result<()> {
        let fail = |source| VaultError::Io { path: directory.display().to_string(), source };
        let names = ["", "lock", "vault.db", "vault.db-journal", "changes"];
        for path in names.map(|name| directory.join(name)).iter().filter(|path| path.exists()) {
            if let Some(gid) = self.directory.group_gid() {
                std::os::unix::fs::chown(path, None, Some(gid)).map_err(fail)?;
            }
            let is_directory = path.is_dir();
            let mode = if is_directory { self.directory.directory_mode() } else { self.directory.file_mode() };
            std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).map_err(fail)?;
        }
        Ok(())
    }

    /// Moves a vault that holds objects aside and makes a new one in its place, with its id and slot.
    fn make_again(&self, label: &str, so_pin: &Pin) -> Result<()> {
        let mut identity = None;
        self.read(&mut |snapshot| {
            let header = snapshot.header()?;
            identity = Some(Identity { vault_id: header.vault_id, slot_id: header.slot_id });
            Ok(())
        })?;
        let aside = {
            let _process = self.directory.lock_process()?;
            let _writer = self.directory.lock_writer()?;
            if let Some(page) = self.page() {
                page.writer()?.close()?;
            }
            let aside = free_name(self.directory.path());
            std::fs::rename(self.directory.path(), &aside)
                .map_err(|source| VaultError::Io { path: self.directory.text(), source })?;
            aside
        };
        tracing::warn!(from = %self.directory.text(), to = %aside.display(), "the old vault was moved aside");
        self.page.store(None);
        self.make(label, so_pin, identity)
    }

    /// Writes every live record anew, under `new` if it is given, drops tombstones and old ways to unlock, and overwrites
    /// the free space. One transaction in the same file.
    fn rewrite(
        &self,
        root: RootKey,
        new: Option<RootKey>,
        label: Option<&str>,
        ways: &[(Way, &[u8])],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let mut state = self.state();
        let was_unlocked = state.root.is_some();
        let machine_key = self.machine_key()?;
        self.adopt(&mut state, copy(&root)?)?;
        let vault_id = state.loaded.header.as_ref().ok_or(VaultError::Locked)?.vault_id;
        let number = state.loaded.header.as_ref().map_or(1, |header| header.root_number + u64::from(new.is_some()));
        let sealing = new.as_ref().unwrap_or(&root);
        let mut bodies = Vec::new();
        for (way, secret) in ways {
            let opener = Opener { way: *way, secret, machine_key: machine_key.as_ref() };
            bodies.push((*way, wrapped::wrap(sealing, &opener, &vault_id, number)?));
        }
        let process = self.directory.lock_process()?;
        let writer = self.directory.lock_writer()?;
        let mut header = None;
        self.store().write(&mut |transaction| {
            let page = self.bring_up_to_date(&mut state, &*transaction)?;
            let written = rewrite_rows(&*transaction, &state, &root, sealing, new.is_some(), progress)?;
            let old = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
            let mut next = HeaderRow { commit: old.commit + 1, root_number: number, ..old.clone() };
            if let Some(label) = label {
                next.label = label.to_owned();
            }
            let mut counters = Counters { sum: written, ..state.counters[0] };
            if new.is_some() {
                replace_ways(&*transaction, &bodies)?;
                counters.wrapped_digest = wrapped::digest_of(&wrapped::with(Vec::new(), &bodies));
            }
            counters.seal_into(sealing, &mut next)?;
            transaction.set_header(&next)?;
            page.writer()?.set_started(next.commit)?;
            transaction.commit()?;
            page.writer()?.set_done(next.commit, &header::tag(&next))?;
            header = Some(next);
            Ok(())
        })?;
        self.store().compact()?;
        drop((writer, process));
        state.forget();
        state.root = Some(copy(sealing)?);
        self.reload(&mut state)?;
        if !was_unlocked {
            state.forget();
        }
        self.publish(&state);
        Ok(())
    }
}

/// Seals every live row under `new`, if there is one, and erases tombstones; returns the sum over what is there now.
fn rewrite_rows(
    transaction: &dyn Transaction,
    state: &State,
    root: &RootKey,
    new: &RootKey,
    reseal: bool,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<RecordSum> {
    let header = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
    let total = state.loaded.entries.size();
    let mut rows: Vec<Row> = Vec::with_capacity(total);
    let mut tombstones = Vec::new();
    transaction.scan(0, &mut |row| {
        match row.kind {
            TOMBSTONE => tombstones.push(row.seq),
            _ => rows.push(row),
        }
        Ok(())
    })?;
    for seq in tombstones {
        transaction.erase(seq)?;
    }
    let mut sum = RecordSum::default();
    for (done, row) in rows.into_iter().enumerate() {
        let row = if reseal { resealed(root, new, header, row)? } else { row };
        sum.add(row.id, new.code(&RowCode::of(&row)));
        if reseal {
            transaction.put(&row, Some(row.seq))?;
        }
        progress(done + 1, total);
    }
    Ok(sum)
}

fn resealed(root: &RootKey, new: &RootKey, header: &HeaderRow, mut row: Row) -> Result<Row> {
    let vault = &header.vault_id;
    let bound = seal::row_binding(vault, &row);
    let old_salt = row.salt;
    row.salt = seal::fresh_salt()?;
    let damaged = || VaultError::Damaged {
        file: "vault.db".into(),
        what: format!("record {} was changed by somebody else", super::loaded::hex(&row.id)),
    };
    let reseal = |part: Part, sealed: &[u8]| -> Result<Vec<u8>> {
        let plain = root.part_key(vault, &row.id, part, &old_salt)?.open(&bound, sealed)?.ok_or_else(damaged)?;
        new.part_key(vault, &row.id, part, &row.salt)?.seal(&bound, plain.expose())
    };
    let attributes = reseal(Part::Attributes, &row.attributes)?;
    let secret = if row.secret.is_empty() { Vec::new() } else { reseal(Part::Private, &row.secret)? };
    Ok(Row { attributes, secret, ..row })
}

fn replace_ways(transaction: &dyn Transaction, bodies: &[(Way, Vec<u8>)]) -> Result<()> {
    for (kind, _) in transaction.wrapped_keys()? {
        transaction.set_wrapped_key(kind, None)?;
        transaction.set_attempts(kind, &Attempts::default())?;
    }
    for (way, body) in bodies {
        transaction.set_wrapped_key(*way as u8, Some(body))?;
    }
    Ok(())
}

fn new_header(label: &str, identity: &Identity) -> Result<HeaderRow> {
    let mut serial = [0; 8];
    crypto::random(&mut serial)?;
    Ok(HeaderRow {
        commit: 1,
        format: FORMAT,
        root_number: 1,
        vault_id: identity.vault_id,
        slot_id: identity.slot_id,
        serial: super::loaded::hex(&serial),
        label: label.to_owned(),
        salt: [0; 32],
        sealed: Vec::new(),
    })
}

/// A name beside `path` that nobody has.
fn free_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..).map(|number| path.with_file_name(format!("{name}.old-{number}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| path.with_extension("old"))
}
