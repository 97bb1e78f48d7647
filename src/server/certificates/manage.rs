//! Certificates are shown, listed and changed, and so are their policies.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use super::bundle::{Bundle, CertificateVersion, Item, OwnKeys, not_found, policy_before, policy_of};
use super::issuers;
use super::policy::{GivenPolicy, Policy};
use crate::server::attributes::{GivenAttributes, Tags, checked_tags};
use crate::server::body::maybe_object;
use crate::server::call::{Call, Reply};
use crate::server::error::Result;
use crate::server::paging;
use crate::vault::{Change, Class, Collection, Content, Image, Name, Object};

/// The body of an update; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "CertificateUpdateParameters")]
pub struct UpdateParameters {
    #[serde(default, deserialize_with = "maybe_object")]
    policy: Option<GivenPolicy>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
}

/// GET `/certificates/{name}/{version}`.
pub fn get(call: &Call) -> Result<Reply> {
    Reply::json(&Bundle::found(call, &call.image, call.name()?, call.version)?)
}

/// GET `/certificates`.
pub fn list(call: &Call) -> Result<Reply> {
    let pending = paging::includes_pending(call);
    paging::page(call, "certificates", |from| {
        let issued = call.image.names(Collection::Certificates, from);
        let names = paging::merged(issued, call.image.request_names(from));
        names.filter_map(move |folded| {
            let of = call.image.with_name(Collection::Certificates, folded).chain(call.image.request(folded));
            let current = CertificateVersion::current(&CertificateVersion::all(of))?;
            let shown = current.0.name.as_ref().map_or(folded, Name::as_str);
            let item = || Item::new(call, current, call.id(Collection::Certificates, shown));
            (pending || !current.is_pending()).then(|| (folded.to_owned(), item()))
        })
    })
}

/// GET `/certificates/{name}/versions`.
pub fn list_versions(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    CertificateVersion::find(&call.image, name, None)?;
    paging::page(call, &format!("certificates/{name}/versions"), |from| {
        let from: u32 = from.parse().unwrap_or(0);
        let versions = CertificateVersion::named(&call.image, name).into_iter();
        versions.filter(move |version| version.ordinal() >= from).map(|version| {
            let id = call.id_of(Collection::Certificates, version.0);
            (version.ordinal().to_string(), Item::new(call, version, id))
        })
    })
}

/// PATCH `/certificates/{name}/{version}`. `nbf` and `exp` are the certificate's own and stay.
pub fn update(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    let tags = given.tags.map(checked_tags).transpose()?;
    let enabled = given.attributes.and_then(|attributes| attributes.enabled);
    let name = call.name()?;
    call.transact(&mut |image| {
        let version = CertificateVersion::find(image, name, call.version)?;
        let mut content = version.0.content.clone();
        if let Some(tags) = &tags {
            content.tags.clone_from(tags);
        }
        content.enabled = enabled.unwrap_or(content.enabled);
        let mut changes = enabled.map(|enabled| key_halves(image, version, enabled)).unwrap_or_default();
        if let Some(given) = &given.policy {
            let policy = changed_policy(call, image, name, given)?;
            let newest = newest(image, name)?;
            match newest.number == version.0.number {
                true => policy.note(&mut content),
                false => changes.push(with_policy(newest, &policy)),
            }
        }
        changes.push(Change::Set(version.0.number, content));
        Ok(changes)
    })?;
    Reply::json(&Bundle::found(call, &call.served.vault.image(), name, call.version)?)
}

/// A certificate that is disabled takes the key with it that was made with it, unless another enabled version has that too.
fn key_halves(image: &Image, version: CertificateVersion<'_>, enabled: bool) -> Vec<Change> {
    let Some(key) = version.key(image).filter(|key| key.content.is_managed()) else { return Vec::new() };
    let Some(name) = key.name.as_ref() else { return Vec::new() };
    let keys = OwnKeys::of(image, name.as_str());
    let shared = |other: &CertificateVersion<'_>| {
        let same = other.key_among(image, &keys).is_some_and(|of| of.number == key.number);
        other.0.number != version.0.number && other.0.content.enabled && !other.is_pending() && same
    };
    if !enabled && CertificateVersion::named(image, name).iter().any(shared) {
        return Vec::new();
    }
    let id = key.version.map(|version| version.id);
    let is_half = |half: &&Arc<Object>| {
        let of_key = matches!(half.content.class, Class::PrivateKey | Class::PublicKey);
        of_key && half.version.map(|version| version.id) == id && half.content.enabled != enabled
    };
    let halves = image.with_name(Collection::Keys, name.as_str()).filter(is_half);
    halves.map(|half| Change::Set(half.number, Content { enabled, ..half.content.clone() })).collect()
}

/// GET `/certificates/{name}/policy`.
pub fn get_policy(call: &Call) -> Result<Reply> {
    answer_policy(call, &call.image)
}

/// PATCH `/certificates/{name}/policy`.
pub fn update_policy(call: &Call) -> Result<Reply> {
    let given: GivenPolicy = call.read()?;
    let name = call.name()?;
    call.transact(&mut |image| {
        let policy = changed_policy(call, image, name, &given)?;
        Ok(vec![with_policy(newest(image, name)?, &policy)])
    })?;
    answer_policy(call, &call.served.vault.image())
}

/// The version that keeps the policy.
fn newest<'a>(image: &'a Image, name: &Name) -> Result<&'a Arc<Object>> {
    CertificateVersion::named(image, name).last().map(|newest| newest.0).ok_or_else(|| not_found(name))
}

fn with_policy(newest: &Object, policy: &Policy) -> Change {
    let mut content = newest.content.clone();
    policy.note(&mut content);
    Change::Set(newest.number, content)
}

fn answer_policy(call: &Call, image: &Image) -> Result<Reply> {
    let name = call.name()?;
    let all = CertificateVersion::named(image, name);
    let first = all.first().ok_or_else(|| not_found(name))?;
    let shown = first.0.name.as_ref().unwrap_or(name);
    Reply::json(&policy_of(image, &all)?.shown(call, shown))
}

fn changed_policy(call: &Call, image: &Image, name: &Name, given: &GivenPolicy) -> Result<Policy> {
    let before = policy_before(image, name)?.ok_or_else(|| not_found(name))?;
    let changed = before.clone().changed(given.clone(), call.now)?;
    if issuers::find(image, &changed.issuer.name).is_some_and(|issuer| issuer.record.is_own()) {
        changed.x509_props.refuse_authority()?;
    }
    Ok(changed.following(Some(&before)))
}
