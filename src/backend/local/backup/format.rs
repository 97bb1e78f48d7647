//! What stands in a backup's file, byte by byte.
//!
//! A preamble that every format keeps (magic, format number, length of the header, checksum), so that a newer file is
//! named by its number and a damaged one isn't taken for newer; the readable header, with a checksum, so that damage isn't
//! taken for a wrong passphrase; the sealed body ([`stream`](super::stream)): the vault's header and wrapped keys, then
//! its rows as they are. The body's key is derived from the vault's root key and a salt of this file; the header holds the
//! root key wrapped as [`wrapped`] does it, for the one way that opens this file, and for no PIN.

use std::io::{Read, Write};

use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

use super::super::seal::RootKey;
use super::super::store::{HeaderRow, Row};
use super::super::wrapped::{self, Stored};
use super::Saved;
use super::stream::{Opener, Sealer};
use crate::vault::{BackupLabel, BackupWay, Class, Result, Tally, VaultError};

/// Format of a backup that this release writes.
pub const FORMAT: u32 = 1;

const MAGIC: [u8; 16] = *b"strongroombackup";
const PREAMBLE: usize = 32;
const CHECKSUM: usize = 32;
/// Longest header that is read, and so the longest that is written.
const HEADER_MAX: usize = 64 * 1024;

/// The readable header.
#[derive(Serialize, Deserialize)]
pub struct Head {
    /// Of the vault, as are the next three.
    pub vault_id: [u8; 16],
    serial: String,
    label: String,
    /// Which root key is wrapped.
    pub root_number: u64,
    commit: u64,
    created: i64,
    passphrase: bool,
    /// The wrapped root key.
    pub wrapped: Vec<u8>,
    /// Tells another root key from a damaged body.
    key_check: [u8; 16],
    salt: [u8; 32],
    tallies: Vec<(u32, u64, u64)>,
}

/// The header of a file, and what stands beside it.
pub struct Beginning {
    /// The header.
    pub head: Head,
    /// Binds it to every piece of the body.
    bound: [u8; 32],
    /// Where the body begins.
    len: u64,
}

impl Head {
    /// Of a vault that was saved, for one way to open it.
    pub fn new(saved: &Saved, way: BackupWay, wrapped: Vec<u8>, tallies: &[Tally], created: i64) -> Result<Self> {
        let header = &saved.header;
        let salt = super::super::seal::fresh_salt()?;
        Ok(Self {
            vault_id: header.vault_id,
            serial: header.serial.clone(),
            label: header.label.clone(),
            root_number: header.root_number,
            commit: header.commit,
            created,
            passphrase: way == BackupWay::Passphrase,
            wrapped,
            key_check: saved.root.key_check(&salt)?,
            salt,
            tallies: tallies.iter().map(|tally| (tally.class.number(), tally.objects, tally.names)).collect(),
        })
    }

    /// Whether this root key sealed the body.
    pub fn fits(&self, root: &RootKey) -> Result<bool> {
        Ok(root.number() == self.root_number && root.key_check(&self.salt)? == self.key_check)
    }

    /// For people.
    pub fn label(&self) -> BackupLabel {
        let tally =
            |&(class, objects, names): &(u32, u64, u64)| Tally { class: Class::from_number(class), objects, names };
        BackupLabel {
            label: self.label.clone(),
            serial: self.serial.clone(),
            created: self.created,
            commit: self.commit,
            way: if self.passphrase { BackupWay::Passphrase } else { BackupWay::Recovery },
            machine_key: wrapped::needs_machine_key(&self.wrapped),
            tallies: self.tallies.iter().map(tally).collect(),
        }
    }
}

/// Writes a whole backup. `file` is for messages.
pub fn write(
    out: &mut dyn Write,
    head: &Head,
    saved: &Saved,
    file: &str,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<()> {
    let mut beginning = preamble(FORMAT);
    let encoded = encode(head)?;
    if encoded.len() > HEADER_MAX {
        return Err(VaultError::Unsupported("a backup of a vault with a label as long as this one's"));
    }
    beginning.extend_from_slice(&(encoded.len() as u32).to_le_bytes());
    let sum = sha256(&beginning);
    beginning.extend_from_slice(&sum[..PREAMBLE - beginning.len()]);
    beginning.extend_from_slice(&encoded);
    let bound = sha256(&beginning);
    beginning.extend_from_slice(&bound);
    out.write_all(&beginning).map_err(|source| VaultError::Io { path: file.to_owned(), source })?;
    let key = saved.root.backup_key(&head.vault_id, &head.salt)?;
    let mut body = Sealer::new(out, key, bound, file);
    put_record(&mut body, &Start::of(saved))?;
    for (done, row) in saved.rows.iter().enumerate() {
        put_record(&mut body, &StoredRow::of(row))?;
        progress(done + 1, saved.rows.len());
    }
    body.finish()
}

fn preamble(format: u32) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&format.to_le_bytes());
    bytes
}

/// Reads a backup's header; leaves `input` where the body begins.
pub fn read_beginning(input: &mut dyn Read, file: &str) -> Result<Beginning> {
    let mut bytes = read_up_to(input, PREAMBLE, file)?;
    let damaged = |what: &str| VaultError::BackupDamaged { file: file.to_owned(), what: what.to_owned() };
    if !bytes.starts_with(&MAGIC) {
        return Err(VaultError::NotABackup(file.to_owned()));
    }
    if bytes.len() < PREAMBLE {
        return Err(damaged(&format!("is cut off at byte {}", bytes.len())));
    }
    let (numbers, sum) = bytes.split_at(MAGIC.len() + 8);
    if *sum != sha256(numbers)[..sum.len()] {
        return Err(damaged("is damaged within its first 32 bytes"));
    }
    let number = |at: usize| u32::from_le_bytes([numbers[at], numbers[at + 1], numbers[at + 2], numbers[at + 3]]);
    let (format, len) = (number(MAGIC.len()), number(MAGIC.len() + 4) as usize);
    if format > FORMAT {
        return Err(VaultError::NewerFormat { path: file.to_owned(), found: format, known: FORMAT });
    }
    if len > HEADER_MAX {
        return Err(damaged("is damaged within its first 32 bytes"));
    }
    let rest = read_up_to(input, len + CHECKSUM, file)?;
    let end = PREAMBLE + rest.len();
    if rest.len() < len + CHECKSUM {
        return Err(damaged(&format!("is cut off at byte {end}")));
    }
    bytes.extend_from_slice(&rest[..len]);
    let bound = sha256(&bytes);
    let in_header = format!("is damaged between byte {PREAMBLE} and byte {end}");
    if rest[len..] != bound {
        return Err(damaged(&in_header));
    }
    let head = postcard::from_bytes(&rest[..len]).map_err(|_| damaged(&in_header))?;
    Ok(Beginning { head, bound, len: end as u64 })
}

/// Reads the body with the root key that the header's wrapped key gave.
pub fn read_body(
    input: &mut dyn Read,
    beginning: &Beginning,
    root: RootKey,
    file: &str,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Saved> {
    let head = &beginning.head;
    let key = root.backup_key(&head.vault_id, &head.salt)?;
    let mut body = Opener::new(input, key, beginning.bound, beginning.len, file)?;
    let start: Start = take_record(&mut body, file)?;
    let mut rows = Vec::new();
    for done in 0..start.rows {
        let row: StoredRow = take_record(&mut body, file)?;
        rows.push(row.into_row());
        progress(done as usize + 1, start.rows as usize);
    }
    body.finish()?;
    let (header, wrapped) = start.into_header(head);
    Ok(Saved { root, header, wrapped, rows })
}

/// What comes before the rows.
#[derive(Serialize, Deserialize)]
struct Start {
    format: u32,
    slot_id: u32,
    serial: String,
    label: String,
    commit: u64,
    salt: [u8; 32],
    sealed: Vec<u8>,
    wrapped: Stored,
    rows: u64,
}

impl Start {
    fn of(saved: &Saved) -> Self {
        let header = saved.header.clone();
        Self {
            format: header.format,
            slot_id: header.slot_id,
            serial: header.serial,
            label: header.label,
            commit: header.commit,
            salt: header.salt,
            sealed: header.sealed,
            wrapped: saved.wrapped.clone(),
            rows: saved.rows.len() as u64,
        }
    }

    fn into_header(self, head: &Head) -> (HeaderRow, Stored) {
        let header = HeaderRow {
            commit: self.commit,
            format: self.format,
            root_number: head.root_number,
            vault_id: head.vault_id,
            slot_id: self.slot_id,
            serial: self.serial,
            label: self.label,
            salt: self.salt,
            sealed: self.sealed,
        };
        (header, self.wrapped)
    }
}

/// A row, sealed as it lies in the vault.
#[derive(Serialize, Deserialize)]
struct StoredRow {
    seq: u64,
    id: [u8; 16],
    kind: u32,
    number: u64,
    key_number: u32,
    state: u8,
    salt: [u8; 32],
    readable: Vec<u8>,
    attributes: Vec<u8>,
    secret: Vec<u8>,
}

impl StoredRow {
    fn of(row: &Row) -> Self {
        let Row { seq, id, kind, number, key_number, state, salt, readable, attributes, secret } = row.clone();
        Self { seq, id, kind, number, key_number, state, salt, readable, attributes, secret }
    }

    fn into_row(self) -> Row {
        let Self { seq, id, kind, number, key_number, state, salt, readable, attributes, secret } = self;
        Row { seq, id, kind, number, key_number, state, salt, readable, attributes, secret }
    }
}

fn put_record(body: &mut Sealer<'_>, record: &impl Serialize) -> Result<()> {
    let encoded = encode(record)?;
    body.put(&(encoded.len() as u32).to_le_bytes())?;
    body.put(&encoded)
}

fn take_record<T: for<'de> Deserialize<'de>>(body: &mut Opener<'_>, file: &str) -> Result<T> {
    let len = body.take(4)?;
    let len = len.first_chunk().map_or(0, |bytes| u32::from_le_bytes(*bytes));
    let bytes = body.take(len as usize)?;
    postcard::from_bytes(&bytes).map_err(|_| VaultError::BackupDamaged {
        file: file.to_owned(),
        what: "holds a record that can't be read: it was written wrongly".into(),
    })
}

fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    // Plain values into memory: it can't fail.
    postcard::to_stdvec(value).map_err(|_| VaultError::Unsupported("writing a record of a backup"))
}

fn read_up_to(input: &mut dyn Read, len: usize, file: &str) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len);
    let read = input.take(len as u64).read_to_end(&mut bytes);
    read.map_err(|source| VaultError::Io { path: file.to_owned(), source })?;
    Ok(bytes)
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}
