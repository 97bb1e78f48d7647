//! One name of a backup comes into an unlocked vault, all its versions with their ids, ordinals, labels and ids of PKCS#11.
//!
//! It may be the vault that was backed up or another one. Under another name (`rename`) a label that was the old name
//! becomes the new one: else a program that looks for the label would find two keys.

use std::sync::Arc;

use super::super::LocalVault;
use super::super::backup::Opened;
use super::super::write::is_taken;
use super::Tombstones;
use crate::crypto;
use crate::sys::memory::WipeStack;
use crate::vault::{BackupSource, Class, Collection, Name, NamedInBackup, Object, Result, VaultError};

const COLLECTIONS: [Collection; 3] = [Collection::Keys, Collection::Secrets, Collection::Certificates];

impl LocalVault {
    pub(in super::super) fn restore_one_name(
        &self,
        source: &BackupSource<'_>,
        named: &NamedInBackup<'_>,
    ) -> Result<Vec<Arc<Object>>> {
        let _wipe = WipeStack;
        drop(self.writable_state()?);
        let backup = self.open_backup(source, &mut |_, _| {})?;
        let collection = collection_of(&backup, source, named)?;
        let saved: Vec<_> = backup.loaded.image.with_name(collection, named.name.as_str()).map(Arc::clone).collect();
        let file = self.directory.database().display().to_string();
        self.write_within(&mut |snapshot, state, counters, plan| {
            let root = state.root.as_ref().ok_or(VaultError::Locked)?;
            let name = named.rename.or(saved[0].name.as_ref()).unwrap_or(named.name);
            if is_taken(&state.loaded.image, collection, name) {
                return Err(VaultError::NameTaken(name.to_string()));
            }
            let tombstones = Tombstones::read(snapshot, root, counters, &file)?;
            for saved in &saved {
                let secret = self.secret_of(&backup, saved)?;
                let mut object = renamed(saved, name);
                let present = state.loaded.image.any_with_unique_id(&object.unique_id);
                let present = present.and_then(|present| state.loaded.entries.get(&present.number));
                let replaced = match (present, tombstones.of(&object.unique_id)) {
                    // The public half that was left of a key that was deleted is that key's again. Whatever else has the id
                    // by now is somebody's, under whatever name, and stays.
                    (Some(entry), _) if is_left_half(&entry.object, name) => {
                        Some((entry.code.clone(), entry.object.number))
                    }
                    (Some(_), _) => {
                        crypto::random(&mut object.unique_id)?;
                        None
                    }
                    (None, tombstone) => tombstone.cloned(),
                };
                let (replaced, number) = replaced.unzip();
                object.number = number.unwrap_or_else(|| counters.take_object_number());
                plan.put_back(object, secret, replaced);
            }
            Ok(())
        })
    }
}

/// Where the name is found in the backup: in one collection, or in the one that is asked for.
fn collection_of(backup: &Opened, source: &BackupSource<'_>, named: &NamedInBackup<'_>) -> Result<Collection> {
    let image = &backup.loaded.image;
    let found: Vec<Collection> = COLLECTIONS
        .into_iter()
        .filter(|collection| named.collection.is_none_or(|asked| asked == *collection))
        .filter(|collection| image.with_name(*collection, named.name.as_str()).next().is_some())
        .collect();
    let refused = |problem: String| VaultError::NotInBackup { file: source.file.display().to_string(), problem };
    match found[..] {
        [only] => Ok(only),
        [] => Err(refused(format!(
            "holds nothing called {}: `strongroom --json backup verify {}` lists the names in it",
            named.name,
            source.file.display()
        ))),
        _ => Err(refused(format!(
            "holds several things called {}: say which with --kind key, secret or certificate",
            named.name
        ))),
    }
}

/// Which of the objects that have the name may be replaced, as [`is_taken`] allows.
fn is_left_half(present: &Object, name: &Name) -> bool {
    present.content.class == Class::PublicKey
        && present.name.as_ref().is_some_and(|present| present.folded() == name.folded())
}

fn renamed(saved: &Object, name: &Name) -> Object {
    let mut object = saved.clone();
    let old = object.name.replace(name.clone());
    if old.is_some_and(|old| object.content.label == old.as_str().as_bytes()) {
        object.content.label = name.as_str().as_bytes().to_vec();
    }
    object
}
