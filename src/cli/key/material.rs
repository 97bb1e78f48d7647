//! Keys and certificates in files: PEM, and DER of PKCS#8, PKCS#1 and SEC 1.

use pkcs8::PrivateKeyInfoRef;
use pkcs8::der::asn1::{AnyRef, ContextSpecific, Null, ObjectIdentifier, OctetStringRef, SequenceRef, UintRef};
use pkcs8::der::{self, Decode, Encode, Reader, SliceReader, TagNumber};
use spki::AlgorithmIdentifierRef;
use zeroize::Zeroizing;

use super::super::{Error, Result};
use crate::crypto::{Curve, PrivateKey};
use crate::vault::SecretBytes;

/// PKCS#8, as the vault keeps it: read, checked and written anew, so that attributes of other programs stay outside.
pub(super) fn private_key(contents: &[u8]) -> Result<SecretBytes> {
    let der = unwrapped(contents)?;
    let parts = PrivateKey::parts_from_pkcs8(&der)?;
    Ok(PrivateKey::pkcs8_from_parts(&parts)?)
}

/// PEM with line ends as Unix has them.
pub(in super::super) fn pem(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

/// The blocks of a PEM file with this tag; none if it isn't PEM.
pub(in super::super) fn pem_blocks(contents: &[u8]) -> Result<Vec<(String, Zeroizing<Vec<u8>>)>> {
    if !contents.windows(PEM_BEGIN.len()).any(|window| window == PEM_BEGIN) {
        return Ok(Vec::new());
    }
    let blocks = pem::parse_many(contents).map_err(|error| Error::refused(format!("The PEM is damaged: {error}.")))?;
    Ok(blocks
        .into_iter()
        .map(|block| {
            let encrypted = block.headers().get("Proc-Type").is_some_and(|kind| kind.contains("ENCRYPTED"));
            let tag = if encrypted { ENCRYPTED.to_owned() } else { block.tag().to_owned() };
            (tag, Zeroizing::new(block.into_contents()))
        })
        .collect())
}

const PEM_BEGIN: &[u8] = b"-----BEGIN ";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const RSA_ENCRYPTION: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC_PUBLIC_KEY: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");

/// PKCS#8 DER of whatever the file holds.
fn unwrapped(contents: &[u8]) -> Result<Zeroizing<Vec<u8>>> {
    let mut parameters = None;
    for (tag, der) in pem_blocks(contents)? {
        match tag.as_str() {
            "PRIVATE KEY" => return Ok(der),
            "RSA PRIVATE KEY" => return from_pkcs1(&der),
            // OpenSSL writes the curve into a block of its own, before the key.
            "EC PARAMETERS" => parameters = Some(der),
            "EC PRIVATE KEY" => return from_sec1(&der, parameters.as_deref().map(Vec::as_slice)),
            ENCRYPTED => return Err(encrypted()),
            _ => {}
        }
    }
    if PrivateKeyInfoRef::from_der(contents).is_ok() {
        return Ok(Zeroizing::new(contents.to_vec()));
    }
    if is_encrypted(contents).unwrap_or(false) {
        return Err(encrypted());
    }
    from_sec1(contents, None)
        .or_else(|_| from_pkcs1(contents))
        .map_err(|_| Error::refused("This is no private key: PEM or DER of PKCS#8, PKCS#1 or SEC 1 is known."))
}

/// Whether it begins like `EncryptedPrivateKeyInfo` (RFC 5958 §3): how it is encrypted, and the rest.
fn is_encrypted(der: &[u8]) -> der::Result<bool> {
    let mut reader = SliceReader::new(<&SequenceRef>::from_der(der)?.as_bytes())?;
    AlgorithmIdentifierRef::decode(&mut reader)?;
    <&OctetStringRef>::decode(&mut reader)?;
    Ok(reader.is_finished())
}

fn encrypted() -> Error {
    Error::refused(
        "The key is encrypted: `openssl pkey -in FILE | strongroom key import NAME -` decrypts it without leaving a copy.",
    )
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

/// RFC 5915 §3 into RFC 5958 §2. The curve stands in the key or in `parameters`.
fn from_sec1(der: &[u8], parameters: Option<&[u8]>) -> Result<Zeroizing<Vec<u8>>> {
    let inside = sec1_curve(der).map_err(|_| damaged("SEC 1"))?;
    let outside = parameters.map(ObjectIdentifier::from_der).transpose().map_err(|_| damaged("the EC parameters"))?;
    let curve = inside.or(outside).ok_or_else(|| Error::refused("The key doesn't name its curve."))?;
    let known = Curve::ALL.iter().any(|known| curve.to_der().is_ok_and(|oid| oid == known.oid_der()));
    if !known {
        return Err(Error::refused("The key's curve isn't supported: P-256, P-384, P-521 and secp256k1 are."));
    }
    wrap(EC_PUBLIC_KEY, AnyRef::from(&curve), der)
}

/// The curve that an `ECPrivateKey` names, if it does.
fn sec1_curve(der: &[u8]) -> der::Result<Option<ObjectIdentifier>> {
    let sequence = <&SequenceRef>::from_der(der)?;
    let mut reader = SliceReader::new(sequence.as_bytes())?;
    if u8::decode(&mut reader)? != 1 {
        return Err(der::ErrorKind::Failed.into());
    }
    <&OctetStringRef>::decode(&mut reader)?;
    let parameters = ContextSpecific::<ObjectIdentifier>::decode_explicit(&mut reader, TagNumber(0))?;
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
