//! Keys and certificates in files: PEM, and DER of PKCS#8, PKCS#1 and SEC 1.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, ContextSpecific, Null, ObjectIdentifier, OctetStringRef, SequenceRef, UintRef};
use pkcs8::der::{self, Decode, Encode, Reader, SliceReader, Tag, TagNumber, Tagged};
use spki::{AlgorithmIdentifierRef, SubjectPublicKeyInfoRef};
use zeroize::Zeroizing;

use super::super::passphrase::{self, Passphrase};
use super::super::{Error, Result};
use super::blocks::{ENCRYPTED_BY_HEADERS, TRUSTED_CERTIFICATE, pem_blocks};
use crate::crypto::{Curve, PrivateKey};
use crate::vault::SecretBytes;

/// PKCS#8, as the vault keeps it: read, checked and written anew, so that attributes of other programs stay outside.
pub(super) fn private_key(name: &str, contents: &[u8], passphrase: &Passphrase<'_>) -> Result<SecretBytes> {
    let der = first_key(name, contents, passphrase)?;
    if let Some(reason) = unsupported_kind(&der) {
        return Err(Error::refused(format!("{name}: {reason}.")));
    }
    let parts = PrivateKey::parts_from_pkcs8(&der)?;
    Ok(PrivateKey::pkcs8_from_parts(&parts)?)
}

/// PEM with line ends as Unix has them.
pub(in super::super) fn pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");
const X25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.110");

/// What a block of PEM holds, by its tag.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Block {
    Pkcs8,
    EncryptedPkcs8,
    Pkcs1,
    Sec1,
    /// Encrypted by OpenSSL before there was a standard, with one round of MD5.
    Old,
    /// The curve of a SEC 1 key: OpenSSL writes it into a block of its own, before the key.
    Parameters,
    PublicKey,
    Certificate,
    Other,
}

impl Block {
    pub(in super::super) fn of(tag: &str) -> Self {
        match tag {
            "PRIVATE KEY" => Self::Pkcs8,
            "ENCRYPTED PRIVATE KEY" => Self::EncryptedPkcs8,
            "RSA PRIVATE KEY" => Self::Pkcs1,
            "EC PRIVATE KEY" => Self::Sec1,
            "EC PARAMETERS" => Self::Parameters,
            "PUBLIC KEY" => Self::PublicKey,
            "CERTIFICATE" | "X509 CERTIFICATE" | TRUSTED_CERTIFICATE => Self::Certificate,
            ENCRYPTED_BY_HEADERS => Self::Old,
            _ => Self::Other,
        }
    }

    /// PKCS#8 of a private key's block; `parameters` are those of the block before.
    pub(in super::super) fn pkcs8(
        self,
        name: &str,
        der: Zeroizing<Vec<u8>>,
        parameters: Option<&Vec<u8>>,
        passphrase: &Passphrase<'_>,
    ) -> Result<Zeroizing<Vec<u8>>> {
        match self {
            Self::Pkcs8 => Ok(der),
            Self::EncryptedPkcs8 => decrypted(name, &der, passphrase),
            Self::Pkcs1 => from_pkcs1(&der),
            Self::Sec1 => from_sec1(&der, parameters.map(Vec::as_slice)),
            Self::Old => Err(Error::refused(format!(
                "{name}: the key is encrypted in OpenSSL's old way (\"Proc-Type: 4,ENCRYPTED\"), which isn't read: \
                 `openssl pkey -in FILE | strongroom key import NAME -` decrypts it without leaving a copy."
            ))),
            Self::Parameters | Self::PublicKey | Self::Certificate | Self::Other => Err(no_key(name)),
        }
    }
}

/// PKCS#8 DER of the first private key of a file.
fn first_key(name: &str, contents: &[u8], passphrase: &Passphrase<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let mut parameters = None;
    for (tag, der) in pem_blocks(contents)? {
        match Block::of(&tag) {
            Block::Parameters => parameters = Some(der),
            Block::PublicKey | Block::Certificate | Block::Other => {}
            private => return private.pkcs8(name, der, parameters.as_deref(), passphrase),
        }
    }
    der_to_pkcs8(name, contents, passphrase)?.ok_or_else(|| no_key(name))
}

/// PKCS#8 of a private key in any of the known forms of DER; `None` if it is in none of them.
pub(in super::super) fn der_to_pkcs8(
    name: &str,
    contents: &[u8],
    passphrase: &Passphrase<'_>,
) -> Result<Option<Zeroizing<Vec<u8>>>> {
    if PrivateKeyInfoRef::from_der(contents).is_ok() {
        return Ok(Some(Zeroizing::new(contents.to_vec())));
    }
    if encrypted_parts(contents).is_ok() {
        return decrypted(name, contents, passphrase).map(Some);
    }
    Ok(from_sec1(contents, None).or_else(|_| from_pkcs1(contents)).ok())
}

fn no_key(name: &str) -> Error {
    Error::refused(format!(
        "{name} holds no private key that is known, or is damaged: PEM or DER of PKCS#8, PKCS#1 or SEC 1 is read."
    ))
}

/// Why private keys like this aren't taken, if they aren't.
pub(in super::super) fn unsupported_kind(pkcs8: &[u8]) -> Option<&'static str> {
    unsupported_algorithm(&PrivateKeyInfoRef::from_der(pkcs8).ok()?.algorithm)
}

/// Why public keys like this aren't taken, if they aren't.
pub(in super::super) fn unsupported_public_kind(spki: &[u8]) -> Option<&'static str> {
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
pub(in super::super) fn encoded_len(der: &[u8]) -> Option<usize> {
    SliceReader::new(der).ok()?.tlv_bytes().ok().map(<[u8]>::len)
}

/// `EncryptedPrivateKeyInfo` (RFC 5958 §3): how it is encrypted, and the rest.
fn encrypted_parts(der: &[u8]) -> der::Result<(AlgorithmIdentifierRef<'_>, &[u8])> {
    let mut reader = SliceReader::new(<&SequenceRef>::from_der(der)?.as_bytes())?;
    let algorithm = AlgorithmIdentifierRef::decode(&mut reader)?;
    let encrypted = <&OctetStringRef>::decode(&mut reader)?;
    reader.finish().map(|()| (algorithm, encrypted.as_bytes()))
}

fn decrypted(name: &str, der: &[u8], passphrase: &Passphrase<'_>) -> Result<Zeroizing<Vec<u8>>> {
    let (algorithm, encrypted) = encrypted_parts(der).map_err(|_| damaged("the encrypted key"))?;
    let parameters = algorithm.parameters.map(|parameters| parameters.to_der()).transpose();
    let parameters = parameters.map_err(|_| damaged("the encrypted key"))?.unwrap_or_default();
    let algorithm = passphrase::Algorithm { oid: algorithm.oid, parameters: &parameters };
    let pkcs8 = passphrase::decrypt(name, &algorithm, encrypted, passphrase.get()?)?;
    // A wrong passphrase passes the padding once in 256 times, but makes no key.
    match PrivateKeyInfoRef::from_der(&pkcs8) {
        Ok(_) => Ok(pkcs8),
        Err(_) => Err(passphrase::does_not_open(name)),
    }
}

/// RFC 8017 §A.1.2 into RFC 5958 §2.
fn from_pkcs1(der: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    // Version 0 and the modulus tell it from anything else; the values are checked with the key.
    let starts_well = || {
        let mut reader = SliceReader::new(<&SequenceRef>::from_der(der)?.as_bytes())?;
        Ok::<bool, der::Error>(u8::decode(&mut reader)? == 0 && UintRef::decode(&mut reader).is_ok())
    };
    if !starts_well().unwrap_or(false) {
        return Err(damaged("PKCS#1"));
    }
    wrap(RSA_ENCRYPTION, AnyRef::from(Null), der)
}

/// RFC 5915 §3 into RFC 5958 §2. The curve stands in the key or in `parameters`, by its name or written out.
fn from_sec1(der: &[u8], parameters: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
    let inside = sec1_curve(der).map_err(|_| damaged("SEC 1"))?;
    let outside = parameters.map(AnyRef::from_der).transpose().map_err(|_| damaged("the EC parameters"))?;
    let curve = inside.or(outside).ok_or_else(|| Error::refused("The key doesn't name its curve."))?;
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
    let key = OctetStringRef::new(key).map_err(|_| damaged("the key"))?;
    PrivateKeyInfoRef::new(algorithm, key).to_der().map(Zeroizing::new).map_err(|_| damaged("the key"))
}

fn damaged(what: &str) -> Error {
    Error::refused(format!("The file is damaged: {what} doesn't parse."))
}
