//! AES key wrap (RFC 3394) and its forms for keys of any length: with padding (RFC 5649) and with PKCS#7 padding
//! (PKCS#11 v3.2, `CKM_AES_KEY_WRAP_PKCS7`). Over single blocks, because AWS-LC doesn't tell the initial value that it
//! unwraps, and RFC 5649 keeps the length in there.

use subtle::{Choice, ConstantTimeEq, ConstantTimeGreater};
use zeroize::Zeroizing;

use super::aws_lc_raw::{AesDecrypt, AesEncrypt};
use super::secret::with_room;
use super::{CryptoError, Result, SecretBytes, padding};

/// RFC 3394 §2.2.3.1.
const DEFAULT_IV: [u8; HALF] = [0xA6; HALF];
/// RFC 5649 §3.
const DEFAULT_PREFIX: [u8; 4] = [0xA6, 0x59, 0x59, 0xA6];

/// Half of AES's block, the unit of key wrap.
const HALF: usize = 8;

/// A way to wrap keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyWrapScheme {
    /// RFC 3394: keys of 16 bytes and more, in steps of 8.
    AesKw {
        /// Another initial value than A6 A6 A6 A6 A6 A6 A6 A6.
        iv: Option<[u8; 8]>,
    },
    /// RFC 5649: keys of 1 byte and more.
    AesKwp {
        /// Another constant than A6 59 59 A6 before the length.
        iv: Option<[u8; 4]>,
    },
    /// PKCS#7 padding to whole 8 bytes, then RFC 3394: keys of 8 bytes and more.
    AesKwPkcs7 {
        /// Another initial value than A6 A6 A6 A6 A6 A6 A6 A6.
        iv: Option<[u8; 8]>,
    },
}

/// Wraps `key` under an AES key.
pub(super) fn wrap(aes_key: &[u8], scheme: &KeyWrapScheme, key: &[u8]) -> Result<Vec<u8>> {
    let aes = AesEncrypt::new(aes_key)?;
    match *scheme {
        KeyWrapScheme::AesKw { iv } => {
            if key.len() < 2 * HALF || !key.len().is_multiple_of(HALF) {
                return Err(CryptoError::InputLength);
            }
            wrap_blocks(&aes, iv.unwrap_or(DEFAULT_IV), key)
        }
        KeyWrapScheme::AesKwPkcs7 { iv } => {
            if key.len() < HALF {
                return Err(CryptoError::InputLength);
            }
            let mut padded = padded(key, key.len() + HALF - key.len() % HALF)?;
            padding::add(&mut padded[key.len()..], 0);
            wrap_blocks(&aes, iv.unwrap_or(DEFAULT_IV), &padded)
        }
        KeyWrapScheme::AesKwp { iv } => {
            let len = u32::try_from(key.len()).ok().filter(|&len| len > 0).ok_or(CryptoError::InputLength)?;
            let mut initial = [0; HALF];
            initial[..4].copy_from_slice(&iv.unwrap_or(DEFAULT_PREFIX));
            initial[4..].copy_from_slice(&len.to_be_bytes());
            wrap_blocks(&aes, initial, &padded(key, key.len().next_multiple_of(HALF))?)
        }
    }
}

/// Unwraps a key that was wrapped under an AES key.
pub(super) fn unwrap(aes_key: &[u8], scheme: &KeyWrapScheme, wrapped: &[u8]) -> Result<SecretBytes> {
    let shortest = if matches!(scheme, KeyWrapScheme::AesKwp { .. }) { 2 * HALF } else { 3 * HALF };
    if wrapped.len() < shortest || !wrapped.len().is_multiple_of(HALF) {
        return Err(CryptoError::InputLength);
    }
    let (initial, key) = unwrap_blocks(&AesDecrypt::new(aes_key)?, wrapped)?;
    let len = match *scheme {
        KeyWrapScheme::AesKw { iv } => check(initial.ct_eq(&iv.unwrap_or(DEFAULT_IV))).map(|()| key.len()),
        KeyWrapScheme::AesKwPkcs7 { iv } => check(initial.ct_eq(&iv.unwrap_or(DEFAULT_IV))).and_then(|()| {
            let (front, last) = key.split_at(key.len() - HALF);
            padding::message_len(last).map(|len| front.len() + len)
        }),
        KeyWrapScheme::AesKwp { iv } => unpadded_len(iv.unwrap_or(DEFAULT_PREFIX), initial, &key),
    };
    let len = len.ok_or(CryptoError::CiphertextInvalid)?;
    SecretBytes::try_from_slice(&key[..len])
}

/// RFC 5649 §3: the constant, a length within the last 8 bytes, zeros after it.
fn unpadded_len(prefix: [u8; 4], initial: [u8; HALF], key: &[u8]) -> Option<usize> {
    let [a, b, c, d, length @ ..] = initial;
    let len = u64::from(u32::from_be_bytes(length));
    let most = key.len() as u64;
    let mut valid = [a, b, c, d].ct_eq(&prefix) & !len.ct_gt(&most) & len.ct_gt(&(most - HALF as u64));
    for (at, byte) in (0..).zip(key).skip(key.len() - HALF) {
        let at: u64 = at;
        valid &= len.ct_gt(&at) | byte.ct_eq(&0);
    }
    check(valid).map(|()| len as usize)
}

fn check(valid: Choice) -> Option<()> {
    bool::from(valid).then_some(())
}

/// The key with zeros after it.
fn padded(key: &[u8], len: usize) -> Result<Zeroizing<Vec<u8>>> {
    let mut padded = Zeroizing::new(with_room(len)?);
    padded.extend_from_slice(key);
    padded.resize(len, 0);
    Ok(padded)
}

/// RFC 3394 §2.2.1, index-based; RFC 5649 §4.1 for a single half block. `key` is whole half blocks.
fn wrap_blocks(aes: &AesEncrypt, initial: [u8; HALF], key: &[u8]) -> Result<Vec<u8>> {
    let mut wrapped = with_room(HALF + key.len())?;
    wrapped.extend_from_slice(&initial);
    wrapped.extend_from_slice(key);
    let mut block = Zeroizing::new([0; 2 * HALF]);
    if key.len() == HALF {
        block.copy_from_slice(&wrapped);
        aes.apply(&mut block);
        wrapped.copy_from_slice(&*block);
        return Ok(wrapped);
    }
    block[..HALF].copy_from_slice(&initial);
    let mut step = 0_u64;
    for _ in 0..6 {
        for half in wrapped.chunks_exact_mut(HALF).skip(1) {
            block[HALF..].copy_from_slice(half);
            aes.apply(&mut block);
            step += 1;
            count_in(&mut block, step);
            half.copy_from_slice(&block[HALF..]);
        }
    }
    wrapped[..HALF].copy_from_slice(&block[..HALF]);
    Ok(wrapped)
}

/// RFC 3394 §2.2.2 without its check: the initial value and the key. `wrapped` is at least two half blocks.
fn unwrap_blocks(aes: &AesDecrypt, wrapped: &[u8]) -> Result<([u8; HALF], Zeroizing<Vec<u8>>)> {
    let (first, rest) = wrapped.split_at(HALF);
    let mut key = Zeroizing::new(with_room(rest.len())?);
    key.extend_from_slice(rest);
    let mut block = Zeroizing::new([0; 2 * HALF]);
    block[..HALF].copy_from_slice(first);
    let mut initial = [0; HALF];
    if key.len() == HALF {
        block[HALF..].copy_from_slice(&key);
        aes.apply(&mut block);
        key.copy_from_slice(&block[HALF..]);
    } else {
        let mut step = 6 * (key.len() / HALF) as u64;
        for _ in 0..6 {
            for half in key.chunks_exact_mut(HALF).rev() {
                count_in(&mut block, step);
                step -= 1;
                block[HALF..].copy_from_slice(half);
                aes.apply(&mut block);
                half.copy_from_slice(&block[HALF..]);
            }
        }
    }
    initial.copy_from_slice(&block[..HALF]);
    Ok((initial, key))
}

/// A = A ⊕ t.
fn count_in(block: &mut [u8; 2 * HALF], step: u64) {
    for (byte, count) in block.iter_mut().zip(step.to_be_bytes()) {
        *byte ^= count;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::tests::hex;

    const KW: KeyWrapScheme = KeyWrapScheme::AesKw { iv: None };
    const KWP: KeyWrapScheme = KeyWrapScheme::AesKwp { iv: None };
    const PKCS7: KeyWrapScheme = KeyWrapScheme::AesKwPkcs7 { iv: None };
    const OTHERS: [KeyWrapScheme; 3] = [
        KeyWrapScheme::AesKw { iv: Some([1, 2, 3, 4, 5, 6, 7, 8]) },
        KeyWrapScheme::AesKwp { iv: Some([1, 2, 3, 4]) },
        KeyWrapScheme::AesKwPkcs7 { iv: Some([1, 2, 3, 4, 5, 6, 7, 8]) },
    ];

    fn assert_wraps(aes_key: &[u8], scheme: &KeyWrapScheme, key: &str, wrapped: &str) {
        let (key, wrapped) = (hex(key), hex(wrapped));
        assert_eq!(wrap(aes_key, scheme, &key).as_ref(), Ok(&wrapped));
        assert_eq!(unwrap(aes_key, scheme, &wrapped).expect("the key").expose(), key);
    }

    #[test]
    fn rfc_3394() {
        let kek: Vec<u8> = (0..32).collect();
        let key = "00112233445566778899aabbccddeeff";
        assert_wraps(&kek[..16], &KW, key, "1fa68b0a8112b447aef34bd8fb5a7b829d3e862371d2cfe5");
        assert_wraps(&kek[..24], &KW, key, "96778b25ae6ca435f92b5b97c050aed2468ab8a17ad84e5d");
        assert_wraps(&kek, &KW, key, "64e8c3f9ce0f5ba263e9777905818a2a93c8191e7d6e8ae7");
    }

    #[test]
    fn rfc_5649() {
        let kek = hex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8");
        let wrapped = "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a";
        assert_wraps(&kek, &KWP, "c37b7e6492584340bed12207808941155068f738", wrapped);
        assert_wraps(&kek, &KWP, "466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f");
    }

    #[test]
    fn keys_of_every_length_come_back() {
        for aes_len in [16, 24, 32] {
            let kek = vec![7; aes_len];
            for len in 0..=80_usize {
                let key: Vec<u8> = (0..len as u8).collect();
                for scheme in [KW, KWP, PKCS7].iter().chain(&OTHERS) {
                    let (possible, expected_len) = match scheme {
                        KeyWrapScheme::AesKw { .. } => (len >= 16 && len % 8 == 0, len + 8),
                        KeyWrapScheme::AesKwp { .. } => (len >= 1, len.next_multiple_of(8) + 8),
                        KeyWrapScheme::AesKwPkcs7 { .. } => (len >= 8, len - len % 8 + 16),
                    };
                    let wrapped = wrap(&kek, scheme, &key);
                    if !possible {
                        assert_eq!(wrapped, Err(CryptoError::InputLength), "{scheme:?} {len}");
                        continue;
                    }
                    let wrapped = wrapped.expect("wrapped");
                    assert_eq!(wrapped.len(), expected_len);
                    assert_eq!(unwrap(&kek, scheme, &wrapped).expect("the key").expose(), key);
                }
            }
        }
    }

    #[test]
    fn pkcs7_is_key_wrap_of_the_padded_key() {
        let key = [9; 21];
        let padded = [&key[..], &[3; 3]].concat();
        assert_eq!(wrap(&[1; 16], &PKCS7, &key), wrap(&[1; 16], &KW, &padded));
        let wrongly_padded = [&key[..], &[3, 2, 3]].concat();
        let wrapped = wrap(&[1; 16], &KW, &wrongly_padded).expect("wrapped");
        assert_eq!(unwrap(&[1; 16], &PKCS7, &wrapped), Err(CryptoError::CiphertextInvalid));
    }

    #[test]
    fn a_changed_bit_another_key_or_another_initial_value_is_refused() {
        for (scheme, other) in [KW, KWP, PKCS7].iter().zip(&OTHERS) {
            for key in [&[5; 24][..], &[5; 16]] {
                let wrapped = wrap(&[1; 32], scheme, key).expect("wrapped");
                for bit in 0..8 * wrapped.len() {
                    let mut bent = wrapped.clone();
                    bent[bit / 8] ^= 1 << (bit % 8);
                    assert_eq!(unwrap(&[1; 32], scheme, &bent), Err(CryptoError::CiphertextInvalid), "{scheme:?}");
                }
                assert_eq!(unwrap(&[2; 32], scheme, &wrapped), Err(CryptoError::CiphertextInvalid));
                assert_eq!(unwrap(&[1; 32], other, &wrapped), Err(CryptoError::CiphertextInvalid));
            }
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for len in [0, 8, 15, 17, 23, 25] {
            for scheme in [KW, KWP, PKCS7] {
                assert_eq!(unwrap(&[1; 16], &scheme, &vec![1; len]), Err(CryptoError::InputLength), "{scheme:?} {len}");
            }
        }
        assert_eq!(unwrap(&[1; 16], &KW, &[1; 16]), Err(CryptoError::InputLength));
        assert_eq!(unwrap(&[1; 16], &PKCS7, &[1; 16]), Err(CryptoError::InputLength));
        assert_eq!(unwrap(&[1; 16], &KWP, &[1; 16]), Err(CryptoError::CiphertextInvalid));
    }

    /// RFC 5649 §3: the length must lie in the last 8 bytes and zeros after it.
    #[test]
    fn a_length_or_padding_that_nobody_wraps_is_refused() {
        let kek = AesEncrypt::new(&[1; 16]).expect("an AES key");
        let wrapped = |len: u32, key: &[u8]| {
            let mut initial = [0; HALF];
            initial[..4].copy_from_slice(&DEFAULT_PREFIX);
            initial[4..].copy_from_slice(&len.to_be_bytes());
            wrap_blocks(&kek, initial, key).expect("wrapped")
        };
        let mut key = [0; 16];
        key[..9].fill(0xEE);
        for len in 0..40 {
            let unwrapped = unwrap(&[1; 16], &KWP, &wrapped(len, &key));
            assert_eq!(unwrapped.is_ok(), (9..=16).contains(&len), "{len}");
        }
        assert!(unwrap(&[1; 16], &KWP, &wrapped(u32::MAX, &key)).is_err());
        for len in 0..20 {
            let unwrapped = unwrap(&[1; 16], &KWP, &wrapped(len, &[3, 0, 0, 0, 0, 0, 0, 0]));
            assert_eq!(unwrapped.is_ok(), (1..=8).contains(&len), "{len}");
        }
    }
}
