//! AES in its modes of operation, without padding: what comes in goes out, byte for byte.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    EVP_CIPHER, EVP_CIPHER_CTX, EVP_CIPHER_CTX_ctrl, EVP_CIPHER_CTX_free, EVP_CIPHER_CTX_new,
    EVP_CIPHER_CTX_set_padding, EVP_CTRL_AEAD_GET_TAG, EVP_CTRL_AEAD_SET_IVLEN, EVP_CTRL_AEAD_SET_TAG,
    EVP_CipherFinal_ex, EVP_CipherInit_ex, EVP_CipherUpdate, EVP_aes_128_cbc, EVP_aes_128_ctr, EVP_aes_128_ecb,
    EVP_aes_128_gcm, EVP_aes_192_cbc, EVP_aes_192_ctr, EVP_aes_192_ecb, EVP_aes_192_gcm, EVP_aes_256_cbc,
    EVP_aes_256_ctr, EVP_aes_256_ecb, EVP_aes_256_gcm,
};

use super::succeeded;
use crate::crypto::{CryptoError, Result};

/// AWS-LC counts in `int`, so longer parts are cut into these: whole blocks, with room below 2³¹ for one more.
const MOST_AT_ONCE: usize = 1 << 30;

/// AES with a key, in a mode. AWS-LC wipes its state when it frees it.
pub struct Aes(NonNull<EVP_CIPHER_CTX>);

// SAFETY: an EVP_CIPHER_CTX belongs to no thread.
unsafe impl Send for Aes {}

impl Aes {
    /// Electronic code book.
    pub fn ecb(key: &[u8], encrypt: bool) -> Result<Self> {
        Self::start(cipher(key, [EVP_aes_128_ecb, EVP_aes_192_ecb, EVP_aes_256_ecb])?, key, None, encrypt)
    }

    /// Cipher block chaining.
    pub fn cbc(key: &[u8], iv: &[u8; 16], encrypt: bool) -> Result<Self> {
        Self::start(cbc_cipher(key)?, key, Some(iv), encrypt)
    }

    /// Counting from this block, in all of its 128 bits.
    pub fn ctr(key: &[u8], block: &[u8; 16]) -> Result<Self> {
        Self::start(cipher(key, [EVP_aes_128_ctr, EVP_aes_192_ctr, EVP_aes_256_ctr])?, key, Some(block), true)
    }

    /// Galois counter mode, with an IV of at least one byte.
    pub fn gcm(key: &[u8], iv: &[u8], encrypt: bool) -> Result<Self> {
        let len = c_int::try_from(iv.len()).map_err(|_| CryptoError::ParametersInvalid)?;
        let aes = Self::empty()?;
        let cipher = gcm_cipher(key)?;
        let (none, nobody, direction) = (ptr::null(), ptr::null_mut(), c_int::from(encrypt));
        // SAFETY: the context is new and ours; the cipher is a static table, the key as long as it says; the IV is as
        // long as the context was told before.
        unsafe {
            succeeded(EVP_CipherInit_ex(aes.as_ptr(), cipher, nobody, none, none, direction), "EVP_CipherInit_ex")?;
            let status = EVP_CIPHER_CTX_ctrl(aes.as_ptr(), EVP_CTRL_AEAD_SET_IVLEN, len, ptr::null_mut());
            succeeded(status, "EVP_CTRL_AEAD_SET_IVLEN")?;
            let status = EVP_CipherInit_ex(aes.as_ptr(), ptr::null(), nobody, key.as_ptr(), iv.as_ptr(), direction);
            succeeded(status, "EVP_CipherInit_ex")?;
        }
        Ok(aes)
    }

    /// Galois counter mode for many messages: each begins with [`restart`](Self::restart).
    pub fn gcm_messages(key: &[u8], encrypt: bool) -> Result<Self> {
        Self::start(gcm_cipher(key)?, key, None, encrypt)
    }

    /// Begins another GCM message under the same key, which isn't expanded again; what came of an earlier message is
    /// forgotten. `new_length` says that the IV isn't as long as the last one (at first: 12 bytes).
    pub fn restart(&mut self, iv: &[u8], new_length: bool) -> Result<()> {
        let len = c_int::try_from(iv.len()).map_err(|_| CryptoError::ParametersInvalid)?;
        let (none, nobody) = (ptr::null(), ptr::null_mut());
        // SAFETY: the context was started with its key; the IV is as long as the context was told, now or before.
        unsafe {
            if new_length {
                let status = EVP_CIPHER_CTX_ctrl(self.as_ptr(), EVP_CTRL_AEAD_SET_IVLEN, len, ptr::null_mut());
                succeeded(status, "EVP_CTRL_AEAD_SET_IVLEN")?;
            }
            let status = EVP_CipherInit_ex(self.as_ptr(), ptr::null(), nobody, none, iv.as_ptr(), -1);
            succeeded(status, "EVP_CipherInit_ex")
        }
    }

    fn start(cipher: *const EVP_CIPHER, key: &[u8], iv: Option<&[u8; 16]>, encrypt: bool) -> Result<Self> {
        let aes = Self::empty()?;
        let iv = iv.map_or(ptr::null(), |iv| iv.as_ptr());
        // SAFETY: the context is new and ours; the cipher is a static table, whose key is as long as this one, and its
        // IV, if it has one, as long as a block.
        unsafe {
            let (context, nobody) = (aes.as_ptr(), ptr::null_mut());
            let status = EVP_CipherInit_ex(context, cipher, nobody, key.as_ptr(), iv, c_int::from(encrypt));
            succeeded(status, "EVP_CipherInit_ex")?;
            EVP_CIPHER_CTX_set_padding(context, 0);
        }
        Ok(aes)
    }

    fn empty() -> Result<Self> {
        // SAFETY: allocates; no preconditions.
        NonNull::new(unsafe { EVP_CIPHER_CTX_new() }).map(Self).ok_or(CryptoError::Internal("EVP_CIPHER_CTX_new"))
    }

    fn as_ptr(&self) -> *mut EVP_CIPHER_CTX {
        self.0.as_ptr()
    }

    /// Counts on from another block, which only counter mode does.
    pub fn set_counter(&mut self, block: &[u8; 16]) -> Result<()> {
        let (none, nobody) = (ptr::null(), ptr::null_mut());
        // SAFETY: the context was started; without cipher and key AWS-LC takes only the 16 bytes of the block.
        let status = unsafe { EVP_CipherInit_ex(self.as_ptr(), ptr::null(), nobody, none, block.as_ptr(), -1) };
        succeeded(status, "EVP_CipherInit_ex")
    }

    /// Authenticates what isn't encrypted, before anything that is. GCM only.
    pub fn authenticate(&mut self, aad: &[u8]) -> Result<()> {
        for part in aad.chunks(MOST_AT_ONCE) {
            let mut len = 0;
            // SAFETY: without an output GCM only reads the input, which pointer and length describe.
            let status = unsafe {
                let (input, input_len) = (part.as_ptr(), part.len() as c_int);
                EVP_CipherUpdate(self.as_ptr(), ptr::null_mut(), &raw mut len, input, input_len)
            };
            succeeded(status, "EVP_CipherUpdate")?;
        }
        Ok(())
    }

    /// Works on `input`, which in block modes is whole blocks, and writes as many bytes to the start of `out`.
    pub fn apply(&mut self, input: &[u8], out: &mut [u8]) -> Result<()> {
        let out = out.get_mut(..input.len()).ok_or(CryptoError::OutputLength)?;
        for (part, out) in input.chunks(MOST_AT_ONCE).zip(out.chunks_mut(MOST_AT_ONCE)) {
            // SAFETY: `out` is as long as `part`.
            unsafe { self.pass(part.as_ptr(), out.as_mut_ptr(), part.len())? };
        }
        Ok(())
    }

    /// [`apply`](Self::apply), with the output in the place of the input.
    pub fn apply_in_place(&mut self, text: &mut [u8]) -> Result<()> {
        for part in text.chunks_mut(MOST_AT_ONCE) {
            let out = part.as_mut_ptr();
            // SAFETY: AWS-LC reads and writes `part`, and takes an output that begins where the input does.
            unsafe { self.pass(out.cast_const(), out, part.len())? };
        }
        Ok(())
    }

    /// # Safety
    ///
    /// `input` can be read and `out` written for `len` bytes, at most [`MOST_AT_ONCE`]; they are one place, or don't overlap.
    unsafe fn pass(&mut self, input: *const u8, out: *mut u8, len: usize) -> Result<()> {
        let mut written = 0;
        // SAFETY: the caller's promise; AWS-LC writes no more than `len` bytes: padding is off, and nothing of a block was
        // left over before, for that would have failed below.
        let status = unsafe { EVP_CipherUpdate(self.as_ptr(), out, &raw mut written, input, len as c_int) };
        succeeded(status, "EVP_CipherUpdate")?;
        if written as usize == len { Ok(()) } else { Err(CryptoError::InputLength) }
    }

    /// Ends GCM encryption with the tag, of which the leftmost bytes are written to `tag` (up to 16).
    pub fn tag(&mut self, tag: &mut [u8]) -> Result<()> {
        let len = tag_len(tag)?;
        self.end()?;
        // SAFETY: as many bytes are written as `tag` has.
        let status = unsafe { EVP_CIPHER_CTX_ctrl(self.as_ptr(), EVP_CTRL_AEAD_GET_TAG, len, tag.as_mut_ptr().cast()) };
        succeeded(status, "EVP_CTRL_AEAD_GET_TAG")
    }

    /// Ends GCM decryption: compares the leftmost bytes of the tag with these, in constant time.
    pub fn check_tag(&mut self, tag: &[u8]) -> Result<()> {
        let (len, tag) = (tag_len(tag)?, tag.as_ptr().cast_mut().cast());
        // SAFETY: as many bytes are read as `tag` has, and none written.
        let status = unsafe { EVP_CIPHER_CTX_ctrl(self.as_ptr(), EVP_CTRL_AEAD_SET_TAG, len, tag) };
        succeeded(status, "EVP_CTRL_AEAD_SET_TAG")?;
        self.end().map_err(|_| CryptoError::CiphertextInvalid)
    }

    fn end(&mut self) -> Result<()> {
        let (mut nothing, mut len) = ([0; 16], 0);
        // SAFETY: the context was started; GCM writes nothing here, and no mode more than a block.
        let status = unsafe { EVP_CipherFinal_ex(self.as_ptr(), nothing.as_mut_ptr(), &raw mut len) };
        succeeded(status, "EVP_CipherFinal_ex")
    }
}

impl Drop for Aes {
    fn drop(&mut self) {
        // SAFETY: `self` owns the context and is the last to use it.
        unsafe { EVP_CIPHER_CTX_free(self.as_ptr()) }
    }
}

fn tag_len(tag: &[u8]) -> Result<c_int> {
    match tag.len() {
        len @ 1..=16 => Ok(len as c_int),
        _ => Err(CryptoError::ParametersInvalid),
    }
}

type CipherTable = unsafe extern "C" fn() -> *const EVP_CIPHER;

fn gcm_cipher(key: &[u8]) -> Result<*const EVP_CIPHER> {
    cipher(key, [EVP_aes_128_gcm, EVP_aes_192_gcm, EVP_aes_256_gcm])
}

pub(super) fn cbc_cipher(key: &[u8]) -> Result<*const EVP_CIPHER> {
    cipher(key, [EVP_aes_128_cbc, EVP_aes_192_cbc, EVP_aes_256_cbc])
}

/// The one whose key is as long as this.
fn cipher(key: &[u8], [aes_128, aes_192, aes_256]: [CipherTable; 3]) -> Result<*const EVP_CIPHER> {
    let table = match key.len() {
        16 => aes_128,
        24 => aes_192,
        32 => aes_256,
        _ => return Err(CryptoError::KeyInvalid("an AES key has 16, 24 or 32 bytes")),
    };
    // SAFETY: these return pointers to static tables; no preconditions.
    Ok(unsafe { table() })
}
