//! The targets for backups, as the server gets them: with their passphrases, which are read once, because it may not be able
//! to later.

use super::super::{Context, Error, Result};
use crate::config::{self, BackupTarget, Trusted};
use crate::server::administration::full_backup::{Target, Targets};
use crate::sys::env;
use crate::vault::{MIN_PASSPHRASE_LEN, Pin};

/// All that the configuration names.
pub(super) fn targets(configured: &[BackupTarget]) -> Result<Targets> {
    configured.iter().map(target).collect::<Result<_>>().map(Targets::new)
}

/// Says which of them can't be used as things are.
pub(super) fn note_missing(context: &Context, configured: &[BackupTarget]) {
    for BackupTarget { name, directory, .. } in configured.iter().filter(|target| !target.directory.is_dir()) {
        context.output.note(&format!(
            "The backup target {name} has no directory {}: make it, and let the server write it.",
            directory.display()
        ));
    }
}

fn target(configured: &BackupTarget) -> Result<Target> {
    let BackupTarget { name, directory, passphrase_file } = configured.clone();
    let Some(file) = passphrase_file else { return Ok(Target { name, directory, passphrase: None }) };
    let trusted = Trusted { uid: env::effective_uid(), ..Trusted::default() };
    let contents = config::read_secret(&file, &trusted, &format!("the backup target {name} names it"))?;
    let passphrase = contents.strip_suffix(b"\n").unwrap_or(&contents);
    let passphrase = passphrase.strip_suffix(b"\r").unwrap_or(passphrase);
    let letters = std::str::from_utf8(passphrase).map_or(passphrase.len(), |text| text.chars().count());
    match letters < MIN_PASSPHRASE_LEN {
        true => Err(Error::refused(format!(
            "{} holds no passphrase for backups: it has {MIN_PASSPHRASE_LEN} characters or more.",
            file.display()
        ))),
        false => Ok(Target { name, directory, passphrase: Some(Pin::new(passphrase.to_vec())) }),
    }
}
