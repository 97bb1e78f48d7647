//! The secret of a certificate: the certificate, those above it and, if it may leave, the private key, in one text. It is
//! made whenever it is asked for, always the same of the same things, and so can't differ from them.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

use super::bundle::{CertificateVersion, OwnKeys};
use super::policy::ContentType;
use crate::certificate::{chain, pem, pkcs12};
use crate::server::call::Call;
use crate::server::error::{Result, ServiceError};
use crate::vault::{Collection, Image, Name, Object, SecretBytes, VersionId};

/// Whether what is called a secret is a certificate's, if it is there: no secret of its own has the name.
pub fn is_certificate(image: &Image, name: &Name) -> bool {
    let has = |collection| image.with_name(collection, name.as_str()).next().is_some();
    !has(Collection::Secrets) && has(Collection::Certificates)
}

/// The versions under a name that have a secret: certificates whose key is here, unless a secret of its own has the name.
pub fn versions<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
    match is_certificate(image, name) {
        true => all_of(image, name.as_str(), image.with_name(Collection::Certificates, name.as_str())),
        false => Vec::new(),
    }
}

/// One of them, or the newest.
pub fn version<'a>(image: &'a Image, name: &Name, id: Option<VersionId>) -> Option<&'a Arc<Object>> {
    if !is_certificate(image, name) {
        return None;
    }
    let versions = image.with_name(Collection::Certificates, name.as_str());
    let Some(id) = id else {
        let keys = OwnKeys::of(image, name.as_str());
        let mut newest_first = CertificateVersion::all(versions).into_iter().rev();
        return newest_first.find(|version| has_secret(image, &keys, *version)).map(|version| version.0);
    };
    let mut named = versions.filter(|object| object.version.is_some_and(|version| version.id == id));
    named.find(|object| CertificateVersion(object).key(image).is_some())
}

/// As [`versions`], of what was deleted softly.
pub fn deleted_versions<'a>(image: &'a Image, name: &str) -> Vec<&'a Arc<Object>> {
    if image.deleted_with_name(Collection::Secrets, name).next().is_some() {
        return Vec::new();
    }
    all_of(image, name, image.deleted_with_name(Collection::Certificates, name))
}

fn all_of<'a>(image: &'a Image, name: &str, objects: impl Iterator<Item = &'a Arc<Object>>) -> Vec<&'a Arc<Object>> {
    let keys = OwnKeys::of(image, name);
    let versions = CertificateVersion::all(objects).into_iter();
    versions.filter(|version| has_secret(image, &keys, *version)).map(|version| version.0).collect()
}

fn has_secret<'a>(image: &'a Image, keys: &OwnKeys<'a>, version: CertificateVersion<'a>) -> bool {
    !version.is_pending() && version.key_among(image, keys).is_some()
}

/// Refuses what would change or hide the secret of a certificate.
pub fn refuse_managed(image: &Image, name: &Name) -> Result<()> {
    refuse_held(image, name)?;
    if version(image, name, None).is_none() { Ok(()) } else { Err(managed(name)) }
}

/// Refuses a key or secret of its own under the name of a certificate that was made with its key.
pub fn refuse_held(image: &Image, name: &Name) -> Result<()> {
    let certificates = image.with_name(Collection::Certificates, name.as_str());
    match certificates.chain(image.request(name.as_str())).any(|object| object.content.is_managed()) {
        false => Ok(()),
        true => Err(managed(name)),
    }
}

/// It goes with its certificate.
pub fn managed(name: &Name) -> ServiceError {
    ServiceError::forbidden(
        "ObjectIsManaged",
        format!("{name} is the key or the secret of the certificate of that name: change, back up or delete that."),
    )
}

/// How a version's secret holds it.
pub fn content_type(object: &Arc<Object>) -> ContentType {
    CertificateVersion(object).content_type()
}

/// The key of a version.
pub fn key_of<'a>(image: &'a Image, object: &'a Arc<Object>) -> Option<&'a Arc<Object>> {
    CertificateVersion(object).key(image)
}

/// What a version's secret says.
pub fn value(call: &Call, object: &Arc<Object>, content_type: ContentType) -> Result<Zeroizing<String>> {
    let key = key_of(&call.image, object).filter(|key| key.content.may_leave_in_clear());
    let key = key.map(|key| call.served.vault.secret(key.number)).transpose()?;
    let leaf = object.content.value.as_deref().unwrap_or_default();
    let above = chain::kept(&object.content);
    let chain: Vec<&[u8]> = [leaf].into_iter().chain(above.iter().map(Vec::as_slice)).collect();
    match content_type {
        ContentType::Pem => {
            let text = pem::bundle(key.as_ref(), &chain);
            Ok(Zeroizing::new(std::str::from_utf8(text.expose()).unwrap_or_default().to_owned()))
        }
        ContentType::Pkcs12 => pfx(key.as_ref(), &chain, object.name.as_ref().map(Name::as_str).unwrap_or_default()),
    }
}

fn pfx(key: Option<&SecretBytes>, chain: &[&[u8]], label: &str) -> Result<Zeroizing<String>> {
    let bundle = pkcs12::Bundle { key, chain, label };
    let protection = pkcs12::Protection::none(&bundle).map_err(super::refused)?;
    let file = pkcs12::write(&bundle, &protection).map_err(super::refused)?;
    Ok(Zeroizing::new(Base64::encode_string(file.expose())))
}
