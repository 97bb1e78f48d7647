//! The vault's backups, where the timer of the package leaves them.

use std::path::{Path, PathBuf};

use super::Examination;
use super::file::{self, Seen};
use super::report::finding;
use super::vault::Looked;
use crate::backup_directory;
use crate::sys::env;
use crate::vault::Class;

/// Where the package's timer leaves them.
const DIRECTORY: &str = "/var/backups/strongroom";

/// Older than this, and the timer doesn't run.
const DAYS: i64 = 7;

/// Where this vault's backups are looked for, the best place first. A user has none but beside their vaults; root may
/// look at one of a user's.
fn places(looked: &Looked) -> Vec<PathBuf> {
    let around = looked.directory().parent().and_then(Path::parent);
    let beside = around.map(|around| around.join("backups"));
    let mut places: Vec<PathBuf> = beside.into_iter().chain([PathBuf::from(DIRECTORY)]).collect();
    if env::effective_uid() == 0 {
        places.reverse();
    }
    places
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
    // A service makes its own beside its vaults: root's directory is closed to it.
    let mut places = places(looked);
    if examination.opener().is_some_and(|user| user.uid != 0) {
        places.sort_by_key(|place| place == Path::new(DIRECTORY));
    }
    if let Some(place) = places.first().filter(|_| has_keys) {
        examination.report.found(finding("backup-none").with("vault", &looked.name).with("place", place.display()));
    }
}

/// The newest backup of this vault: its file is called as `backup create --into` calls it, though a person may have
/// written the time in another way.
pub(super) fn newest(looked: &Looked) -> Option<PathBuf> {
    let beginning = backup_directory::beginning(&looked.config.name);
    let is_ours = |path: &Path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let rest = file.strip_prefix(&beginning).and_then(|rest| rest.strip_suffix(backup_directory::ENDING));
        rest.is_some_and(|moment| moment.starts_with(|digit: char| digit.is_ascii_digit()))
    };
    let places = places(looked);
    let files = places.iter().flat_map(|place| file::files_in(place));
    files
        .filter(|path| is_ours(path))
        .filter_map(|path| Some((Seen::at(&path).filter(Seen::is_file)?.age_in_days(), path)))
        .min_by_key(|(days, _)| *days)
        .map(|(_, path)| path)
}
