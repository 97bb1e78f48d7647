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

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; 16] = [0x42; 16];

    fn counted(bits: u32, block: [u8; 16], parts: &[usize]) -> Result<Vec<u8>> {
        let (mut counter, mut aes) = (Counter::new(bits, block)?, Aes::ctr(&KEY, &block)?);
        let mut stream = Vec::new();
        for &part in parts {
            let start = stream.len();
            stream.resize(start + part, 0);
            counter.pass(&mut aes, &vec![0; part], &mut stream[start..])?;
        }
        Ok(stream)
    }

    /// The key stream block by block, with nothing but AES on one block and counting.
    fn expected(bits: u32, block: [u8; 16], len: usize) -> Vec<u8> {
        let mask = if bits == 128 { u128::MAX } else { (1 << bits) - 1 };
        let start = u128::from_be_bytes(block);
        let mut stream = Vec::new();
        for step in 0..len.div_ceil(16) as u128 {
            let counter = (start & !mask) | (start.wrapping_add(step) & mask);
            let mut out = [0; 16];
            Aes::ecb(&KEY, true).unwrap().apply(&counter.to_be_bytes(), &mut out).unwrap();
            stream.extend_from_slice(&out);
        }
        stream.truncate(len);
        stream
    }

    #[test]
    fn only_the_last_bits_count_and_they_wrap() {
        for bits in [1, 2, 4, 8, 9, 31, 32, 33, 64, 120, 127, 128] {
            let most = if bits < 8 { 16 << bits } else { 200 };
            for low in [0, 1, 2, 3, 0x7F, 0xFE, 0xFF] {
                for rest in [0, 0xA5, 0xFF] {
                    let mut block = [rest; 16];
                    block[15] = low;
                    let stream = expected(bits, block, most);
                    assert_eq!(counted(bits, block, &[most]).unwrap(), stream, "{bits} bits, {rest} {low}");
                    let rest = most - 1 - most / 2;
                    assert_eq!(counted(bits, block, &[1, 0, most / 2, rest]).unwrap(), stream, "{bits} bits in parts");
                }
            }
        }
    }

    #[test]
    fn the_counter_never_reaches_its_beginning_again() {
        for bits in 1..8 {
            let most = 16 << bits;
            for low in [0, 1, 0xFF] {
                let block = [low; 16];
                assert!(counted(bits, block, &[most]).is_ok());
                assert_eq!(counted(bits, block, &[most + 1]), Err(CryptoError::InputLength));
                assert_eq!(counted(bits, block, &[most, 1]), Err(CryptoError::InputLength));
            }
        }
        for bits in [0, 129, u32::MAX] {
            assert_eq!(counted(bits, [0; 16], &[]), Err(CryptoError::ParametersInvalid));
        }
    }
}
