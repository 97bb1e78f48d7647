//! Claims about the layer as its users see it. Public vectors are in `wycheproof`, other implementations' opinion in
//! `second_opinion`.

mod agreement;
mod ciphers;
mod encryption;
mod keys;
mod second_opinion;
mod signing;
mod wycheproof;

use std::sync::OnceLock;

use super::{Curve, Digest, DigestAlgorithm, KeyAlgorithm, PrivateKey};

/// Bytes from hexadecimal digits.
pub(crate) fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u8> = digits.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).expect("ASCII"), 16).expect("hexadecimal"))
        .collect()
}

fn digest_of(algorithm: DigestAlgorithm, message: &[u8]) -> Vec<u8> {
    let mut digest = Digest::new(algorithm);
    digest.update(message);
    let mut out = [0; DigestAlgorithm::MAX_LEN];
    let len = digest.finish(&mut out).expect("room enough");
    out[..len].to_vec()
}

/// An RSA key of 2048 bits, made once, since making one takes long.
fn rsa_2048() -> &'static (PrivateKey, Vec<u8>) {
    static KEY: OnceLock<(PrivateKey, Vec<u8>)> = OnceLock::new();
    KEY.get_or_init(|| {
        let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Rsa { bits: 2048 }).expect("a key");
        (key, pkcs8.expose().to_vec())
    })
}

fn ec(curve: Curve) -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::Ec(curve)).expect("a key").0
}

fn ed25519() -> PrivateKey {
    PrivateKey::generate(KeyAlgorithm::Ed25519).expect("a key").0
}
