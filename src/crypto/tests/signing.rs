//! Signing and verifying with one's own keys.

use super::*;
use crate::crypto::{CryptoError, PublicKey, Result, SignScheme};

fn sign(key: &PrivateKey, scheme: SignScheme, input: &[u8]) -> Result<Vec<u8>> {
    let mut out = [0; 1024];
    key.sign(&scheme, input, &mut out).map(|len| out[..len].to_vec())
}

fn pss(digest: DigestAlgorithm, mgf: DigestAlgorithm, salt_len: usize) -> SignScheme {
    SignScheme::RsaPss { digest, mgf, salt_len }
}

/// Every RSA scheme with an input that fits it.
fn rsa_schemes() -> Vec<(SignScheme, Vec<u8>)> {
    let mut schemes = vec![
        (SignScheme::RsaPkcs1, b"anything".to_vec()),
        (SignScheme::RsaPkcs1, Vec::new()),
        (SignScheme::RsaPkcs1, vec![7; 256 - 11]),
        (SignScheme::RsaRaw, b"short".to_vec()),
        (SignScheme::RsaRaw, [&[0][..], &[9; 255]].concat()),
    ];
    for digest in DigestAlgorithm::ALL {
        schemes.push((SignScheme::RsaPkcs1Digest(digest), vec![5; digest.len()]));
        for mgf in DigestAlgorithm::ALL {
            let most = 256 - 2 - digest.len();
            for salt_len in [0, 1, 17, digest.len(), most] {
                schemes.push((pss(digest, mgf, salt_len), vec![6; digest.len()]));
            }
        }
    }
    schemes
}

/// The signature verifies, and nothing else does.
fn assert_signs(key: &PrivateKey, scheme: SignScheme, input: &[u8]) {
    let signature = sign(key, scheme, input).unwrap_or_else(|error| panic!("{scheme:?}: {error}"));
    let public = key.public_key();
    assert_eq!(signature.len(), key.algorithm().signature_len(), "{scheme:?}");
    assert_eq!(public.verify(&scheme, input, &signature), Ok(()), "{scheme:?}");

    let mut bent = signature.clone();
    bent[signature.len() / 2] ^= 1;
    assert_eq!(public.verify(&scheme, input, &bent), Err(CryptoError::SignatureInvalid), "{scheme:?}");
    let short = &signature[1..];
    assert_eq!(public.verify(&scheme, input, short), Err(CryptoError::SignatureLength), "{scheme:?}");
    if let Some(last) = input.len().checked_sub(1) {
        let mut other = input.to_vec();
        other[last] ^= 1;
        assert!(public.verify(&scheme, &other, &signature).is_err(), "{scheme:?}");
    }
}

#[test]
fn every_rsa_scheme_signs_and_verifies() {
    for (scheme, input) in rsa_schemes() {
        assert_signs(&rsa_2048().0, scheme, &input);
    }
}

#[test]
fn every_curve_signs_digests_of_any_length() {
    for curve in Curve::ALL {
        let key = ec(curve);
        // Non-zero throughout, and short enough for every curve to see the last bit that assert_signs bends.
        for len in [1, 16, 20, 28, 31, 32] {
            assert_signs(&key, SignScheme::Ecdsa, &vec![0xA5; len]);
        }
        for len in [48, 64, 65, 66, 67, 200] {
            let signature = sign(&key, SignScheme::Ecdsa, &vec![0xA5; len]).expect("a signature");
            assert_eq!(key.public_key().verify(&SignScheme::Ecdsa, &vec![0xA5; len], &signature), Ok(()));
        }
    }
}

#[test]
fn ed25519_signs_messages_of_any_length() {
    let key = ed25519();
    for len in [0, 1, 63, 64, 100_000] {
        assert_signs(&key, SignScheme::Ed25519, &vec![3; len]);
    }
}

#[test]
fn a_longer_digest_counts_as_its_leftmost_bits() {
    for (curve, counted) in [(Curve::P256, 32), (Curve::Secp256k1, 32), (Curve::P384, 48)] {
        let key = ec(curve);
        let long: Vec<u8> = (1..=64).collect();
        let signature = sign(&key, SignScheme::Ecdsa, &long).expect("a signature");
        assert_eq!(key.public_key().verify(&SignScheme::Ecdsa, &long[..counted], &signature), Ok(()));
    }
    // 521 bits: of the last byte only the first bit counts.
    let key = ec(Curve::P521);
    let long = [0xFF; 80];
    let signature = sign(&key, SignScheme::Ecdsa, &long).expect("a signature");
    let mut counted = [0xFF; 66];
    counted[65] = 0x80;
    assert_eq!(key.public_key().verify(&SignScheme::Ecdsa, &counted, &signature), Ok(()));
}

#[test]
fn a_shorter_digest_counts_as_if_zeros_stood_before_it() {
    let key = ec(Curve::P384);
    let signature = sign(&key, SignScheme::Ecdsa, &[0xC3; 20]).expect("a signature");
    let padded = [&[0; 28][..], &[0xC3; 20]].concat();
    assert_eq!(key.public_key().verify(&SignScheme::Ecdsa, &padded, &signature), Ok(()));
}

#[test]
fn a_scheme_of_another_kind_of_key_is_refused() {
    let keys = [&rsa_2048().0, &ec(Curve::P256), &ed25519()];
    let digest = DigestAlgorithm::Sha256;
    let schemes = [
        vec![SignScheme::RsaPkcs1, SignScheme::RsaPkcs1Digest(digest), pss(digest, digest, 32), SignScheme::RsaRaw],
        vec![SignScheme::Ecdsa],
        vec![SignScheme::Ed25519],
    ];
    for (of_key, key) in keys.into_iter().enumerate() {
        for scheme in schemes.iter().enumerate().filter(|(at, _)| *at != of_key).flat_map(|(_, schemes)| schemes) {
            assert_eq!(sign(key, *scheme, &[1; 32]), Err(CryptoError::SchemeMismatch));
            let signature = vec![1; key.algorithm().signature_len()];
            let verified = key.public_key().verify(scheme, &[1; 32], &signature);
            assert_eq!(verified, Err(CryptoError::SchemeMismatch));
        }
    }
}

#[test]
fn impossible_inputs_and_parameters_are_refused() {
    let key = &rsa_2048().0;
    let sha256 = DigestAlgorithm::Sha256;
    for (scheme, input, error) in [
        (SignScheme::RsaPkcs1, vec![1; 246], CryptoError::InputLength),
        (SignScheme::RsaPkcs1Digest(sha256), vec![1; 31], CryptoError::InputLength),
        (SignScheme::RsaPkcs1Digest(sha256), vec![1; 33], CryptoError::InputLength),
        (pss(sha256, sha256, 32), vec![1; 20], CryptoError::InputLength),
        (pss(sha256, sha256, 256 - 2 - 31), vec![1; 32], CryptoError::ParametersInvalid),
        (pss(sha256, sha256, usize::MAX), vec![1; 32], CryptoError::ParametersInvalid),
        (SignScheme::RsaRaw, vec![1; 257], CryptoError::InputLength),
        (SignScheme::RsaRaw, vec![0xFF; 256], CryptoError::InputLength),
    ] {
        assert_eq!(sign(key, scheme, &input), Err(error), "{scheme:?}");
    }
    assert_eq!(sign(&ec(Curve::P256), SignScheme::Ecdsa, &[]), Err(CryptoError::InputLength));
    let short = key.sign(&SignScheme::RsaPkcs1, b"x", &mut [0; 255]);
    assert_eq!(short, Err(CryptoError::OutputLength));
}

#[test]
fn the_bare_rsa_operation_takes_every_number_below_the_modulus() {
    let key = &rsa_2048().0;
    let modulus = key.public_key().value().to_vec();
    assert_eq!(sign(key, SignScheme::RsaRaw, &modulus), Err(CryptoError::InputLength));
    let mut greatest = modulus;
    greatest[255] -= 1;
    let one = [vec![0; 255], vec![1]].concat();
    for own_power in [vec![0; 256], one, greatest.clone()] {
        assert_eq!(sign(key, SignScheme::RsaRaw, &own_power), Ok(own_power.clone()));
        assert_eq!(key.public_key().verify(&SignScheme::RsaRaw, &own_power, &own_power), Ok(()));
    }
    greatest[255] -= 1;
    let signature = sign(key, SignScheme::RsaRaw, &greatest).expect("a signature");
    assert_eq!(key.public_key().verify(&SignScheme::RsaRaw, &greatest, &signature), Ok(()));
}

#[test]
fn pss_with_another_salt_length_or_mask_does_not_verify() {
    let key = &rsa_2048().0;
    let (sha1, sha256) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha256);
    let signature = sign(key, pss(sha256, sha1, 13), &[4; 32]).expect("a signature");
    for other in [pss(sha256, sha1, 12), pss(sha256, sha1, 14), pss(sha256, sha1, 32), pss(sha256, sha256, 13)] {
        assert_eq!(key.public_key().verify(&other, &[4; 32], &signature), Err(CryptoError::SignatureInvalid));
    }
}

#[test]
fn an_rsa_key_whose_length_is_no_whole_byte_signs_everything() {
    // 2049 bits: PSS then encodes in one byte less than the modulus has.
    let key = PrivateKey::from_pkcs8(include_bytes!("../../../tests/data/keys/rsa-2049.pk8")).expect("a key");
    assert_eq!(key.algorithm(), KeyAlgorithm::Rsa { bits: 2049 });
    let sha256 = DigestAlgorithm::Sha256;
    for scheme in [pss(sha256, sha256, 32), pss(sha256, sha256, 256 - 34), SignScheme::RsaPkcs1Digest(sha256)] {
        assert_signs(&key, scheme, &[8; 32]);
    }
    assert_eq!(sign(&key, pss(sha256, sha256, 257 - 34), &[8; 32]), Err(CryptoError::ParametersInvalid));
}

#[test]
fn a_thread_with_a_small_stack_does_everything() {
    rsa_2048();
    let everything = || {
        for bits in [2048, 3072] {
            let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Rsa { bits }).expect("a key");
            let parsed = PrivateKey::from_pkcs8(pkcs8.expose()).expect("the same key");
            assert_signs(&parsed, SignScheme::RsaRaw, b"x");
            assert_signs(&key, pss(DigestAlgorithm::Sha512, DigestAlgorithm::Sha1, 9), &[1; 64]);
        }
        for curve in Curve::ALL {
            assert_signs(&ec(curve), SignScheme::Ecdsa, &[1; 32]);
        }
        assert_signs(&ed25519(), SignScheme::Ed25519, b"message");
        for (scheme, input) in rsa_schemes() {
            assert_signs(&rsa_2048().0, scheme, &input);
        }
        let mut pkcs8 = PrivateKey::parts_from_pkcs8(&rsa_2048().1).expect("parts");
        if let crate::crypto::PrivateParts::Rsa { primes, .. } = &mut pkcs8 {
            *primes = None;
        }
        PrivateKey::pkcs8_from_parts(&pkcs8).expect("the factors again");
        let longest = include_bytes!("../../../tests/data/keys/rsa-8192.pk8");
        let key = PrivateKey::from_pkcs8(longest).expect("a key");
        assert_signs(&key, pss(DigestAlgorithm::Sha256, DigestAlgorithm::Sha256, 32), &[1; 32]);
        assert_signs(&key, SignScheme::RsaRaw, b"x");
    };
    let thread = std::thread::Builder::new().stack_size(128 * 1024).spawn(everything).expect("a thread");
    thread.join().expect("no panic");
}

#[test]
fn threads_sign_with_one_key_at_once() {
    let keys = [(&rsa_2048().0, SignScheme::RsaPkcs1), (&ec(Curve::P256), SignScheme::Ecdsa)];
    for (key, scheme) in keys {
        std::thread::scope(|scope| {
            for thread in 0..4_u8 {
                scope.spawn(move || {
                    for round in 0..50 {
                        assert_signs(key, scheme, &[thread, round, 7]);
                    }
                });
            }
        });
    }
}

#[test]
fn verifying_takes_rsa_keys_of_1024_bits_and_signing_refuses_them() {
    let pkcs8 = include_bytes!("../../../tests/data/keys/rsa-1024.pk8");
    assert!(matches!(PrivateKey::from_pkcs8(pkcs8), Err(CryptoError::KeyUnsupported(_))));

    // Signed by OpenSSL: SHA-256 of "strongroom".
    let public = PublicKey::from_spki(include_bytes!("../../../tests/data/keys/rsa-1024.spki")).expect("a key");
    let signature = include_bytes!("../../../tests/data/keys/rsa-1024.sha256.sig");
    let digest = digest_of(DigestAlgorithm::Sha256, b"strongroom");
    let scheme = SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256);
    assert_eq!(public.verify(&scheme, &digest, signature), Ok(()));
}
