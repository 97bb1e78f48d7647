//! Signing requests (PKCS#10, RFC 2986) that others made, or we.

use der::{Decode, Encode};
use x509_cert::ext::Extension;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::request::{CertReq, ExtensionReq};

use der::oid::AssociatedOid;

use super::verify::{self, Verdict};
use super::{Alternative, Error, Name, Result, signed_part};
use crate::crypto::PublicKey;

/// A request whose own key signed it.
#[derive(Clone, Debug)]
pub struct Request {
    parsed: CertReq,
    spki: Vec<u8>,
}

impl Request {
    /// Parses DER and checks the signature: nobody gets a certificate for a key that he doesn't have.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let parsed = CertReq::from_der(der).map_err(|error| Error::NotARequest(error.to_string()))?;
        let spki = parsed.info.public_key.to_der()?;
        let key = PublicKey::from_spki(&spki)?;
        let message = signed_part(der).ok_or(Error::Damaged("the signing request"))?;
        match verify::signature(&key, &parsed.algorithm, message, parsed.signature.raw_bytes()) {
            Verdict::Valid => Ok(Self { parsed, spki: key.spki().to_vec() }),
            Verdict::Invalid => Err(Error::RequestForged),
            Verdict::Unknown => Err(Error::Unsupported(format!(
                "the signing request is signed in a way that isn't supported ({}): make it anew with SHA-256",
                parsed.algorithm.oid
            ))),
        }
    }

    /// For whom.
    pub fn subject(&self) -> &Name {
        &self.parsed.info.subject
    }

    /// SubjectPublicKeyInfo, as [`KeyDescription`](crate::vault::KeyDescription) has it.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The alternative names that it asks for.
    pub fn alternatives(&self) -> Result<Vec<Alternative>> {
        let damaged = |_| Error::Damaged("an extension that the signing request asks for");
        for attribute in self.parsed.info.attributes.iter().filter(|attribute| attribute.oid == ExtensionReq::OID) {
            for value in attribute.values.iter() {
                let wanted: Vec<Extension> = value.decode_as().map_err(damaged)?;
                if let Some(names) = wanted.iter().find(|extension| extension.extn_id == SubjectAltName::OID) {
                    let names = SubjectAltName::from_der(names.extn_value.as_bytes()).map_err(damaged)?;
                    return Ok(names.0.iter().map(Alternative::of).collect());
                }
            }
        }
        Ok(Vec::new())
    }
}
