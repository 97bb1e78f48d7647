//! Lists of revoked certificates as their authorities publish them (RFC 5280 §5): what stands in one. Whether its
//! signature is right is for whoever checks a chain by it.

use std::collections::HashSet;

use der::{Decode, Encode};
use x509_cert::crl::CertificateList;

use super::{Certificate, Error, Result, seconds};

/// One list.
#[derive(Debug)]
pub struct RevocationList {
    issuer: Vec<u8>,
    serials: HashSet<Box<[u8]>>,
    /// Seconds since 1970 at which the next one should have come.
    pub next_update: Option<i64>,
}

impl RevocationList {
    /// Parses DER.
    pub fn from_der(der: &[u8]) -> Result<Self> {
        let list: CertificateList =
            CertificateList::from_der(der).map_err(|_| Error::Damaged("the list of revoked certificates"))?;
        let body = list.tbs_cert_list;
        let revoked = body.revoked_certificates.unwrap_or_default();
        Ok(Self {
            issuer: body.issuer.to_der()?,
            serials: revoked.into_iter().map(|entry| entry.serial_number.as_bytes().into()).collect(),
            next_update: body.next_update.map(seconds),
        })
    }

    /// Whether the certificate's issuer published this list, and the certificate stands in it.
    pub fn names(&self, certificate: &Certificate) -> bool {
        self.serials.contains(certificate.serial())
            && certificate.issuer().to_der().is_ok_and(|issuer| issuer == self.issuer)
    }
}
