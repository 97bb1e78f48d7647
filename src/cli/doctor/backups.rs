//! The vault's backups, where the timer of the package leaves them.

use std::path::{Path, PathBuf};

use super::Examination;
use super::file::{self, Seen};
use super::report::finding;
use super::vault::Looked;
use crate::sys::env;
use crate::vault::Class;

/// Where the package's timer leaves them.
const DIRECTORY: &str = "/var/backups/strongroom";

/// Older than this, and the timer doesn't run.
const DAYS: i64 = 7;

/// Where this vault's backups are looked for. A user has no place but beside their vaults.
fn places(looked: &Looked) -> Vec<PathBuf> {
    let around = looked.directory().parent().and_then(Path::parent).filter(|_| env::effective_uid() != 0);
    let own = around.map(|around| around.join("backups"));
    own.into_iter().chain([PathBuf::from(DIRECTORY)]).collect()
}

/// That there is none is said of what is known to hold keys.
pub(super) fn examine(examination: &mut Examination, looked: &Looked) {
    let Some(newest) = newest(looked) else { return none(examination, looked) };
    examination.report.looked(&["backup-none", "backup-old"]);
    let days = Seen::at(&newest).map_or(0, |seen| seen.age_in_days());
    if days >= DAYS {
        let found = finding("backup-old").with("vault", &looked.name).with("file", newest.display());
        examination.report.found(found.with("days", days));
    }
}

fn none(examination: &mut Examination, looked: &Looked) {
    let Some(image) = &looked.image else { return };
    let has_keys =
        [Class::PrivateKey, Class::SecretKey].into_iter().any(|class| image.with_class(class).next().is_some());
    if let Some(place) = places(looked).first().filter(|_| has_keys) {
        examination.report.found(finding("backup-none").with("vault", &looked.name).with("place", place.display()));
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
    let places = places(looked);
    let files = places.iter().flat_map(|place| file::files_in(place));
    files
        .filter(|path| path.file_name().is_some_and(|file| is_ours(&file.to_string_lossy())))
        .filter_map(|path| Some((Seen::at(&path).filter(Seen::is_file)?.age_in_days(), path)))
        .min_by_key(|(days, _)| *days)
        .map(|(_, path)| path)
}
