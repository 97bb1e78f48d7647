//! Writing every record anew: a new root key, or only without what deleted objects left.

use std::sync::Arc;

use super::changes::{LAST_KEY, Page};
use super::header::Counters;
use super::record::TOMBSTONE;
use super::reread::every_row;
use super::seal::{self, Part, RootKey, RowCode};
use super::store::{Attempts, HeaderRow, Row, Store, Transaction};
use super::sum::RecordSum;
use super::wrapped::{self, Opener, Way};
use super::{LocalVault, State};
use crate::vault::{Result, VaultError};

/// A rekey gives keys new numbers in `changes` when more than half of them are used up.
const RENUMBER_FROM: u64 = LAST_KEY / 2;

/// What a rewritten vault has that is new.
#[derive(Default)]
pub(super) struct Renewal<'a> {
    /// The root key; without one every record and way to unlock stays as it is.
    pub root: Option<RootKey>,
    /// The token's label.
    pub label: Option<&'a str>,
    /// Keys get new numbers in `changes`, from 1 on, however many are used up.
    pub renumber: bool,
}

impl LocalVault {
    /// Writes every live record anew, under a new root key if there is one, drops tombstones and old ways to unlock, and
    /// overwrites the free space. One transaction in the same file.
    pub(super) fn rewrite(
        &self,
        root: RootKey,
        renewal: &Renewal<'_>,
        ways: &[(Way, &[u8])],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let mut state = self.state();
        let was_unlocked = state.root.is_some();
        let result = self.rewrite_state(&mut state, &root, renewal, ways, progress);
        if !was_unlocked {
            state.forget();
        }
        self.publish(&state);
        result
    }

    fn rewrite_state(
        &self,
        state: &mut State,
        root: &RootKey,
        renewal: &Renewal<'_>,
        ways: &[(Way, &[u8])],
        progress: &mut dyn FnMut(usize, usize),
    ) -> Result<()> {
        let sealing = renewal.root.as_ref().unwrap_or(root);
        let machine_key = self.machine_key()?;
        self.adopt(state, root.copy()?)?;
        let vault_id = state.loaded.header.as_ref().ok_or(VaultError::Locked)?.vault_id;
        let wrap = |(way, secret): &(Way, &[u8])| {
            let opener = Opener { way: *way, secret, machine_key: machine_key.as_ref() };
            Ok((*way, wrapped::wrap(sealing, &opener, &vault_id, sealing.number())?))
        };
        let bodies = ways.iter().map(wrap).collect::<Result<Vec<_>>>()?;
        let process = self.directory.lock_process()?;
        let writer = self.directory.lock_writer()?;
        let file = self.directory.database().display().to_string();
        let mut rewriting = Rewriting { root, renewal, bodies: &bodies, file: &file, progress };
        let mut written = None;
        let committed = self.store().write(&mut |transaction| {
            let page = self.bring_up_to_date(state, &*transaction)?;
            written = Some(rewriting.write(&*transaction, state, &page)?);
            transaction.commit()
        });
        if let Err(error) = committed
            && !written.is_some_and(|header| self.is_committed(&header).unwrap_or(false))
        {
            return Err(error);
        }
        // The new root key is the only one now: what fails from here on may not leave this process with the old one.
        let compacted = self.store().compact();
        drop((writer, process));
        state.forget();
        // Loading with the new root key mends the page too, which still says that a commit began.
        self.adopt(state, sealing.copy()?)?;
        compacted.map_err(|error| VaultError::NotCompacted(self.directory.text(), error.to_string()))
    }
}

/// A pass over all rows.
struct Rewriting<'a> {
    root: &'a RootKey,
    renewal: &'a Renewal<'a>,
    /// The new root key under each way to unlock.
    bodies: &'a [(Way, Vec<u8>)],
    /// The database's path, for messages.
    file: &'a str,
    progress: &'a mut dyn FnMut(usize, usize),
}

impl Rewriting<'_> {
    /// Writes all of it but the commit, whose header is returned; the page says that it begins.
    fn write(&mut self, transaction: &dyn Transaction, state: &State, page: &Arc<Page>) -> Result<HeaderRow> {
        let new = self.renewal.root.as_ref();
        let sealing = new.unwrap_or(self.root);
        let mut counters = state.counters[0];
        let renumber = new.is_some() && (self.renewal.renumber || counters.next_key > RENUMBER_FROM);
        if renumber {
            counters.next_key = 1;
            counters.generation += 1;
        }
        self.rows(transaction, state, &mut counters, renumber)?;
        let old = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
        let mut next = HeaderRow { commit: old.commit + 1, root_number: sealing.number(), ..old.clone() };
        if let Some(label) = self.renewal.label {
            next.label = label.to_owned();
        }
        if new.is_some() {
            replace_ways(transaction, self.bodies)?;
            counters.wrapped_digest = wrapped::digest_of(&wrapped::with(Vec::new(), self.bodies));
        }
        counters.seal_into(sealing, &mut next)?;
        transaction.set_header(&next)?;
        let writer = page.writer()?;
        writer.set_started(next.commit)?;
        if renumber {
            // From here on every image that knows the old numbers refuses, and only a load makes the page whole.
            writer.set_generation(counters.generation)?;
        }
        Ok(next)
    }

    /// Seals every live row under the new root key, if there is one, and erases tombstones; sums what is there then.
    fn rows(
        &mut self,
        transaction: &dyn Transaction,
        state: &State,
        counters: &mut Counters,
        renumber: bool,
    ) -> Result<()> {
        let header = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
        let total = state.loaded.entries.size();
        let mut rows: Vec<Row> = Vec::with_capacity(total);
        let mut tombstones = Vec::new();
        every_row(transaction, self.root, counters, self.file, &mut |row, _| match row.kind {
            TOMBSTONE => tombstones.push(row.seq),
            _ => rows.push(row),
        })?;
        for seq in tombstones {
            transaction.erase(seq)?;
        }
        counters.sum = RecordSum::default();
        let new = self.renewal.root.as_ref();
        for (done, mut row) in rows.into_iter().enumerate() {
            if let Some(new) = new {
                let key_number = match row.key_number {
                    0 => 0,
                    _ if renumber => next_number(counters),
                    number => number,
                };
                row = resealed(self.root, new, header, row, key_number, self.file)?;
                transaction.put(&row, Some(row.seq))?;
            }
            counters.sum.add(row.id, new.unwrap_or(self.root).code(&RowCode::of(&row)));
            (self.progress)(done + 1, total);
        }
        Ok(())
    }
}

fn next_number(counters: &mut Counters) -> u32 {
    counters.next_key += 1;
    (counters.next_key - 1) as u32
}

fn resealed(root: &RootKey, new: &RootKey, header: &HeaderRow, old: Row, key_number: u32, file: &str) -> Result<Row> {
    let vault = &header.vault_id;
    let bound = seal::row_binding(vault, &old);
    let row = Row { salt: seal::fresh_salt()?, key_number, ..old.clone() };
    let rebound = seal::row_binding(vault, &row);
    let damaged = || VaultError::Damaged {
        file: file.to_owned(),
        what: format!("record {} was changed by somebody else", super::loaded::hex(&row.id)),
    };
    let reseal = |part: Part, sealed: &[u8]| -> Result<Vec<u8>> {
        let plain = root.part_key(vault, &row.id, part, &old.salt)?.open(&bound, sealed)?.ok_or_else(damaged)?;
        new.part_key(vault, &row.id, part, &row.salt)?.seal(&rebound, plain.expose())
    };
    let attributes = reseal(Part::Attributes, &old.attributes)?;
    let secret = if old.secret.is_empty() { Vec::new() } else { reseal(Part::Private, &old.secret)? };
    Ok(Row { attributes, secret, ..row })
}

fn replace_ways(transaction: &dyn Transaction, bodies: &[(Way, Vec<u8>)]) -> Result<()> {
    for (kind, _) in transaction.wrapped_keys()? {
        transaction.set_wrapped_key(kind, None)?;
        transaction.set_attempts(kind, &Attempts::default())?;
    }
    for (way, body) in bodies {
        transaction.set_wrapped_key(*way as u8, Some(body))?;
    }
    Ok(())
}
