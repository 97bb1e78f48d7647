//! Kinds of keys and ways to sign and encrypt with them.

use super::DigestAlgorithm;

/// An elliptic curve for ECDSA and ECDH.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    /// NIST P-256 (secp256r1).
    P256,
    /// NIST P-384.
    P384,
    /// NIST P-521.
    P521,
    /// secp256k1 (Key Vault's P-256K).
    Secp256k1,
}

impl Curve {
    /// Every curve.
    pub const ALL: [Self; 4] = [Self::P256, Self::P384, Self::P521, Self::Secp256k1];

    /// Bytes of a coordinate or scalar.
    pub fn field_len(self) -> usize {
        match self {
            Self::P256 | Self::Secp256k1 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }

    /// Bits of a coordinate, by which the curve's size is told.
    pub fn bits(self) -> u32 {
        match self {
            Self::P256 | Self::Secp256k1 => 256,
            Self::P384 => 384,
            Self::P521 => 521,
        }
    }

    /// DER of the curve's object identifier, as `CKA_EC_PARAMS` holds it.
    pub fn oid_der(self) -> &'static [u8] {
        match self {
            Self::P256 => &[0x06, 0x08, 0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x03, 0x01, 0x07],
            Self::P384 => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x22],
            Self::P521 => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x23],
            Self::Secp256k1 => &[0x06, 0x05, 0x2B, 0x81, 0x04, 0x00, 0x0A],
        }
    }
}

/// Kind and size of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyAlgorithm {
    /// RSA with a modulus of this many bits.
    Rsa {
        /// Bits of the modulus.
        bits: u32,
    },
    /// An elliptic curve key.
    Ec(Curve),
    /// Ed25519 (RFC 8032).
    Ed25519,
    /// X25519 (RFC 7748).
    X25519,
    /// AES with a key of this many bits: 128, 192 or 256.
    Aes {
        /// Bits of the key.
        bits: u32,
    },
    /// A generic secret of this many bytes.
    Generic {
        /// Bytes of the value.
        bytes: u32,
    },
    /// A key of another type, kept whole (`CKK_*` number). Used are those that are generic secrets under the name of what
    /// they are for: one HMAC, or HKDF.
    Other(u32),
}

impl KeyAlgorithm {
    /// Kind and size in two numbers that never change: what is written of a key.
    pub fn code(self) -> (u8, u32) {
        match self {
            Self::Rsa { bits } => (1, bits),
            Self::Ec(Curve::P256) => (2, 256),
            Self::Ec(Curve::P384) => (2, 384),
            Self::Ec(Curve::P521) => (2, 521),
            Self::Ec(Curve::Secp256k1) => (3, 256),
            Self::Ed25519 => (4, 25519),
            Self::Aes { bits } => (5, bits),
            Self::Generic { bytes } => (6, bytes),
            Self::Other(number) => (7, number),
            Self::X25519 => (8, 25519),
        }
    }

    /// What [`code`](Self::code) stands for.
    pub fn from_code(code: (u8, u32)) -> Option<Self> {
        Some(match code {
            (1, bits) => Self::Rsa { bits },
            (2, 256) => Self::Ec(Curve::P256),
            (2, 384) => Self::Ec(Curve::P384),
            (2, 521) => Self::Ec(Curve::P521),
            (3, 256) => Self::Ec(Curve::Secp256k1),
            (4, 25519) => Self::Ed25519,
            (5, bits) => Self::Aes { bits },
            (6, bytes) => Self::Generic { bytes },
            (7, number) => Self::Other(number),
            (8, 25519) => Self::X25519,
            _ => return None,
        })
    }

    /// Bytes of an AES key or generic secret; `None` for what is neither.
    pub fn secret_len(self) -> Option<usize> {
        match self {
            Self::Aes { bits } => Some(bits as usize / 8),
            Self::Generic { bytes } => Some(bytes as usize),
            Self::Rsa { .. } | Self::Ec(_) | Self::Ed25519 | Self::X25519 | Self::Other(_) => None,
        }
    }

    /// Bytes of a signature; 0 for keys that don't sign.
    pub fn signature_len(self) -> usize {
        match self {
            Self::Rsa { bits } => bits.div_ceil(8) as usize,
            Self::Ec(curve) => 2 * curve.field_len(),
            Self::Ed25519 => 64,
            Self::X25519 | Self::Aes { .. } | Self::Generic { .. } | Self::Other(_) => 0,
        }
    }

    /// Bytes of the secret that two keys agree on; 0 for keys that don't agree.
    pub fn agreement_len(self) -> usize {
        match self {
            Self::Ec(curve) => curve.field_len(),
            Self::X25519 => 32,
            Self::Rsa { .. } | Self::Ed25519 | Self::Aes { .. } | Self::Generic { .. } | Self::Other(_) => 0,
        }
    }
}

/// How to sign, with all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignScheme {
    /// RSASSA-PKCS1-v1_5 padding (RFC 8017 §8.2) around the input as it is: a DigestInfo or anything up to k − 11 bytes.
    RsaPkcs1,
    /// RSASSA-PKCS1-v1_5 of a digest, to which the DigestInfo is added.
    RsaPkcs1Digest(DigestAlgorithm),
    /// RSASSA-PSS (RFC 8017 §8.1) of a digest.
    RsaPss {
        /// What made the digest.
        digest: DigestAlgorithm,
        /// The mask generation function's hash.
        mgf: DigestAlgorithm,
        /// Bytes of salt.
        salt_len: usize,
    },
    /// The bare RSA operation (`CKM_RSA_X_509`): input of up to k bytes, padded with zeros on the left.
    RsaRaw,
    /// ECDSA (FIPS 186-5 §6.4) of a digest of any length from 1 byte; r‖s, each as long as the curve's field.
    Ecdsa,
    /// Ed25519 of the message itself (RFC 8032 §5.1.6).
    Ed25519,
}

/// How to encrypt with a public key, with all parameters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EncryptScheme<'a> {
    /// RSAES-PKCS1-v1_5 (RFC 8017 §7.2): up to k − 11 bytes.
    RsaPkcs1,
    /// RSAES-OAEP (RFC 8017 §7.1): up to k − 2h − 2 bytes.
    RsaOaep {
        /// The hash over the label.
        digest: DigestAlgorithm,
        /// The mask generation function's hash.
        mgf: DigestAlgorithm,
        /// What both sides must name alike; often empty.
        label: &'a [u8],
    },
    /// The bare RSA operation (`CKM_RSA_X_509`): up to k bytes, padded with zeros on the left.
    RsaRaw,
}

impl EncryptScheme<'_> {
    /// The most that decrypting with such a key writes; 0 if the key can't hold anything by this scheme.
    pub fn decrypted_len(&self, algorithm: KeyAlgorithm) -> usize {
        let KeyAlgorithm::Rsa { bits } = algorithm else { return 0 };
        let overhead = match self {
            Self::RsaPkcs1 => 11,
            Self::RsaOaep { digest, .. } => 2 * digest.len() + 2,
            Self::RsaRaw => 0,
        };
        (bits.div_ceil(8) as usize).saturating_sub(overhead)
    }
}
