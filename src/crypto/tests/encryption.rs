//! RSA encryption, and what an attacker learns from wrong ciphertexts: nothing.

use super::*;
use crate::crypto::{CryptoError, EncryptScheme, PublicKey, Result, SignScheme};

macro_rules! key_file {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/data/keys/", $name)).as_slice()
    };
}

fn encrypt(key: &PublicKey, scheme: EncryptScheme<'_>, message: &[u8]) -> Result<Vec<u8>> {
    let mut out = [0xDD; PublicKey::MAX_RSA_LEN];
    key.encrypt(&scheme, message, &mut out).map(|len| out[..len].to_vec())
}

fn decrypt(key: &PrivateKey, scheme: EncryptScheme<'_>, ciphertext: &[u8]) -> Result<Vec<u8>> {
    let mut out = vec![0xDD; scheme.decrypted_len(key.algorithm())];
    key.decrypt(&scheme, ciphertext, &mut out).map(|len| out[..len].to_vec())
}

fn oaep(digest: DigestAlgorithm, mgf: DigestAlgorithm, label: &[u8]) -> EncryptScheme<'_> {
    EncryptScheme::RsaOaep { digest, mgf, label }
}

/// The ciphertext of a block that is padded anyhow.
fn of_block(key: &PrivateKey, block: &[u8]) -> Vec<u8> {
    encrypt(key.public_key(), EncryptScheme::RsaRaw, block).expect("a number below the modulus")
}

fn key_2048() -> PrivateKey {
    PrivateKey::from_pkcs8(key_file!("rsa-2048.pk8")).expect("a sound key")
}

#[test]
fn messages_of_every_length_come_back() {
    let key = &rsa_2048().0;
    let message: Vec<u8> = (0..=255).collect();
    for len in [0, 1, 2, 100, 244, 245] {
        let ciphertext = encrypt(key.public_key(), EncryptScheme::RsaPkcs1, &message[..len]).expect("encrypted");
        assert_eq!(ciphertext.len(), 256);
        assert_eq!(decrypt(key, EncryptScheme::RsaPkcs1, &ciphertext).as_deref(), Ok(&message[..len]));
    }
    let again = || encrypt(key.public_key(), EncryptScheme::RsaPkcs1, b"x");
    assert_ne!(again(), again());
    for digest in DigestAlgorithm::ALL {
        for mgf in [digest, DigestAlgorithm::Sha1, DigestAlgorithm::Sha512_224, DigestAlgorithm::Sha3_512] {
            let scheme = oaep(digest, mgf, b"label");
            let most = scheme.decrypted_len(key.algorithm());
            assert_eq!(most, 256 - 2 - 2 * digest.len());
            for len in [0, 1, most] {
                let ciphertext = encrypt(key.public_key(), scheme, &message[..len]).expect("encrypted");
                assert_eq!(decrypt(key, scheme, &ciphertext).as_deref(), Ok(&message[..len]), "{scheme:?}");
            }
            assert_eq!(encrypt(key.public_key(), scheme, &message[..=most]), Err(CryptoError::InputLength));
        }
    }
    let too_long = encrypt(key.public_key(), EncryptScheme::RsaPkcs1, &message[..246]);
    assert_eq!(too_long, Err(CryptoError::InputLength));
}

/// Encrypted by OpenSSL.
#[test]
fn openssl_encrypts_for_us_by_oaep() {
    let ciphertext = hex("
        a8560fabf303846bf2354183b85a14a10f2490b3d287c00f3c201ff8bbf0ed7976e3859ebea1da01adc646216df3cabe
        29b98b619ee96d1410285cd0943547296bbcbdbd07129a3f6e5e52548e7c7511eec9d2e9cc2c9264a5afb0918f896903
        8525b9fb89e5c1df5be5ff5559b838a557065f7a6684323ab09f75e2f17732eac8c2bbcf0854b4d2cb8c6e51ea0a3fcc
        826c5fcda3b56b5d002e3da88026d53c8e891a1762e8dfcbe4634a69fee88e982da7d85d5f2794b8fe0296ce07575480
        e65d49636fdb8bdb2b29b81565c7dd67eff901025c08b0c3aafdea89d6458b7c59bd0dc461be9f6027eba2d2d617e21a
        664f62819f49c3f8de3dcd803cf44d69
    ");
    let scheme = oaep(DigestAlgorithm::Sha384, DigestAlgorithm::Sha1, b"label");
    assert_eq!(decrypt(&key_2048(), scheme, &ciphertext).as_deref(), Ok(&b"strongroom"[..]));
}

#[test]
fn oaep_fails_in_one_way() {
    let key = &rsa_2048().0;
    let (sha1, sha256) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha256);
    let scheme = oaep(sha256, sha256, b"label");
    let ciphertext = encrypt(key.public_key(), scheme, b"message").expect("encrypted");
    for other in [oaep(sha256, sha256, b"Label"), oaep(sha256, sha256, b""), oaep(sha256, sha1, b"label")] {
        assert_eq!(decrypt(key, other, &ciphertext), Err(CryptoError::CiphertextInvalid));
    }
    assert_eq!(decrypt(key, oaep(sha1, sha256, b"label"), &ciphertext), Err(CryptoError::CiphertextInvalid));
    let mut bent = ciphertext.clone();
    bent[200] ^= 1;
    let one = [vec![0; 255], vec![1]].concat();
    for wrong in [bent, vec![0; 256], one, vec![0xFF; 256]] {
        assert_eq!(decrypt(key, scheme, &wrong), Err(CryptoError::CiphertextInvalid));
    }
    for wrong in [&ciphertext[1..], &[&[0], &ciphertext[..]].concat(), &[]] {
        assert_eq!(decrypt(key, scheme, wrong), Err(CryptoError::InputLength));
    }
}

#[test]
fn a_hash_too_long_for_the_key_or_without_a_name_is_refused() {
    let short = PublicKey::from_spki(key_file!("rsa-1024.spki")).expect("a sound key");
    let scheme = oaep(DigestAlgorithm::Sha512, DigestAlgorithm::Sha512, b"");
    assert_eq!(scheme.decrypted_len(short.algorithm()), 0);
    assert_eq!(encrypt(&short, scheme, b""), Err(CryptoError::ParametersInvalid));
    let (nameless, sha256) = (DigestAlgorithm::Sha512T(100), DigestAlgorithm::Sha256);
    for scheme in [oaep(nameless, sha256, b""), oaep(sha256, nameless, b"")] {
        let key = &rsa_2048().0;
        assert_eq!(encrypt(key.public_key(), scheme, b"x"), Err(CryptoError::ParametersInvalid));
        assert_eq!(decrypt(key, scheme, &[1; 256]), Err(CryptoError::ParametersInvalid));
    }
}

/// What OpenSSL 4.0 decrypts these to, for it follows the same draft. The ciphertexts are one byte over and over.
#[test]
fn wrong_padding_gives_the_message_that_other_implementations_give() {
    let key = key_2048();
    for (byte, message) in [(0x1E, "8859d8b2f0eee6be0b80274a"), (0x24, "cbec8e5d9cca6c28d17871b7079291544ee2")] {
        let mut ciphertext = [byte; 256];
        ciphertext[0] = 0;
        assert_eq!(decrypt(&key, EncryptScheme::RsaPkcs1, &ciphertext), Ok(hex(message)));
    }
    let key = PrivateKey::from_pkcs8(key_file!("rsa-2049.pk8")).expect("a sound key");
    for (byte, message) in [(4, "d10127818d"), (13, ""), (23, "1f00f2919eccd4")] {
        let mut ciphertext = [byte; 257];
        ciphertext[0] = 0;
        assert_eq!(decrypt(&key, EncryptScheme::RsaPkcs1, &ciphertext), Ok(hex(message)));
    }
}

#[test]
fn every_way_to_pad_wrongly_is_answered_alike() {
    let key = &rsa_2048().0;
    let mut good = [0x5A; 256];
    (good[0], good[1], good[245]) = (0, 2, 0);
    assert_eq!(decrypt(key, EncryptScheme::RsaPkcs1, &of_block(key, &good)), Ok(vec![0x5A; 10]));
    let mut shortest_padding = good;
    shortest_padding[10] = 0;
    let decrypted = decrypt(key, EncryptScheme::RsaPkcs1, &of_block(key, &shortest_padding)).expect("245 bytes");
    assert_eq!(decrypted, good[11..]);

    let changes: [fn(&mut [u8; 256]); 6] = [
        |block| block[0] = 1,
        |block| block[1] = 1,
        |block| block[1] = 0,
        |block| block[9] = 0,
        |block| block[2] = 0,
        |block| block[245] = 0x5A,
    ];
    let mut answers = Vec::new();
    for change in changes {
        let mut block = good;
        change(&mut block);
        let ciphertext = of_block(key, &block);
        let answer = decrypt(key, EncryptScheme::RsaPkcs1, &ciphertext).expect("some message");
        assert!(answer.len() <= 245);
        assert_eq!(decrypt(key, EncryptScheme::RsaPkcs1, &ciphertext).as_ref(), Ok(&answer), "always the same");
        assert!(answer.len() < 8 || !block.windows(8).any(|window| window == &answer[..8]), "nothing of the block");
        answers.push(answer);
    }
    answers.dedup();
    assert_eq!(answers.len(), changes.len(), "another for each ciphertext");
    for own_power in [vec![0; 256], [vec![0; 255], vec![1]].concat()] {
        assert!(decrypt(key, EncryptScheme::RsaPkcs1, &own_power).is_ok());
    }
}

#[test]
fn another_key_answers_otherwise() {
    let (one, other) = (key_2048(), &rsa_2048().0);
    let ciphertext = [1; 256];
    let answers = [&one, other].map(|key| decrypt(key, EncryptScheme::RsaPkcs1, &ciphertext).expect("some message"));
    assert_ne!(answers[0], answers[1]);
}

#[test]
fn rejected_lengths_are_spread_over_all_that_are_possible() {
    let key = key_2048();
    let lengths = (0_u8..100).map(|byte| {
        let mut ciphertext = [byte; 256];
        ciphertext[0] = 0;
        decrypt(&key, EncryptScheme::RsaPkcs1, &ciphertext).expect("some message").len()
    });
    let (short, long): (Vec<_>, Vec<_>) = lengths.partition(|&len| len < 123);
    assert!(short.len() > 25 && long.len() > 25);
    assert!(long.iter().all(|&len| len <= 245));
}

#[test]
fn the_bare_operation_takes_every_number_below_the_modulus() {
    let key = &rsa_2048().0;
    let modulus = key.public_key().value().to_vec();
    let mut greatest = modulus.clone();
    greatest[255] -= 1;
    let short = [vec![0; 253], b"abc".to_vec()].concat();
    for (input, number) in [(&b"abc"[..], &short), (&greatest, &greatest), (&[], &vec![0; 256])] {
        let ciphertext = encrypt(key.public_key(), EncryptScheme::RsaRaw, input).expect("encrypted");
        assert_eq!(decrypt(key, EncryptScheme::RsaRaw, &ciphertext).as_ref(), Ok(number));
    }
    for too_large in [&modulus[..], &[0xFF; 256], &[0; 257]] {
        assert_eq!(encrypt(key.public_key(), EncryptScheme::RsaRaw, too_large), Err(CryptoError::InputLength));
    }
    for scheme in [EncryptScheme::RsaRaw, EncryptScheme::RsaPkcs1] {
        assert_eq!(decrypt(key, scheme, &modulus), Err(CryptoError::CiphertextInvalid));
        assert_eq!(decrypt(key, scheme, &[1; 255]), Err(CryptoError::InputLength));
        assert_eq!(decrypt(key, scheme, &[0; 257]), Err(CryptoError::InputLength));
    }
}

#[test]
fn buffers_too_short_and_other_keys_are_refused() {
    let key = &rsa_2048().0;
    let public = key.public_key();
    for scheme in
        [EncryptScheme::RsaPkcs1, EncryptScheme::RsaRaw, oaep(DigestAlgorithm::Sha1, DigestAlgorithm::Sha1, b"")]
    {
        assert_eq!(public.encrypt(&scheme, b"x", &mut [0; 255]), Err(CryptoError::OutputLength));
        let short = scheme.decrypted_len(key.algorithm()) - 1;
        assert_eq!(key.decrypt(&scheme, &[1; 256], &mut vec![0; short]), Err(CryptoError::OutputLength));
        let (curve, edwards) = (ec(Curve::P256), ed25519());
        for other in [&curve, &edwards] {
            assert_eq!(scheme.decrypted_len(other.algorithm()), 0);
            assert_eq!(decrypt(other, scheme, &[1; 64]), Err(CryptoError::SchemeMismatch));
            assert_eq!(encrypt(other.public_key(), scheme, b"x"), Err(CryptoError::SchemeMismatch));
        }
    }
}

#[test]
fn the_longest_keys_encrypt_and_decrypt() {
    let key = PrivateKey::from_pkcs8(key_file!("rsa-8192.pk8")).expect("a sound key");
    let scheme = oaep(DigestAlgorithm::Sha3_512, DigestAlgorithm::Sha256, b"");
    for scheme in [EncryptScheme::RsaPkcs1, EncryptScheme::RsaRaw, scheme] {
        let message = vec![1; scheme.decrypted_len(key.algorithm())];
        let ciphertext = encrypt(key.public_key(), scheme, &message).expect("encrypted");
        assert_eq!(decrypt(&key, scheme, &ciphertext), Ok(message), "{scheme:?}");
    }
    let short = PublicKey::from_spki(key_file!("rsa-1024.spki")).expect("a sound key");
    assert_eq!(encrypt(&short, EncryptScheme::RsaPkcs1, &[1; 117]).expect("encrypted").len(), 128);
}

#[test]
fn a_signature_gives_back_what_was_signed() {
    let key = &rsa_2048().0;
    let public = key.public_key();
    let raw = [vec![0; 251], b"bytes".to_vec()].concat();
    for (scheme, input, recovered) in [
        (SignScheme::RsaPkcs1, &b"anything"[..], &b"anything"[..]),
        (SignScheme::RsaPkcs1, &[], &[]),
        (SignScheme::RsaRaw, b"bytes", &raw),
    ] {
        let mut signature = [0; 256];
        key.sign(&scheme, input, &mut signature).expect("a signature");
        let mut out = vec![0; recovered.len()];
        assert_eq!(public.recover(&scheme, &signature, &mut out), Ok(recovered.len()));
        assert_eq!(out, recovered);
        if let Some(short) = recovered.len().checked_sub(1) {
            assert_eq!(public.recover(&scheme, &signature, &mut vec![0; short]), Err(CryptoError::OutputLength));
        }
        assert_eq!(public.recover(&scheme, &signature[1..], &mut out), Err(CryptoError::SignatureLength));
        let other = SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256);
        assert_eq!(public.recover(&other, &signature, &mut out), Err(CryptoError::SchemeMismatch));
    }
    let mut out = [0; 256];
    assert_eq!(public.recover(&SignScheme::RsaPkcs1, &[1; 256], &mut out), Err(CryptoError::SignatureInvalid));
    let point = ec(Curve::P256);
    let refused = point.public_key().recover(&SignScheme::RsaRaw, &[1; 64], &mut out);
    assert_eq!(refused, Err(CryptoError::SchemeMismatch));
}

#[test]
fn a_thread_with_a_small_stack_encrypts_and_decrypts() {
    let everything = || {
        let key = PrivateKey::from_pkcs8(key_file!("rsa-8192.pk8")).expect("a sound key");
        let scheme = oaep(DigestAlgorithm::Sha3_512, DigestAlgorithm::Sha512_256, b"label");
        for scheme in [EncryptScheme::RsaPkcs1, EncryptScheme::RsaRaw, scheme] {
            let ciphertext = encrypt(key.public_key(), scheme, b"message").expect("encrypted");
            assert!(decrypt(&key, scheme, &ciphertext).expect("a message").ends_with(b"message"));
        }
        let (one, other) = (ec(Curve::P521), ec(Curve::P521));
        assert_eq!(one.agree(other.public_key().value()), other.agree(one.public_key().value()));
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(everything).expect("a thread");
    thread.join().expect("no panic");
}
