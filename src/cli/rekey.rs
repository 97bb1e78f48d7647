//! `strongroom rekey` and `purge`: what makes old copies and remnants worthless.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::ask::{self, Source};
use super::{Context, Result, progress};
use crate::vault::{Role, Unlock};

/// How the vault can be unlocked afterwards.
#[derive(Args)]
pub(super) struct Rekey {
    /// Keep the security officer's PIN, and read it from this file; without it that PIN is dropped
    #[arg(long, value_name = "FILE")]
    so_pin_file: Option<PathBuf>,
    /// Keep the security officer's PIN, and ask for it
    #[arg(long, conflicts_with = "so_pin_file")]
    keep_so_pin: bool,
    /// Keep the recovery key, and read it from this file; without it a new one is made and printed
    #[arg(long, value_name = "FILE")]
    recovery_key_file: Option<PathBuf>,
    /// Give keys new places in the file through which running programs see them; needed only when it is full. Programs
    /// that have the vault open refuse its keys until they look at it again, those that can't (nginx's workers) until
    /// they are restarted
    #[arg(long)]
    renumber: bool,
}

pub(super) fn run(context: &Context, rekey: Rekey) -> Result<()> {
    let opened = context.locked()?;
    let mut keep = vec![context.users_way(&opened)?];
    opened.vault.unlock(&keep[0])?;
    let keeps_so = rekey.keep_so_pin || rekey.so_pin_file.is_some();
    if keeps_so {
        let source =
            Source { file: rekey.so_pin_file.as_deref(), stdin: context.global.pin_stdin, option: "--so-pin-file" };
        keep.push(Unlock::Pin(Role::SecurityOfficer, ask::pin(source, "PIN of the security officer")?));
    }
    let keeps_recovery = rekey.recovery_key_file.is_some();
    if let Some(file) = &rekey.recovery_key_file {
        keep.push(Unlock::Recovery(ask::recovery_key(Some(file))?));
    }
    context.confirm(&question(&opened.info.label, keeps_so, keeps_recovery))?;
    progress::count(&context.output, "Sealing", |progress| opened.vault.rekey(&keep, rekey.renumber, progress))?;
    let recovery_key = if keeps_recovery { None } else { Some(opened.vault.add_recovery_key()?.display()) };
    if let Some(recovery_key) = &recovery_key {
        super::init::explain_recovery_key(context, recovery_key);
    }
    context.output.done(
        &format!("{} has a new root key.", opened.info.label),
        &json!({
            "vault": opened.info.location,
            "so_pin_kept": keeps_so,
            "recovery_key": recovery_key.as_ref().map(|key| key.as_str()),
        }),
    )
}

pub(super) fn purge(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    progress::spin(&context.output, "Rewriting the vault's file", || opened.vault.purge())?;
    context.output.done(
        &format!("Nothing of what was deleted is left in {}.", opened.info.location),
        &json!({ "vault": opened.info.location, "purged": true }),
    )
}

fn question(label: &str, keeps_so: bool, keeps_recovery: bool) -> String {
    let dropped = match (keeps_so, keeps_recovery) {
        (true, true) => "",
        (true, false) => " The present recovery key opens it no more; a new one is printed.",
        (false, true) => " The security officer's PIN opens it no more.",
        (false, false) => {
            " The security officer's PIN and the present recovery key open it no more; a new recovery key is printed."
        }
    };
    format!("Replace the root key of {label}?{dropped}")
}
