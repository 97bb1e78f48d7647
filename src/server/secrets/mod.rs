//! Secrets: named values with versions.
//!
//! A secret is a private data object, so that PKCS#11 programs see it as `CKO_DATA`. One that such a program wrote has
//! bytes for a value: it is shown in base64 with the content type `application/octet-stream`.

use std::sync::Arc;

use base64ct::{Base64, Encoding};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::attributes::{GivenAttributes, ShownAttributes, Tags, checked_tags};
use super::body::maybe_object;
use super::call::{Call, Reply};
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
}

impl<'a> Bundle<'a> {
    /// Without the value, under this id.
    pub fn new(call: &Call, object: &'a Object, id: String) -> Self {
        let content = &object.content;
        let octets = (!content.has_text_value()).then_some("application/octet-stream");
        Self {
            value: None,
            id,
            content_type: content.content_type.as_deref().or(octets),
            attributes: ShownAttributes::of(call, object),
            tags: &content.tags,
        }
    }

    fn of(call: &Call, object: &'a Object) -> Self {
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

/// PATCH `/secrets/{name}/{version}`.
pub fn update(call: &Call) -> Result<Reply> {
    let given: UpdateParameters = call.read()?;
    let content_type = checked_content_type(given.content_type)?;
    let tags = given.tags.map(checked_tags).transpose()?;
    let name = call.name()?;
    let mut number = None;
    call.transact(&mut |image| {
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
        call.image.names(Collection::Secrets, from).filter_map(|name| {
            let object = newest(call.image.with_name(Collection::Secrets, name))?;
            let shown = object.name.as_ref().map_or(name, Name::as_str);
            Some((name.to_owned(), Bundle::new(call, object, call.id(Collection::Secrets, shown))))
        })
    })
}

/// GET `/secrets/{name}/versions`.
pub fn list_versions(call: &Call) -> Result<Reply> {
    let name = call.name()?;
    version(&call.image, name, None)?;
    paging::page(call, &format!("secrets/{name}/versions"), |from| {
        let from: u32 = from.parse().unwrap_or(0);
        let mut versions: Vec<_> = call.image.with_name(Collection::Secrets, name.as_str()).collect();
        versions.sort_by_key(|object| ordinal(object));
        let rest = versions.into_iter().filter(move |object| ordinal(object) >= from);
        rest.map(|object| (ordinal(object).to_string(), Bundle::of(call, object)))
    })
}

/// A version, or the current one.
fn version<'a>(image: &'a Image, name: &Name, version: Option<VersionId>) -> Result<&'a Arc<Object>> {
    let mut versions = image.with_name(Collection::Secrets, name.as_str());
    let found = match version {
        None => newest(versions),
        Some(id) => versions.find(|object| object.version.is_some_and(|version| version.id == id)),
    };
    found.ok_or_else(|| not_found(name))
}

/// The version that was made last.
pub fn newest<'a>(versions: impl Iterator<Item = &'a Arc<Object>>) -> Option<&'a Arc<Object>> {
    versions.max_by_key(|object| ordinal(object))
}

/// Secrets, to be deleted and brought back.
pub struct Secrets;

impl deleted::Kind for Secrets {
    const COLLECTION: Collection = Collection::Secrets;
    type Bundle<'a> = Bundle<'a>;
    type Item<'a> = Bundle<'a>;

    fn bundle<'a>(call: &Call, versions: &[&'a Arc<Object>]) -> Result<Option<Bundle<'a>>> {
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
