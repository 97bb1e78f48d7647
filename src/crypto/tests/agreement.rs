//! Key agreement, and X25519 keys.

use super::*;
use crate::crypto::{CryptoError, PrivateParts, PublicKey, SecretBytes, SignScheme};

/// RFC 7748 §6.1.
const ALICE: &str = "77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a";
const ALICE_PUBLIC: &str = "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a";
const BOB: &str = "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb";
const BOB_PUBLIC: &str = "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f";
const SHARED: &str = "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742";

fn from_parts(parts: &PrivateParts) -> PrivateKey {
    let pkcs8 = PrivateKey::pkcs8_from_parts(parts).expect("a sound key");
    PrivateKey::from_pkcs8(pkcs8.expose()).expect("the same key")
}

fn x25519(scalar: &str) -> PrivateKey {
    from_parts(&PrivateParts::X25519(SecretBytes::from_slice(&hex(scalar))))
}

#[test]
fn x25519_agrees_as_published() {
    for (own, own_public, peer) in [(ALICE, ALICE_PUBLIC, BOB_PUBLIC), (BOB, BOB_PUBLIC, ALICE_PUBLIC)] {
        let key = x25519(own);
        assert_eq!(key.algorithm(), KeyAlgorithm::X25519);
        assert_eq!(key.public_key().value(), hex(own_public));
        assert_eq!(key.agree(&hex(peer)).expect("a secret").expose(), hex(SHARED));
        assert_eq!(KeyAlgorithm::X25519.agreement_len(), 32);
    }
}

/// The second test vector of RFC 7748 §5.2, whose coordinate has its unused bit set.
#[test]
fn x25519_ignores_the_unused_bit() {
    let key = x25519("4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e7918ba0d");
    let coordinate = hex("e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c715a413");
    let mut with_bit = coordinate.clone();
    with_bit[31] |= 0x80;
    let secret = key.agree(&coordinate).expect("a secret");
    assert_eq!(key.agree(&with_bit), Ok(secret.clone()));
    assert_eq!(secret.expose()[..8], hex("95cbde9476e8907d"));
}

#[test]
fn x25519_keys_come_back_from_their_encodings() {
    let key = x25519(ALICE);
    let pkcs8 = [hex("302e020100300506032b656e04220420"), hex(ALICE)].concat();
    let spki = [hex("302a300506032b656e032100"), hex(ALICE_PUBLIC)].concat();
    assert_eq!(key.public_key().spki(), spki);
    assert_eq!(PublicKey::from_spki(&spki).as_ref(), Ok(key.public_key()));
    let parts = PrivateKey::parts_from_pkcs8(&pkcs8).expect("parts");
    assert_eq!(PrivateKey::pkcs8_from_parts(&parts).expect("PKCS#8").expose(), pkcs8);

    let (made, pkcs8) = PrivateKey::generate(KeyAlgorithm::X25519).expect("a key");
    let back = PrivateKey::from_pkcs8(pkcs8.expose()).expect("the same key");
    assert_eq!(back.public_key(), made.public_key());
    assert_eq!(made.agree(key.public_key().value()), key.agree(made.public_key().value()));
    for len in [0, 31, 33] {
        assert!(matches!(PublicKey::from_x25519(&vec![9; len]), Err(CryptoError::KeyInvalid(_))));
        let parts = PrivateParts::X25519(SecretBytes::from_slice(&vec![9; len]));
        assert!(matches!(PrivateKey::pkcs8_from_parts(&parts), Err(CryptoError::KeyInvalid(_))));
    }
}

/// RFC 7748 §6.1: all-zero secrets come from points of small order.
#[test]
fn x25519_keys_of_small_order_are_refused() {
    let key = x25519(ALICE);
    let mut one = [0; 32];
    one[0] = 1;
    let mut prime = [0xFF; 32];
    (prime[0], prime[31]) = (0xED, 0x7F);
    let order_8 = hex("e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800");
    for peer in [&[0; 32][..], &one, &prime, &order_8, &[9; 31], &[9; 33], &[]] {
        assert!(matches!(key.agree(peer), Err(CryptoError::KeyInvalid(_))), "{peer:?}");
    }
}

#[test]
fn an_x25519_key_does_not_sign() {
    let key = x25519(ALICE);
    assert_eq!(key.algorithm().signature_len(), 0);
    let schemes = [SignScheme::Ed25519, SignScheme::Ecdsa, SignScheme::RsaRaw];
    for scheme in schemes {
        assert_eq!(key.sign(&scheme, &[1; 32], &mut [0; 64]), Err(CryptoError::SchemeMismatch));
        assert_eq!(key.public_key().verify(&scheme, &[1; 32], &[1; 64]), Err(CryptoError::SchemeMismatch));
    }
}

/// The secrets with the public key of the scalar 5 are OpenSSL's.
#[test]
fn every_curve_agrees_as_openssl_does() {
    macro_rules! key_file {
        ($name:literal) => {
            include_bytes!(concat!("../../../tests/data/keys/", $name)).as_slice()
        };
    }
    for (curve, pkcs8, secret) in [
        (Curve::P256, key_file!("ec-p256.pk8"), "32548d92f26d00051c257daaf4454136e575bee8360a56a21e1850d94620e71e"),
        (
            Curve::P384,
            key_file!("ec-p384.pk8"),
            "c8d14fe9035c49624cdaa77620dfb92056cbfcd2724e32c5598952a3f4114d7f6a13b6f0dad525e62675ac17843642f3",
        ),
        (
            Curve::P521,
            key_file!("ec-p521.pk8"),
            "01ffb18ea76188e6cb71799c7f6fdbd7d3f7ca1bc88e07466d07fc56a3a26007f87f720bf4f978fed3ac4cb8479ea184
             31efeb405a286c13af3b7d5b5ab74b6ebd22",
        ),
        (
            Curve::Secp256k1,
            key_file!("ec-secp256k1.pk8"),
            "86124e331fe2f1fd64695bdb4006b7fdfcbe47559990c713be78645d0e5be7a5",
        ),
    ] {
        let key = PrivateKey::from_pkcs8(pkcs8).expect("a sound key");
        let peer = from_parts(&PrivateParts::Ec(curve, SecretBytes::from_slice(&[5])));
        let agreed = key.agree(peer.public_key().value()).expect("a secret");
        assert_eq!(agreed.expose(), hex(secret), "{curve:?}");
        assert_eq!(agreed.len(), key.algorithm().agreement_len());
        assert_eq!(peer.agree(key.public_key().value()), Ok(agreed));
    }
}

#[test]
fn what_is_no_point_of_the_curve_is_refused() {
    let key = ec(Curve::P256);
    let mut off_curve = key.public_key().value().to_vec();
    off_curve[64] ^= 1;
    let compressed = [&[2], &key.public_key().value()[1..33]].concat();
    let of_another = ec(Curve::Secp256k1).public_key().value().to_vec();
    for peer in [&off_curve[..], &compressed, &of_another, &[0], &[], &key.public_key().value()[1..]] {
        assert!(matches!(key.agree(peer), Err(CryptoError::KeyInvalid(_))));
    }
}

#[test]
fn keys_that_sign_only_do_not_agree() {
    for key in [&rsa_2048().0, &ed25519()] {
        assert_eq!(key.algorithm().agreement_len(), 0);
        assert_eq!(key.agree(&[9; 32]), Err(CryptoError::SchemeMismatch));
    }
}
