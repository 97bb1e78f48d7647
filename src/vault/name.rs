//! Names of keys, secrets and certificates, by Key Vault's rules.

use std::fmt;

use super::VaultError;

/// The name of a key, secret or certificate: 1 to 127 letters, digits and hyphens, compared without case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// Longest name, in bytes.
    pub const MAX: usize = 127;

    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, VaultError> {
        let valid = !text.is_empty()
            && text.len() <= Self::MAX
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if valid { Ok(Self(text.to_owned())) } else { Err(VaultError::NameInvalid(text.to_owned())) }
    }

    /// A name made from a label that is none, or that is taken: runs of other characters become `-`, ends are trimmed,
    /// and `-` with 8 hexadecimal digits of the unique id follows.
    pub fn derived(label: &[u8], unique_id: &[u8; 16]) -> Self {
        const SUFFIX: usize = 9;
        let mut text = String::new();
        for &byte in label {
            if byte.is_ascii_alphanumeric() {
                text.push(char::from(byte));
            } else if !text.ends_with('-') {
                text.push('-');
            }
        }
        let mut text: String = text.trim_matches('-').chars().take(Self::MAX - SUFFIX).collect();
        if text.is_empty() {
            text.push_str("object");
        }
        text.push('-');
        for byte in &unique_id[..4] {
            text.push_str(&format!("{byte:02x}"));
        }
        Self(text)
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is compared.
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_key_vaults() {
        assert!(Name::new("www-2026").is_ok());
        for wrong in ["", "a b", "a_b", "ä", &"x".repeat(128)] {
            assert!(Name::new(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_label_that_is_no_name_gets_a_derived_one() {
        let id = [0xAB; 16];
        assert_eq!(Name::derived(b"my  key!", &id).as_str(), "my-key-abababab");
        assert_eq!(Name::derived(b"///", &id).as_str(), "object-abababab");
        assert_eq!(Name::derived(&[b'x'; 300], &id).as_str().len(), Name::MAX);
    }
}
