//! Public keys of asymmetric algorithms.

use std::fmt;
use std::sync::Arc;

use super::aws_lc_raw::{self, EcKey, EvpKey, EvpKind, RsaComponent, RsaKey};
use super::{
    CryptoError, Curve, Digest, DigestAlgorithm, EncryptScheme, KeyAlgorithm, Result, SignScheme, rsa_encryption,
    rsa_scheme,
};
use crate::sys::fork::Section;

/// RSA keys outside of this aren't verified with. AWS-LC takes no longer ones.
const RSA_BITS: std::ops::RangeInclusive<u32> = 1024..=16384;

/// AWS-LC takes no longer public exponent, so that nobody is made to work by a key that is given to be checked.
const RSA_EXPONENT_BITS: usize = 33;

/// What stands before the key in an Ed25519 SubjectPublicKeyInfo (RFC 8410 §4).
const ED25519_SPKI_PREFIX: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x21, 0x00];
/// The same for X25519.
const X25519_SPKI_PREFIX: [u8; 12] = [0x30, 0x2A, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x6E, 0x03, 0x21, 0x00];

/// A parsed and checked public key. Copying it is cheap.
#[derive(Clone)]
pub struct PublicKey(Arc<Inner>);

struct Inner {
    algorithm: KeyAlgorithm,
    spki: Box<[u8]>,
    key: Key,
}

enum Key {
    Rsa { key: RsaKey, modulus: Box<[u8]>, exponent: Box<[u8]> },
    Ec { key: EcKey, point: Box<[u8]> },
    Ed25519([u8; 32]),
    X25519([u8; 32]),
}

impl PublicKey {
    /// Longest RSA modulus, in bytes.
    pub const MAX_RSA_LEN: usize = (*RSA_BITS.end() / 8) as usize;

    /// Parses SubjectPublicKeyInfo (RFC 5280 §4.1.2.7) and checks the key.
    pub fn from_spki(der: &[u8]) -> Result<Self> {
        let evp = EvpKey::from_spki(der)?;
        match evp.kind()? {
            EvpKind::Rsa(key) => Self::new_rsa(key),
            EvpKind::Ec(key) => Self::from_ec_point(key.curve(), &key.point()?),
            EvpKind::Ed25519 => Self::from_ed25519(&evp.raw_public()?),
            EvpKind::X25519 => Self::from_x25519(&evp.raw_public()?),
        }
    }

    /// From modulus and public exponent, big-endian.
    pub fn from_rsa(modulus: &[u8], public_exponent: &[u8]) -> Result<Self> {
        let longest = (*RSA_BITS.end() / 8) as usize;
        if trimmed(modulus).len() > longest {
            return Err(CryptoError::KeyUnsupported("RSA keys have 1024 to 16384 bits"));
        }
        if bits(public_exponent) > RSA_EXPONENT_BITS {
            return Err(CryptoError::KeyUnsupported("an RSA public exponent over 33 bits"));
        }
        Self::new_rsa(RsaKey::public(modulus, public_exponent)?)
    }

    fn new_rsa(key: RsaKey) -> Result<Self> {
        if !RSA_BITS.contains(&key.bits()) {
            return Err(CryptoError::KeyUnsupported("RSA keys have 1024 to 16384 bits"));
        }
        let number = |which| -> Result<Box<[u8]>> {
            let number = key.component(which)?.ok_or(CryptoError::KeyInvalid("the RSA key lacks a number"))?;
            Ok(number.expose().into())
        };
        let (modulus, exponent) = (number(RsaComponent::Modulus)?, number(RsaComponent::PublicExponent)?);
        let spki = EvpKey::from_rsa(&key)?.to_spki()?;
        let algorithm = KeyAlgorithm::Rsa { bits: key.bits() };
        Ok(Self::new(algorithm, spki, Key::Rsa { key, modulus, exponent }))
    }

    /// From an uncompressed point (SEC 1 §2.3.3), without any DER around it.
    pub fn from_ec_point(curve: Curve, point: &[u8]) -> Result<Self> {
        let key = EcKey::from_point(curve, point)?;
        let spki = EvpKey::from_ec(&key)?.to_spki()?;
        Ok(Self::new(KeyAlgorithm::Ec(curve), spki, Key::Ec { key, point: point.into() }))
    }

    /// From the 32 bytes of an Ed25519 public key.
    pub fn from_ed25519(bytes: &[u8]) -> Result<Self> {
        let key: [u8; 32] =
            bytes.try_into().map_err(|_| CryptoError::KeyInvalid("an Ed25519 public key has 32 bytes"))?;
        if !aws_lc_raw::ed25519_point_is_valid(&key)? {
            return Err(CryptoError::KeyInvalid("not a point of Ed25519"));
        }
        let spki = [&ED25519_SPKI_PREFIX[..], &key].concat();
        Ok(Self::new(KeyAlgorithm::Ed25519, spki, Key::Ed25519(key)))
    }

    /// From the 32 bytes of an X25519 public key. Any 32 bytes are one (RFC 7748 §5); those that agree on nothing are
    /// refused when they are used.
    pub fn from_x25519(bytes: &[u8]) -> Result<Self> {
        let key: [u8; 32] =
            bytes.try_into().map_err(|_| CryptoError::KeyInvalid("an X25519 public key has 32 bytes"))?;
        let spki = [&X25519_SPKI_PREFIX[..], &key].concat();
        Ok(Self::new(KeyAlgorithm::X25519, spki, Key::X25519(key)))
    }

    fn new(algorithm: KeyAlgorithm, spki: Vec<u8>, key: Key) -> Self {
        Self(Arc::new(Inner { algorithm, spki: spki.into(), key }))
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.0.algorithm
    }

    /// SubjectPublicKeyInfo, DER. Points are uncompressed in it, whatever they were parsed from.
    pub fn spki(&self) -> &[u8] {
        &self.0.spki
    }

    /// Modulus and public exponent of an RSA key, big-endian without leading zeros.
    pub fn rsa(&self) -> Option<(&[u8], &[u8])> {
        match &self.0.key {
            Key::Rsa { modulus, exponent, .. } => Some((modulus, exponent)),
            Key::Ec { .. } | Key::Ed25519(_) | Key::X25519(_) => None,
        }
    }

    /// The bare public value: the uncompressed point of an EC key, the 32 bytes of an Ed25519 or X25519 key, the
    /// modulus of an RSA key.
    pub fn value(&self) -> &[u8] {
        match &self.0.key {
            Key::Rsa { modulus, .. } => modulus,
            Key::Ec { point, .. } => point,
            Key::Ed25519(key) | Key::X25519(key) => key,
        }
    }

    /// SHA-1 over [`value`](Self::value): the `CKA_ID` that NSS computes too, equal on both halves and the certificate.
    pub fn key_id(&self) -> [u8; 20] {
        let mut digest = Digest::new(DigestAlgorithm::Sha1);
        digest.update(self.value());
        let mut id = [0; 20];
        digest.finish(&mut id).expect("a SHA-1 digest has 20 bytes");
        id
    }

    /// Checks a signature. Verification also takes RSA keys from 1024 bits on.
    pub fn verify(&self, scheme: &SignScheme, input: &[u8], signature: &[u8]) -> Result<()> {
        match (&self.0.key, scheme) {
            (Key::Rsa { key, .. }, _) => rsa_scheme::verify(key, scheme, input, signature),
            (Key::Ec { .. }, SignScheme::Ecdsa) if input.is_empty() => Err(CryptoError::InputLength),
            (Key::Ec { key, .. }, SignScheme::Ecdsa) => key.verify(input, signature),
            (Key::Ed25519(key), SignScheme::Ed25519) => {
                let signature = signature.try_into().map_err(|_| CryptoError::SignatureLength)?;
                aws_lc_raw::verify_ed25519(key, input, signature)
            }
            _ => Err(CryptoError::SchemeMismatch),
        }
    }

    /// Writes what was signed to the start of `out` and returns its length, for the two schemes whose signatures hold it:
    /// `RsaPkcs1` and `RsaRaw`.
    pub fn recover(&self, scheme: &SignScheme, signature: &[u8], out: &mut [u8]) -> Result<usize> {
        match &self.0.key {
            Key::Rsa { key, .. } => rsa_scheme::recover(key, scheme, signature, out),
            _ => Err(CryptoError::SchemeMismatch),
        }
    }

    /// Encrypts `input` into `out`, which has at least as many bytes as the modulus; returns that length. Takes RSA keys
    /// from 1024 bits on.
    pub fn encrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        match &self.0.key {
            Key::Rsa { key, .. } => {
                let _section = Section::enter();
                rsa_encryption::encrypt(key, scheme, input, out)
            }
            _ => Err(CryptoError::SchemeMismatch),
        }
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({:?})", self.0.algorithm)
    }
}

impl PartialEq for PublicKey {
    fn eq(&self, other: &Self) -> bool {
        self.spki() == other.spki()
    }
}

impl Eq for PublicKey {}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|&&byte| byte == 0).count();
    &number[zeros..]
}

fn bits(number: &[u8]) -> usize {
    let digits = trimmed(number);
    digits.first().map_or(0, |first| digits.len() * 8 - first.leading_zeros() as usize)
}
