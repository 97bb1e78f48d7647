//! One name of a backup comes into an unlocked vault, all its versions with their ids, ordinals, labels and ids of PKCS#11.
//!
//! It may be the vault that was backed up or another one. Under another name (`rename`) a label that was the old name
//! becomes the new one: else a program that looks for the label would find two keys. A certificate that was made as one
//! with its key comes with that key, and neither without the other.

use std::sync::Arc;

use super::super::LocalVault;
use super::super::backup::Opened;
use super::super::write::is_taken;
use super::Tombstones;
use crate::crypto;
use crate::sys::memory::WipeStack;
use crate::vault::{BackupSource, Class, Collection, Image, Name, NamedInBackup, Object, Result, VaultError};

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
        if named.own && !self.is_own(&backup) {
            return Err(self.in_the_way("is another vault than the one that was backed up"));
        }
        let collection = collection_of(&backup, source, named)?;
        let saved = whole(&backup.loaded.image, collection, named.name)?;
        let file = self.directory.database().display().to_string();
        self.write_within(&mut |snapshot, state, counters, plan| {
            let root = state.root.as_ref().ok_or(VaultError::Locked)?;
            let name = named.rename.or(saved[0].name.as_ref()).unwrap_or(named.name);
            check_free(&state.loaded.image, &saved, name)?;
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

impl LocalVault {
    fn is_own(&self, backup: &Opened) -> bool {
        let state = self.state();
        state.loaded.header.as_ref().is_some_and(|header| header.vault_id == backup.saved.header.vault_id)
    }
}

/// What comes back together: all versions and halves of the name, with a certificate its own key.
fn whole(image: &Image, collection: Collection, name: &Name) -> Result<Vec<Arc<Object>>> {
    let of = |collection| image.with_name(collection, name.as_str()).map(Arc::clone);
    let mut saved: Vec<_> = of(collection).collect();
    match (collection, saved.iter().any(|object| object.content.is_managed())) {
        (Collection::Certificates, true) => saved.extend(of(Collection::Keys)),
        (_, true) => return Err(VaultError::Managed(name.to_string())),
        (_, false) => {}
    }
    Ok(saved)
}

/// Refuses a name that something has in the vault, or had when it was deleted softly.
fn check_free(present: &Image, saved: &[Arc<Object>], name: &Name) -> Result<()> {
    for object in saved {
        let collection = Collection::of(&object.content).unwrap_or(Collection::Keys);
        if present.deleted_with_name(collection, name.as_str()).next().is_some() {
            return Err(VaultError::NameDeleted(name.to_string()));
        }
        if is_taken(present, collection, name) || present.is_kept_from(&object.content, name.as_str()) {
            return Err(VaultError::NameTaken(name.to_string()));
        }
    }
    Ok(())
}

/// Where the name is found in the backup: in one collection, or in the one that is asked for.
fn collection_of(backup: &Opened, source: &BackupSource<'_>, named: &NamedInBackup<'_>) -> Result<Collection> {
    let image = &backup.loaded.image;
    let found: Vec<Collection> = COLLECTIONS
        .into_iter()
        .filter(|collection| named.collection.is_none_or(|asked| asked == *collection))
        .filter(|collection| image.with_name(*collection, named.name.as_str()).next().is_some())
        // Its certificate is called so too, and brings it.
        .filter(|collection| *collection != Collection::Keys || named.collection.is_some() || !is_managed(image, named))
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

fn is_managed(image: &Image, named: &NamedInBackup<'_>) -> bool {
    image.with_name(Collection::Certificates, named.name.as_str()).any(|object| object.content.is_managed())
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
