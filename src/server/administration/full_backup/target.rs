//! The targets of the configuration as clients name them: `https://backup.DOMAIN/NAME`, and a backup in one of them by its
//! own name. Neither ever becomes a path but by being one of those that are there.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::http::{StatusCode, Uri};

use crate::backup_directory;
use crate::config::Manner;
use crate::server::Served;
use crate::server::error::{Result, ServiceError};
use crate::server::names::Names;
use crate::vault::{BackupLabel, Pin};

/// The first label of the host that targets have in common.
const HOST: &str = "backup";

/// Longest name of a file.
const NAME_MAX: usize = 255;

/// A directory for backups.
pub struct Target {
    /// What clients call it.
    pub name: String,
    /// Where it is.
    pub directory: PathBuf,
    /// What opens the backups in it; without it the vault's recovery key does.
    pub passphrase: Option<Pin>,
}

/// All of them.
#[derive(Default)]
pub struct Targets(Vec<Arc<Target>>);

impl Targets {
    /// These, whose names differ.
    pub fn new(targets: Vec<Target>) -> Self {
        Self(targets.into_iter().map(Arc::new).collect())
    }

    /// The one that a client's address means, and that address without what clients add to it.
    pub(super) fn meant(&self, given: &str, names: &Names) -> Result<(Arc<Target>, String)> {
        let wrong = || {
            ServiceError::bad_parameter(format!(
                "storageResourceUri is https://{HOST}.{}/TARGET, where TARGET is a backup target of the server's \
                 configuration, and nothing behind it.",
                names.domain(Manner::KeyVault)
            ))
        };
        let uri: Uri = given.parse().map_err(|_| wrong())?;
        let authority = uri.authority().filter(|_| uri.scheme_str() == Some("https")).ok_or_else(wrong)?.as_str();
        let is_ours = names.label(authority).is_some_and(|(_, label)| label.eq_ignore_ascii_case(HOST));
        if !is_ours || uri.query().is_some() || given.contains('#') {
            return Err(wrong());
        }
        let name = uri.path().strip_prefix('/').map(|path| path.strip_suffix('/').unwrap_or(path)).ok_or_else(wrong)?;
        if name.is_empty() || name.contains('/') {
            return Err(wrong());
        }
        let found = self.0.iter().find(|target| target.name.eq_ignore_ascii_case(name));
        let target = found.ok_or_else(|| {
            let what = "The backup target was not found: the server's operator names targets in its configuration.";
            ServiceError::not_found("BackupTargetNotFound", what)
        })?;
        Ok((Arc::clone(target), format!("https://{authority}/{name}")))
    }

    /// What the vault's own backup at this address says of itself, if it is there.
    pub(super) fn made(&self, address: &str, served: &Served) -> Option<BackupLabel> {
        let (container, folder) = address.rsplit_once('/')?;
        let name = container.rsplit('/').next()?;
        let target = self.0.iter().find(|target| target.name.eq_ignore_ascii_case(name))?;
        let label = served.vault.backup_label(&target.backup(folder, &served.name).ok()?).ok()?;
        (label.serial == served.vault.info().ok()?.serial).then_some(label)
    }
}

impl Target {
    /// The file of a backup that is there, and called as the backups of this vault are: a target may be several vaults'.
    pub(super) fn backup(&self, folder: &str, vault: &str) -> Result<PathBuf> {
        let fits = |letter: u8| letter.is_ascii_alphanumeric() || b"-_.".contains(&letter);
        if folder.is_empty() || folder.len() > NAME_MAX || folder.starts_with('.') || !folder.bytes().all(fits) {
            return Err(ServiceError::bad_parameter(
                "The folder to restore is the name that a backup's address ends with: letters, digits, `-`, `_` and `.`, \
                 without `/` and not beginning with a dot.",
            ));
        }
        if !backup_directory::is_of(Path::new(folder), vault) {
            return Err(foreign());
        }
        let file = self.directory.join(folder);
        // What a link points to lies elsewhere.
        match fs::symlink_metadata(&file) {
            Ok(metadata) if metadata.is_file() => Ok(file),
            _ => Err(ServiceError::not_found(
                "BackupNotFound",
                format!("The backup {folder} was not found at this target."),
            )),
        }
    }
}

/// That a backup is of another vault, or called so.
pub(super) fn foreign() -> ServiceError {
    ServiceError::new(StatusCode::BAD_REQUEST, "BackupForeign", FOREIGN)
}

pub(super) const FOREIGN: &str = "The backup is of another vault: a vault takes from backups of its own only, which are named \
                                  by the vault and their time.";

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(directory: PathBuf) -> Targets {
        Targets::new(vec![Target { name: "nightly".into(), directory, passphrase: None }])
    }

    #[test]
    fn a_target_is_named_by_its_address_below_the_domain_and_by_nothing_else() {
        let (targets, names) = (targets("/srv".into()), Names::below("vault.test"));
        for good in [
            "https://backup.vault.test/nightly",
            "https://Backup.Vault.Test:8443/nightly/",
            "https://backup.vault.test:443/NIGHTLY",
        ] {
            let (target, container) = targets.meant(good, &names).unwrap_or_else(|error| panic!("{good}: {error:?}"));
            assert_eq!(target.name, "nightly");
            assert!(good.starts_with(&container), "{container}");
        }
        for bad in [
            "",
            "nightly",
            "/srv",
            "file:///srv",
            "http://backup.vault.test/nightly",
            "https://vault.test/nightly",
            "https://one.vault.test/nightly",
            "https://backup.vault.test.evil.test/nightly",
            "https://a.backup.vault.test/nightly",
            "https://x@backup.vault.test/nightly",
            "https://backup.vault.test",
            "https://backup.vault.test/",
            "https://backup.vault.test//nightly",
            "https://backup.vault.test/nightly/..",
            "https://backup.vault.test/nightly/x",
            "https://backup.vault.test/nightly?sv=1",
            "https://backup.vault.test/nightly#x",
            "https://backup.vault.test/night\0ly",
        ] {
            let error = targets.meant(bad, &names).err().unwrap_or_else(|| panic!("{bad:?} was taken"));
            assert_eq!(error.status.as_u16(), 400, "{bad:?}");
        }
        for unknown in
            ["https://backup.vault.test/weekly", "https://backup.vault.test/%6eightly", "https://backup.vault.test/.."]
        {
            assert_eq!(targets.meant(unknown, &names).err().map(|error| error.status.as_u16()), Some(404), "{unknown}");
        }
    }

    #[test]
    fn a_backup_is_one_plain_name_of_a_file_that_is_there() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("target");
        fs::create_dir_all(inside.join("folder")).unwrap();
        let own = "web-20270131T120000Z.backup";
        fs::write(inside.join(own), "").unwrap();
        fs::write(inside.join("other-20270131T120000Z.backup"), "").unwrap();
        fs::write(inside.join(".hidden"), "").unwrap();
        fs::write(folder.path().join("outside"), "").unwrap();
        std::os::unix::fs::symlink(folder.path().join("outside"), inside.join("web-20270131T120000Z-2.backup"))
            .unwrap();
        let targets = targets(inside.clone());
        let named = |folder: &str| targets.0[0].backup(folder, "web");
        assert_eq!(named(own).unwrap(), inside.join(own));
        let long = "x".repeat(256);
        for bad in [
            "",
            ".",
            "..",
            ".hidden",
            "../outside",
            "/etc/passwd",
            "folder/x",
            "a\0b",
            "..%2foutside",
            "a b",
            "ä",
            &long,
        ] {
            let error = named(bad).unwrap_err();
            assert_eq!((error.status.as_u16(), error.code), (400, "BadParameter"), "{bad:?}");
        }
        for other in ["other-20270131T120000Z.backup", "folder", "web-old.backup", "web-20270131T120000Z.backup."] {
            let error = named(other).unwrap_err();
            assert_eq!((error.status.as_u16(), error.code), (400, "BackupForeign"), "{other}");
        }
        for absent in ["web-20270131T120001Z.backup", "web-20270131T120000Z-2.backup"] {
            assert_eq!(named(absent).unwrap_err().status.as_u16(), 404, "{absent}");
        }
    }
}
