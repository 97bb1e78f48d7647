//! The table of algorithms: what each `alg` of Key Vault means, which keys it fits and what it takes.
//!
//! Nothing else in the server knows an algorithm's name.

use std::fmt;

use super::error::OperationError;
use super::kty::curve_name;
use crate::crypto::{Curve, DigestAlgorithm, KeyAlgorithm, KeyWrapScheme};
use crate::vault::{EncryptScheme, SignScheme};

/// One of the six private and public operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `sign`
    Sign,
    /// `verify`
    Verify,
    /// `encrypt`
    Encrypt,
    /// `decrypt`
    Decrypt,
    /// `wrapkey`
    WrapKey,
    /// `unwrapkey`
    UnwrapKey,
}

impl Operation {
    /// What it does, in a sentence.
    pub fn verb(self) -> &'static str {
        match self {
            Self::Sign => "sign",
            Self::Verify => "verify",
            Self::Encrypt => "encrypt",
            Self::Decrypt => "decrypt",
            Self::WrapKey => "wrap keys",
            Self::UnwrapKey => "unwrap keys",
        }
    }
}

/// An algorithm: a line of the [`TABLE`].
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Algorithm {
    /// `alg`
    pub name: &'static str,
    pub(super) keys: Keys,
    pub(super) method: Method,
}

/// The keys that an algorithm fits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    Rsa,
    Ec(Curve),
    /// AES keys of this many bits.
    Aes(u32),
    /// AES keys of any size.
    AnyAes,
    /// Secret keys of any kind.
    Secret,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    /// A signature over a digest of this length.
    Signature(SignScheme, usize),
    /// PKCS#1 v1.5 padding around what comes.
    BareSignature,
    /// HMAC over what comes. The SDKs' `SignData` sends the message's digest, by the same hash, `Sign` whatever it is
    /// given; a code over a message of any length is as good, so that no length is refused but none.
    Hmac(DigestAlgorithm),
    /// With the RSA key itself.
    Rsa(EncryptScheme<'static>),
    AesGcm,
    AesCbc,
    AesCbcPad,
    KeyWrap(KeyWrapScheme),
}

/// Every algorithm.
pub static TABLE: [Algorithm; 31] = [
    pss("PS256", DigestAlgorithm::Sha256, 32),
    pss("PS384", DigestAlgorithm::Sha384, 48),
    pss("PS512", DigestAlgorithm::Sha512, 64),
    signature("RS256", Keys::Rsa, SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha256), 32),
    signature("RS384", Keys::Rsa, SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha384), 48),
    signature("RS512", Keys::Rsa, SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha512), 64),
    Algorithm { name: "RSNULL", keys: Keys::Rsa, method: Method::BareSignature },
    signature("ES256", Keys::Ec(Curve::P256), SignScheme::Ecdsa, 32),
    signature("ES256K", Keys::Ec(Curve::Secp256k1), SignScheme::Ecdsa, 32),
    signature("ES384", Keys::Ec(Curve::P384), SignScheme::Ecdsa, 48),
    signature("ES512", Keys::Ec(Curve::P521), SignScheme::Ecdsa, 64),
    hmac("HS256", DigestAlgorithm::Sha256),
    hmac("HS384", DigestAlgorithm::Sha384),
    hmac("HS512", DigestAlgorithm::Sha512),
    Algorithm { name: "RSA1_5", keys: Keys::Rsa, method: Method::Rsa(EncryptScheme::RsaPkcs1) },
    oaep("RSA-OAEP", DigestAlgorithm::Sha1),
    oaep("RSA-OAEP-256", DigestAlgorithm::Sha256),
    aes("A128GCM", 128, Method::AesGcm),
    aes("A192GCM", 192, Method::AesGcm),
    aes("A256GCM", 256, Method::AesGcm),
    aes("A128CBC", 128, Method::AesCbc),
    aes("A192CBC", 192, Method::AesCbc),
    aes("A256CBC", 256, Method::AesCbc),
    aes("A128CBCPAD", 128, Method::AesCbcPad),
    aes("A192CBCPAD", 192, Method::AesCbcPad),
    aes("A256CBCPAD", 256, Method::AesCbcPad),
    aes("A128KW", 128, KW),
    aes("A192KW", 192, KW),
    aes("A256KW", 256, KW),
    Algorithm { name: "CKM_AES_KEY_WRAP", keys: Keys::AnyAes, method: KW },
    Algorithm { name: "CKM_AES_KEY_WRAP_PAD", keys: Keys::AnyAes, method: KWP },
];

/// RFC 3394.
const KW: Method = Method::KeyWrap(KeyWrapScheme::AesKw { iv: None });
/// RFC 5649.
const KWP: Method = Method::KeyWrap(KeyWrapScheme::AesKwp { iv: None });

const fn signature(name: &'static str, keys: Keys, scheme: SignScheme, digest_len: usize) -> Algorithm {
    Algorithm { name, keys, method: Method::Signature(scheme, digest_len) }
}

/// The salt is as long as the digest (RFC 7518 §3.5).
const fn pss(name: &'static str, digest: DigestAlgorithm, len: usize) -> Algorithm {
    signature(name, Keys::Rsa, SignScheme::RsaPss { digest, mgf: digest, salt_len: len }, len)
}

const fn oaep(name: &'static str, digest: DigestAlgorithm) -> Algorithm {
    let scheme = EncryptScheme::RsaOaep { digest, mgf: digest, label: &[] };
    Algorithm { name, keys: Keys::Rsa, method: Method::Rsa(scheme) }
}

const fn hmac(name: &'static str, digest: DigestAlgorithm) -> Algorithm {
    Algorithm { name, keys: Keys::Secret, method: Method::Hmac(digest) }
}

const fn aes(name: &'static str, bits: u32, method: Method) -> Algorithm {
    Algorithm { name, keys: Keys::Aes(bits), method }
}

impl Algorithm {
    /// The algorithm with this name.
    pub fn named(name: &str) -> Result<&'static Self, OperationError> {
        TABLE.iter().find(|algorithm| algorithm.name == name).ok_or(OperationError::UnknownAlgorithm)
    }

    /// The operations that it is for.
    pub fn operations(&self) -> &'static [Operation] {
        use Operation::{Decrypt, Encrypt, Sign, UnwrapKey, Verify, WrapKey};
        match self.method {
            Method::Signature(..) | Method::BareSignature | Method::Hmac(_) => &[Sign, Verify],
            Method::Rsa(_) => &[Encrypt, Decrypt, WrapKey, UnwrapKey],
            Method::AesGcm | Method::AesCbc | Method::AesCbcPad => &[Encrypt, Decrypt],
            Method::KeyWrap(_) => &[WrapKey, UnwrapKey],
        }
    }

    /// Whether it fits the key.
    pub fn fits(&self, key: KeyAlgorithm) -> bool {
        use KeyAlgorithm::{Aes, Ec, Generic, Other, Rsa};
        match (self.keys, key) {
            (Keys::Rsa, Rsa { .. }) | (Keys::AnyAes, Aes { .. }) => true,
            (Keys::Ec(curve), Ec(given)) => curve == given,
            (Keys::Aes(bits), Aes { bits: given }) => bits == given,
            (Keys::Secret, Aes { .. } | Generic { .. } | Other(_)) => true,
            _ => false,
        }
    }

    /// Refuses an operation that isn't this algorithm's, and a key that it doesn't fit.
    pub fn check(&self, operation: Operation, key: KeyAlgorithm) -> Result<(), OperationError> {
        if !self.operations().contains(&operation) {
            return Err(OperationError::WrongOperation { algorithm: self.name, operation });
        }
        if self.fits(key) { Ok(()) } else { Err(self.wrong_key(key)) }
    }

    /// The error for a key that it doesn't fit.
    pub(super) fn wrong_key(&self, key: KeyAlgorithm) -> OperationError {
        let needed = match self.keys {
            Keys::Rsa => "an RSA key",
            Keys::Ec(Curve::P256) => "an EC key on P-256",
            Keys::Ec(Curve::P384) => "an EC key on P-384",
            Keys::Ec(Curve::P521) => "an EC key on P-521",
            Keys::Ec(Curve::Secp256k1) => "an EC key on P-256K",
            Keys::Aes(128) => "an oct key of 128 bits",
            Keys::Aes(192) => "an oct key of 192 bits",
            Keys::Aes(_) => "an oct key of 256 bits",
            Keys::AnyAes => "an oct key for encryption",
            Keys::Secret => "an oct key",
        };
        OperationError::WrongAlgorithmForKey { algorithm: self.name, needed, given: in_words(key) }
    }

    /// Refuses what isn't as long as the algorithm's digest.
    pub(super) fn check_digest(&self, key: KeyAlgorithm, digest: &[u8]) -> Result<(), OperationError> {
        let most = EncryptScheme::RsaPkcs1.decrypted_len(key);
        let fits = match self.method {
            Method::Signature(_, len) => digest.len() == len,
            Method::BareSignature => (1..=most).contains(&digest.len()),
            _ => !digest.is_empty(),
        };
        if fits {
            return Ok(());
        }
        let needed = match self.method {
            Method::Signature(_, len) => format!("a digest of {len} bytes"),
            Method::BareSignature => format!("a DigestInfo of 1 to {most} bytes"),
            _ => "a digest or message of 1 byte or more".to_owned(),
        };
        Err(OperationError::WrongDigestLength { algorithm: self.name, needed, given: digest.len() })
    }
}

impl fmt::Debug for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// A key's kind for a sentence.
fn in_words(key: KeyAlgorithm) -> String {
    match key {
        KeyAlgorithm::Rsa { bits } => format!("an RSA key of {bits} bits"),
        KeyAlgorithm::Ec(curve) => format!("an EC key on {}", curve_name(curve)),
        KeyAlgorithm::Ed25519 => "an Ed25519 key".to_owned(),
        KeyAlgorithm::X25519 => "an X25519 key".to_owned(),
        KeyAlgorithm::Aes { bits } => format!("an oct key of {bits} bits"),
        KeyAlgorithm::Generic { bytes } => format!("an oct key of {} bits that is only to sign and verify", bytes * 8),
        KeyAlgorithm::Other(_) => "a secret key of another kind".to_owned(),
    }
}
