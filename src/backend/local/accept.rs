//! Going on with a vault that was put back in time.
//!
//! `changes` saw commits acknowledged that the database doesn't hold. Whoever knows that they are gone for good accepts
//! it: one commit, whose number is above every one that was acknowledged, and a new generation, so that no image of the
//! lost future decides over a key. Objects that come later get numbers far above, because those in between may have been
//! given to objects that are lost. The page isn't touched before the commit: a death leaves the vault refused or accepted.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use super::changes::Stamp;
use super::header::{self, Counters};
use super::seal::RootKey;
use super::store::{HeaderRow, Store};
use super::{LocalVault, State};
use crate::sys::memory::WipeStack;
use crate::vault::{Result, Rollback, Unlock, VaultError};

/// So many numbers of objects are left out: more than were given in a commit that is lost.
const NUMBERS_LEFT_OUT: u64 = 1 << 32;

impl LocalVault {
    pub(super) fn accept(&self, how: &Unlock, agree: &mut dyn FnMut(&Rollback) -> bool) -> Result<Rollback> {
        let _wipe = WipeStack;
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        let root = self.open_root(how)?;
        if self.check_directory()? {
            return Err(VaultError::ReadOnly(self.directory.text()));
        }
        let mut header = None;
        self.read(&mut |snapshot| {
            header = Some(snapshot.header()?);
            Ok(())
        })?;
        let header = header.ok_or_else(|| VaultError::NotInitialized(self.directory.text()))?;
        let rollback = self.rollback(&header)?.1;
        if !agree(&rollback) {
            return Err(VaultError::Declined);
        }
        let mut state = self.state();
        let accepted = self.commit_above(&mut state, &root, &rollback);
        state.forget();
        accepted?;
        // Loading makes the page anew.
        self.adopt(&mut state, root)?;
        self.publish(&state);
        drop(state);
        self.unlocked.store(true, Ordering::Release);
        Ok(rollback)
    }

    fn rollback(&self, header: &HeaderRow) -> Result<(Stamp, Rollback)> {
        let stamp = self.page().map(|page| page.stamp()).filter(|stamp| {
            stamp.done > header.commit || stamp.done == header.commit && stamp.tag != header::tag(header)
        });
        let stamp = stamp.filter(|stamp| stamp.done != 0);
        let stamp = stamp.ok_or_else(|| VaultError::NotRolledBack(self.directory.text()))?;
        Ok((stamp, Rollback { found: header.commit, acknowledged: stamp.done }))
    }

    /// Reads the vault whole, verifies it, and writes only its header.
    fn commit_above(&self, state: &mut State, root: &RootKey, agreed: &Rollback) -> Result<()> {
        state.forget();
        state.root = Some(Arc::new(root.copy()?));
        let _process = self.directory.lock_process()?;
        let _writer = self.directory.lock_writer()?;
        let mut written = None;
        let committed = self.store().write(&mut |transaction| {
            self.load_state(state, &*transaction)?;
            let old = state.loaded.header.as_ref().ok_or(VaultError::Locked)?;
            let (stamp, rollback) = self.rollback(old)?;
            if rollback != *agreed {
                return Err(VaultError::ChangedMeanwhile(self.directory.text()));
            }
            let now = state.counters[0];
            let counters = Counters {
                generation: now.generation.max(stamp.generation) + 1,
                next_object: now.next_object + NUMBERS_LEFT_OUT,
                ..now
            };
            let mut next = HeaderRow { commit: stamp.done.max(stamp.started) + 1, ..old.clone() };
            counters.seal_into(root, &mut next)?;
            transaction.set_header(&next)?;
            written = Some(next);
            transaction.commit()
        });
        match committed {
            Err(error) if !written.is_some_and(|header| self.is_committed(&header).unwrap_or(false)) => Err(error),
            _ => Ok(()),
        }
    }
}
