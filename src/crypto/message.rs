//! AES-GCM over many messages under one key, which is expanded once.
//!
//! A message is begun with its IV and what is authenticated with it, and ended with its tag; in between it passes in any
//! number of parts. Whoever decrypts gives nothing out before [`GcmWork::check`] said that the tag is right: this type
//! doesn't keep a message back, because it doesn't own the memory that it works in.

use std::fmt;

use super::aws_lc_raw::Aes;
use super::cipher::MOST_OF_GCM;
use super::{CryptoError, Direction, Result};
use crate::sys::fork::Section;

/// What passes: from one place to another, or in its place. What is beside has room for as much as comes in.
pub enum Text<'a> {
    /// Input and output don't overlap.
    Beside(&'a [u8], &'a mut [u8]),
    /// The output is written over the input.
    InPlace(&'a mut [u8]),
}

/// Messages under one key, in one direction. The expanded key is wiped when this is dropped.
pub struct GcmMessages {
    aes: Aes,
    direction: Direction,
    iv_len: usize,
    /// Bytes of the message under way, that its IV may be used for.
    passed: u64,
}

/// Whoever works on a message: a fork waits until this is dropped, or for as long as it does at most.
pub struct GcmWork<'a> {
    messages: &'a mut GcmMessages,
    _section: Section,
}

/// What AWS-LC begins with.
const USUAL_IV: usize = 12;

impl GcmMessages {
    /// The whole tag, in bytes.
    pub const TAG: usize = 16;

    pub(super) fn new(key: &[u8], direction: Direction) -> Result<Self> {
        let _section = Section::enter();
        let aes = Aes::gcm_messages(key, direction == Direction::Encrypt)?;
        Ok(Self { aes, direction, iv_len: USUAL_IV, passed: 0 })
    }

    /// Which way.
    pub fn direction(&self) -> Direction {
        self.direction
    }

    /// What is done in one call.
    pub fn at_work(&mut self) -> GcmWork<'_> {
        GcmWork { messages: self, _section: Section::enter() }
    }
}

impl GcmWork<'_> {
    /// Begins a message; one that is under way is forgotten. The IV has one byte or more.
    pub fn begin(&mut self, iv: &[u8], aad: &[u8]) -> Result<()> {
        if iv.is_empty() {
            return Err(CryptoError::ParametersInvalid);
        }
        let messages = &mut *self.messages;
        messages.aes.restart(iv, iv.len() != messages.iv_len)?;
        (messages.iv_len, messages.passed) = (iv.len(), 0);
        messages.aes.authenticate(aad)
    }

    /// Encrypts or decrypts a part.
    pub fn pass(&mut self, text: Text<'_>) -> Result<()> {
        let sum = self.messages.passed.saturating_add(text.len() as u64);
        if sum > MOST_OF_GCM {
            return Err(CryptoError::TooLong);
        }
        self.messages.passed = sum;
        match text {
            Text::Beside(input, out) => self.messages.aes.apply(input, out),
            Text::InPlace(text) => self.messages.aes.apply_in_place(text),
        }
    }

    /// Ends an encryption: the leftmost bytes of the tag, as many as there is room for.
    pub fn tag(&mut self, tag: &mut [u8]) -> Result<()> {
        self.messages.aes.tag(tag)
    }

    /// Ends a decryption: [`CryptoError::CiphertextInvalid`] if these aren't the tag's leftmost bytes.
    pub fn check(&mut self, tag: &[u8]) -> Result<()> {
        self.messages.aes.check_tag(tag)
    }
}

impl fmt::Debug for GcmMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GcmMessages").field("direction", &self.direction).finish_non_exhaustive()
    }
}

impl Text<'_> {
    fn len(&self) -> usize {
        match self {
            Self::Beside(input, _) => input.len(),
            Self::InPlace(text) => text.len(),
        }
    }
}
