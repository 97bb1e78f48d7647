//! RSAES-OAEP (RFC 8017 §7.1). AWS-LC's decoding takes the same time wherever a padding is wrong.

use std::ptr::{self, NonNull};

use aws_lc_sys::{
    EVP_PKEY_CTX, EVP_PKEY_CTX_free, EVP_PKEY_CTX_new, EVP_PKEY_CTX_set_rsa_mgf1_md, EVP_PKEY_CTX_set_rsa_oaep_md,
    EVP_PKEY_CTX_set_rsa_padding, EVP_PKEY_CTX_set0_rsa_oaep_label, EVP_PKEY_decrypt, EVP_PKEY_decrypt_init,
    EVP_PKEY_encrypt, EVP_PKEY_encrypt_init, OPENSSL_free, OPENSSL_memdup, RSA_PKCS1_OAEP_PADDING,
};

use super::rsa::evp_digest;
use super::{EvpKey, RsaKey, succeeded};
use crate::crypto::{CryptoError, DigestAlgorithm, Result};

/// Parameters of RSAES-OAEP.
pub struct OaepScheme<'a> {
    /// The hash over the label.
    pub digest: DigestAlgorithm,
    /// The mask's hash.
    pub mgf: DigestAlgorithm,
    /// The label.
    pub label: &'a [u8],
}

impl OaepScheme<'_> {
    /// Encrypts with the public key into `out`, which has as many bytes as the modulus.
    pub fn encrypt(&self, key: &RsaKey, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let operation = Operation::begin(key, EVP_PKEY_encrypt_init)?;
        operation.set(self)?;
        let mut len = out.len();
        // SAFETY: the context was begun for encryption; pointers and lengths describe the slices.
        let status = unsafe {
            EVP_PKEY_encrypt(operation.as_ptr(), out.as_mut_ptr(), &raw mut len, input.as_ptr(), input.len())
        };
        succeeded(status, "EVP_PKEY_encrypt")?;
        Ok(len)
    }

    /// Decrypts with the private key into `out`, which has as many bytes as the modulus; the message is its start.
    pub fn decrypt(&self, key: &RsaKey, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let operation = Operation::begin(key, EVP_PKEY_decrypt_init)?;
        operation.set(self)?;
        let mut len = out.len();
        // SAFETY: the context was begun for decryption; pointers and lengths describe the slices.
        let status = unsafe {
            EVP_PKEY_decrypt(operation.as_ptr(), out.as_mut_ptr(), &raw mut len, input.as_ptr(), input.len())
        };
        if status == 1 { Ok(len) } else { Err(CryptoError::CiphertextInvalid) }
    }
}

/// One use of a key.
struct Operation {
    context: NonNull<EVP_PKEY_CTX>,
}

impl Operation {
    fn begin(key: &RsaKey, init: unsafe extern "C" fn(*mut EVP_PKEY_CTX) -> i32) -> Result<Self> {
        let key = EvpKey::from_rsa(key)?;
        // SAFETY: the key is live, and the context takes its own reference.
        let context = unsafe { EVP_PKEY_CTX_new(key.as_ptr(), ptr::null_mut()) };
        let context = NonNull::new(context).ok_or(CryptoError::Internal("EVP_PKEY_CTX_new"))?;
        let operation = Self { context };
        // SAFETY: the context is live.
        succeeded(unsafe { init(operation.as_ptr()) }, "EVP_PKEY_CTX init")?;
        Ok(operation)
    }

    fn as_ptr(&self) -> *mut EVP_PKEY_CTX {
        self.context.as_ptr()
    }

    fn set(&self, scheme: &OaepScheme<'_>) -> Result<()> {
        let (digest, mgf) = (evp_digest(scheme.digest)?, evp_digest(scheme.mgf)?);
        // SAFETY: the context was begun; the digests are static tables.
        unsafe {
            let context = self.as_ptr();
            succeeded(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING), "EVP_PKEY_CTX_set_rsa_padding")?;
            succeeded(EVP_PKEY_CTX_set_rsa_oaep_md(context, digest), "EVP_PKEY_CTX_set_rsa_oaep_md")?;
            succeeded(EVP_PKEY_CTX_set_rsa_mgf1_md(context, mgf), "EVP_PKEY_CTX_set_rsa_mgf1_md")?;
        }
        if scheme.label.is_empty() {
            return Ok(());
        }
        // SAFETY: pointer and length describe the label, of which AWS-LC makes a copy for itself; the context takes it
        // over if it takes it at all.
        unsafe {
            let label = OPENSSL_memdup(scheme.label.as_ptr().cast(), scheme.label.len());
            if label.is_null() {
                return Err(CryptoError::Internal("OPENSSL_memdup"));
            }
            let status = EVP_PKEY_CTX_set0_rsa_oaep_label(self.as_ptr(), label.cast(), scheme.label.len());
            if status != 1 {
                OPENSSL_free(label);
            }
            succeeded(status, "EVP_PKEY_CTX_set0_rsa_oaep_label")
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        // SAFETY: `self` owns the context and is the last to use it. Freeing wipes what it holds.
        unsafe { EVP_PKEY_CTX_free(self.as_ptr()) }
    }
}
