//! What a vault's REST API says of keys and secrets, and how that reads in the command's words.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::super::{Error, Result, kind, time};
use crate::crypto::PublicKey;
use crate::server::keys::kty::curve_named;
use crate::server::keys::{Jwk, Kty};
use crate::vault::{KeyAlgorithm, Usage};

/// Tags.
pub(super) type Tags = BTreeMap<String, String>;

/// One page of a list.
#[derive(Deserialize)]
pub(super) struct Page<T> {
    pub value: Vec<T>,
    #[serde(rename = "nextLink")]
    pub next_link: Option<String>,
}

/// `attributes` of an answer.
#[derive(Deserialize, Clone, Copy)]
pub(super) struct Attributes {
    #[serde(default)]
    pub enabled: bool,
    pub nbf: Option<i64>,
    pub exp: Option<i64>,
    #[serde(default)]
    pub created: i64,
    #[serde(default)]
    pub updated: i64,
    #[serde(default)]
    pub exportable: bool,
}

/// `attributes` of a request; what is absent stays.
#[derive(Serialize, Default)]
pub(super) struct Wanted {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nbf: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exp: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exportable: Option<bool>,
}

/// `KeyBundle`, and the deleted one without its dates.
#[derive(Deserialize)]
pub(super) struct Key {
    pub key: Jwk,
    pub attributes: Attributes,
    #[serde(default)]
    pub tags: Option<Tags>,
}

/// An item of a list of keys or secrets, or a secret with its value.
#[derive(Deserialize)]
pub(super) struct Item {
    #[serde(alias = "kid")]
    pub id: String,
    pub attributes: Attributes,
    #[serde(default)]
    pub tags: Option<Tags>,
    #[serde(rename = "contentType")]
    pub content_type: Option<String>,
    #[serde(default)]
    pub value: Option<Zeroizing<String>>,
}

/// When something was deleted and when it goes.
#[derive(Deserialize, Clone, Copy)]
pub(super) struct Dates {
    #[serde(rename = "deletedDate")]
    pub deleted: Option<i64>,
    #[serde(rename = "scheduledPurgeDate")]
    pub purge: Option<i64>,
}

impl Attributes {
    /// Whether it can be used now, in a word.
    pub(super) fn state(&self) -> &'static str {
        let now = time::now();
        match (self.enabled, self.nbf, self.exp) {
            (false, _, _) => "disabled",
            (_, Some(start), _) if now < start => "not yet valid",
            (_, _, Some(end)) if now >= end => "expired",
            _ => "enabled",
        }
    }

    /// What keys and secrets have, for JSON.
    pub(super) fn json(&self, id: &str, tags: Option<&Tags>) -> Value {
        json!({
            "name": name_of(id),
            "version": version_of(id),
            "enabled": self.enabled,
            "state": self.state(),
            "created": time::text(self.created),
            "updated": time::text(self.updated),
            "not_before": self.nbf.map(time::text),
            "expires": self.exp.map(time::text),
            "tags": tags.cloned().unwrap_or_default(),
            "uri": id,
        })
    }
}

impl Key {
    /// Its identifier.
    pub(super) fn id(&self) -> &str {
        self.key.kid.as_deref().unwrap_or_default()
    }

    /// What kind it is. A secret key's size isn't told.
    pub(super) fn kind(&self) -> String {
        let jwk = &self.key;
        match jwk.kty.as_deref().unwrap_or_default() {
            "RSA" | "RSA-HSM" => {
                let bits = jwk.n.as_ref().map_or(0, |n| bits(&n.0));
                kind::text(KeyAlgorithm::Rsa { bits })
            }
            "EC" | "EC-HSM" => {
                let curve = jwk.crv.as_deref().and_then(|name| curve_named(name).ok());
                curve.map_or_else(|| "ec".to_owned(), |curve| kind::text(KeyAlgorithm::Ec(curve)))
            }
            "OKP" => jwk.crv.as_deref().unwrap_or("okp").to_ascii_lowercase(),
            other => other.trim_end_matches("-HSM").to_ascii_lowercase(),
        }
    }

    /// What it may be used for, in the command's words.
    pub(super) fn usage(&self) -> Vec<&str> {
        let word = |name: &'_ String| match name.as_str() {
            "wrapKey" => "wrap",
            "unwrapKey" => "unwrap",
            _ => "",
        };
        let names = self.key.key_ops.iter().flatten();
        names.map(|name| Some(word(name)).filter(|word| !word.is_empty()).unwrap_or(name)).collect()
    }

    /// The public key.
    pub(super) fn public(&self) -> Result<PublicKey> {
        let jwk = &self.key;
        let wrong = || Error::refused(format!("{} has no public key: it is a secret key.", name_of(self.id())));
        let key = match (&jwk.n, &jwk.e, &jwk.x, &jwk.y, jwk.crv.as_deref()) {
            (Some(n), Some(e), ..) => PublicKey::from_rsa(trimmed(&n.0), trimmed(&e.0)),
            (_, _, Some(x), Some(y), Some(crv)) => {
                let curve =
                    curve_named(crv).map_err(|_| Error::refused(format!("The curve {crv} isn't known here.")))?;
                PublicKey::from_ec_point(curve, &[&[4], &x.0[..], &y.0[..]].concat())
            }
            (_, _, Some(x), None, Some("Ed25519")) => PublicKey::from_ed25519(&x.0),
            (_, _, Some(x), None, Some("X25519")) => PublicKey::from_x25519(&x.0),
            _ => return Err(wrong()),
        };
        Ok(key?)
    }

    /// For JSON.
    pub(super) fn json(&self) -> Value {
        let mut value = self.attributes.json(self.id(), self.tags.as_ref());
        value["kind"] = json!(self.kind());
        value["usage"] = json!(self.usage());
        value["exportable"] = json!(self.attributes.exportable);
        value
    }
}

/// `kty`, size and curve of a kind that the API has.
pub(super) struct KindNames {
    pub kty: &'static str,
    pub key_size: Option<u32>,
    pub crv: Option<&'static str>,
}

impl KindNames {
    pub(super) fn of(algorithm: KeyAlgorithm) -> Result<Self> {
        use crate::server::keys::kty::curve_name;
        Ok(match algorithm {
            KeyAlgorithm::Rsa { bits } => Self { kty: Kty::Rsa.name(), key_size: Some(bits), crv: None },
            KeyAlgorithm::Ec(curve) => Self { kty: Kty::Ec.name(), key_size: None, crv: Some(curve_name(curve)) },
            KeyAlgorithm::Aes { bits } => Self { kty: Kty::OctHsm.name(), key_size: Some(bits), crv: None },
            KeyAlgorithm::Generic { bytes } => Self { kty: Kty::OctHsm.name(), key_size: Some(bytes * 8), crv: None },
            other => {
                return Err(Error::Usage(format!(
                    "--kind {} has no counterpart at a server: RSA, the curves p-256, p-384, p-521 and p-256k, AES and \
                     generic keys have.",
                    kind::text(other)
                )));
            }
        })
    }
}

impl KindNames {
    /// The same kind as a Managed HSM calls it.
    pub(super) fn in_hsm(self) -> Self {
        Self { kty: Kty::named(self.kty).map_or(self.kty, |kty| kty.hsm().name()), ..self }
    }
}

/// `key_ops` for a usage; a usage without such a name is refused.
pub(super) fn key_ops(usage: Usage) -> Result<Vec<&'static str>> {
    let name = |word| match word {
        "wrap" => Ok("wrapKey"),
        "unwrap" => Ok("unwrapKey"),
        "derive" | "sign-recover" | "verify-recover" => {
            Err(Error::Usage(format!("--usage {word} has no counterpart at a server: leave it out.")))
        }
        other => Ok(other),
    };
    kind::usage_names(usage).into_iter().map(name).collect()
}

/// The name in an identifier, `https://host/keys/NAME/VERSION`.
pub(super) fn name_of(id: &str) -> &str {
    id.split('/').nth(4).unwrap_or(id)
}

/// The version in an identifier; empty if it has none.
pub(super) fn version_of(id: &str) -> &str {
    id.split('/').nth(5).unwrap_or_default()
}

fn bits(number: &[u8]) -> u32 {
    let digits = trimmed(number);
    digits.first().map_or(0, |first| digits.len() as u32 * 8 - first.leading_zeros())
}

fn trimmed(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    &number[zeros..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(jwk: Value) -> Key {
        serde_json::from_value(json!({ "key": jwk, "attributes": { "enabled": true } })).unwrap()
    }

    #[test]
    fn kinds_read_as_they_are_written_on_the_command_line() {
        assert_eq!(key(json!({ "kty": "EC-HSM", "crv": "P-256K" })).kind(), "p-256k");
        assert_eq!(key(json!({ "kty": "oct-HSM" })).kind(), "oct");
        assert_eq!(key(json!({ "kty": "OKP", "crv": "Ed25519" })).kind(), "ed25519");
        assert_eq!(key(json!({ "kty": "RSA", "n": "AP__", "e": "AQAB" })).kind(), "rsa-16");
    }

    #[test]
    fn usages_have_the_apis_names_or_are_refused() {
        let named = key_ops(Usage::SIGN | Usage::WRAP | Usage::UNWRAP).unwrap();
        assert_eq!(named, ["sign", "wrapKey", "unwrapKey"]);
        assert!(key_ops(Usage::DERIVE).unwrap_err().to_string().contains("derive"));
        assert_eq!(key(json!({ "key_ops": ["sign", "unwrapKey", "import"] })).usage(), ["sign", "unwrap", "import"]);
    }

    #[test]
    fn an_identifier_has_a_name_and_perhaps_a_version() {
        assert_eq!((name_of("https://a:1/keys/www/0f"), version_of("https://a:1/keys/www/0f")), ("www", "0f"));
        assert_eq!((name_of("https://a/secrets/x"), version_of("https://a/secrets/x")), ("x", ""));
    }
}
