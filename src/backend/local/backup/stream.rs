//! The sealed body of a backup: pieces of 64 KiB under one key, each with its place and whether it is the last one in its
//! nonce, and the readable header bound to every one of them.
//!
//! So a piece that was changed, moved, left out or added is found when it is read, and so is a file that ends too early:
//! each is told from the others, and the bytes are named. (The construction is STREAM, of Hoang, Reyhanitabar, Rogaway and
//! Vizár, 2015.)

use std::io::{Read, Write};

use super::super::seal::{PartKey, TAG_LEN};
use crate::crypto::SecretBytes;
use crate::vault::{Result, VaultError};

/// Bytes of a piece before it is sealed; the last one may be shorter.
pub const PIECE: usize = 64 * 1024;

fn nonce(place: u64, last: bool) -> [u8; 12] {
    let mut nonce = [0; 12];
    nonce[..8].copy_from_slice(&place.to_be_bytes());
    nonce[11] = u8::from(last);
    nonce
}

/// Seals what is put into it, piece by piece.
pub struct Sealer<'a> {
    out: &'a mut dyn Write,
    key: PartKey,
    bound: [u8; 32],
    piece: Vec<u8>,
    place: u64,
    file: &'a str,
}

impl<'a> Sealer<'a> {
    /// Under a key that seals nothing else. `file` is for messages.
    pub fn new(out: &'a mut dyn Write, key: PartKey, bound: [u8; 32], file: &'a str) -> Self {
        Self { out, key, bound, piece: Vec::with_capacity(PIECE), place: 0, file }
    }

    /// Adds bytes.
    pub fn put(&mut self, mut bytes: &[u8]) -> Result<()> {
        while !bytes.is_empty() {
            // A full piece waits: only with the next byte it is known not to be the last one.
            if self.piece.len() == PIECE {
                self.seal(false)?;
            }
            let (taken, rest) = bytes.split_at(bytes.len().min(PIECE - self.piece.len()));
            self.piece.extend_from_slice(taken);
            bytes = rest;
        }
        Ok(())
    }

    /// Seals the last piece.
    pub fn finish(mut self) -> Result<()> {
        self.seal(true)
    }

    fn seal(&mut self, last: bool) -> Result<()> {
        let sealed = self.key.seal_piece(nonce(self.place, last), &self.bound, &self.piece)?;
        self.piece.clear();
        self.place += 1;
        self.out.write_all(&sealed).map_err(|source| VaultError::Io { path: self.file.to_owned(), source })
    }
}

/// Opens what [`Sealer`] wrote, and gives out nothing that it hasn't checked.
pub struct Opener<'a> {
    input: &'a mut dyn Read,
    key: PartKey,
    bound: [u8; 32],
    /// The piece after the one that is given out, sealed: whether there is one tells which is the last.
    ahead: Vec<u8>,
    plain: SecretBytes,
    used: usize,
    place: u64,
    /// Where in the file the piece that is opened next begins.
    offset: u64,
    file: &'a str,
}

impl<'a> Opener<'a> {
    /// `offset` bytes of the file were read before.
    pub fn new(input: &'a mut dyn Read, key: PartKey, bound: [u8; 32], offset: u64, file: &'a str) -> Result<Self> {
        let plain = SecretBytes::from_slice(&[]);
        let mut opener = Self { input, key, bound, ahead: Vec::new(), plain, used: 0, place: 0, offset, file };
        opener.ahead = opener.read_sealed()?;
        Ok(opener)
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<Vec<u8>> {
        let mut taken = Vec::new();
        while taken.len() < len {
            if self.used == self.plain.len() {
                if self.place > 0 && self.ahead.is_empty() {
                    return Err(self.damaged("says less than it should: it was written wrongly".into()));
                }
                self.open_next()?;
            }
            let rest = &self.plain.expose()[self.used..];
            let part = &rest[..rest.len().min(len - taken.len())];
            taken.extend_from_slice(part);
            self.used += part.len();
        }
        Ok(taken)
    }

    /// Nothing is left, neither of what was sealed nor of the file.
    pub fn finish(self) -> Result<()> {
        match self.used == self.plain.len() && self.ahead.is_empty() {
            true => Ok(()),
            false => Err(self.damaged("says more than it should: it was written wrongly".into())),
        }
    }

    fn open_next(&mut self) -> Result<()> {
        let next = self.read_sealed()?;
        let sealed = std::mem::replace(&mut self.ahead, next);
        let last = self.ahead.is_empty();
        let end = self.offset + sealed.len() as u64;
        let open = |last| self.key.open_piece(nonce(self.place, last), &self.bound, &sealed);
        self.plain = match open(last)? {
            Some(plain) => plain,
            None if sealed.is_empty() || last && open(false)?.is_some() => {
                return Err(self.damaged(format!("is cut off at byte {end}")));
            }
            None if !last && open(true)?.is_some() => {
                return Err(self.damaged(format!("has bytes after its end, from byte {end} on")));
            }
            None if last && sealed.len() < PIECE + TAG_LEN => {
                return Err(self
                    .damaged(format!("is cut off at byte {end}, or damaged between byte {} and there", self.offset)));
            }
            None => return Err(self.damaged(format!("is damaged between byte {} and byte {end}", self.offset))),
        };
        self.used = 0;
        self.place += 1;
        self.offset = end;
        Ok(())
    }

    fn read_sealed(&mut self) -> Result<Vec<u8>> {
        let mut sealed = Vec::new();
        let read = (&mut *self.input).take((PIECE + TAG_LEN) as u64).read_to_end(&mut sealed);
        read.map_err(|source| VaultError::Io { path: self.file.to_owned(), source })?;
        Ok(sealed)
    }

    fn damaged(&self, what: String) -> VaultError {
        VaultError::BackupDamaged { file: self.file.to_owned(), what }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEALED: usize = PIECE + TAG_LEN;

    fn key() -> PartKey {
        PartKey::from_bytes(&[7; 32])
    }

    fn sealed(len: usize) -> (Vec<u8>, Vec<u8>) {
        let plain: Vec<u8> = (0..len).map(|index| (index / 251) as u8).collect();
        let mut out = Vec::new();
        let mut sealer = Sealer::new(&mut out, key(), [1; 32], "f");
        plain.chunks(1000).for_each(|part| sealer.put(part).unwrap());
        sealer.finish().unwrap();
        (plain, out)
    }

    fn opened(mut bytes: &[u8], len: usize) -> std::result::Result<Vec<u8>, String> {
        let mut read = || {
            let mut opener = Opener::new(&mut bytes, key(), [1; 32], 0, "f")?;
            let plain = opener.take(len)?;
            opener.finish()?;
            Ok(plain)
        };
        read().map_err(|error: VaultError| error.to_string())
    }

    #[test]
    fn what_was_sealed_comes_back_at_every_length_around_a_piece() {
        for len in [1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE, 3 * PIECE + 5] {
            let (plain, sealed) = sealed(len);
            assert_eq!(opened(&sealed, len).unwrap(), plain, "{len}");
            assert_eq!(sealed.len(), len + len.div_ceil(PIECE) * TAG_LEN);
        }
    }

    #[test]
    fn a_file_that_ends_too_early_is_cut_off_wherever_it_ends() {
        let len = 3 * PIECE + 5;
        let (_, sealed) = sealed(len);
        for end in [0, 1, SEALED - 1, SEALED, SEALED + 1, 2 * SEALED, 3 * SEALED, 3 * SEALED + 20, sealed.len() - 1] {
            let error = opened(&sealed[..end], len).unwrap_err();
            assert!(error.contains(&format!("cut off at byte {end}")), "{end}: {error}");
        }
    }

    #[test]
    fn pieces_that_are_exchanged_repeated_left_out_or_added_are_found() {
        let len = 3 * PIECE + 5;
        let (_, sealed) = sealed(len);
        let pieces: Vec<&[u8]> = sealed.chunks(SEALED).collect();
        for (order, named) in [
            (&[1, 0, 2, 3][..], "damaged between byte 0"),
            (&[0, 2, 1, 3], &format!("damaged between byte {SEALED}")),
            (&[0, 0, 1, 2, 3], &format!("damaged between byte {SEALED}")),
            (&[0, 2, 3], &format!("damaged between byte {SEALED}")),
            (&[0, 1, 3], &format!("damaged between byte {}", 2 * SEALED)),
        ] {
            let mixed: Vec<u8> = order.iter().flat_map(|index| pieces[*index]).copied().collect();
            let error = opened(&mixed, len).unwrap_err();
            assert!(error.contains(named), "{order:?}: {error}");
        }
    }

    #[test]
    fn bytes_after_the_end_are_found() {
        let (_, whole) = sealed(2 * PIECE);
        let error = opened(&[&whole[..], b"x"].concat(), 2 * PIECE).unwrap_err();
        assert!(error.contains(&format!("bytes after its end, from byte {}", whole.len())), "{error}");
        let (_, short) = sealed(100);
        assert!(opened(&[&short[..], b"x"].concat(), 100).is_err());
    }

    #[test]
    fn every_changed_byte_and_another_header_is_found() {
        let len = PIECE + 40;
        let (_, sealed) = sealed(len);
        for at in (0..sealed.len()).step_by(997).chain([sealed.len() - 1]) {
            let mut changed = sealed.clone();
            changed[at] ^= 0x20;
            assert!(opened(&changed, len).unwrap_err().contains("damaged"), "byte {at}");
        }
        let mut input = &sealed[..];
        let mut opener = Opener::new(&mut input, key(), [2; 32], 0, "f").unwrap();
        assert!(opener.take(1).is_err());
    }
}
