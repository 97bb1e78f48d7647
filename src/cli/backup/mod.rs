//! `strongroom backup`: the whole vault in one encrypted file, and the proof that it can be relied on.

mod check;
mod schedule;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::ask::{self, Source};
use super::open::{self, Opened};
use super::{Context, Error, Result, progress, time};
use crate::config::{Config, VaultConfig};
use crate::vault::{
    BackupKey, BackupLabel, BackupRequest, BackupSource, BackupWay, Class, MIN_PASSPHRASE_LEN, Pin, RecoveryKey, Tally,
    VaultAdmin, VaultError,
};

/// What is done with backups.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Write the whole vault into one encrypted file, while it is in use
    Create(Create),
    /// Restore a backup into a scratch directory and try every key in it
    Verify(Verify),
    /// Show what a backup says of itself, without opening it
    Show(Show),
}

#[derive(Args)]
pub(super) struct Create {
    /// The file to write
    #[arg(required_unless_present_any = ["into", "target"])]
    file: Option<PathBuf>,
    /// Write a file that is named by vault and time into this directory
    #[arg(long, value_name = "DIR", conflicts_with = "file")]
    into: Option<PathBuf>,
    /// Afterwards remove this vault's oldest backups in the directory until so many are left
    #[arg(long, value_name = "COUNT", requires = "into", conflicts_with = "file", value_parser = clap::value_parser!(u32).range(1..))]
    keep: Option<u32>,
    /// Let a passphrase of the backup's own open it, read from this file, not the vault's recovery key
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The same, and ask for the passphrase
    #[arg(long, conflicts_with = "passphrase_file")]
    passphrase: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// At a server: write it to this backup target of the server's configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["file", "into", "passphrase_file", "passphrase", "force"])]
    pub target: Option<String>,
}

#[derive(Args)]
pub(super) struct Verify {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    opening: Opening,
}

#[derive(Args)]
pub(super) struct Show {
    /// The backup
    file: PathBuf,
}

/// What opens a backup.
#[derive(Args)]
pub(super) struct Opening {
    /// Read the recovery key that the vault had when the backup was made from this file
    #[arg(long, value_name = "FILE", conflicts_with = "passphrase_file")]
    recovery_key_file: Option<PathBuf>,
    /// Read the backup's passphrase from this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// The vault's machine key, if it was made with one (default: the one in the configuration)
    #[arg(long, value_name = "FILE")]
    machine_key: Option<PathBuf>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create(create) => self::create(context, &create),
        Verb::Verify(verify) => self::verify(context, &verify),
        Verb::Show(show) => self::show(context, &show),
    }
}

fn create(context: &Context, create: &Create) -> Result<()> {
    refuse_target(create.target.as_deref())?;
    let opened = context.unlocked()?;
    let passphrase = create.passphrase()?;
    let file = match (&create.file, &create.into) {
        (Some(file), _) => file.clone(),
        (None, Some(directory)) => schedule::new_file(directory, &opened.name)?,
        (None, None) => return Err(Error::Usage("Name the file to write, or a directory with --into.".into())),
    };
    let request = BackupRequest { file: &file, replace: create.force, passphrase: passphrase.as_ref() };
    let label = progress::count(&context.output, "Writing", |progress| opened.vault.back_up(&request, progress))?;
    context.output.note(match (label.way, label.machine_key) {
        (BackupWay::Passphrase, _) => "It opens with its passphrase, and with nothing else.",
        (BackupWay::Recovery, false) => "It opens with the vault's recovery key.",
        (BackupWay::Recovery, true) => {
            "It opens with the vault's recovery key and its machine key together: keep a copy of both elsewhere."
        }
    });
    let written = format!("Backed up {} of {} to {}.", counted(label.objects()), label.label, file.display());
    let json = label_json(&file, &label);
    match (&create.into, create.keep) {
        (Some(directory), Some(keep)) => {
            let made = (file.as_path(), label.created);
            let tidied = schedule::remove_old(&opened, directory, made, keep as usize);
            tell_of_both(context, &written, json, tidied)
        }
        _ => context.output.done(&written, &json),
    }
}

/// A target is a server's to know.
pub(super) fn refuse_target(target: Option<&str>) -> Result<()> {
    match target {
        None => Ok(()),
        Some(_) => Err(Error::Usage("--target is for a server: name its vault with --vault https://….".into())),
    }
}

/// The backup first: what was made is made, whatever became of the old ones.
fn tell_of_both(context: &Context, written: &str, mut json: Value, tidied: schedule::Tidied) -> Result<()> {
    json["removed"] = json!(tidied.removed);
    json["dated_later"] = json!(tidied.later);
    context.output.done(written, &json)?;
    if let [first, ..] = &tidied.later[..] {
        context.output.note(&format!(
            "{} and what else is dated later than this backup was left there and not counted: look at the clock, and \
             remove by hand what is not needed.",
            first.display()
        ));
    }
    match tidied.failed {
        None => Ok(()),
        Some((path, error)) => Err(Error::refused(format!(
            "The backup was made; {} could not be removed: {error}. Remove the old ones by hand.",
            path.display()
        ))),
    }
}

impl Create {
    /// A passphrase of the backup's own, if it is to have one.
    fn passphrase(&self) -> Result<Option<Pin>> {
        if !self.passphrase && self.passphrase_file.is_none() {
            return Ok(None);
        }
        let source = Source { file: self.passphrase_file.as_deref(), stdin: false, option: "--passphrase-file" };
        ask::new_pin(source, &format!("Passphrase of the backup ({MIN_PASSPHRASE_LEN} characters or more)")).map(Some)
    }
}

fn show(context: &Context, show: &Show) -> Result<()> {
    let anywhere = open::open(&Config::load_without_secrets()?, VaultConfig::local("backup", "/nonexistent"))?;
    let label = anywhere.backup_label(&show.file)?;
    let mut pairs = vec![
        ("vault", label.label.clone()),
        ("serial", label.serial.clone()),
        ("made", time::text(label.created)),
        ("opens with", opens_with(&label).to_owned()),
    ];
    pairs.extend(label.tallies.iter().map(|tally| (class_name(tally.class), tallied(tally))));
    context.output.details(&pairs, &label_json(&show.file, &label))
}

/// So many objects, as a sentence says it.
pub(super) fn counted(objects: u64) -> String {
    if objects == 1 { "1 object".to_owned() } else { format!("{objects} objects") }
}

fn tallied(tally: &Tally) -> String {
    match tally.names {
        0 => tally.objects.to_string(),
        1 => format!("{} (1 name)", tally.objects),
        names => format!("{} ({names} names)", tally.objects),
    }
}

fn verify(context: &Context, verify: &Verify) -> Result<()> {
    let place = |config: &Config| {
        let mut place = open::select(config, context.global.vault.as_deref())
            .unwrap_or_else(|_| VaultConfig::local("backup", "/nonexistent"));
        verify.opening.apply(&mut place)?;
        Ok(place)
    };
    let config = Config::load_without_secrets()?;
    let present = context.open_at(&config, place(&config)?)?;
    let label = present.vault.backup_label(&verify.file)?;
    let unlocked = || context.unlocked_by_itself(&place);
    let (_scratch, copy) = verify.opening.open_with(context, present, &label, &unlocked, &mut |present, key| {
        let source = BackupSource { file: &verify.file, key };
        let restore = |place: &Path| restore_to_scratch(&*present.vault, &source, place);
        // In memory where the machine has such a place and room in it. What lies there is sealed as a vault is.
        progress::spin(&context.output, "Restoring", || match restore(Path::new("/dev/shm")) {
            Err(Error::File { .. } | Error::Vault(VaultError::Io { .. })) => restore(&std::env::temp_dir()),
            restored => restored,
        })
    })?;
    check::run(context, &verify.file, &label, &*copy)
}

/// A directory that is gone with its value, and the vault in it.
fn restore_to_scratch(
    vault: &dyn VaultAdmin,
    source: &BackupSource<'_>,
    place: &Path,
) -> Result<(tempfile::TempDir, Arc<dyn VaultAdmin>)> {
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    let scratch = tempfile::Builder::new().prefix("strongroom-verify-").permissions(mode).tempdir_in(place);
    let scratch = scratch.map_err(|source| Error::File { path: place.into(), source })?;
    let copy = vault.try_backup(source, &scratch.path().join("vault"))?;
    Ok((scratch, copy))
}

impl Opening {
    /// Whether any of it is.
    #[cfg(feature = "server")]
    pub(super) fn is_given(&self) -> bool {
        self.recovery_key_file.is_some() || self.passphrase_file.is_some() || self.machine_key.is_some()
    }

    /// Makes the place know the machine key.
    pub(super) fn apply(&self, place: &mut VaultConfig) -> Result<()> {
        if let Some((local, file)) = place.as_local_mut().zip(self.machine_key.as_ref()) {
            local.machine_key = Some(super::init::absolute(file)?);
        }
        Ok(())
    }

    /// Does `act` with what opens the backup: what is named, else the root key of the vault that is there, if that is
    /// unlocked or `unlocked` gives it so, and is the right one; else what is asked for.
    pub(super) fn open_with<T>(
        &self,
        context: &Context,
        present: Opened,
        label: &BackupLabel,
        unlocked: &dyn Fn() -> Result<Option<Opened>>,
        act: &mut dyn FnMut(&Opened, &BackupKey) -> Result<T>,
    ) -> Result<T> {
        let named = self.recovery_key_file.is_some() || self.passphrase_file.is_some();
        let own = match named || label.way != BackupWay::Recovery || !present.info.initialized {
            true => Ok(None),
            false if present.vault.is_unlocked() => Ok(Some(present.clone())),
            false => unlocked(),
        };
        match own {
            Ok(None) => act(&present, &self.ask(label)?),
            Ok(Some(own)) => match act(&own, &BackupKey::Vault) {
                Err(Error::Vault(error @ VaultError::BackupKeyMissing { .. })) => {
                    context.output.note(&error.to_string());
                    act(&own, &self.ask(label)?)
                }
                done => done,
            },
            Err(error) => {
                context.output.note(&format!("The vault at {} is no help: {error}", present.info.location));
                act(&present, &self.ask(label)?)
            }
        }
    }

    /// What is named opens it; else who is asked.
    fn ask(&self, label: &BackupLabel) -> Result<BackupKey> {
        if let Some(key) = self.recovery_key()? {
            return Ok(BackupKey::Recovery(key));
        }
        if self.passphrase_file.is_none() && label.way == BackupWay::Recovery {
            return Ok(BackupKey::Recovery(ask::recovery_key(None)?));
        }
        let source = Source { file: self.passphrase_file.as_deref(), stdin: false, option: "--passphrase-file" };
        Ok(BackupKey::Passphrase(ask::pin(source, "Passphrase of the backup")?))
    }

    /// The recovery key that is named.
    pub(super) fn recovery_key(&self) -> Result<Option<RecoveryKey>> {
        self.recovery_key_file.as_deref().map(|file| ask::recovery_key(Some(file))).transpose()
    }
}

fn opens_with(label: &BackupLabel) -> &'static str {
    match (label.way, label.machine_key) {
        (BackupWay::Passphrase, _) => "its passphrase",
        (BackupWay::Recovery, false) => "the vault's recovery key",
        (BackupWay::Recovery, true) => "the vault's recovery key and machine key",
    }
}

/// As headings.
pub(super) fn class_name(class: Class) -> &'static str {
    match class {
        Class::Data => "data objects",
        Class::Certificate => "certificates",
        Class::PublicKey => "public keys",
        Class::PrivateKey => "private keys",
        Class::SecretKey => "secret keys",
        Class::Service => "records of the server",
        Class::CertificateRequest => "requests for certificates",
        Class::Other(_) => "other objects",
    }
}

pub(super) fn label_json(file: &Path, label: &BackupLabel) -> Value {
    let tally =
        |tally: &Tally| json!({ "class": class_name(tally.class), "objects": tally.objects, "names": tally.names });
    json!({
        "file": file,
        "vault": label.label,
        "serial": label.serial,
        "made": time::text(label.created),
        "commit": label.commit,
        "opens_with": match label.way {
            BackupWay::Recovery => "recovery-key",
            BackupWay::Passphrase => "passphrase",
        },
        "machine_key": label.machine_key,
        "objects": label.objects(),
        "classes": label.tallies.iter().map(tally).collect::<Vec<_>>(),
    })
}
