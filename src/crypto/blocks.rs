//! Messages of any length, in any parts, as the whole blocks that ECB and CBC take.

use zeroize::Zeroizing;

use super::aws_lc_raw::Aes;
use super::{CryptoError, Result, padding};

const BLOCK_LEN: usize = 16;

/// What happens at the end.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Padding {
    /// The message must be whole blocks.
    None,
    /// PKCS#7 padding is added.
    Add,
    /// PKCS#7 padding is checked and taken away.
    Remove,
}

/// What came in of a block that isn't complete; where padding is to be removed, also a complete one, since it may be
/// the last.
pub(super) struct Blocks {
    padding: Padding,
    pending: Zeroizing<[u8; BLOCK_LEN]>,
    len: usize,
}

impl Blocks {
    pub(super) fn new(padding: Padding) -> Self {
        Self { padding, pending: Zeroizing::new([0; BLOCK_LEN]), len: 0 }
    }

    /// What [`pass`](Self::pass) with so many bytes writes.
    pub(super) fn part_len(&self, input_len: usize) -> usize {
        let total = self.len.saturating_add(input_len);
        let complete = if self.padding == Padding::Remove { total.saturating_sub(1) } else { total };
        complete - complete % BLOCK_LEN
    }

    /// What [`finish`](Self::finish) writes at most.
    pub(super) fn last_len(&self) -> usize {
        match self.padding {
            Padding::None => 0,
            Padding::Add => BLOCK_LEN,
            Padding::Remove => BLOCK_LEN - 1,
        }
    }

    /// What a message of so many bytes becomes at most.
    pub(super) fn whole_len(&self, input_len: usize) -> usize {
        match self.padding {
            Padding::None => input_len,
            Padding::Add => (input_len - input_len % BLOCK_LEN).saturating_add(BLOCK_LEN),
            Padding::Remove => input_len.saturating_sub(1),
        }
    }

    /// Whether the message may end after so many bytes more.
    pub(super) fn may_end_after(&self, more: usize) -> bool {
        let total = self.len.saturating_add(more);
        match self.padding {
            Padding::None => total.is_multiple_of(BLOCK_LEN),
            Padding::Add => true,
            Padding::Remove => total > 0 && total.is_multiple_of(BLOCK_LEN),
        }
    }

    /// Takes `input` in; `out` is exactly [`part_len`](Self::part_len) long.
    pub(super) fn pass(&mut self, aes: &mut Aes, mut input: &[u8], mut out: &mut [u8]) -> Result<()> {
        if !out.is_empty() && self.len > 0 {
            let (rest, further) = input.split_at(BLOCK_LEN - self.len);
            self.pending[self.len..].copy_from_slice(rest);
            let (first, others) = out.split_at_mut(BLOCK_LEN);
            aes.apply(&*self.pending, first)?;
            (input, out, self.len) = (further, others, 0);
        }
        let (complete, rest) = input.split_at(out.len());
        aes.apply(complete, out)?;
        self.pending[self.len..][..rest.len()].copy_from_slice(rest);
        self.len += rest.len();
        Ok(())
    }

    /// Ends a message that [may end](Self::may_end_after); `out` is exactly [`last_len`](Self::last_len) long.
    pub(super) fn finish(&mut self, aes: &mut Aes, out: &mut [u8]) -> Result<usize> {
        match self.padding {
            Padding::None => Ok(0),
            Padding::Add => {
                padding::add(&mut *self.pending, self.len);
                aes.apply(&*self.pending, out)?;
                Ok(BLOCK_LEN)
            }
            Padding::Remove => {
                let mut last = Zeroizing::new([0; BLOCK_LEN]);
                aes.apply(&*self.pending, &mut *last)?;
                let len = padding::message_len(&*last).ok_or(CryptoError::CiphertextInvalid)?;
                out[..len].copy_from_slice(&last[..len]);
                Ok(len)
            }
        }
    }
}
