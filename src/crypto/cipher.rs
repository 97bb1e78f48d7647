//! AES in parts or in one call: what modes add to whole blocks, which are AWS-LC's.
//!
//! Decrypted bytes of GCM come out only when the tag was checked: in parts the ciphertext is kept until the end, in one
//! call the output is wiped if the tag is wrong.

use std::fmt;

use zeroize::Zeroize;

use super::aws_lc_raw::Aes;
use super::blocks::{Blocks, Padding};
use super::counter::Counter;
use super::{CryptoError, Result};
use crate::sys::fork::Section;

/// The most that GCM decryption keeps until the tag.
const MOST_KEPT: usize = 64 << 20;

/// The most that GCM encrypts under one IV (SP 800-38D §5.2.1.1).
pub(super) const MOST_OF_GCM: u64 = (1 << 36) - 32;

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From plaintext to ciphertext.
    Encrypt,
    /// Back.
    Decrypt,
}

/// A mode of operation of AES, with all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CipherScheme<'a> {
    /// Electronic code book: whole blocks.
    AesEcb,
    /// Cipher block chaining: whole blocks.
    AesCbc {
        /// The initialization vector.
        iv: [u8; 16],
    },
    /// Cipher block chaining with PKCS#7 padding.
    AesCbcPad {
        /// The initialization vector.
        iv: [u8; 16],
    },
    /// Counter mode.
    AesCtr {
        /// How many of the block's last bits count, 1 to 128; the others stay. They wrap around, and going round
        /// completely is refused.
        counter_bits: u32,
        /// The first counter block.
        block: [u8; 16],
    },
    /// Galois counter mode; the tag follows the ciphertext.
    AesGcm {
        /// The initialization vector, of one byte or more.
        iv: &'a [u8],
        /// What is authenticated but not encrypted.
        aad: &'a [u8],
        /// Bytes of the tag, 12 to 16.
        tag_len: usize,
    },
}

/// An encryption or decryption under way.
pub struct Cipher {
    aes: Aes,
    mode: Mode,
    spent: bool,
}

enum Mode {
    Blocks(Blocks),
    Counter(Counter),
    Seal { tag_len: usize, passed: u64 },
    Open { tag_len: usize, kept: Vec<u8> },
}

impl Cipher {
    pub(super) fn new(key: &[u8], scheme: &CipherScheme<'_>, direction: Direction) -> Result<Self> {
        let encrypt = direction == Direction::Encrypt;
        let _section = Section::enter();
        let (aes, mode) = match *scheme {
            CipherScheme::AesEcb => (Aes::ecb(key, encrypt)?, Mode::Blocks(Blocks::new(Padding::None))),
            CipherScheme::AesCbc { iv } => (Aes::cbc(key, &iv, encrypt)?, Mode::Blocks(Blocks::new(Padding::None))),
            CipherScheme::AesCbcPad { iv } => {
                let padding = if encrypt { Padding::Add } else { Padding::Remove };
                (Aes::cbc(key, &iv, encrypt)?, Mode::Blocks(Blocks::new(padding)))
            }
            CipherScheme::AesCtr { counter_bits, block } => {
                let counter = Counter::new(counter_bits, block)?;
                (Aes::ctr(key, &block)?, Mode::Counter(counter))
            }
            CipherScheme::AesGcm { iv, aad, tag_len } => {
                if iv.is_empty() || !(12..=16).contains(&tag_len) {
                    return Err(CryptoError::ParametersInvalid);
                }
                let mut aes = Aes::gcm(key, iv, encrypt)?;
                aes.authenticate(aad)?;
                let opened = Mode::Open { tag_len, kept: Vec::new() };
                (aes, if encrypt { Mode::Seal { tag_len, passed: 0 } } else { opened })
            }
        };
        Ok(Self { aes, mode, spent: false })
    }

    /// Exactly what [`update`](Self::update) with so many bytes will write.
    pub fn part_len(&self, input_len: usize) -> usize {
        match &self.mode {
            Mode::Blocks(blocks) => blocks.part_len(input_len),
            Mode::Counter(_) | Mode::Seal { .. } => input_len,
            Mode::Open { .. } => 0,
        }
    }

    /// Takes a part in and writes what can be written of it; returns how much.
    pub fn update(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let _section = Section::enter();
        self.take_in(input, out)
    }

    /// The most that [`finish`](Self::finish) will write; the exact number but for padded decryption.
    pub fn last_len(&self) -> usize {
        match &self.mode {
            _ if self.spent => 0,
            Mode::Blocks(blocks) => blocks.last_len(),
            Mode::Counter(_) => 0,
            Mode::Seal { tag_len, .. } => *tag_len,
            Mode::Open { tag_len, kept } => kept.len().saturating_sub(*tag_len),
        }
    }

    /// Ends, writing what is left to `out`, which has at least [`last_len`](Self::last_len) bytes; returns how much.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        let _section = Section::enter();
        self.end(out)
    }

    /// The most that [`whole`](Self::whole) with so many bytes will write.
    pub fn whole_len(&self, input_len: usize) -> usize {
        match &self.mode {
            Mode::Blocks(blocks) => blocks.whole_len(input_len),
            Mode::Counter(_) => input_len,
            Mode::Seal { tag_len, .. } => input_len.saturating_add(*tag_len),
            Mode::Open { tag_len, .. } => input_len.saturating_sub(*tag_len),
        }
    }

    /// Everything in one call, of a fresh cipher, into `out`, which has at least [`whole_len`](Self::whole_len) bytes;
    /// returns how much was written. After an error nothing stays in `out`.
    pub fn whole(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let out = out.get_mut(..self.whole_len(input.len())).ok_or(CryptoError::OutputLength)?;
        let _section = Section::enter();
        let written = self.take_whole(input, out);
        self.spent = true;
        if written.is_err() {
            out.zeroize();
        }
        written
    }

    fn check_live(&self) -> Result<()> {
        if self.spent { Err(CryptoError::Internal("a cipher that has ended")) } else { Ok(()) }
    }

    fn take_in(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check_live()?;
        let len = self.part_len(input.len());
        let out = out.get_mut(..len).ok_or(CryptoError::OutputLength)?;
        match &mut self.mode {
            Mode::Blocks(blocks) => blocks.pass(&mut self.aes, input, out)?,
            Mode::Counter(counter) => counter.pass(&mut self.aes, input, out)?,
            Mode::Seal { passed, .. } => {
                let sum = passed.saturating_add(input.len() as u64);
                if sum > MOST_OF_GCM {
                    return Err(CryptoError::TooLong);
                }
                self.aes.apply(input, out)?;
                *passed = sum;
            }
            Mode::Open { kept, .. } => {
                if input.len() > MOST_KEPT - kept.len() {
                    return Err(CryptoError::TooLong);
                }
                kept.try_reserve(input.len()).map_err(|_| CryptoError::NoMemory)?;
                kept.extend_from_slice(input);
            }
        }
        Ok(len)
    }

    fn end(&mut self, out: &mut [u8]) -> Result<usize> {
        self.check_live()?;
        self.check_complete(0)?;
        let out = out.get_mut(..self.last_len()).ok_or(CryptoError::OutputLength)?;
        self.spent = true;
        match &mut self.mode {
            Mode::Blocks(blocks) => blocks.finish(&mut self.aes, out),
            Mode::Counter(_) => Ok(0),
            Mode::Seal { tag_len, .. } => self.aes.tag(out).map(|()| *tag_len),
            Mode::Open { tag_len, kept } => open(&mut self.aes, &std::mem::take(kept), *tag_len, out),
        }
    }

    fn take_whole(&mut self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        self.check_live()?;
        self.check_complete(input.len())?;
        if let Mode::Open { tag_len, .. } = self.mode {
            return open(&mut self.aes, input, tag_len, out);
        }
        let written = self.take_in(input, out)?;
        Ok(written + self.end(&mut out[written..])?)
    }

    /// Whether the message may end after so many bytes more.
    fn check_complete(&self, more: usize) -> Result<()> {
        let complete = match &self.mode {
            Mode::Blocks(blocks) => blocks.may_end_after(more),
            Mode::Counter(_) | Mode::Seal { .. } => true,
            Mode::Open { tag_len, kept } => kept.len().saturating_add(more) >= *tag_len,
        };
        if complete { Ok(()) } else { Err(CryptoError::InputLength) }
    }
}

impl fmt::Debug for Cipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cipher").finish_non_exhaustive()
    }
}

/// Decrypts GCM's ciphertext and tag into `out`, which is shorter by the tag. If the tag is wrong, nothing stays there.
fn open(aes: &mut Aes, sealed: &[u8], tag_len: usize, out: &mut [u8]) -> Result<usize> {
    let (ciphertext, tag) = sealed.split_at(sealed.len().checked_sub(tag_len).ok_or(CryptoError::InputLength)?);
    if ciphertext.len() as u64 > MOST_OF_GCM {
        return Err(CryptoError::TooLong);
    }
    aes.apply(ciphertext, out)?;
    if let Err(wrong) = aes.check_tag(tag) {
        out.zeroize();
        return Err(wrong);
    }
    Ok(ciphertext.len())
}
