//! A certificate is made: its key and its request always, and itself where somebody here can sign it.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use schemars::JsonSchema;
use serde::Deserialize;

use super::authority::{self, Issued};
use super::bundle::{CertificateVersion, policy_before};
use super::operation::{Failure, Operation, Status, refuse_pending};
use super::parts::{self, Key, Request, Version};
use super::policy::{GivenPolicy, Policy, SELF, UNKNOWN};
use super::{chain, issuers, note};
use crate::certificate::{self, Certificate, Profile, Signer, make};
use crate::server::attributes::{GivenAttributes, Tags};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::{Result, ServiceError};
use crate::server::guid;
use crate::vault::{Change, Class, Collection, Image, Name, Object};

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

/// Who is asked to sign it.
enum Asked {
    /// People bring it.
    Nobody,
    /// Its own key.
    Itself,
    /// An authority of this vault.
    Own(issuers::Issuer),
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
    let policy = policy(call, name, given.policy)?;
    let version = Version::asked(name, policy, given.tags, given.attributes, given.preserve_order)?;
    let issuer = issuer(call, &version.policy)?;
    let profile = version.policy.x509_props.profile(call.now)?;
    let (key, signer) = key(call, &version)?;
    let csr = make::request(&profile, &signer).map_err(super::refused)?;
    let outcome = issue(call, &issuer, &profile, &signer)?;
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
    let drafts = version.drafts(key, certificate, above, operation)?;
    let own: Vec<_> = drafts.iter().map(|draft| &draft.content).collect();
    let mut changes = chain::missing(image, &own, &certificate::chain::proven(certificate, above))?;
    changes.extend(superseded(image, &version.name));
    changes.extend(parts::reused(image, version, key, certificate));
    changes.extend(drafts.into_iter().map(Change::Create));
    Ok(changes)
}

/// Only the newest version says how the next one is made and what came of its operation: the one before keeps neither, so
/// that a certificate doesn't grow with each of them.
fn superseded(image: &Image, name: &Name) -> Vec<Change> {
    let versions = image.with_name(Collection::Certificates, name.as_str());
    let stripped = |object: &Arc<Object>| {
        let content = note::without_next(&object.content)?;
        Some(Change::Set(object.number, content))
    };
    versions.filter_map(stripped).collect()
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

/// The policy that is given, or else the one that stands for the name.
fn policy(call: &Call, name: &Name, given: Option<GivenPolicy>) -> Result<Policy> {
    match (given, policy_before(&call.image, name)?) {
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
    let fits = |key: &&Arc<Object>| {
        key.content.key.as_ref().is_some_and(|key| key.algorithm == algorithm && !key.public.is_empty())
    };
    match kept.filter(fits).and_then(|object| Some((object, Key::kept(object)?))) {
        Some((object, _)) if version.policy.key_props.exportable && !object.content.may_leave_in_clear() => {
            Err(ServiceError::bad_parameter(
                "The key that policy.key_props.reuse_key keeps isn't exportable: say exportable false, or reuse_key false.",
            ))
        }
        Some((object, key)) => Ok((key.clone(), parts::signer(call, &key, Some(object))?)),
        None => {
            let key = Key::generate(call, algorithm)?;
            let signer = parts::signer(call, &key, None)?;
            Ok((key, signer))
        }
    }
}

/// Who issues it. What can't be asked of them is refused before a key is made.
fn issuer(call: &Call, policy: &Policy) -> Result<Asked> {
    if policy.issuer.is(UNKNOWN) {
        return Ok(Asked::Nobody);
    }
    if policy.issuer.is(SELF) {
        return Ok(Asked::Itself);
    }
    let name = Name::new(&policy.issuer.name)?;
    let issuer = issuers::find(&call.image, name.as_str()).ok_or_else(|| issuers::not_found(&name))?.record;
    if !issuer.is_own() {
        return Ok(Asked::Nobody);
    }
    policy.x509_props.refuse_authority()?;
    Ok(Asked::Own(issuer))
}

fn issue(call: &Call, issuer: &Asked, profile: &Profile, signer: &Signer) -> Result<Outcome> {
    match issuer {
        Asked::Nobody => Ok(Outcome::Waits),
        Asked::Itself => {
            let der = make::self_signed(profile, signer).map_err(super::refused)?;
            Ok(Outcome::Issued(Certificate::from_der(&der).map_err(super::refused)?, Vec::new()))
        }
        Asked::Own(issuer) => {
            let issued: Issued = authority::issue(call, issuer, profile, signer.spki());
            Ok(issued.map_or_else(Outcome::Failed, |(certificate, above)| Outcome::Issued(certificate, above)))
        }
    }
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
