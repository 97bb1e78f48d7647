//! The vault's directory: who may own it, where it may lie, and its locks.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::store::{FILES, pause};
use crate::config::LocalConfig;
use crate::sys::descriptor::VAULT_FILE;
use crate::sys::file::{self, TrackedFile};
use crate::vault::{Result, VaultError};

/// Held by the process that changes the vault.
const WRITER: u64 = 0;
/// Held by the process that tries a PIN.
const PIN: u64 = 1;
/// Plus the process id: held while this copy of the module has the database open.
const PROCESS: u64 = 1 << 32;

/// Longest wait for the writer's lock and for another copy in this process.
const PATIENCE: Duration = Duration::from_secs(5);
/// Longest wait for others who try a PIN.
const PIN_PATIENCE: Duration = Duration::from_secs(30);

/// The directory of one vault.
#[derive(Clone, Debug)]
pub struct Directory {
    path: PathBuf,
    owner_uid: Option<u32>,
    group_gid: Option<u32>,
}

impl Directory {
    /// As the configuration names it; nothing is looked at.
    pub fn new(config: &LocalConfig) -> Self {
        Self { path: config.path.clone(), owner_uid: config.owner_uid, group_gid: config.group_gid }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// For messages.
    pub fn text(&self) -> String {
        self.path.display().to_string()
    }

    /// The database.
    pub fn database(&self) -> PathBuf {
        self.path.join(VAULT_FILE)
    }

    /// The mode of a new file.
    pub fn file_mode(&self) -> u32 {
        if self.group_gid.is_some() { 0o660 } else { 0o600 }
    }

    /// The mode of the directory.
    pub fn directory_mode(&self) -> u32 {
        if self.group_gid.is_some() { 0o770 } else { 0o700 }
    }

    /// The group that may use it, if any.
    pub fn group_gid(&self) -> Option<u32> {
        self.group_gid
    }

    /// Whether a vault lies there.
    pub fn exists(&self) -> Result<bool> {
        match std::fs::symlink_metadata(self.database()) {
            Ok(_) => Ok(true),
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(false),
            Err(source) => Err(VaultError::Io { path: self.text(), source }),
        }
    }

    /// Refuses a directory or file that others could have written or read, and file systems whose locks don't hold.
    /// True if it is mounted read-only.
    pub fn check(&self) -> Result<bool> {
        self.check_entries()?;
        self.check_file_system(&self.path)
    }

    /// Refuses a directory or file that others could have written or read.
    pub fn check_entries(&self) -> Result<()> {
        self.check_entry(&self.path, true)?;
        for name in ["lock", "changes"].into_iter().chain(FILES) {
            let path = self.path.join(name);
            match self.check_entry(&path, false) {
                Err(VaultError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                checked => checked?,
            }
        }
        Ok(())
    }

    /// Refuses file systems whose locks or syncs don't hold. True if it is mounted read-only.
    pub fn check_file_system(&self, path: &Path) -> Result<bool> {
        let system = file::file_system(path).map_err(|source| VaultError::Io { path: self.text(), source })?;
        match system.refused {
            Some(name) => Err(VaultError::Unsafe {
                path: self.text(),
                problem: format!(
                    "a vault can't lie on {name}, whose locks don't hold: put it on a local disk (ext4, xfs, btrfs, …)"
                ),
            }),
            None => Ok(system.read_only),
        }
    }

    fn check_entry(&self, path: &Path, directory: bool) -> Result<()> {
        let text = || path.display().to_string();
        let metadata = std::fs::symlink_metadata(path).map_err(|source| VaultError::Io { path: text(), source })?;
        let refuse = |problem: String| Err(VaultError::Unsafe { path: text(), problem });
        if metadata.is_symlink() {
            return refuse("is a symbolic link: name the place that it leads to".into());
        }
        if metadata.is_dir() != directory || !(directory || metadata.is_file()) {
            return refuse(format!("is not a {}", if directory { "directory" } else { "file" }));
        }
        let owner = metadata.uid();
        if owner != 0 && owner != file::effective_uid() && Some(owner) != self.owner_uid {
            return refuse(format!(
                "belongs to uid {owner}: give it to the user that runs this program (`chown`), or set `owner_uid = \
                 {owner}` in the vault's configuration"
            ));
        }
        let mode = metadata.mode() & 0o777;
        let allowed = if directory { self.directory_mode() } else { self.file_mode() };
        let group_matches = self.group_gid.is_none_or(|group| mode & 0o070 == 0 || metadata.gid() == group);
        if mode & !allowed & 0o077 != 0 || !group_matches {
            return refuse(format!("has mode {mode:03o}, which lets others in: `chmod {allowed:03o} '{}'`", text()));
        }
        Ok(())
    }

    /// This copy of the module may open the database.
    pub fn lock_process(&self) -> Result<Lock> {
        self.lock(PROCESS + u64::from(std::process::id()), PATIENCE, "the database in this process")
    }

    /// This process may change the vault.
    pub fn lock_writer(&self) -> Result<Lock> {
        self.lock(WRITER, PATIENCE, "the writer's lock")
    }

    /// This process may change the vault, unless another one does.
    pub fn try_lock_writer(&self) -> Result<Option<Lock>> {
        let mut lock = self.open_lock(WRITER)?;
        lock.held = lock.file.try_lock_byte(WRITER).map_err(|source| self.lock_error(source))?;
        Ok(lock.held.then_some(lock))
    }

    /// Whether somebody holds the writer's lock now.
    pub fn is_being_written(&self) -> bool {
        matches!(self.try_lock_writer(), Ok(None))
    }

    /// This process may try a PIN.
    pub fn lock_pin(&self) -> Result<Lock> {
        self.lock(PIN, PIN_PATIENCE, "the lock for trying PINs")
    }

    fn open_lock(&self, byte: u64) -> Result<Lock> {
        let file = TrackedFile::open(&self.path.join("lock"), true).map_err(|source| self.lock_error(source))?;
        Ok(Lock { file, byte, held: false })
    }

    fn lock(&self, byte: u64, patience: Duration, name: &'static str) -> Result<Lock> {
        let mut lock = self.open_lock(byte)?;
        let start = Instant::now();
        for attempt in 0.. {
            if lock.file.try_lock_byte(byte).map_err(|source| self.lock_error(source))? {
                lock.held = true;
                return Ok(lock);
            }
            if start.elapsed() > patience {
                break;
            }
            pause(attempt);
        }
        Err(VaultError::Busy { location: self.text(), lock: name, seconds: patience.as_secs() })
    }

    fn lock_error(&self, source: io::Error) -> VaultError {
        VaultError::Io { path: self.path.join("lock").display().to_string(), source }
    }
}

/// A byte of the file `lock`, given back when dropped.
pub struct Lock {
    file: TrackedFile,
    byte: u64,
    held: bool,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if self.held {
            // The descriptor may have been copied by a fork: only an explicit unlock ends the lock for sure.
            let _ = self.file.unlock_byte(self.byte);
        }
    }
}
