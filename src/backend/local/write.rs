//! Changing the vault: one transaction, in an order that leaves a key refused, never allowed, wherever it dies.
//!
//! All under the writer's lock: `started`; the bytes of keys that become disabled or deleted; SQLite's commit; the bytes
//! that become enabled; tag and `done`. Before that the image is brought to the header's commit, so that nobody extends a
//! state that was forged.

use std::path::Path;
use std::sync::Arc;

use super::changes::{LAST_KEY, Page, PageWriter, Stamp};
use super::header::{self, Counters};
use super::key::now;
use super::naming::named;
use super::record::{self, STATE_DELETED, STATE_ENABLED, TOMBSTONE};
use super::seal::{self, Part, RootKey, RowCode};
use super::store::{Attempts, HeaderRow, Row, Snapshot, Store, Transaction};
use super::wrapped::{self, Stored, Way};
use super::{LocalVault, State};
use crate::crypto::{self, SecretBytes};
use crate::sys::memory::WipeStack;
use crate::vault::{
    Class, Collection, Content, Draft, Name, Naming, Object, ObjectNumber, Result, Retention, VaultError, Version,
    ended_by,
};

/// What one transaction is going to do, in terms of objects.
#[derive(Default)]
pub struct Plan {
    puts: Vec<Put>,
    deletes: Vec<ObjectNumber>,
    /// Newly wrapped root keys; the ways' wrong attempts are forgotten.
    wrapped: Vec<(Way, Vec<u8>)>,
}

/// A new or changed object.
struct Put {
    object: Object,
    secret: SecretPart,
    /// The row that it replaces: its own, or what its deletion left.
    replaced: Option<RowCode>,
}

enum SecretPart {
    None,
    New(SecretBytes),
    /// As it is, opened from the old row.
    Kept,
}

/// Fills a plan, from the rows within the transaction and the state that was loaded from them.
pub type Make<'a> = dyn FnMut(&dyn Snapshot, &State, &mut Counters, &mut Plan) -> Result<()> + 'a;

/// A plan, sealed.
struct Staged {
    rows: Vec<(Row, Option<u64>)>,
    wrapped: Vec<(Way, Vec<u8>)>,
    header: HeaderRow,
    counters: Counters,
}

impl Plan {
    /// Plans new objects; with `one_key` they are the halves of one.
    pub fn create(&mut self, state: &State, counters: &mut Counters, drafts: Vec<Draft>, one_key: bool) -> Result<()> {
        let mut shared: Vec<(Collection, String, Name, Version)> = Vec::new();
        for draft in drafts {
            let mut unique_id = [0; 16];
            crypto::random(&mut unique_id)?;
            let collection = Collection::of(&draft.content);
            let named = match (collection, one_key.then(|| shared.first()).flatten()) {
                (Some(_), Some((_, _, name, version))) => Some((name.clone(), *version)),
                (Some(collection), None) => named(&state.loaded.image, &mut shared, collection, &draft, &unique_id)?,
                (None, _) => None,
            };
            let (name, version) = named.unzip();
            let (created, updated) = match &draft.naming {
                Naming::Restored(was) => (was.created, was.updated),
                _ => (now(), now()),
            };
            let object = Object {
                number: counters.take_object_number(),
                unique_id,
                name,
                version,
                created,
                updated,
                has_secret: draft.secret.is_some(),
                secret_len: draft.secret.as_ref().map_or(0, SecretBytes::len),
                content: draft.content,
            };
            let secret = draft.secret.map_or(SecretPart::None, SecretPart::New);
            self.puts.push(Put { object, secret, replaced: None });
        }
        Ok(())
    }

    /// Plans changed objects. A changed label goes to all versions.
    pub fn change(
        &mut self,
        state: &State,
        numbers: &[ObjectNumber],
        edit: &mut dyn FnMut(&mut Content) -> Result<()>,
    ) -> Result<()> {
        for number in numbers {
            let entry = state.loaded.live(*number)?;
            let mut object = (*entry.object).clone();
            edit(&mut object.content)?;
            if object.content == entry.object.content {
                continue;
            }
            object.updated = now();
            let relabelled = (object.content.label != entry.object.content.label).then(|| object.clone());
            self.replace(object, &entry.code);
            let Some(relabelled) = relabelled else { continue };
            let (Some(name), Some(collection)) = (&relabelled.name, relabelled.collection()) else { continue };
            for other in state.loaded.image.with_name(collection, name.as_str()) {
                let same = other.content.class == relabelled.content.class && !numbers.contains(&other.number);
                if let Some(entry) = state.loaded.entries.get(&other.number).filter(|_| same) {
                    let mut other = (**other).clone();
                    other.content.label = relabelled.content.label.clone();
                    other.updated = relabelled.updated;
                    self.replace(other, &entry.code);
                }
            }
        }
        Ok(())
    }

    /// Plans one object to say something else.
    pub fn set(&mut self, state: &State, number: ObjectNumber, content: Content) -> Result<()> {
        let entry = state.loaded.entries.get(&number).ok_or(VaultError::NotFound)?;
        if content != entry.object.content {
            // Deleting softly and bringing back change nothing that the object says.
            let says_more = content.deleted == entry.object.content.deleted;
            let updated = if says_more { now() } else { entry.object.updated };
            self.replace(Object { content, updated, ..(*entry.object).clone() }, &entry.code);
        }
        Ok(())
    }

    fn replace(&mut self, object: Object, code: &RowCode) {
        let secret = if object.has_secret { SecretPart::Kept } else { SecretPart::None };
        self.puts.push(Put { object, secret, replaced: Some(code.clone()) });
    }

    /// Plans an object that a backup holds, whole, in place of the row that is there of it.
    pub fn put_back(&mut self, object: Object, secret: Option<SecretBytes>, replaced: Option<RowCode>) {
        let secret = secret.map_or(SecretPart::None, SecretPart::New);
        self.puts.push(Put { object, secret, replaced });
    }

    /// [`purge`](Self::purge), but not of what was deleted softly: who asks may have seen it before that.
    pub fn end(&mut self, state: &State, numbers: &[ObjectNumber]) -> Result<()> {
        numbers.iter().try_for_each(|number| state.loaded.live(*number).map(drop))?;
        self.purge(state, &ended_by(&state.loaded.image, numbers)?)
    }

    /// Plans the end of objects, as far as purge protection allows it.
    pub fn purge(&mut self, state: &State, numbers: &[ObjectNumber]) -> Result<()> {
        let image = &state.loaded.image;
        let mut objects = numbers.iter().filter_map(|number| state.loaded.entries.get(number));
        match objects.all(|entry| Retention::allows_end_of(image, &entry.object)) {
            true => self.delete(state, numbers),
            false => Err(VaultError::PurgeProtected),
        }
    }

    /// Plans deletions.
    pub fn delete(&mut self, state: &State, numbers: &[ObjectNumber]) -> Result<()> {
        for number in numbers {
            state.loaded.entries.get(number).ok_or(VaultError::NotFound)?;
            self.deletes.push(*number);
        }
        Ok(())
    }

    /// Plans a newly wrapped root key for one way.
    pub fn set_wrapped(&mut self, way: Way, body: Vec<u8>) {
        self.wrapped.push((way, body));
    }

    fn is_empty(&self) -> bool {
        self.puts.is_empty() && self.deletes.is_empty() && self.wrapped.is_empty()
    }

    fn seal(
        self,
        state: &State,
        root: &RootKey,
        mut counters: Counters,
        stored: Stored,
        file: &Path,
    ) -> Result<Staged> {
        let Some(old) = &state.loaded.header else { return Err(VaultError::Locked) };
        let mut rows = Vec::with_capacity(self.puts.len() + self.deletes.len());
        for Put { object, secret, replaced } in &self.puts {
            let entry = state.loaded.entries.get(&object.number);
            let kept;
            let secret = match secret {
                SecretPart::None => None,
                SecretPart::New(secret) => Some(secret),
                SecretPart::Kept => {
                    let entry = entry.ok_or(VaultError::NotFound)?;
                    kept = entry.open_secret(old, Some(root), file)?;
                    Some(&kept)
                }
            };
            let key_number = match entry {
                Some(entry) => entry.key_number,
                None => next_key_number(object.content.class, &mut counters, &old.label)?,
            };
            let row = object_row(root, old, object, secret, key_number, next_seq(&mut counters))?;
            exchange(&mut counters, root, replaced.as_ref(), Some(&row));
            rows.push((row, replaced.as_ref().map(|code| code.seq)));
        }
        for number in &self.deletes {
            let entry = state.loaded.entries.get(number).ok_or(VaultError::NotFound)?;
            let row = tombstone(root, old, &entry.object, entry.key_number, next_seq(&mut counters))?;
            exchange(&mut counters, root, Some(&entry.code), Some(&row));
            rows.push((row, Some(entry.code.seq)));
        }
        counters.wrapped_digest = wrapped::digest_of(&wrapped::with(stored, &self.wrapped));
        let mut header = HeaderRow { commit: old.commit + 1, ..old.clone() };
        counters.seal_into(root, &mut header)?;
        Ok(Staged { rows, wrapped: self.wrapped, header, counters })
    }
}

fn next_seq(counters: &mut Counters) -> u64 {
    counters.next_seq += 1;
    counters.next_seq - 1
}

fn next_key_number(class: Class, counters: &mut Counters, vault: &str) -> Result<u32> {
    if !record::has_key_number(class) {
        return Ok(0);
    }
    if counters.next_key > LAST_KEY {
        return Err(VaultError::Full(vault.to_owned(), "`strongroom rekey --renumber` makes room for more keys"));
    }
    counters.next_key += 1;
    Ok((counters.next_key - 1) as u32)
}

fn exchange(counters: &mut Counters, root: &RootKey, old: Option<&RowCode>, new: Option<&Row>) {
    if let Some(code) = old {
        counters.sum.remove(code.id, root.code(code));
    }
    if let Some(row) = new {
        counters.sum.add(row.id, root.code(&RowCode::of(row)));
    }
}

/// Seals an object under a fresh salt.
pub(super) fn object_row(
    root: &RootKey,
    header: &HeaderRow,
    object: &Object,
    secret: Option<&SecretBytes>,
    key_number: u32,
    seq: u64,
) -> Result<Row> {
    let encoded = record::encode(object);
    let private = object.content.private;
    let mut row = Row {
        seq,
        id: object.unique_id,
        kind: object.content.class.number(),
        number: object.number,
        key_number,
        state: record::state_of(object),
        salt: seal::fresh_salt()?,
        readable: if private { Vec::new() } else { encoded.to_vec() },
        attributes: Vec::new(),
        secret: Vec::new(),
    };
    let bound = seal::row_binding(&header.vault_id, &row);
    let key = |part| root.part_key(&header.vault_id, &object.unique_id, part, &row.salt);
    let attributes = key(Part::Attributes)?.seal(&bound, if private { &encoded } else { &[] })?;
    let sealed_secret = match secret {
        Some(secret) => key(Part::Private)?.seal(&bound, secret.expose())?,
        None => Vec::new(),
    };
    row.attributes = attributes;
    row.secret = sealed_secret;
    Ok(row)
}

fn tombstone(root: &RootKey, header: &HeaderRow, object: &Object, key_number: u32, seq: u64) -> Result<Row> {
    let mut row = Row {
        seq,
        id: object.unique_id,
        kind: TOMBSTONE,
        number: object.number,
        key_number,
        state: STATE_DELETED,
        salt: seal::fresh_salt()?,
        readable: Vec::new(),
        attributes: Vec::new(),
        secret: Vec::new(),
    };
    let key = root.part_key(&header.vault_id, &row.id, Part::Attributes, &row.salt)?;
    row.attributes = key.seal(&seal::row_binding(&header.vault_id, &row), &[])?;
    Ok(row)
}

impl LocalVault {
    /// Makes a plan from the newest state and carries it out. `make` may run on a state that others just changed.
    pub(super) fn write(
        &self,
        make: &mut dyn FnMut(&State, &mut Counters, &mut Plan) -> Result<()>,
    ) -> Result<Vec<Arc<Object>>> {
        self.write_within(&mut |_, state, counters, plan| make(state, counters, plan))
    }

    /// [`write`](Self::write), for a plan that looks at the rows themselves.
    pub(super) fn write_within(&self, make: &mut Make<'_>) -> Result<Vec<Arc<Object>>> {
        let _wipe = WipeStack;
        let mut state = self.writable_state()?;
        let _process = self.directory.lock_process()?;
        let _writer = self.directory.lock_writer()?;
        let file = self.directory.database();
        let mut changed = Vec::new();
        let mut outcome = None;
        self.store().write(&mut |transaction| {
            let page = self.bring_up_to_date(&mut state, &*transaction)?;
            let State { root: Some(root), counters, .. } = &*state else { return Err(VaultError::Locked) };
            let mut plan = Plan::default();
            let mut next = counters[0];
            make(&*transaction, &state, &mut next, &mut plan)?;
            if plan.is_empty() {
                return Ok(());
            }
            let staged = plan.seal(&state, root, next, transaction.wrapped_keys()?, &file)?;
            changed = staged.rows.iter().map(|(row, _)| row.number).collect();
            let writer = page.writer()?;
            writer.set_started(staged.header.commit)?;
            let committed = commit(transaction, &staged, &writer);
            outcome = Some((staged, committed, writer));
            Ok(())
        })?;
        if let Some((staged, committed, writer)) = outcome {
            self.finish(&state, &writer, &staged, committed)?;
            self.extend(&mut state, staged.rows.into_iter().map(|(row, _)| row), staged.header, staged.counters)?;
        }
        self.publish(&state);
        let entries = &state.loaded.entries;
        Ok(changed.iter().filter_map(|number| entries.get(number)).map(|entry| Arc::clone(&entry.object)).collect())
    }

    /// Steps 4 and 5 of the order, or the way back when nothing was committed.
    fn finish(&self, state: &State, writer: &PageWriter, staged: &Staged, committed: Result<()>) -> Result<()> {
        if let Err(error) = committed {
            match self.is_committed(&staged.header) {
                Ok(true) => {}
                Ok(false) => {
                    self.take_back(state, writer, staged)?;
                    return Err(error);
                }
                // Nobody knows. A key that may be disabled stays refused until a load can tell.
                Err(_) => return Err(error),
            }
        }
        let mut enabled = staged.rows.iter().filter(|(row, _)| row.key_number != 0 && row.state == STATE_ENABLED);
        let marked = enabled.try_for_each(|(row, _)| writer.set_state(row.key_number, STATE_ENABLED));
        let marked = marked.and_then(|()| writer.set_done(staged.header.commit, &header::tag(&staged.header)));
        if let Err(error) = marked {
            // The change is durable: it would be wrong to report a failure. The next load mends the page.
            tracing::warn!("a change was made, but running programs see it late: {error}");
        }
        Ok(())
    }

    /// The page as it was before a change that didn't happen.
    fn take_back(&self, state: &State, writer: &PageWriter, staged: &Staged) -> Result<()> {
        // What this can't put back stays refused until the next load mends the page.
        for (key_number, was) in state.loaded.states() {
            if staged.rows.iter().any(|(row, _)| row.key_number == key_number) {
                writer.set_state(key_number, was)?;
            }
        }
        writer.set_started(staged.header.commit - 1)
    }

    /// After an error at the commit only the file can tell whether it happened.
    pub(super) fn is_committed(&self, header: &HeaderRow) -> Result<bool> {
        let mut there = false;
        self.store().read(&mut |snapshot| {
            there = snapshot.header()? == *header;
            Ok(())
        })?;
        Ok(there)
    }

    /// Loads what others committed, and mends the page if a writer died or the machine was started anew. The caller
    /// holds the writer's lock.
    pub(super) fn bring_up_to_date(&self, state: &mut State, transaction: &dyn Transaction) -> Result<Arc<Page>> {
        let before = self.page().map(|page| page.stamp());
        self.load_state(state, transaction)?;
        let header = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
        let page = match self.page() {
            Some(page) => page,
            None => self.create_page()?,
        };
        if !is_current(before.as_ref(), header, state.counters[0].generation) {
            self.refuse_rollback(before, header)?;
            let counters = &state.counters[0];
            let states = state.loaded.states();
            let tag = header::tag(header);
            page.writer()?.rebuild(header.commit, &tag, counters.generation, &states, counters.next_key)?;
        }
        Ok(page)
    }
}

fn commit(transaction: Box<dyn Transaction + '_>, staged: &Staged, writer: &PageWriter) -> Result<()> {
    for (row, replaced) in &staged.rows {
        transaction.put(row, *replaced)?;
    }
    for (way, body) in &staged.wrapped {
        transaction.set_wrapped_key(*way as u8, Some(body))?;
        transaction.set_attempts(*way as u8, &Attempts::default())?;
    }
    transaction.set_header(&staged.header)?;
    for (row, _) in staged.rows.iter().filter(|(row, _)| row.key_number != 0 && row.state != STATE_ENABLED) {
        writer.set_state(row.key_number, row.state)?;
    }
    transaction.commit()
}

/// Whether the page says exactly what this header says.
pub(super) fn is_current(stamp: Option<&Stamp>, header: &HeaderRow, generation: u64) -> bool {
    stamp.is_some_and(|stamp| {
        stamp.this_boot
            && stamp.started == stamp.done
            && stamp.done == header.commit
            && stamp.tag == header::tag(header)
            && stamp.generation == generation
    })
}
