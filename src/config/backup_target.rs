//! The `[[backup_target]]` tables: where clients of `strongroom serve` may have backups written and restored from, each by a
//! name of its own. A request names nothing else.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::file::Source;

/// A directory that clients know by a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupTarget {
    /// Letters, digits and hyphens; the path in `https://backup.DOMAIN/NAME`.
    pub name: String,
    /// The directory, absolute.
    pub directory: PathBuf,
    /// A file with the passphrase that opens its backups; without one the vault's recovery key does.
    pub passphrase_file: Option<PathBuf>,
}

/// The table. Its fields are [`BACKUP_TARGET_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupTargetTable {
    name: Option<Spanned<String>>,
    directory: Option<Spanned<PathBuf>>,
    passphrase_file: Option<PathBuf>,
}

pub(super) const BACKUP_TARGET_KEYS: &[&str] = &["name", "directory", "passphrase_file"];

/// Longest name: what a container may have at Azure.
const NAME_MAX: usize = 63;

impl Source<'_> {
    pub(super) fn backup_targets(
        &self,
        tables: Vec<Spanned<BackupTargetTable>>,
    ) -> Result<Vec<BackupTarget>, ConfigError> {
        let mut targets: Vec<BackupTarget> = Vec::with_capacity(tables.len());
        for table in tables {
            let span = table.span();
            let BackupTargetTable { name, directory, passphrase_file } = table.into_inner();
            let missing = |key: &str, what: &str| self.value(span.clone(), key, format!("it is missing: {what}"));
            let name = name.ok_or_else(|| missing("name", "clients call the target so"))?;
            let directory = directory.ok_or_else(|| missing("directory", "say where the backups lie"))?;
            let fits = |letter: u8| letter.is_ascii_alphanumeric() || letter == b'-';
            if !(1..=NAME_MAX).contains(&name.get_ref().len()) || !name.get_ref().bytes().all(fits) {
                let problem = format!("it has 1 to {NAME_MAX} letters, digits and hyphens");
                return Err(self.value(name.span(), "name", problem));
            }
            if targets.iter().any(|other| other.name.eq_ignore_ascii_case(name.get_ref())) {
                let problem = format!("there is another backup target `{}`", name.get_ref());
                return Err(self.value(name.span(), "name", problem));
            }
            if directory.get_ref().as_os_str().is_empty() {
                return Err(self.value(directory.span(), "directory", "it is empty: name a directory".into()));
            }
            targets.push(BackupTarget {
                name: name.into_inner(),
                directory: self.absolute(directory.get_ref()),
                passphrase_file: passphrase_file.map(|file| self.absolute(&file)),
            });
        }
        Ok(targets)
    }
}
