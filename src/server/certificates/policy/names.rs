//! Whom a certificate names: its subject, and the further names of every kind.

use serde::{Deserialize, Serialize};

use super::given::GivenNames;
use super::wrong;
use crate::certificate::{self, Alternative, name};
use crate::server::error::{Result, ServiceError};

/// Most further names of a certificate, the longest, and all of them together, in bytes.
const MAX_NAMES: usize = 500;
const MAX_NAME: usize = 2048;
const MAX_LEN: usize = 16 * 1024;

/// Further names, each kind in the order in which they were given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Names {
    /// rfc822Name
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub emails: Vec<String>,
    /// dNSName
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dns_names: Vec<String>,
    /// otherName with a user principal name
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub upns: Vec<String>,
    /// uniformResourceIdentifier
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uris: Vec<String>,
    /// iPAddress
    #[serde(rename = "ipAddresses", skip_serializing_if = "Vec::is_empty")]
    pub ip_addresses: Vec<String>,
}

impl Names {
    /// Checks what is given.
    pub fn read(given: GivenNames) -> Result<Self> {
        let names = Self {
            emails: given.emails.unwrap_or_default(),
            dns_names: given.dns_names.unwrap_or_default(),
            upns: given.upns.unwrap_or_default(),
            uris: given.uris.unwrap_or_default(),
            ip_addresses: given.ip_addresses.unwrap_or_default(),
        };
        names.check_size()?;
        names.alternatives()?;
        Ok(names)
    }

    /// Refuses more than a policy keeps.
    pub fn check_size(&self) -> Result<()> {
        if self.texts().count() > MAX_NAMES {
            return wrong(format!("policy.x509_props.sans holds at most {MAX_NAMES} names."));
        }
        if self.texts().any(|text| text.len() > MAX_NAME) {
            return wrong(format!("A name in policy.x509_props.sans has at most {MAX_NAME} bytes."));
        }
        if self.texts().map(String::len).sum::<usize>() > MAX_LEN {
            return wrong(format!("All names in policy.x509_props.sans have at most {MAX_LEN} bytes together."));
        }
        Ok(())
    }

    /// Those that a certificate has. What a policy has no kind for stays behind.
    pub fn of(alternatives: &[Alternative]) -> Self {
        let mut names = Self::default();
        for alternative in alternatives {
            match alternative {
                Alternative::Email(text) => names.emails.push(text.clone()),
                Alternative::Dns(text) => names.dns_names.push(text.clone()),
                Alternative::Upn(text) => names.upns.push(text.clone()),
                Alternative::Uri(text) => names.uris.push(text.clone()),
                Alternative::Address(address) => names.ip_addresses.push(address.to_string()),
                Alternative::Other(_) => {}
            }
        }
        names
    }

    /// As a certificate gets them.
    pub fn alternatives(&self) -> Result<Vec<Alternative>> {
        let of = |texts: &[String], make: fn(&str) -> certificate::Result<Alternative>| {
            texts.iter().map(|text| make(text)).collect::<certificate::Result<Vec<_>>>()
        };
        let made = [
            of(&self.dns_names, Alternative::dns),
            of(&self.emails, Alternative::email),
            of(&self.upns, Alternative::upn),
            of(&self.uris, Alternative::uri),
            of(&self.ip_addresses, Alternative::address),
        ];
        let made: certificate::Result<Vec<_>> = made.into_iter().collect();
        made.map(|kinds| kinds.into_iter().flatten().collect())
            .map_err(|error| ServiceError::bad_parameter(format!("policy.x509_props.sans: {error}.")))
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.texts().next().is_none()
    }

    fn texts(&self) -> impl Iterator<Item = &String> {
        let all = [&self.emails, &self.dns_names, &self.upns, &self.uris, &self.ip_addresses];
        all.into_iter().flatten()
    }
}

/// Refuses what is no distinguished name. An empty one is none, and allowed.
pub fn check_subject(subject: &str, longest: usize) -> Result<()> {
    if subject.len() > longest {
        return wrong(format!("policy.x509_props.subject has at most {longest} bytes."));
    }
    if subject.is_empty() {
        return Ok(());
    }
    self::subject(subject).map(drop)
}

/// The name that is written so; an empty text is a name without parts.
pub fn subject(text: &str) -> Result<certificate::Name> {
    if text.is_empty() {
        return Ok(certificate::Name::default());
    }
    name::parse(text).map_err(|error| {
        ServiceError::bad_parameter(format!("policy.x509_props.subject is no distinguished name: {error}."))
    })
}
