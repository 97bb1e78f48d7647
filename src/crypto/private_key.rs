//! Private keys of asymmetric algorithms.

use std::fmt;

use zeroize::Zeroizing;

use super::aws_lc_raw::{EcKey, Ed25519Key, EvpKey, EvpKind, RsaComponent, RsaFactors, RsaKey, X25519Key};
use super::rsa_encryption::{self, RejectionKey};
use super::{CryptoError, Curve, EncryptScheme, KeyAlgorithm, PublicKey, Result, SecretBytes, SignScheme, rsa_scheme};
use crate::sys::fork::Section;

/// RSA keys outside of this are refused for private use: shorter ones are weak, longer ones take seconds.
pub const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// 65537.
const DEFAULT_PUBLIC_EXPONENT: [u8; 3] = [1, 0, 1];

/// The last byte of Ed25519's object identifier, 1.3.101.112 (RFC 8410 §3).
const ED25519_OID_END: u8 = 112;
/// The last byte of X25519's object identifier, 1.3.101.110.
const X25519_OID_END: u8 = 110;

/// A parsed and checked private key. Usable from many threads at once; wiped when dropped, for AWS-LC overwrites what
/// it frees.
pub struct PrivateKey {
    key: Key,
    public: PublicKey,
}

enum Key {
    Rsa(RsaKey, RejectionKey),
    Ec(EcKey),
    Ed25519(Ed25519Key),
    X25519(X25519Key),
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
    /// The scalar of an X25519 key, as RFC 7748 §5 encodes it.
    X25519(SecretBytes),
}

impl PrivateKey {
    /// Parses PKCS#8 (RFC 5958; RFC 8410 for Ed25519 and X25519) and checks the key.
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
            KeyAlgorithm::X25519 => Self::with_pkcs8(Key::X25519(X25519Key::generate())),
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
        Self::with_pkcs8(Key::rsa(RsaKey::generate(bits, public_exponent)?)?)
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
                Key::rsa(RsaKey::private(modulus, public_exponent, private_exponent.expose(), &factors)?)?
            }
            PrivateParts::Ec(curve, scalar) => Key::Ec(EcKey::from_scalar(*curve, scalar.expose())?),
            PrivateParts::Ed25519(seed) => Key::Ed25519(Ed25519Key::from_seed(bytes_32(seed)?)),
            PrivateParts::X25519(scalar) => Key::X25519(X25519Key::from_private(bytes_32(scalar)?)),
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
            (Key::Rsa(key, _), _) => rsa_scheme::sign(key, scheme, input, out),
            (Key::Ec(_), SignScheme::Ecdsa) if input.is_empty() => Err(CryptoError::InputLength),
            (Key::Ec(key), SignScheme::Ecdsa) => key.sign(input, out).map(|()| len),
            (Key::Ed25519(key), SignScheme::Ed25519) => {
                let out = out.try_into().map_err(|_| CryptoError::OutputLength)?;
                key.sign(input, out).map(|()| len)
            }
            _ => Err(CryptoError::SchemeMismatch),
        }
    }

    /// Decrypts `input` into `out`, which has at least [`EncryptScheme::decrypted_len`] bytes; returns the length.
    ///
    /// A ciphertext of PKCS#1 v1.5 with wrong padding decrypts to a message that looks random, always the same one for
    /// the same key and ciphertext, so that nobody learns of the padding (draft-irtf-cfrg-rsa-guidance).
    pub fn decrypt(&self, scheme: &EncryptScheme<'_>, input: &[u8], out: &mut [u8]) -> Result<usize> {
        let Key::Rsa(key, rejection) = &self.key else { return Err(CryptoError::SchemeMismatch) };
        let out = out.get_mut(..scheme.decrypted_len(self.algorithm())).ok_or(CryptoError::OutputLength)?;
        let _section = Section::enter();
        rsa_encryption::decrypt(key, rejection, scheme, input, out)
    }

    /// The secret that this key and a public key of the same kind agree on: the x coordinate of EC's point (SP 800-56A
    /// §5.7.1.2), X25519's result (RFC 7748 §6.1). The public key is an uncompressed point, or X25519's 32 bytes.
    pub fn agree(&self, peer: &[u8]) -> Result<SecretBytes> {
        let _section = Section::enter();
        match &self.key {
            Key::Ec(key) => key.agree(&EcKey::from_point(key.curve(), peer)?),
            Key::X25519(key) => {
                key.agree(peer.try_into().map_err(|_| CryptoError::KeyInvalid("an X25519 public key has 32 bytes"))?)
            }
            Key::Rsa(..) | Key::Ed25519(_) => Err(CryptoError::SchemeMismatch),
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
            EvpKind::Rsa(key) if key.is_complete() => Self::rsa(key)?,
            EvpKind::Rsa(_) => return Err(CryptoError::KeyInvalid("the RSA key lacks its primes or exponents")),
            EvpKind::Ec(key) => Self::Ec(key),
            EvpKind::Ed25519 => Self::Ed25519(Ed25519Key::from_seed(&*evp.raw_private()?)),
            EvpKind::X25519 => Self::X25519(X25519Key::from_private(&*evp.raw_private()?)),
        })
    }

    /// Refuses sizes that aren't for private use.
    fn rsa(key: RsaKey) -> Result<Self> {
        if !RSA_BITS.contains(&key.bits()) {
            return Err(CryptoError::KeyUnsupported("private RSA keys have 2048 to 8192 bits"));
        }
        let rejection = RejectionKey::new(&key)?;
        Ok(Self::Rsa(key, rejection))
    }

    fn to_pkcs8(&self) -> Result<SecretBytes> {
        match self {
            Self::Rsa(key, _) => EvpKey::from_rsa(key)?.to_pkcs8(),
            Self::Ec(key) => EvpKey::from_ec(key)?.to_pkcs8(),
            Self::Ed25519(key) => Ok(curve25519_pkcs8(ED25519_OID_END, key.seed())),
            Self::X25519(key) => Ok(curve25519_pkcs8(X25519_OID_END, key.private())),
        }
    }

    fn public_key(&self) -> Result<PublicKey> {
        match self {
            Self::Rsa(key, _) => {
                let (modulus, exponent) =
                    (component(key, RsaComponent::Modulus)?, component(key, RsaComponent::PublicExponent)?);
                PublicKey::from_rsa(modulus.expose(), exponent.expose())
            }
            Self::Ec(key) => PublicKey::from_ec_point(key.curve(), &key.point()?),
            Self::Ed25519(key) => PublicKey::from_ed25519(key.public()),
            Self::X25519(key) => PublicKey::from_x25519(key.public()),
        }
    }

    fn parts(&self) -> Result<PrivateParts> {
        Ok(match self {
            Self::Rsa(key, _) => PrivateParts::Rsa {
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
            Self::X25519(key) => PrivateParts::X25519(SecretBytes::from_slice(key.private())),
        })
    }
}

/// PKCS#8, version 1, of a key that is 32 bytes (RFC 8410 §7).
fn curve25519_pkcs8(oid_end: u8, private: &[u8]) -> SecretBytes {
    let mut pkcs8 = Zeroizing::new([0; 48]);
    pkcs8[..16].copy_from_slice(&[
        0x30, 0x2E, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, oid_end, 0x04, 0x22, 0x04, 0x20,
    ]);
    pkcs8[16..].copy_from_slice(private);
    SecretBytes::from_slice(&*pkcs8)
}

fn bytes_32(private: &SecretBytes) -> Result<&[u8; 32]> {
    private.expose().try_into().map_err(|_| CryptoError::KeyInvalid("a private key of 32 bytes"))
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
