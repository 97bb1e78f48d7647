//! Counter mode whose counter is only the last bits of the block (`CK_AES_CTR_PARAMS`): those before them stay, and the
//! counter never comes round to where it began.

use super::aws_lc_raw::Aes;
use super::{CryptoError, Result};

const BLOCK_LEN: u128 = 16;

/// Where the counter stands, in bytes of the message.
pub(super) struct Counter {
    /// The block that follows the one whose counter is all ones.
    after_wrap: [u8; 16],
    until_wrap: Option<u128>,
    until_start: Option<u128>,
}

impl Counter {
    /// Begins with this block, of which the last `bits` count, 1 to 128.
    pub(super) fn new(bits: u32, block: [u8; 16]) -> Result<Self> {
        let mask = match bits {
            1..=127 => (1 << bits) - 1,
            128 => u128::MAX,
            _ => return Err(CryptoError::ParametersInvalid),
        };
        let start = u128::from_be_bytes(block);
        let steps = mask - (start & mask);
        Ok(Self { after_wrap: (start & !mask).to_be_bytes(), until_wrap: bytes(steps), until_start: bytes(mask) })
    }

    /// Applies the mode to `input`; `out` is as long.
    pub(super) fn pass(&mut self, aes: &mut Aes, input: &[u8], out: &mut [u8]) -> Result<()> {
        let len = input.len() as u128;
        if let Some(left) = &mut self.until_start {
            *left = left.checked_sub(len).ok_or(CryptoError::InputLength)?;
        }
        match self.until_wrap {
            Some(until) if len > until => {
                // It is less than a slice's length.
                let at = until as usize;
                aes.apply(&input[..at], out)?;
                aes.set_counter(&self.after_wrap)?;
                self.until_wrap = None;
                aes.apply(&input[at..], &mut out[at..])
            }
            Some(until) => {
                self.until_wrap = Some(until - len);
                aes.apply(input, out)
            }
            None => aes.apply(input, out),
        }
    }
}

/// Bytes of this many blocks and one more; `None` if nobody can count so far.
fn bytes(blocks_before_last: u128) -> Option<u128> {
    blocks_before_last.checked_add(1)?.checked_mul(BLOCK_LEN)
}
