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

/// A code being computed; wiped when dropped.
pub struct Mac(Option<State>);

enum State {
    Hmac(Box<Hmac>),
    Cmac(Cmac),
}

impl Mac {
    pub(super) fn hmac(algorithm: DigestAlgorithm, key: &[u8]) -> Self {
        Self(Some(State::Hmac(Hmac::new(algorithm, key))))
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
            Some(State::Hmac(mut hmac)) => hmac.finish(out),
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

/// The two digests of HMAC, each begun with its padded key. On the heap from before the key comes in, so that moving it
/// leaves no copy of the keyed state behind. A copy starts a message of its own without the key.
#[derive(Clone)]
pub(super) struct Hmac {
    inner: Digest,
    outer: Digest,
}

impl Hmac {
    pub(super) fn new(algorithm: DigestAlgorithm, key: &[u8]) -> Box<Self> {
        let mut block = Zeroizing::new([0; DigestAlgorithm::MAX_BLOCK_LEN]);
        let block = &mut block[..algorithm.block_len()];
        if let Some(start) = block.get_mut(..key.len()) {
            start.copy_from_slice(key);
        } else {
            let mut digest = Digest::new(algorithm);
            digest.update(key);
            digest.finish(block).expect("no digest is longer than its block");
        }
        let mut hmac = Box::new(Self { inner: Digest::new(algorithm), outer: Digest::new(algorithm) });
        block.iter_mut().for_each(|byte| *byte ^= 0x36);
        hmac.inner.update(block);
        block.iter_mut().for_each(|byte| *byte ^= 0x36 ^ 0x5C);
        hmac.outer.update(block);
        hmac
    }

    pub(super) fn update(&mut self, part: &[u8]) {
        self.inner.update(part);
    }

    /// Ends, in place; nothing is to be done with it afterwards but dropping it.
    pub(super) fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        let mut digest = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
        let len = self.inner.finish(&mut *digest)?;
        self.outer.update(&digest[..len]);
        self.outer.finish(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    fn code(mut mac: Mac, parts: &[&[u8]]) -> Vec<u8> {
        parts.iter().for_each(|part| mac.update(part));
        let mut out = vec![0; mac.len()];
        assert_eq!(mac.finish(&mut out), Ok(out.len()));
        assert_eq!(mac.len(), 0);
        out
    }

    /// RFC 4231 §4.3 for SHA-2, RFC 2202 for SHA-1; the second key is longer than any block. Values with SHA-512/t, SHA-3
    /// and the long key are OpenSSL's.
    #[test]
    fn hmac_gives_the_published_codes() {
        let expected = [
            ("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79", "c15542c8e35872a728a83120825bc94aaae3bf84"),
            (
                "a30e01098bc6dbbf45690f3a7e9e6d0f8bbea2a39e6148008fd05e44",
                "3a6d9cf56249bfd6fe7d3dd8bdbdc209134c2e3a2c347fa7633f4503",
            ),
            (
                "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843",
                "756d2e53e1b256d66ad3df7a122a7719898d57ae571ffa741779b1b1520cd333",
            ),
            (
                "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649",
                "79c9c97e29e98e08575f987c09a685bfe54f05d772de876db2f31753f4f668c2c55df8120d5da41b66a90fbbd0ba08eb",
            ),
            (
                "164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fd\
              caeab1a34d4a6b4b636e070a38bce737",
                "4f8bfc493abad9dcdd2b3735fdaba910361a83bb86719096d75d92356d49343c42b87fb5973aa72289a939a9d0d45c7b\
              8ccebe1f28bae038c4f5c6fd97070ab9",
            ),
            (
                "4a530b31a79ebcce36916546317c45f247d83241dfb818fd37254bde",
                "35e5fcd808d7d7c716739dacef99e84c6492d4bde875aa29b31ce5de",
            ),
            (
                "6df7b24630d5ccb2ee335407081a87188c221489768fa2020513b2d593359456",
                "4707b9240d708af2e953ae065a15ba22965e22e16d335de171e3ec29ef013999",
            ),
            (
                "7fdb8dd88bd2f60d1b798634ad386811c2cfc85bfaf5d52bbace5e66",
                "2f73b4555ae5386a4abd0e23ac327a228f4fc825a48f762911aaa340",
            ),
            (
                "c7d4072e788877ae3596bbb0da73b887c9171f93095b294ae857fbe2645e1ba5",
                "cc5447cd13d124e86cb5b2d239008a5fcfa497828da79ea29b69463acabea1b2",
            ),
            (
                "f1101f8cbf9766fd6764d2ed61903f21ca9b18f57cf3e1a23ca13508a93243ce48c045dc007f26a21b3f5e0e9df4c20a",
                "586cd0047b136a520dd0cfbbe90ccc6631b475caaddfec84dfbda891df5939037b066f3dbdb311a11e5e5ae7cf9ea7ca",
            ),
            (
                "5a4bfeab6166427c7a3647b747292b8384537cdb89afb3bf5665e4c5e709350b287baec921fd7ca0ee7a0c31d022a95e\
              1fc92ba9d77df883960275beb4e62024",
                "c12dd49e694192c7f0183abcac6b24f069b36ed2f1a4f8a48457fb8724552a41649d978673aeef0093a82b3cf3ba6487\
              e23e974d5010527604ec6fbb4cee3483",
            ),
        ];
        for (algorithm, (short, long)) in DigestAlgorithm::ALL.into_iter().zip(expected) {
            let mac = Mac::hmac(algorithm, b"Jefe");
            assert_eq!(mac.len(), MacScheme::Hmac(algorithm).len());
            assert_eq!(code(mac, &[b"what do ya ", b"", b"want for nothing?"]), hex(short), "{algorithm:?}");
            assert_eq!(code(Mac::hmac(algorithm, &[0xAA; 150]), &[b"Test"]), hex(long), "{algorithm:?}");
        }
    }

    #[test]
    fn a_key_of_a_block_is_taken_as_it_is_and_a_longer_one_as_its_digest() {
        for algorithm in DigestAlgorithm::ALL {
            let longer = vec![3; algorithm.block_len() + 1];
            let mut digest = vec![0; algorithm.len()];
            let mut hash = Digest::new(algorithm);
            hash.update(&longer);
            hash.finish(&mut digest).expect("room enough");
            assert_eq!(code(Mac::hmac(algorithm, &longer), &[b"x"]), code(Mac::hmac(algorithm, &digest), &[b"x"]));
            let block = &longer[1..];
            digest.resize(algorithm.block_len(), 0);
            assert_ne!(code(Mac::hmac(algorithm, block), &[b"x"]), code(Mac::hmac(algorithm, &digest), &[b"x"]));
            // Zeros at the end are the padding.
            assert_eq!(code(Mac::hmac(algorithm, &[]), &[b"x"]), code(Mac::hmac(algorithm, &[0; 64]), &[b"x"]));
        }
    }

    /// SP 800-38B, appendix D.
    #[test]
    fn cmac_gives_the_published_codes() {
        let message = hex("6bc1bee22e409f96e93d7e117393172aae2d8a571e03ac9c9eb76fac45af8e51\
             30c81c46a35ce411e5fbc1191a0a52eff69f2445df4f9b17ad2b417be66c3710");
        let keys = [
            (
                "2b7e151628aed2a6abf7158809cf4f3c",
                [
                    "bb1d6929e95937287fa37d129b756746",
                    "070a16b46b4d4144f79bdd9dd04a287c",
                    "dfa66747de9ae63030ca32611497c827",
                    "51f0bebf7e3b9d92fc49741779363cfe",
                ],
            ),
            (
                "8e73b0f7da0e6452c810f32b809079e562f8ead2522c6b7b",
                [
                    "d17ddf46adaacde531cac483de7a9367",
                    "9e99a7bf31e710900662f65e617c5184",
                    "8a1de5be2eb31aad089a82e6ee908b0e",
                    "a1d5df0eed790f794d77589659f39a11",
                ],
            ),
            (
                "603deb1015ca71be2b73aef0857d77811f352c073b6108d72d9810a30914dff4",
                [
                    "028962f61b7bf89efc6b551f4667d983",
                    "28a7023f452e8f82bd4bf28d8c37c35c",
                    "aaf3d8f1de5640c232f5b169b9c911e6",
                    "e1992190549f6ed5696a2c056c315410",
                ],
            ),
        ];
        for (key, codes) in keys {
            for (len, expected) in [0, 16, 40, 64].into_iter().zip(codes) {
                let (first, second) = message[..len].split_at(len / 3);
                let mac = Mac::cmac(&hex(key)).expect("an AES key");
                assert_eq!(mac.len(), MacScheme::AesCmac.len());
                assert_eq!(code(mac, &[first, second]), hex(expected), "{len} bytes");
            }
        }
        assert!(Mac::cmac(&[0; 17]).is_err());
    }

    #[test]
    fn a_code_is_given_out_once() {
        for mut mac in [Mac::hmac(DigestAlgorithm::Sha256, b"key"), Mac::cmac(&[1; 16]).expect("an AES key")] {
            let mut out = [0; 32];
            assert_eq!(mac.finish(&mut out[..15]), Err(CryptoError::OutputLength), "and may be asked for again");
            assert!(mac.finish(&mut out).is_ok());
            mac.update(b"more");
            assert!(matches!(mac.finish(&mut out), Err(CryptoError::Internal(_))));
        }
    }
}
