//! Ways to unlock a vault. None of these types can be printed, and all are wiped when dropped.

use std::fmt;

use zeroize::Zeroizing;

use crate::crypto::SecretBytes;

/// Whose PIN it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// `CKU_USER`.
    User,
    /// `CKU_SO`.
    SecurityOfficer,
}

/// A PIN as it was given; its length is checked where it is set, not where it is tried.
#[derive(Clone)]
pub struct Pin(Zeroizing<Vec<u8>>);

impl Pin {
    /// Takes the bytes over.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The bytes, for a key derivation.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pin(..)")
    }
}

/// 256 random bits that open a vault when the PINs are lost.
pub struct RecoveryKey(SecretBytes);

impl RecoveryKey {
    /// Takes 32 bytes over.
    pub fn new(bytes: SecretBytes) -> Self {
        Self(bytes)
    }

    /// Reads what [`display`](Self::display) wrote; spaces, hyphens and case don't count.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: Zeroizing<Vec<u8>> =
            Zeroizing::new(text.bytes().filter(|byte| !byte.is_ascii_whitespace() && *byte != b'-').collect());
        if digits.len() != 64 {
            return None;
        }
        let mut bytes = Zeroizing::new(Vec::with_capacity(32));
        for pair in digits.chunks_exact(2) {
            let high = char::from(pair[0]).to_digit(16)?;
            let low = char::from(pair[1]).to_digit(16)?;
            bytes.push((high * 16 + low) as u8);
        }
        Some(Self(SecretBytes::from_slice(&bytes)))
    }

    /// For the one time it is printed: 16 groups of four hexadecimal digits.
    pub fn display(&self) -> Zeroizing<String> {
        let mut text = Zeroizing::new(String::with_capacity(80));
        for (index, byte) in self.0.expose().iter().enumerate() {
            if index > 0 && index % 2 == 0 {
                text.push('-');
            }
            for digit in [byte >> 4, byte & 15] {
                text.push(char::from(b"0123456789abcdef"[usize::from(digit)]));
            }
        }
        text
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        self.0.expose()
    }
}

impl fmt::Debug for RecoveryKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryKey(..)")
    }
}

/// One way to unlock a vault.
#[derive(Debug)]
pub enum Unlock {
    /// With a PIN.
    Pin(Role, Pin),
    /// With the recovery key.
    Recovery(RecoveryKey),
    /// As the configuration says (PIN, PIN file, key file, credential): `C_Login(NULL, 0)`.
    Configured,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_recovery_key_reads_back_what_it_shows() {
        let key = RecoveryKey::new(SecretBytes::from_slice(&[0x5A; 32]));
        let text = key.display();
        assert_eq!(RecoveryKey::parse(&text.to_uppercase()).unwrap().expose(), key.expose());
        assert!(RecoveryKey::parse(&text[1..]).is_none());
        assert!(!format!("{key:?}").contains("5a"));
    }
}
