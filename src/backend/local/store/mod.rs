//! Where sealed rows lie: a small interface, so that another store (a replicated one) is one more file here, which
//! [`open`] and [`create`] choose. Nobody else names a store.
//!
//! A store knows nothing of keys or of what rows mean. It promises that a transaction happens whole or not at all, that
//! a committed one survives a power cut, and that a snapshot sees one state.

mod sqlite;

use std::path::Path;

use self::sqlite::SqliteStore;
use crate::sys::descriptor::{JOURNAL_FILE, VAULT_FILE};
use crate::vault::Result;

pub use sqlite::pause;

/// Every file that a store may have in the vault's directory.
pub const FILES: [&str; 2] = [VAULT_FILE, JOURNAL_FILE];

/// The store in a vault's directory.
pub fn open(directory: &Path, read_only: bool) -> impl Store {
    SqliteStore::new(directory.join(VAULT_FILE), read_only)
}

/// Makes the store of a new vault in its [`VAULT_FILE`], which is there and empty; `fill` writes its first state.
pub fn create(directory: &Path, fill: &mut dyn FnMut(Box<dyn Transaction + '_>) -> Result<()>) -> Result<()> {
    SqliteStore::create(&directory.join(VAULT_FILE), fill)
}

/// One sealed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Primary key, revision and place in the change log: from a counter that only grows.
    pub seq: u64,
    /// The record's unique id.
    pub id: [u8; 16],
    /// Its class, or [`TOMBSTONE`](super::record::TOMBSTONE).
    pub kind: u32,
    /// Its object number.
    pub number: u64,
    /// Its byte in `changes`, from 1; 0 for what is no key.
    pub key_number: u32,
    /// What that byte says.
    pub state: u8,
    /// Drawn anew at each sealing.
    pub salt: [u8; 32],
    /// Attributes of a public object, in clear but bound; empty for a private one.
    pub readable: Vec<u8>,
    /// Sealed attributes of a private object; for a public one the seal over what is readable.
    pub attributes: Vec<u8>,
    /// Sealed private part, empty without one.
    pub secret: Vec<u8>,
}

/// The one row that speaks for all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeaderRow {
    /// Grows by one with each commit.
    pub commit: u64,
    /// Format of everything in the store.
    pub format: u32,
    /// Grows with each rekey.
    pub root_number: u64,
    /// Names the vault for ever.
    pub vault_id: [u8; 16],
    /// PKCS#11's slot id.
    pub slot_id: u32,
    /// 16 hexadecimal digits.
    pub serial: String,
    /// The token's label.
    pub label: String,
    /// Drawn anew at each sealing.
    pub salt: [u8; 32],
    /// Sealed counters, sum and digest.
    pub sealed: Vec<u8>,
}

/// Wrong attempts at one way to unlock. Lies outside every seal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attempts {
    /// How many since the last good one.
    pub failed: u32,
    /// 32 bits of each wrong PIN's Argon2 output.
    pub seen: Vec<u32>,
}

/// One state of the store.
pub trait Snapshot {
    /// The header.
    fn header(&self) -> Result<HeaderRow>;
    /// Rows with a larger `seq`, in its order.
    fn scan(&self, since: u64, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()>;
    /// Wrapped root keys, by kind.
    fn wrapped_keys(&self) -> Result<Vec<(u8, Vec<u8>)>>;
    /// Wrong attempts at one kind.
    fn attempts(&self, kind: u8) -> Result<Attempts>;
}

/// Changes that happen together.
pub trait Transaction: Snapshot {
    /// Adds a row, in place of the one with `replaced` (compare-and-set: fails if that is gone).
    fn put(&self, row: &Row, replaced: Option<u64>) -> Result<()>;
    /// Takes a row out without a trace.
    fn erase(&self, seq: u64) -> Result<()>;
    /// Replaces the header.
    fn set_header(&self, header: &HeaderRow) -> Result<()>;
    /// Writes or, with `None`, removes a wrapped root key.
    fn set_wrapped_key(&self, kind: u8, body: Option<&[u8]>) -> Result<()>;
    /// Counts wrong attempts.
    fn set_attempts(&self, kind: u8, attempts: &Attempts) -> Result<()>;
    /// Makes it durable.
    fn commit(self: Box<Self>) -> Result<()>;
}

/// A place for rows.
pub trait Store: Send + Sync {
    /// Looks at the newest state.
    fn read(&self, look: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()>;
    /// Begins to change it; dropped without a commit, nothing happened. The caller holds the writer's lock.
    fn write(&self, change: &mut dyn FnMut(Box<dyn Transaction + '_>) -> Result<()>) -> Result<()>;
    /// Overwrites what removed rows left behind. The caller holds the writer's lock.
    fn compact(&self) -> Result<()>;
}
