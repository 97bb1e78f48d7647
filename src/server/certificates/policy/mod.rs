//! Certificate policies: what a certificate, its key and its secret are to be, and what is done before it expires.
//!
//! A policy that is given is checked and completed, and kept as a note of the newest version (or of the request for it).
//! It says how the *next* version is made: what a version is already, its own objects say.

mod given;
mod lifetime;
mod names;

pub use given::GivenPolicy;
pub use names::Names;

use der::asn1::ObjectIdentifier;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::given::{GivenIssuer, GivenKey, GivenX509};
use self::lifetime::LifetimeAction;
use crate::certificate::{self, Authority, KEY_USAGES, Profile, Usages, months_after};
use crate::crypto::KeyAlgorithm;
use crate::server::call::Call;
use crate::server::error::{Result, ServiceError};
use crate::server::keys::kty::{Family, curve_name, kty_of};
use crate::server::keys::{Kty, Wish};
use crate::vault::{Collection, Content, Name};

/// The note that keeps a policy, in JSON.
const NOTE: &str = "certificate-policy";

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

/// A policy, complete, as it is kept and answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// The key.
    pub key_props: KeyProperties,
    /// The secret.
    pub secret_props: SecretProperties,
    /// The certificate.
    pub x509_props: X509Properties,
    /// What is done before it expires.
    pub lifetime_actions: Vec<LifetimeAction>,
    /// Who issues it.
    pub issuer: Issuer,
    /// When it was made and changed.
    pub attributes: PolicyAttributes,
    /// As it came.
    #[serde(rename = "platformManaged", default, skip_serializing_if = "Option::is_none")]
    pub platform_managed: Option<Map<String, Value>>,
}

/// The key of a policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct KeyProperties {
    /// Whether the private part is in the secret.
    pub exportable: bool,
    /// As it was asked for; empty for a kind that Key Vault has no word for, which clients would refuse to read.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub kty: String,
    /// Bits.
    pub key_size: u32,
    /// Whether the next version has the same key.
    pub reuse_key: bool,
    /// Of an EC key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub crv: Option<String>,
}

/// The secret of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct SecretProperties {
    /// How key and certificate are put together.
    #[serde(rename = "contentType")]
    pub content_type: ContentType,
}

/// How a secret holds key and certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum ContentType {
    /// PKCS#12 without a password, in base64.
    #[default]
    #[serde(rename = "application/x-pkcs12")]
    Pkcs12,
    /// PEM.
    #[serde(rename = "application/x-pem-file")]
    Pem,
}

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
    /// Whether it issues others: only one that was brought does.
    pub basic_constraints: BasicConstraints,
}

/// `basic_constraints`
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BasicConstraints {
    /// Whether it is an authority's.
    pub ca: bool,
}

/// Who issues a certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Issuer {
    /// `Self`, `Unknown`, or the name of an issuer.
    pub name: String,
    /// What kind of certificate to ask for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cty: Option<String>,
    /// Whether it is to be published.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cert_transparency: Option<bool>,
}

/// When a policy was made and changed, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PolicyAttributes {
    enabled: bool,
    created: i64,
    updated: i64,
}

/// A policy with the address at which it is found.
#[derive(Serialize)]
pub struct Shown {
    id: String,
    #[serde(flatten)]
    policy: Policy,
}

/// Signs itself.
pub const SELF: &str = "Self";
/// Waits for a certificate that somebody brings.
pub const UNKNOWN: &str = "Unknown";

impl ContentType {
    /// The type with this name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "application/x-pkcs12" => Ok(Self::Pkcs12),
            "application/x-pem-file" => Ok(Self::Pem),
            _ => wrong("contentType of a certificate's secret is application/x-pkcs12 or application/x-pem-file."),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Pkcs12 => "application/x-pkcs12",
            Self::Pem => "application/x-pem-file",
        }
    }
}

impl Policy {
    /// What is given for a new certificate, completed and checked.
    pub fn new(given: GivenPolicy, now: i64) -> Result<Self> {
        let issuer = given.issuer.as_ref().and_then(|issuer| issuer.name.as_deref());
        if issuer.is_none_or(str::is_empty) {
            return wrong("policy.issuer.name is needed: Self, Unknown, or the name of an issuer of this vault.");
        }
        if given.x509_props.is_none() {
            return wrong("policy.x509_props is needed, with a subject or with sans.");
        }
        Self::with(KeyProperties::for_algorithm(KeyAlgorithm::Rsa { bits: 2048 }), X509Properties::default(), now)
            .changed(given, now)
    }

    /// With these key and certificate, and the service's defaults for the rest.
    pub fn with(key_props: KeyProperties, x509_props: X509Properties, now: i64) -> Self {
        Self {
            key_props,
            secret_props: SecretProperties { content_type: ContentType::default() },
            x509_props,
            lifetime_actions: lifetime::default_actions(),
            issuer: Issuer { name: UNKNOWN.into(), cty: None, cert_transparency: None },
            attributes: PolicyAttributes { enabled: true, created: now, updated: now },
            platform_managed: None,
        }
    }

    /// With what is given in place of what was there, checked.
    pub fn changed(mut self, given: GivenPolicy, now: i64) -> Result<Self> {
        if let Some(key) = given.key_props {
            self.key_props = self.key_props.changed(&key)?;
        }
        if let Some(name) = given.secret_props.and_then(|secret| secret.content_type) {
            self.secret_props.content_type = ContentType::named(&name)?;
        }
        if let Some(x509) = given.x509_props {
            self.x509_props.change(x509)?;
        }
        if let Some(actions) = given.lifetime_actions {
            self.lifetime_actions = actions;
        }
        if let Some(issuer) = given.issuer {
            self.issuer.change(issuer)?;
        }
        self.platform_managed = given.platform_managed.or(self.platform_managed);
        lifetime::check(&self.lifetime_actions, self.x509_props.validity_months)?;
        self.attributes.updated = now;
        Ok(self)
    }

    /// In place of the one that stood for the name. Of several versions' policies the one that was put last counts, also
    /// where a clock went backward.
    pub fn following(mut self, before: Option<&Self>) -> Self {
        if let Some(before) = before.map(|before| before.attributes) {
            let updated = self.attributes.updated.max(before.updated.saturating_add(1));
            self.attributes = PolicyAttributes { created: before.created, updated, ..self.attributes };
        }
        self
    }

    /// With this key, which is brought; what was given mustn't contradict it.
    pub fn for_brought_key(given: Option<GivenPolicy>, derived: Self, now: i64) -> Result<Self> {
        let Some(mut given) = given else { return Ok(derived) };
        let own = derived.key_props.clone();
        let mut changed = derived;
        if let Some(key) = given.key_props.take() {
            changed.key_props = own.confirmed(&key)?;
        }
        changed.changed(given, now)
    }

    /// The policy that was put last on one of these versions.
    pub fn newest<'a>(contents: impl Iterator<Item = &'a Content>) -> Option<Self> {
        let policies = contents.filter_map(Self::of);
        policies.max_by_key(|policy| policy.attributes.updated)
    }

    /// The policy that a version keeps.
    pub fn of(content: &Content) -> Option<Self> {
        serde_json::from_str(content.notes.get(NOTE)?).ok()
    }

    /// Keeps it with a version.
    pub fn note(&self, content: &mut Content) {
        content.notes.insert(NOTE.into(), serde_json::to_string(self).unwrap_or_default());
    }

    /// With its address.
    pub fn shown(self, call: &Call, name: &Name) -> Shown {
        Shown { id: format!("{}/policy", call.id(Collection::Certificates, name.as_str())), policy: self }
    }
}

impl KeyProperties {
    /// What this key is.
    pub fn for_algorithm(algorithm: KeyAlgorithm) -> Self {
        let (key_size, crv) = match algorithm {
            KeyAlgorithm::Rsa { bits } => (bits, None),
            KeyAlgorithm::Ec(curve) => (curve.bits(), Some(curve_name(curve).to_owned())),
            _ => (256, None),
        };
        let kty = Family::of(algorithm).map(|_| kty_of(algorithm)).unwrap_or_default();
        Self { exportable: true, kty: kty.into(), key_size, reuse_key: false, crv }
    }

    fn changed(self, given: &GivenKey) -> Result<Self> {
        let kty = Kty::named(given.kty.as_deref().unwrap_or(&self.kty))?;
        let same_kind = Kty::named(&self.kty).is_ok_and(|before| before.family() == kty.family());
        let sized = |size| Wish { key_size: size, ..Wish::default() };
        let algorithm = match kty.family() {
            Family::Rsa => kty.algorithm(&sized(given.key_size.or(same_kind.then_some(self.key_size.into()))))?,
            Family::Ec => {
                let kept = self.crv.as_deref().filter(|_| same_kind && given.key_size.is_none());
                let crv = given.crv.as_deref().or(kept).or(given.key_size.map(curve_of_size).transpose()?);
                kty.algorithm(&Wish { crv, ..Wish::default() })?
            }
            Family::Oct => return wrong("policy.key_props.kty of a certificate is RSA, RSA-HSM, EC or EC-HSM."),
        };
        let in_hardware = kty == kty.hsm();
        let exportable = given.exportable.unwrap_or(self.exportable && !in_hardware);
        if exportable && in_hardware {
            return wrong("policy.key_props.exportable must be false for this kty: no such key leaves the service.");
        }
        let made = Self::for_algorithm(algorithm);
        if kty.family() == Family::Ec && given.key_size.is_some_and(|size| size != i64::from(made.key_size)) {
            return wrong("policy.key_props.key_size is another curve's than crv.");
        }
        Ok(Self { exportable, kty: kty.name().into(), reuse_key: given.reuse_key.unwrap_or(self.reuse_key), ..made })
    }

    /// With what is given of a key that exists: where it may go, and how it is called.
    fn confirmed(self, given: &GivenKey) -> Result<Self> {
        let family = |name: &str| Kty::named(name).map(Kty::family).ok();
        let other_kind =
            given.kty.as_deref().is_some_and(|kty| family(kty).is_none() || family(kty) != family(&self.kty));
        let other_size = given.key_size.is_some_and(|size| size != i64::from(self.key_size));
        let other_curve = given.crv.as_ref().is_some_and(|crv| self.crv.as_ref() != Some(crv));
        if other_kind || other_size || other_curve {
            return wrong(
                "policy.key_props says another kind of key than the one that is imported: leave kty, key_size and crv out.",
            );
        }
        let kty = given.kty.clone().unwrap_or(self.kty);
        let in_hardware = Kty::named(&kty).is_ok_and(|kty| kty == kty.hsm());
        let exportable = given.exportable.unwrap_or(!in_hardware);
        if exportable && in_hardware {
            return wrong("policy.key_props.exportable must be false for this kty: no such key leaves the service.");
        }
        Ok(Self { exportable, kty, reuse_key: given.reuse_key.unwrap_or(self.reuse_key), ..self })
    }

    /// The kind as it was asked for, and the key to be made.
    pub fn algorithm(&self) -> Result<(Kty, KeyAlgorithm)> {
        let kty = Kty::named(&self.kty)?;
        let wish = Wish { key_size: Some(self.key_size.into()), crv: self.crv.as_deref(), key_ops: None };
        Ok((kty, kty.algorithm(&wish)?))
    }
}

/// The curve whose keys have so many bits.
fn curve_of_size(size: i64) -> Result<&'static str> {
    match size {
        256 => Ok("P-256"),
        384 => Ok("P-384"),
        521 => Ok("P-521"),
        _ => wrong("policy.key_props.key_size of an EC key is 256, 384 or 521."),
    }
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
    fn change(&mut self, given: GivenX509) -> Result<()> {
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
}

impl X509Properties {
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
            authority: self.basic_constraints.ca.then(Authority::default),
            not_before,
            not_after: months_after(now, self.validity_months),
        })
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
            basic_constraints: BasicConstraints { ca: profile.authority.is_some() },
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

impl Issuer {
    /// Whether it is this one of the two that are no objects.
    pub fn is(&self, which: &str) -> bool {
        self.name.eq_ignore_ascii_case(which)
    }

    fn change(&mut self, given: GivenIssuer) -> Result<()> {
        if let Some(name) = given.name {
            let name =
                Name::new(&name).map_err(|error| ServiceError::bad_parameter(format!("policy.issuer: {error}.")))?;
            self.name = name.to_string();
        }
        for word in [SELF, UNKNOWN] {
            if self.is(word) {
                self.name = word.into();
            }
        }
        if given.cty.as_ref().is_some_and(|cty| cty.chars().count() > 255) {
            return wrong("policy.issuer.cty has at most 255 characters.");
        }
        self.cty = given.cty.or(self.cty.take());
        self.cert_transparency = given.cert_transparency.or(self.cert_transparency);
        Ok(())
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ServiceError::bad_parameter(what))
}

#[cfg(test)]
mod tests;
