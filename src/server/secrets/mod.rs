//! Secrets: named values with versions.
//!
//! A secret is a private data object, so that PKCS#11 programs see it as `CKO_DATA`. One that such a program wrote has
//! bytes for a value: it is shown in base64 with the content type `application/octet-stream`.
//!
//! The secret of a certificate is shown among them, and changed only with the certificate ([`secret`]).

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::attributes::{GivenAttributes, ShownAttributes, Tags, checked_tags};
use super::body::maybe_object;
use super::call::{Call, Reply};
use super::certificates::{ContentType, secret};
use super::error::{Result, ServiceError};
use super::{deleted, paging};
use crate::vault::{
    Change, Class, Collection, Content, Draft, Image, MAX_SECRET_LEN, Name, Naming, Object, SecretBytes, VersionId,
};

/// Longest content type, in characters.
const MAX_CONTENT_TYPE: usize = 255;

/// The body of a set.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SecretSetParameters")]
pub struct SetParameters {
    /// The value, at most 25 KiB.
    #[schemars(with = "String")]
    value: Zeroizing<String>,
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
}

/// The body of an update; what is absent stays.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "SecretUpdateParameters")]
pub struct UpdateParameters {
    #[serde(rename = "contentType")]
    content_type: Option<String>,
    #[serde(default, deserialize_with = "maybe_object")]
    attributes: Option<GivenAttributes>,
    tags: Option<Tags>,
}

/// A version of a secret, with or without its value.
#[derive(Serialize)]
pub struct Bundle<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    value: Option<Zeroizing<String>>,
    id: String,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    attributes: ShownAttributes,
    #[serde(skip_serializing_if = "Tags::is_empty")]
    tags: &'a Tags,
    /// The key of the certificate whose secret it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    /// It is a certificate's.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    managed: bool,
}

impl<'a> Bundle<'a> {
    /// Without the value, under this id.
    pub fn new(call: &Call, object: &'a Arc<Object>, id: String) -> Self {
        let content = &object.content;
        if content.class == Class::Certificate {
            return Self::of_certificate(call, object, id);
        }
        let octets = (!content.has_text_value()).then_some("application/octet-stream");
        Self {
            value: None,
            id,
            content_type: content.content_type.as_deref().or(octets),
            attributes: ShownAttributes::of(call, object),
            tags: &content.tags,
            kid: None,
            managed: false,
        }
    }

    fn of_certificate(call: &Call, object: &'a Arc<Object>, id: String) -> Self {
        let key = secret::key_of(&call.image, object);
        let content_type = secret::content_type(object).name();
        Self {
            value: None,
            id,
            content_type: Some(content_type),
            attributes: ShownAttributes::of(call, object),
            tags: &object.content.tags,
            kid: key.filter(|key| key.name.is_some()).map(|key| call.id_of(Collection::Keys, key)),
            managed: true,
        }
    }

    fn of(call: &Call, object: &'a Arc<Object>) -> Self {
        Self::new(call, object, call.id_of(Collection::Secrets, object))
    }
}

/// PUT `/secrets/{name}`: a first or a further version.
pub fn set(call: &Call) -> Result<Reply> {
    let given: SetParameters = call.read()?;
    if given.value.len() > MAX_SECRET_LEN {
        return Err(ServiceError::bad_parameter(format!("A secret's value has at most {MAX_SECRET_LEN} bytes.")));
    }
    let name = call.name()?;
    secret::refuse_managed(&call.image, name)?;
    let mut content = Content::new(Class::Data);
    content.private = true;
    content.label = name.as_str().into();
    content.content_type = checked_content_type(given.content_type)?;
    content.tags = checked_tags(given.tags.unwrap_or_default())?;
    content.note_text_value();
    given.attributes.unwrap_or_default().apply(&mut content)?;
    let secret = SecretBytes::from_slice(given.value.as_bytes());
    let draft = Draft { content, naming: Naming::Set(name.clone()), secret: Some(secret) };
    let created = call.served.vault.create(vec![draft])?;
    let object = created.first().ok_or_else(|| not_found(name))?;
    Reply::json(&Bundle { value: Some(given.value), ..Bundle::of(call, object) })
}

/// GET `/secrets/{name}/{version}`.
pub fn get(call: &Call) -> Result<Reply> {
    let object = version(&call.image, call.name()?, call.version)?;
    if !object.content.enabled {
        return Err(ServiceError::forbidden("SecretDisabled", "Operation get is not allowed on a disabled secret."));
    }
    if object.content.class == Class::Certificate {
        return get_of_certificate(call, object);
    }
    let secret = call.served.vault.secret(object.number)?;
    let value = match object.content.has_text_value() {
        true => std::str::from_utf8(secret.expose()).map(str::to_owned).unwrap_or_default(),
        false if secret.len() > MAX_SECRET_LEN => {
            let what = format!("This data object has more than {MAX_SECRET_LEN} bytes: read it by PKCS#11.");
            return Err(ServiceError::bad_parameter(what));
        }
        false => Base64::encode_string(secret.expose()),
    };
    Reply::json(&Bundle { value: Some(Zeroizing::new(value)), ..Bundle::of(call, object) })
}

/// The type that is asked for counts before the certificate's own.
fn get_of_certificate(call: &Call, object: &Arc<Object>) -> Result<Reply> {
    let asked = call.query.get("outContentType").filter(|name| !name.is_empty());
    let content_type = asked.map_or_else(|| Ok(secret::content_type(object)), ContentType::named)?;
    let value = secret::value(call, object, content_type)?;
    let bundle = Bundle::of(call, object);
    Reply::json(&Bundle { value: Some(value), content_type: Some(content_type.name()), ..bundle })
}

/// Whether a get takes so long that it has threads of its own: sealing a certificate's file is thousands of digests.
pub fn is_slow(call: &Call) -> bool {
    call.name.as_ref().is_some_and(|name| secret::is_certificate(&call.image, name))
}

/// PATCH `/secrets/{name}/{version}`.
pub fn update(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    let content_type = checked_content_type(given.content_type)?;
    let tags = given.tags.map(checked_tags).transpose()?;
    let name = call.name()?;
    let mut number = None;
    call.transact(&mut |image| {
        secret::refuse_managed(image, name)?;
        let object = version(image, name, call.version)?;
        let mut content = object.content.clone();
        if let Some(attributes) = &given.attributes {
            attributes.apply(&mut content)?;
        }
        if content_type.is_some() {
            content.content_type.clone_from(&content_type);
        }
        if let Some(tags) = &tags {
            content.tags.clone_from(tags);
        }
        number = Some(object.number);
        Ok(vec![Change::Set(object.number, content)])
    })?;
    let image = call.served.vault.image();
    let object = number.and_then(|number| image.get(number)).ok_or_else(|| not_found(name))?;
    Reply::json(&Bundle::of(call, object))
}

/// GET `/secrets`.
pub fn list(call: &Call) -> Result<Reply> {
    paging::page(call, "secrets", |from| {
        let names = |collection| call.image.names(collection, from);
        paging::merged(names(Collection::Secrets), names(Collection::Certificates)).filter_map(|folded| {
            let object = version(&call.image, &Name::new(folded).ok()?, None).ok()?;
            let shown = object.name.as_ref().map_or(folded, Name::as_str);
            Some((folded.to_owned(), Bundle::new(call, object, call.id(Collection::Secrets, shown))))
        })
    })
}

/// GET `/secrets/{name}/versions`.
pub fn list_versions(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    version(&call.image, name, None)?;
    paging::page(call, &format!("secrets/{name}/versions"), |from| {
        let from: u32 = from.parse().unwrap_or(0);
        let mut versions = all(&call.image, name);
        versions.sort_by_key(|object| ordinal(object));
        let rest = versions.into_iter().filter(move |object| ordinal(object) >= from);
        rest.map(|object| (ordinal(object).to_string(), Bundle::of(call, object)))
    })
}

/// All versions of this name: of a secret, else of a certificate that has one.
fn all<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
    let secrets: Vec<_> = image.with_name(Collection::Secrets, name.as_str()).collect();
    if secrets.is_empty() { secret::versions(image, name) } else { secrets }
}

/// A version, or the current one.
fn version<'a>(image: &'a Image, name: &Name, version: Option<VersionId>) -> Result<&'a Arc<Object>> {
    let mut own = image.with_name(Collection::Secrets, name.as_str());
    let found = match version {
        None => newest(own),
        Some(id) => own.find(|object| object.version.is_some_and(|version| version.id == id)),
    };
    found.or_else(|| secret::version(image, name, version)).ok_or_else(|| not_found(name))
}

/// The version that was made last.
pub fn newest<'a>(versions: impl IntoIterator<Item = &'a Arc<Object>>) -> Option<&'a Arc<Object>> {
    versions.into_iter().max_by_key(|object| ordinal(object))
}

/// Secrets, to be deleted and brought back.
pub struct Secrets;

impl deleted::Kind for Secrets {
    const COLLECTION: Collection = Collection::Secrets;
    type Bundle<'a> = Bundle<'a>;
    type Item<'a> = Bundle<'a>;

    fn live<'a>(image: &'a Image, name: &Name) -> Vec<&'a Arc<Object>> {
        all(image, name)
    }

    fn kept<'a>(image: &'a Image, name: &str) -> Vec<&'a Arc<Object>> {
        let secrets: Vec<_> = image.deleted_with_name(Collection::Secrets, name).collect();
        if secrets.is_empty() { secret::deleted_versions(image, name) } else { secrets }
    }

    fn kept_names<'a>(image: &'a Image, from: &str) -> Box<dyn Iterator<Item = &'a str> + 'a> {
        let names = |collection| image.deleted_names(collection, from);
        Box::new(paging::merged(names(Collection::Secrets), names(Collection::Certificates)))
    }

    fn bundle<'a>(call: &Call, _image: &Image, versions: &[&'a Arc<Object>]) -> Result<Option<Bundle<'a>>> {
        Ok(newest(versions.iter().copied()).map(|object| Bundle::of(call, object)))
    }

    fn item<'a>(call: &Call, versions: &[&'a Arc<Object>], id: String) -> Option<Bundle<'a>> {
        newest(versions.iter().copied()).map(|object| Bundle::new(call, object, id))
    }

    fn not_found(name: &Name) -> ServiceError {
        not_found(name)
    }
}

fn ordinal(object: &Object) -> u32 {
    object.version.map_or(0, |version| version.ordinal)
}

fn checked_content_type(content_type: Option<String>) -> Result<Option<String>> {
    match content_type {
        Some(text) if text.chars().count() > MAX_CONTENT_TYPE => {
            Err(ServiceError::bad_parameter(format!("A content type has at most {MAX_CONTENT_TYPE} characters.")))
        }
        other => Ok(other),
    }
}

fn not_found(name: &Name) -> ServiceError {
    ServiceError::not_found(
        "SecretNotFound",
        format!(
            "A secret with (name/id) {name} was not found in this key vault. If you recently deleted this secret you may \
             be able to recover it using the correct recovery command."
        ),
    )
}
