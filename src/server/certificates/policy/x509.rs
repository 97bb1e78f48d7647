//! The certificate of a policy: for whom it is, for what and for how long. None that is made under a policy is an authority.

use der::asn1::ObjectIdentifier;
use serde::{Deserialize, Serialize};

use super::given::GivenX509;
use super::names::{self, Names};
use super::wrong;
use crate::certificate::{self, KEY_USAGES, Profile, Usages, months_after};
use crate::crypto::KeyAlgorithm;
use crate::server::error::{Result, ServiceError};
use crate::server::keys::KeyOps;
use crate::server::keys::kty::Family;

/// Longest validity, in months.
const MAX_MONTHS: i64 = 1200;

/// Longest subject, in bytes.
const MAX_SUBJECT: usize = 2048;

/// Most extended key usages.
const MAX_USAGES: usize = 64;

/// Seconds by which a certificate begins before it is made: clocks of those who check it may be behind.
const BACK: i64 = 600;

/// Server and client authentication (RFC 5280 §4.2.1.12).
const DEFAULT_EXTENDED_USAGES: [&str; 2] = ["1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"];

/// Key usages by which a certificate speaks for its issuer.
const AUTHORITY_USAGES: [&str; 2] = ["keyCertSign", "cRLSign"];

/// The extended usage by which it does.
const OCSP_SIGNING: &str = "1.3.6.1.5.5.7.3.9";

/// The certificate of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct X509Properties {
    /// A distinguished name; empty if the further names say it all.
    pub subject: String,
    /// Further names.
    #[serde(default, skip_serializing_if = "Names::is_empty")]
    pub sans: Names,
    /// Extended key usages.
    pub ekus: Vec<String>,
    /// What the key is for.
    pub key_usage: Vec<String>,
    /// How long it is valid.
    pub validity_months: u32,
    /// Whether it issues others: what is made under a policy never does.
    pub basic_constraints: BasicConstraints,
}

/// `basic_constraints`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BasicConstraints {
    /// Whether it is an authority's.
    pub ca: bool,
}

impl Default for X509Properties {
    fn default() -> Self {
        Self {
            subject: String::new(),
            sans: Names::default(),
            ekus: DEFAULT_EXTENDED_USAGES.map(str::to_owned).to_vec(),
            key_usage: vec!["digitalSignature".into(), "keyEncipherment".into()],
            validity_months: 12,
            basic_constraints: BasicConstraints::default(),
        }
    }
}

impl X509Properties {
    pub fn change(&mut self, given: GivenX509) -> Result<()> {
        if let Some(subject) = given.subject {
            names::check_subject(&subject, MAX_SUBJECT)?;
            self.subject = subject;
        }
        if let Some(sans) = given.sans {
            self.sans = Names::read(sans)?;
        }
        if let Some(ekus) = given.ekus {
            check_extended_usages(&ekus)?;
            self.ekus = ekus;
        }
        if let Some(usage) = given.key_usage {
            self.key_usage = checked_usages(&usage)?;
        }
        if let Some(months) = given.validity_months {
            let valid = (1..=MAX_MONTHS).contains(&months);
            let months = u32::try_from(months).ok().filter(|_| valid);
            let what =
                || ServiceError::bad_parameter(format!("policy.x509_props.validity_months is 1 to {MAX_MONTHS}."));
            self.validity_months = months.ok_or_else(what)?;
        }
        if self.subject.is_empty() && self.sans.is_empty() {
            return wrong("policy.x509_props needs a subject or sans.");
        }
        Ok(())
    }

    /// What a certificate says that is made now.
    pub fn profile(&self, now: i64) -> Result<Profile> {
        let not_before = now.saturating_sub(BACK).max(0);
        let named = KEY_USAGES.iter().filter(|(name, _)| self.key_usage.iter().any(|given| given == name));
        let oid = |text: &String| text.parse::<ObjectIdentifier>().ok();
        Ok(Profile {
            subject: names::subject(&self.subject)?,
            alternatives: self.sans.alternatives()?,
            key_usages: named.fold(Usages::default(), |usages, (_, usage)| usages | *usage),
            extended_usages: self.ekus.iter().filter_map(oid).collect(),
            // Also after an authority's certificate that was brought: who may make a certificate may not make an authority.
            authority: None,
            not_before,
            not_after: months_after(now, self.validity_months),
        })
    }

    /// Refuses what would make the certificate of an issuer one that speaks for it: as an authority, for lists of what is
    /// revoked, or for single certificates (RFC 6960 §4.2.2.2).
    pub fn refuse_authority(&self) -> Result<()> {
        let usage = self.key_usage.iter().find(|name| AUTHORITY_USAGES.contains(&name.as_str()));
        let extended = self.ekus.iter().find(|oid| *oid == OCSP_SIGNING);
        match usage.or(extended) {
            None => Ok(()),
            Some(usage) => wrong(format!(
                "The policy asks an issuer of this vault for {usage}: authorities are made with `strongroom cert create \
                 --authority`, so leave keyCertSign, cRLSign and {OCSP_SIGNING} out of policy.x509_props."
            )),
        }
    }

    /// What a key of this kind may do whose certificate says this of it; all that such a key can where it says nothing.
    pub fn operations(&self, algorithm: KeyAlgorithm) -> KeyOps {
        let possible = Family::of(algorithm).map_or(KeyOps::SIGNING, KeyOps::default_of);
        if self.key_usage.is_empty() {
            return possible;
        }
        let of = |usage: &String| match usage.as_str() {
            "digitalSignature" | "nonRepudiation" | "keyCertSign" | "cRLSign" => KeyOps::SIGNING,
            "keyEncipherment" => KeyOps::WRAP_KEY | KeyOps::UNWRAP_KEY,
            "dataEncipherment" => KeyOps::ENCRYPT | KeyOps::DECRYPT,
            "encipherOnly" => KeyOps::ENCRYPT,
            "decipherOnly" => KeyOps::DECRYPT,
            _ => KeyOps::empty(),
        };
        self.key_usage.iter().map(of).fold(KeyOps::empty(), |all, one| all | one) & possible
    }

    /// Refuses more than is kept.
    pub fn check_size(&self) -> Result<()> {
        self.sans.check_size()?;
        match self.subject.len() > MAX_SUBJECT || self.ekus.len() > MAX_USAGES {
            false => Ok(()),
            true => wrong(format!(
                "A certificate's subject has at most {MAX_SUBJECT} bytes, and it has at most {MAX_USAGES} extended usages."
            )),
        }
    }

    /// What a certificate says that exists.
    pub fn of(profile: &Profile) -> Self {
        let named = KEY_USAGES.iter().filter(|(_, usage)| profile.key_usages.contains(*usage));
        Self {
            subject: certificate::name::text(&profile.subject),
            sans: Names::of(&profile.alternatives),
            ekus: profile.extended_usages.iter().map(ToString::to_string).collect(),
            key_usage: named.map(|(name, _)| (*name).to_owned()).collect(),
            validity_months: months_between(profile.not_before, profile.not_after),
            basic_constraints: BasicConstraints::default(),
        }
    }
}

/// How many months a life has, to the nearest one.
fn months_between(start: i64, end: i64) -> u32 {
    const MONTH: i64 = 2_629_746;
    let months = (end.saturating_sub(start) + MONTH / 2) / MONTH;
    months.clamp(1, MAX_MONTHS) as u32
}

fn check_extended_usages(ekus: &[String]) -> Result<()> {
    let is_oid = |text: &String| text.parse::<ObjectIdentifier>().is_ok();
    if ekus.len() <= MAX_USAGES && ekus.iter().all(is_oid) {
        return Ok(());
    }
    wrong(format!("policy.x509_props.ekus holds at most {MAX_USAGES} object identifiers, such as 1.3.6.1.5.5.7.3.1."))
}

/// The names that they have, in the order of the certificate's bits, each once.
fn checked_usages(given: &[String]) -> Result<Vec<String>> {
    if let Some(unknown) = given.iter().find(|name| KEY_USAGES.iter().all(|(known, _)| known != name)) {
        let shown: String = unknown.chars().take(40).collect();
        let known = KEY_USAGES.map(|(name, _)| name).join(", ");
        return wrong(format!("policy.x509_props.key_usage: {shown:?} is none of {known}."));
    }
    let named = KEY_USAGES.iter().filter(|(name, _)| given.iter().any(|given| given == name));
    Ok(named.map(|(name, _)| (*name).to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_is_told_in_months_to_the_nearest_one() {
        let day = 24 * 3600;
        for (days, months) in
            [(1, 1), (28, 1), (45, 1), (46, 2), (365, 12), (366, 12), (730, 24), (36_500, 1199), (99_999, 1200)]
        {
            assert_eq!(months_between(0, days * day), months, "{days}");
        }
    }
}
