//! Certificates: everything X.509 that front ends make of a vault's keys, and the files that keys and certificates come in.
//!
//! It knows keys by the traits in [`vault`](crate::vault) and by [`crypto`](crate::crypto), never by arguments or requests.
//! A [`Profile`] says what a certificate is for, a [`Signer`] signs with a key of a vault or one that goes into it,
//! and [`make`] does the rest. What was made elsewhere is read as [`Certificate`], [`Request`], [`pem`] and [`pkcs12`]; all
//! of those are bounded, since a server reads them from strangers. Encodings are the libraries'; nothing here decides whether
//! a chain is to be trusted.

mod alternative;
mod ber;
pub mod chain;
mod encryption;
mod error;
pub mod make;
pub mod name;
pub mod pem;
pub mod pkcs12;
pub mod private_key;
mod profile;
mod request;
mod revoked;
mod signer;
mod verify;

use std::sync::Arc;

use cryptoki_sys::{CKA_CERTIFICATE_TYPE, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_SUBJECT, CKC_X_509};
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, SubjectKeyIdentifier};
use x509_cert::time::Time;

pub use alternative::Alternative;
pub use encryption::Limits;
pub use error::{Error, Result};
pub use name::Name;
pub use profile::{Authority, KEY_USAGES, KeyUsages, Profile, Usages, months_after, usage_oid};
pub use request::Request;
pub use revoked::RevocationList;
pub use signer::Signer;

use crate::crypto::{Digest, DigestAlgorithm, PublicKey};
use crate::vault::{Class, Content};

/// A certificate, parsed once.
#[derive(Clone, Debug)]
pub struct Certificate {
    der: Arc<[u8]>,
    parsed: Arc<x509_cert::Certificate>,
    spki: Arc<[u8]>,
}

impl Certificate {
    /// Parses DER; nothing may follow it.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let parsed =
            x509_cert::Certificate::from_der(der).map_err(|error| Error::NotACertificate(error.to_string()))?;
        let spki = parsed.tbs_certificate().subject_public_key_info().to_der()?;
        // As the vault writes it, where it knows the kind: points uncompressed, so that keys compare byte by byte.
        let spki = PublicKey::from_spki(&spki).map_or(spki, |key| key.spki().to_vec());
        Ok(Self { der: der.into(), parsed: Arc::new(parsed), spki: spki.into() })
    }

    /// The whole of it.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As the library parsed it, for what isn't asked here.
    pub fn parsed(&self) -> &x509_cert::Certificate {
        &self.parsed
    }

    /// For whom it is.
    pub fn subject(&self) -> &Name {
        self.parsed.tbs_certificate().subject()
    }

    /// Who made it.
    pub fn issuer(&self) -> &Name {
        self.parsed.tbs_certificate().issuer()
    }

    /// The serial number's bytes, without a leading zero.
    pub fn serial(&self) -> &[u8] {
        self.parsed.tbs_certificate().serial_number().as_bytes()
    }

    /// SubjectPublicKeyInfo of its key, as [`KeyDescription`](crate::vault::KeyDescription) has it.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The `CKA_ID` that its key would have: SHA-1 over the public value, and for kinds that we don't know over the
    /// whole of the key's bits.
    pub fn key_id(&self) -> [u8; 20] {
        match PublicKey::from_spki(&self.spki) {
            Ok(key) => key.key_id(),
            Err(_) => {
                let key = self.parsed.tbs_certificate().subject_public_key_info();
                digest(DigestAlgorithm::Sha1, key.subject_public_key.raw_bytes())
            }
        }
    }

    /// Seconds since 1970 from which on it is valid.
    pub fn not_before(&self) -> i64 {
        seconds(self.parsed.tbs_certificate().validity().not_before)
    }

    /// Seconds since 1970 until which it is valid.
    pub fn not_after(&self) -> i64 {
        seconds(self.parsed.tbs_certificate().validity().not_after)
    }

    /// The subject's CN, the last of several; by it chains name their authorities.
    pub fn common_name(&self) -> Option<String> {
        name::common_name(self.subject())
    }

    /// Whether it may be an issuer, and over how many further ones.
    pub fn authority(&self) -> Option<Authority> {
        let (_, basic) = self.parsed.tbs_certificate().get_extension::<BasicConstraints>().ok()??;
        basic.ca.then_some(Authority { path_length: basic.path_len_constraint })
    }

    /// Whether it says that it may be an issuer.
    pub fn is_ca(&self) -> bool {
        self.authority().is_some()
    }

    /// Whether it may sign certificates as far as its key usages say anything.
    pub fn allows_issuing(&self) -> bool {
        let usages = self.parsed.tbs_certificate().get_extension::<KeyUsage>();
        usages.is_ok_and(|usages| usages.is_none_or(|(_, usage)| usage.key_cert_sign()))
    }

    /// Whether subject and issuer are one.
    pub fn is_self_issued(&self) -> bool {
        self.subject() == self.issuer()
    }

    /// Whether its own key signed it.
    pub fn is_self_signed(&self) -> bool {
        self.is_self_issued() && chain::is_issued_by(self, self)
    }

    /// The subject key identifier, if it has one.
    pub fn subject_key_identifier(&self) -> Option<Vec<u8>> {
        let found = self.parsed.tbs_certificate().get_extension::<SubjectKeyIdentifier>().ok()?;
        found.map(|(_, identifier)| identifier.0.as_bytes().to_vec())
    }

    /// The identifier of the key that signed it, if it names one.
    pub fn authority_key_identifier(&self) -> Option<Vec<u8>> {
        let found = self.parsed.tbs_certificate().get_extension::<AuthorityKeyIdentifier>().ok()?;
        found.and_then(|(_, identifier)| identifier.key_identifier).map(|identifier| identifier.as_bytes().to_vec())
    }

    /// SHA-256 over all of it.
    pub fn fingerprint(&self) -> [u8; 32] {
        digest(DigestAlgorithm::Sha256, &self.der)
    }

    /// A certificate object as a PKCS#11 program would have written it.
    pub fn content(&self, label: Vec<u8>, id: Vec<u8>) -> Result<Content> {
        let tbs = self.parsed.tbs_certificate();
        let mut content = Content::new(Class::Certificate);
        content.label = label;
        content.id = id;
        content.value = Some(self.der.clone());
        content.attributes.insert(CKA_CERTIFICATE_TYPE, Box::new(CKC_X_509.to_le_bytes()));
        content.attributes.insert(CKA_SUBJECT, tbs.subject().to_der()?.into_boxed_slice());
        content.attributes.insert(CKA_ISSUER, tbs.issuer().to_der()?.into_boxed_slice());
        content.attributes.insert(CKA_SERIAL_NUMBER, tbs.serial_number().to_der()?.into_boxed_slice());
        Ok(content)
    }

    /// What is signed, byte by byte as it came.
    fn signed_part(&self) -> Option<&[u8]> {
        signed_part(&self.der)
    }
}

/// SHA-1 over a certificate, which need not be parsed for it: what Key Vault calls `x5t`.
pub fn thumbprint(der: &[u8]) -> [u8; 20] {
    digest(DigestAlgorithm::Sha1, der)
}

/// The subject in a certificate object, in DER, without parsing the certificate.
pub fn subject_of(content: &Content) -> Option<&[u8]> {
    content.attributes.get(&CKA_SUBJECT).map(|subject| &**subject)
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// The first element of a signed structure: certificates and requests begin alike (RFC 5280 §4.1, RFC 2986 §4.2).
fn signed_part(der: &[u8]) -> Option<&[u8]> {
    let mut reader = SliceReader::new(der).ok()?;
    let header = der::Header::decode(&mut reader).ok()?;
    let contents = reader.read_slice(header.length()).ok()?;
    SliceReader::new(contents).ok()?.tlv_bytes().ok()
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

fn digest<const N: usize>(algorithm: DigestAlgorithm, bytes: &[u8]) -> [u8; N] {
    let mut digest = Digest::new(algorithm);
    digest.update(bytes);
    let mut out = [0; N];
    // Every caller's output has the digest's length.
    let _ = digest.finish(&mut out);
    out
}
