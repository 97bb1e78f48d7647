//! Digests, in one call or in parts.

use zeroize::Zeroizing;

use super::aws_lc_raw::Sha;
use super::sponge::Sponge;
use super::{CryptoError, Result};

/// A hash function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum DigestAlgorithm {
    /// SHA-1: for old signatures and key ids.
    Sha1,
    /// SHA-224.
    Sha224,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
    /// SHA-512/224.
    Sha512_224,
    /// SHA-512/256.
    Sha512_256,
    /// SHA-512/t of this many bits (FIPS 180-4 §5.3.6), made by [`sha512_t`](Self::sha512_t). Where the number of bits
    /// isn't one of whole bytes, the last byte's lowest bits are 0.
    Sha512T(u16),
    /// SHA3-224.
    Sha3_224,
    /// SHA3-256.
    Sha3_256,
    /// SHA3-384.
    Sha3_384,
    /// SHA3-512.
    Sha3_512,
}

impl DigestAlgorithm {
    /// Every algorithm but the family SHA-512/t.
    pub const ALL: [Self; 11] = [
        Self::Sha1,
        Self::Sha224,
        Self::Sha256,
        Self::Sha384,
        Self::Sha512,
        Self::Sha512_224,
        Self::Sha512_256,
        Self::Sha3_224,
        Self::Sha3_256,
        Self::Sha3_384,
        Self::Sha3_512,
    ];

    /// Longest digest, in bytes.
    pub const MAX_LEN: usize = 64;

    /// Longest block, in bytes.
    pub const MAX_BLOCK_LEN: usize = 144;

    /// SHA-512/t of 1 to 511 bits, but not of 384, for which SHA-384 is there (FIPS 180-4 §5.3.6).
    pub fn sha512_t(bits: u16) -> Result<Self> {
        match bits {
            384 => Err(CryptoError::ParametersInvalid),
            1..=511 => Ok(Self::Sha512T(bits)),
            _ => Err(CryptoError::ParametersInvalid),
        }
    }

    /// Bytes of the digest.
    #[expect(clippy::len_without_is_empty, reason = "no digest is empty")]
    pub fn len(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha224 | Self::Sha512_224 | Self::Sha3_224 => 28,
            Self::Sha256 | Self::Sha512_256 | Self::Sha3_256 => 32,
            Self::Sha384 | Self::Sha3_384 => 48,
            Self::Sha512 | Self::Sha3_512 => 64,
            Self::Sha512T(bits) => usize::from(bits.div_ceil(8)).min(Self::MAX_LEN),
        }
    }

    /// Bytes of a block, as HMAC needs it; of a sponge that is its rate (FIPS 202, table 3).
    pub fn block_len(self) -> usize {
        match self {
            Self::Sha1 | Self::Sha224 | Self::Sha256 => 64,
            Self::Sha384 | Self::Sha512 | Self::Sha512_224 | Self::Sha512_256 | Self::Sha512T(_) => 128,
            Self::Sha3_224 => 144,
            Self::Sha3_256 => 136,
            Self::Sha3_384 => 104,
            Self::Sha3_512 => 72,
        }
    }

    /// What stands before the digest in a DigestInfo (RFC 8017 §9.2, note 1); SHA-512/t has no object identifier and so
    /// no DigestInfo.
    pub fn digest_info_prefix(self) -> Result<&'static [u8]> {
        Ok(match self {
            Self::Sha1 => &[0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2B, 0x0E, 0x03, 0x02, 0x1A, 0x05, 0x00, 0x04, 0x14],
            Self::Sha224 => const { &nist_digest_info_prefix(4, 28) },
            Self::Sha256 => const { &nist_digest_info_prefix(1, 32) },
            Self::Sha384 => const { &nist_digest_info_prefix(2, 48) },
            Self::Sha512 => const { &nist_digest_info_prefix(3, 64) },
            Self::Sha512_224 => const { &nist_digest_info_prefix(5, 28) },
            Self::Sha512_256 => const { &nist_digest_info_prefix(6, 32) },
            Self::Sha3_224 => const { &nist_digest_info_prefix(7, 28) },
            Self::Sha3_256 => const { &nist_digest_info_prefix(8, 32) },
            Self::Sha3_384 => const { &nist_digest_info_prefix(9, 48) },
            Self::Sha3_512 => const { &nist_digest_info_prefix(10, 64) },
            Self::Sha512T(_) => return Err(CryptoError::ParametersInvalid),
        })
    }
}

/// NIST's hash functions' prefixes differ in the last arc of 2.16.840.1.101.3.4.2 and in lengths.
const fn nist_digest_info_prefix(arc: u8, len: u8) -> [u8; 19] {
    [0x30, 17 + len, 0x30, 0x0D, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, arc, 0x05, 0x00, 0x04, len]
}

/// A digest being computed. Copying it is cheap and allocates nothing. What it has taken in is wiped when it is dropped.
#[derive(Clone)]
pub struct Digest {
    algorithm: DigestAlgorithm,
    state: State,
}

#[derive(Clone)]
enum State {
    Sha(Sha),
    Sponge(Sponge),
}

impl Digest {
    /// Starts.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        let state = match Sponge::new(algorithm) {
            Some(sponge) => State::Sponge(sponge),
            None => State::Sha(Sha::new(algorithm)),
        };
        Self { algorithm, state }
    }

    /// What it is computing.
    pub fn algorithm(&self) -> DigestAlgorithm {
        self.algorithm
    }

    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) {
        match &mut self.state {
            State::Sha(sha) => sha.update(part),
            State::Sponge(sponge) => sponge.update(part),
        }
    }

    /// Ends, writing the digest to the start of `out`; returns its length. The state isn't moved, because a move may leave
    /// a copy of what it tells. Nothing is to be done with it afterwards but dropping it.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        let len = self.algorithm.len();
        let out = out.get_mut(..len).ok_or(CryptoError::OutputLength)?;
        match &mut self.state {
            State::Sha(sha) => {
                let mut digest = Zeroizing::new([0; DigestAlgorithm::MAX_LEN]);
                sha.finish(&mut digest);
                out.copy_from_slice(&digest[..len]);
            }
            State::Sponge(sponge) => sponge.finish(out),
        }
        if let (DigestAlgorithm::Sha512T(bits), Some(last)) = (self.algorithm, out.last_mut()) {
            *last &= 0xFF << ((8 - bits % 8) % 8);
        }
        Ok(len)
    }

    /// The state, for [`restore`](Self::restore). It tells what was digested last, and is as secret as that.
    pub fn save(&self) -> Vec<u8> {
        match &self.state {
            State::Sha(sha) => sha.save(),
            State::Sponge(sponge) => sponge.save(),
        }
    }

    /// Goes on from a state of the same algorithm.
    pub fn restore(algorithm: DigestAlgorithm, state: &[u8]) -> Result<Self> {
        let mut digest = Self::new(algorithm);
        match &mut digest.state {
            State::Sha(sha) => sha.restore(state)?,
            State::Sponge(sponge) => sponge.restore(state)?,
        }
        Ok(digest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    fn digest(algorithm: DigestAlgorithm, parts: &[&[u8]]) -> Vec<u8> {
        let mut digest = Digest::new(algorithm);
        for part in parts {
            digest.update(part);
        }
        let mut out = [0; DigestAlgorithm::MAX_LEN];
        let len = digest.finish(&mut out).expect("room enough");
        out[..len].to_vec()
    }

    #[test]
    fn digests_of_abc_are_those_of_fips_180_and_202() {
        let expected = [
            "a9993e364706816aba3e25717850c26c9cd0d89d",
            "23097d223405d8228642a477bda255b32aadbce4bda0b3f7e36c9da7",
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed8086072ba1e7cc2358baeca134c825a7",
            "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd\
             454d4423643ce80e2a9ac94fa54ca49f",
            "4634270f707b6a54daae7530460842e20e37ed265ceee9a43e8924aa",
            "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23",
            "e642824c3f8cf24ad09234ee7d3c766fc9a3a5168d0c94ad73b46fdf",
            "3a985da74fe225b2045c172d6bd390bd855f086e3e9d525b46bfe24511431532",
            "ec01498288516fc926459f58e2c6ad8df9b473cb0fc08c2596da7cf0e49be4b298d88cea927ac7f539f1edf228376d25",
            "b751850b1a57168a5693cd924b6b096e08f621827444f70d884f5d0240d2712e10e116e9192af3c91a7ec57647e39340\
             57340b4cf408d5a56592f8274eec53f0",
        ];
        for (algorithm, expected) in DigestAlgorithm::ALL.into_iter().zip(expected) {
            assert_eq!(digest(algorithm, &[b"abc"]), hex(expected), "{algorithm:?}");
            assert_eq!(algorithm.len(), hex(expected).len());
        }
    }

    #[test]
    fn parts_and_copies_give_the_digest_of_the_whole() {
        let message: Vec<u8> = (0..=255).cycle().take(1000).collect();
        for algorithm in DigestAlgorithm::ALL {
            let whole = digest(algorithm, &[&message]);
            assert_eq!(digest(algorithm, &[&message[..1], &[], &message[1..700], &message[700..]]), whole);

            let mut first = Digest::new(algorithm);
            first.update(&message[..500]);
            let mut copy = first.clone();
            first.update(b"something else");
            copy.update(&message[500..]);
            let mut out = [0; DigestAlgorithm::MAX_LEN];
            assert_eq!(copy.algorithm(), algorithm);
            assert_eq!(copy.finish(&mut out), Ok(whole.len()));
            assert_eq!(&out[..whole.len()], whole);
        }
    }

    #[test]
    fn sha_512_t_begins_where_the_standard_says() {
        for (bits, named) in [(224, DigestAlgorithm::Sha512_224), (256, DigestAlgorithm::Sha512_256)] {
            let family = DigestAlgorithm::sha512_t(bits).expect("possible bits");
            assert_eq!(digest(family, &[b"a", b"bc"]), digest(named, &[b"abc"]));
            assert_eq!(family.block_len(), named.block_len());
        }
        for bits in [0, 384, 512, u16::MAX] {
            assert_eq!(DigestAlgorithm::sha512_t(bits), Err(CryptoError::ParametersInvalid));
        }
    }

    #[test]
    fn bits_beyond_t_are_zeros() {
        let mut last_bytes = Vec::new();
        for bits in [1, 7, 8, 9, 100, 505, 511] {
            let algorithm = DigestAlgorithm::sha512_t(bits).expect("possible bits");
            let digest = digest(algorithm, &[b"abc"]);
            assert_eq!(digest.len(), usize::from(bits).div_ceil(8));
            let unused = (8 * digest.len() - usize::from(bits)) as u32;
            let last = *digest.last().expect("a byte");
            assert!(last == 0 || last.trailing_zeros() >= unused, "{bits} bits: {last:08b}");
            last_bytes.push(last);
        }
        assert!(last_bytes.iter().any(|&last| last != 0));
        assert_eq!(DigestAlgorithm::Sha512T(100).digest_info_prefix(), Err(CryptoError::ParametersInvalid));
    }

    #[test]
    fn a_saved_digest_goes_on_wherever_it_was_saved() {
        let message: Vec<u8> = (0..=255).cycle().take(400).collect();
        for algorithm in DigestAlgorithm::ALL.into_iter().chain([DigestAlgorithm::Sha512T(99)]) {
            let whole = digest(algorithm, &[&message]);
            for at in [0, 1, 63, 64, 65, 71, 72, 111, 127, 128, 129, 136, 143, 144, 145, 399, 400] {
                let mut first = Digest::new(algorithm);
                first.update(&message[..at]);
                let state = first.save();
                let mut second = Digest::restore(algorithm, &state).expect("its own state");
                assert_eq!(second.save(), state);
                second.update(&message[at..]);
                let mut out = [0; DigestAlgorithm::MAX_LEN];
                let len = second.finish(&mut out).expect("room enough");
                assert_eq!(&out[..len], whole, "{algorithm:?} at {at}");
            }
        }
    }

    #[test]
    fn a_state_that_was_not_saved_is_refused() {
        for algorithm in DigestAlgorithm::ALL {
            let mut digest = Digest::new(algorithm);
            digest.update(&[7; 33]);
            let state = digest.save();
            let refused =
                |state: &[u8]| matches!(Digest::restore(algorithm, state), Err(CryptoError::ParametersInvalid));
            for len in 0..state.len() {
                assert!(refused(&state[..len]), "{algorithm:?} {len}");
            }
            assert!(refused(&[&state[..], &[0]].concat()), "{algorithm:?}");
            assert!(refused(&vec![0xFF; state.len()]), "{algorithm:?}");
        }
        let (sha256, mut odd) = (DigestAlgorithm::Sha256, Digest::new(DigestAlgorithm::Sha256).save());
        *odd.last_mut().expect("the count of bits") = 1;
        assert!(Digest::restore(sha256, &odd).is_err(), "a bit");
    }

    #[test]
    fn a_short_buffer_is_refused() {
        let mut digest = Digest::new(DigestAlgorithm::Sha256);
        assert_eq!(digest.finish(&mut [0; 31]), Err(CryptoError::OutputLength));
    }
}
