//! Issuers: who signs what isn't signed by itself. Each is a record in the vault; its password, which only the authority
//! that it is for could need, is the record's secret part and never comes out again.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::policy::{SELF, UNKNOWN};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::paging;
use crate::server::record::{self, Record, Stored};
use crate::vault::{Change, Image, Name, SecretBytes};

/// The provider whose issuers are authorities of this vault.
pub const OWN_PROVIDER: &str = "Strongroom";

/// Longest text of an issuer's, in characters, and most administrators.
const MAX_TEXT: usize = 255;
const MAX_ADMINISTRATORS: usize = 20;

/// `IssuerBundle`'s parts as they are kept and answered.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Issuer {
    /// As it was written.
    name: String,
    /// [`OWN_PROVIDER`], or somebody whom a person has to ask.
    pub provider: String,
    account_id: Option<String>,
    #[serde(default)]
    org_details: Option<Organization>,
    /// Whether it may be asked.
    pub enabled: bool,
    created: i64,
    updated: i64,
}

impl Record for Issuer {
    const KIND: &'static str = "certificate-issuer";

    fn id(&self) -> &str {
        &self.name
    }
}

/// `OrganizationDetails`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "OrganizationDetails")]
struct Organization {
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    admin_details: Option<Vec<Administrator>>,
}

/// `AdministratorDetails`
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "AdministratorDetails")]
struct Administrator {
    #[serde(skip_serializing_if = "Option::is_none")]
    first_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    phone: Option<String>,
}

/// The body of a set.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateIssuerSetParameters")]
pub struct SetParameters {
    provider: String,
    #[serde(default, deserialize_with = "maybe_object")]
    credentials: Option<GivenCredentials>,
    #[serde(default, deserialize_with = "maybe_object")]
    org_details: Option<Organization>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
}

/// The body of an update; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateIssuerUpdateParameters")]
pub struct UpdateParameters {
    provider: Option<String>,
    #[serde(default, deserialize_with = "maybe_object")]
    credentials: Option<GivenCredentials>,
    #[serde(default, deserialize_with = "maybe_object")]
    org_details: Option<Organization>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "IssuerCredentials")]
struct GivenCredentials {
    /// Of a provider of ours: the name of the authority's certificate.
    account_id: Option<String>,
    #[schemars(with = "Option<String>")]
    pwd: Option<Zeroizing<String>>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "IssuerAttributes")]
struct GivenAttributes {
    enabled: Option<bool>,
}

/// `IssuerBundle`
#[derive(Serialize)]
struct Bundle<'a> {
    id: String,
    provider: &'a str,
    credentials: ShownCredentials<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    org_details: Option<&'a Organization>,
    attributes: ShownAttributes,
}

#[derive(Serialize)]
struct ShownCredentials<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    account_id: Option<&'a str>,
}

#[derive(Serialize)]
struct ShownAttributes {
    enabled: bool,
    created: i64,
    updated: i64,
}

/// `CertificateIssuerItem`
#[derive(Serialize)]
struct Item {
    id: String,
    provider: String,
}

/// PUT `/certificates/issuers/{name}`.
pub fn set(call: &Call) -> Result<Reply> {
    let given: SetParameters = call.read()?;
    let name = call.name()?;
    if [SELF, UNKNOWN].iter().any(|word| name.as_str().eq_ignore_ascii_case(word)) {
        return wrong("Self and Unknown are no issuers that could be set: choose another name.");
    }
    let credentials = given.credentials.unwrap_or_default();
    let mut issuer = Issuer {
        name: name.to_string(),
        provider: given.provider,
        account_id: credentials.account_id,
        org_details: given.org_details,
        enabled: given.attributes.and_then(|attributes| attributes.enabled).unwrap_or(true),
        created: call.now,
        updated: call.now,
    };
    issuer.check()?;
    let password = credentials.pwd.map(|password| SecretBytes::from_slice(password.as_bytes()));
    call.transact(&mut |image| {
        let before = find(image, name.as_str());
        issuer.created = before.as_ref().map_or(call.now, |before| before.record.created);
        let gone = before.map(|before| Change::Delete(before.number));
        Ok(gone.into_iter().chain([record::create(&issuer, password.clone())]).collect())
    })?;
    issuer.answer(call)
}

/// PATCH `/certificates/issuers/{name}`.
pub fn update(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    let name = call.name()?;
    let credentials = given.credentials.unwrap_or_default();
    let enabled = given.attributes.and_then(|attributes| attributes.enabled);
    let password = credentials.pwd.map(|password| SecretBytes::from_slice(password.as_bytes()));
    let mut changed = None;
    call.transact(&mut |image| {
        let Stored { number, record: mut issuer } = find(image, name.as_str()).ok_or_else(|| not_found(name))?;
        issuer.provider = given.provider.clone().unwrap_or(issuer.provider);
        issuer.account_id = credentials.account_id.clone().or(issuer.account_id);
        issuer.org_details = given.org_details.clone().or(issuer.org_details);
        issuer.enabled = enabled.unwrap_or(issuer.enabled);
        issuer.updated = call.now;
        issuer.check()?;
        let changes = match &password {
            None => vec![record::replace(number, &issuer)],
            Some(_) => vec![Change::Delete(number), record::create(&issuer, password.clone())],
        };
        changed = Some(issuer);
        Ok(changes)
    })?;
    changed.ok_or_else(|| not_found(name))?.answer(call)
}

/// GET `/certificates/issuers/{name}`.
pub fn get(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    find(&call.image, name.as_str()).ok_or_else(|| not_found(name))?.record.answer(call)
}

/// DELETE `/certificates/issuers/{name}`.
pub fn delete(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    let mut gone = None;
    call.transact(&mut |image| {
        let Stored { number, record } = find(image, name.as_str()).ok_or_else(|| not_found(name))?;
        gone = Some(record);
        Ok(vec![Change::Delete(number)])
    })?;
    gone.ok_or_else(|| not_found(name))?.answer(call)
}

/// GET `/certificates/issuers`.
pub fn list(call: &Call) -> Result<Reply> {
    paging::page(call, "certificates/issuers", |from| {
        let mut issuers: Vec<Issuer> = record::all(&call.image).map(|stored| stored.record).collect();
        issuers.sort_by_key(|issuer| issuer.name.to_ascii_lowercase());
        let from = from.to_owned();
        let rest = issuers.into_iter().filter(move |issuer| issuer.name.to_ascii_lowercase() >= from);
        rest.map(|issuer| {
            (issuer.name.to_ascii_lowercase(), Item { id: issuer.address(call), provider: issuer.provider })
        })
    })
}

/// The issuer with this name, without regard to case.
pub fn find(image: &Image, name: &str) -> Option<Stored<Issuer>> {
    record::all::<Issuer>(image).find(|stored| stored.record.name.eq_ignore_ascii_case(name))
}

/// No issuer is called so.
pub fn not_found(name: &Name) -> ServiceError {
    ServiceError::not_found("IssuerNotFound", format!("The issuer {name} was not found in this key vault."))
}

impl Issuer {
    /// Of an own one: the name of the authority's certificate.
    pub fn authority(&self) -> &str {
        self.account_id.as_deref().unwrap_or(&self.name)
    }

    /// Whether it is an authority of this vault.
    pub fn is_own(&self) -> bool {
        self.provider.eq_ignore_ascii_case(OWN_PROVIDER)
    }

    fn check(&self) -> Result<()> {
        let organization = self.org_details.as_ref();
        let administrators = organization.and_then(|details| details.admin_details.as_deref()).unwrap_or_default();
        if administrators.len() > MAX_ADMINISTRATORS {
            return wrong(format!("org_details.admin_details holds at most {MAX_ADMINISTRATORS} administrators."));
        }
        let of = administrators.iter().flat_map(|who| [&who.first_name, &who.last_name, &who.email, &who.phone]);
        let own = [&self.account_id].into_iter().chain(organization.map(|details| &details.id));
        let mut texts = own.chain(of).flatten().chain([&self.provider]);
        if texts.any(|text| text.chars().count() > MAX_TEXT) {
            return wrong(format!("A text of an issuer has at most {MAX_TEXT} characters."));
        }
        if self.provider.is_empty() {
            return wrong("provider is needed: Strongroom for an authority of this vault, else who it is.");
        }
        if self.is_own() && Name::new(self.authority()).is_err() {
            return wrong("credentials.account_id of this provider is the name of a certificate in this vault.");
        }
        Ok(())
    }

    fn address(&self, call: &Call) -> String {
        format!("{}/certificates/issuers/{}", call.base, self.name)
    }

    fn answer(&self, call: &Call) -> Result<Reply> {
        Reply::json(&Bundle {
            id: self.address(call),
            provider: &self.provider,
            credentials: ShownCredentials { account_id: self.account_id.as_deref() },
            org_details: self.org_details.as_ref(),
            attributes: ShownAttributes { enabled: self.enabled, created: self.created, updated: self.updated },
        })
    }
}

fn wrong<T>(what: impl Into<String>) -> Result<T> {
    Err(ServiceError::bad_parameter(what))
}
