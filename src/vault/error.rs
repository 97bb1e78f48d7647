//! Every way in which a vault can refuse or fail. Each variant is a situation; its text says what to do.

use std::path::Path;

use crate::crypto::CryptoError;

/// A situation in which a vault could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// Needs [`Vault::unlock`](super::Vault::unlock) first.
    #[error("the vault is locked: log in first")]
    Locked,
    /// The root key was replaced while this process was logged in.
    #[error("the vault was rekeyed: log in again")]
    Rekeyed,
    /// Wrong key file or recovery key: they are too long to be guessed, so nobody counts.
    #[error("{0} doesn't open this vault: give the one that it has now")]
    KeyIncorrect(&'static str),
    /// Wrong PIN.
    #[error("the PIN is wrong ({})", attempts(*.remaining))]
    PinIncorrect {
        /// Attempts before it locks.
        remaining: u32,
    },
    /// Too many wrong PINs.
    #[error("the PIN is locked after too many wrong attempts: reset it with `strongroom pin reset`")]
    PinLocked,
    /// Too short or too long.
    #[error("a PIN has {min} to {max} bytes")]
    PinLength {
        /// Shortest.
        min: usize,
        /// Longest.
        max: usize,
    },
    /// `C_InitPIN` was never done.
    #[error("no user PIN has been set: set one with `strongroom pin reset`")]
    PinNotSet,
    /// There is no vault yet.
    #[error("no vault at {0}: make one with `strongroom init`, or bring one back with `strongroom restore`")]
    NotInitialized(String),
    /// [`VaultAdmin::initialize`](super::VaultAdmin::initialize) on a vault that holds objects.
    #[error(
        "the vault at {0} holds objects and can't be initialised again: delete them first, or set `reinitialize = true` in its configuration"
    )]
    NotEmpty(String),
    /// No such object, or no longer.
    #[error("no such object")]
    NotFound,
    /// The object was deleted, by whomever.
    #[error("the object was deleted")]
    Deleted,
    /// This version is disabled: of a key, or of a secret, which only REST disables and enables.
    #[error("it is disabled: enable it over REST, or if it is a key with `strongroom key enable`, to use it again")]
    Disabled,
    /// `changes` doesn't say whether the key may be used.
    #[error("the key's state is not known since this machine started or a change was cut off: log in again")]
    StateUnknown,
    /// Its `nbf` lies in the future.
    #[error("the key is not valid before {0} (seconds since 1970)")]
    NotYetValid(i64),
    /// Its `exp` has passed.
    #[error("the key expired at {0} (seconds since 1970)")]
    Expired(i64),
    /// A name that exists.
    #[error(
        "the name {0} is taken: choose another, or make a new version (`key rotate`, `cert create --renew`, `cert import --renew`)"
    )]
    NameTaken(String),
    /// A name that something deleted still holds.
    #[error(
        "the name {0} belongs to a deleted object: bring that back with `strongroom deleted recover`, or end it with `strongroom deleted purge`"
    )]
    NameDeleted(String),
    /// The end of an object before its date, in a vault whose purge protection is on.
    #[error("purge protection is on: what is deleted stays until its date, and only a soft deletion is possible")]
    PurgeProtected,
    /// A certificate's own key is made, deleted, brought back and purged with it.
    #[error(
        "{0} is a certificate with a key of its own, and neither goes or comes without the other: renew, delete, recover or purge the certificate"
    )]
    Managed(String),
    /// The vault deletes more than what was meant.
    #[error("{what} can't be deleted alone: {instead}")]
    Inseparable {
        /// What was meant.
        what: String,
        /// What to do.
        instead: &'static str,
    },
    /// What was asked would leave the vault without anybody who may give roles.
    #[error("the last enabled administrator can't be removed: make another one first")]
    LastAdministrator,
    /// Not a name.
    #[error("{0:?} is no valid name: 1 to 127 letters, digits and hyphens")]
    NameInvalid(String),
    /// The vault can't be written.
    #[error("the vault at {0} is read-only")]
    ReadOnly(String),
    /// Another process held a lock for too long.
    #[error("the vault at {location} is busy: another process held {lock} for more than {seconds} s")]
    Busy {
        /// The vault.
        location: String,
        /// Which lock.
        lock: &'static str,
        /// How long it was tried.
        seconds: u64,
    },
    /// Something that was written is no longer what was written.
    #[error("{file}: {what}: restore a backup")]
    Damaged {
        /// The file.
        file: String,
        /// Which record, and how.
        what: String,
    },
    /// The vault went back in time, or its page was copied without it.
    #[error(
        "{0}: acknowledged changes are missing (the vault was copied file by file or put back from an old copy): put the newest copy of the whole directory back, or go on without them with `strongroom restore --accept`"
    )]
    RolledBack(String),
    /// Wrong owner, mode or kind of file system.
    #[error("{path}: {problem}")]
    Unsafe {
        /// The file or directory.
        path: String,
        /// What is wrong and what to do.
        problem: String,
    },
    /// Written by a newer release.
    #[error("{path} has format {found}, this release reads up to {known}: upgrade strongroom")]
    NewerFormat {
        /// The file.
        path: String,
        /// What it says.
        found: u32,
        /// What we know.
        known: u32,
    },
    /// This process was forked off one that was in the middle of a call, or may not open the vault.
    #[error("this forked process can't open the vault at {0}: it serves the keys its parent had loaded")]
    ForkedReader(String),
    /// The vault can't hold or do it.
    #[error("not supported by this vault: {0}")]
    Unsupported(&'static str),
    /// What a vault's own machine does, asked of a vault that is elsewhere.
    #[error("the vault is elsewhere: do this on its own machine, or name it by its address, `--vault https://…`")]
    OnlyThere,
    /// Everything was written, but what it replaced may still stand in the file.
    #[error(
        "the vault at {0} was rewritten, but free space in its file was not overwritten ({1}): free disk space and run `strongroom purge`"
    )]
    NotCompacted(String, String),
    /// The vault is full.
    #[error("the vault at {0} is full: {1}")]
    Full(String, &'static str),
    /// Disk or network.
    #[error("{path}: {source}")]
    Io {
        /// The file or address.
        path: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A remote vault that gave no answer, or none in the time that a call has.
    #[error("{location} can't be reached: {what}")]
    Unreachable {
        /// The vault.
        location: String,
        /// At which step, why, and what to check.
        what: String,
    },
    /// A remote vault that has too much to do, and said so for as long as a call may wait.
    #[error("{location} is busy and refused for as long as this call could wait: ask less often, or raise its limits")]
    Throttled {
        /// The vault.
        location: String,
    },
    /// The remote vault's answer isn't what its interface says, or isn't an answer to what was asked.
    #[error("{location} answered something that can't be used: {what}")]
    AnswerInvalid {
        /// The vault.
        location: String,
        /// What is wrong with it.
        what: String,
    },
    /// The remote vault's own refusal, in its words.
    #[error("{location} refused ({code}): {message}")]
    RefusedThere {
        /// The vault.
        location: String,
        /// The status of HTTP.
        status: u16,
        /// The innermost code that it gave.
        code: String,
        /// Its sentence.
        message: String,
    },
    /// Whoever this process is at the remote vault may not do it.
    #[error("{location} doesn't allow it: give this identity a role there that has the data action {action}")]
    NotPermitted {
        /// The data action that is missing.
        action: String,
        /// The vault.
        location: String,
    },
    /// The remote vault, or the authority that it names, doesn't take what this process logs in with.
    #[error("{location} can't be logged in to: {what}")]
    CredentialRefused {
        /// The vault.
        location: String,
        /// Who refused it, why, and what to do.
        what: String,
    },
    /// A file that is in the way of a new one.
    #[error("{0} exists: choose another name, or replace it with --force")]
    FileExists(String),
    /// Neither a recovery key nor a passphrase would open the backup.
    #[error(
        "the vault at {0} has no recovery key, so nothing would open its backup elsewhere: give the backup a passphrase with --passphrase, or make a recovery key with `strongroom rekey`"
    )]
    NoRecoveryKey(String),
    /// A passphrase of a backup that is soon guessed.
    #[error("a backup's passphrase has {min} characters or more: who finds the file may guess as often as they like")]
    PassphraseLength {
        /// Shortest, in characters.
        min: usize,
    },
    /// Not one of ours.
    #[error(
        "{0} is no backup of a vault, or its beginning is damaged: name a file that `strongroom backup create` wrote"
    )]
    NotABackup(String),
    /// A backup that is no longer what was written.
    #[error("the backup {file} {what}: use another copy of it")]
    BackupDamaged {
        /// The file.
        file: String,
        /// Where, and how.
        what: String,
    },
    /// Wrong passphrase or recovery key.
    #[error("{key} doesn't open the backup {file}: give the one that was valid when the backup was made")]
    BackupKeyWrong {
        /// The file.
        file: String,
        /// What was tried.
        key: &'static str,
    },
    /// The backup asks for something else than was given.
    #[error("the backup {file} {problem}")]
    BackupKeyMissing {
        /// The file.
        file: String,
        /// What opens it, and what to do.
        problem: String,
    },
    /// Nothing in the backup is called so, or several things are.
    #[error("the backup {file} {problem}")]
    NotInBackup {
        /// The file.
        file: String,
        /// What there is instead.
        problem: String,
    },
    /// What lies where a backup is to be restored is not the vault that was backed up, or can't be read.
    #[error(
        "{path} {problem}: restore to another place with --path, or rename what is there and restore in its place with --move-aside"
    )]
    InTheWay {
        /// The directory.
        path: String,
        /// What is there.
        problem: String,
    },
    /// Going back to a backup would end objects before their date, in a vault whose purge protection is on.
    #[error(
        "{0} has purge protection and holds objects that the backup hasn't or had deleted, which nobody may end before their date: restore to another place with --path, or rename what is there and restore in its place with --move-aside"
    )]
    RestoreProtected(String),
    /// What lay in a vault's place was renamed, and then something failed.
    #[error("{error}; what lay in the vault's place is at {aside} now")]
    MovedAside {
        /// What failed.
        error: Box<VaultError>,
        /// Where it is.
        aside: String,
    },
    /// Nobody agreed to what would have been lost.
    #[error("nothing was done")]
    Declined,
    /// The vault was changed between the question and the answer.
    #[error("the vault at {0} was changed meanwhile and nothing was done: try again")]
    ChangedMeanwhile(String),
    /// No change that was acknowledged is missing.
    #[error("the vault at {0} was not put back in time: there is nothing to accept")]
    NotRolledBack(String),
    /// From a caller's `edit`: the change isn't allowed. Carries the front end's own code.
    #[error("the change was refused")]
    Refused(u64),
    /// From the cryptography.
    #[error(transparent)]
    Crypto(#[from] CryptoError),
}

impl VaultError {
    /// Says where what lay in the vault's place is now, if it was moved.
    #[must_use]
    pub fn beside(self, aside: Option<&Path>) -> Self {
        match aside {
            None => self,
            Some(aside) => Self::MovedAside { error: Box::new(self), aside: aside.display().to_string() },
        }
    }
}

fn attempts(remaining: u32) -> String {
    match remaining {
        0 => "no attempt left".to_owned(),
        1 => "1 attempt left".to_owned(),
        several => format!("{several} attempts left"),
    }
}
