//! A directory of backups that a timer makes: each is named by vault and time, and the oldest are taken away.
//!
//! What was written there by anybody else, or of another vault, stays: a file is removed only if it is named as ours are
//! and says itself that it is a backup of this vault.

use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::super::{Error, Result, time};
use crate::vault::{VaultAdmin, VaultInfo};

/// The name of a backup that is made now in `directory`, which is made too, for its owner alone, if it isn't there.
pub(super) fn new_file(directory: &Path, info: &VaultInfo) -> Result<PathBuf> {
    let failed = |source| Error::File { path: directory.into(), source };
    DirBuilder::new().recursive(true).mode(0o700).create(directory).map_err(failed)?;
    let moment: String = time::text(time::now()).chars().filter(|letter| letter.is_ascii_alphanumeric()).collect();
    Ok(directory.join(format!("{}{moment}{ENDING}", beginning(info))))
}

/// Removes all but the newest `keep` backups of this vault; returns which are gone.
pub(super) fn remove_old(
    vault: &dyn VaultAdmin,
    directory: &Path,
    info: &VaultInfo,
    keep: usize,
) -> Result<Vec<PathBuf>> {
    let failed = |source| Error::File { path: directory.into(), source };
    let beginning = beginning(info);
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&beginning)
            && name.ends_with(ENDING)
            && let Ok(label) = vault.backup_label(&path)
            && label.serial == info.serial
        {
            found.push((label.created, path));
        }
    }
    found.sort();
    found.truncate(found.len().saturating_sub(keep));
    for (_, path) in &found {
        fs::remove_file(path).map_err(|source| Error::File { path: path.clone(), source })?;
    }
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

const ENDING: &str = ".backup";

/// The vault's directory says which it is to whoever lists the files.
fn beginning(info: &VaultInfo) -> String {
    let name = Path::new(&info.location).file_name().unwrap_or_default();
    format!("{}-", name.to_string_lossy())
}
