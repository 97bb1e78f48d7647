//! Who brings the listing up to date: one thread reads, and nobody else stands behind it.
//!
//! Whoever has a list goes on with it. Whoever has none waits no longer than its own call may take, and takes what the
//! reading came to, good or bad, instead of asking in vain once more. What is made, changed or deleted from here waits for
//! no reading; one that is under way learns of it at its end. No lock is held while anything is asked of the vault.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::AzureVault;
use super::listing::{Contents, Listing, Noted};
use super::reading::Reading;
use crate::vault::{Call, Result, Vault, VaultError};

/// The reading of one vault's lists.
#[derive(Default)]
pub struct Refreshing {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    under_way: bool,
    /// Readings that have ended.
    number: u64,
    /// When and why the last one failed.
    failure: Option<(Instant, VaultError)>,
    /// What it left.
    left: Option<Reading>,
    /// What was done from here since the reading under way, or the one that was left, began.
    noted: Vec<Noted>,
}

/// How long nobody asks again for lists that couldn't be read, while older ones are there.
const PAUSE: Duration = Duration::from_secs(2);

impl Refreshing {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a reading whatever becomes of it, a panic too.
struct Ending<'a>(&'a Refreshing);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        let mut state = self.0.state();
        state.under_way = false;
        state.number += 1;
        drop(state);
        self.0.ended.notify_all();
    }
}

impl AzureVault {
    /// Reads the lists, unless another thread does. What is there already serves on where they can't be read now.
    pub(super) fn read_lists(&self) -> Result<()> {
        let known = self.listing().filter(|listing| listing.taken.is_some());
        let mut state = self.refreshing.state();
        if state.under_way {
            return if known.is_some() { Ok(()) } else { self.wait(state) };
        }
        let is_pausing = state.failure.as_ref().is_some_and(|(failed, _)| failed.elapsed() < PAUSE);
        if self.is_fresh() || known.is_some() && is_pausing {
            return Ok(());
        }
        state.under_way = true;
        let left = state.left.take();
        if left.as_ref().is_none_or(Reading::is_over) {
            state.noted.clear();
        }
        drop(state);
        let _ending = Ending(&self.refreshing);
        let none = Contents::default();
        let contents = known.as_ref().map_or(&none, |known| &known.contents);
        let mut reading = Reading::of(left, contents);
        // With an older list the call has something else to do than to read a new one.
        let whole = self.session.budget();
        let budget = if known.is_some() { Some(whole.share(2)) } else { Call::begun().map(|_| whole) };
        let (_, answered) = reading.progress();
        let outcome = reading.finish(&self.source(budget), contents).map_err(|error| {
            let (names, now) = reading.progress();
            if now > answered && budget.is_some_and(|budget| budget.is_spent()) { self.late(names) } else { error }
        });
        self.settle(reading, outcome, known.as_deref())
    }

    /// What a reading came to.
    fn settle(&self, reading: Reading, outcome: Result<Contents>, known: Option<&Listing>) -> Result<()> {
        let mut state = self.refreshing.state();
        match outcome {
            Ok(contents) => {
                let contents = state.noted.drain(..).fold(contents, |contents, noted| contents.with(&noted));
                state.failure = None;
                self.publish(contents, Some(reading.begun()));
                Ok(())
            }
            Err(error) => {
                state.left = Some(reading);
                state.failure = Some((Instant::now(), again(&error, &self.location)));
                drop(state);
                if known.is_none() {
                    return Err(error);
                }
                tracing::warn!("{error}; what was listed before is served on");
                Ok(())
            }
        }
    }

    /// Without a list: what the reading under way comes to, in the time of this call.
    fn wait(&self, mut state: MutexGuard<'_, State>) -> Result<()> {
        let (begun, budget) = (state.number, self.session.budget());
        while state.number == begun {
            if budget.is_spent() {
                let what = "another thread is reading its list, and it didn't come in time: check the vault, or raise \
                            `timeout`";
                return Err(VaultError::Unreachable { location: self.location.to_string(), what: what.into() });
            }
            let woken = self.refreshing.ended.wait_timeout(state, budget.left());
            state = woken.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.failure.as_ref().map_or(Ok(()), |(_, failure)| Err(again(failure, &self.location)))
    }

    fn late(&self, names: usize) -> VaultError {
        let what = format!(
            "its list wasn't read to its end in the time of one call, {names} names of it were: the next search goes on \
             there; raise `timeout`, or name what this machine needs in `objects`"
        );
        VaultError::Unreachable { location: self.location.to_string(), what }
    }

    /// Puts in what was just done there.
    pub(super) fn note(&self, noted: Noted) {
        let mut state = self.refreshing.state();
        match self.listing() {
            Some(listing) => self.publish(listing.contents.with(&noted), listing.taken),
            None => self.publish(Contents::default().with(&noted), None),
        }
        if state.under_way || state.left.is_some() {
            state.noted.push(noted);
        }
    }
}

/// The same error, for who waited for it.
fn again(error: &VaultError, location: &str) -> VaultError {
    match error {
        VaultError::Locked => VaultError::Locked,
        VaultError::Throttled { location } => VaultError::Throttled { location: location.clone() },
        VaultError::Unreachable { location, what } => {
            VaultError::Unreachable { location: location.clone(), what: what.clone() }
        }
        VaultError::AnswerInvalid { location, what } => {
            VaultError::AnswerInvalid { location: location.clone(), what: what.clone() }
        }
        VaultError::NotPermitted { action, location } => {
            VaultError::NotPermitted { action: action.clone(), location: location.clone() }
        }
        VaultError::CredentialRefused { location, what } => {
            VaultError::CredentialRefused { location: location.clone(), what: what.clone() }
        }
        VaultError::RefusedThere { location, status, code, message } => VaultError::RefusedThere {
            location: location.clone(),
            status: *status,
            code: code.clone(),
            message: message.clone(),
        },
        other => VaultError::Unreachable { location: location.to_owned(), what: other.to_string() },
    }
}
