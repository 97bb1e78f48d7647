//! What a certificate is made of in the vault: its key's halves, itself, and the request while it waits.

use std::sync::Arc;

use super::note;
use super::operation::Operation;
use super::policy::Policy;
use crate::certificate::{Certificate, Signer, chain};
use crate::crypto::{self, PrivateKey};
use crate::server::attributes::{GivenAttributes, Tags, checked_tags};
use crate::server::call::Call;
use crate::server::error::{Result, ServiceError};
use crate::server::keys::{KTY, set_operations};
use crate::vault::{
    Change, Class, Collection, Content, Draft, Image, KeyAlgorithm, KeyDescription, Name, Naming, Object, SecretBytes,
    VaultError, VersionId,
};

/// What all parts of one version have in common.
#[derive(Clone)]
pub struct Version {
    /// Of certificate, key and secret.
    pub name: Name,
    /// Of certificate and key.
    pub id: VersionId,
    /// How it was to be made.
    pub policy: Policy,
    /// The certificate's.
    pub tags: Tags,
    /// Of all parts.
    pub enabled: bool,
    /// The chain's order is as it came.
    pub preserve_order: bool,
}

/// The key of a version.
#[derive(Clone)]
pub enum Key {
    /// One that becomes a key of the vault with the certificate.
    New {
        /// Parsed.
        key: Arc<PrivateKey>,
        /// What is kept.
        pkcs8: SecretBytes,
        /// Made here.
        local: bool,
    },
    /// One of an earlier version.
    Kept {
        /// That version.
        id: VersionId,
        /// What it is.
        description: KeyDescription,
        /// `CKA_ID`
        key_id: Vec<u8>,
    },
}

impl Key {
    /// Makes one.
    pub fn generate(call: &Call, algorithm: KeyAlgorithm) -> Result<Self> {
        let (key, pkcs8) = match algorithm {
            KeyAlgorithm::Rsa { bits } => call.pools.generate_rsa(bits, vec![1, 0, 1])?,
            _ => PrivateKey::generate(algorithm).map_err(VaultError::from)?,
        };
        Ok(Self::New { key: Arc::new(key), pkcs8, local: true })
    }

    /// One that is brought, in PKCS#8.
    pub fn brought(pkcs8: SecretBytes, local: bool) -> Result<Self> {
        let key = PrivateKey::from_pkcs8(pkcs8.expose()).map_err(VaultError::from)?;
        Ok(Self::New { key: Arc::new(key), pkcs8, local })
    }

    /// One that the vault holds already.
    pub fn kept(object: &Object) -> Option<Self> {
        let (version, description) = (object.version?, object.content.key.clone()?);
        Some(Self::Kept { id: version.id, description, key_id: object.content.id.clone() })
    }

    /// What is public of it.
    pub fn description(&self) -> KeyDescription {
        match self {
            Self::New { key, .. } => {
                KeyDescription { algorithm: key.algorithm(), public: key.public_key().spki().into() }
            }
            Self::Kept { description, .. } => description.clone(),
        }
    }

    /// The id that it and its certificate have in PKCS#11.
    fn key_id(&self) -> Vec<u8> {
        match self {
            Self::New { key, .. } => key.public_key().key_id().to_vec(),
            Self::Kept { key_id, .. } => key_id.clone(),
        }
    }
}

impl Version {
    /// A new one, as a request asks for it.
    pub fn asked(
        name: &Name,
        policy: Policy,
        tags: Option<Tags>,
        attributes: Option<GivenAttributes>,
        preserve_order: Option<bool>,
    ) -> Result<Self> {
        let mut id = VersionId::default();
        crypto::random(&mut id).map_err(VaultError::from)?;
        Ok(Self {
            name: name.clone(),
            id,
            policy,
            tags: checked_tags(tags.unwrap_or_default())?,
            enabled: attributes.and_then(|attributes| attributes.enabled).unwrap_or(true),
            preserve_order: preserve_order.unwrap_or(false),
        })
    }

    /// What makes the certificate and, if it is new, its key.
    pub fn drafts(
        &self,
        key: &Key,
        certificate: &Certificate,
        above: &[Certificate],
        operation: Option<&Operation>,
    ) -> Result<Vec<Draft>> {
        let mut drafts = match key {
            Key::New { key: new, pkcs8, local } => self.halves(key, new, pkcs8, *local, certificate)?,
            Key::Kept { .. } => Vec::new(),
        };
        let mut content = certificate.content(self.name.as_str().into(), key.key_id()).map_err(super::refused)?;
        content.enabled = self.enabled;
        content.not_before = Some(certificate.not_before());
        content.expires = Some(certificate.not_after());
        content.tags.clone_from(&self.tags);
        content.content_type = Some(self.policy.secret_props.content_type.name().into());
        content.set_managed();
        self.policy.note(&mut content);
        note::set_preserves_order(&mut content, self.preserve_order);
        chain::keep(&mut content, above);
        operation.into_iter().for_each(|operation| operation.note(&mut content));
        if let Key::Kept { id, .. } = key {
            note::set_key_version(&mut content, id);
        }
        drafts.push(self.draft(content, None));
        Ok(drafts)
    }

    fn halves(
        &self,
        key: &Key,
        new: &PrivateKey,
        pkcs8: &SecretBytes,
        local: bool,
        certificate: &Certificate,
    ) -> Result<Vec<Draft>> {
        let (mut main, mut public) = (Content::new(Class::PrivateKey), Content::new(Class::PublicKey));
        for content in [&mut main, &mut public] {
            content.label = self.name.as_str().into();
            content.id = key.key_id();
            content.enabled = self.enabled;
            content.not_before = Some(certificate.not_before());
            content.expires = Some(certificate.not_after());
            content.key = Some(key.description());
            content.local = local;
        }
        main.exportable = self.policy.key_props.exportable;
        let kty = Some(&self.policy.key_props.kty).filter(|kty| !kty.is_empty());
        kty.into_iter().for_each(|kty| drop(main.notes.insert(KTY.into(), kty.clone())));
        main.set_managed();
        set_operations(self.policy.x509_props.operations(new.algorithm()), &mut main, Some(&mut public));
        Ok(vec![self.draft(main, Some(pkcs8.clone())), self.draft(public, None)])
    }

    fn draft(&self, content: Content, secret: Option<SecretBytes>) -> Draft {
        Draft { content, naming: Naming::As(self.name.clone(), self.id), secret }
    }
}

/// The private half of this version of a key that isn't deleted.
pub fn private_half<'a>(image: &'a Image, name: &Name, id: VersionId) -> Option<&'a Arc<Object>> {
    image
        .with_name(Collection::Keys, name.as_str())
        .find(|half| half.content.class == Class::PrivateKey && half.version.is_some_and(|version| version.id == id))
}

/// Refuses a key that is to be kept and isn't there any more.
pub fn check_kept(image: &Image, name: &Name, key: &Key) -> Result<()> {
    let Key::Kept { id, .. } = key else { return Ok(()) };
    match private_half(image, name, *id) {
        Some(_) => Ok(()),
        None => {
            Err(ServiceError::bad_parameter("The key that was to be used again is gone: create the certificate anew."))
        }
    }
}

/// A key that is kept for another certificate lives as long as that, and leaves the vault no longer if it mustn't with it.
pub fn reused(image: &Image, version: &Version, key: &Key, certificate: &Certificate) -> Vec<Change> {
    let Key::Kept { id, .. } = key else { return Vec::new() };
    let end = certificate.not_after();
    let halves = image.with_name(Collection::Keys, version.name.as_str());
    let halves = halves.filter(|half| half.version.is_some_and(|version| version.id == *id));
    let changed = |half: &Arc<Object>| {
        let expires = half.content.expires.map(|expires| expires.max(end));
        let mut content = Content { expires, ..half.content.clone() };
        if !version.policy.key_props.exportable {
            content.end_export();
        }
        let (was, is) = (&half.content, &content);
        let same = (was.expires, was.exportable) == (is.expires, is.exportable);
        (!same).then(|| Change::Set(half.number, content))
    };
    halves.filter_map(changed).collect()
}

/// A certificate that is waited for.
pub struct Request;

impl Request {
    /// What makes it.
    pub fn draft(version: &Version, key: &Key, csr: &[u8], operation: &Operation) -> Draft {
        let mut content = Content::new(Class::CertificateRequest);
        content.label = version.name.as_str().into();
        content.id = key.key_id();
        content.enabled = version.enabled;
        content.key = Some(key.description());
        content.value = Some(csr.into());
        content.tags.clone_from(&version.tags);
        content.set_managed();
        version.policy.note(&mut content);
        operation.note(&mut content);
        note::set_preserves_order(&mut content, version.preserve_order);
        let secret = match key {
            Key::New { pkcs8, .. } => Some(pkcs8.clone()),
            Key::Kept { id, .. } => {
                note::set_key_version(&mut content, id);
                None
            }
        };
        version.draft(content, secret)
    }

    /// The same name and version with this content, and without a key.
    pub fn without_key(request: &Object, content: Content) -> Option<Draft> {
        let naming = Naming::As(request.name.clone()?, request.version?.id);
        Some(Draft { content, naming, secret: None })
    }

    /// What it is for.
    pub fn version(request: &Object) -> Result<Version> {
        let content = &request.content;
        let unreadable = || ServiceError::bad_parameter("The pending certificate can't be read: delete its operation.");
        Ok(Version {
            name: request.name.clone().ok_or_else(unreadable)?,
            id: request.version.ok_or_else(unreadable)?.id,
            policy: Policy::of(content).ok_or_else(unreadable)?,
            tags: content.tags.clone(),
            enabled: content.enabled,
            preserve_order: note::preserves_order(content),
        })
    }
}

/// Signs with a version's key.
pub fn signer(call: &Call, key: &Key, kept: Option<&Object>) -> Result<Signer> {
    let signer = match (key, kept) {
        (Key::New { key, .. }, _) => Signer::new(Arc::clone(key)),
        (Key::Kept { description, .. }, Some(object)) => {
            Signer::in_vault(call.served.vault.private_key_at_any_time(object.number)?, description)
        }
        (Key::Kept { .. }, None) => return Err(ServiceError::bad_parameter("The key that is kept is gone.")),
    };
    signer.map_err(super::refused)
}
