//! Making a vault: whole or not at all.

use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::Path;

use aws_lc_rs::digest;

use super::LocalVault;
use super::changes::Page;
use super::header::{Counters, FORMAT};
use super::seal::RootKey;
use super::store::{self, HeaderRow};
use super::wrapped::{self, Opener, Way};
use crate::crypto;
use crate::sys::descriptor::VAULT_FILE;
use crate::sys::file::{self, TrackedFile};
use crate::vault::{Pin, Result, VaultError};

/// What of a vault stays when it is made again in the same place.
pub(super) struct Identity {
    vault_id: [u8; 16],
    slot_id: u32,
}

impl LocalVault {
    /// The slot of the vault that would be made at this path: 31 bits of a digest over it.
    pub(super) fn slot_id_of_path(&self) -> u32 {
        let path = self.directory.path().as_os_str().as_encoded_bytes();
        let digest = digest::digest(&digest::SHA256, path);
        digest.as_ref().first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes) & 0x7FFF_FFFF)
    }

    pub(super) fn make(&self, label: &str, so_pin: &Pin, identity: Option<Identity>) -> Result<()> {
        let mut identity = identity;
        let mut fill = |directory: &Path| self.fill(directory, label, so_pin, identity.take());
        self.make_whole(&mut fill, &mut |staging| self.take_empty_place(staging))
    }

    /// Makes the directory under another name, filled by `fill`, and puts it in its place by `put`, so that it is there
    /// whole or not at all.
    pub(super) fn make_whole(
        &self,
        fill: &mut dyn FnMut(&Path) -> Result<()>,
        put: &mut dyn FnMut(&Path) -> Result<()>,
    ) -> Result<()> {
        let parent = self.parent();
        let fail = |source| VaultError::Io { path: parent.display().to_string(), source };
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(parent).map_err(fail)?;
        if self.directory.check_file_system(parent)? {
            return Err(VaultError::ReadOnly(parent.display().to_string()));
        }
        self.remove_unfinished();
        let staging = self.begin_staging()?;
        let made = fill(&staging.path)
            .and_then(|()| put(&staging.path))
            .and_then(|()| file::sync_directory(parent).map_err(fail));
        if made.is_err() {
            // Nothing in there is anybody's yet.
            let _ = std::fs::remove_dir_all(&staging.path);
        }
        made
    }

    /// Renames what was made; nothing but an empty directory may be there.
    pub(super) fn take_empty_place(&self, staging: &Path) -> Result<()> {
        let path = self.directory.path();
        std::fs::rename(staging, path).map_err(|source| match source.kind() {
            io::ErrorKind::DirectoryNotEmpty => VaultError::Unsafe {
                path: self.directory.text(),
                problem: "holds other files: name an empty or a new directory for the vault".into(),
            },
            _ => VaultError::Io { path: self.directory.text(), source },
        })
    }

    fn fill(&self, directory: &Path, label: &str, so_pin: &Pin, identity: Option<Identity>) -> Result<()> {
        let identity = match identity {
            Some(identity) => identity,
            None => {
                let mut vault_id = [0; 16];
                crypto::random(&mut vault_id)?;
                Identity { vault_id, slot_id: self.slot_id_of_path() }
            }
        };
        self.lay_out(directory)?;
        let root = RootKey::generate(1)?;
        let machine_key = self.machine_key()?;
        let opener = Opener { way: Way::SoPin, secret: so_pin.expose(), machine_key: machine_key.as_ref() };
        let body = wrapped::wrap(&root, &opener, &identity.vault_id, 1)?;
        let mut header = new_header(label, &identity)?;
        let digest = wrapped::digest_of(&[(Way::SoPin as u8, body.clone())]);
        Counters::new(digest).seal_into(&root, &mut header)?;
        store::create(directory, &mut |transaction| {
            transaction.set_header(&header)?;
            transaction.set_wrapped_key(Way::SoPin as u8, Some(&body))?;
            transaction.commit()
        })?;
        self.seal_off(directory)
    }

    /// The files of a new directory, empty, and a page that refuses every key.
    pub(super) fn lay_out(&self, directory: &Path) -> Result<()> {
        let fail = |source| VaultError::Io { path: directory.display().to_string(), source };
        drop(TrackedFile::create(&directory.join(VAULT_FILE), self.directory.file_mode()).map_err(fail)?);
        Page::create(directory, self.directory.file_mode())
    }

    /// Final group and modes, and all of it durable.
    pub(super) fn seal_off(&self, directory: &Path) -> Result<()> {
        self.hand_to_group(directory)?;
        file::sync_directory(directory)
            .map_err(|source| VaultError::Io { path: directory.display().to_string(), source })
    }

    /// Gives directory and files their final group and modes.
    fn hand_to_group(&self, directory: &Path) -> Result<()> {
        let fail = |source| VaultError::Io { path: directory.display().to_string(), source };
        for name in ["", "lock", "changes"].into_iter().chain(store::FILES) {
            let path = &directory.join(name);
            if !path.exists() {
                continue;
            }
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
    pub(super) fn make_again(&self, label: &str, so_pin: &Pin) -> Result<()> {
        let mut identity = None;
        self.read(&mut |snapshot| {
            let header = snapshot.header()?;
            identity = Some(Identity { vault_id: header.vault_id, slot_id: header.slot_id });
            Ok(())
        })?;
        let mut aside = None;
        let mut fill = |directory: &Path| self.fill(directory, label, so_pin, identity.take());
        self.make_whole(&mut fill, &mut |staging| {
            aside = Some(self.replace_by(staging, false)?);
            Ok(())
        })
        .map_err(|error| error.beside(aside.as_deref()))?;
        if let Some(aside) = aside {
            tracing::warn!(from = %self.directory.text(), to = %aside.display(), "the old vault was moved aside");
        }
        self.page.store(None);
        Ok(())
    }
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
