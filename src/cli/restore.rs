//! `strongroom restore`: a vault, or one thing of it, comes back from a backup; and a vault that was put back in time is
//! accepted.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::Args;
use serde_json::json;

use super::ask::{self, Source};
use super::backup::{Opening, class_name, counted, label_json, refuse_target};
use super::open::{self, Opened, Place};
use super::versions::Kind;
use super::{Context, Error, Result, init, progress, time};
use crate::config::{Config, VaultConfig};
use crate::sys::env;
use crate::sys::output::{Severity, write_line};
use crate::vault::{
    BackupLabel, BackupSource, Losses, Name, NamedInBackup, Object, Pin, RestoreWish, Restored, Rollback, Unlock,
    VaultError,
};

/// What comes back, and where.
#[derive(Args)]
pub(super) struct Restore {
    /// The backup; at a server its name there
    #[arg(required_unless_present = "accept")]
    file: Option<PathBuf>,
    /// At a server: restore from this backup target of the server's configuration
    #[arg(long, value_name = "NAME", conflicts_with_all = ["path", "new_pin", "new_pin_file", "move_aside", "kind", "new_name", "accept"])]
    target: Option<String>,
    #[command(flatten)]
    opening: Opening,
    /// Restore into this directory (default: where the configuration has the vault)
    #[arg(long, value_name = "DIR")]
    path: Option<PathBuf>,
    /// Set a new user PIN, and ask for it
    #[arg(long)]
    new_pin: bool,
    /// Set a new user PIN, and read it from this file
    #[arg(long, value_name = "FILE", conflicts_with = "new_pin")]
    new_pin_file: Option<PathBuf>,
    /// Rename what lies in the place, whatever it is, and restore as if nothing were there
    #[arg(long)]
    move_aside: bool,
    /// Only the key, secret or certificate with this name, all its versions, into an unlocked vault
    #[arg(long, value_name = "NAME", conflicts_with_all = ["new_pin", "new_pin_file", "move_aside"])]
    object: Option<String>,
    /// What it is, where several things in the backup are called so
    #[arg(long, requires = "object")]
    kind: Option<Kind>,
    /// Its name from now on
    #[arg(long = "as", value_name = "NEW_NAME", requires = "object")]
    new_name: Option<String>,
    /// No backup: go on with a vault that was put back to an older state, without what is missing since
    #[arg(long, conflicts_with_all = ["file", "object", "move_aside", "new_pin", "new_pin_file", "passphrase_file"])]
    accept: bool,
}

/// What a server is told.
#[cfg(feature = "server")]
pub(super) struct AtServer {
    pub backup: String,
    pub target: String,
    /// One key alone.
    pub key: Option<Name>,
}

#[cfg(feature = "server")]
impl Restore {
    /// What a server can be asked for of it.
    pub(super) fn at_server(self) -> Result<AtServer> {
        let Some(target) = self.target else {
            return Err(Error::Usage("Say with --target which backup target of the server the backup lies at.".into()));
        };
        if self.opening.is_given() {
            return Err(Error::Usage(
                "What opens a backup at a server's target is in the server's configuration.".into(),
            ));
        }
        let backup = self.file.map(|file| file.to_string_lossy().into_owned()).unwrap_or_default();
        Ok(AtServer { backup, target, key: self.object.as_deref().map(Name::new).transpose()? })
    }
}

pub(super) fn run(context: &Context, restore: Restore) -> Result<()> {
    refuse_target(restore.target.as_deref())?;
    let place = |config: &Config| {
        let mut place = place(context, &restore, config)?;
        restore.opening.apply(&mut place)?;
        Ok(place)
    };
    match (&restore.file, &restore.object) {
        (Some(file), Some(object)) => one_object(context, &restore, &place, file, object),
        (Some(file), None) => whole(context, &restore, &place, file),
        (None, _) => accept(context, &restore, &place),
    }
}

fn place(context: &Context, restore: &Restore, config: &Config) -> Result<VaultConfig> {
    let Some(path) = &restore.path else { return open::select(config, context.global.vault.as_deref()) };
    let path = init::absolute(path)?;
    let text = path.to_string_lossy();
    let configured = open::named(config, &text).filter(|vault| vault.name != text);
    Ok(configured.unwrap_or_else(|| VaultConfig::local(init::last_part(&path), &path)))
}

fn whole(context: &Context, restore: &Restore, place: &Place<'_>, file: &Path) -> Result<()> {
    // On a new machine the configuration is there first, and the PIN's file later.
    let config = Config::load_without_secrets()?;
    let configured = place(&config)?;
    let present = context.open_at(&config, configured.clone())?;
    let label = present.vault.backup_label(file)?;
    let new_pin = new_pin(restore, &present)?;
    let wish = RestoreWish { new_pin: new_pin.as_ref(), move_aside: restore.move_aside, ..RestoreWish::default() };
    let location = present.vault.location();
    let unlocked = || if restore.move_aside { Ok(None) } else { context.unlocked_by_itself(place) };
    let restored = restore.opening.open_with(context, present, &label, &unlocked, &mut |present, key| {
        let source = BackupSource { file, key };
        match restore_asking(context, present, &source, &wish, &label) {
            // The root key was replaced since the backup: only what opens the vault now gives the present one.
            Err(Error::Vault(VaultError::Locked)) => {
                restore_asking(context, &unlock_present(context, place)?, &source, &wish, &label)
            }
            done => done,
        }
    })?;
    report(context, &location, file, &restored)?;
    if let Some(local) = configured.as_local().filter(|_| !restored.in_place) {
        init::explain_configuration(context, &config, &configured.name, &local.path, local.machine_key.as_deref());
    }
    Ok(())
}

fn unlock_present(context: &Context, place: &Place<'_>) -> Result<Opened> {
    let config = Config::load()?;
    let present = context.open_at(&config, place(&config)?)?;
    let how = context.users_way(&present)?;
    present.vault.unlock(&how).map_err(|error| match error {
        VaultError::Damaged { .. }
        | VaultError::PinIncorrect { .. }
        | VaultError::KeyIncorrect(_)
        | VaultError::PinLocked
        | VaultError::PinNotSet => Error::refused(format!(
            "The vault at {} can't be unlocked, {error}. To restore without it, add --move-aside, which renames it, \
                 or name another place with --path.",
            present.info.location
        )),
        other => other.into(),
    })?;
    Ok(present)
}

fn restore_asking(
    context: &Context,
    present: &Opened,
    source: &BackupSource<'_>,
    wish: &RestoreWish<'_>,
    label: &BackupLabel,
) -> Result<Restored> {
    let mut answer = Ok(());
    let mut agree = |losses: &Losses| {
        answer = context.confirm(&question(label, losses));
        answer.is_ok()
    };
    let restored = progress::count(&context.output, "Restoring", |progress| {
        present.vault.restore(source, wish, &mut agree, progress)
    });
    answer?;
    Ok(restored?)
}

fn question(label: &BackupLabel, losses: &Losses) -> String {
    let parts: Vec<String> = [
        (&losses.missing, "not in the backup and will be deleted"),
        (&losses.changed, "different now and will be as in the backup"),
        (&losses.revived, "disabled or deleted now and can be used again"),
        (&losses.readmitted, "removed or changed now and will say again who may use the server"),
    ]
    .into_iter()
    .filter(|(objects, _)| !objects.is_empty())
    .map(|(objects, what)| {
        let verb = if objects.len() == 1 { "is" } else { "are" };
        format!("{} {verb} {what}: {}", count(objects), names(objects))
    })
    .collect();
    format!("Bring {} back to its state of {}? {}.", label.label, time::text(label.created), parts.join("; "))
}

fn count(objects: &[Arc<Object>]) -> String {
    counted(objects.len() as u64)
}

/// The first ten.
fn names(objects: &[Arc<Object>]) -> String {
    const SHOWN: usize = 10;
    let mut texts: Vec<String> = objects.iter().take(SHOWN).map(|object| described(object)).collect();
    if objects.len() > SHOWN {
        texts.push("…".into());
    }
    texts.join(", ")
}

fn described(object: &Object) -> String {
    let class = class_name(object.content.class).trim_end_matches('s').to_owned();
    let version = object.version.map_or(String::new(), |version| format!(" version {}", version.ordinal));
    match &object.name {
        Some(name) => format!("{class} {name}{version}"),
        None => format!("{class} {:?}", String::from_utf8_lossy(&object.content.label)),
    }
}

fn new_pin(restore: &Restore, present: &Opened) -> Result<Option<Pin>> {
    if !restore.new_pin && restore.new_pin_file.is_none() {
        return Ok(None);
    }
    let source = Source { file: restore.new_pin_file.as_deref(), stdin: false, option: "--new-pin-file" };
    let shortest = present.vault.info().map_or(8, |info| info.pin_len.0.max(1));
    Ok(Some(ask::new_pin(source, &format!("New PIN ({shortest} characters or more)"))?))
}

fn report(context: &Context, location: &str, file: &Path, restored: &Restored) -> Result<()> {
    if let Some(aside) = &restored.moved_aside {
        context.output.note(&format!("What was there lies at {aside} now."));
    }
    let made = time::text(restored.label.created);
    record(&format!("the vault at {location} was restored from a backup of {made}"));
    let sentence = match restored.in_place {
        false => {
            format!(
                "Restored {} of {} as of {made} to {location}.",
                counted(restored.written as u64),
                restored.label.label
            )
        }
        true => format!(
            "{} at {location} is as of {made} again: {} written, {} deleted.",
            restored.label.label,
            counted(restored.written as u64),
            restored.deleted
        ),
    };
    context.output.done(
        &sentence,
        &json!({
            "vault": location,
            "backup": label_json(file, &restored.label),
            "in_place": restored.in_place,
            "moved_aside": restored.moved_aside,
            "written": restored.written,
            "deleted": restored.deleted,
        }),
    )?;
    if !restored.in_place {
        context.output.note(
            "Programs that had the vault open go on with what they loaded, and later changes don't reach them: restart \
             them.",
        );
    }
    Ok(())
}

fn one_object(context: &Context, restore: &Restore, place: &Place<'_>, file: &Path, object: &str) -> Result<()> {
    let config = Config::load()?;
    let present = context.open_at(&config, place(&config)?)?;
    let name = Name::new(object)?;
    let rename = restore.new_name.as_deref().map(Name::new).transpose()?;
    if !present.info.initialized {
        return Err(VaultError::NotInitialized(present.vault.location()).into());
    }
    let label = present.vault.backup_label(file)?;
    present.vault.unlock(&context.users_way(&present)?)?;
    let location = present.vault.location();
    let named =
        NamedInBackup { name: &name, collection: restore.kind.map(Into::into), rename: rename.as_ref(), own: false };
    let created = restore.opening.open_with(context, present, &label, &|| Ok(None), &mut |present, key| {
        Ok(present.vault.restore_named(&BackupSource { file, key }, &named)?)
    })?;
    let name = rename.as_ref().unwrap_or(&name);
    record(&format!("{name} was restored from a backup of {} into the vault at {location}", time::text(label.created)));
    context.output.done(
        &format!("Restored {name} as of {}: {}.", time::text(label.created), count(&created)),
        &json!({
            "vault": location,
            "name": name.as_str(),
            "objects": created.iter().map(|object| described(object)).collect::<Vec<_>>(),
        }),
    )
}

fn accept(context: &Context, restore: &Restore, place: &Place<'_>) -> Result<()> {
    let recovery_key = restore.opening.recovery_key()?;
    let config = if recovery_key.is_some() { Config::load_without_secrets()? } else { Config::load()? };
    let present = context.open_at(&config, place(&config)?)?;
    if !present.info.initialized {
        return Err(VaultError::NotInitialized(present.vault.location()).into());
    }
    // The PIN is the one of the older state, which may be forgotten.
    let how = match recovery_key {
        Some(key) => Unlock::Recovery(key),
        None => context.users_way(&present)?,
    };
    let mut answer = Ok(());
    let mut agree = |rollback: &Rollback| {
        answer = context.confirm(&format!("Go on with {} as it is? {}", present.info.label, missing(rollback)));
        answer.is_ok()
    };
    let accepted = present.vault.accept_rollback(&how, &mut agree);
    answer?;
    let rollback = accepted?;
    record(&format!("the vault at {} was accepted as it is. {}", present.vault.location(), missing(&rollback)));
    context.output.done(
        &format!("{} goes on from commit {}.", present.info.label, rollback.found),
        &json!({
            "vault": present.vault.location(),
            "found": rollback.found,
            "acknowledged": rollback.acknowledged,
        }),
    )
}

/// What is known of what is lost: numbers of changes, not what they changed.
fn missing(rollback: &Rollback) -> String {
    let Rollback { found, acknowledged } = rollback;
    match acknowledged.saturating_sub(*found) {
        0 => format!(
            "Its last change (commit {found}) is another one than this machine saw acknowledged; that one is lost."
        ),
        1 => format!("One change was acknowledged after its last one and is lost: commit {acknowledged}."),
        several => format!(
            "{several} changes were acknowledged after its last one and are lost: commits {} to {acknowledged}.",
            found + 1
        ),
    }
}

/// A line in the system's log, for whoever asks later why a vault is in an older state.
fn record(what: &str) {
    write_line(Severity::Warning, format!("{what} (by uid {})", env::effective_uid()).as_bytes());
}
