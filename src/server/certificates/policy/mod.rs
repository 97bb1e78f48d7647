//! Certificate policies: what a certificate, its key and its secret are to be, and what is done before it expires.
//!
//! A policy that is given is checked and completed, and kept as a note of the newest version (or of the request for it).
//! It says how the *next* version is made: what a version is already, its own objects say.

mod given;
mod key;
mod lifetime;
mod names;
mod x509;

pub use given::GivenPolicy;
pub use key::KeyProperties;
pub use x509::X509Properties;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use self::given::GivenIssuer;
use self::lifetime::LifetimeAction;
use crate::crypto::KeyAlgorithm;
use crate::server::call::Call;
use crate::server::error::{Result, ServiceError};
use crate::vault::{Collection, Content, Name};

/// The note that keeps a policy, in JSON.
pub const NOTE: &str = "certificate-policy";

/// Longest `platformManaged`, in bytes of JSON.
const MAX_PLATFORM: usize = 4096;

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
        self.check_size()?;
        self.attributes.updated = now;
        Ok(self)
    }

    /// Refuses more than is kept: also of what a certificate says that is brought.
    pub fn check_size(&self) -> Result<()> {
        self.x509_props.check_size()?;
        let platform = self.platform_managed.as_ref().and_then(|map| serde_json::to_string(map).ok());
        match platform.is_some_and(|text| text.len() > MAX_PLATFORM) {
            false => Ok(()),
            true => wrong(format!("policy.platformManaged has at most {MAX_PLATFORM} bytes.")),
        }
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
        let Some(mut given) = given else {
            derived.check_size()?;
            return Ok(derived);
        };
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
