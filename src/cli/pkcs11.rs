//! `strongroom pkcs11`: what other programs need to use the vault's objects.

use clap::{Subcommand, ValueEnum};
use serde_json::{Value, json};

use super::open::Opened;
use super::versions;
use super::{Context, Error, Result};
use crate::pkcs11::mechanism;
use crate::vault::{Class, Collection, Image, Object, VaultInfo};

/// What is asked.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Print the PKCS#11 URI (RFC 7512) of a key, certificate or secret; without a name, of everything
    Uri {
        /// The object's name: a key's, else a certificate's, else a secret's
        name: Option<String>,
        /// Which object of that name (default: the private key, certificate, secret key or data object)
        #[arg(long = "type", value_name = "TYPE")]
        kind: Option<Kind>,
        /// One version: its id, or how that begins. Without it the URI means the current one, whichever that is
        #[arg(long, value_name = "ID", requires = "name")]
        version: Option<String>,
    },
    /// List the mechanisms that the module offers
    Mechanisms,
}

/// RFC 7512's object types.
#[derive(Clone, Copy, ValueEnum)]
pub(super) enum Kind {
    /// A private key
    Private,
    /// A public key
    Public,
    /// A certificate
    Cert,
    /// A secret key
    SecretKey,
    /// A data object
    Data,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Uri { name: Some(name), kind, version } => one_uri(context, &name, kind, version.as_deref()),
        Verb::Uri { name: None, kind, .. } => all_uris(context, kind),
        Verb::Mechanisms => mechanisms(context),
    }
}

/// The object's URI. Token, label, id and type are there, since each is what some client looks for; only a data object
/// has no id, and a URI with one would match none.
pub(super) fn uri(info: &VaultInfo, object: &Object) -> String {
    let mut id = String::new();
    if object.content.class != Class::Data {
        id.push_str(";id=");
    }
    object.content.id.iter().for_each(|byte| id.push_str(&format!("%{byte:02X}")));
    uri_with(info, object, &id)
}

/// The URI of whichever version is current, for what shall outlive a rotation: the id names one version for ever, and
/// libp11 doesn't find that one any more once there is a newer one. Where something else has the same label, only the id
/// tells the two apart.
pub(super) fn uri_of_current(info: &VaultInfo, image: &Image, object: &Object) -> String {
    let content = &object.content;
    let is_other = |other: &Object| object.name.is_none() || other.name != object.name;
    let has_twin = image.with_label(&content.label).any(|other| {
        let alike = other.content.class == content.class && other.number != object.number;
        alike && other.content.enabled && image.is_current(other) && is_other(other)
    });
    if content.label.is_empty() || has_twin { uri(info, object) } else { uri_with(info, object, "") }
}

fn uri_with(info: &VaultInfo, object: &Object, id: &str) -> String {
    format!(
        "pkcs11:token={};object={}{id};type={}",
        escaped(info.label.as_bytes()),
        escaped(&object.content.label),
        type_name(object.content.class)
    )
}

fn one_uri(context: &Context, name: &str, kind: Option<Kind>, version: Option<&str>) -> Result<()> {
    let opened = context.unlocked()?;
    let object = find(&opened, name, kind, version)?;
    let uri = match version {
        Some(_) => uri(&opened.info, &object),
        None => uri_of_current(&opened.info, &opened.vault.image(), &object),
    };
    context
        .output
        .text(&format!("{uri}\n"), &json!({ "name": name, "type": type_name(object.content.class), "uri": uri }))
}

fn find(opened: &Opened, name: &str, kind: Option<Kind>, version: Option<&str>) -> Result<std::sync::Arc<Object>> {
    let image = opened.vault.image();
    let collections: &[Collection] = match kind {
        None => &[Collection::Keys, Collection::Certificates, Collection::Secrets],
        Some(Kind::Private | Kind::Public | Kind::SecretKey) => &[Collection::Keys],
        Some(Kind::Cert) => &[Collection::Certificates],
        Some(Kind::Data) => &[Collection::Secrets],
    };
    let named = collections
        .iter()
        .find_map(|collection| versions::named(&image, *collection, name).ok())
        .ok_or_else(|| Error::refused(format!("There is nothing called {name:?} in {}.", opened.info.label)))?;
    let version = named.version_or_current(version)?;
    let object = match kind {
        None => Some(version.main()),
        Some(kind) => version.of_class(kind.class()),
    };
    object.cloned().ok_or_else(|| Error::refused(format!("{name} has no object of this type.")))
}

fn all_uris(context: &Context, kind: Option<Kind>) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let objects: Vec<_> = image
        .objects()
        .filter(|object| object.content.enabled && kind.is_none_or(|kind| kind.class() == object.content.class))
        .collect();
    let uris: Vec<String> = objects.iter().map(|object| uri(&opened.info, object)).collect();
    let rows: Vec<Vec<String>> = uris.iter().map(|uri| vec![uri.clone()]).collect();
    let values: Vec<Value> = objects
        .iter()
        .zip(&uris)
        .map(|(object, uri)| {
            let name = object.name.as_ref().map(|name| name.as_str());
            json!({ "name": name, "type": type_name(object.content.class), "uri": uri })
        })
        .collect();
    context.output.list(&["uri"], &rows, &Value::Array(values), "The vault holds nothing.")
}

/// The module's own table.
fn mechanisms(context: &Context) -> Result<()> {
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for mechanism in mechanism::table() {
        let keys = mechanism.keys.name();
        let functions = mechanism.functions();
        let sizes = match mechanism.sizes {
            (0, 0) => String::new(),
            (smallest, largest) => format!("{smallest}-{largest}"),
        };
        rows.push(vec![mechanism.name.to_owned(), keys.unwrap_or_default().to_owned(), sizes, functions.join(" ")]);
        values.push(json!({
            "name": mechanism.name,
            "number": mechanism.number,
            "key_type": keys,
            "min_key_size": mechanism.sizes.0,
            "max_key_size": mechanism.sizes.1,
            "functions": functions,
        }));
    }
    let headings = ["mechanism", "keys", "sizes", "functions"];
    context.output.list(&headings, &rows, &Value::Array(values), "The module has no mechanisms.")
}

impl Kind {
    fn class(self) -> Class {
        match self {
            Self::Private => Class::PrivateKey,
            Self::Public => Class::PublicKey,
            Self::Cert => Class::Certificate,
            Self::SecretKey => Class::SecretKey,
            Self::Data => Class::Data,
        }
    }
}

fn type_name(class: Class) -> &'static str {
    match class {
        Class::PrivateKey => "private",
        Class::PublicKey => "public",
        Class::Certificate => "cert",
        Class::SecretKey => "secret-key",
        Class::Data | Class::Service | Class::CertificateRequest | Class::Other(_) => "data",
    }
}

/// Everything but RFC 3986's unreserved characters as `%XX`: readers differ in what else they take.
pub(super) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::new();
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_names_token_object_id_and_type() {
        let mut object = (*versions::tests::object(1, Class::PrivateKey, Some("www"), 1, true)).clone();
        object.content.label = "my key;ä".as_bytes().to_vec();
        object.content.id = vec![0, 0x2F, 0xFF];
        let info = VaultInfo { label: "My vault".into(), ..VaultInfo::default() };
        assert_eq!(uri(&info, &object), "pkcs11:token=My%20vault;object=my%20key%3B%C3%A4;id=%00%2F%FF;type=private");
    }
}
