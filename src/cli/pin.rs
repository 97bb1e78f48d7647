//! `strongroom pin`: a PIN is changed by who knows it, and reset by who knows more.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use serde_json::json;

use super::ask::{self, Source};
use super::open::Opened;
use super::{Context, Error, Result};
use crate::vault::{Role, Unlock};

/// What is done with PINs.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Change the user's PIN, or the security officer's
    Change(Change),
    /// Set a PIN that is lost or locked, with the recovery key or the security officer's PIN
    Reset(Reset),
}

#[derive(Args)]
pub(super) struct Change {
    /// The security officer's PIN instead of the user's
    #[arg(long)]
    so: bool,
    /// Read the new PIN from this file
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Reset {
    /// Set the security officer's PIN instead of the user's
    #[arg(long)]
    so: bool,
    /// Read the recovery key from this file
    #[arg(long, value_name = "FILE", conflicts_with = "so_pin_file")]
    recovery_key_file: Option<PathBuf>,
    /// Read the security officer's PIN from this file
    #[arg(long, value_name = "FILE", conflicts_with = "so")]
    so_pin_file: Option<PathBuf>,
    /// Read the new PIN from this file
    #[arg(long, value_name = "FILE")]
    new_pin_file: Option<PathBuf>,
    /// Ask for the security officer's PIN, not for the recovery key
    #[arg(long, conflicts_with_all = ["so", "recovery_key_file"])]
    with_so_pin: bool,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Change(change) => self::change(context, &change),
        Verb::Reset(reset) => self::reset(context, &reset),
    }
}

fn change(context: &Context, change: &Change) -> Result<()> {
    let (role, whose) = role(change.so);
    let opened = context.locked()?;
    let old = ask::pin(context.pin_source(), &format!("Present PIN of the {whose}"))?;
    let new = ask::new_pin(new_pin_source(context, change.new_pin_file.as_ref()), &format!("New PIN of the {whose}"))?;
    if old.expose() == new.expose() {
        return Err(Error::refused("The new PIN is the old one: nothing was done."));
    }
    opened.vault.change_pin(role, &old, &new)?;
    context.output.note(
        "Copies of the vault that were made earlier still open with the old PIN. If it may be known to others, \
         `strongroom rekey` makes what is in the vault worthless to them from now on.",
    );
    note_what_is_configured(context, &opened, role, change.new_pin_file.as_deref());
    context.output.done(&format!("Changed the PIN of the {whose}."), &json!({ "changed": whose }))
}

fn reset(context: &Context, reset: &Reset) -> Result<()> {
    let (role, whose) = role(reset.so);
    let opened = context.locked()?;
    let how = if reset.with_so_pin || reset.so_pin_file.is_some() {
        let source =
            Source { file: reset.so_pin_file.as_deref(), stdin: context.global.pin_stdin, option: "--so-pin-file" };
        Unlock::Pin(Role::SecurityOfficer, ask::pin(source, "PIN of the security officer")?)
    } else {
        Unlock::Recovery(ask::recovery_key(reset.recovery_key_file.as_deref())?)
    };
    let new = ask::new_pin(new_pin_source(context, reset.new_pin_file.as_ref()), &format!("New PIN of the {whose}"))?;
    opened.vault.unlock(&how)?;
    opened.vault.set_pin(role, &new)?;
    note_what_is_configured(context, &opened, role, reset.new_pin_file.as_deref());
    context.output.done(&format!("Set the PIN of the {whose}."), &json!({ "reset": whose }))
}

/// A service that logs in by itself goes on with the PIN that its configuration has. It has the new one already where
/// that came from the same file.
fn note_what_is_configured(context: &Context, opened: &Opened, role: Role, new: Option<&Path>) {
    let real = |path: &Path| std::fs::canonicalize(path).ok();
    let is_there = new.zip(opened.unlock_file.as_deref()).is_some_and(|(new, own)| real(new) == real(own));
    if role == Role::User && opened.info.unlock_configured && !is_there {
        let place = opened.unlock_file.as_ref().map_or("the configuration".into(), |file| file.display().to_string());
        context.output.note(&format!("Put the new PIN into {place} too: programs log in with what stands there."));
    }
}

fn new_pin_source<'a>(context: &Context, file: Option<&'a PathBuf>) -> Source<'a> {
    Source { file: file.map(PathBuf::as_path), stdin: context.global.pin_stdin, option: "--new-pin-file" }
}

fn role(so: bool) -> (Role, &'static str) {
    if so { (Role::SecurityOfficer, "security officer") } else { (Role::User, "user") }
}
