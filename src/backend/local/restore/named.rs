//! One name of a backup comes into an unlocked vault, all its versions with their ids, ordinals, labels and ids of PKCS#11.
//!
//! It may be the vault that was backed up or another one. Under another name (`rename`) a label that was the old name
//! becomes the new one: else a program that looks for the label would find two keys. A certificate that was made as one
//! with its key comes with that key, and neither without the other; with a certificate those above it that the vault lacks.

use std::collections::HashSet;
use std::sync::Arc;

use super::super::backup::Opened;
use super::super::seal::RowCode;
use super::super::{LocalVault, State};
use super::Tombstones;
use crate::crypto;
use crate::sys::memory::WipeStack;
use crate::vault::{
    BackupSource, Class, Collection, Content, Image, Name, NamedInBackup, Object, ObjectNumber, Result, VaultError,
};

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
            let mut put = |saved: &Object, mut object: Object| -> Result<()> {
                let secret = self.secret_of(&backup, saved)?;
                let (replaced, number) = place_of(state, &tombstones, &mut object)?.unzip();
                object.number = number.unwrap_or_else(|| counters.take_object_number());
                plan.put_back(object, secret, replaced);
                Ok(())
            };
            for saved in &saved {
                put(saved, renamed(saved, name))?;
            }
            for above in above(&backup.loaded.image, &saved).filter(|above| is_wanted(&state.loaded.image, above)) {
                put(above, (**above).clone())?;
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

/// The row that an object takes, and its number; none if it is a new one. It may get another id.
fn place_of(state: &State, tombstones: &Tombstones, object: &mut Object) -> Result<Option<(RowCode, ObjectNumber)>> {
    let present = state.loaded.image.any_with_unique_id(&object.unique_id);
    let present = present.and_then(|present| state.loaded.entries.get(&present.number));
    match (present, tombstones.of(&object.unique_id)) {
        // The public half that was left of a key that was deleted is that key's again. Whatever else has the id by now is
        // somebody's, under whatever name, and stays.
        (Some(entry), _) if object.name.as_ref().is_some_and(|name| is_left_half(&entry.object, name)) => {
            Ok(Some((entry.code.clone(), entry.object.number)))
        }
        (Some(_), _) => crypto::random(&mut object.unique_id).map(|()| None).map_err(Into::into),
        (None, tombstone) => Ok(tombstone.cloned()),
    }
}

/// The certificates that stand above these, as far as the backup holds them for programs to find.
fn above<'a>(image: &'a Image, saved: &[Arc<Object>]) -> impl Iterator<Item = &'a Arc<Object>> {
    let needed: HashSet<String> =
        saved.iter().flat_map(|object| object.content.chain()).map(|(text, _)| text.to_owned()).collect();
    image.with_class(Class::Certificate).filter(move |object| {
        object.name.is_none() && object.content.chain_member().is_some_and(|text| needed.contains(text))
    })
}

/// Whether such a certificate isn't there, and no program would take it for one of something else: by now another key or
/// certificate of the vault may have its label or id.
fn is_wanted(present: &Image, above: &Object) -> bool {
    let Content { value, label, id, .. } = &above.content;
    let is_another_s = |object: &Object| object.name.is_some() || object.content.class != Class::Certificate;
    let is_in_the_way = |object: &Arc<Object>| object.content.value == *value || is_another_s(object);
    !present.with_id(id).any(is_in_the_way)
        && (label.is_empty() || !present.with_label(label).any(|of| is_another_s(of)))
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
        if present.is_taken(collection, name.as_str()) || present.is_kept_from(&object.content, name.as_str()) {
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

/// Which of the objects that have the name may be replaced, as [`Image::is_taken`] allows.
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
