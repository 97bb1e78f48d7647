//! Import, export, generation and the checks that a key passes.

use super::*;
use crate::crypto::{CryptoError, PrivateParts, PublicKey, Result, SecretBytes, SignScheme};

macro_rules! key_file {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/data/keys/", $name)).as_slice()
    };
}

/// PKCS#8 and SubjectPublicKeyInfo of keys that OpenSSL made.
const OPENSSL_KEYS: [(KeyAlgorithm, &[u8], &[u8]); 6] = [
    (KeyAlgorithm::Rsa { bits: 2048 }, key_file!("rsa-2048.pk8"), key_file!("rsa-2048.spki")),
    (KeyAlgorithm::Ec(Curve::P256), key_file!("ec-p256.pk8"), key_file!("ec-p256.spki")),
    (KeyAlgorithm::Ec(Curve::P384), key_file!("ec-p384.pk8"), key_file!("ec-p384.spki")),
    (KeyAlgorithm::Ec(Curve::P521), key_file!("ec-p521.pk8"), key_file!("ec-p521.spki")),
    (KeyAlgorithm::Ec(Curve::Secp256k1), key_file!("ec-secp256k1.pk8"), key_file!("ec-secp256k1.spki")),
    (KeyAlgorithm::Ed25519, key_file!("ed25519.pk8"), key_file!("ed25519.spki")),
];

/// RFC 8410 §10.3: one key with its public half and an attribute (version 2), and without.
const RFC8410_V2: &str = "3072 020101 3005 06032b6570 0422 0420
    d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842
    a01f 301d 060a2a864886f70d01090914 310f 0c0d 437572646c6520436861697273
    8121 00 19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1";
const RFC8410_V1: &str = "302e 020100 3005 06032b6570 0422 0420
    d4ee72dbf913584ad5b6d8f1f769f8ad3afe7c28cbf1d4fbe097a88f44755842";

/// The y up to 20 that belong to a point, counted with Python's integers.
const ED25519_POINTS: [u8; 13] = [0, 1, 3, 4, 5, 6, 9, 10, 14, 15, 16, 18, 19];

fn refused(der: &[u8]) -> CryptoError {
    PrivateKey::from_pkcs8(der).expect_err("a bad key")
}

#[test]
fn keys_that_openssl_made_are_read_and_written_alike() {
    for (algorithm, pkcs8, spki) in OPENSSL_KEYS {
        let key = PrivateKey::from_pkcs8(pkcs8).expect("a sound key");
        assert_eq!(key.algorithm(), algorithm);
        assert_eq!(key.public_key().spki(), spki, "{algorithm:?}");
        assert_eq!(&PublicKey::from_spki(spki).expect("a sound key"), key.public_key());
        let parts = PrivateKey::parts_from_pkcs8(pkcs8).expect("parts");
        assert_eq!(PrivateKey::pkcs8_from_parts(&parts).expect("PKCS#8").expose(), pkcs8, "{algorithm:?}");
    }
}

#[test]
fn generated_keys_come_back_from_their_pkcs8() {
    let curves = Curve::ALL.map(KeyAlgorithm::Ec);
    for algorithm in curves.into_iter().chain([KeyAlgorithm::Ed25519, KeyAlgorithm::Rsa { bits: 2304 }]) {
        let (key, pkcs8) = PrivateKey::generate(algorithm).expect("a key");
        assert_eq!(key.algorithm(), algorithm);
        let back = PrivateKey::from_pkcs8(pkcs8.expose()).expect("the same key");
        assert_eq!(back.public_key(), key.public_key());
        assert_ne!(PrivateKey::generate(algorithm).expect("a key").0.public_key(), key.public_key());
    }
}

#[test]
fn rsa_keys_have_the_exponent_that_was_asked_for() {
    for exponent in [&[3][..], &[17], &[0, 1, 0, 1], &[0xFF, 0xFF, 0xFF, 0xFD]] {
        let (key, _) = PrivateKey::generate_rsa(2048, exponent).expect("a key");
        let (modulus, made_with) = key.public_key().rsa().expect("an RSA key");
        assert_eq!(modulus.len(), 256);
        assert_eq!(made_with, exponent.strip_prefix(&[0]).unwrap_or(exponent));
    }
    for exponent in [&[][..], &[0], &[1], &[4], &[1, 0, 0]] {
        assert_eq!(PrivateKey::generate_rsa(2048, exponent).expect_err("no"), CryptoError::ParametersInvalid);
    }
    let too_long = PrivateKey::generate_rsa(2048, &[1, 0, 0, 0, 1]).expect_err("no");
    assert!(matches!(too_long, CryptoError::KeyUnsupported(_)));
}

#[test]
fn sizes_and_kinds_that_are_not_ours_are_refused() {
    for bits in [0, 512, 1024, 2047, 2049, 8448, u32::MAX] {
        let refused = PrivateKey::generate(KeyAlgorithm::Rsa { bits }).expect_err("no");
        assert!(matches!(refused, CryptoError::KeyUnsupported(_)), "{bits}");
    }
    assert!(matches!(PrivateKey::generate(KeyAlgorithm::Aes { bits: 256 }), Err(CryptoError::KeyUnsupported(_))));
    assert!(matches!(refused(key_file!("rsa-1024.pk8")), CryptoError::KeyUnsupported(_)));
    assert!(matches!(refused(key_file!("ec-p224.pk8")), CryptoError::KeyUnsupported(_)));
    let short = PublicKey::from_spki(key_file!("rsa-512.spki")).expect_err("no");
    assert!(matches!(short, CryptoError::KeyUnsupported(_)));
}

#[test]
fn damaged_encodings_are_refused() {
    for (algorithm, pkcs8, spki) in OPENSSL_KEYS {
        for der in [pkcs8, spki] {
            let trailing = [der, &[0]].concat();
            for bad in [&[][..], &der[..der.len() - 1], &trailing] {
                assert!(PrivateKey::from_pkcs8(bad).is_err(), "{algorithm:?}");
                assert!(PublicKey::from_spki(bad).is_err(), "{algorithm:?}");
            }
        }
        assert!(PrivateKey::from_pkcs8(spki).is_err());
        assert!(PublicKey::from_spki(pkcs8).is_err());
    }
}

#[test]
fn a_key_whose_halves_do_not_match_is_refused() {
    // The last byte of an EC key is its public point's; in an RSA key it is q⁻¹ mod p.
    for (algorithm, pkcs8, _) in &OPENSSL_KEYS[..5] {
        let mut bent = pkcs8.to_vec();
        *bent.last_mut().expect("bytes") ^= 1;
        assert!(matches!(refused(&bent), CryptoError::KeyInvalid(_)), "{algorithm:?}");
    }
    let mut bent = hex(RFC8410_V2);
    *bent.last_mut().expect("bytes") ^= 1;
    assert!(matches!(refused(&bent), CryptoError::KeyInvalid(_)));
}

#[test]
fn ed25519_is_read_in_both_versions_of_pkcs8() {
    let public = hex("19bf44096984cdfe8541bac167dc3b96c85086aa30b6b6cb0c5c38ad703166e1");
    for der in [RFC8410_V1, RFC8410_V2] {
        let key = PrivateKey::from_pkcs8(&hex(der)).expect("a sound key");
        assert_eq!(key.public_key().value(), public);
    }
}

#[test]
fn the_factors_of_an_rsa_key_are_found_from_its_exponents() {
    for pkcs8 in [key_file!("rsa-2048.pk8"), key_file!("rsa-2048-e3.pk8"), key_file!("rsa-2049.pk8")] {
        let mut parts = PrivateKey::parts_from_pkcs8(pkcs8).expect("parts");
        let PrivateParts::Rsa { primes, .. } = &mut parts else { panic!("an RSA key") };
        *primes = None;
        let rebuilt = PrivateKey::pkcs8_from_parts(&parts).expect("the factors");
        assert_eq!(rebuilt.expose(), pkcs8);
    }
}

/// n, e and d of a key.
struct Exponents {
    n: Vec<u8>,
    e: Vec<u8>,
    d: Vec<u8>,
}

/// Imports a sound key after this change, once with its factors and once without.
fn import_changed(change: fn(&mut Exponents)) -> [Result<SecretBytes>; 2] {
    let parts = PrivateKey::parts_from_pkcs8(key_file!("rsa-2048.pk8")).expect("parts");
    let PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } = parts else { panic!("an RSA key") };
    let mut changed = Exponents { n: modulus, e: public_exponent, d: private_exponent.expose().to_vec() };
    change(&mut changed);
    [primes, None].map(|primes| {
        PrivateKey::pkcs8_from_parts(&PrivateParts::Rsa {
            modulus: changed.n.clone(),
            public_exponent: changed.e.clone(),
            private_exponent: SecretBytes::from_slice(&changed.d),
            primes,
        })
    })
}

#[test]
fn numbers_that_do_not_belong_together_are_refused() {
    assert!(import_changed(|_| {}).iter().all(Result::is_ok));
    let changes: [fn(&mut Exponents); 9] = [
        |key| key.d[100] ^= 1,
        |key| key.e = vec![3],
        |key| key.n[100] ^= 1,
        |key| key.n[255] ^= 1,
        |key| key.d.clear(),
        |key| key.e.clear(),
        |key| key.n.clear(),
        |key| key.d.clone_from(&key.n),
        |key| key.e.clone_from(&key.d),
    ];
    for (at, change) in changes.into_iter().enumerate() {
        assert!(import_changed(change).iter().all(Result::is_err), "change {at}");
    }
}

#[test]
fn scalars_outside_of_the_curve_are_refused() {
    for curve in Curve::ALL {
        let len = curve.field_len();
        for scalar in [vec![], vec![0; len], vec![0xFF; len], vec![1; len + 1]] {
            let parts = PrivateParts::Ec(curve, SecretBytes::from_slice(&scalar));
            let refused = PrivateKey::pkcs8_from_parts(&parts).expect_err("no");
            assert!(matches!(refused, CryptoError::KeyInvalid(_)), "{curve:?} {scalar:?}");
        }
        // A leading zero may be missing, as in a PKCS#11 integer.
        let parts = PrivateParts::Ec(curve, SecretBytes::from_slice(&[5]));
        let pkcs8 = PrivateKey::pkcs8_from_parts(&parts).expect("a sound key");
        let PrivateParts::Ec(_, scalar) = PrivateKey::parts_from_pkcs8(pkcs8.expose()).expect("parts") else {
            panic!("an EC key")
        };
        assert_eq!(scalar.expose(), [vec![0; len - 1], vec![5]].concat());
    }
    let parts = PrivateParts::Ed25519(SecretBytes::from_slice(&[1; 31]));
    assert!(PrivateKey::pkcs8_from_parts(&parts).is_err());
}

#[test]
fn points_off_the_curve_are_refused() {
    for curve in Curve::ALL {
        let key = ec(curve);
        let point = key.public_key().value();
        assert!(PublicKey::from_ec_point(curve, point).is_ok());
        let mut bent = point.to_vec();
        *bent.last_mut().expect("bytes") ^= 1;
        let mut other_form = point.to_vec();
        other_form[0] = 6;
        for bad in [&bent[..], &other_form, &point[1..], &[0], &[]] {
            assert!(matches!(PublicKey::from_ec_point(curve, bad), Err(CryptoError::KeyInvalid(_))), "{curve:?}");
        }
    }
}

#[test]
fn a_compressed_point_means_the_same_key() {
    let compressed = PublicKey::from_spki(key_file!("ec-p256-compressed.spki")).expect("a sound key");
    assert_eq!(compressed.spki(), key_file!("ec-p256.spki"));
}

#[test]
fn ed25519_keys_must_be_points() {
    let valid: Vec<u8> = (0..=20)
        .filter(|&y| {
            let mut encoded = [0; 32];
            encoded[0] = y;
            PublicKey::from_ed25519(&encoded).is_ok()
        })
        .collect();
    assert_eq!(valid, ED25519_POINTS);

    // y = 1 has x = 0, whose sign can't be set; y = p is 0 in another encoding.
    let mut negative_zero = [0; 32];
    (negative_zero[0], negative_zero[31]) = (1, 0x80);
    let mut prime = [0xFF; 32];
    (prime[0], prime[31]) = (0xED, 0x7F);
    for bad in [&negative_zero[..], &prime, &[0; 31], &[0; 33]] {
        assert!(matches!(PublicKey::from_ed25519(bad), Err(CryptoError::KeyInvalid(_))));
    }
    for _ in 0..50 {
        assert!(PublicKey::from_ed25519(ed25519().public_key().value()).is_ok());
    }
}

#[test]
fn rsa_public_keys_must_be_odd_and_of_a_known_size() {
    let key = PublicKey::from_spki(key_file!("rsa-2048.spki")).expect("a sound key");
    let (n, e) = key.rsa().expect("an RSA key");
    assert_eq!(PublicKey::from_rsa(&[&[0, 0], n].concat(), e).as_ref(), Ok(&key));
    let mut even = n.to_vec();
    even[255] -= 1;
    let bad: [(&[u8], &[u8]); 8] = [
        (&even, e),
        (n, &[]),
        (n, &[1]),
        (n, &[1, 0, 0]),
        (n, &[1, 0, 0, 0, 0, 0, 1]),
        (&[], e),
        (&n[200..], e),
        (&[0xFF; 2049], e),
    ];
    for (at, (n, e)) in bad.into_iter().enumerate() {
        assert!(PublicKey::from_rsa(n, e).is_err(), "case {at}");
    }
    assert!(PublicKey::from_rsa(&[0xFF; 2048], e).is_ok(), "16384 bits are known");
}

#[test]
fn the_key_id_is_sha1_over_the_public_value() {
    for (_, _, spki) in OPENSSL_KEYS {
        let key = PublicKey::from_spki(spki).expect("a sound key");
        assert_eq!(key.key_id().to_vec(), digest_of(DigestAlgorithm::Sha1, key.value()));
        assert!(spki.windows(key.value().len()).any(|window| window == key.value()));
    }
}

#[test]
fn a_key_does_not_print_its_secrets() {
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key");
    assert_eq!(format!("{key:?} {pkcs8:?}"), "PrivateKey { algorithm: Ed25519, .. } SecretBytes(48 bytes)");
}

#[test]
fn a_key_may_be_dropped_while_its_public_half_lives_on() {
    let key = ec(Curve::P256);
    let mut signature = [0; 64];
    key.sign(&SignScheme::Ecdsa, &[1; 32], &mut signature).expect("a signature");
    let public = key.public_key().clone();
    drop(key);
    assert_eq!(public.verify(&SignScheme::Ecdsa, &[1; 32], &signature), Ok(()));
}
