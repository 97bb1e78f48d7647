//! GUIDs: ids of tenants, identities and assignments, as Azure writes them.

use crate::crypto;
use crate::vault::Result;

/// A random one (RFC 9562 §5.4, version 4).
pub fn random() -> Result<String> {
    let mut bytes = [0; 16];
    crypto::random(&mut bytes)?;
    Ok(of(bytes, 4))
}

/// The text of one of this version.
pub fn of(mut bytes: [u8; 16], version: u8) -> String {
    bytes[6] = bytes[6] & 0x0F | version << 4;
    bytes[8] = bytes[8] & 0x3F | 0x80;
    let mut text = String::with_capacity(36);
    for (index, byte) in bytes.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        for digit in [byte >> 4, byte & 15] {
            text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
        }
    }
    text
}

/// Whether this is the text of one, in small letters.
pub fn is_guid(text: &str) -> bool {
    let lengths = [8, 4, 4, 4, 12];
    let mut parts = text.split('-');
    lengths.iter().all(|length| {
        parts.next().is_some_and(|part| {
            part.len() == *length && part.bytes().all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        })
    }) && parts.next().is_none()
}
