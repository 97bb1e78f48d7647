//! What can be told of a file from outside: owner, mode, where it is mounted.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::super::time;
use crate::sys::user;

/// Owner and mode of what lies there; `None` if nothing does, or it can't be seen.
pub(super) struct Seen {
    metadata: Metadata,
}

impl Seen {
    /// Follows no link.
    pub(super) fn at(path: &Path) -> Option<Self> {
        fs::symlink_metadata(path).ok().map(|metadata| Self { metadata })
    }

    /// Where a link leads.
    pub(super) fn behind(path: &Path) -> Option<Self> {
        fs::metadata(path).ok().map(|metadata| Self { metadata })
    }

    pub(super) fn mode(&self) -> u32 {
        self.metadata.mode() & 0o7777
    }

    pub(super) fn mode_text(&self) -> String {
        format!("{:03o}", self.mode())
    }

    pub(super) fn uid(&self) -> u32 {
        self.metadata.uid()
    }

    pub(super) fn gid(&self) -> u32 {
        self.metadata.gid()
    }

    pub(super) fn owner(&self) -> String {
        user::name_of(self.uid())
    }

    pub(super) fn is_directory(&self) -> bool {
        self.metadata.is_dir()
    }

    pub(super) fn is_file(&self) -> bool {
        self.metadata.is_file()
    }

    /// How long ago it was written.
    pub(super) fn age_in_days(&self) -> i64 {
        (time::now() - self.metadata.mtime()) / (24 * 60 * 60)
    }
}

/// Where the file system is mounted that a path lies on.
pub(super) fn mount_point(path: &Path) -> PathBuf {
    let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let device = fs::metadata(&path).map(|metadata| metadata.dev()).ok();
    let same = |parent: &&Path| fs::metadata(parent).map(|metadata| metadata.dev()).ok() == device;
    let mounts = mounts();
    // A bind mount has its parent's device: the table of mounts knows it, the devices are for when it can't be read.
    path.ancestors()
        .find(|parent| mounts.iter().any(|mount| mount == parent))
        .or_else(|| path.ancestors().take_while(same).last())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

fn mounts() -> Vec<PathBuf> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    table.lines().filter_map(|line| line.split(' ').nth(4)).map(|path| PathBuf::from(unescaped(path))).collect()
}

/// Blanks and the like stand there as octal numbers.
fn unescaped(text: &str) -> String {
    text.replace("\\040", " ").replace("\\011", "\t").replace("\\012", "\n").replace("\\134", "\\")
}

/// The files of a directory, by name.
pub(super) fn files_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// The text of a configuration file, which may hold a PIN; bytes that are no UTF-8 are replaced.
pub(super) fn text(path: &Path) -> io::Result<Zeroizing<String>> {
    let bytes = Zeroizing::new(fs::read(path)?);
    Ok(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
}
