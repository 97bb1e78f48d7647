//! Backups: a whole vault in one sealed file, made while the vault is in use.
//!
//! What is saved is one snapshot of the store, read into memory in one transaction and found whole before a byte is
//! written: every row is opened, private parts too, and the sum over all of them is compared, so that a damaged vault is
//! never backed up as a good one. Rows stay sealed as they are; the file seals them once more, together.
//!
//! What opens a backup is the vault's recovery key, whose wrapped root key is copied into the readable header, or a
//! passphrase of its own, for which the root key is wrapped as for a PIN. Neither the wrapped keys of PINs nor that of a
//! key file stand in clear: a PIN is weak, and a backup travels. (All of them are in the sealed body, so that a restored
//! vault opens as it did.) So making a backup takes no secret beyond what unlocks the vault.
//!
//! A machine key is mixed into the recovery key's way where the vault has one, and can't be taken out without the recovery
//! key: such a backup needs both, and its header says so. A passphrase is wrapped without it.

mod file;
mod format;
mod stream;

use std::fs::OpenOptions;
use std::io::{BufReader, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use globset::GlobSet;

use self::format::{Beginning, Head};
use super::LocalVault;
use super::header::Counters;
use super::key::now;
use super::loaded::{Loaded, Surroundings};
use super::seal::RootKey;
use super::store::{Attempts, HeaderRow, Row, Snapshot};
use super::wrapped::{self, Opener, Stored, Way};
use crate::crypto::SecretBytes;
use crate::sys::memory::{SecretPool, WipeStack};
use crate::vault::{
    BackupKey, BackupLabel, BackupRequest, BackupSource, BackupWay, MIN_PASSPHRASE_LEN, Pin, Result, Tally, VaultError,
};

/// Everything of a vault at one commit, and the root key that opens it.
pub(super) struct Saved {
    pub root: RootKey,
    pub header: HeaderRow,
    pub wrapped: Stored,
    pub rows: Vec<Row>,
}

/// A backup that was opened and found whole.
pub(super) struct Opened {
    pub label: BackupLabel,
    pub saved: Saved,
    pub loaded: Loaded,
    pub counters: Counters,
}

impl Snapshot for Saved {
    fn header(&self) -> Result<HeaderRow> {
        Ok(self.header.clone())
    }

    fn scan(&self, since: u64, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        self.rows.iter().filter(|row| row.seq > since).try_for_each(|row| each(row.clone()))
    }

    fn wrapped_keys(&self) -> Result<Stored> {
        Ok(self.wrapped.clone())
    }

    /// Nobody's: they lie outside of what is saved.
    fn attempts(&self, _kind: u8) -> Result<Attempts> {
        Ok(Attempts::default())
    }
}

impl Saved {
    fn read(snapshot: &dyn Snapshot, root: RootKey) -> Result<Self> {
        let mut rows = Vec::new();
        snapshot.scan(0, &mut |row| {
            rows.push(row);
            Ok(())
        })?;
        Ok(Self { root, header: snapshot.header()?, wrapped: snapshot.wrapped_keys()?, rows })
    }

    /// Opens every row, compares the sum, and opens every private part. `file` is for messages.
    pub(super) fn verify(&self, file: &Path) -> Result<(Loaded, Counters)> {
        let text = file.display().to_string();
        // No forked child inherits anything of it.
        let around = Surroundings { file: &text, filter: Some(&GlobSet::empty()), ring: &SecretPool::default() };
        let (mut loaded, mut counters) = (Loaded::default(), Counters::default());
        loaded.load(self, &self.root, &mut counters, &around)?;
        for entry in loaded.entries.values().filter(|entry| entry.object.has_secret) {
            entry.open_secret(&self.header, Some(&self.root), file)?;
        }
        Ok((loaded, counters))
    }
}

impl LocalVault {
    pub(super) fn write_backup(
        &self,
        request: &BackupRequest<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<BackupLabel> {
        let _wipe = WipeStack;
        if request.passphrase.is_some_and(|passphrase| characters(passphrase.expose()) < MIN_PASSPHRASE_LEN) {
            return Err(VaultError::PassphraseLength { min: MIN_PASSPHRASE_LEN });
        }
        file::check_target(request.file, request.replace)?;
        self.refuse_own_directory(request.file)?;
        let saved = self.save()?;
        let (loaded, _) = saved.verify(&self.directory.database())?;
        let (way, wrapped) = self.way_of_backup(&saved, request.passphrase)?;
        let head = Head::new(&saved, way, wrapped, &Tally::of(&loaded.image), now())?;
        let text = request.file.display().to_string();
        file::write_whole(request.file, request.replace, &mut |out| {
            format::write(out, &head, &saved, &text, &mut *progress)
        })?;
        Ok(head.label())
    }

    /// A backup in there would be lost with the vault.
    fn refuse_own_directory(&self, file: &Path) -> Result<()> {
        let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match (parent.canonicalize(), self.directory.path().canonicalize()) {
            (Ok(parent), Ok(own)) if parent.starts_with(&own) => Err(VaultError::Unsafe {
                path: file.display().to_string(),
                problem: "lies in the vault's own directory and would be lost with it: name a file elsewhere".into(),
            }),
            _ => Ok(()),
        }
    }

    /// Everything as it is now, of an unlocked vault that wasn't put back in time. Others wait for no longer than it is
    /// read into memory.
    fn save(&self) -> Result<Saved> {
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        self.check_exists()?;
        let mut state = self.state();
        match &state.root {
            Some(_) => self.reload(&mut state)?,
            None if state.rekeyed => return Err(VaultError::Rekeyed),
            None => return Err(VaultError::Locked),
        }
        let mut root = Some(state.root.as_ref().ok_or(VaultError::Rekeyed)?.copy()?);
        drop(state);
        let mut saved = None;
        self.read(&mut |snapshot| {
            if let Some(root) = root.take() {
                saved = Some(Saved::read(snapshot, root)?);
            }
            Ok(())
        })?;
        saved.ok_or(VaultError::Locked)
    }

    fn way_of_backup(&self, saved: &Saved, passphrase: Option<&Pin>) -> Result<(BackupWay, Vec<u8>)> {
        let Some(passphrase) = passphrase else {
            let recovery = saved.wrapped.iter().find(|(kind, _)| *kind == Way::Recovery as u8);
            let (_, body) = recovery.ok_or_else(|| VaultError::NoRecoveryKey(self.directory.text()))?;
            return Ok((BackupWay::Recovery, body.clone()));
        };
        let opener = Opener { way: Way::Passphrase, secret: passphrase.expose(), machine_key: None };
        let header = &saved.header;
        Ok((BackupWay::Passphrase, wrapped::wrap(&saved.root, &opener, &header.vault_id, header.root_number)?))
    }

    /// Opens a backup and reads and checks all of it.
    pub(super) fn open_backup(
        &self,
        source: &BackupSource<'_>,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Opened> {
        let text = source.file.display().to_string();
        let mut input = open_file(source.file)?;
        let beginning = format::read_beginning(&mut input, &text)?;
        let root = self.root_of_backup(&beginning, source.key, &text)?;
        let saved = format::read_body(&mut input, &beginning, root, &text, progress)?;
        let (loaded, counters) = saved.verify(source.file).map_err(in_backup)?;
        Ok(Opened { label: beginning.head.label(), saved, loaded, counters })
    }

    fn root_of_backup(&self, beginning: &Beginning, key: &BackupKey, file: &str) -> Result<RootKey> {
        let head = &beginning.head;
        let label = head.label();
        let missing =
            |problem: &str| VaultError::BackupKeyMissing { file: file.to_owned(), problem: problem.to_owned() };
        let (way, secret, name) = match (key, label.way) {
            (BackupKey::Vault, _) => return self.own_root_for(head, file),
            (BackupKey::Recovery(key), BackupWay::Recovery) => (Way::Recovery, key.expose(), "this recovery key"),
            (BackupKey::Passphrase(passphrase), BackupWay::Passphrase) => {
                (Way::Passphrase, passphrase.expose(), "this passphrase")
            }
            (_, BackupWay::Recovery) => {
                return Err(missing("opens with the vault's recovery key: give it with --recovery-key-file"));
            }
            (_, BackupWay::Passphrase) => {
                return Err(missing("opens with a passphrase of its own: give it with --passphrase-file"));
            }
        };
        let machine_key = self.machine_key_for(&label, file)?;
        let opener = Opener { way, secret, machine_key: machine_key.as_ref() };
        let tried = wrapped::unwrap(&head.wrapped, &opener, &head.vault_id, head.root_number, file);
        let tried = tried.map_err(in_backup)?;
        tried.root.ok_or(VaultError::BackupKeyWrong { file: file.to_owned(), key: name })
    }

    fn machine_key_for(&self, label: &BackupLabel, file: &str) -> Result<Option<SecretBytes>> {
        if !label.machine_key {
            return Ok(None);
        }
        let missing = || VaultError::BackupKeyMissing {
            file: file.to_owned(),
            problem:
                "opens only with the vault's machine key beside its recovery key: name its file with --machine-key"
                    .into(),
        };
        self.machine_key()?.map_or_else(|| Err(missing()), |key| Ok(Some(key)))
    }

    /// This vault's own root key, if it is the one that sealed the backup.
    fn own_root_for(&self, head: &Head, file: &str) -> Result<RootKey> {
        let state = self.state();
        let (Some(root), Some(header)) = (&state.root, &state.loaded.header) else { return Err(VaultError::Locked) };
        if header.vault_id == head.vault_id && head.fits(root)? {
            return root.copy();
        }
        let problem = "is of another vault, or from before a rekey: open it with the recovery key of that time, or with \
                       its passphrase";
        Err(VaultError::BackupKeyMissing { file: file.to_owned(), problem: problem.into() })
    }
}

/// What a person counts; bytes where they are no text.
fn characters(passphrase: &[u8]) -> usize {
    std::str::from_utf8(passphrase).map_or(passphrase.len(), |text| text.chars().count())
}

/// Damage in a backup is not mended by restoring one.
fn in_backup(error: VaultError) -> VaultError {
    match error {
        VaultError::Damaged { file, what } => VaultError::BackupDamaged { file, what: format!("is damaged ({what})") },
        other => other,
    }
}

/// What the file says of itself.
pub(super) fn label(path: &Path) -> Result<BackupLabel> {
    let text = path.display().to_string();
    Ok(format::read_beginning(&mut open_file(path)?, &text)?.head.label())
}

fn open_file(path: &Path) -> Result<impl Read> {
    let fail = |source| VaultError::Io { path: path.display().to_string(), source };
    // Non-blocking: a named pipe among the files must not hang who looks at them.
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path).map_err(fail)?;
    if !file.metadata().map_err(fail)?.is_file() {
        let problem = "is no regular file: name the file of a backup".to_owned();
        return Err(VaultError::Unsafe { path: path.display().to_string(), problem });
    }
    Ok(BufReader::with_capacity(1 << 18, file))
}
