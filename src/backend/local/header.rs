//! The header: counters, the records' sum and the digest of the wrapped keys, sealed anew with each commit.

use zeroize::Zeroizing;

use super::seal::{self, Part, RootKey};
use super::store::HeaderRow;
use super::sum::{Number, RecordSum};
use crate::vault::{Result, VaultError};

/// Format of everything in a vault that this release writes.
pub const FORMAT: u32 = 1;

/// The header has no record id of its own.
const HEADER_ID: [u8; 16] = [0xFF; 16];
const SEALED_LEN: usize = 8 * 5 + 32 * 3;

/// What is sealed in the header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The next row's `seq`.
    pub next_seq: u64,
    /// The next object's number.
    pub next_object: u64,
    /// The next key's byte in `changes`.
    pub next_key: u64,
    /// An image of another generation than this refuses every private operation.
    pub generation: u64,
    /// Over all rows.
    pub sum: RecordSum,
    /// SHA-256 over all wrapped keys.
    pub wrapped_digest: [u8; 32],
}

impl Counters {
    /// Of an empty vault.
    pub fn new(wrapped_digest: [u8; 32]) -> Self {
        Self { next_seq: 1, next_object: 1, next_key: 1, generation: 1, sum: RecordSum::default(), wrapped_digest }
    }

    /// The number of a new object.
    pub fn take_object_number(&mut self) -> u64 {
        self.next_object += 1;
        self.next_object - 1
    }

    /// Seals them into `header`, whose other fields are final.
    pub fn seal_into(&self, root: &RootKey, header: &mut HeaderRow) -> Result<()> {
        header.salt = seal::fresh_salt()?;
        let key = root.part_key(&header.vault_id, &HEADER_ID, Part::Attributes, &header.salt)?;
        header.sealed = key.seal(&seal::header_binding(header), &self.encode())?;
        Ok(())
    }

    /// Opens `header`'s.
    pub fn open(root: &RootKey, header: &HeaderRow, file: &str) -> Result<Self> {
        let key = root.part_key(&header.vault_id, &HEADER_ID, Part::Attributes, &header.salt)?;
        let opened = key.open(&seal::header_binding(header), &header.sealed)?;
        opened.and_then(|bytes| Self::decode(bytes.expose())).ok_or_else(|| VaultError::Damaged {
            file: file.to_owned(),
            what: "the header was changed by somebody else".into(),
        })
    }

    fn encode(&self) -> Zeroizing<Vec<u8>> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(SEALED_LEN));
        for number in [self.next_seq, self.next_object, self.next_key, self.generation, self.sum.count] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        for block in [self.sum.plain.to_bytes(), self.sum.weighted.to_bytes(), self.wrapped_digest] {
            bytes.extend_from_slice(&block);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (numbers, blocks) = bytes.split_at_checked(40)?;
        let (numbers, _) = numbers.as_chunks::<8>();
        let numbers: Vec<u64> = numbers.iter().map(|bytes| u64::from_le_bytes(*bytes)).collect();
        let [plain, weighted, wrapped_digest] = *blocks.as_chunks::<32>().0 else { return None };
        let [next_seq, next_object, next_key, generation, count] = numbers[..] else { return None };
        let sum = RecordSum { count, plain: Number::from_bytes(&plain), weighted: Number::from_bytes(&weighted) };
        Some(Self { next_seq, next_object, next_key, generation, sum, wrapped_digest })
    }
}

/// The header's tag, as `changes` repeats it.
pub fn tag(header: &HeaderRow) -> [u8; 16] {
    header.sealed.last_chunk().copied().unwrap_or_default()
}

/// Refuses what a newer release wrote.
pub fn check_format(header: &HeaderRow, file: &str) -> Result<()> {
    if header.format <= FORMAT {
        return Ok(());
    }
    Err(VaultError::NewerFormat { path: file.to_owned(), found: header.format, known: FORMAT })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_come_back_and_every_readable_field_is_bound() {
        let root = RootKey::generate(1).unwrap();
        let mut counters = Counters::new([7; 32]);
        counters.next_seq = 12;
        counters.sum.add([1; 16], Number::from_bytes(&[9; 32]));
        let mut header = HeaderRow {
            commit: 3,
            format: FORMAT,
            root_number: 1,
            vault_id: [1; 16],
            slot_id: 77,
            serial: "0123456789abcdef".into(),
            label: "web".into(),
            salt: [0; 32],
            sealed: Vec::new(),
        };
        counters.seal_into(&root, &mut header).unwrap();
        assert_eq!(Counters::open(&root, &header, "f").unwrap(), counters);
        for change in [
            |header: &mut HeaderRow| header.commit += 1,
            |header: &mut HeaderRow| header.root_number += 1,
            |header: &mut HeaderRow| header.label.push('x'),
            |header: &mut HeaderRow| header.slot_id += 1,
        ] {
            let mut forged = header.clone();
            change(&mut forged);
            assert!(Counters::open(&root, &forged, "f").is_err());
        }
    }
}
