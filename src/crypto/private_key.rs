//! Private keys of asymmetric algorithms.

use std::fmt;

use zeroize::Zeroizing;

use super::aws_lc_raw::{EcKey, Ed25519Key, EvpKey, EvpKind, RsaComponent, RsaFactors, RsaKey};
use super::{CryptoError, Curve, KeyAlgorithm, PublicKey, Result, SecretBytes, SignScheme, rsa_scheme};
use crate::sys::fork::Section;

/// RSA keys outside of this are refused for private use: shorter ones are weak, longer ones take seconds.
pub const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// 65537.
const DEFAULT_PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// What stands before the seed in a PKCS#8 of Ed25519 (RFC 8410 §7, version 1).
const ED25519_PKCS8_PREFIX: [u8; 16] =
    [0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// A parsed and checked private key. Usable from many threads at once; wiped when dropped, for AWS-LC overwrites what
/// it frees.
pub struct PrivateKey {
    key: Key,
    public: PublicKey,
}

enum Key {
    Rsa(RsaKey),
    Ec(EcKey),
    Ed25519(Ed25519Key),
}

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
    Ec(Curve, SecretBytes),
    /// The seed of an Ed25519 key.
    Ed25519(SecretBytes),
}

impl PrivateKey {
    /// Parses PKCS#8 (RFC 5958; RFC 8410 for Ed25519) and checks the key.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let _section = Section::enter();
        Self::new(Key::from_pkcs8(der)?)
    }

    /// Makes a new key and its PKCS#8.
    pub fn generate(algorithm: KeyAlgorithm) -> Result<(Self, SecretBytes)> {
        if let KeyAlgorithm::Rsa { bits } = algorithm {
            return Self::generate_rsa(bits, &DEFAULT_PUBLIC_EXPONENT);
        }
        let _section = Section::enter();
        match algorithm {
            KeyAlgorithm::Ec(curve) => Self::with_pkcs8(Key::Ec(EcKey::generate(curve)?)),
            KeyAlgorithm::Ed25519 => Self::with_pkcs8(Key::Ed25519(Ed25519Key::generate())),
            _ => Err(CryptoError::KeyUnsupported("no key pair")),
        }
    }

    /// Like [`generate`](Self::generate) for RSA with this public exponent (odd, at least 3).
    pub fn generate_rsa(bits: u32, public_exponent: &[u8]) -> Result<(Self, SecretBytes)> {
        if !RSA_BITS.contains(&bits) || !bits.is_multiple_of(256) {
            return Err(CryptoError::KeyUnsupported("RSA keys have 2048 to 8192 bits, in steps of 256"));
        }
        check_new_exponent(public_exponent)?;
        let _section = Section::enter();
        Self::with_pkcs8(Key::Rsa(RsaKey::generate(bits, public_exponent)?))
    }

    /// PKCS#8 made from separate values, checked.
    pub fn pkcs8_from_parts(parts: &PrivateParts) -> Result<SecretBytes> {
        let _section = Section::enter();
        let key = match parts {
            PrivateParts::Rsa { modulus, public_exponent, private_exponent, primes } => {
                let factors = match primes {
                    Some(primes) => RsaFactors::Known(primes.each_ref().map(SecretBytes::expose)),
                    None => RsaFactors::Unknown,
                };
                check_rsa_lengths(modulus, public_exponent)?;
                Key::Rsa(RsaKey::private(modulus, public_exponent, private_exponent.expose(), &factors)?)
            }
            PrivateParts::Ec(curve, scalar) => Key::Ec(EcKey::from_scalar(*curve, scalar.expose())?),
            PrivateParts::Ed25519(seed) => {
                let seed = seed.expose().try_into();
                Key::Ed25519(Ed25519Key::from_seed(seed.map_err(|_| CryptoError::KeyInvalid("a seed has 32 bytes"))?))
            }
        };
        Self::with_pkcs8(key).map(|(_, pkcs8)| pkcs8)
    }

    /// The separate values in a PKCS#8.
    pub fn parts_from_pkcs8(der: &[u8]) -> Result<PrivateParts> {
        let _section = Section::enter();
        Key::from_pkcs8(der)?.parts()
    }

    fn with_pkcs8(key: Key) -> Result<(Self, SecretBytes)> {
        let pkcs8 = key.to_pkcs8()?;
        Ok((Self::new(key)?, pkcs8))
    }

    fn new(key: Key) -> Result<Self> {
        let public = key.public_key()?;
        Ok(Self { key, public })
    }

    /// Kind and size.
    pub fn algorithm(&self) -> KeyAlgorithm {
        self.public.algorithm()
    }

    /// The public half.
    pub fn public_key(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `input` into `out` and returns the signature's length. Allocates nothing of ours.
    pub fn sign(&self, scheme: &SignScheme, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let len = self.algorithm().signature_len();
        let out = out.get_mut(..len).ok_or(CryptoError::OutputLength)?;
        let _section = Section::enter();
        match (&self.key, scheme) {
            (Key::Rsa(key), _) => rsa_scheme::sign(key, scheme, input, out),
            (Key::Ec(_), SignScheme::Ecdsa) if input.is_empty() => Err(CryptoError::InputLength),
            (Key::Ec(key), SignScheme::Ecdsa) => key.sign(input, out).map(|()| len),
            (Key::Ed25519(key), SignScheme::Ed25519) => {
                let out = out.try_into().map_err(|_| CryptoError::OutputLength)?;
                key.sign(input, out).map(|()| len)
            }
            _ => Err(CryptoError::SchemeMismatch),
        }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey").field("algorithm", &self.algorithm()).finish_non_exhaustive()
    }
}

impl Key {
    fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let evp = EvpKey::from_pkcs8(der)?;
        Ok(match evp.kind()? {
            EvpKind::Rsa(key) if key.is_complete() => Self::Rsa(key),
            EvpKind::Rsa(_) => return Err(CryptoError::KeyInvalid("the RSA key lacks its primes or exponents")),
            EvpKind::Ec(key) => Self::Ec(key),
            EvpKind::Ed25519 => Self::Ed25519(Ed25519Key::from_seed(&*evp.ed25519_seed()?)),
        })
    }

    fn to_pkcs8(&self) -> Result<SecretBytes> {
        match self {
            Self::Rsa(key) => EvpKey::from_rsa(key)?.to_pkcs8(),
            Self::Ec(key) => EvpKey::from_ec(key)?.to_pkcs8(),
            Self::Ed25519(key) => {
                let mut pkcs8 = Zeroizing::new([0; 48]);
                pkcs8[..16].copy_from_slice(&ED25519_PKCS8_PREFIX);
                pkcs8[16..].copy_from_slice(key.seed());
                Ok(SecretBytes::from_slice(&*pkcs8))
            }
        }
    }

    /// Also refuses sizes that aren't for private use.
    fn public_key(&self) -> Result<PublicKey> {
        match self {
            Self::Rsa(key) if !RSA_BITS.contains(&key.bits()) => {
                Err(CryptoError::KeyUnsupported("private RSA keys have 2048 to 8192 bits"))
            }
            Self::Rsa(key) => {
                let (modulus, exponent) =
                    (component(key, RsaComponent::Modulus)?, component(key, RsaComponent::PublicExponent)?);
                PublicKey::from_rsa(modulus.expose(), exponent.expose())
            }
            Self::Ec(key) => PublicKey::from_ec_point(key.curve(), &key.point()?),
            Self::Ed25519(key) => PublicKey::from_ed25519(key.public()),
        }
    }

    fn parts(&self) -> Result<PrivateParts> {
        Ok(match self {
            Self::Rsa(key) => PrivateParts::Rsa {
                modulus: component(key, RsaComponent::Modulus)?.expose().to_vec(),
                public_exponent: component(key, RsaComponent::PublicExponent)?.expose().to_vec(),
                private_exponent: component(key, RsaComponent::PrivateExponent)?,
                primes: Some([
                    component(key, RsaComponent::PrimeP)?,
                    component(key, RsaComponent::PrimeQ)?,
                    component(key, RsaComponent::ExponentP)?,
                    component(key, RsaComponent::ExponentQ)?,
                    component(key, RsaComponent::Coefficient)?,
                ]),
            },
            Self::Ec(key) => PrivateParts::Ec(key.curve(), key.scalar()?),
            Self::Ed25519(key) => PrivateParts::Ed25519(SecretBytes::from_slice(key.seed())),
        })
    }
}

fn component(key: &RsaKey, which: RsaComponent) -> Result<SecretBytes> {
    key.component(which)?.ok_or(CryptoError::KeyInvalid("the RSA key lacks a number"))
}

/// AWS-LC makes keys with exponents of up to 32 bits.
fn check_new_exponent(exponent: &[u8]) -> Result<()> {
    let first = exponent.iter().position(|&byte| byte != 0).unwrap_or(exponent.len());
    match &exponent[first..] {
        [] | [1] => Err(CryptoError::ParametersInvalid),
        [.., last] if last % 2 == 0 => Err(CryptoError::ParametersInvalid),
        digits if digits.len() > 4 => Err(CryptoError::KeyUnsupported("a public exponent over 32 bits")),
        _ => Ok(()),
    }
}

/// Sizes that aren't ours are refused before anything is computed with the numbers.
fn check_rsa_lengths(modulus: &[u8], public_exponent: &[u8]) -> Result<()> {
    let [shortest, longest] = [RSA_BITS.start(), RSA_BITS.end()].map(|bits| (bits / 8) as usize);
    let zeros = modulus.iter().take_while(|&&byte| byte == 0).count();
    if !(shortest..=longest).contains(&(modulus.len() - zeros)) || public_exponent.len() > longest {
        return Err(CryptoError::KeyUnsupported("private RSA keys have 2048 to 8192 bits"));
    }
    Ok(())
}
