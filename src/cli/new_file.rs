//! A new file for a secret, made before there is one: what can't be written must not be in the vault.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::{Error, Result};
use crate::sys;

/// A file that was just made, for its owner alone, and holds nothing yet.
pub(super) struct NewFile {
    path: PathBuf,
    file: File,
}

impl NewFile {
    /// What is there already is never overwritten.
    pub(super) fn create(path: PathBuf) -> Result<Self> {
        match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
            Ok(file) => Ok(Self { path, file }),
            Err(source) => Err(Error::File { path, source }),
        }
    }

    #[cfg(feature = "server")]
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns when it lies on the disk.
    pub(super) fn write(mut self, contents: &[u8]) -> Result<()> {
        let written = self.file.write_all(contents).and_then(|()| self.file.sync_all());
        let directory = self.path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let written = written.and_then(|()| sys::file::sync_directory(directory));
        written.map_err(|source| Error::File { path: self.path, source })
    }
}
