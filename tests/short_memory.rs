//! A host whose memory is short gets an answer and isn't aborted, however much input a caller brings.
#![cfg(target_os = "linux")]
#![allow(unsafe_code)]

#[path = "faults/child.rs"]
#[allow(dead_code, reason = "only forking")]
mod child;

use child::fork;
use strongroom::crypto::{CipherScheme, CryptoError, Direction, KeyAlgorithm, KeyWrapScheme, SecretBytes, SecretKey};

/// No more than GCM keeps, but more than the child may have in addition, and than a thread's heap has in reserve.
const INPUT_LEN: usize = 64 << 20;
const ROOM: u64 = 16 << 20;

/// Lets this process have no more than [`ROOM`] in addition to what it has.
fn limit_memory() {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split(' ').next().unwrap().parse().unwrap();
    let most = 4096 * pages + ROOM;
    let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
    // SAFETY: the limit is this child's own.
    assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_AS, &limit) }, 0);
}

fn key() -> SecretKey {
    SecretKey::new(KeyAlgorithm::Aes { bits: 128 }, SecretBytes::from_slice(&[7; 16])).unwrap()
}

/// What `work` answers about a long input in a child whose memory is short.
fn short(work: impl FnOnce(&SecretKey, &[u8]) -> Option<CryptoError>) -> bool {
    let input = vec![1; INPUT_LEN];
    let child = fork(|| {
        limit_memory();
        i32::from(work(&key(), &input) != Some(CryptoError::NoMemory))
    });
    child.code() == 0
}

#[test]
fn decryption_with_gcm_that_keeps_its_input_says_that_memory_is_short() {
    let scheme = CipherScheme::AesGcm { iv: &[0; 12], aad: &[], tag_len: 16 };
    assert!(short(|key, input| key.cipher(&scheme, Direction::Decrypt).unwrap().update(input, &mut []).err()));
}

#[test]
fn key_wrap_says_that_memory_is_short() {
    let schemes =
        [KeyWrapScheme::AesKw { iv: None }, KeyWrapScheme::AesKwp { iv: None }, KeyWrapScheme::AesKwPkcs7 { iv: None }];
    for scheme in schemes {
        assert!(short(|key, input| key.wrap(&scheme, input).err()), "{scheme:?}");
        assert!(short(|key, input| key.unwrap(&scheme, input).err()), "{scheme:?}");
    }
}

#[test]
fn a_copy_of_a_long_secret_says_that_memory_is_short() {
    assert!(short(|_, input| SecretBytes::try_from_slice(input).err()));
}
