//! Private keys as files have them: PKCS#8, also under a passphrase, PKCS#1 and SEC 1.

use der::asn1::{AnyRef, ContextSpecific, Null, ObjectIdentifier, OctetStringRef, SequenceRef, UintRef};
use der::{Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use pkcs8::PrivateKeyInfoRef;
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::encryption::{Algorithm, Budget, Password, decrypt};
use super::pem::{self, Block};
use super::{Error, Limits, Result};
use crate::crypto::{self, Curve, PrivateKey, SecretBytes};

/// A key as a file has it.
pub enum Form {
    /// PKCS#8, unchecked.
    Clear(Zeroizing<Vec<u8>>),
    /// Under a passphrase.
    Encrypted(Encrypted),
}

/// PKCS#8 under a passphrase.
pub struct Encrypted(Zeroizing<Vec<u8>>);

impl Form {
    /// A private key in any of the known forms of DER; `None` if it is in none of them.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        if PrivateKeyInfoRef::from_der(der).is_ok() {
            return Some(Self::Clear(Zeroizing::new(der.to_vec())));
        }
        if encrypted_parts(der).is_ok() {
            return Some(Self::Encrypted(Encrypted(Zeroizing::new(der.to_vec()))));
        }
        from_sec1(der, None).or_else(|_| from_pkcs1(der)).ok().map(Self::Clear)
    }

    /// A private key of a block of PEM; `parameters` are those of the block before. `None` if the block holds no private key,
    /// or one that isn't read ([`Block::Old`]).
    pub fn of_block(block: Block, der: Zeroizing<Vec<u8>>, parameters: Option<&[u8]>) -> Result<Option<Self>> {
        Ok(Some(match block {
            Block::Pkcs8 => Self::Clear(der),
            Block::EncryptedPkcs8 => Self::Encrypted(Encrypted(der)),
            Block::Pkcs1 => Self::Clear(from_pkcs1(&der)?),
            Block::Sec1 => Self::Clear(from_sec1(&der, parameters)?),
            _ => return Ok(None),
        }))
    }

    /// PKCS#8; the passphrase is asked for only where it is needed.
    pub fn open<'a, E: From<Error>>(
        self,
        passphrase: impl FnOnce() -> std::result::Result<&'a str, E>,
        limits: &Limits,
    ) -> std::result::Result<Zeroizing<Vec<u8>>, E> {
        match self {
            Self::Clear(pkcs8) => Ok(pkcs8),
            Self::Encrypted(encrypted) => Ok(encrypted.open(passphrase()?, limits)?),
        }
    }
}

impl Encrypted {
    /// PKCS#8.
    pub fn open(&self, passphrase: &str, limits: &Limits) -> Result<Zeroizing<Vec<u8>>> {
        self.open_within(passphrase, &Budget::new(limits))
    }

    fn open_within(&self, passphrase: &str, budget: &Budget) -> Result<Zeroizing<Vec<u8>>> {
        let damaged = |_| Error::Damaged("the encrypted key");
        let (algorithm, encrypted) = encrypted_parts(&self.0).map_err(damaged)?;
        let parameters = algorithm.parameters.map(|parameters| parameters.to_der()).transpose();
        let parameters = parameters.map_err(damaged)?.unwrap_or_default();
        let algorithm = Algorithm { oid: algorithm.oid, parameters: &parameters };
        for password in Password::forms(passphrase) {
            match decrypt(&algorithm, encrypted, password, budget) {
                // A wrong passphrase passes the padding once in 256 times, but makes no key.
                Ok(pkcs8) if PrivateKeyInfoRef::from_der(&pkcs8).is_ok() => return Ok(pkcs8),
                Ok(_) | Err(Error::DoesNotOpen) => {}
                Err(error) => return Err(error),
            }
        }
        Err(Error::DoesNotOpen)
    }
}

/// Keys and certificates of a PEM file, in its order.
#[derive(Default)]
pub struct Bundle {
    /// PKCS#8 of each private key, unchecked.
    pub keys: Vec<Zeroizing<Vec<u8>>>,
    /// DER of each certificate, unchecked.
    pub certificates: Vec<Vec<u8>>,
}

impl Bundle {
    /// Reads a PEM file; `None` if it isn't PEM. Blocks of other kinds, and what stands between blocks, are passed over.
    pub fn read(contents: &[u8], passphrase: &str, limits: &Limits) -> Result<Option<Self>> {
        let blocks = pem::blocks(contents)?;
        if blocks.is_empty() {
            return Ok(None);
        }
        let budget = Budget::new(limits);
        let (mut bundle, mut parameters) = (Self::default(), None);
        for (tag, der) in blocks {
            match Block::of(&tag) {
                Block::Certificate => bundle.certificates.push(der.to_vec()),
                Block::Parameters => parameters = Some(der),
                Block::Old => {
                    return Err(Error::Unsupported(
                        "the key is encrypted in OpenSSL's old way (\"Proc-Type: 4,ENCRYPTED\"), which isn't read: write \
                         it anew with `openssl pkcs8 -topk8`"
                            .to_owned(),
                    ));
                }
                block => {
                    let form = Form::of_block(block, der, parameters.take().as_deref().map(Vec::as_slice))?;
                    bundle.keys.extend(match form {
                        Some(Form::Clear(pkcs8)) => Some(pkcs8),
                        Some(Form::Encrypted(encrypted)) => Some(encrypted.open_within(passphrase, &budget)?),
                        None => None,
                    });
                }
            }
            if bundle.keys.len() + bundle.certificates.len() > limits.things {
                return Err(Error::TooMany { most: limits.things, what: "keys and certificates" });
            }
        }
        Ok(Some(bundle))
    }
}

/// PKCS#8 as the vault keeps it: read, checked and written anew, so that attributes of other programs stay outside.
pub fn checked(pkcs8: &[u8]) -> crypto::Result<SecretBytes> {
    PrivateKey::pkcs8_from_parts(&PrivateKey::parts_from_pkcs8(pkcs8)?)
}

/// Why private keys like this aren't taken, if they aren't.
pub fn unsupported_kind(pkcs8: &[u8]) -> Option<&'static str> {
    unsupported_algorithm(&PrivateKeyInfoRef::from_der(pkcs8).ok()?.algorithm)
}

/// Why public keys like this aren't taken, if they aren't.
pub fn unsupported_public_kind(spki: &[u8]) -> Option<&'static str> {
    unsupported_algorithm(&SubjectPublicKeyInfoRef::from_der(spki).ok()?.algorithm)
}

fn unsupported_algorithm(algorithm: &AlgorithmIdentifierRef<'_>) -> Option<&'static str> {
    match algorithm.oid {
        RSA_ENCRYPTION | ED25519 | X25519 => None,
        EC_PUBLIC_KEY if algorithm.parameters.is_some_and(|curve| curve.tag() == Tag::Sequence) => {
            Some("its curve isn't named but written out")
        }
        EC_PUBLIC_KEY => {
            let curve = algorithm.parameters.and_then(|curve| curve.to_der().ok());
            let known = Curve::ALL.iter().any(|known| curve.as_deref() == Some(known.oid_der()));
            (!known).then_some("its curve isn't supported: P-256, P-384, P-521, secp256k1, Ed25519 and X25519 are")
        }
        _ => Some("keys of its type aren't supported: RSA, EC, Ed25519 and X25519 are"),
    }
}

/// How long the DER is that these bytes begin with.
pub fn encoded_len(der: &[u8]) -> Option<usize> {
    SliceReader::new(der).ok()?.tlv_bytes().ok().map(<[u8]>::len)
}

/// `EncryptedPrivateKeyInfo` (RFC 5958 §3): how it is encrypted, and the rest.
fn encrypted_parts(der: &[u8]) -> der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(<&SequenceRef>::from_der(der)?.as_bytes())?;
    let algorithm = AlgorithmIdentifierRef::decode(&mut reader)?;
    let encrypted = <&OctetStringRef>::decode(&mut reader)?;
    reader.finish().map(|()| (algorithm, encrypted.as_bytes()))
}

/// RFC 8017 §A.1.2 into RFC 5958 §2.
fn from_pkcs1(der: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    // Version 0 and the modulus tell it from anything else; the values are checked with the key.
    let starts_well = || {
        let mut reader = SliceReader::new(<&SequenceRef>::from_der(der)?.as_bytes())?;
        Ok::<bool, der::Error>(u8::decode(&mut reader)? == 0 && UintRef::decode(&mut reader).is_ok())
    };
    if !starts_well().unwrap_or(false) {
        return Err(Error::Damaged("the key (PKCS#1)"));
    }
    wrap(RSA_ENCRYPTION, AnyRef::from(Null), der)
}

/// RFC 5915 §3 into RFC 5958 §2. The curve stands in the key or in `parameters`, by its name or written out.
fn from_sec1(der: &[u8], parameters: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
    let inside = sec1_curve(der).map_err(|_| Error::Damaged("the key (SEC 1)"))?;
    let outside = parameters.map(AnyRef::from_der).transpose().map_err(|_| Error::Damaged("the EC parameters"))?;
    let curve = inside.or(outside).ok_or_else(|| Error::Unsupported("the key doesn't name its curve".to_owned()))?;
    wrap(EC_PUBLIC_KEY, curve, der)
}

/// The curve that an `ECPrivateKey` names or describes, if it does.
fn sec1_curve(der: &[u8]) -> der::Result<Option<AnyRef<'_>>> {
    let sequence = <&SequenceRef>::from_der(der)?;
    let mut reader = SliceReader::new(sequence.as_bytes())?;
    if u8::decode(&mut reader)? != 1 {
        return Err(der::ErrorKind::Failed.into());
    }
    <&OctetStringRef>::decode(&mut reader)?;
    let parameters = ContextSpecific::<AnyRef<'_>>::decode_explicit(&mut reader, TagNumber(0))?;
    Ok(parameters.map(|parameters| parameters.value))
}

fn wrap(oid: ObjectIdentifier, parameters: AnyRef<'_>, key: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let algorithm = AlgorithmIdentifierRef { oid, parameters: Some(parameters) };
    let key = OctetStringRef::new(key).map_err(|_| Error::Damaged("the key"))?;
    PrivateKeyInfoRef::new(algorithm, key).to_der().map(Zeroizing::new).map_err(|_| Error::Damaged("the key"))
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");
