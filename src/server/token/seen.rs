//! Assertions that were used: each counts once.
//!
//! They are remembered in memory until they expire, at most a day. A restart forgets them, so the server refuses assertions
//! that were issued before it started: a client makes a new one within minutes, and nothing has to be written to disk at a
//! login.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// Assertions of one identity that are remembered at a time.
const PER_CLIENT: usize = 10_000;

/// Assertions of all.
const TOTAL: usize = 200_000;

/// Why an assertion isn't used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotUsed {
    /// It was used before, or may have been.
    Before,
    /// So many of this client are remembered that none can be added.
    TooMany,
}

/// The memory.
#[derive(Default)]
pub struct Seen(Mutex<Memory>);

#[derive(Default)]
struct Memory {
    clients: HashMap<Box<str>, HashMap<[u8; 32], i64>>,
    count: usize,
    /// What expired until then is forgotten, and counts as used if a clock goes backward.
    forgotten: i64,
}

impl Seen {
    /// Remembers that `client` used the assertion with this digest, which expires at `until`. Only once it is right in
    /// every other way: a stranger can't fill the memory.
    pub fn first_use(&self, client: &str, digest: [u8; 32], until: i64, now: i64) -> Result<(), NotUsed> {
        let mut memory = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let full = |memory: &Memory| {
            memory.count >= TOTAL || memory.clients.get(client).is_some_and(|known| known.len() >= PER_CLIENT)
        };
        if full(&memory) {
            memory.forget(now);
        }
        if until <= memory.forgotten {
            return Err(NotUsed::Before);
        }
        if memory.clients.get(client).is_some_and(|known| known.contains_key(&digest)) {
            return Err(NotUsed::Before);
        }
        if full(&memory) {
            return Err(NotUsed::TooMany);
        }
        memory.clients.entry(client.into()).or_default().insert(digest, until);
        memory.count += 1;
        Ok(())
    }
}

impl Memory {
    /// At most once a second: while it is full, every login comes by here.
    fn forget(&mut self, now: i64) {
        if now <= self.forgotten {
            return;
        }
        self.forgotten = now;
        self.clients.retain(|_, known| {
            known.retain(|_, until| *until > now);
            !known.is_empty()
        });
        self.count = self.clients.values().map(HashMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn digest(number: usize) -> [u8; 32] {
        let mut digest = [0; 32];
        digest[..8].copy_from_slice(&number.to_le_bytes());
        digest
    }

    #[test]
    fn an_assertion_is_used_once_by_each_client() {
        let seen = Seen::default();
        assert_eq!(seen.first_use("a", digest(1), 600, 0), Ok(()));
        assert_eq!(seen.first_use("a", digest(1), 600, 599), Err(NotUsed::Before));
        assert_eq!(seen.first_use("a", digest(2), 600, 0), Ok(()));
        assert_eq!(seen.first_use("b", digest(1), 600, 0), Ok(()));
    }

    #[test]
    fn one_client_fills_its_own_part_of_the_memory_and_gets_it_back_when_its_assertions_expire() {
        let seen = Seen::default();
        for number in 0..PER_CLIENT {
            assert_eq!(seen.first_use("a", digest(number), 600, 0), Ok(()));
        }
        assert_eq!(seen.first_use("a", digest(PER_CLIENT), 600, 1), Err(NotUsed::TooMany));
        assert_eq!(seen.first_use("a", digest(0), 600, 1), Err(NotUsed::Before));
        assert_eq!(seen.first_use("b", digest(0), 600, 1), Ok(()));
        assert_eq!(seen.first_use("a", digest(PER_CLIENT), 1200, 600), Ok(()));
        assert_eq!(seen.first_use("a", digest(0), 600, 599), Err(NotUsed::Before), "a clock that went backward");
    }
}
