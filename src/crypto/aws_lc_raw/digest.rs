//! Digests whose state lies where the caller puts it, so that making and copying one allocates nothing.

use std::ffi::c_int;
use std::mem::MaybeUninit;

use aws_lc_sys::{
    SHA_CTX, SHA1_Final, SHA1_Init, SHA1_Update, SHA224_Final, SHA224_Init, SHA224_Update, SHA256_CTX, SHA256_Final,
    SHA256_Init, SHA256_Update, SHA384_Final, SHA384_Init, SHA384_Update, SHA512_CTX, SHA512_Final, SHA512_Init,
    SHA512_Update,
};

use crate::crypto::DigestAlgorithm;

/// A SHA-1 or SHA-2 digest being computed.
#[derive(Clone)]
pub enum Sha {
    Sha1(SHA_CTX),
    Sha224(SHA256_CTX),
    Sha256(SHA256_CTX),
    Sha384(SHA512_CTX),
    Sha512(SHA512_CTX),
}

impl Sha {
    pub fn new(algorithm: DigestAlgorithm) -> Self {
        match algorithm {
            DigestAlgorithm::Sha1 => Self::Sha1(started(SHA1_Init)),
            DigestAlgorithm::Sha224 => Self::Sha224(started(SHA224_Init)),
            DigestAlgorithm::Sha256 => Self::Sha256(started(SHA256_Init)),
            DigestAlgorithm::Sha384 => Self::Sha384(started(SHA384_Init)),
            DigestAlgorithm::Sha512 => Self::Sha512(started(SHA512_Init)),
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
                Self::Sha384(context) => SHA384_Update(context, bytes, len),
                Self::Sha512(context) => SHA512_Update(context, bytes, len),
            }
        };
    }

    /// Ends; the digest is the start of the result, as long as the algorithm says.
    pub fn finish(mut self) -> [u8; DigestAlgorithm::MAX_LEN] {
        let mut digest = [0; DigestAlgorithm::MAX_LEN];
        let out = digest.as_mut_ptr();
        // SAFETY: the context was started by its own algorithm; `digest` has room for the longest digest.
        unsafe {
            match &mut self {
                Self::Sha1(context) => SHA1_Final(out, context),
                Self::Sha224(context) => SHA224_Final(out, context),
                Self::Sha256(context) => SHA256_Final(out, context),
                Self::Sha384(context) => SHA384_Final(out, context),
                Self::Sha512(context) => SHA512_Final(out, context),
            }
        };
        digest
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
