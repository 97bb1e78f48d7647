//! Bodies of the interface: answers as they come, with whatever members are new in them passed over; requests as the
//! official SDKs write them, with no member that their models don't have.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64ct::{Base64, Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

use super::secret_text::SecretStr;
use crate::crypto::SecretBytes;
use crate::vault::{Result, VaultError};

/// Tags.
pub type Tags = BTreeMap<String, String>;

/// One page of a list. Items are kept as they came too, so that it is seen when one changes.
#[derive(Deserialize)]
pub struct Page {
    #[serde(default, deserialize_with = "or_none")]
    pub value: Vec<Box<RawValue>>,
    #[serde(rename = "nextLink", default)]
    pub next_link: Option<String>,
}

/// An item of a list: of keys, which have a `kid`, or of secrets and certificates, which have an `id`, and may say their
/// key's `kid` beside it.
#[derive(Deserialize)]
pub struct Item {
    #[serde(default)]
    id: Option<String>,
    #[serde(default)]
    kid: Option<String>,
    #[serde(default, deserialize_with = "or_none")]
    pub attributes: Attributes,
    #[serde(default)]
    pub tags: Option<Tags>,
    #[serde(rename = "contentType", default)]
    pub content_type: Option<String>,
    #[serde(default)]
    pub managed: Option<bool>,
}

impl Item {
    /// Its own identifier.
    pub fn id(&self) -> &str {
        self.id.as_deref().or(self.kid.as_deref()).unwrap_or_default()
    }
}

/// `attributes` of an answer.
#[derive(Deserialize, Clone, Copy, Default)]
pub struct Attributes {
    #[serde(default)]
    pub enabled: Option<bool>,
    #[serde(default)]
    pub nbf: Option<i64>,
    #[serde(default)]
    pub exp: Option<i64>,
    #[serde(default)]
    pub created: Option<i64>,
    #[serde(default)]
    pub updated: Option<i64>,
}

/// `attributes` of a request; what is absent stays as it is.
#[derive(Serialize, Default, PartialEq)]
pub struct WantedAttributes {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
}

impl WantedAttributes {
    /// `None` where nothing is asked for: the member is then left out, as the SDKs do.
    pub fn given(&self) -> Option<&Self> {
        Some(self).filter(|wanted| **wanted != Self::default())
    }
}

/// `KeyBundle`, and the deleted one.
#[derive(Deserialize)]
pub struct KeyBundle {
    pub key: Jwk,
    #[serde(default, deserialize_with = "or_none")]
    pub attributes: Attributes,
    #[serde(default)]
    pub tags: Option<Tags>,
}

/// `JsonWebKey` of an answer: what is public.
#[derive(Deserialize)]
pub struct Jwk {
    pub kid: String,
    pub kty: String,
    #[serde(default, deserialize_with = "or_none")]
    pub key_ops: Vec<String>,
    #[serde(default)]
    pub key_size: Option<u32>,
    #[serde(default)]
    pub n: Option<String>,
    #[serde(default)]
    pub e: Option<String>,
    #[serde(default)]
    pub crv: Option<String>,
    #[serde(default)]
    pub x: Option<String>,
    #[serde(default)]
    pub y: Option<String>,
}

/// `CertificateBundle`, as far as it is an object.
#[derive(Deserialize)]
pub struct CertificateBundle {
    pub id: String,
    #[serde(default)]
    pub kid: Option<String>,
    #[serde(default)]
    pub cer: Option<String>,
    #[serde(default, deserialize_with = "or_none")]
    pub attributes: Attributes,
    #[serde(default)]
    pub tags: Option<Tags>,
}

/// `SecretBundle`: the value alone.
#[derive(Deserialize)]
pub struct SecretBundle<'a> {
    #[serde(borrow)]
    pub value: SecretStr<'a>,
    #[serde(rename = "contentType", default)]
    pub content_type: Option<String>,
}

/// `KeyOperationResult`.
#[derive(Deserialize)]
pub struct OperationResult<'a> {
    #[serde(borrow)]
    pub kid: Cow<'a, str>,
    #[serde(borrow)]
    pub value: Cow<'a, str>,
    #[serde(borrow, default)]
    pub iv: Option<Cow<'a, str>>,
}

/// `RandomBytes`.
#[derive(Deserialize)]
pub struct RandomBytes<'a> {
    #[serde(borrow)]
    pub value: Cow<'a, str>,
}

/// `KeyCreateParameters`.
#[derive(Serialize)]
pub struct CreateParameters<'a> {
    pub kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_size: Option<u32>,
    pub key_ops: &'a [&'static str],
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<&'a WantedAttributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<&'a Tags>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crv: Option<&'static str>,
}

/// `KeyUpdateParameters`.
#[derive(Serialize)]
pub struct UpdateParameters<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_ops: Option<&'a [&'static str]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attributes: Option<&'a WantedAttributes>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<&'a Tags>,
}

/// The models have every member optional: `null` says as much as a member that is absent.
fn or_none<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(from: D) -> std::result::Result<T, D::Error> {
    Option::deserialize(from).map(Option::unwrap_or_default)
}

/// What this identifier ends with: collection, name and, if it is there, version. `https://HOST/COLLECTION/NAME[/VERSION]`.
pub fn parts_of(id: &str) -> Option<(&str, &str, Option<&str>)> {
    let (_, rest) = id.split_once("://")?;
    let mut parts = rest.split('/').skip(1);
    let (collection, name) = (parts.next()?, parts.next()?);
    let version = parts.next().filter(|version| !version.is_empty());
    if name.is_empty() || parts.next().is_some() { None } else { Some((collection, name, version)) }
}

/// Bytes of base64url.
pub fn base64url(text: &str) -> Option<Vec<u8>> {
    Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).ok()
}

/// Secret bytes of base64url.
pub fn secret_base64url(text: &str) -> Option<SecretBytes> {
    let text = text.trim_end_matches('=').as_bytes();
    decoded(text.len(), |room| Base64UrlUnpadded::decode(text, room).ok().map(<[u8]>::len))
}

/// Secret bytes of base64.
pub fn secret_base64(text: &str) -> Option<SecretBytes> {
    decoded(text.len(), |room| Base64::decode(text, room).ok().map(<[u8]>::len))
}

/// Bytes of base64.
pub fn base64(text: &str) -> Option<Vec<u8>> {
    Base64::decode_vec(text).ok()
}

fn decoded(most: usize, decode: impl FnOnce(&mut [u8]) -> Option<usize>) -> Option<SecretBytes> {
    let mut len = 0;
    let whole = SecretBytes::filled(most, |room| decode(room).map(|decoded| len = decoded).ok_or(())).ok()?;
    Some(SecretBytes::from_slice(&whole.expose()[..len]))
}

/// An answer that can't be used.
pub fn invalid(location: &str, what: impl Into<String>) -> VaultError {
    VaultError::AnswerInvalid { location: location.to_owned(), what: what.into() }
}

/// Reads an answer. What the parser says of it could hold a piece of a value.
pub fn read<'a, T: Deserialize<'a>>(location: &str, body: &'a [u8]) -> Result<T> {
    serde_json::from_slice(body).map_err(|_| invalid(location, "it isn't what the interface says"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identifier_is_a_path_of_two_or_three_parts() {
        assert_eq!(parts_of("https://a:1/keys/www/0f"), Some(("keys", "www", Some("0f"))));
        assert_eq!(parts_of("https://a/keys/www"), Some(("keys", "www", None)));
        for wrong in ["https://a", "keys/www", "https://a/v/keys/www/0f", "https://a/keys/"] {
            assert_eq!(parts_of(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn members_that_are_new_are_passed_over() {
        let bundle: KeyBundle = read(
            "there",
            br#"{"key":{"kid":"https://a/keys/k/1","kty":"EC","new":1},"attributes":{"enabled":true,"more":{}},"release_policy":{}}"#,
        )
        .unwrap();
        assert_eq!((bundle.attributes.enabled, bundle.key.kty.as_str()), (Some(true), "EC"));
    }

    #[test]
    fn an_answer_that_is_none_is_not_repeated_in_the_error() {
        let error = read::<KeyBundle>("there", br#"{"key":"hush"}"#).err().unwrap().to_string();
        assert!(!error.contains("hush"), "{error}");
    }
}
