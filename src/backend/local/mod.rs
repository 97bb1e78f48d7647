//! The local vault: an encrypted directory on this machine's disk.
//!
//! One SQLite file of sealed rows ([`store`], [`seal`], [`record`]), opened and closed within each call; one file
//! `changes` that every process maps ([`changes`]); in memory an immutable image that signing and finding read without
//! locks ([`loaded`]). [`front`] is what front ends call; what a forked child may do is in [`heir`].

mod accept;
mod admin;
mod aside;
mod backup;
#[cfg(test)]
mod certificate_tests;
mod changes;
mod directory;
mod front;
mod header;
mod heir;
mod key;
mod loaded;
mod login;
mod make;
mod naming;
mod record;
mod reread;
mod restore;
mod rewrite;
mod seal;
mod store;
mod sum;
#[cfg(test)]
mod tests;
mod wrapped;
mod write;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arc_swap::{ArcSwap, ArcSwapOption};
use globset::GlobSet;
use rpds::HashTrieMapSync;

use self::changes::{Page, Stamp};
use self::directory::Directory;
use self::header::Counters;
use self::heir::Family;
use self::key::KeyCache;
use self::loaded::{Entry, Loaded, Surroundings};
use self::seal::RootKey;
use self::store::{Attempts, HeaderRow, Row, Snapshot, Store};
use self::write::is_current;
use crate::config::{LocalConfig, VaultConfig};
use crate::crypto;
use crate::sys::memory::{AfterFork, SecretPages, SecretPool, WipeStack};
use crate::vault::*;

/// A vault in a directory.
pub struct LocalVault {
    config: VaultConfig,
    local: LocalConfig,
    directory: Directory,
    filter: Option<GlobSet>,
    state: Mutex<State>,
    published: ArcSwap<Published>,
    page: ArcSwapOption<Page>,
    private_keys: KeyCache<crypto::PrivateKey>,
    secret_keys: KeyCache<crypto::SecretKey>,
    ring: SecretPool,
    unlocked: AtomicBool,
    /// Shared with forked children, from the first login on.
    family: OnceLock<Arc<Family>>,
    /// This process was forked off and serves what its parent had loaded.
    heir: bool,
    /// Wrong PINs where they can't be counted durably, by way.
    uncommitted: Mutex<BTreeMap<u8, Attempts>>,
    /// The file system allows no writing; looked up once.
    read_only: OnceLock<bool>,
}

/// What only the holder of the lock sees.
struct State {
    root: Option<Arc<RootKey>>,
    /// One value, in pages that a fork wipes: the sums must not be read by who can write the file.
    counters: SecretPages<Counters>,
    loaded: Loaded,
    /// Another process replaced the root key.
    rekeyed: bool,
}

/// What everybody reads without a lock.
struct Published {
    image: Arc<Image>,
    /// What opens the private parts of the entries; none in a forked child, whose pages of it are wiped.
    root: Option<Arc<RootKey>>,
    entries: HashTrieMapSync<ObjectNumber, Arc<Entry>>,
    header: Option<HeaderRow>,
    generation: u64,
    verified: bool,
}

impl LocalVault {
    /// The vault that `config` names, whether it exists yet or not. Touches no file.
    pub fn open(config: &VaultConfig) -> Result<Arc<dyn VaultAdmin>> {
        Ok(Arc::new(Self::build(config)?))
    }

    fn build(config: &VaultConfig) -> Result<Self> {
        let local =
            config.as_local().ok_or(VaultError::Unsupported("what only a vault on this machine's disk can do"))?;
        let state = State::new()?;
        Ok(Self {
            config: config.clone(),
            local: local.clone(),
            directory: Directory::new(local),
            filter: super::globs(&config.objects)?,
            published: ArcSwap::from_pointee(Published::of(&state, None)),
            state: Mutex::new(state),
            page: ArcSwapOption::empty(),
            private_keys: KeyCache::new(),
            secret_keys: KeyCache::new(),
            ring: SecretPool::default(),
            unlocked: AtomicBool::new(false),
            family: OnceLock::new(),
            heir: false,
            uncommitted: Mutex::default(),
            read_only: OnceLock::new(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic inside leaves a state that the next load replaces.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, if this process may change the vault.
    fn writable_state(&self) -> Result<MutexGuard<'_, State>> {
        if self.heir {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        self.check_exists()?;
        if self.check_directory()? {
            return Err(VaultError::ReadOnly(self.directory.text()));
        }
        let state = self.state();
        match &state.root {
            Some(_) => Ok(state),
            None if state.rekeyed => Err(VaultError::Rekeyed),
            None => Err(VaultError::Locked),
        }
    }

    fn check_exists(&self) -> Result<()> {
        match self.directory.exists()? {
            true => Ok(()),
            false => Err(VaultError::NotInitialized(self.directory.text())),
        }
    }

    /// Owners and modes; true on a read-only file system.
    fn check_directory(&self) -> Result<bool> {
        if crate::sys::descriptor::torn() {
            return Err(VaultError::ForkedReader(self.directory.text()));
        }
        if let Some(read_only) = self.read_only.get() {
            self.directory.check_entries()?;
            return Ok(*read_only);
        }
        let read_only = self.directory.check()?;
        Ok(*self.read_only.get_or_init(|| read_only))
    }

    fn store(&self) -> impl Store {
        store::open(self.directory.path(), self.is_read_only())
    }

    /// Looks at the store under the lock that keeps a second copy of the module in this process away.
    fn read(&self, look: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let read_only = self.check_directory()?;
        let _process = if read_only { None } else { Some(self.directory.lock_process()?) };
        self.store().read(look)
    }

    fn around<'a>(&'a self, file: &'a str) -> Surroundings<'a> {
        Surroundings { file, filter: self.filter.as_ref(), ring: &self.ring }
    }

    /// The mapped page; `None` while the file doesn't exist.
    fn page(&self) -> Option<Arc<Page>> {
        if let Some(page) = &*self.page.load() {
            return Some(Arc::clone(page));
        }
        let page = Page::open(self.directory.path(), !self.is_read_only()).ok().flatten().map(Arc::new)?;
        self.page.store(Some(Arc::clone(&page)));
        Some(page)
    }

    /// The page, made or mended. The caller holds the writer's lock.
    fn create_page(&self) -> Result<Arc<Page>> {
        Page::make_whole(self.directory.path(), self.directory.file_mode())?;
        self.page().ok_or_else(|| VaultError::Damaged {
            file: self.directory.text(),
            what: "`changes` can't be made whole".into(),
        })
    }

    /// Loads from a snapshot into `state`: all with the root key, else what is public.
    fn load_state(&self, state: &mut State, snapshot: &dyn Snapshot) -> Result<()> {
        let file = self.directory.database().display().to_string();
        let around = self.around(&file);
        let State { root, counters, loaded, .. } = state;
        let result = match root {
            Some(root) => loaded.load(snapshot, root, &mut counters[0], &around),
            None if state.rekeyed => return Err(VaultError::Rekeyed),
            None => loaded.load_public(snapshot, &around),
        };
        if matches!(result, Err(VaultError::Rekeyed)) {
            state.root = None;
            state.counters[0] = Counters::default();
            state.rekeyed = true;
            self.unlocked.store(false, Ordering::Release);
            self.published.rcu(|published| Published::without_root(published));
        }
        result
    }

    /// Takes a commit of this process in.
    fn extend(
        &self,
        state: &mut State,
        rows: impl Iterator<Item = Row>,
        header: HeaderRow,
        sealed: Counters,
    ) -> Result<()> {
        let file = self.directory.database().display().to_string();
        let State { root: Some(root), counters, loaded, .. } = state else { return Err(VaultError::Locked) };
        loaded.extend(rows, root, header, &mut counters[0], sealed, &self.around(&file))
    }

    /// Refuses a store that is older than what `changes` saw acknowledged. `before` was read before the transaction.
    fn refuse_rollback(&self, before: Option<Stamp>, header: &HeaderRow) -> Result<()> {
        let Some(stamp) = before else { return Ok(()) };
        if stamp.closed && !self.page().is_some_and(|page| page.is_in_place()) {
            let problem = "was initialised again and moved aside: restart this program".to_owned();
            return Err(VaultError::Unsafe { path: self.directory.text(), problem });
        }
        let ahead = stamp.done > header.commit || stamp.done == header.commit && stamp.tag != header::tag(header);
        let settled = stamp.started == stamp.done && self.page().is_some_and(|page| page.stamp() == stamp);
        if ahead && settled && stamp.done != 0 {
            return Err(VaultError::RolledBack(self.directory.text()));
        }
        Ok(())
    }

    /// Loads the newest state and mends the page where this process may.
    fn reload(&self, state: &mut State) -> Result<()> {
        let followed = self.follow_restored(state)?;
        let reloaded = self.load_newest(state);
        if followed && reloaded.is_err() {
            // The numbers of what is published mean nothing in the new page: no key may be used by them.
            state.counters[0] = Counters::default();
            self.publish(state);
        }
        reloaded
    }

    /// The directory was lost while this process had it open, and the vault was restored in its place: its new page is
    /// mapped, and everything is loaded anew. A vault that was moved aside says so in its page, and another vault is none
    /// of ours: then all stays as it is.
    fn follow_restored(&self, state: &mut State) -> Result<bool> {
        let page = self.page.load();
        let Some(header) = state.loaded.header.as_ref() else { return Ok(false) };
        if !page.as_ref().is_some_and(|page| page.is_replaced() && !page.stamp().closed) {
            return Ok(false);
        }
        let mut same = false;
        self.read(&mut |snapshot| {
            same = snapshot.header()?.vault_id == header.vault_id;
            Ok(())
        })?;
        if same {
            state.loaded.verified = false;
            self.page.store(None);
            self.private_keys.clear();
            self.secret_keys.clear();
        }
        Ok(same)
    }

    fn load_newest(&self, state: &mut State) -> Result<()> {
        let before = self.page().map(|page| page.stamp());
        let mut loaded = Ok(());
        self.read(&mut |snapshot| {
            loaded = self.load_state(state, snapshot);
            Ok(())
        })?;
        loaded?;
        let Some(header) = state.loaded.header.clone() else { return Ok(()) };
        let generation = state.counters[0].generation;
        if is_current(before.as_ref(), &header, generation) {
            return Ok(());
        }
        self.refuse_rollback(before, &header)?;
        let now = self.page().map(|page| page.stamp());
        if state.root.is_none() || is_current(now.as_ref(), &header, generation) || self.check_directory()? {
            return Ok(());
        }
        // Somebody is writing, or died doing so: only in the second case the lock is free.
        let _process = self.directory.lock_process()?;
        match self.directory.try_lock_writer()? {
            Some(_writer) => self.store().write(&mut |transaction| {
                self.bring_up_to_date(state, &*transaction)?;
                Ok(())
            }),
            None => Ok(()),
        }
    }

    fn publish(&self, state: &State) {
        self.published.store(Arc::new(Published::of(state, self.filter.as_ref())));
    }
}

impl State {
    /// Nothing is known yet.
    fn new() -> Result<Self> {
        let counters = SecretPages::filled(Counters::default(), 1, AfterFork::Wiped).map_err(seal::no_memory)?;
        Ok(Self { root: None, counters, loaded: Loaded::default(), rekeyed: false })
    }

    /// Wipes what only a login gives, and keeps what is public.
    fn forget(&mut self) {
        self.root = None;
        self.counters[0] = Counters::default();
        self.loaded = self.loaded.public_part();
        self.rekeyed = false;
    }
}

impl Published {
    fn of(state: &State, filter: Option<&GlobSet>) -> Self {
        Self {
            image: Arc::new(state.loaded.visible(filter)),
            root: state.root.clone(),
            entries: state.loaded.entries.clone(),
            header: state.loaded.header.clone(),
            generation: state.counters[0].generation,
            verified: state.loaded.verified,
        }
    }

    /// The same for who may not open what isn't in the ring.
    fn without_root(other: &Self) -> Self {
        Self {
            image: Arc::clone(&other.image),
            root: None,
            entries: other.entries.clone(),
            header: other.header.clone(),
            generation: other.generation,
            verified: other.verified,
        }
    }
}
