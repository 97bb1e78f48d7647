//! A directory of backups, in which each is named by vault and time, whoever made it: the command, its timer, the server.
//!
//! What is in such a directory beside them is somebody else's and stays.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::sys::file::sync_directory;

/// How a backup's file ends.
pub const ENDING: &str = ".backup";

/// For so long an empty file may be one that somebody is just making.
const NEW: Duration = Duration::from_secs(60);

/// How it begins: with the vault's name in the configuration, as the timer and whoever lists the files call it; of a
/// vault that is named by its path, with its directory's.
pub fn beginning(vault: &str) -> String {
    let name = Path::new(vault).file_name().map_or(vault.into(), |name| name.to_string_lossy());
    format!("{name}-")
}

/// The name of a backup that is made at this moment, in seconds since 1970.
pub fn name(vault: &str, seconds: i64) -> String {
    let moment = Timestamp::from_second(seconds).unwrap_or_default().to_string();
    let moment: String = moment.chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    format!("{}{moment}{ENDING}", beginning(vault))
}

/// Another name of the same moment, if that one is taken; `number` is 2 or more.
pub fn further_name(vault: &str, seconds: i64, number: u32) -> String {
    let first = name(vault, seconds);
    format!("{}-{number}{ENDING}", first.trim_end_matches(ENDING))
}

/// How many backups of a vault lie in a directory, and a name that none of them has for one that is made at this moment.
pub fn free_name(directory: &Path, vault: &str, seconds: i64) -> io::Result<(usize, String)> {
    let own = paths_in(directory)?.into_iter().filter(|path| is_of(path, vault));
    let taken: HashSet<_> = own.filter_map(|path| path.file_name().map(OsStr::to_os_string)).collect();
    let (mut free, mut number) = (name(vault, seconds), 2);
    while taken.contains(OsStr::new(&free)) {
        free = further_name(vault, seconds, number);
        number += 1;
    }
    Ok((taken.len(), free))
}

/// Whether it is called as a backup of this vault is: no name that a person gave.
pub fn is_of(path: &Path, vault: &str) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let middle = name.strip_prefix(&beginning(vault)).and_then(|rest| rest.strip_suffix(ENDING));
    middle.is_some_and(is_moment)
}

/// `20270131T120000Z`, or with a number behind it.
fn is_moment(text: &str) -> bool {
    let (text, number) = text.split_once('-').unwrap_or((text, "2"));
    let fits = |(at, byte): (usize, u8)| match at {
        8 => byte == b'T',
        15 => byte == b'Z',
        _ => byte.is_ascii_digit(),
    };
    text.len() == 16 && text.bytes().enumerate().all(fits) && number.parse::<u32>().is_ok_and(|number| number >= 2)
}

/// Makes the directory, for its owner alone, and those above it that are missing, each of them on the disk before a backup
/// in it is called done.
pub fn make_durably(directory: &Path) -> io::Result<()> {
    let directory = std::path::absolute(directory)?;
    let missing: Vec<&Path> = directory.ancestors().take_while(|path| !path.exists()).collect();
    DirBuilder::new().recursive(true).mode(0o700).create(&directory)?;
    missing.iter().filter_map(|path| path.parent()).try_for_each(sync_directory)
}

/// Takes away what a run that was killed had written so far: the file under its first name, `.NAME.new-` and 16 digits.
/// Who is still writing holds its lock. That it can't be removed is no reason to make no backup.
pub fn remove_unfinished(directory: &Path, vault: &str) {
    let unfinished = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let named = name.strip_prefix('.').and_then(|name| name.rsplit_once(".new-"));
        named.is_some_and(|(target, suffix)| suffix.len() == 16 && is_of(Path::new(target), vault))
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
    // An empty one may have been made this moment, and be about to be locked.
    let is_begun = metadata.len() > 0 || metadata.modified()?.elapsed().is_ok_and(|age| age > NEW);
    Ok(metadata.is_file() && is_begun && file.try_lock().is_ok())
}

/// Everything in a directory.
pub fn paths_in(directory: &Path) -> io::Result<Vec<PathBuf>> {
    fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_free_name_is_found_beside_those_of_the_same_second() {
        let folder = tempfile::tempdir().unwrap();
        let free = || free_name(folder.path(), "web", 1_801_396_800).unwrap();
        let make = |name: &str| fs::write(folder.path().join(name), "").unwrap();
        assert_eq!(free(), (0, "web-20270131T120000Z.backup".to_owned()));
        for name in ["web-20270131T120000Z.backup", "web-20270131T120001Z.backup", "other-20270131T120000Z-2.backup"] {
            make(name);
        }
        assert_eq!(free(), (2, "web-20270131T120000Z-2.backup".to_owned()));
        make("web-20270131T120000Z-2.backup");
        assert_eq!(free(), (3, "web-20270131T120000Z-3.backup".to_owned()));
    }

    #[test]
    fn a_backups_name_says_vault_and_time_and_is_known_again() {
        let made = name("web", 1_801_396_800);
        assert_eq!(made, "web-20270131T120000Z.backup");
        assert!(is_of(Path::new(&made), "web") && is_of(&Path::new("/srv").join(&made), "/srv/vaults/web"));
        let further = further_name("web", 1_801_396_800, 12);
        assert_eq!(further, "web-20270131T120000Z-12.backup");
        assert!(is_of(Path::new(&further), "web"));
        for other in ["web-20270131T120000Z-1.backup", "web-20270131T120000Z-x.backup"] {
            assert!(!is_of(Path::new(other), "web"), "{other}");
        }
        for other in
            ["we-20270131T120000Z.backup", "web-old.backup", "web-20270131T120000Z", "web-20270131T1200000.backup"]
        {
            assert!(!is_of(Path::new(other), "web"), "{other}");
        }
    }
}
