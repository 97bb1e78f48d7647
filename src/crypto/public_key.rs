//! Public keys of asymmetric algorithms.

use super::{Curve, KeyAlgorithm, Result, SignScheme};

/// A parsed and checked public key.
#[derive(Clone)]
pub struct PublicKey {}

impl PublicKey {
    /// Parses SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) and checks the key.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        todo!()
    }

    /// From modulus and public exponent, big-endian.
    pub fn from_rsa(modulus: &[u8], public_exponent: &[u8]) -> Result<Self> {
        todo!()
    }

    /// From an uncompressed point (SEC 1 §2.3.3), without any DER around it.
    pub fn from_ec_point(curve: Curve, point: &[u8]) -> Result<Self> {
        todo!()
    }

    /// From the 32 bytes of an Ed25519 public key.
    pub fn from_ed25519(bytes: &[u8]) -> Result<Self> {
        todo!()
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        todo!()
    }

    /// SubjectPublicKeyInfo, DER.
    pub fn spki(&self) -> &[u8] {
        todo!()
    }

    /// Modulus and public exponent of an RSA key, big-endian without leading zeros.
    pub fn rsa(&self) -> Option<(&[u8], &[u8])> {
        todo!()
    }

    /// The bare public value: the uncompressed point of an EC key, the 32 bytes of an Ed25519 key, the modulus of an
    /// RSA key.
    pub fn value(&self) -> &[u8] {
        todo!()
    }

    /// SHA-1 over [`value`](Self::value): the `CKA_ID` that NSS computes too, equal on both halves and the certificate.
    pub fn key_id(&self) -> [u8; 20] {
        todo!()
    }

    /// Checks a signature. Verification also takes RSA keys from 1024 bits on.
    pub fn verify(&self, scheme: &SignScheme, input: &[u8], signature: &[u8]) -> Result<()> {
        todo!()
    }
}
