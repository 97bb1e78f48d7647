//! The store as one SQLite file in rollback-journal mode, opened and closed within each call.
//!
//! No connection outlives a call: SQLite's list of locks is copied by `fork`, and an inherited descriptor would be the
//! whole vault in a worker's hands. WAL is not used: it is slower when opened per call, and a flipped byte in a frame
//! silently drops acknowledged rows.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, Row as SqlRow, TransactionBehavior, ffi, params};

use super::{Attempts, HeaderRow, Row, Snapshot, Store, Transaction};
use crate::sys::descriptor::StoreCall;
use crate::sys::sqlite_open;
use crate::vault::{Result, VaultError};

const SCHEMA: &str = "
CREATE TABLE header (
    one INTEGER PRIMARY KEY CHECK (one = 1), commit_number INTEGER NOT NULL, format INTEGER NOT NULL,
    root_number INTEGER NOT NULL, vault_id BLOB NOT NULL, slot_id INTEGER NOT NULL, serial TEXT NOT NULL,
    label TEXT NOT NULL, salt BLOB NOT NULL, sealed BLOB NOT NULL) STRICT;
CREATE TABLE wrapped_key (kind INTEGER PRIMARY KEY, body BLOB NOT NULL) STRICT;
CREATE TABLE attempts (kind INTEGER PRIMARY KEY, failed INTEGER NOT NULL, seen BLOB NOT NULL) STRICT;
CREATE TABLE record (
    seq INTEGER PRIMARY KEY, id BLOB NOT NULL, kind INTEGER NOT NULL, number INTEGER NOT NULL,
    key_number INTEGER NOT NULL, state INTEGER NOT NULL, salt BLOB NOT NULL, readable BLOB NOT NULL,
    attributes BLOB NOT NULL, secret BLOB NOT NULL) STRICT;
";

/// Longest wait for SQLite's own locks.
pub const BUSY_SECONDS: u64 = 5;

/// The file `vault.db`.
pub struct SqliteStore {
    path: PathBuf,
    read_only: bool,
}

impl SqliteStore {
    /// The store in `path`, which exists.
    pub fn new(path: PathBuf, read_only: bool) -> Self {
        sqlite_open::install();
        Self { path, read_only }
    }

    /// Makes the tables and first rows in `path`, an empty file that nobody else knows yet.
    pub fn create(path: &Path, fill: &mut dyn FnMut(Box<dyn Transaction + '_>) -> Result<()>) -> Result<()> {
        let store = Self::new(path.to_owned(), false);
        let _call = StoreCall::begin();
        let mut connection = store.connect()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| store.error(error))?;
        transaction.execute_batch(SCHEMA).map_err(|error| store.error(error))?;
        fill(Box::new(SqliteTransaction { store: &store, transaction }))
    }

    fn connect(&self) -> Result<Connection> {
        let access = if self.read_only { OpenFlags::SQLITE_OPEN_READ_ONLY } else { OpenFlags::SQLITE_OPEN_READ_WRITE };
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_NOFOLLOW;
        let mut connection = Connection::open_with_flags(&self.path, flags).map_err(|error| self.error(error))?;
        connection.busy_handler(Some(wait)).map_err(|error| self.error(error))?;
        // None of these is kept in the file.
        let settings = "PRAGMA synchronous=FULL; PRAGMA secure_delete=ON; PRAGMA temp_store=MEMORY;
                        PRAGMA trusted_schema=OFF; PRAGMA cell_size_check=ON;";
        connection.execute_batch(settings).map_err(|error| self.error(error))?;
        if !self.read_only {
            connection.execute_batch("PRAGMA journal_mode=TRUNCATE").map_err(|error| self.error(error))?;
        }
        Ok(connection)
    }

    fn error(&self, error: rusqlite::Error) -> VaultError {
        let path = self.path.display().to_string();
        let rusqlite::Error::SqliteFailure(failure, text) = &error else {
            return VaultError::Damaged { file: path, what: error.to_string() };
        };
        let text = text.clone().unwrap_or_else(|| failure.to_string());
        let io = |kind, text| VaultError::Io { path: path.clone(), source: io::Error::new(kind, text) };
        match failure.extended_code & 0xFF {
            ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => {
                VaultError::Busy { location: path, lock: "the database", seconds: BUSY_SECONDS }
            }
            // An error in SQL that never changes is one in the file: no such table, unsupported format.
            ffi::SQLITE_CORRUPT | ffi::SQLITE_NOTADB | ffi::SQLITE_ERROR => {
                VaultError::Damaged { file: path, what: text }
            }
            ffi::SQLITE_FULL => io(io::ErrorKind::StorageFull, "the disk is full: free space and try again".into()),
            ffi::SQLITE_READONLY if failure.extended_code != ffi::SQLITE_READONLY => VaultError::Unsafe {
                path,
                problem: "an interrupted transaction can't be rolled back on a read-only file system: mount it \
                          writable once"
                    .into(),
            },
            ffi::SQLITE_READONLY => VaultError::ReadOnly(path),
            ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM | ffi::SQLITE_AUTH => {
                io(io::ErrorKind::PermissionDenied, format!("can't be opened ({text})"))
            }
            _ => io(io::ErrorKind::Other, text),
        }
    }
}

/// 0.1 ms four times, 0.5 ms eight times, then 1 ms, each plus as much again at random, until five seconds.
fn wait(attempt: i32) -> bool {
    pause(attempt as u32);
    attempt < 3_400
}

/// Sleeps as long as the `attempt`th failure to get a lock asks for.
pub fn pause(attempt: u32) {
    let micros = match attempt {
        0..4 => 100,
        4..12 => 500,
        _ => 1_000,
    };
    let mut random = [0u8; 2];
    // Without randomness the pause is merely regular.
    let _ = crate::crypto::random(&mut random);
    let extra = micros * u64::from(u16::from_le_bytes(random)) / 65_536;
    std::thread::sleep(Duration::from_micros(micros + extra));
}

impl Store for SqliteStore {
    fn read(&self, look: &mut dyn FnMut(&dyn Snapshot) -> Result<()>) -> Result<()> {
        let _call = StoreCall::begin();
        let mut connection = self.connect()?;
        let transaction = connection.transaction().map_err(|error| self.error(error))?;
        look(&SqliteTransaction { store: self, transaction })
    }

    fn write(&self, change: &mut dyn FnMut(Box<dyn Transaction + '_>) -> Result<()>) -> Result<()> {
        let _call = StoreCall::begin();
        let mut connection = self.connect()?;
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
        let transaction = transaction.map_err(|error| self.error(error))?;
        change(Box::new(SqliteTransaction { store: self, transaction }))
    }

    fn compact(&self) -> Result<()> {
        let _call = StoreCall::begin();
        self.connect()?.execute_batch("VACUUM").map_err(|error| self.error(error))
    }
}

struct SqliteTransaction<'a> {
    store: &'a SqliteStore,
    transaction: rusqlite::Transaction<'a>,
}

impl SqliteTransaction<'_> {
    fn execute(&self, sql: &str, values: impl rusqlite::Params) -> Result<usize> {
        let mut statement = self.transaction.prepare_cached(sql).map_err(|error| self.store.error(error))?;
        statement.execute(values).map_err(|error| self.store.error(error))
    }
}

impl Snapshot for SqliteTransaction<'_> {
    fn header(&self) -> Result<HeaderRow> {
        let sql =
            "SELECT commit_number, format, root_number, vault_id, slot_id, serial, label, salt, sealed FROM header";
        let header = self.transaction.query_row(sql, [], |row| {
            Ok(HeaderRow {
                commit: unsigned(row, 0)?,
                format: row.get(1)?,
                root_number: unsigned(row, 2)?,
                vault_id: row.get(3)?,
                slot_id: row.get(4)?,
                serial: row.get(5)?,
                label: row.get(6)?,
                salt: row.get(7)?,
                sealed: row.get(8)?,
            })
        });
        header.map_err(|error| self.store.error(error))
    }

    fn scan(&self, since: u64, each: &mut dyn FnMut(Row) -> Result<()>) -> Result<()> {
        let sql = "SELECT seq, id, kind, number, key_number, state, salt, readable, attributes, secret FROM record
                   WHERE seq > ?1 ORDER BY seq";
        let fail = |error| self.store.error(error);
        let mut statement = self.transaction.prepare_cached(sql).map_err(fail)?;
        let mut rows = statement.query([since as i64]).map_err(fail)?;
        while let Some(row) = rows.next().map_err(fail)? {
            each(record(row).map_err(fail)?)?;
        }
        Ok(())
    }

    fn wrapped_keys(&self) -> Result<Vec<(u8, Vec<u8>)>> {
        let fail = |error| self.store.error(error);
        let mut statement =
            self.transaction.prepare_cached("SELECT kind, body FROM wrapped_key ORDER BY kind").map_err(fail)?;
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(fail)?;
        rows.collect::<rusqlite::Result<_>>().map_err(fail)
    }

    fn attempts(&self, kind: u8) -> Result<Attempts> {
        let sql = "SELECT failed, seen FROM attempts WHERE kind = ?1";
        let found = self.transaction.query_row(sql, [kind], |row| {
            let seen: Vec<u8> = row.get(1)?;
            let seen = seen.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
            Ok(Attempts { failed: row.get(0)?, seen })
        });
        Ok(found.optional().map_err(|error| self.store.error(error))?.unwrap_or_default())
    }
}

impl Transaction for SqliteTransaction<'_> {
    fn put(&self, row: &Row, replaced: Option<u64>) -> Result<()> {
        let values = params![
            row.seq as i64,
            row.id,
            row.kind,
            row.number as i64,
            row.key_number,
            row.state,
            row.salt,
            row.readable,
            row.attributes,
            row.secret,
        ];
        let Some(old) = replaced else {
            self.execute("INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)", values)?;
            return Ok(());
        };
        let sql = format!(
            "UPDATE record SET seq = ?1, id = ?2, kind = ?3, number = ?4, key_number = ?5, state = ?6, salt = ?7,
             readable = ?8, attributes = ?9, secret = ?10 WHERE seq = {old}"
        );
        match self.transaction.execute(&sql, values).map_err(|error| self.store.error(error))? {
            1 => Ok(()),
            _ => Err(VaultError::Damaged {
                file: self.store.path.display().to_string(),
                what: format!("record {old} is gone"),
            }),
        }
    }

    fn erase(&self, seq: u64) -> Result<()> {
        self.execute("DELETE FROM record WHERE seq = ?1", [seq as i64]).map(drop)
    }

    fn set_header(&self, header: &HeaderRow) -> Result<()> {
        let sql = "INSERT OR REPLACE INTO header VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let values = params![
            header.commit as i64,
            header.format,
            header.root_number as i64,
            header.vault_id,
            header.slot_id,
            header.serial,
            header.label,
            header.salt,
            header.sealed,
        ];
        self.execute(sql, values).map(drop)
    }

    fn set_wrapped_key(&self, kind: u8, body: Option<&[u8]>) -> Result<()> {
        match body {
            // Bodies have one size, so that the old one is overwritten in place.
            Some(body) => self.execute(
                "INSERT INTO wrapped_key VALUES (?1, ?2) ON CONFLICT (kind) DO UPDATE SET body = ?2",
                params![kind, body],
            ),
            None => self.execute("DELETE FROM wrapped_key WHERE kind = ?1", [kind]),
        }
        .map(drop)
    }

    fn set_attempts(&self, kind: u8, attempts: &Attempts) -> Result<()> {
        let seen: Vec<u8> = attempts.seen.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        let sql = "INSERT OR REPLACE INTO attempts VALUES (?1, ?2, ?3)";
        self.execute(sql, params![kind, attempts.failed, seen]).map(drop)
    }

    fn commit(self: Box<Self>) -> Result<()> {
        let store = self.store;
        self.transaction.commit().map_err(|error| store.error(error))
    }
}

fn unsigned(row: &SqlRow<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(|value| value as u64)
}

fn record(row: &SqlRow<'_>) -> rusqlite::Result<Row> {
    Ok(Row {
        seq: unsigned(row, 0)?,
        id: row.get(1)?,
        kind: row.get(2)?,
        number: unsigned(row, 3)?,
        key_number: row.get(4)?,
        state: row.get(5)?,
        salt: row.get(6)?,
        readable: row.get(7)?,
        attributes: row.get(8)?,
        secret: row.get(9)?,
    })
}
