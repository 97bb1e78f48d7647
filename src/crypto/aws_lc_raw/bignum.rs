//! Integers of any size, for the parts of keys, and what must be computed with them.

use std::ffi::c_int;
use std::ptr::{self, NonNull};

use aws_lc_sys::{
    BIGNUM, BN_CTX, BN_CTX_free, BN_CTX_new, BN_bin2bn, BN_bn2bin_padded, BN_cmp, BN_count_low_zero_bits, BN_div,
    BN_free, BN_gcd, BN_is_one, BN_mod_exp_mont_consttime, BN_mod_mul, BN_mul, BN_new, BN_num_bits, BN_num_bytes,
    BN_rshift, BN_set_word, BN_sub_word,
};

use super::succeeded;
use crate::crypto::{CryptoError, Result, SecretBytes};

/// A non-negative integer, wiped when dropped.
pub struct Bignum(NonNull<BIGNUM>);

impl Bignum {
    /// From big-endian bytes; leading zeros are allowed.
    pub fn from_be(bytes: &[u8]) -> Result<Self> {
        // SAFETY: the pointer and length describe `bytes`; with a NULL destination AWS-LC allocates the result.
        let made = unsafe { BN_bin2bn(bytes.as_ptr(), bytes.len(), ptr::null_mut()) };
        NonNull::new(made).map(Self).ok_or(CryptoError::Internal("BN_bin2bn"))
    }

    fn from_word(word: u64) -> Result<Self> {
        let number = Self::zero()?;
        // SAFETY: `number` is a live BIGNUM.
        succeeded(unsafe { BN_set_word(number.as_ptr(), word) }, "BN_set_word")?;
        Ok(number)
    }

    fn zero() -> Result<Self> {
        // SAFETY: allocates; no preconditions.
        NonNull::new(unsafe { BN_new() }).map(Self).ok_or(CryptoError::Internal("BN_new"))
    }

    pub(super) fn as_ptr(&self) -> *mut BIGNUM {
        self.0.as_ptr()
    }

    /// Gives the BIGNUM to AWS-LC, which frees it.
    pub(super) fn into_ptr(self) -> *mut BIGNUM {
        let pointer = self.as_ptr();
        std::mem::forget(self);
        pointer
    }

    fn bits(&self) -> u32 {
        // SAFETY: `self` is a live BIGNUM.
        unsafe { BN_num_bits(self.as_ptr()) }
    }

    fn is_one(&self) -> bool {
        // SAFETY: `self` is a live BIGNUM.
        unsafe { BN_is_one(self.as_ptr()) == 1 }
    }

    fn equals(&self, other: &Self) -> bool {
        // SAFETY: both are live BIGNUMs.
        unsafe { BN_cmp(self.as_ptr(), other.as_ptr()) == 0 }
    }

    fn less_than(&self, other: &Self) -> bool {
        // SAFETY: both are live BIGNUMs.
        unsafe { BN_cmp(self.as_ptr(), other.as_ptr()) < 0 }
    }

    /// `self - word`; the caller knows that the result isn't negative.
    fn minus(&self, word: u64) -> Result<Self> {
        let difference = self.shifted_right(0)?;
        // SAFETY: `difference` is a live BIGNUM.
        succeeded(unsafe { BN_sub_word(difference.as_ptr(), word) }, "BN_sub_word")?;
        Ok(difference)
    }

    fn shifted_right(&self, bits: c_int) -> Result<Self> {
        let shifted = Self::zero()?;
        // SAFETY: both are live BIGNUMs and `bits` isn't negative.
        succeeded(unsafe { BN_rshift(shifted.as_ptr(), self.as_ptr(), bits) }, "BN_rshift")?;
        Ok(shifted)
    }

    fn low_zero_bits(&self) -> c_int {
        // SAFETY: `self` is a live BIGNUM.
        unsafe { BN_count_low_zero_bits(self.as_ptr()) }
    }
}

impl Drop for Bignum {
    fn drop(&mut self) {
        // SAFETY: `self` owns the BIGNUM and is the last to use it.
        unsafe { BN_free(self.as_ptr()) }
    }
}

/// Big-endian bytes of `number` without leading zeros.
///
/// # Safety
/// `number` must point to a live BIGNUM.
pub(super) unsafe fn to_secret(number: *const BIGNUM) -> Result<SecretBytes> {
    // SAFETY: the caller's promise.
    let len = unsafe { BN_num_bytes(number) } as usize;
    // SAFETY: the caller's promise.
    unsafe { to_secret_padded(number, len) }
}

/// Big-endian bytes of `number`, with zeros on the left up to `len`.
///
/// # Safety
/// `number` must point to a live BIGNUM.
pub(super) unsafe fn to_secret_padded(number: *const BIGNUM, len: usize) -> Result<SecretBytes> {
    SecretBytes::filled(len, |out| {
        // SAFETY: the caller's promise; the pointer and length describe `out`.
        succeeded(unsafe { BN_bn2bin_padded(out.as_mut_ptr(), out.len(), number) }, "BN_bn2bin_padded")
    })
}

/// Scratch numbers that AWS-LC's arithmetic works with.
struct Arithmetic(NonNull<BN_CTX>);

impl Arithmetic {
    fn new() -> Result<Self> {
        // SAFETY: allocates; no preconditions.
        NonNull::new(unsafe { BN_CTX_new() }).map(Self).ok_or(CryptoError::Internal("BN_CTX_new"))
    }

    fn product(&self, a: &Bignum, b: &Bignum) -> Result<Bignum> {
        let product = Bignum::zero()?;
        // SAFETY: all are live, and the result is none of the operands.
        let status = unsafe { BN_mul(product.as_ptr(), a.as_ptr(), b.as_ptr(), self.0.as_ptr()) };
        succeeded(status, "BN_mul")?;
        Ok(product)
    }

    fn product_modulo(&self, a: &Bignum, b: &Bignum, modulus: &Bignum) -> Result<Bignum> {
        let product = Bignum::zero()?;
        // SAFETY: all are live, and the result is none of the operands.
        let status = unsafe { BN_mod_mul(product.as_ptr(), a.as_ptr(), b.as_ptr(), modulus.as_ptr(), self.0.as_ptr()) };
        succeeded(status, "BN_mod_mul")?;
        Ok(product)
    }

    /// Quotient and remainder.
    fn divide(&self, a: &Bignum, b: &Bignum) -> Result<(Bignum, Bignum)> {
        let (quotient, remainder) = (Bignum::zero()?, Bignum::zero()?);
        // SAFETY: all are live, and the results are none of the operands; division by zero is an error, not undefined.
        let status = unsafe { BN_div(quotient.as_ptr(), remainder.as_ptr(), a.as_ptr(), b.as_ptr(), self.0.as_ptr()) };
        succeeded(status, "BN_div")?;
        Ok((quotient, remainder))
    }

    fn common_divisor(&self, a: &Bignum, b: &Bignum) -> Result<Bignum> {
        let divisor = Bignum::zero()?;
        // SAFETY: all are live, and the result is none of the operands.
        succeeded(unsafe { BN_gcd(divisor.as_ptr(), a.as_ptr(), b.as_ptr(), self.0.as_ptr()) }, "BN_gcd")?;
        Ok(divisor)
    }

    /// `base^exponent mod modulus` in constant time; the modulus is odd and larger than the base.
    fn power(&self, base: &Bignum, exponent: &Bignum, modulus: &Bignum) -> Result<Bignum> {
        let power = Bignum::zero()?;
        // SAFETY: all are live; without a Montgomery context AWS-LC makes its own, and refuses an even modulus and a
        // base that isn't reduced.
        let status = unsafe {
            BN_mod_exp_mont_consttime(
                power.as_ptr(),
                base.as_ptr(),
                exponent.as_ptr(),
                modulus.as_ptr(),
                self.0.as_ptr(),
                ptr::null(),
            )
        };
        succeeded(status, "BN_mod_exp_mont_consttime")?;
        Ok(power)
    }
}

impl Drop for Arithmetic {
    fn drop(&mut self) {
        // SAFETY: `self` owns the BN_CTX and is the last to use it.
        unsafe { BN_CTX_free(self.0.as_ptr()) }
    }
}

/// p, q, d mod p−1, d mod q−1, q⁻¹ mod p of an RSA key of which only n, e and d are known.
///
/// SP 800-56B rev. 2, appendix C.1, with small primes as bases instead of random ones: each finds the factors with a
/// chance of one half or better. Its time depends on the key, which is why it runs once, at import, and not in use.
pub fn rsa_factors(modulus: &Bignum, exponent: &Bignum, private_exponent: &Bignum) -> Result<[Bignum; 5]> {
    let inconsistent = CryptoError::KeyInvalid("modulus and exponents don't belong together");
    if !private_exponent.less_than(modulus) || modulus.low_zero_bits() != 0 || private_exponent.bits() < 2 {
        return Err(inconsistent);
    }
    let arithmetic = Arithmetic::new()?;
    let p = find_factor(&arithmetic, modulus, exponent, private_exponent)?.ok_or(inconsistent)?;
    let (q, _) = arithmetic.divide(modulus, &p)?;
    // By custom the first prime is the larger one.
    let (p, q) = if p.less_than(&q) { (q, p) } else { (p, q) };
    let (_, exponent_p) = arithmetic.divide(private_exponent, &p.minus(1)?)?;
    let (_, exponent_q) = arithmetic.divide(private_exponent, &q.minus(1)?)?;
    // p is prime, so q^(p−2) is the inverse (Fermat); a p that isn't prime is found by the key's check.
    let inverse = arithmetic.power(&q, &p.minus(2)?, &p)?;
    Ok([p, q, exponent_p, exponent_q, inverse])
}

fn find_factor(arithmetic: &Arithmetic, n: &Bignum, e: &Bignum, d: &Bignum) -> Result<Option<Bignum>> {
    const BASES: [u64; 25] =
        [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97];
    let multiple = arithmetic.product(e, d)?.minus(1)?;
    let halvings = multiple.low_zero_bits();
    let odd_part = multiple.shifted_right(halvings)?;
    let minus_one = n.minus(1)?;
    for base in BASES {
        let mut root = arithmetic.power(&Bignum::from_word(base)?, &odd_part, n)?;
        if root.is_one() || root.equals(&minus_one) {
            continue;
        }
        let mut reached_one = false;
        for _ in 0..halvings {
            let square = arithmetic.product_modulo(&root, &root, n)?;
            if square.is_one() {
                reached_one = true;
                break;
            }
            root = square;
        }
        if !reached_one {
            // base^(ed−1) isn't 1: d doesn't undo e.
            return Ok(None);
        }
        if !root.equals(&minus_one) {
            // A square root of 1 other than ±1 shares exactly one prime with n.
            return arithmetic.common_divisor(&root.minus(1)?, n).map(Some);
        }
    }
    Ok(None)
}

/// Whether 32 bytes decode to a point of the curve (RFC 8032 §5.1.3), which `aws-lc-sys` finds out only in passing
/// when it verifies.
pub fn ed25519_point_is_valid(encoded: &[u8; 32]) -> Result<bool> {
    // Both big-endian; RFC 8032 §5.1.
    const PRIME: [u8; 32] = {
        let mut prime = [0xFF; 32];
        prime[0] = 0x7F;
        prime[31] = 0xED;
        prime
    };
    const D: [u8; 32] = [
        0x52, 0x03, 0x6C, 0xEE, 0x2B, 0x6F, 0xFE, 0x73, 0x8C, 0xC7, 0x40, 0x79, 0x77, 0x79, 0xE8, 0x98, 0x00, 0x70,
        0x0A, 0x4D, 0x41, 0x41, 0xD8, 0xAB, 0x75, 0xEB, 0x4D, 0xCA, 0x13, 0x59, 0x78, 0xA3,
    ];
    let mut y = *encoded;
    y.reverse();
    let x_is_odd = y[0] & 0x80 != 0;
    y[0] &= 0x7F;
    let (p, y) = (Bignum::from_be(&PRIME)?, Bignum::from_be(&y)?);
    if !y.less_than(&p) {
        return Ok(false);
    }
    let arithmetic = Arithmetic::new()?;
    let y_squared = arithmetic.product_modulo(&y, &y, &p)?;
    if y_squared.is_one() {
        // x is 0, which has no odd twin.
        return Ok(!x_is_odd);
    }
    // x² = u/v with u = y²−1 and v = dy²+1, and u/v is a square where uv is one (Euler's criterion). Here v = −w with
    // w = −d·y² − 1, so that nothing needs an addition; −1 is a square modulo p and changes nothing.
    let minus_d = Bignum::from_be(&negated(&PRIME, &D))?;
    let minus_d_y_squared = arithmetic.product_modulo(&minus_d, &y_squared, &p)?;
    let u = if y_squared.bits() == 0 { p.minus(1)? } else { y_squared.minus(1)? };
    let w = if minus_d_y_squared.bits() == 0 { p.minus(1)? } else { minus_d_y_squared.minus(1)? };
    let product = arithmetic.product_modulo(&u, &w, &p)?;
    let power = arithmetic.power(&product, &p.minus(1)?.shifted_right(1)?, &p)?;
    Ok(power.is_one())
}

/// `modulus - number`, big-endian.
fn negated(modulus: &[u8; 32], number: &[u8; 32]) -> [u8; 32] {
    let mut difference = [0; 32];
    let mut borrow = false;
    for at in (0..32).rev() {
        let (byte, below) = modulus[at].overflowing_sub(number[at]);
        let (byte, further) = byte.overflowing_sub(u8::from(borrow));
        difference[at] = byte;
        borrow = below || further;
    }
    difference
}
