//! A certificate is made: its key and its request always, and itself where somebody here can sign it.

use base64ct::{Base64, Encoding};
use schemars::JsonSchema;
use serde::Deserialize;

use super::authority::{self, Issued};
use super::bundle::{CertificateVersion, policy_of};
use super::operation::{Failure, Operation, Status, refuse_pending};
use super::parts::{self, Key, Request, Version};
use super::policy::{GivenPolicy, Policy, SELF, UNKNOWN};
use super::{chain, issuers};
use crate::certificate::{Certificate, Profile, Signer, make};
use crate::server::attributes::{GivenAttributes, Tags, checked_tags};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::guid;
use crate::vault::{Change, Class, Image, Name, VaultError};

/// The body of a create.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateCreateParameters")]
pub struct CreateParameters {
    #[serde(default, deserialize_with = "maybe_object")]
    policy: Option<GivenPolicy>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
    #[serde(rename = "preserveCertOrder")]
    preserve_order: Option<bool>,
}

/// What came of the attempt to have it signed.
enum Outcome {
    /// It is there, with those above it.
    Issued(Certificate, Vec<Certificate>),
    /// People have to do something.
    Waits,
    /// The issuer can't.
    Failed(Failure),
}

/// POST `/certificates/{name}/create`: a first or a further version.
pub fn create(call: &Call) -> Result<Reply> {
    let given: CreateParameters = call.read()?;
    let name = call.name()?;
    refuse_reserved(name)?;
    refuse_pending(&call.image, name)?;
    let version = Version {
        name: name.clone(),
        id: version_id()?,
        policy: policy(call, name, given.policy)?,
        tags: checked_tags(given.tags.unwrap_or_default())?,
        enabled: given.attributes.and_then(|attributes| attributes.enabled).unwrap_or(true),
        preserve_order: given.preserve_order.unwrap_or(false),
    };
    let profile = version.policy.x509_props.profile(call.now)?;
    let (key, signer) = key(call, &version)?;
    let csr = make::request(&profile, &signer).map_err(super::refused)?;
    let outcome = issue(call, &version.policy, &profile, &signer)?;
    let operation = operation(&version.policy, &csr, &outcome)?;
    let made = call.transact(&mut |image| {
        refuse_pending(image, name)?;
        let mut changes = replaced(image, name);
        match &outcome {
            Outcome::Issued(certificate, above) => {
                changes.extend(issued(image, &version, &key, certificate, above, Some(&operation))?);
            }
            _ => changes.push(Change::Create(Request::draft(&version, &key, &csr, &operation))),
        }
        Ok(changes)
    })?;
    let is_it = |class| matches!(class, Class::Certificate | Class::CertificateRequest);
    let object = made.iter().find(|object| object.name.is_some() && is_it(object.content.class));
    operation.accepted(call, object.ok_or_else(|| super::operation::not_found(name))?)
}

/// What makes an issued certificate, with everything that belongs to it.
pub fn issued(
    image: &Image,
    version: &Version,
    key: &Key,
    certificate: &Certificate,
    above: &[Certificate],
    operation: Option<&Operation>,
) -> Result<Vec<Change>> {
    parts::check_kept(image, &version.name, key)?;
    let mut changes = chain::missing(image, above)?;
    changes.extend(parts::extended(image, &version.name, key, certificate));
    changes.extend(version.drafts(key, certificate, above, operation)?.into_iter().map(Change::Create));
    Ok(changes)
}

/// What of a name was waited for and isn't any longer.
pub fn replaced(image: &Image, name: &Name) -> Vec<Change> {
    image.request(name.as_str()).map(|request| Change::Delete(request.number)).into_iter().collect()
}

/// Refuses names that mean something else in a path.
pub fn refuse_reserved(name: &Name) -> Result<()> {
    match ["contacts", "issuers", "restore"].iter().any(|word| name.as_str().eq_ignore_ascii_case(word)) {
        false => Ok(()),
        true => Err(ServiceError::bad_parameter(format!("A certificate can't be called {name}: choose another name."))),
    }
}

/// A new version's id.
pub fn version_id() -> Result<[u8; 16]> {
    let mut id = [0; 16];
    crate::crypto::random(&mut id).map_err(VaultError::from)?;
    Ok(id)
}

/// The policy that is given, or else the one that stands for the name.
fn policy(call: &Call, name: &Name, given: Option<GivenPolicy>) -> Result<Policy> {
    let all = CertificateVersion::named(&call.image, name);
    let before = if all.is_empty() { None } else { Some(policy_of(&call.image, &all)?) };
    match (given, before) {
        (Some(given), before) => Ok(Policy::new(given, call.now)?.following(before.as_ref())),
        (None, Some(before)) => Ok(before),
        (None, None) => {
            Err(ServiceError::bad_parameter("policy is needed: there is no certificate whose policy stands."))
        }
    }
}

/// The key of a version: the current one's where the policy says so and it is of the kind, else a new one.
fn key(call: &Call, version: &Version) -> Result<(Key, Signer)> {
    let (_, algorithm) = version.policy.key_props.algorithm()?;
    let all = CertificateVersion::named(&call.image, &version.name);
    let current = CertificateVersion::current(&all).filter(|current| current.0.content.is_managed());
    let kept = current.filter(|_| version.policy.key_props.reuse_key).and_then(|current| current.key(&call.image));
    let fits = |key: &&std::sync::Arc<crate::vault::Object>| {
        key.content.key.as_ref().is_some_and(|key| key.algorithm == algorithm && !key.public.is_empty())
    };
    match kept.filter(fits).and_then(|object| Some((object, Key::kept(object)?))) {
        Some((object, key)) => Ok((key.clone(), parts::signer(call, &key, Some(object))?)),
        None => {
            let key = Key::generate(call, algorithm)?;
            let signer = parts::signer(call, &key, None)?;
            Ok((key, signer))
        }
    }
}

fn issue(call: &Call, policy: &Policy, profile: &Profile, signer: &Signer) -> Result<Outcome> {
    if policy.issuer.is(UNKNOWN) {
        return Ok(Outcome::Waits);
    }
    if policy.issuer.is(SELF) {
        let der = make::self_signed(profile, signer).map_err(super::refused)?;
        return Ok(Outcome::Issued(Certificate::from_der(&der).map_err(super::refused)?, Vec::new()));
    }
    let name = Name::new(&policy.issuer.name)?;
    let issuer = issuers::find(&call.image, name.as_str()).ok_or_else(|| issuers::not_found(&name))?.record;
    if !issuer.is_own() {
        return Ok(Outcome::Waits);
    }
    let issued: Issued = authority::issue(call, &issuer, profile, signer.spki());
    Ok(match issued {
        Ok((certificate, above)) => Outcome::Issued(certificate, above),
        Err(failure) => Outcome::Failed(failure),
    })
}

fn operation(policy: &Policy, csr: &[u8], outcome: &Outcome) -> Result<Operation> {
    let (status, error) = match outcome {
        Outcome::Issued(..) => (Status::Completed, None),
        Outcome::Waits => (Status::InProgress, None),
        Outcome::Failed(failure) => (Status::Failed, Some(failure.clone())),
    };
    let request_id = guid::random()?.replace('-', "");
    Ok(Operation::new(&policy.issuer, Base64::encode_string(csr), request_id, status, error))
}
