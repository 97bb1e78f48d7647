//! A vault that was made under another name takes its place, and what lies there gets another name: nothing is overwritten,
//! and at every moment a whole directory has the vault's name.
//!
//! Where the old vault can still be told so, its page is closed first: nobody goes on with it. Runs that were killed leave
//! a directory under its first name, which the next one removes; who is still at it holds a lock in there.

use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::LocalVault;
use super::changes::PageWriter;
use super::directory::Lock;
use super::loaded::hex;
use crate::crypto;
use crate::sys::file::{self, TrackedFile};
use crate::vault::{Result, VaultError};

/// The byte of the file `lock` that is held by who makes the vault.
const MAKING: u64 = 2;

/// A directory that is being filled, for as long as this is held.
pub(super) struct Staging {
    pub path: PathBuf,
    _lock: TrackedFile,
}

/// An old vault whose page was closed, as far as it could be.
struct Closed {
    _locks: Option<(Lock, Lock)>,
    page: Option<PageWriter>,
}

impl LocalVault {
    /// A new directory beside the vault's place, with nothing in it but the file `lock`.
    pub(super) fn begin_staging(&self) -> Result<Staging> {
        let mut suffix = [0; 8];
        crypto::random(&mut suffix)?;
        let path = self.parent().join(format!("{}{}", self.staging_prefix(), hex(&suffix)));
        let make = || {
            std::fs::DirBuilder::new().mode(0o700).create(&path)?;
            // Locked before it has its name: whoever finds it free knows that its maker is gone.
            let unnamed = path.join("lock.new");
            let lock = TrackedFile::create(&unnamed, self.directory.file_mode())?;
            lock.try_lock_byte(MAKING)?;
            std::fs::rename(&unnamed, path.join("lock"))?;
            Ok(lock)
        };
        match make() {
            Ok(lock) => Ok(Staging { path, _lock: lock }),
            Err(source) => {
                let _ = std::fs::remove_dir_all(&path);
                Err(VaultError::Io { path: path.display().to_string(), source })
            }
        }
    }

    /// Removes what runs that were killed left, whole vaults among it. That it can't be removed stands in nobody's way.
    pub(super) fn remove_unfinished(&self) {
        let prefix = self.staging_prefix();
        for entry in std::fs::read_dir(self.parent()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let suffix = name.strip_prefix(&prefix);
            if !suffix.is_some_and(|suffix| suffix.len() == 16 && suffix.bytes().all(|byte| byte.is_ascii_hexdigit())) {
                continue;
            }
            let Ok(lock) = TrackedFile::open(&entry.path().join("lock"), true) else { continue };
            if lock.try_lock_byte(MAKING).unwrap_or(false) {
                match std::fs::remove_dir_all(entry.path()) {
                    Ok(()) => {
                        tracing::warn!(directory = %entry.path().display(), "a vault that was never finished was removed")
                    }
                    Err(error) => tracing::warn!("{}: {error}", entry.path().display()),
                }
            }
        }
    }

    /// `staging` takes the vault's place; returns what the old one is called now. With `whatever` also where the old one is
    /// no vault, or can't be locked or closed any more.
    pub(super) fn replace_by(&self, staging: &Path, whatever: bool) -> Result<PathBuf> {
        let path = self.directory.path();
        let devices = [path, self.parent()].map(|path| std::fs::metadata(path).map(|metadata| metadata.dev()));
        if let [Ok(own), Ok(above)] = devices
            && own != above
            && !path.is_symlink()
        {
            let problem = "is a mount point and can't be moved aside: unmount it first".to_owned();
            return Err(VaultError::Unsafe { path: self.directory.text(), problem });
        }
        let closed = self.close(whatever)?;
        let aside = free_name(path);
        swap(staging, path, &aside).map_err(|source| {
            // It stays where it is: the next login writes its page anew.
            if let Some(Err(error)) = closed.page.map(|page| page.open_again()) {
                tracing::warn!("{error}");
            }
            VaultError::Io { path: self.directory.text(), source }
        })?;
        Ok(aside)
    }

    fn close(&self, whatever: bool) -> Result<Closed> {
        let locks = self.directory.lock_process().and_then(|process| Ok((process, self.directory.lock_writer()?)));
        let page = || {
            let Some(page) = self.page() else { return Ok(None) };
            let writer = page.writer()?;
            writer.close()?;
            Ok(Some(writer))
        };
        let _locks = unless_lost(locks.map(Some), whatever)?;
        Ok(Closed { _locks, page: unless_lost(page(), whatever)? })
    }

    /// The directory in which the vault's lies.
    pub(super) fn parent(&self) -> &Path {
        self.directory.path().parent().unwrap_or(Path::new("/"))
    }

    fn staging_prefix(&self) -> String {
        format!(".{}.new-", self.directory.path().file_name().unwrap_or_default().to_string_lossy())
    }
}

/// With `whatever`, what the disk or an owner keeps from us counts as not there. A vault that is busy is another matter.
fn unless_lost<T>(tried: Result<Option<T>>, whatever: bool) -> Result<Option<T>> {
    match tried {
        Err(VaultError::Io { .. } | VaultError::Unsafe { .. }) if whatever => Ok(None),
        tried => tried,
    }
}

/// `path` becomes `aside`, and `staging` becomes `path`, in one step where the file system can.
fn swap(staging: &Path, path: &Path, aside: &Path) -> io::Result<()> {
    // The new one has the old one's later name first: after the exchange each has its own, and a death between the two
    // leaves nothing that the next run would take for unfinished.
    std::fs::rename(staging, aside)?;
    match file::exchange(aside, path) {
        Ok(true) => Ok(()),
        failed => {
            std::fs::rename(aside, staging)?;
            failed?;
            std::fs::rename(path, aside)?;
            std::fs::rename(staging, path).inspect_err(|_| {
                // Where even that fails it is there under its other name.
                let _ = std::fs::rename(aside, path);
            })
        }
    }
}

/// A name beside `path` that nobody has.
fn free_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let names = (1..).map(|number| path.with_file_name(format!("{name}.old-{number}")));
    names.into_iter().find(|path| path.symlink_metadata().is_err()).unwrap_or_else(|| path.with_extension("old"))
}
