//! What a certificate says besides its key: for whom, for what, for how long.

use der::asn1::ObjectIdentifier;
use der::flagset::FlagSet;
use jiff::tz::TimeZone;
use jiff::{Timestamp, ToSpan};
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage, SubjectAltName};
use x509_cert::ext::{Extension, ToExtension};

use super::{Alternative, Certificate, Error, Name, Result};

pub use x509_cert::ext::pkix::KeyUsages;

/// A set of key usages.
pub type Usages = FlagSet<KeyUsages>;

/// Key usages by the names that RFC 5280 §4.2.1.3 and Key Vault have for them.
pub const KEY_USAGES: [(&str, KeyUsages); 9] = [
    ("digitalSignature", KeyUsages::DigitalSignature),
    ("nonRepudiation", KeyUsages::NonRepudiation),
    ("keyEncipherment", KeyUsages::KeyEncipherment),
    ("dataEncipherment", KeyUsages::DataEncipherment),
    ("keyAgreement", KeyUsages::KeyAgreement),
    ("keyCertSign", KeyUsages::KeyCertSign),
    ("cRLSign", KeyUsages::CRLSign),
    ("encipherOnly", KeyUsages::EncipherOnly),
    ("decipherOnly", KeyUsages::DecipherOnly),
];

/// Extended key usages by their names (RFC 5280 §4.2.1.12); others by object identifier.
const EXTENDED_USAGES: [(&str, ObjectIdentifier); 7] = [
    ("serverAuth", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.1")),
    ("clientAuth", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.2")),
    ("codeSigning", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.3")),
    ("emailProtection", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.4")),
    ("timeStamping", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.8")),
    ("OCSPSigning", ObjectIdentifier::new_unwrap("1.3.6.1.5.5.7.3.9")),
    ("any", ObjectIdentifier::new_unwrap("2.5.29.37.0")),
];

/// What a certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// For whom; may be empty if there are alternative names.
    pub subject: Name,
    /// Hosts, addresses, people.
    pub alternatives: Vec<Alternative>,
    /// What its key is for; none says nothing.
    pub key_usages: Usages,
    /// What it is for; none says nothing.
    pub extended_usages: Vec<ObjectIdentifier>,
    /// It may issue certificates.
    pub authority: Option<Authority>,
    /// Seconds since 1970 from which on it is valid.
    pub not_before: i64,
    /// Seconds since 1970 until which it is valid.
    pub not_after: i64,
}

/// What an issuer of certificates may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Authority {
    /// How many further issuers may stand between it and a certificate of somebody else; without one, any number.
    pub path_length: Option<u8>,
}

impl Profile {
    /// What a certificate that exists is for. Extensions besides these stay behind: most of them are their issuer's.
    pub fn of(certificate: &Certificate) -> Result<Self> {
        let tbs = certificate.parsed().tbs_certificate();
        let damaged = |_| Error::Damaged("an extension of the certificate");
        let names = tbs.get_extension::<SubjectAltName>().map_err(damaged)?;
        let usages = tbs.get_extension::<KeyUsage>().map_err(damaged)?;
        let extended = tbs.get_extension::<ExtendedKeyUsage>().map_err(damaged)?;
        Ok(Self {
            subject: certificate.subject().clone(),
            alternatives: names.map_or_else(Vec::new, |(_, names)| names.0.iter().map(Alternative::of).collect()),
            key_usages: usages.map_or_else(Usages::default, |(_, usages)| usages.0),
            extended_usages: extended.map_or_else(Vec::new, |(_, usages)| usages.0),
            authority: certificate.authority(),
            not_before: certificate.not_before(),
            not_after: certificate.not_after(),
        })
    }

    /// What says all of it but subject and dates, in certificates and in requests.
    pub(super) fn extensions(&self) -> Result<Vec<Extension>> {
        let mut extensions = Vec::new();
        if !self.alternatives.is_empty() {
            let names = self.alternatives.iter().map(Alternative::encoded).collect::<Result<Vec<_>>>()?;
            extensions.push(SubjectAltName(names).to_extension(&self.subject, &[])?);
        } else if self.subject.is_empty() {
            return Err(Error::Profile("a certificate needs a subject or an alternative name".to_owned()));
        }
        if !self.key_usages.is_empty() {
            extensions.push(KeyUsage(self.key_usages).to_extension(&self.subject, &[])?);
        }
        if !self.extended_usages.is_empty() {
            extensions.push(ExtendedKeyUsage(self.extended_usages.clone()).to_extension(&self.subject, &[])?);
        }
        let basic = BasicConstraints {
            ca: self.authority.is_some(),
            path_len_constraint: self.authority.and_then(|authority| authority.path_length),
        };
        // Critical (RFC 5280 §4.2.1.9): who doesn't know it must not take the certificate for an issuer's.
        extensions.push((true, &basic).to_extension(&self.subject, &[])?);
        Ok(extensions)
    }
}

/// An extended key usage by its name or its object identifier.
pub fn usage_oid(text: &str) -> Result<ObjectIdentifier> {
    if let Some((_, oid)) = EXTENDED_USAGES.iter().find(|(name, _)| name.eq_ignore_ascii_case(text)) {
        return Ok(*oid);
    }
    ObjectIdentifier::new(text).map_err(|_| {
        let names: Vec<&str> = EXTENDED_USAGES.iter().map(|(name, _)| *name).collect();
        Error::Profile(format!("{text:?} is no use of a certificate: {} are, and object identifiers", names.join(", ")))
    })
}

/// The same time of day so many months later, on the month's last day where it has no such day; seconds since 1970.
pub fn months_after(seconds: i64, months: u32) -> i64 {
    let start = Timestamp::from_second(seconds).map(|start| TimeZone::UTC.to_datetime(start));
    let end = start.and_then(|start| start.checked_add(i64::from(months).months()));
    let end = end.and_then(|end| TimeZone::UTC.to_timestamp(end));
    end.map_or(LAST, |end| end.as_second())
}

/// 9999-12-31T23:59:59Z, the last moment that a certificate can name.
pub(super) const LAST: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use super::*;

    fn seconds(text: &str) -> i64 {
        text.parse::<Timestamp>().unwrap().as_second()
    }

    #[test]
    fn months_are_those_of_the_calendar() {
        for (from, months, to) in [
            ("2026-01-31T10:00:00Z", 1, "2026-02-28T10:00:00Z"),
            ("2024-01-31T10:00:00Z", 1, "2024-02-29T10:00:00Z"),
            ("2026-11-28T04:33:00Z", 12, "2027-11-28T04:33:00Z"),
            ("2024-02-29T00:00:00Z", 12, "2025-02-28T00:00:00Z"),
            ("2026-12-31T23:59:59Z", 2, "2027-02-28T23:59:59Z"),
        ] {
            assert_eq!(months_after(seconds(from), months), seconds(to), "{from} + {months}");
        }
        assert_eq!(months_after(seconds("9999-12-01T00:00:00Z"), 12), LAST);
    }

    #[test]
    fn usages_are_named_or_numbered() {
        assert_eq!(usage_oid("serverauth").unwrap(), usage_oid("1.3.6.1.5.5.7.3.1").unwrap());
        assert_eq!(usage_oid("1.3.6.1.4.1.311.20.2.2").unwrap().to_string(), "1.3.6.1.4.1.311.20.2.2");
        for wrong in ["", "server", "1", "9.9.9"] {
            assert!(usage_oid(wrong).is_err(), "{wrong}");
        }
    }
}
