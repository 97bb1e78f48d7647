//! What keys of a vault may be asked to do, one by one: a vault that isn't in this process says which of it it does.

use crate::crypto::{CipherScheme, Direction, EncryptScheme, KeyAlgorithm, KeyWrapScheme, SignScheme};

/// Something done with the secret part of a vault's key, or with the vault. What needs only a public part is no vault's
/// matter and not listed.
#[derive(Clone, Copy, Debug)]
pub enum Ability<'a> {
    /// A signature by a key of this kind and size.
    Sign(KeyAlgorithm, SignScheme),
    /// A decryption by an RSA key, of bytes or of a key that is unwrapped.
    Decrypt(EncryptScheme<'a>),
    /// An AES mode in one direction.
    Cipher(CipherScheme<'a>, Direction, Matter),
    /// AES key wrap, either way.
    KeyWrap(KeyWrapScheme, Matter),
    /// A message authentication code.
    Mac,
    /// An agreement or derivation.
    Derive,
    /// AES-GCM message by message.
    Messages,
    /// Letting the value of a key out that was made so.
    Export,
    /// Making a key of this kind and size.
    Generate(KeyAlgorithm),
}

/// What is encrypted: vaults may have one operation, and one right, for each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Matter {
    /// Bytes of a caller.
    Bytes,
    /// The value of a key.
    Key,
}
