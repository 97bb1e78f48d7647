//! Digests whose state lies where the caller puts it, so that making and copying one allocates nothing.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use aws_lc_sys::{
    SHA_CTX, SHA1_Final, SHA1_Init, SHA1_Update, SHA224_Final, SHA224_Init, SHA224_Update, SHA256_CTX, SHA256_Final,
    SHA256_Init, SHA256_Update, SHA384_Init, SHA512_224_Init, SHA512_256_Init, SHA512_CTX, SHA512_Final, SHA512_Init,
    SHA512_Update,
};
use zeroize::zeroize_flat_type;

use crate::crypto::{CryptoError, DigestAlgorithm, Result};

/// A SHA-1 or SHA-2 digest being computed; wiped when dropped.
#[derive(Clone)]
pub enum Sha {
    Sha1(SHA_CTX),
    Sha224(SHA256_CTX),
    Sha256(SHA256_CTX),
    /// SHA-512 and what differs from it only in the initial value and in being cut.
    Sha512(SHA512_CTX),
}

impl Sha {
    /// Starts an algorithm that isn't SHA-3.
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha1 => Self::Sha1(started(SHA1_Init)),
            DigestAlgorithm::Sha224 => Self::Sha224(started(SHA224_Init)),
            DigestAlgorithm::Sha256 => Self::Sha256(started(SHA256_Init)),
            DigestAlgorithm::Sha384 => Self::Sha512(started(SHA384_Init)),
            DigestAlgorithm::Sha512_224 => Self::Sha512(started(SHA512_224_Init)),
            DigestAlgorithm::Sha512_256 => Self::Sha512(started(SHA512_256_Init)),
            DigestAlgorithm::Sha512T(bits) => Self::Sha512(started_sha512_t(bits)),
            _ => Self::Sha512(started(SHA512_Init)),
        }
    }

    pub fn update(&mut self, part: &[u8]) {
        let (bytes, len) = (part.as_ptr().cast(), part.len());
        // SAFETY: the context was started by its own algorithm; the pointer and length describe `part`. These
        // functions can't fail.
        unsafe {
            match self {
                Self::Sha1(context) => SHA1_Update(context, bytes, len),
                Self::Sha224(context) => SHA224_Update(context, bytes, len),
                Self::Sha256(context) => SHA256_Update(context, bytes, len),
                Self::Sha512(context) => SHA512_Update(context, bytes, len),
            }
        };
    }

    /// Ends; the digest is the start of `digest`, as long as the algorithm says. Nothing is to be done with the state
    /// afterwards. It stays where it is, so that dropping it wipes it.
    pub fn finish(&mut self, digest: &mut [u8; DigestAlgorithm::MAX_LEN]) {
        let out = digest.as_mut_ptr();
        // SAFETY: the context was started by its own algorithm; `digest` has room for the longest digest.
        unsafe {
            match self {
                Self::Sha1(context) => SHA1_Final(out, context),
                Self::Sha224(context) => SHA224_Final(out, context),
                Self::Sha256(context) => SHA256_Final(out, context),
                Self::Sha512(context) => SHA512_Final(out, context),
            }
        };
    }

    /// The chaining value, the number of bits (as long as the padding's), and what came in of a block, all big-endian.
    pub fn save(&self) -> Vec<u8> {
        match self {
            Self::Sha1(context) => saved(&context.h, context.Nh, context.Nl, pending(&context.data, context.num)),
            Self::Sha224(context) | Self::Sha256(context) => {
                saved(&context.h, context.Nh, context.Nl, pending(&context.data, context.num))
            }
            Self::Sha512(context) => saved(&context.h, context.Nh, context.Nl, pending(&context.p, context.num)),
        }
    }

    /// Goes on from a saved state, with the algorithm that was started.
    pub fn restore(&mut self, state: &[u8]) -> Result<()> {
        let restored = match self {
            Self::Sha1(SHA_CTX { h, Nh, Nl, data, num }) => restore(state, h, [Nh, Nl], data, num),
            Self::Sha224(SHA256_CTX { h, Nh, Nl, data, num, .. })
            | Self::Sha256(SHA256_CTX { h, Nh, Nl, data, num, .. }) => restore(state, h, [Nh, Nl], data, num),
            Self::Sha512(SHA512_CTX { h, Nh, Nl, p, num, .. }) => restore(state, h, [Nh, Nl], p, num),
        };
        restored.ok_or(CryptoError::ParametersInvalid)
    }
}

impl Drop for Sha {
    fn drop(&mut self) {
        // SAFETY: the contexts are integers and arrays of them, for which zeros are a value, and nobody uses them any
        // more.
        unsafe {
            match self {
                Self::Sha1(context) => zeroize_flat_type(context),
                Self::Sha224(context) | Self::Sha256(context) => zeroize_flat_type(context),
                Self::Sha512(context) => zeroize_flat_type(context),
            }
        }
    }
}

trait ShaContext {}
impl ShaContext for SHA_CTX {}
impl ShaContext for SHA256_CTX {}
impl ShaContext for SHA512_CTX {}

fn started<C: ShaContext>(init: unsafe extern "C" fn(*mut C) -> c_int) -> C {
    let mut context = MaybeUninit::zeroed();
    // SAFETY: AWS-LC's contexts are integers and arrays of them, for which zeros are a value; `init` belongs to the
    // context's type and only writes to it.
    unsafe {
        init(context.as_mut_ptr());
        context.assume_init()
    }
}

/// FIPS 180-4 §5.3.6: SHA-512 of the name, with other initial values, is the initial value.
fn started_sha512_t(bits: u16) -> SHA512_CTX {
    let mut naming = started(SHA512_Init);
    for word in &mut naming.h {
        *word ^= 0xA5A5_A5A5_A5A5_A5A5;
    }
    let mut naming = Sha::Sha512(naming);
    naming.update(b"SHA-512/");
    // Bits are below 1000.
    for place in [100, 10, 1].into_iter().filter(|&place| place <= bits) {
        naming.update(&[b'0' + (bits / place % 10) as u8]);
    }
    let (mut context, mut words) = (started(SHA512_Init), [0; DigestAlgorithm::MAX_LEN]);
    naming.finish(&mut words);
    for (word, bytes) in context.h.iter_mut().zip(words.as_chunks().0) {
        *word = u64::from_be_bytes(*bytes);
    }
    context
}

/// A 32- or 64-bit word.
trait Word: Copy + Into<u64> {
    type Bytes: AsRef<[u8]>;
    fn to_be(self) -> Self::Bytes;
    fn from_be(bytes: &[u8]) -> Option<Self>;
}

impl Word for u32 {
    type Bytes = [u8; 4];

    fn to_be(self) -> [u8; 4] {
        self.to_be_bytes()
    }

    fn from_be(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

impl Word for u64 {
    type Bytes = [u8; 8];

    fn to_be(self) -> [u8; 8] {
        self.to_be_bytes()
    }

    fn from_be(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self::from_be_bytes)
    }
}

fn pending(block: &[u8], num: u32) -> &[u8] {
    &block[..num as usize]
}

fn saved<W: Word>(h: &[W], high: W, low: W, pending: &[u8]) -> Vec<u8> {
    let mut state = Vec::with_capacity((h.len() + 2) * size_of::<W>() + pending.len());
    for word in h.iter().chain([&high, &low]) {
        state.extend_from_slice(word.to_be().as_ref());
    }
    state.extend_from_slice(pending);
    state
}

/// Refuses a length that doesn't go with the number of bits.
fn restore<W: Word>(state: &[u8], h: &mut [W], counts: [&mut W; 2], block: &mut [u8], num: &mut u32) -> Option<()> {
    let (words, pending) = state.split_at_checked((h.len() + 2) * size_of::<W>())?;
    let mut words = words.chunks_exact(size_of::<W>()).map(W::from_be);
    for word in h {
        *word = words.next()??;
    }
    let [high, low] = counts;
    (*high, *low) = (words.next()??, words.next()??);
    let bits: u64 = (*low).into();
    if !bits.is_multiple_of(8) || (bits / 8) % block.len() as u64 != pending.len() as u64 {
        return None;
    }
    block[..pending.len()].copy_from_slice(pending);
    *num = pending.len() as u32;
    Some(())
}
