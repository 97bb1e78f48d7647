//! Keys in use: parsed once, asked before every operation whether they still may.

use std::sync::Arc;

use arc_swap::ArcSwapOption;

use super::changes::Page;
use super::loaded::Entry;
use super::record::{STATE_DELETED, STATE_DISABLED, STATE_ENABLED, STATE_UNKNOWN};
pub(super) use crate::backend::now;
use crate::crypto::{self, EncryptScheme, KeyAlgorithm, SecretBytes, SignScheme};
use crate::vault::{Content, ObjectNumber, PrivateKey, Result, SecretKey, UsableKey, VaultError};

/// A parsed key, private or secret, of one object at one revision.
pub struct LocalKey<K> {
    pub(super) key: Arc<K>,
    pub(super) number: ObjectNumber,
    /// The row's `seq`: another one has other attributes, but the same key.
    pub(super) revision: u64,
    pub(super) key_number: u32,
    pub(super) generation: u64,
    /// What counts where there is no page.
    pub(super) unmapped_state: u8,
    pub(super) not_before: Option<i64>,
    pub(super) expires: Option<i64>,
    pub(super) page: Option<Arc<Page>>,
}

impl<K> LocalKey<K> {
    /// The same key, whose dates don't count.
    pub fn at_any_time(&self) -> Self {
        Self { key: Arc::clone(&self.key), page: self.page.clone(), not_before: None, expires: None, ..*self }
    }

    fn check(&self) -> Result<()> {
        check_state(match &self.page {
            Some(page) => page.state(self.key_number, self.generation),
            None => self.unmapped_state,
        })?;
        if self.not_before.is_none() && self.expires.is_none() {
            return Ok(());
        }
        Content::validity(self.not_before, self.expires, now())
    }
}

impl PrivateKey for LocalKey<crypto::PrivateKey> {
    fn algorithm(&self) -> KeyAlgorithm {
        self.key.algorithm()
    }

    fn check_usable(&self) -> Result<()> {
        self.check()
    }

    fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check()?;
        Ok(self.key.sign(scheme, input, out)?)
    }

    fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check()?;
        Ok(self.key.decrypt(scheme, input, out)?)
    }

    fn agree(&self, peer: &[u8]) -> Result<SecretBytes> {
        self.check()?;
        Ok(self.key.agree(peer)?)
    }
}

impl SecretKey for LocalKey<crypto::SecretKey> {
    fn usable(&self) -> Result<UsableKey<'_>> {
        self.check()?;
        Ok(UsableKey::Here(&self.key))
    }
}

/// What a key's byte says; without a page, what its verified row says if nobody can change that, else nothing.
pub fn state(page: Option<&Page>, entry: &Entry, generation: u64, read_only: bool) -> u8 {
    match page {
        Some(page) => page.state(entry.key_number, generation),
        None if read_only => entry.state,
        None => STATE_UNKNOWN,
    }
}

/// Refuses every state but one.
pub fn check_state(state: u8) -> Result<()> {
    match state {
        STATE_ENABLED => Ok(()),
        STATE_DISABLED => Err(VaultError::Disabled),
        STATE_DELETED => Err(VaultError::Deleted),
        _ => Err(VaultError::StateUnknown),
    }
}

const PLACES: usize = 4096;

/// Parsed keys of this process, at most 4,096, each at the place its number gives. Read without a lock; a forked child
/// makes its own, because AWS-LC's lock in a key may be held by a thread that the child doesn't have.
pub struct KeyCache<K>(Box<[ArcSwapOption<LocalKey<K>>]>);

impl<K> KeyCache<K> {
    /// An empty one.
    pub fn new() -> Self {
        Self((0..PLACES).map(|_| ArcSwapOption::empty()).collect())
    }

    /// The key of this object at any revision.
    pub fn get(&self, number: ObjectNumber) -> Option<Arc<LocalKey<K>>> {
        let place = self.0[number as usize % PLACES].load();
        place.as_ref().filter(|key| key.number == number).map(Arc::clone)
    }

    /// Keeps a key, in place of whichever was there.
    pub fn put(&self, key: Arc<LocalKey<K>>) {
        self.0[key.number as usize % PLACES].store(Some(key));
    }

    /// Forgets all; each is wiped when its last user is done.
    pub fn clear(&self) {
        self.0.iter().for_each(|place| place.store(None));
    }
}
