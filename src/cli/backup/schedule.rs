//! A directory of backups that a timer makes: each is named by vault and time, and the oldest are taken away.
//!
//! What was written there by anybody else, or of another vault, stays: a file is removed only if it is named exactly as
//! ours are and says itself that it is a backup of this vault. The one that was just written is never removed, and one
//! that is dated later is neither removed nor counted: a clock was wrong then or is now, and nobody here knows which.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use super::super::open::Opened;
use super::super::{Error, Result, time};
use crate::backup_directory::{self, is_of, paths_in};

/// The name of a backup that is made now in `directory`, which is made too, for its owner alone, if it isn't there. What
/// runs that were killed left of theirs is taken away.
pub(super) fn new_file(directory: &Path, vault: &str) -> Result<PathBuf> {
    backup_directory::make_durably(directory).map_err(|source| Error::File { path: directory.into(), source })?;
    backup_directory::remove_unfinished(directory, vault);
    Ok(directory.join(backup_directory::name(vault, time::now())))
}

/// What became of the old backups.
#[derive(Default)]
pub(super) struct Tidied {
    /// Gone.
    pub removed: Vec<PathBuf>,
    /// Dated later than the one that was just made.
    pub later: Vec<PathBuf>,
    /// Still there, or not to be looked at.
    pub failed: Option<(PathBuf, io::Error)>,
}

/// Removes this vault's backups from before `written` but the newest, until with it there are `keep`.
pub(super) fn remove_old(opened: &Opened, directory: &Path, written: (&Path, i64), keep: usize) -> Tidied {
    let mut tidied = Tidied::default();
    let (file, created) = written;
    let mut older = Vec::new();
    let paths = match paths_in(directory) {
        Ok(paths) => paths,
        Err(source) => return Tidied { failed: Some((directory.into(), source)), ..tidied },
    };
    for path in paths.into_iter().filter(|path| path != file && is_of(path, &opened.name)) {
        match opened.vault.backup_label(&path) {
            Ok(label) if label.serial != opened.info.serial => {}
            Ok(label) if label.created > created => tidied.later.push(path),
            Ok(label) => older.push((label.created, path)),
            Err(_) => {}
        }
    }
    older.sort();
    older.truncate((older.len() + 1).saturating_sub(keep));
    for (_, path) in older {
        match fs::remove_file(&path) {
            Ok(()) => tidied.removed.push(path),
            // Another run was faster.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => tidied.failed = Some((path, error)),
        }
    }
    tidied
}
