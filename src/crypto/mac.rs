//! Message authentication codes, in one call or in parts: HMAC (RFC 2104, FIPS 198-1) and AES-CMAC (SP 800-38B).

use std::fmt;

use zeroize::Zeroizing;

use super::aws_lc_raw::Cmac;
use super::{CryptoError, Digest, DigestAlgorithm, Result};
use crate::sys::fork::Section;

/// How to authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MacScheme {
    /// HMAC with a key of any length.
    Hmac(DigestAlgorithm),
    /// CMAC with AES of any key length.
    AesCmac,
}

impl MacScheme {
    /// Bytes of a code.
    #[expect(clippy::len_without_is_empty, reason = "no code is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Hmac(digest) => digest.len(),
            Self::AesCmac => Cmac::LEN,
        }
    }
}

/// A code being computed. On the heap, so that moving it leaves no copy of the keyed state behind; wiped when dropped.
pub struct Mac(Option<State>);

enum State {
    Hmac(Box<Hmac>),
    Cmac(Cmac),
}

impl Mac {
    pub(super) fn hmac(algorithm: DigestAlgorithm, key: &[u8]) -> Self {
        Self(Some(State::Hmac(Box::new(Hmac::new(algorithm, key)))))
    }

    pub(super) fn cmac(key: &[u8]) -> Result<Self> {
        let _section = Section::enter();
        Cmac::new(key).map(|cmac| Self(Some(State::Cmac(cmac))))
    }

    /// Bytes of the code; 0 once it was given out.
    #[expect(clippy::len_without_is_empty, reason = "no code is empty")]
    pub fn len(&self) -> usize {
        match &self.0 {
            Some(State::Hmac(hmac)) => hmac.inner.algorithm().len(),
            Some(State::Cmac(_)) => Cmac::LEN,
            None => 0,
        }
    }

    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.0 {
            Some(State::Hmac(hmac)) => hmac.inner.update(part),
            Some(State::Cmac(cmac)) => {
                let _section = Section::enter();
                if cmac.update(part).is_err() {
                    self.0 = None;
                }
            }
            None => {}
        }
    }

    /// Ends, writing the code to the start of `out`, which has at least [`len`](Self::len) bytes; returns its length.
    /// The state is gone afterwards, and a second code is refused.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        if out.len() < self.len() {
            return Err(CryptoError::OutputLength);
        }
        match self.0.take() {
            Some(State::Hmac(hmac)) => hmac.finish(out),
            Some(State::Cmac(mut cmac)) => {
                let _section = Section::enter();
                cmac.finish(out)
            }
            None => Err(CryptoError::Internal("a MAC that has ended")),
        }
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mac").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// The two digests of HMAC, each begun with its padded key. A copy starts a message of its own without the key.
#[derive(Clone)]
pub(super) struct Hmac {
    inner: Digest,
    outer: Digest,
}

impl Hmac {
    pub(super) fn new(algorithm: DigestAlgorithm, key: &[u8]) -> Self {
        let mut block = Zeroizing::new([0; DigestAlgorithm::MAX_BLOCK_LEN]);
        let block = &mut block[..algorithm.block_len()];
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else {
            let mut digest = Digest::new(algorithm);
            digest.update(key);
            digest.finish(block).expect("no digest is longer than its block");
        }
        let mut hmac = Self { inner: Digest::new(algorithm), outer: Digest::new(algorithm) };
        block.iter_mut().for_each(|byte| *byte ^= 0x36);
        hmac.inner.update(block);
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5C);
        hmac.outer.update(block);
        hmac
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        self.inner.update(part);
    }

    pub(super) fn finish(self, out: &mut [u8]) -> Result<usize> {
        let Self { inner, mut outer } = self;
        let mut digest = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
        let len = inner.finish(&mut *digest)?;
        outer.update(&digest[..len]);
        outer.finish(out)
    }
}
