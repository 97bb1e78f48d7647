//! PKCS#7 padding (RFC 5652 §6.3): n bytes of value n, of which there is always at least one.

use subtle::{ConstantTimeEq, ConstantTimeGreater};

/// Pads a block of up to 255 bytes in which a message of `len` bytes, at least one less, stands.
pub(super) fn add(block: &mut [u8], len: usize) {
    let padding = &mut block[len..];
    let count = padding.len() as u8;
    padding.fill(count);
}

/// Bytes of the message in a padded block of up to 255 bytes; `None` if the padding is wrong. The time it takes doesn't
/// depend on where, nor on the message's length.
pub(super) fn message_len(block: &[u8]) -> Option<usize> {
    let size = block.len() as u8;
    let count = *block.last()?;
    let mut valid = !count.ct_eq(&0) & !count.ct_gt(&size);
    for (byte, from_end) in block.iter().rev().zip(1..=u8::MAX) {
        let is_message = from_end.ct_gt(&count);
        valid &= is_message | byte.ct_eq(&count);
    }
    bool::from(valid).then(|| block.len() - usize::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_padded_message_has_its_length_back() {
        for size in [8, 16] {
            for len in 0..size {
                let mut block = vec![0xAA; size];
                add(&mut block, len);
                assert_eq!(message_len(&block), Some(len));
                assert!(block[len..].iter().all(|&byte| usize::from(byte) == size - len));
            }
        }
    }

    #[test]
    fn padding_is_wrong_if_any_of_its_bytes_is() {
        for len in 0..16 {
            let mut block = [0xAA; 16];
            add(&mut block, len);
            for at in len..15 {
                let mut bent = block;
                bent[at] ^= 0x80;
                assert_eq!(message_len(&bent), None, "{len} bytes, at {at}");
            }
        }
        for count in (0..=255).filter(|count| !(1..=16).contains(count)) {
            assert_eq!(message_len(&[count; 16]), None);
        }
        assert_eq!(message_len(&[]), None);
        let mut other = [2; 16];
        other[14] = 3;
        assert_eq!(message_len(&other), None);
    }
}
