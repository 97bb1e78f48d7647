//! A vault goes back to a backup where it lies, by an ordinary write: running processes follow it as they follow any
//! change, a key that is gone afterwards is refused at once, and a death in the middle leaves the old state or the new.
//!
//! Objects are sealed anew under the present root key; the present ways to unlock stay. An object that was deleted since
//! comes back under its number, in the place of what its deletion left; where nothing of it is left it gets a new number,
//! because the old one may have been given to another one by a vault that was put back in time.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::super::backup::Opened;
use super::super::header::Counters;
use super::super::key::now;
use super::super::loaded::{Entry, Loaded};
use super::super::store::Snapshot;
use super::super::wrapped::{self, Opener, Way};
use super::super::write::Plan;
use super::super::{LocalVault, State};
use super::Tombstones;
use crate::crypto::SecretBytes;
use crate::vault::{Class, Content, Losses, Object, RestoreWish, Restored, Result, Retention, VaultError, is_due};

impl LocalVault {
    pub(super) fn restore_in_place(
        &self,
        backup: &Opened,
        wish: &RestoreWish<'_>,
        agree: &mut dyn FnMut(&Losses) -> bool,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<Restored> {
        let losses = self.losses_in_place(backup, wish)?;
        if !wish.agreed && !losses.is_empty() && !agree(&losses) {
            return Err(VaultError::Declined);
        }
        let machine_key = wish.new_pin.map_or(Ok(None), |_| self.machine_key())?;
        let mut restored =
            Restored { label: backup.label.clone(), in_place: true, moved_aside: None, written: 0, deleted: 0 };
        self.write_within(&mut |snapshot, state, counters, plan| {
            let newest = self.losses_if_allowed(&state.loaded, &backup.loaded, wish)?;
            if !wish.agreed && newest != losses {
                return Err(VaultError::ChangedMeanwhile(self.directory.text()));
            }
            restored.written = self.plan_restore(backup, wish, (snapshot, state), counters, plan, progress)?;
            let missing: Vec<_> = newest.missing.iter().map(|object| object.number).collect();
            restored.deleted = missing.len();
            plan.delete(state, &missing)?;
            if let (Some(pin), Some(root), Some(header)) = (wish.new_pin, &state.root, &state.loaded.header) {
                let opener = Opener { way: Way::UserPin, secret: pin.expose(), machine_key: machine_key.as_ref() };
                plan.set_wrapped(Way::UserPin, wrapped::wrap(root, &opener, &header.vault_id, header.root_number)?);
            }
            Ok(())
        })?;
        Ok(restored)
    }

    /// What going back would take from the vault that lies there, which is unlocked for it.
    pub(super) fn losses_in_place(&self, backup: &Opened, wish: &RestoreWish<'_>) -> Result<Losses> {
        self.enter_present(backup)?;
        self.losses_if_allowed(&self.state().loaded, &backup.loaded, wish)
    }

    /// Unlocks the present vault with the backup's root key, if that is still its own, unless it is unlocked already.
    fn enter_present(&self, backup: &Opened) -> Result<()> {
        let damaged = |error| match error {
            VaultError::Damaged { .. } => self.in_the_way(&format!("holds the vault, but damaged ({error})")),
            other => other,
        };
        let mut state = self.state();
        if state.root.is_some() {
            return self.reload(&mut state).map_err(damaged);
        }
        let file = self.directory.database().display().to_string();
        let root = &backup.saved.root;
        let mut own = false;
        self.read(&mut |snapshot| {
            let header = snapshot.header()?;
            own = header.root_number == root.number() && Counters::open(root, &header, &file).is_ok();
            Ok(())
        })?;
        if !own {
            return Err(VaultError::Locked);
        }
        self.adopt(&mut state, root.copy()?).map_err(damaged)?;
        self.publish(&state);
        drop(state);
        self.unlocked.store(true, Ordering::Release);
        Ok(())
    }

    /// [`losses`], if purge protection allows them.
    fn losses_if_allowed(&self, present: &Loaded, backup: &Loaded, wish: &RestoreWish<'_>) -> Result<Losses> {
        match ends_what_is_protected(present, backup) {
            true => Err(VaultError::RestoreProtected(self.directory.text())),
            false => Ok(losses(present, backup, wish)),
        }
    }

    /// Plans every object of the backup that isn't there as it is. Says how many.
    fn plan_restore(
        &self,
        backup: &Opened,
        wish: &RestoreWish<'_>,
        (snapshot, state): (&dyn Snapshot, &State),
        counters: &mut Counters,
        plan: &mut Plan,
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<usize> {
        let root = state.root.as_ref().ok_or(VaultError::Locked)?;
        let file = self.directory.database();
        let tombstones = Tombstones::read(snapshot, root, counters, &file.display().to_string())?;
        let (all, mut written) = (backup.loaded.image.everything().count(), 0);
        for (done, saved) in backup.loaded.image.everything().enumerate() {
            progress(done + 1, all);
            if wish.keeps(saved) {
                continue;
            }
            let secret = self.secret_of(backup, saved)?;
            let mut object = (**saved).clone();
            Retention::keep_protection(&state.loaded.image, &mut object);
            let present = state.loaded.image.any_with_unique_id(&object.unique_id);
            let entry = present.and_then(|present| state.loaded.entries.get(&present.number));
            let (number, replaced) = match entry {
                Some(entry) => (Some(entry.object.number), Some(entry.code.clone())),
                None => tombstones.of(&object.unique_id).cloned().map(|(code, number)| (number, code)).unzip(),
            };
            object.number = number.unwrap_or_else(|| counters.take_object_number());
            if !entry.is_some_and(|entry| self.is_same(state, entry, &object, secret.as_ref())) {
                plan.put_back(object, secret, replaced);
                written += 1;
            }
        }
        Ok(written)
    }

    /// Whether what is there is what the backup has, its private part too.
    fn is_same(&self, state: &State, entry: &Entry, object: &Object, secret: Option<&SecretBytes>) -> bool {
        *object == *entry.object && self.has_secret(state, entry, secret)
    }

    /// Whether the present private part is this one. One that can't be opened any more is not, and is mended.
    fn has_secret(&self, state: &State, entry: &Entry, secret: Option<&SecretBytes>) -> bool {
        match (secret, &state.loaded.header) {
            (Some(secret), Some(header)) if entry.object.has_secret => entry
                .open_secret(header, state.root.as_deref(), &self.directory.database())
                .is_ok_and(|present| present == *secret),
            (secret, _) => secret.is_some() == entry.object.has_secret,
        }
    }

    pub(super) fn secret_of(&self, backup: &Opened, object: &Object) -> Result<Option<SecretBytes>> {
        let saved = &backup.saved;
        let entry = backup.loaded.entries.get(&object.number).filter(|entry| entry.object.has_secret);
        entry.map(|entry| entry.open_secret(&saved.header, Some(&saved.root), &self.directory.database())).transpose()
    }
}

/// What `present` has and `backup` hasn't, compared as it is: a clock may have been wrong.
fn losses(present: &Loaded, backup: &Loaded, wish: &RestoreWish<'_>) -> Losses {
    let mut losses = Losses::default();
    // What purge protection hangs on stays as it is.
    for object in present.image.everything().filter(|object| !Retention::is_protection(object) && !wish.keeps(object)) {
        match backup.image.any_with_unique_id(&object.unique_id) {
            None => losses.missing.push(Arc::clone(object)),
            Some(saved) if Object { number: saved.number, ..(**object).clone() } == **saved => {}
            Some(_) => losses.changed.push(Arc::clone(object)),
        }
    }
    let is_usable_key = |object: &Object| {
        let Content { class, enabled, deleted, .. } = &object.content;
        matches!(class, Class::PrivateKey | Class::SecretKey) && *enabled && deleted.is_none()
    };
    let revived = backup.image.objects().filter(|saved| is_usable_key(saved)).filter(|saved| {
        present.image.any_with_unique_id(&saved.unique_id).is_none_or(|present| !is_usable_key(present))
    });
    losses.revived = revived.map(Arc::clone).collect();
    let of_services = backup.image.service().values().filter(|saved| !wish.keeps(saved)).filter(|saved| {
        let present = present.image.any_with_unique_id(&saved.unique_id);
        present.is_none_or(|present| !Retention::is_protection(present) && present.content != saved.content)
    });
    losses.readmitted = of_services.map(Arc::clone).collect();
    losses
}

/// Whether going back to the backup would end something that may not be ended: what it doesn't know, and what it would
/// purge earlier than it is to be now.
fn ends_what_is_protected(present: &Loaded, backup: &Loaded) -> bool {
    let (image, now) = (&present.image, now());
    let purge = |object: &Object| object.content.deleted.map_or(i64::MAX, |deletion| deletion.purge);
    let ends = |object: &Arc<Object>| match backup.image.any_with_unique_id(&object.unique_id) {
        None => !is_due(object, now),
        Some(saved) => purge(saved) < purge(object),
    };
    let protected = Retention::of(image).is_some_and(|retention| retention.purge_protection);
    protected && image.objects().chain(image.deleted()).any(ends)
}
