//! AES on single blocks, for modes that AWS-LC has only in part.

use std::mem::MaybeUninit;

use aws_lc_sys::{AES_KEY, AES_decrypt, AES_encrypt, AES_set_decrypt_key, AES_set_encrypt_key};
use zeroize::zeroize_flat_type;

use crate::crypto::{CryptoError, Result};

/// A key schedule for one direction. On the heap, so that moving the value leaves no copy behind; wiped when dropped.
struct Schedule(Box<MaybeUninit<AES_KEY>>);

/// AES that encrypts blocks.
pub struct AesEncrypt(Schedule);

/// AES that decrypts blocks.
pub struct AesDecrypt(Schedule);

impl AesEncrypt {
    /// With a key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self> {
        Schedule::new(key, AES_set_encrypt_key).map(Self)
    }

    pub fn apply(&self, block: &mut [u8; 16]) {
        // SAFETY: the schedule was made for encryption; AWS-LC reads a block and writes one, and they may be the same.
        unsafe { AES_encrypt(block.as_ptr(), block.as_mut_ptr(), self.0.0.as_ptr()) }
    }
}

impl AesDecrypt {
    /// With a key of 16, 24 or 32 bytes.
    pub fn new(key: &[u8]) -> Result<Self> {
        Schedule::new(key, AES_set_decrypt_key).map(Self)
    }

    pub fn apply(&self, block: &mut [u8; 16]) {
        // SAFETY: the schedule was made for decryption; AWS-LC reads a block and writes one, and they may be the same.
        unsafe { AES_decrypt(block.as_ptr(), block.as_mut_ptr(), self.0.0.as_ptr()) }
    }
}

impl Schedule {
    fn new(key: &[u8], expand: unsafe extern "C" fn(*const u8, u32, *mut AES_KEY) -> i32) -> Result<Self> {
        if !matches!(key.len(), 16 | 24 | 32) {
            return Err(CryptoError::KeyInvalid("an AES key has 16, 24 or 32 bytes"));
        }
        let mut schedule = Self(Box::new(MaybeUninit::zeroed()));
        // SAFETY: `expand` reads as many bits as `key` has and writes the whole schedule.
        let status = unsafe { expand(key.as_ptr(), key.len() as u32 * 8, schedule.0.as_mut_ptr()) };
        if status == 0 { Ok(schedule) } else { Err(CryptoError::Internal("AES key schedule")) }
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        // SAFETY: the schedule is integers, for which zeros are a value, and nobody uses it any more.
        unsafe { zeroize_flat_type(self.0.as_mut_ptr()) }
    }
}
