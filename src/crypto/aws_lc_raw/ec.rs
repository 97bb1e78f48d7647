//! Elliptic-curve keys and ECDSA over a digest of any length.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    BN_bn2bin_padded, EC_GROUP, EC_GROUP_get_curve_name, EC_KEY, EC_KEY_check_key, EC_KEY_free, EC_KEY_generate_key,
    EC_KEY_get0_group, EC_KEY_get0_private_key, EC_KEY_get0_public_key, EC_KEY_new, EC_KEY_set_group,
    EC_KEY_set_private_key, EC_KEY_set_public_key, EC_POINT, EC_POINT_free, EC_POINT_mul, EC_POINT_new,
    EC_POINT_oct2point, EC_POINT_point2oct, EC_group_p256, EC_group_p384, EC_group_p521, EC_group_secp256k1,
    ECDH_compute_key, ECDSA_SIG, ECDSA_SIG_free, ECDSA_SIG_get0, ECDSA_SIG_new, ECDSA_SIG_set0, ECDSA_do_sign,
    ECDSA_do_verify, NID_X9_62_prime256v1, NID_secp256k1, NID_secp384r1, NID_secp521r1, point_conversion_form_t,
};

use super::bignum::{self, Bignum};
use super::succeeded;
use crate::crypto::{CryptoError, Curve, Result, SecretBytes};

/// SEC 1 §2.3.3, the form that begins with 04.
const UNCOMPRESSED: point_conversion_form_t = point_conversion_form_t::POINT_CONVERSION_UNCOMPRESSED;

/// A checked key: its public point, and its scalar if it is private. Never changed once made.
pub struct EcKey {
    key: NonNull<EC_KEY>,
    curve: Curve,
}

// SAFETY: an EC_KEY belongs to no thread.
unsafe impl Send for EcKey {}
// SAFETY: all methods take the key as `const EC_KEY`, which AWS-LC's documentation allows from many threads at once; we
// never call a function that changes it after it is made.
unsafe impl Sync for EcKey {}

impl EcKey {
    /// Takes over a reference that AWS-LC parsed; `None` for a curve that isn't ours.
    ///
    /// # Safety
    /// `key` must be a live EC_KEY with a group, and this reference to it the caller's to give away.
    pub(super) unsafe fn from_raw(key: NonNull<EC_KEY>) -> Option<Self> {
        // SAFETY: the caller's promise.
        let name = unsafe { EC_GROUP_get_curve_name(EC_KEY_get0_group(key.as_ptr())) };
        let Some(curve) = Curve::ALL.into_iter().find(|&curve| number(curve) == name) else {
            // SAFETY: the reference is ours.
            unsafe { EC_KEY_free(key.as_ptr()) };
            return None;
        };
        Some(Self { key, curve })
    }

    fn empty(curve: Curve) -> Result<Self> {
        // SAFETY: allocates; no preconditions.
        let key = NonNull::new(unsafe { EC_KEY_new() }).ok_or(CryptoError::Internal("EC_KEY_new"))?;
        let key = Self { key, curve };
        // SAFETY: the key is new and ours alone, the group static.
        succeeded(unsafe { EC_KEY_set_group(key.as_ptr(), group(curve)) }, "EC_KEY_set_group")?;
        Ok(key)
    }

    /// A new key pair.
    pub fn generate(curve: Curve) -> Result<Self> {
        let key = Self::empty(curve)?;
        // SAFETY: the key is new, ours alone, and has its group.
        succeeded(unsafe { EC_KEY_generate_key(key.as_ptr()) }, "EC_KEY_generate_key")?;
        Ok(key)
    }

    /// A key pair from its scalar (big-endian).
    pub fn from_scalar(curve: Curve, scalar: &[u8]) -> Result<Self> {
        const OUT_OF_RANGE: CryptoError = CryptoError::KeyInvalid("the scalar is not between 0 and the curve's order");
        if scalar.len() > curve.field_len() {
            return Err(OUT_OF_RANGE);
        }
        let (key, scalar, point) = (Self::empty(curve)?, Bignum::from_be(scalar)?, Point::new(curve)?);
        // SAFETY: all are live, the key is ours alone, and point and key have the same group. AWS-LC checks the
        // scalar's range.
        unsafe {
            if EC_KEY_set_private_key(key.as_ptr(), scalar.as_ptr()) != 1 {
                return Err(OUT_OF_RANGE);
            }
            let (group, none) = (group(curve), ptr::null());
            let status = EC_POINT_mul(group, point.0.as_ptr(), scalar.as_ptr(), none, ptr::null(), ptr::null_mut());
            succeeded(status, "EC_POINT_mul")?;
            succeeded(EC_KEY_set_public_key(key.as_ptr(), point.0.as_ptr()), "EC_KEY_set_public_key")?;
            // A scalar of zero has no public point.
            succeeded(EC_KEY_check_key(key.as_ptr()), "EC_KEY_check_key").map_err(|_| OUT_OF_RANGE)?;
        }
        Ok(key)
    }

    /// A public key from its uncompressed point.
    pub fn from_point(curve: Curve, encoded: &[u8]) -> Result<Self> {
        const NOT_ON_CURVE: CryptoError = CryptoError::KeyInvalid("not an uncompressed point of the curve");
        if encoded.len() != 1 + 2 * curve.field_len() || encoded[0] != 0x04 {
            return Err(NOT_ON_CURVE);
        }
        let (key, point) = (Self::empty(curve)?, Point::new(curve)?);
        // SAFETY: all are live, the key is ours alone, and point and key have the same group; the pointer and length
        // describe `encoded`. AWS-LC refuses what isn't on the curve.
        unsafe {
            let (bytes, len) = (encoded.as_ptr(), encoded.len());
            if EC_POINT_oct2point(group(curve), point.0.as_ptr(), bytes, len, ptr::null_mut()) != 1 {
                return Err(NOT_ON_CURVE);
            }
            succeeded(EC_KEY_set_public_key(key.as_ptr(), point.0.as_ptr()), "EC_KEY_set_public_key")?;
        }
        Ok(key)
    }

    pub(super) fn as_ptr(&self) -> *mut EC_KEY {
        self.key.as_ptr()
    }

    pub fn curve(&self) -> Curve {
        self.curve
    }

    /// The uncompressed public point.
    pub fn point(&self) -> Result<Vec<u8>> {
        let mut encoded = vec![0; 1 + 2 * self.curve.field_len()];
        // SAFETY: the key has its public point; the pointer and length describe `encoded`.
        let written = unsafe {
            let (point, out) = (EC_KEY_get0_public_key(self.as_ptr()), encoded.as_mut_ptr());
            EC_POINT_point2oct(group(self.curve), point, UNCOMPRESSED, out, encoded.len(), ptr::null_mut())
        };
        if written == encoded.len() { Ok(encoded) } else { Err(CryptoError::Internal("EC_POINT_point2oct")) }
    }

    /// The scalar of a private key, as long as the field.
    pub fn scalar(&self) -> Result<SecretBytes> {
        // SAFETY: the key is live; the number belongs to it and is read while it lives.
        unsafe {
            let scalar = EC_KEY_get0_private_key(self.as_ptr());
            if scalar.is_null() {
                return Err(CryptoError::Internal("EC_KEY_get0_private_key"));
            }
            bignum::to_secret_padded(scalar, self.curve.field_len())
        }
    }

    /// The x coordinate of the point that this private key and a public key of the same curve agree on.
    pub fn agree(&self, peer: &Self) -> Result<SecretBytes> {
        if self.curve != peer.curve {
            return Err(CryptoError::KeyInvalid("a key of another curve"));
        }
        SecretBytes::filled(self.curve.field_len(), |out| {
            // SAFETY: both keys are live and only read, and have the same group; the pointer and length describe `out`.
            let written = unsafe {
                let point = EC_KEY_get0_public_key(peer.as_ptr());
                ECDH_compute_key(out.as_mut_ptr().cast(), out.len(), point, self.as_ptr(), None)
            };
            if usize::try_from(written) == Ok(out.len()) {
                Ok(())
            } else {
                Err(CryptoError::Internal("ECDH_compute_key"))
            }
        })
    }

    /// Signs into `out`, which is exactly r‖s long. AWS-LC takes the leftmost bits of a digest that is longer than the
    /// curve's order and all of a shorter one (FIPS 186-5 §6.4.1).
    pub fn sign(&self, digest: &[u8], out: &mut [u8]) -> Result<()> {
        // SAFETY: the pointer and length describe `digest`; the key is live and only read.
        let signature = unsafe { ECDSA_do_sign(digest.as_ptr(), digest.len(), self.as_ptr()) };
        let signature = Signature(NonNull::new(signature).ok_or(CryptoError::Internal("ECDSA_do_sign"))?);
        let (mut r, mut s) = (ptr::null(), ptr::null());
        // SAFETY: the signature is live, and r and s belong to it.
        unsafe { ECDSA_SIG_get0(signature.0.as_ptr(), &raw mut r, &raw mut s) };
        for (number, half) in [r, s].into_iter().zip(out.chunks_exact_mut(self.curve.field_len())) {
            // SAFETY: as above; the pointer and length describe `half`.
            let status = unsafe { BN_bn2bin_padded(half.as_mut_ptr(), half.len(), number) };
            succeeded(status, "BN_bn2bin_padded")?;
        }
        Ok(())
    }

    /// Checks r‖s over `digest`.
    pub fn verify(&self, digest: &[u8], signature: &[u8]) -> Result<()> {
        if signature.len() != 2 * self.curve.field_len() {
            return Err(CryptoError::SignatureLength);
        }
        let (r, s) = signature.split_at(self.curve.field_len());
        let (r, s) = (Bignum::from_be(r)?, Bignum::from_be(s)?);
        // SAFETY: allocates; no preconditions.
        let made = unsafe { ECDSA_SIG_new() };
        let made = Signature(NonNull::new(made).ok_or(CryptoError::Internal("ECDSA_SIG_new"))?);
        // SAFETY: the signature is live and takes over r and s (it refuses only NULL); the pointer and length describe
        // `digest`; the key is live and only read.
        let status = unsafe {
            ECDSA_SIG_set0(made.0.as_ptr(), r.into_ptr(), s.into_ptr());
            ECDSA_do_verify(digest.as_ptr(), digest.len(), made.0.as_ptr(), self.as_ptr())
        };
        if status == 1 { Ok(()) } else { Err(CryptoError::SignatureInvalid) }
    }
}

impl Drop for EcKey {
    fn drop(&mut self) {
        // SAFETY: `self` owns one reference and uses it no more. Freeing wipes the scalar.
        unsafe { EC_KEY_free(self.as_ptr()) }
    }
}

struct Point(NonNull<EC_POINT>);

impl Point {
    fn new(curve: Curve) -> Result<Self> {
        // SAFETY: the group is static.
        NonNull::new(unsafe { EC_POINT_new(group(curve)) }).map(Self).ok_or(CryptoError::Internal("EC_POINT_new"))
    }
}

impl Drop for Point {
    fn drop(&mut self) {
        // SAFETY: `self` owns the point and is the last to use it.
        unsafe { EC_POINT_free(self.0.as_ptr()) }
    }
}

struct Signature(NonNull<ECDSA_SIG>);

impl Drop for Signature {
    fn drop(&mut self) {
        // SAFETY: `self` owns the signature and is the last to use it.
        unsafe { ECDSA_SIG_free(self.0.as_ptr()) }
    }
}

fn group(curve: Curve) -> *const EC_GROUP {
    // SAFETY: these return pointers to static tables; no preconditions.
    unsafe {
        match curve {
            Curve::P256 => EC_group_p256(),
            Curve::P384 => EC_group_p384(),
            Curve::P521 => EC_group_p521(),
            Curve::Secp256k1 => EC_group_secp256k1(),
        }
    }
}

/// AWS-LC's name of the curve.
fn number(curve: Curve) -> c_int {
    match curve {
        Curve::P256 => NID_X9_62_prime256v1,
        Curve::P384 => NID_secp384r1,
        Curve::P521 => NID_secp521r1,
        Curve::Secp256k1 => NID_secp256k1,
    }
}
