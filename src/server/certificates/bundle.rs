//! One version of a certificate: how it is found, which key is its own, and how it is shown.

use std::collections::HashMap;
use std::sync::Arc;

use base64ct::{Base64, Encoding};
use serde::Serialize;

use super::policy::{ContentType, Policy, Shown};
use super::{chain, derived, note};
use crate::certificate::{self, Certificate};
use crate::server::attributes::{ShownAttributes, Tags};
use crate::server::call::Call;
use crate::server::deleted;
use crate::server::error::{Result, ServiceError};
use crate::server::keys::Base64Url;
use crate::server::paging::includes_pending;
use crate::vault::{Change, Class, Collection, Content, Draft, Image, Name, Object, VersionId};

/// A certificate that was issued, or the request for one.
#[derive(Clone, Copy)]
pub struct CertificateVersion<'a>(pub &'a Arc<Object>);

impl<'a> CertificateVersion<'a> {
    /// All versions of a name, the oldest first, and what is still to be issued.
    pub fn all(objects: impl Iterator<Item = &'a Arc<Object>>) -> Vec<Self> {
        let is_version = |object: &&Arc<Object>| {
            object.version.is_some() && matches!(object.content.class, Class::Certificate | Class::CertificateRequest)
        };
        let mut versions: Vec<_> = objects.filter(is_version).map(Self).collect();
        versions.sort_by_key(Self::ordinal);
        versions
    }

    /// All versions in the image.
    pub fn named(image: &'a Image, name: &Name) -> Vec<Self> {
        let request = image.request(name.as_str());
        Self::all(image.with_name(Collection::Certificates, name.as_str()).chain(request))
    }

    /// A version, or the one that was issued last, or what is still to be issued if there is no other.
    pub fn find(image: &'a Image, name: &Name, version: Option<VersionId>) -> Result<Self> {
        let all = Self::named(image, name);
        let found = match version {
            Some(id) => all.into_iter().find(|one| one.0.version.is_some_and(|version| version.id == id)),
            None => Self::current(&all),
        };
        found.ok_or_else(|| not_found(name))
    }

    /// The one of all versions that counts where none is named.
    pub fn current(all: &[Self]) -> Option<Self> {
        all.iter().rev().find(|one| !one.is_pending()).or(all.last()).copied()
    }

    /// Whether it is still to be issued.
    pub fn is_pending(self) -> bool {
        self.0.content.class == Class::CertificateRequest
    }

    /// Which version it is, growing.
    pub fn ordinal(&self) -> u32 {
        self.0.version.map_or(0, |version| version.ordinal)
    }

    /// The certificate; none while it is to be issued.
    pub fn der(self) -> Option<&'a [u8]> {
        self.0.content.value.as_deref().filter(|_| !self.is_pending())
    }

    /// The private half of its key, if that is in the vault: the key that was made with it, else one with its public part.
    pub fn key(self, image: &'a Image) -> Option<&'a Arc<Object>> {
        if self.0.content.is_managed() {
            let (id, name) = (self.key_version()?, self.0.name.as_ref()?);
            return private_halves(image, name.as_str())
                .find(|key| key.version.is_some_and(|version| version.id == id));
        }
        self.key_by_public_part(image)
    }

    /// The same, out of the keys that all versions of its name have.
    pub fn key_among(self, image: &'a Image, keys: &OwnKeys<'a>) -> Option<&'a Arc<Object>> {
        match self.0.content.is_managed() {
            true => keys.0.get(&self.key_version()?).copied(),
            false => self.key_by_public_part(image),
        }
    }

    fn key_version(self) -> Option<VersionId> {
        note::key_version(&self.0.content).or(self.0.version.map(|version| version.id))
    }

    fn key_by_public_part(self, image: &'a Image) -> Option<&'a Arc<Object>> {
        let mut keys = image.with_id(&self.0.content.id).filter(is_private).peekable();
        // Nothing is parsed where there is no key.
        keys.peek()?;
        let certificate = Certificate::from_der(self.der()?).ok()?;
        keys.find(|key| key.content.key.as_ref().is_some_and(|key| *key.public == *certificate.spki()))
    }

    /// How its secret holds it.
    pub fn content_type(self) -> ContentType {
        self.0.content.content_type.as_deref().and_then(|name| ContentType::named(name).ok()).unwrap_or_default()
    }

    /// SHA-1 over the certificate.
    fn thumbprint(self) -> Option<Base64Url> {
        self.der().map(|der| Base64Url(certificate::thumbprint(der).to_vec()))
    }
}

/// The private halves of the keys that were made with a name's certificates, by their versions: with many versions it is
/// looked through once for all of them.
pub struct OwnKeys<'a>(HashMap<VersionId, &'a Arc<Object>>);

impl<'a> OwnKeys<'a> {
    /// Of this name, also those that were deleted with it.
    pub fn of(image: &'a Image, name: &str) -> Self {
        Self(private_halves(image, name).filter_map(|key| Some((key.version?.id, key))).collect())
    }
}

fn private_halves<'a>(image: &'a Image, name: &str) -> impl Iterator<Item = &'a Arc<Object>> {
    let deleted = image.deleted_with_name(Collection::Keys, name);
    image.with_name(Collection::Keys, name).chain(deleted).filter(is_private)
}

fn is_private(object: &&Arc<Object>) -> bool {
    object.content.class == Class::PrivateKey
}

/// The policy that stands for a name, out of all its versions: what was put last, else what the newest version is.
pub fn policy_of(image: &Image, all: &[CertificateVersion<'_>]) -> Result<Policy> {
    if let Some(policy) = Policy::newest(all.iter().map(|version| &version.0.content)) {
        return Ok(policy);
    }
    let newest = CertificateVersion::current(all).ok_or_else(|| ServiceError::bad_parameter("There is no version."))?;
    derived::policy(image, newest)
}

/// The policy that stands for a name, if it has a version or one that is waited for.
pub fn policy_before(image: &Image, name: &Name) -> Result<Option<Policy>> {
    let all = CertificateVersion::named(image, name);
    if all.is_empty() { Ok(None) } else { policy_of(image, &all).map(Some) }
}

/// `CertificateBundle`
#[derive(Serialize)]
pub struct Bundle<'a> {
    id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<Base64Url>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cer: Option<String>,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<&'static str>,
    attributes: ShownAttributes,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    policy: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<Pending>,
    #[serde(rename = "preserveCertOrder")]
    preserve_order: bool,
}

/// Where the operation is found that makes it.
#[derive(Serialize)]
struct Pending {
    id: String,
}

/// `CertificateItem`
#[derive(Serialize)]
pub struct Item<'a> {
    id: String,
    attributes: ShownAttributes,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    #[serde(skip_serializing_if = "Option::is_none")]
    x5t: Option<Base64Url>,
}

impl<'a> Bundle<'a> {
    /// Of this version, one of all that its name has.
    pub fn new(
        call: &Call,
        image: &Image,
        version: CertificateVersion<'a>,
        all: &[CertificateVersion<'a>],
    ) -> Result<Self> {
        let (object, content) = (version.0, &version.0.content);
        let name = object.name.as_ref().ok_or_else(|| ServiceError::bad_parameter("The certificate has no name."))?;
        let key = version.key(image).filter(|_| !version.is_pending());
        let is_named = |key: &&Arc<Object>| key.name.is_some() && key.version.is_some();
        let operation = note::has_operation(content).then(|| Pending { id: super::operation::address(call, name) });
        Ok(Self {
            id: call.id_of(Collection::Certificates, object),
            kid: key.filter(is_named).map(|key| call.id_of(Collection::Keys, key)),
            sid: key.map(|_| call.id_of(Collection::Secrets, object)),
            x5t: version.thumbprint(),
            cer: version.der().map(Base64::encode_string),
            content_type: key.map(|_| version.content_type().name()),
            attributes: attributes(call, version),
            tags: &content.tags,
            policy: policy_of(image, all)?.shown(call, name),
            pending: operation,
            preserve_order: note::preserves_order(content),
        })
    }

    /// Of the version with this id in the newest image, or the current one.
    pub fn found(call: &Call, image: &'a Image, name: &Name, version: Option<VersionId>) -> Result<Self> {
        let found = CertificateVersion::find(image, name, version)?;
        Self::new(call, image, found, &CertificateVersion::named(image, name))
    }
}

impl<'a> Item<'a> {
    /// Under this id.
    pub fn new(call: &Call, version: CertificateVersion<'a>, id: String) -> Self {
        let attributes = attributes(call, version).without_recovery();
        Self { id, attributes, tags: &version.0.content.tags, x5t: version.thumbprint() }
    }
}

fn attributes(call: &Call, version: CertificateVersion<'_>) -> ShownAttributes {
    let shown = ShownAttributes::of(call, version.0);
    if version.is_pending() { shown.disabled() } else { shown }
}

/// Certificates, to be deleted and brought back, with their keys and requests.
pub struct Certificates;

impl deleted::Kind for Certificates {
    const COLLECTION: Collection = Collection::Certificates;
    type Bundle<'a> = Bundle<'a>;
    type Item<'a> = Item<'a>;

    fn live<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
        CertificateVersion::named(image, name).into_iter().map(|version| version.0).collect()
    }

    fn bundle<'a>(call: &Call, image: &Image, versions: &[&'a Arc<Object>]) -> Result<Option<Bundle<'a>>> {
        let all = CertificateVersion::all(versions.iter().copied());
        CertificateVersion::current(&all).map(|current| Bundle::new(call, image, current, &all)).transpose()
    }

    fn item<'a>(call: &Call, versions: &[&'a Arc<Object>], id: String) -> Option<Item<'a>> {
        let current = CertificateVersion::current(&CertificateVersion::all(versions.iter().copied()))?;
        (!current.is_pending() || includes_pending(call)).then(|| Item::new(call, current, id))
    }

    /// The issued versions and the halves of the keys that were made with them.
    fn whole<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
        let versions: Vec<_> = image.with_name(Collection::Certificates, name.as_str()).collect();
        let managed = versions.iter().any(|version| version.content.is_managed());
        let halves = image.with_name(Collection::Keys, name.as_str()).filter(|_| managed);
        versions.into_iter().chain(halves).collect()
    }

    fn is_part(content: &Content) -> bool {
        let of_key = matches!(content.class, Class::PrivateKey | Class::PublicKey);
        of_key || Collection::of(content) == Some(Collection::Certificates)
    }

    fn beside(image: &Image, parts: &[Draft]) -> Result<Vec<Change>> {
        let own: Vec<_> = parts.iter().map(|part| &part.content).collect();
        let mut needed: Vec<Certificate> = Vec::new();
        for content in own.iter().filter(|content| content.chain().next().is_some()) {
            let read = |der: &[u8]| Certificate::from_der(der).map_err(super::refused);
            let leaf = read(content.value.as_deref().unwrap_or_default())?;
            let above = certificate::chain::kept(content).iter().map(|der| read(der)).collect::<Result<Vec<_>>>()?;
            let proven = certificate::chain::proven(&leaf, &above).into_iter();
            let new: Vec<_> = proven.filter(|above| !needed.contains(above)).cloned().collect();
            needed.extend(new);
        }
        chain::missing(image, &own, &needed.iter().collect::<Vec<_>>())
    }

    fn not_found(name: &Name) -> ServiceError {
        not_found(name)
    }
}

/// No certificate is called so, or it has no such version.
pub fn not_found(name: &Name) -> ServiceError {
    ServiceError::not_found(
        "CertificateNotFound",
        format!(
            "A certificate with (name/id) {name} was not found in this key vault. If you recently deleted this certificate \
             you may be able to recover it using the correct recovery command."
        ),
    )
}
