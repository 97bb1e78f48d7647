//! Making a vault: whole or not at all.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

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
        self.make_whole(&mut |directory| self.fill(directory, label, so_pin, identity.take()), &mut || Ok(()))
    }

    /// Makes the directory under another name, filled by `fill`, and renames it, so that it is there whole or not at all.
    /// Before that `make_room` takes away what lies in its place.
    pub(super) fn make_whole(
        &self,
        fill: &mut dyn FnMut(&Path) -> Result<()>,
        make_room: &mut dyn FnMut() -> Result<()>,
    ) -> Result<()> {
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
        let made = fill(&staging).and_then(|()| make_room()).and_then(|()| {
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

    /// The directory with its files, empty, and a page that refuses every key.
    pub(super) fn lay_out(&self, directory: &Path) -> Result<()> {
        let fail = |source| VaultError::Io { path: directory.display().to_string(), source };
        std::fs::DirBuilder::new().mode(0o700).create(directory).map_err(fail)?;
        for name in ["lock", VAULT_FILE] {
            drop(TrackedFile::create(&directory.join(name), self.directory.file_mode()).map_err(fail)?);
        }
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
        let aside = self.move_aside()?;
        tracing::warn!(from = %self.directory.text(), to = %aside.display(), "the old vault was moved aside");
        self.page.store(None);
        self.make(label, so_pin, identity)
    }

    /// Renames the vault's directory; from before that on, nobody goes on with its page.
    pub(super) fn move_aside(&self) -> Result<PathBuf> {
        let fail = |source| VaultError::Io { path: self.directory.text(), source };
        let path = self.directory.path();
        let parent = path.parent().unwrap_or(Path::new("/"));
        let devices = [path, parent].map(|path| std::fs::metadata(path).map(|metadata| metadata.dev()));
        if let [Ok(own), Ok(above)] = devices
            && own != above
        {
            let problem = "is a mount point and can't be moved aside: unmount it first".to_owned();
            return Err(VaultError::Unsafe { path: self.directory.text(), problem });
        }
        let _process = self.directory.lock_process()?;
        let _writer = self.directory.lock_writer()?;
        let writer = self.page().map(|page| page.writer()).transpose()?;
        if let Some(writer) = &writer {
            writer.close()?;
        }
        let aside = free_name(path);
        std::fs::rename(path, &aside).map_err(|source| {
            // It stays where it is: the next login writes its page anew.
            if let Some(Err(error)) = writer.map(|writer| writer.open_again()) {
                tracing::warn!("{error}");
            }
            fail(source)
        })?;
        Ok(aside)
    }

    /// Renames whatever lies in the vault's place, a vault or not.
    pub(super) fn set_aside(&self) -> Result<PathBuf> {
        let path = self.directory.path();
        if path.join("lock").is_file() {
            return self.move_aside();
        }
        let aside = free_name(path);
        std::fs::rename(path, &aside).map_err(|source| VaultError::Io { path: self.directory.text(), source })?;
        Ok(aside)
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

/// A name beside `path` that nobody has.
fn free_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..).map(|number| path.with_file_name(format!("{name}.old-{number}")));
    names.into_iter().find(|path| !path.exists()).unwrap_or_else(|| path.with_extension("old"))
}
