//! SHA-3 (FIPS 202). From the `sha3` crate: its state lies where the caller puts it and can be saved, AWS-LC's lies behind
//! an allocation and can't.

use sha3::digest::common::hazmat::{SerializableState, SerializedState};
use sha3::{Digest, Sha3_224, Sha3_256, Sha3_384, Sha3_512};
use zeroize::Zeroize;

use super::{CryptoError, DigestAlgorithm, Result};

/// A SHA-3 digest being computed; wiped when dropped.
#[derive(Clone)]
pub(super) enum Sponge {
    Bits224(Sha3_224),
    Bits256(Sha3_256),
    Bits384(Sha3_384),
    Bits512(Sha3_512),
}

impl Sponge {
    /// Starts; `None` for an algorithm of another family.
    pub(super) fn new(algorithm: DigestAlgorithm) -> Option<Self> {
        match algorithm {
            DigestAlgorithm::Sha3_224 => Some(Self::Bits224(Sha3_224::new())),
            DigestAlgorithm::Sha3_256 => Some(Self::Bits256(Sha3_256::new())),
            DigestAlgorithm::Sha3_384 => Some(Self::Bits384(Sha3_384::new())),
            DigestAlgorithm::Sha3_512 => Some(Self::Bits512(Sha3_512::new())),
            _ => None,
        }
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        match self {
            Self::Bits224(sponge) => sponge.update(part),
            Self::Bits256(sponge) => sponge.update(part),
            Self::Bits384(sponge) => sponge.update(part),
            Self::Bits512(sponge) => sponge.update(part),
        }
    }

    /// Ends and starts anew; `out` is as long as the digest.
    pub(super) fn finish(&mut self, out: &mut [u8]) {
        match self {
            Self::Bits224(sponge) => out.copy_from_slice(&sponge.finalize_reset()),
            Self::Bits256(sponge) => out.copy_from_slice(&sponge.finalize_reset()),
            Self::Bits384(sponge) => out.copy_from_slice(&sponge.finalize_reset()),
            Self::Bits512(sponge) => out.copy_from_slice(&sponge.finalize_reset()),
        }
    }

    pub(super) fn save(&self) -> Vec<u8> {
        match self {
            Self::Bits224(sponge) => saved(sponge),
            Self::Bits256(sponge) => saved(sponge),
            Self::Bits384(sponge) => saved(sponge),
            Self::Bits512(sponge) => saved(sponge),
        }
    }

    pub(super) fn restore(&mut self, state: &[u8]) -> Result<()> {
        match self {
            Self::Bits224(sponge) => restore(sponge, state),
            Self::Bits256(sponge) => restore(sponge, state),
            Self::Bits384(sponge) => restore(sponge, state),
            Self::Bits512(sponge) => restore(sponge, state),
        }
    }
}

fn saved<S: SerializableState>(sponge: &S) -> Vec<u8> {
    let mut state = sponge.serialize();
    let saved = state.to_vec();
    state.zeroize();
    saved
}

/// The crate refuses a position outside of the block.
fn restore<S: SerializableState>(sponge: &mut S, state: &[u8]) -> Result<()> {
    let state: &SerializedState<S> = state.try_into().map_err(|_| CryptoError::ParametersInvalid)?;
    *sponge = S::deserialize(state).map_err(|_| CryptoError::ParametersInvalid)?;
    Ok(())
}
