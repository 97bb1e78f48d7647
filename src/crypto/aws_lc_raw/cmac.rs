//! CMAC with AES (SP 800-38B).

use std::ptr::{self, NonNull};

use aws_lc_sys::{CMAC_CTX, CMAC_CTX_free, CMAC_CTX_new, CMAC_Final, CMAC_Init, CMAC_Update};

use super::cipher::cbc_cipher;
use super::succeeded;
use crate::crypto::{CryptoError, Result};

/// A code being computed. AWS-LC wipes its state when it frees it.
pub struct Cmac(NonNull<CMAC_CTX>);

// SAFETY: a CMAC_CTX belongs to no thread.
unsafe impl Send for Cmac {}

impl Cmac {
    /// Bytes of a code.
    pub const LEN: usize = 16;

    /// Starts, with an AES key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self> {
        let cipher = cbc_cipher(key)?;
        // SAFETY: allocates; no preconditions.
        let context = NonNull::new(unsafe { CMAC_CTX_new() }).map(Self).ok_or(CryptoError::Internal("CMAC_CTX_new"))?;
        // SAFETY: the context is new and ours; the pointer and length describe `key`, the cipher is a static table.
        let status = unsafe { CMAC_Init(context.0.as_ptr(), key.as_ptr().cast(), key.len(), cipher, ptr::null_mut()) };
        succeeded(status, "CMAC_Init")?;
        Ok(context)
    }

    /// Adds a part.
    pub fn update(&mut self, part: &[u8]) -> Result<()> {
        // SAFETY: the context was started; the pointer and length describe `part`.
        succeeded(unsafe { CMAC_Update(self.0.as_ptr(), part.as_ptr(), part.len()) }, "CMAC_Update")
    }

    /// Ends, writing [`LEN`](Self::LEN) bytes to the start of `out`.
    pub fn finish(&mut self, out: &mut [u8]) -> Result<usize> {
        let out: &mut [u8; Self::LEN] = out.first_chunk_mut().ok_or(CryptoError::OutputLength)?;
        let mut len = 0;
        // SAFETY: the context was started; at most one block is written, which `out` has.
        succeeded(unsafe { CMAC_Final(self.0.as_ptr(), out.as_mut_ptr(), &raw mut len) }, "CMAC_Final")?;
        Ok(len)
    }
}

impl Drop for Cmac {
    fn drop(&mut self) {
        // SAFETY: `self` owns the context and is the last to use it.
        unsafe { CMAC_CTX_free(self.0.as_ptr()) }
    }
}
