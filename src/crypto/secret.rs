//! Bytes that are wiped when dropped, compared in constant time, and never printed.

use std::fmt;

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::{CryptoError, Result};

/// Secret bytes of a fixed length.
#[derive(Clone)]
pub struct SecretBytes(Zeroizing<Box<[u8]>>);

impl SecretBytes {
    /// Copies `bytes`; the caller wipes its own copy.
    pub fn from_slice(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.into()))
    }

    /// [`from_slice`](Self::from_slice) for what may be longer than there is memory.
    pub fn try_from_slice(bytes: &[u8]) -> Result<Self> {
        let mut copy = with_room(bytes.len())?;
        copy.extend_from_slice(bytes);
        Ok(Self(Zeroizing::new(copy.into_boxed_slice())))
    }

    /// `len` bytes that `fill` writes; they start as zeros.
    pub fn filled<E>(
        len: usize,
        fill: impl FnOnce(&mut [u8]) -> std::result::Result<(), E>,
    ) -> std::result::Result<Self, E> {
        let mut bytes = Zeroizing::new(vec![0; len].into_boxed_slice());
        fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// The bytes.
    pub fn expose(&self) -> &[u8] {
        &self.0
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for SecretBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretBytes({} bytes)", self.0.len())
    }
}

impl PartialEq for SecretBytes {
    fn eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

impl Eq for SecretBytes {}

/// An empty list with room for exactly `len` bytes, which a caller chose: a host isn't aborted for that.
pub(super) fn with_room(len: usize) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| CryptoError::NoMemory)?;
    Ok(bytes)
}
