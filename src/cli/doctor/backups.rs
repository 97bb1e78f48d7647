//! The vault's backups, where the timer of the package leaves them.

use std::path::{Path, PathBuf};

use super::Examination;
use super::file::{self, Seen};
use super::report::finding;
use super::vault::Looked;

/// Where scheduled backups are left.
const DIRECTORY: &str = "/var/backups/strongroom";

/// Older than this, and the timer doesn't run.
const DAYS: i64 = 7;

/// Says nothing where there are none: not every vault has a timer.
pub(super) fn examine(examination: &mut Examination, looked: &Looked) {
    let Some(newest) = newest(looked) else { return };
    examination.report.looked(&["backup-old"]);
    let days = Seen::at(&newest).map_or(0, |seen| seen.age_in_days());
    if days >= DAYS {
        examination.report.found(finding("backup-old").with("file", newest.display()).with("days", days));
    }
}

/// The newest backup of this vault: its file begins with the name of the vault's directory, and the time follows.
pub(super) fn newest(looked: &Looked) -> Option<PathBuf> {
    let directory = looked.directory().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_of = |file: &str, name: &str| {
        let rest = file.strip_prefix(name).and_then(|rest| rest.strip_prefix('-'));
        rest.is_some_and(|rest| rest.starts_with(|digit: char| digit.is_ascii_digit()) && rest.ends_with(".backup"))
    };
    let is_ours = |file: &str| is_of(file, &directory) || is_of(file, &looked.config.name);
    let files = file::files_in(Path::new(DIRECTORY)).into_iter();
    files
        .filter(|path| path.file_name().is_some_and(|file| is_ours(&file.to_string_lossy())))
        .filter_map(|path| Some((Seen::at(&path).filter(Seen::is_file)?.age_in_days(), path)))
        .min_by_key(|(days, _)| *days)
        .map(|(_, path)| path)
}
