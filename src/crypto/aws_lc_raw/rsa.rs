//! RSA keys and the bare operations with every padding. Blinding stays on, and AWS-LC verifies each result before it
//! hands it out (Boneh, DeMillo, Lipton 1997).

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    BIGNUM, BN_bn2bin_padded, EVP_MD, EVP_sha1, EVP_sha3_224, EVP_sha3_256, EVP_sha3_384, EVP_sha3_512, EVP_sha224,
    EVP_sha256, EVP_sha384, EVP_sha512, EVP_sha512_224, EVP_sha512_256, RSA, RSA_NO_PADDING, RSA_PKCS1_PADDING,
    RSA_bits, RSA_encrypt, RSA_free, RSA_generate_key_ex, RSA_get0_d, RSA_get0_dmp1, RSA_get0_dmq1, RSA_get0_e,
    RSA_get0_iqmp, RSA_get0_n, RSA_get0_p, RSA_get0_q, RSA_new, RSA_new_private_key, RSA_new_public_key,
    RSA_sign_pss_mgf1, RSA_sign_raw, RSA_size, RSA_verify_pss_mgf1, RSA_verify_raw,
};

use super::bignum::{self, Bignum};
use super::succeeded;
use crate::crypto::{CryptoError, DigestAlgorithm, Result, SecretBytes};

/// A checked key, public or private.
pub struct RsaKey(NonNull<RSA>);

// SAFETY: an RSA object belongs to no thread.
unsafe impl Send for RsaKey {}
// SAFETY: what an operation changes in the key (blinding values, precomputed numbers) AWS-LC guards with the key's own
// lock, so that its documentation allows signing from many threads at once; we never set anything after it is made.
unsafe impl Sync for RsaKey {}

/// The numbers of a key.
#[derive(Clone, Copy)]
pub enum RsaComponent {
    Modulus,
    PublicExponent,
    PrivateExponent,
    PrimeP,
    PrimeQ,
    ExponentP,
    ExponentQ,
    Coefficient,
}

/// Padding that AWS-LC adds or takes away.
#[derive(Clone, Copy)]
pub enum RsaPadding {
    /// None: the input is as long as the modulus and smaller.
    None,
    /// PKCS#1 v1.5 of signatures.
    Pkcs1,
}

impl RsaPadding {
    fn number(self) -> c_int {
        match self {
            Self::None => RSA_NO_PADDING,
            Self::Pkcs1 => RSA_PKCS1_PADDING,
        }
    }
}

/// What a private key has beyond n, e and d.
pub enum RsaFactors<'a> {
    /// p, q, d mod p−1, d mod q−1, q⁻¹ mod p.
    Known([&'a [u8]; 5]),
    /// Only n, e and d are at hand.
    Unknown,
}

impl RsaKey {
    /// Takes over a reference to a key that AWS-LC parsed.
    ///
    /// # Safety
    /// `key` must be a live RSA, checked, and this reference to it the caller's to give away.
    pub(super) unsafe fn from_raw(key: NonNull<RSA>) -> Self {
        Self(key)
    }

    pub fn public(modulus: &[u8], exponent: &[u8]) -> Result<Self> {
        let (n, e) = (Bignum::from_be(modulus)?, Bignum::from_be(exponent)?);
        // SAFETY: both are live, and AWS-LC copies and checks them.
        let key = unsafe { RSA_new_public_key(n.as_ptr(), e.as_ptr()) };
        NonNull::new(key).map(Self).ok_or(CryptoError::KeyInvalid("RSA modulus or public exponent"))
    }

    pub fn private(modulus: &[u8], exponent: &[u8], private_exponent: &[u8], factors: &RsaFactors) -> Result<Self> {
        let (n, e, d) = (Bignum::from_be(modulus)?, Bignum::from_be(exponent)?, Bignum::from_be(private_exponent)?);
        let [p, q, dp, dq, inverse] = match factors {
            RsaFactors::Known([p, q, dp, dq, inverse]) => [
                Bignum::from_be(p)?,
                Bignum::from_be(q)?,
                Bignum::from_be(dp)?,
                Bignum::from_be(dq)?,
                Bignum::from_be(inverse)?,
            ],
            RsaFactors::Unknown => bignum::rsa_factors(&n, &e, &d)?,
        };
        // SAFETY: all are live, and AWS-LC copies and checks them.
        let key = unsafe {
            RSA_new_private_key(
                n.as_ptr(),
                e.as_ptr(),
                d.as_ptr(),
                p.as_ptr(),
                q.as_ptr(),
                dp.as_ptr(),
                dq.as_ptr(),
                inverse.as_ptr(),
            )
        };
        NonNull::new(key).map(Self).ok_or(CryptoError::KeyInvalid("the RSA key's numbers don't belong together"))
    }

    /// A new key pair. AWS-LC takes exponents of up to 32 bits.
    pub fn generate(bits: u32, exponent: &[u8]) -> Result<Self> {
        let e = Bignum::from_be(exponent)?;
        // SAFETY: allocates; no preconditions.
        let key = NonNull::new(unsafe { RSA_new() }).map(Self).ok_or(CryptoError::Internal("RSA_new"))?;
        let bits = c_int::try_from(bits).map_err(|_| CryptoError::KeyUnsupported("RSA key size"))?;
        // SAFETY: the key is new and ours alone; no callback.
        let status = unsafe { RSA_generate_key_ex(key.as_ptr(), bits, e.as_ptr(), ptr::null_mut()) };
        succeeded(status, "RSA_generate_key_ex")?;
        Ok(key)
    }

    pub(super) fn as_ptr(&self) -> *mut RSA {
        self.0.as_ptr()
    }

    /// Bits of the modulus.
    pub fn bits(&self) -> u32 {
        // SAFETY: the key is live and has its modulus.
        unsafe { RSA_bits(self.as_ptr()) }
    }

    /// Bytes of the modulus.
    pub fn size(&self) -> usize {
        // SAFETY: the key is live and has its modulus.
        unsafe { RSA_size(self.as_ptr()) as usize }
    }

    /// One of its numbers, big-endian without leading zeros; `None` if the key doesn't have it.
    pub fn component(&self, which: RsaComponent) -> Result<Option<SecretBytes>> {
        let number = self.number(which);
        if number.is_null() {
            return Ok(None);
        }
        // SAFETY: the number belongs to the key and is read while the key lives.
        unsafe { bignum::to_secret(number) }.map(Some)
    }

    /// Writes the modulus to `out`, which has [`size`](Self::size) bytes.
    pub fn write_modulus(&self, out: &mut [u8]) -> Result<()> {
        let modulus = self.number(RsaComponent::Modulus);
        // SAFETY: the number belongs to the key, which lives; the pointer and length describe `out`.
        succeeded(unsafe { BN_bn2bin_padded(out.as_mut_ptr(), out.len(), modulus) }, "BN_bn2bin_padded")
    }

    fn number(&self, which: RsaComponent) -> *const BIGNUM {
        // SAFETY: the key is live.
        unsafe {
            match which {
                RsaComponent::Modulus => RSA_get0_n(self.as_ptr()),
                RsaComponent::PublicExponent => RSA_get0_e(self.as_ptr()),
                RsaComponent::PrivateExponent => RSA_get0_d(self.as_ptr()),
                RsaComponent::PrimeP => RSA_get0_p(self.as_ptr()),
                RsaComponent::PrimeQ => RSA_get0_q(self.as_ptr()),
                RsaComponent::ExponentP => RSA_get0_dmp1(self.as_ptr()),
                RsaComponent::ExponentQ => RSA_get0_dmq1(self.as_ptr()),
                RsaComponent::Coefficient => RSA_get0_iqmp(self.as_ptr()),
            }
        }
    }

    /// The private exponent, with zeros on the left up to [`size`](Self::size).
    pub fn padded_private_exponent(&self) -> Result<SecretBytes> {
        let number = self.number(RsaComponent::PrivateExponent);
        if number.is_null() {
            return Err(CryptoError::KeyInvalid("the RSA key lacks a number"));
        }
        // SAFETY: the number belongs to the key and is read while the key lives.
        unsafe { bignum::to_secret_padded(number, self.size()) }
    }

    /// Whether it has all that a private operation by the Chinese remainder theorem needs, and is blinded with.
    pub fn is_complete(&self) -> bool {
        [
            RsaComponent::PublicExponent,
            RsaComponent::PrivateExponent,
            RsaComponent::PrimeP,
            RsaComponent::PrimeQ,
            RsaComponent::ExponentP,
            RsaComponent::ExponentQ,
            RsaComponent::Coefficient,
        ]
        .into_iter()
        .all(|which| !self.number(which).is_null())
    }

    /// Pads `input` and applies the private key to it. Writes [`size`](Self::size) bytes.
    pub fn sign(&self, padding: RsaPadding, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let mut len = 0;
        // SAFETY: the key is live; `max_out` and the input's length are those of the slices.
        let status = unsafe {
            let (out, max_out) = (out.as_mut_ptr(), out.len());
            let (input, input_len) = (input.as_ptr(), input.len());
            RSA_sign_raw(self.as_ptr(), &raw mut len, out, max_out, input, input_len, padding.number())
        };
        succeeded(status, "RSA_sign_raw")?;
        Ok(len)
    }

    /// Applies the public key to `signature` and takes the padding away; writes what was signed to `out`, which has
    /// at least [`size`](Self::size) bytes.
    pub fn recover(&self, padding: RsaPadding, signature: &[u8], out: &mut [u8]) -> Result<usize> {
        let mut len = 0;
        // SAFETY: the key is live; `max_out` and the signature's length are those of the slices.
        let status = unsafe {
            let (out, max_out) = (out.as_mut_ptr(), out.len());
            let (input, input_len) = (signature.as_ptr(), signature.len());
            RSA_verify_raw(self.as_ptr(), &raw mut len, out, max_out, input, input_len, padding.number())
        };
        if status == 1 { Ok(len) } else { Err(CryptoError::SignatureInvalid) }
    }

    /// RSAES-PKCS1-v1_5 with the public key. Writes [`size`](Self::size) bytes.
    pub fn encrypt_pkcs1(&self, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let mut len = 0;
        // SAFETY: the key is live; `max_out` and the input's length are those of the slices.
        let status = unsafe {
            let (out, max_out) = (out.as_mut_ptr(), out.len());
            let (input, input_len) = (input.as_ptr(), input.len());
            RSA_encrypt(self.as_ptr(), &raw mut len, out, max_out, input, input_len, RSA_PKCS1_PADDING)
        };
        succeeded(status, "RSA_encrypt")?;
        Ok(len)
    }

    /// RSASSA-PSS. `digest` is as long as its algorithm's, `salt_len` not negative.
    pub fn sign_pss(&self, scheme: &PssScheme, digest: &[u8], out: &mut [u8]) -> Result<usize> {
        debug_assert!(scheme.salt_len >= 0, "negative values mean something else to AWS-LC");
        let (hash, mgf) = (evp_digest(scheme.digest)?, evp_digest(scheme.mgf)?);
        let mut len = 0;
        // SAFETY: the key is live; `max_out` and the digest's length are those of the slices.
        let status = unsafe {
            let (out, max_out) = (out.as_mut_ptr(), out.len());
            let (digest, digest_len) = (digest.as_ptr(), digest.len());
            RSA_sign_pss_mgf1(self.as_ptr(), &raw mut len, out, max_out, digest, digest_len, hash, mgf, scheme.salt_len)
        };
        succeeded(status, "RSA_sign_pss_mgf1")?;
        Ok(len)
    }

    /// Checks RSASSA-PSS with exactly this length of salt.
    pub fn verify_pss(&self, scheme: &PssScheme, digest: &[u8], signature: &[u8]) -> Result<()> {
        debug_assert!(scheme.salt_len >= 0, "negative values mean something else to AWS-LC");
        let (hash, mgf) = (evp_digest(scheme.digest)?, evp_digest(scheme.mgf)?);
        // SAFETY: the key is live; the lengths are those of the slices.
        let status = unsafe {
            let (digest, digest_len) = (digest.as_ptr(), digest.len());
            let (signature, signature_len) = (signature.as_ptr(), signature.len());
            RSA_verify_pss_mgf1(self.as_ptr(), digest, digest_len, hash, mgf, scheme.salt_len, signature, signature_len)
        };
        if status == 1 { Ok(()) } else { Err(CryptoError::SignatureInvalid) }
    }
}

impl Drop for RsaKey {
    fn drop(&mut self) {
        // SAFETY: `self` owns one reference and uses it no more. Freeing wipes the numbers.
        unsafe { RSA_free(self.as_ptr()) }
    }
}

/// Parameters of RSASSA-PSS in AWS-LC's types.
pub struct PssScheme {
    /// What made the digest.
    pub digest: DigestAlgorithm,
    /// The mask's hash.
    pub mgf: DigestAlgorithm,
    /// Bytes of salt, not negative.
    pub salt_len: c_int,
}

/// AWS-LC's table of a hash function; SHA-512/t has none.
pub(super) fn evp_digest(algorithm: DigestAlgorithm) -> Result<*const EVP_MD> {
    // SAFETY: these return pointers to static tables; no preconditions.
    Ok(unsafe {
        match algorithm {
            DigestAlgorithm::Sha1 => EVP_sha1(),
            DigestAlgorithm::Sha224 => EVP_sha224(),
            DigestAlgorithm::Sha256 => EVP_sha256(),
            DigestAlgorithm::Sha384 => EVP_sha384(),
            DigestAlgorithm::Sha512 => EVP_sha512(),
            DigestAlgorithm::Sha512_224 => EVP_sha512_224(),
            DigestAlgorithm::Sha512_256 => EVP_sha512_256(),
            DigestAlgorithm::Sha3_224 => EVP_sha3_224(),
            DigestAlgorithm::Sha3_256 => EVP_sha3_256(),
            DigestAlgorithm::Sha3_384 => EVP_sha3_384(),
            DigestAlgorithm::Sha3_512 => EVP_sha3_512(),
            DigestAlgorithm::Sha512T(_) => return Err(CryptoError::ParametersInvalid),
        }
    })
}
