//! What other implementations say of our signatures, and we of theirs.

use p256::ecdsa::signature::hazmat::{PrehashSigner, PrehashVerifier};
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey};
use rsa::{Pkcs1v15Sign, Pss};
use sha2::{Sha256, Sha384, Sha512};

use super::wycheproof::fixed;
use super::*;
use crate::crypto::{PublicKey, SignScheme};

fn sign(key: &PrivateKey, scheme: SignScheme, input: &[u8]) -> Vec<u8> {
    let mut signature = vec![0; key.algorithm().signature_len()];
    let len = key.sign(&scheme, input, &mut signature).expect("a signature");
    assert_eq!(len, signature.len());
    signature
}

fn pss(algorithm: DigestAlgorithm, salt_len: usize) -> SignScheme {
    SignScheme::RsaPss { digest: algorithm, mgf: algorithm, salt_len }
}

#[test]
fn rsa_agrees_on_pkcs1_both_ways() {
    let (ours, pkcs8) = rsa_2048();
    let theirs = rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("the same key");
    let digest = digest_of(DigestAlgorithm::Sha256, b"message");
    let bare = [DigestAlgorithm::Sha256.digest_info_prefix().expect("it has one"), &digest].concat();
    for (scheme, input, padding) in [
        (SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256), &digest, Pkcs1v15Sign::new::<Sha256>()),
        (SignScheme::RsaPkcs1, &bare, Pkcs1v15Sign::new_unprefixed()),
    ] {
        let signature = sign(ours, scheme, input);
        theirs.to_public_key().verify(padding.clone(), input, &signature).expect("ours is good");
        assert_eq!(theirs.sign(padding, input).expect("a signature"), signature, "PKCS#1 v1.5 has no random part");
    }
    let with_digest_info = sign(ours, SignScheme::RsaPkcs1, &bare);
    let by_digest = SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256);
    assert_eq!(ours.public_key().verify(&by_digest, &digest, &with_digest_info), Ok(()));
}

#[test]
fn rsa_agrees_on_every_digest_info() {
    let (ours, pkcs8) = rsa_2048();
    let theirs = rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("the same key").to_public_key();
    let paddings = [
        (DigestAlgorithm::Sha224, Pkcs1v15Sign::new::<sha2::Sha224>()),
        (DigestAlgorithm::Sha256, Pkcs1v15Sign::new::<Sha256>()),
        (DigestAlgorithm::Sha384, Pkcs1v15Sign::new::<Sha384>()),
        (DigestAlgorithm::Sha512, Pkcs1v15Sign::new::<Sha512>()),
    ];
    for (algorithm, padding) in paddings {
        let digest = digest_of(algorithm, b"message");
        let signature = sign(ours, SignScheme::RsaPkcs1Digest(algorithm), &digest);
        theirs.verify(padding, &digest, &signature).expect("ours is good");
    }
}

#[test]
fn rsa_agrees_on_pss_with_any_salt_both_ways() {
    let (ours, pkcs8) = rsa_2048();
    let theirs = rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("the same key");
    let digest = digest_of(DigestAlgorithm::Sha384, b"message");
    for salt_len in [0, 1, 47, 48, 206] {
        let padding = Pss::<Sha384>::new_with_salt(salt_len);
        let signature = sign(ours, pss(DigestAlgorithm::Sha384, salt_len), &digest);
        theirs.to_public_key().verify(padding, &digest, &signature).expect("ours is good");

        let signature = theirs.sign(Pss::<Sha384>::new_with_salt(salt_len), &digest).expect("a signature");
        let verified = ours.public_key().verify(&pss(DigestAlgorithm::Sha384, salt_len), &digest, &signature);
        assert_eq!(verified, Ok(()), "salt of {salt_len} bytes");
    }
}

#[test]
fn rsa_of_odd_length_agrees_on_pss() {
    let pkcs8 = include_bytes!("../../../tests/data/keys/rsa-2049.pk8");
    let ours = PrivateKey::from_pkcs8(pkcs8).expect("a sound key");
    let theirs = rsa::PrivateKey::from_pkcs8_der(pkcs8).expect("the same key").to_public_key();
    let digest = digest_of(DigestAlgorithm::Sha256, b"message");
    let signature = sign(&ours, pss(DigestAlgorithm::Sha256, 32), &digest);
    theirs.verify(Pss::<Sha256>::new_with_salt(32), &digest, &signature).expect("ours is good");
}

#[test]
fn p256_agrees_on_digests_of_other_lengths_both_ways() {
    let (ours, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).expect("a key");
    let signer = p256::ecdsa::SigningKey::from_pkcs8_der(pkcs8.expose()).expect("the same key");
    let verifier = p256::ecdsa::VerifyingKey::from_public_key_der(ours.public_key().spki()).expect("the same key");
    // p256 refuses under 16 bytes.
    for len in [16, 20, 28, 32, 33, 48, 64] {
        let digest: Vec<u8> = (0..len).map(|byte| 0xF0 ^ byte).collect();
        let signature = sign(&ours, SignScheme::Ecdsa, &digest);
        let signature = p256::ecdsa::Signature::from_slice(&signature).expect("r and s");
        verifier.verify_prehash(&digest, &signature).unwrap_or_else(|_| panic!("{len} bytes of digest"));

        let signature: p256::ecdsa::Signature = signer.sign_prehash(&digest).expect("a signature");
        assert_eq!(ours.public_key().verify(&SignScheme::Ecdsa, &digest, &signature.to_bytes()), Ok(()), "{len}");
    }
}

#[test]
fn signatures_that_openssl_made_verify() {
    macro_rules! file {
        ($name:expr) => {
            include_bytes!(concat!("../../../tests/data/keys/", $name)).as_slice()
        };
    }
    let message = b"strongroom";
    let (sha1, sha512) = (digest_of(DigestAlgorithm::Sha1, message), digest_of(DigestAlgorithm::Sha512, message));
    for (curve, key, over_sha1, over_sha512) in [
        (Curve::P256, file!("ec-p256.spki"), file!("ec-p256.sha1.sig"), file!("ec-p256.sha512.sig")),
        (Curve::P384, file!("ec-p384.spki"), file!("ec-p384.sha1.sig"), file!("ec-p384.sha512.sig")),
        (Curve::P521, file!("ec-p521.spki"), file!("ec-p521.sha1.sig"), file!("ec-p521.sha512.sig")),
        (
            Curve::Secp256k1,
            file!("ec-secp256k1.spki"),
            file!("ec-secp256k1.sha1.sig"),
            file!("ec-secp256k1.sha512.sig"),
        ),
    ] {
        let key = PublicKey::from_spki(key).expect("a sound key");
        for (digest, signature) in [(&sha1, over_sha1), (&sha512, over_sha512)] {
            let signature = fixed(curve, signature).expect("r and s");
            assert_eq!(key.verify(&SignScheme::Ecdsa, digest, &signature), Ok(()), "{curve:?}");
        }
    }
    let key = PublicKey::from_spki(file!("rsa-2048.spki")).expect("a sound key");
    let scheme = SignScheme::RsaPss { digest: DigestAlgorithm::Sha512, mgf: DigestAlgorithm::Sha1, salt_len: 13 };
    assert_eq!(key.verify(&scheme, &sha512, file!("rsa-2048.pss-sha512-mgf1sha1-13.sig")), Ok(()));
    let key = PublicKey::from_spki(file!("ed25519.spki")).expect("a sound key");
    assert_eq!(key.verify(&SignScheme::Ed25519, message, file!("ed25519.sig")), Ok(()));
}
