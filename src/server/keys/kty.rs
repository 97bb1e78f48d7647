//! `kty`, `crv`, `key_size`, `public_exponent`: kinds of keys in Key Vault's words.
//!
//! The `-HSM` kinds are the same keys: a front end keeps the word that was asked for and gives it back.

use super::error::KeyError;
use super::key_ops::KeyOps;
use crate::config::Manner;
use crate::crypto::{Curve, KeyAlgorithm};

/// A kind that a client may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kty {
    /// `EC`
    Ec,
    /// `EC-HSM`
    EcHsm,
    /// `RSA`
    Rsa,
    /// `RSA-HSM`
    RsaHsm,
    /// `oct`
    Oct,
    /// `oct-HSM`
    OctHsm,
}

/// The kind without the word on where the key is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// Elliptic curves.
    Ec,
    /// RSA.
    Rsa,
    /// A secret key.
    Oct,
}

/// What a client says of a key to be made, beside its `kty`.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wish<'a> {
    /// `key_size`, in bits.
    pub key_size: Option<i64>,
    /// `crv`
    pub crv: Option<&'a str>,
    /// `key_ops`, if it was given.
    pub key_ops: Option<KeyOps>,
}

/// Sizes of RSA keys that are made or imported.
const RSA_SIZES: [u32; 3] = [2048, 3072, 4096];
/// Sizes of `oct` keys.
const OCT_SIZES: [u32; 3] = [128, 192, 256];

impl Kty {
    /// Every kind.
    pub const ALL: [Self; 6] = [Self::Ec, Self::EcHsm, Self::Rsa, Self::RsaHsm, Self::Oct, Self::OctHsm];

    /// The kind with this name.
    pub fn named(name: &str) -> Result<Self, KeyError> {
        Self::ALL.into_iter().find(|kty| kty.name() == name).ok_or(KeyError::Kty)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ec => "EC",
            Self::EcHsm => "EC-HSM",
            Self::Rsa => "RSA",
            Self::RsaHsm => "RSA-HSM",
            Self::Oct => "oct",
            Self::OctHsm => "oct-HSM",
        }
    }

    /// What it is apart from where it is kept.
    pub fn family(self) -> Family {
        match self {
            Self::Ec | Self::EcHsm => Family::Ec,
            Self::Rsa | Self::RsaHsm => Family::Rsa,
            Self::Oct | Self::OctHsm => Family::Oct,
        }
    }

    /// The `-HSM` kind of the same family: an import says `"Hsm": true` beside the key.
    pub fn hsm(self) -> Self {
        match self.family() {
            Family::Ec => Self::EcHsm,
            Family::Rsa => Self::RsaHsm,
            Family::Oct => Self::OctHsm,
        }
    }

    /// This kind, if vaults of this manner make it: a Managed HSM has the `-HSM` kinds alone.
    pub fn made_in(self, manner: Manner) -> Result<Self, KeyError> {
        match manner == Manner::KeyVault || self == self.hsm() {
            true => Ok(self),
            false => Err(KeyError::KtyInHsm),
        }
    }

    /// The key to be made: RSA of 2048 bits, P-256, an `oct` key of 256 bits unless the wish says otherwise. What the
    /// kind has no use for (a curve of an RSA key, the size of an EC key) is not looked at.
    pub fn algorithm(self, wish: &Wish<'_>) -> Result<KeyAlgorithm, KeyError> {
        match self.family() {
            Family::Ec => wish.crv.map_or(Ok(Curve::P256), curve_named).map(KeyAlgorithm::Ec),
            Family::Rsa => rsa_of_bits(wish.key_size.unwrap_or(2048)),
            Family::Oct => oct_of_bits(wish.key_size.unwrap_or(256), wish.key_ops),
        }
    }
}

impl Family {
    /// The family of a vault's key; `None` for what Key Vault has no kind for.
    pub fn of(algorithm: KeyAlgorithm) -> Option<Self> {
        match algorithm {
            KeyAlgorithm::Rsa { .. } => Some(Self::Rsa),
            KeyAlgorithm::Ec(_) => Some(Self::Ec),
            KeyAlgorithm::Aes { .. } | KeyAlgorithm::Generic { .. } | KeyAlgorithm::Other(_) => Some(Self::Oct),
            KeyAlgorithm::Ed25519 | KeyAlgorithm::X25519 => None,
        }
    }
}

/// `kty` of a key that wasn't made over REST. Key Vault has no kind for Ed25519 and X25519: they get RFC 8037's, which
/// clients show as an unknown one.
pub fn kty_of(algorithm: KeyAlgorithm) -> &'static str {
    match Family::of(algorithm) {
        Some(Family::Ec) => "EC",
        Some(Family::Rsa) => "RSA",
        Some(Family::Oct) => "oct",
        None => "OKP",
    }
}

/// `kty` of a key in a vault of this manner: as it was asked for, if that is known; in a Managed HSM always an `-HSM` kind.
pub fn shown_kty(asked: Option<&str>, algorithm: KeyAlgorithm, manner: Manner) -> Option<&str> {
    match manner {
        Manner::KeyVault => asked,
        Manner::ManagedHsm => Kty::named(asked.unwrap_or(kty_of(algorithm))).map(|kty| kty.hsm().name()).ok(),
    }
}

/// The curve with this name.
pub fn curve_named(name: &str) -> Result<Curve, KeyError> {
    Curve::ALL.into_iter().find(|&curve| curve_name(curve) == name).ok_or(KeyError::Curve)
}

/// The curve's name.
pub fn curve_name(curve: Curve) -> &'static str {
    match curve {
        Curve::P256 => "P-256",
        Curve::P384 => "P-384",
        Curve::P521 => "P-521",
        Curve::Secp256k1 => "P-256K",
    }
}

/// The bytes of a `public_exponent`; 65537 unless another is asked for.
pub fn public_exponent(asked: Option<i64>) -> Result<&'static [u8], KeyError> {
    match asked {
        None | Some(65537) => Ok(&[1, 0, 1]),
        Some(17) => Ok(&[17]),
        Some(3) => Ok(&[3]),
        Some(_) => Err(KeyError::PublicExponent),
    }
}

/// An RSA key of this size.
pub(super) fn rsa_of_bits(bits: i64) -> Result<KeyAlgorithm, KeyError> {
    let bits = RSA_SIZES.into_iter().find(|&size| i64::from(size) == bits);
    bits.map(|bits| KeyAlgorithm::Rsa { bits }).ok_or(KeyError::KeySize("2048, 3072, 4096"))
}

/// A secret key of this size. One that is only to sign and verify becomes a generic secret, which programs can use for
/// HMAC through PKCS#11 as well; any other becomes an AES key, which can sign over REST all the same.
pub(super) fn oct_of_bits(bits: i64, key_ops: Option<KeyOps>) -> Result<KeyAlgorithm, KeyError> {
    let bits = OCT_SIZES.into_iter().find(|&size| i64::from(size) == bits);
    let bits = bits.ok_or(KeyError::KeySize("128, 192, 256"))?;
    Ok(if is_for_hmac(key_ops) { KeyAlgorithm::Generic { bytes: bits / 8 } } else { KeyAlgorithm::Aes { bits } })
}

/// Whether a secret key signs or verifies and never encrypts or wraps.
pub(super) fn is_for_hmac(key_ops: Option<KeyOps>) -> bool {
    key_ops.is_some_and(|ops| ops.intersects(KeyOps::SIGNING) && !ops.intersects(KeyOps::SECRECY))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::PrivateKey;

    #[test]
    fn every_kind_has_its_name_and_its_default() {
        let defaults = [
            ("EC", "EC-HSM", KeyAlgorithm::Ec(Curve::P256)),
            ("RSA", "RSA-HSM", KeyAlgorithm::Rsa { bits: 2048 }),
            ("oct", "oct-HSM", KeyAlgorithm::Aes { bits: 256 }),
        ];
        for (soft, hard, algorithm) in defaults {
            for name in [soft, hard] {
                let kty = Kty::named(name).expect("a kind");
                assert_eq!((kty.name(), kty.hsm().name()), (name, hard));
                assert_eq!(kty.algorithm(&Wish::default()), Ok(algorithm));
                assert_eq!(Family::of(algorithm), Some(kty.family()));
            }
            assert_eq!(kty_of(algorithm), soft);
        }
        for name in ["ec", "OCT", "OKP", "RSA-hsm", ""] {
            assert_eq!(Kty::named(name), Err(KeyError::Kty), "{name}");
        }
        assert_eq!(kty_of(KeyAlgorithm::Ed25519), "OKP");
    }

    #[test]
    fn a_managed_hsm_makes_and_shows_its_own_kinds() {
        for kty in Kty::ALL {
            assert_eq!(kty.made_in(Manner::KeyVault), Ok(kty));
            assert_eq!(kty.made_in(Manner::ManagedHsm).is_ok(), kty.name().ends_with("-HSM"));
        }
        let rsa = KeyAlgorithm::Rsa { bits: 2048 };
        assert_eq!(shown_kty(None, rsa, Manner::ManagedHsm), Some("RSA-HSM"));
        assert_eq!(shown_kty(Some("RSA"), rsa, Manner::ManagedHsm), Some("RSA-HSM"));
        assert_eq!(shown_kty(Some("RSA"), rsa, Manner::KeyVault), Some("RSA"));
        assert_eq!(shown_kty(None, KeyAlgorithm::Ed25519, Manner::ManagedHsm), None);
    }

    #[test]
    fn only_the_services_sizes_and_curves_are_made() {
        let sized = |kty: Kty, size| kty.algorithm(&Wish { key_size: Some(size), ..Wish::default() });
        for size in [2048, 3072, 4096] {
            assert_eq!(sized(Kty::RsaHsm, size), Ok(KeyAlgorithm::Rsa { bits: size as u32 }));
        }
        for size in [128, 192, 256] {
            assert_eq!(sized(Kty::Oct, size), Ok(KeyAlgorithm::Aes { bits: size as u32 }));
        }
        for size in [-2048, 0, 1, 512, 1024, 2047, 8192, i64::MAX] {
            assert!(matches!(sized(Kty::Rsa, size), Err(KeyError::KeySize(_))), "{size}");
            assert!(matches!(sized(Kty::Oct, size), Err(KeyError::KeySize(_))), "{size}");
        }
        for curve in Curve::ALL {
            let wish = Wish { crv: Some(curve_name(curve)), ..Wish::default() };
            assert_eq!(Kty::Ec.algorithm(&wish), Ok(KeyAlgorithm::Ec(curve)));
        }
        let unknown = Wish { crv: Some("secp256k1"), ..Wish::default() };
        assert_eq!(Kty::EcHsm.algorithm(&unknown), Err(KeyError::Curve));
    }

    #[test]
    fn a_secret_key_that_only_signs_is_a_generic_secret() {
        let with = |ops| Kty::Oct.algorithm(&Wish { key_ops: Some(ops), ..Wish::default() });
        assert_eq!(with(KeyOps::SIGNING), Ok(KeyAlgorithm::Generic { bytes: 32 }));
        assert_eq!(with(KeyOps::SIGN | KeyOps::EXPORT), Ok(KeyAlgorithm::Generic { bytes: 32 }));
        for ops in [KeyOps::SIGNING | KeyOps::DECRYPT, KeyOps::SECRECY, KeyOps::empty()] {
            assert_eq!(with(ops), Ok(KeyAlgorithm::Aes { bits: 256 }));
        }
    }

    #[test]
    fn a_key_has_the_public_exponent_that_was_asked_for() {
        for (asked, value) in [(Some(3), &[3][..]), (Some(17), &[17]), (Some(65537), &[1, 0, 1]), (None, &[1, 0, 1])] {
            let exponent = public_exponent(asked).expect("allowed");
            let (key, _) = PrivateKey::generate_rsa(2048, exponent).expect("a key");
            assert_eq!(key.public_key().rsa().expect("an RSA key").1, value);
        }
        for asked in [0, 1, 2, -3, 5, 257, 65536, i64::MIN] {
            assert_eq!(public_exponent(Some(asked)), Err(KeyError::PublicExponent), "{asked}");
        }
    }
}
