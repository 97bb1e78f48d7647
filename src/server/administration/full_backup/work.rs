//! What the jobs do, and what is told of it when they fail: neither paths nor anything of the vault's inside, which is for
//! the log.

use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::job::{Announce, Failure};
use super::kept;
use super::target::{self, Target};
use crate::backup_directory;
use crate::server::Served;
use crate::server::clock::Clock;
use crate::server::error::ServiceError;
use crate::sys::file::file_system;
use crate::vault::{
    BackupKey, BackupLabel, BackupRequest, BackupSource, BackupWay, Collection, MIN_PASSPHRASE_LEN, Name,
    NamedInBackup, RestoreWish, VaultError,
};

/// A job's vault and target.
pub struct Task {
    pub served: Arc<Served>,
    pub target: Arc<Target>,
    /// The target's address.
    pub container: String,
    pub clock: Clock,
    /// Who asked.
    pub principal: String,
}

/// What came of a job.
pub struct Done {
    /// In a sentence.
    pub details: String,
}

impl Done {
    /// That there is a backup of this label.
    pub fn backed_up(label: &BackupLabel) -> String {
        format!("{} objects are in the backup.", label.objects())
    }
}

type Result<T> = std::result::Result<T, Failure>;

/// How many backups of one vault lie at a target, at most, if clients make them.
const MOST_BACKUPS: usize = 1000;

/// What an object takes in a backup beside its value and secret, at most.
const BESIDE: usize = 4096;

impl Task {
    /// The file of a backup at the target that says it is this vault's. What it says is proved when it is opened; one that
    /// says nothing is told apart then, too.
    pub fn backup(&self, folder: &str) -> crate::server::error::Result<PathBuf> {
        let file = self.target.backup(folder, &self.served.name)?;
        let own = self.served.vault.info()?.serial;
        match self.served.vault.backup_label(&file) {
            Ok(label) if label.serial != own => Err(target::foreign()),
            _ => Ok(file),
        }
    }

    /// Writes the backup, whole or not at all. Its address is written down before.
    pub fn back_up(&self, announce: &mut Announce<'_>) -> Result<Done> {
        let vault = &self.served.name;
        backup_directory::remove_unfinished(&self.target.directory, vault);
        let name = self.free_name()?;
        announce(format!("{}/{name}", self.container)).map_err(|error| self.failure(&error))?;
        let file = self.target.directory.join(&name);
        let request = BackupRequest { file: &file, replace: false, passphrase: self.target.passphrase.as_ref() };
        let label = self.served.vault.back_up(&request, &mut |_, _| {}).map_err(|error| self.failure(&error))?;
        let (target, by) = (&self.target.name, &self.principal);
        tracing::info!("the vault {vault} was backed up as {name} to the target {target} by {by}");
        Ok(done(Done::backed_up(&label)))
    }

    /// A name for one more backup, if there may be one more.
    fn free_name(&self) -> Result<String> {
        let free = backup_directory::free_name(&self.target.directory, &self.served.name, self.clock.now());
        let (there, name) = free.map_err(|source| self.io(source))?;
        match there < MOST_BACKUPS {
            true => Ok(name),
            false => Err(failure(
                "TooManyBackups",
                format!(
                    "{there} backups of the vault lie at the target, which is the most: its operator takes some away."
                ),
            )),
        }
    }

    /// Finds out what would keep a backup from being made, and leaves nothing behind.
    pub fn check_backup(&self) -> Result<Done> {
        let vault = &self.served.vault;
        let info = vault.info().map_err(|error| self.failure(&error))?;
        match &self.target.passphrase {
            Some(passphrase) if passphrase.expose().len() < MIN_PASSPHRASE_LEN => {
                return Err(self.failure(&VaultError::PassphraseLength { min: MIN_PASSPHRASE_LEN }));
            }
            None if !info.has_recovery_key => {
                return Err(self.failure(&VaultError::NoRecoveryKey(info.location)));
            }
            _ => {}
        }
        self.free_name()?;
        let image = vault.image();
        let size = |value: Option<&Arc<[u8]>>| value.map_or(0, |value| value.len());
        let needed: usize =
            image.everything().map(|object| BESIDE + size(object.content.value.as_ref()) + object.secret_len).sum();
        let looked = file_system(&self.target.directory).map_err(|source| self.io(source))?;
        // A file without a name: nobody finds it, whatever happens.
        tempfile::tempfile_in(&self.target.directory)
            .and_then(|mut file| file.write_all(b"backup").and_then(|()| file.sync_all()))
            .map_err(|source| self.io(source))?;
        match looked.free < needed as u64 {
            true => Err(self.io(ErrorKind::StorageFull.into())),
            false => Ok(done("A backup can be made.")),
        }
    }

    /// The vault becomes what it was, but for who may do what, which stays.
    pub fn restore(&self, file: &Path) -> Result<Done> {
        let key = self.key(file)?;
        let source = BackupSource { file, key: &key };
        let keep = kept::beginnings();
        let wish = RestoreWish { agreed: true, keep: &keep, ..RestoreWish::default() };
        let restored = self.served.vault.restore(&source, &wish, &mut |_| true, &mut |_, _| {});
        let restored = restored.map_err(|error| self.failure(&error))?;
        self.told("was restored whole from", file);
        Ok(done(format!("{} objects were written and {} deleted.", restored.written, restored.deleted)))
    }

    /// Finds out what would keep the vault from being restored.
    pub fn check_restore(&self, file: &Path) -> Result<Done> {
        let key = self.key(file)?;
        let keep = kept::beginnings();
        let wish = RestoreWish { agreed: true, keep: &keep, ..RestoreWish::default() };
        let preview = self.served.vault.preview_restore(&BackupSource { file, key: &key }, &wish);
        let (label, losses) = preview.map_err(|error| self.failure(&error))?;
        Ok(done(format!(
            "The backup can be restored: it holds {} objects; {} that it hasn't would be deleted.",
            label.objects(),
            losses.missing.len()
        )))
    }

    /// All versions of one key come back.
    pub fn restore_key(&self, file: &Path, name: &Name) -> Result<Done> {
        let key = self.key(file)?;
        let named = NamedInBackup { name, collection: Some(Collection::Keys), rename: None, own: true };
        let restored = self.served.vault.restore_named(&BackupSource { file, key: &key }, &named);
        match restored {
            Ok(objects) => {
                self.told(&format!("has the key {name} again from"), file);
                Ok(done(format!("{} objects were written.", objects.len())))
            }
            Err(VaultError::NotInBackup { .. }) => {
                Err(failure("KeyNotFound", format!("A key with the name {name} was not found in the backup.")))
            }
            Err(error) => Err(self.failure(&error)),
        }
    }

    fn told(&self, what: &str, file: &Path) {
        let name = file.file_name().unwrap_or_default().to_string_lossy();
        let (vault, target, by) = (&self.served.name, &self.target.name, &self.principal);
        tracing::warn!("the vault {vault} {what} {name} of the target {target} by {by}");
    }

    /// What opens a backup here: the vault's own root key, or the target's passphrase.
    fn key(&self, file: &Path) -> Result<BackupKey> {
        let label = self.served.vault.backup_label(file).map_err(|error| self.failure(&error))?;
        match (label.way, &self.target.passphrase) {
            (BackupWay::Recovery, _) => Ok(BackupKey::Vault),
            (BackupWay::Passphrase, Some(passphrase)) => Ok(BackupKey::Passphrase(passphrase.clone())),
            (BackupWay::Passphrase, None) => Err(failure(
                "BackupKeyWrong",
                "The backup opens with a passphrase, and its target has none in the server's configuration.",
            )),
        }
    }

    fn io(&self, source: std::io::Error) -> Failure {
        self.failure(&VaultError::Io { path: self.target.directory.display().to_string(), source })
    }

    /// What is told of an error; its own text goes to the log.
    fn failure(&self, error: &VaultError) -> Failure {
        tracing::error!("a job of the vault {} at the target {} failed: {error}", self.served.name, self.target.name);
        explained(error)
    }
}

fn explained(error: &VaultError) -> Failure {
    match error {
        VaultError::NotABackup(_) | VaultError::BackupDamaged { .. } => {
            failure("BackupDamaged", "The backup is damaged, or none: use another one.")
        }
        VaultError::NewerFormat { found, known, .. } => failure(
            "BackupNewer",
            format!("The backup has format {found}, and this server reads up to {known}: upgrade the server."),
        ),
        VaultError::InTheWay { .. } => failure("BackupForeign", target::FOREIGN),
        VaultError::BackupKeyWrong { .. } | VaultError::BackupKeyMissing { .. } => failure(
            "BackupKeyWrong",
            "The backup doesn't open here: it is of another vault, from before its root key was replaced, or was made \
             with another passphrase. `strongroom restore` opens it where the vault lies, with the recovery key of that \
             time.",
        ),
        VaultError::RestoreProtected(_) => failure(
            "ForbiddenByPolicy",
            "Purge protection is on, and the vault holds objects that the backup hasn't or had deleted: nobody may end \
             them before their date.",
        ),
        VaultError::FileExists(_) => {
            failure("Conflict", "Somebody else made a backup of the vault in this second: try again.")
        }
        VaultError::NoRecoveryKey(_) => failure(
            "NoRecoveryKey",
            "The vault has no recovery key, so nothing would open its backup elsewhere: its operator makes one, or gives \
             the target a passphrase.",
        ),
        VaultError::PassphraseLength { min } => {
            failure("BackupKeyWrong", format!("The target's passphrase has fewer than {min} characters."))
        }
        VaultError::Io { source, .. } => unusable(source.kind()),
        VaultError::Unsafe { .. } => unusable(ErrorKind::Other),
        other => {
            let error = ServiceError::of(other);
            failure(error.inner.unwrap_or(error.code), error.message)
        }
    }
}

/// What is told of the target's disk.
fn unusable(kind: ErrorKind) -> Failure {
    match kind {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            failure("StorageFull", "There is no room for it: its operator frees some.")
        }
        _ => failure(
            "StorageUnavailable",
            "The target can't be used now: the operator finds the reason in the server's log.",
        ),
    }
}

fn failure(code: &str, message: impl Into<String>) -> Failure {
    Failure { code: code.to_owned(), message: message.into() }
}

fn done(details: impl Into<String>) -> Done {
    Done { details: details.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_the_machine_is_told() {
        let path = || "/var/backups/x".to_owned();
        for error in [
            VaultError::NotABackup(path()),
            VaultError::BackupDamaged { file: path(), what: "is cut off at byte 7".into() },
            VaultError::NewerFormat { path: path(), found: 2, known: 1 },
            VaultError::InTheWay { path: path(), problem: "holds another vault, called secret".into() },
            VaultError::BackupKeyWrong { file: path(), key: "this passphrase" },
            VaultError::RestoreProtected(path()),
            VaultError::NoRecoveryKey(path()),
            VaultError::Io { path: path(), source: ErrorKind::PermissionDenied.into() },
            VaultError::Unsafe { path: path(), problem: "lies in the vault's own directory".into() },
            VaultError::Damaged { file: path(), what: "record 7".into() },
        ] {
            let Failure { code, message } = explained(&error);
            assert!(
                !message.contains("/var") && !message.contains("secret") && !message.contains("record 7"),
                "{message}"
            );
            assert!(!code.is_empty() && message.ends_with('.'), "{code}: {message}");
        }
    }
}
