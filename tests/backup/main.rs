//! Backups and what comes back from them: a damaged file is never read as a good one, a restored vault is the vault that
//! was backed up, and running programs follow a restore as they follow any change.

mod above;
mod aside;
mod command;
mod damage;
#[path = "../faults/mod.rs"]
mod faults;
mod format;
mod restore;
mod running;
mod schedule;
#[path = "../stage/mod.rs"]
mod stage;
mod wishes;
#[path = "../faults/zoo.rs"]
mod zoo;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use strongroom::vault::*;
use tempfile::TempDir;

use faults::*;

/// A passphrase that is long enough.
const PASSPHRASE: &str = "a long passphrase";

/// A vault with a recovery key, and room beside it.
struct Scene {
    place: TempDir,
    vault: PathBuf,
    recovery_key: String,
}

impl Scene {
    /// With nothing in it.
    fn new() -> Self {
        let place = place();
        let vault = place.path().join("vault");
        make(&vault);
        let recovery_key = unlocked(&vault).add_recovery_key().unwrap().display().as_str().to_owned();
        Self { place, vault, recovery_key }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    /// The recovery key of the day the vault was made.
    fn recovery(&self) -> BackupKey {
        BackupKey::Recovery(RecoveryKey::parse(&self.recovery_key).unwrap())
    }

    /// A backup that the recovery key opens.
    fn back_up(&self, name: &str) -> PathBuf {
        let file = self.path(name);
        back_up(&*unlocked(&self.vault), &file, None).unwrap();
        file
    }

    /// Restores whole, where nothing may be lost.
    fn restore(&self, file: &Path, to: &Path) -> Result<Restored> {
        restore(&*open(to), file, &self.recovery(), false)
    }
}

fn passphrase(text: &str) -> BackupKey {
    BackupKey::Passphrase(pin(text))
}

fn back_up(vault: &dyn VaultAdmin, file: &Path, passphrase: Option<&str>) -> Result<BackupLabel> {
    let passphrase = passphrase.map(pin);
    let request = BackupRequest { file, replace: false, passphrase: passphrase.as_ref() };
    vault.back_up(&request, &mut |_, _| {})
}

fn restore(vault: &dyn VaultAdmin, file: &Path, key: &BackupKey, agreed: bool) -> Result<Restored> {
    let source = BackupSource { file, key };
    vault.restore(&source, &RestoreWish::default(), &mut |_| agreed, &mut |_, _| {})
}

/// Everything in an unlocked vault, with its private parts, by unique id.
fn contents(vault: &dyn Vault) -> Vec<(Object, Option<SecretBytes>)> {
    let image = vault.image();
    let mut all: Vec<_> = image
        .objects()
        .map(|object| {
            // A disabled key's private part is not given out.
            let secret = (object.has_secret && object.content.enabled).then(|| vault.secret(object.number).unwrap());
            ((**object).clone(), secret)
        })
        .collect();
    all.sort_by_key(|(object, _)| object.unique_id);
    all
}

/// The newest private key that is called so.
fn private(vault: &dyn Vault, name: &str) -> Arc<Object> {
    let image = vault.image();
    let named = image.with_name(Collection::Keys, name).filter(|object| object.content.class == Class::PrivateKey);
    Arc::clone(named.last().unwrap())
}
