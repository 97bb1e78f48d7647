//! A directory of backups that a timer makes: each is named by vault and time, and the oldest are taken away.
//!
//! What was written there by anybody else, or of another vault, stays: a file is removed only if it is named exactly as
//! ours are and says itself that it is a backup of this vault. The one that was just written is never removed, and one
//! that is dated later is neither removed nor counted: a clock was wrong then or is now, and nobody here knows which.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::open::Opened;
use super::super::{Error, Result, time};
use crate::sys::file::sync_directory;

/// The name of a backup that is made now in `directory`, which is made too, for its owner alone, if it isn't there. What
/// runs that were killed left of theirs is taken away.
pub(super) fn new_file(directory: &Path, vault: &str) -> Result<PathBuf> {
    make_durably(directory).map_err(|source| Error::File { path: directory.into(), source })?;
    remove_unfinished(directory, vault);
    let moment: String = time::text(time::now()).chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    Ok(directory.join(format!("{}{moment}{ENDING}", beginning(vault))))
}

/// The directory and those above it that are missing, each of them on the disk before a backup in it is called done.
fn make_durably(directory: &Path) -> io::Result<()> {
    let directory = std::path::absolute(directory)?;
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(sync_directory)
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
    for path in paths.into_iter().filter(|path| path != file && is_ours(path, &opened.name)) {
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

/// Whether it is called as a scheduled backup of this vault: no name that a person gave.
fn is_ours(path: &Path, vault: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let middle = name.strip_prefix(&beginning(vault)).and_then(|rest| rest.strip_suffix(ENDING));
    middle.is_some_and(is_moment)
}

/// `20270131T120000Z`.
fn is_moment(text: &str) -> bool {
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(fits)
}

/// Takes away what a run that was killed had written so far: the file under its first name, `.NAME.new-` and 16 digits.
/// Who is still writing holds its lock. That it can't be removed is no reason to make no backup.
fn remove_unfinished(directory: &Path, vault: &str) {
    let unfinished = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = name.strip_prefix('.').and_then(|name| name.rsplit_once(".new-"));
        named.is_some_and(|(target, suffix)| suffix.len() == 16 && is_ours(Path::new(target), vault))
    };
    for path in paths_in(directory).unwrap_or_default().iter().filter(|path| unfinished(path)) {
        if is_left_behind(path).unwrap_or(false) {
            let _ = fs::remove_file(path);
        }
    }
}

fn is_left_behind(path: &Path) -> io::Result<bool> {
    let file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOFOLLOW).open(path)?;
    let metadata = file.metadata()?;
    // An empty one may be about to be locked.
    Ok(metadata.is_file() && metadata.len() > 0 && file.try_lock().is_ok())
}

fn paths_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

/// How a backup's file ends.
pub(in super::super) const ENDING: &str = ".backup";

/// How it begins: with the vault's name in the configuration, as the timer and whoever lists the files call it; of a
/// vault that is named by its path, with its directory's.
pub(in super::super) fn beginning(vault: &str) -> String {
    let name = Path::new(vault).file_name().map_or(vault.into(), |name| name.to_string_lossy());
    format!("{name}-")
}
