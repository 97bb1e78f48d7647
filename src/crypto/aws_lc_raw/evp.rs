//! Keys of any kind, as AWS-LC reads them from and writes them to DER.

use std::mem::MaybeUninit;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    CBB, CBB_cleanup, CBB_finish, CBB_init, CBS, CBS_init, CBS_len, EVP_PKEY, EVP_PKEY_EC, EVP_PKEY_ED25519,
    EVP_PKEY_RSA, EVP_PKEY_X25519, EVP_PKEY_free, EVP_PKEY_get_raw_private_key, EVP_PKEY_get_raw_public_key,
    EVP_PKEY_get1_EC_KEY, EVP_PKEY_get1_RSA, EVP_PKEY_id, EVP_PKEY_new, EVP_PKEY_set1_EC_KEY, EVP_PKEY_set1_RSA,
    EVP_marshal_private_key, EVP_marshal_public_key, EVP_parse_private_key, EVP_parse_public_key, OPENSSL_free,
};
use zeroize::Zeroizing;

use super::{EcKey, RsaKey, succeeded};
use crate::crypto::{CryptoError, Result, SecretBytes};

/// A key of any kind.
pub struct EvpKey(NonNull<EVP_PKEY>);

/// Which kind, among ours.
pub enum EvpKind {
    Rsa(RsaKey),
    Ec(EcKey),
    Ed25519,
    X25519,
}

impl EvpKey {
    /// Parses PKCS#8, version 1 or 2. AWS-LC checks the key, and that its halves belong together.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        Self::parse(der, EVP_parse_private_key, "PKCS#8")
    }

    /// Parses SubjectPublicKeyInfo.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        Self::parse(der, EVP_parse_public_key, "SubjectPublicKeyInfo")
    }

    fn parse(der: &[u8], parse: unsafe extern "C" fn(*mut CBS) -> *mut EVP_PKEY, what: &'static str) -> Result<Self> {
        let mut reader = MaybeUninit::uninit();
        // SAFETY: CBS_init fills the reader in with the pointer and length of `der`, which outlives it; `parse` takes a
        // reader and returns NULL or a key that is ours.
        let (key, rest) = unsafe {
            CBS_init(reader.as_mut_ptr(), der.as_ptr(), der.len());
            (parse(reader.as_mut_ptr()), CBS_len(reader.as_ptr()))
        };
        let key = NonNull::new(key).map(Self).ok_or(CryptoError::KeyInvalid(what))?;
        if rest == 0 { Ok(key) } else { Err(CryptoError::KeyInvalid(what)) }
    }

    pub fn from_rsa(rsa: &RsaKey) -> Result<Self> {
        let key = Self::empty()?;
        // SAFETY: both are live; the EVP_PKEY takes its own reference.
        succeeded(unsafe { EVP_PKEY_set1_RSA(key.as_ptr(), rsa.as_ptr()) }, "EVP_PKEY_set1_RSA")?;
        Ok(key)
    }

    pub fn from_ec(ec: &EcKey) -> Result<Self> {
        let key = Self::empty()?;
        // SAFETY: both are live; the EVP_PKEY takes its own reference.
        succeeded(unsafe { EVP_PKEY_set1_EC_KEY(key.as_ptr(), ec.as_ptr()) }, "EVP_PKEY_set1_EC_KEY")?;
        Ok(key)
    }

    fn empty() -> Result<Self> {
        // SAFETY: allocates; no preconditions.
        NonNull::new(unsafe { EVP_PKEY_new() }).map(Self).ok_or(CryptoError::Internal("EVP_PKEY_new"))
    }

    pub(super) fn as_ptr(&self) -> *mut EVP_PKEY {
        self.0.as_ptr()
    }

    /// Its kind, with the key itself where that is an object of its own.
    pub fn kind(&self) -> Result<EvpKind> {
        const UNSUPPORTED: CryptoError = CryptoError::KeyUnsupported("neither RSA nor EC nor Ed25519 nor X25519");
        // SAFETY: the key is live; `get1` gives a reference that is ours, and returns NULL if the kind is another.
        unsafe {
            match EVP_PKEY_id(self.as_ptr()) {
                EVP_PKEY_RSA => {
                    let rsa = NonNull::new(EVP_PKEY_get1_RSA(self.as_ptr())).ok_or(UNSUPPORTED)?;
                    Ok(EvpKind::Rsa(RsaKey::from_raw(rsa)))
                }
                EVP_PKEY_EC => {
                    let ec = NonNull::new(EVP_PKEY_get1_EC_KEY(self.as_ptr())).ok_or(UNSUPPORTED)?;
                    EcKey::from_raw(ec).map(EvpKind::Ec).ok_or(CryptoError::KeyUnsupported("elliptic curve"))
                }
                EVP_PKEY_ED25519 => Ok(EvpKind::Ed25519),
                EVP_PKEY_X25519 => Ok(EvpKind::X25519),
                _ => Err(UNSUPPORTED),
            }
        }
    }

    /// The seed of an Ed25519 key, the scalar of an X25519 key.
    pub fn raw_private(&self) -> Result<Zeroizing<[u8; 32]>> {
        let mut private = Zeroizing::new([0; 32]);
        let mut len = private.len();
        // SAFETY: the key is live; at most `len` bytes are written, which the buffer has.
        let status = unsafe { EVP_PKEY_get_raw_private_key(self.as_ptr(), private.as_mut_ptr(), &raw mut len) };
        succeeded(status, "EVP_PKEY_get_raw_private_key")?;
        Ok(private)
    }

    /// The public key of Ed25519 or X25519.
    pub fn raw_public(&self) -> Result<[u8; 32]> {
        let mut public = [0; 32];
        let mut len = public.len();
        // SAFETY: the key is live; at most `len` bytes are written, which the buffer has.
        let status = unsafe { EVP_PKEY_get_raw_public_key(self.as_ptr(), public.as_mut_ptr(), &raw mut len) };
        succeeded(status, "EVP_PKEY_get_raw_public_key")?;
        Ok(public)
    }

    /// PKCS#8, version 1.
    pub fn to_pkcs8(&self) -> Result<SecretBytes> {
        self.marshal(EVP_marshal_private_key)
    }

    /// SubjectPublicKeyInfo.
    pub fn to_spki(&self) -> Result<Vec<u8>> {
        self.marshal(EVP_marshal_public_key).map(|der| der.expose().to_vec())
    }

    fn marshal(&self, marshal: unsafe extern "C" fn(*mut CBB, *const EVP_PKEY) -> i32) -> Result<SecretBytes> {
        let mut writer = MaybeUninit::<CBB>::zeroed();
        let (mut der, mut len) = (ptr::null_mut(), 0);
        // SAFETY: CBB_init fills the writer in and CBB_finish or CBB_cleanup ends it; a zeroed writer may be cleaned up
        // too. After success `der` is a buffer of `len` bytes that is ours to free, and freeing wipes it.
        unsafe {
            let writer = writer.as_mut_ptr();
            if CBB_init(writer, 0) != 1
                || marshal(writer, self.as_ptr()) != 1
                || CBB_finish(writer, &raw mut der, &raw mut len) != 1
            {
                CBB_cleanup(writer);
                return Err(CryptoError::Internal("encoding a key"));
            }
            let encoded = SecretBytes::from_slice(std::slice::from_raw_parts(der, len));
            OPENSSL_free(der.cast());
            Ok(encoded)
        }
    }
}

impl Drop for EvpKey {
    fn drop(&mut self) {
        // SAFETY: `self` owns one reference and uses it no more.
        unsafe { EVP_PKEY_free(self.as_ptr()) }
    }
}
