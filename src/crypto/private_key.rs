//! Private keys of asymmetric algorithms.

use super::{KeyAlgorithm, PublicKey, Result, SecretBytes, SignScheme};

/// A parsed and checked private key. Usable from many threads at once.
pub struct PrivateKey {}

/// The private values of a key, as PKCS#11 names them: for import from, and export to, separate attributes. Integers
/// are big-endian without leading zeros, scalars as long as the field.
pub enum PrivateParts {
    /// RSA. `primes` may be absent on import: the factors are then recovered from `d`.
    Rsa {
        /// Modulus.
        modulus: Vec<u8>,
        /// Public exponent.
        public_exponent: Vec<u8>,
        /// d.
        private_exponent: SecretBytes,
        /// p, q, d mod p−1, d mod q−1, q⁻¹ mod p.
        primes: Option<[SecretBytes; 5]>,
    },
    /// The scalar of an EC key.
    Ec(super::Curve, SecretBytes),
    /// The seed of an Ed25519 key.
    Ed25519(SecretBytes),
}

impl PrivateKey {
    /// Parses PKCS#8 (RFC 5958; RFC 8410 for Ed25519) and checks the key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        todo!()
    }

    /// Makes a new key and its PKCS#8.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<(Self, SecretBytes)> {
        todo!()
    }

    /// Like [`generate`](Self::generate) for RSA with this public exponent (odd, at least 3).
    pub fn generate_rsa(bits: u32, public_exponent: &[u8]) -> Result<(Self, SecretBytes)> {
        todo!()
    }

    /// PKCS#8 made from separate values, checked.
    pub fn pkcs8_from_parts(parts: &PrivateParts) -> Result<SecretBytes> {
        todo!()
    }

    /// The separate values in a PKCS#8.
    pub fn parts_from_pkcs8(der: &[u8]) -> Result<PrivateParts> {
        todo!()
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        todo!()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        todo!()
    }

    /// Signs `input` into `out` and returns the signature's length. Allocates nothing of ours.
    pub fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize> {
        todo!()
    }
}
