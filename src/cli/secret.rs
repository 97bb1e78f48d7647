//! `strongroom secret`: values with versions, private data objects in PKCS#11.

use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use super::open::Opened;
use super::versions::{self, Versioned};
use super::{Context, Error, Result, ask, delete, key, pkcs11, time};
use crate::vault::{Class, Collection, Content, Draft, MAX_SECRET_LEN, Name, Naming, SecretBytes, VaultError};

/// What is done with secrets.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Set a secret from standard input, a file or a prompt: a new version if it exists
    Set {
        /// The secret's name
        name: String,
        /// Take the value from this file; `-` is standard input
        #[arg(long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// What kind of value it is, e.g. text/plain
        #[arg(long, value_name = "TYPE")]
        content_type: Option<String>,
        /// A tag, as NAME=VALUE; may be given several times
        #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = key::parse_tag)]
        tags: Vec<(String, String)>,
    },
    /// Print a secret's value
    Get {
        /// The secret's name
        name: String,
        /// One version: its id, or how that begins
        #[arg(long, value_name = "ID")]
        version: Option<String>,
    },
    /// List the secrets, without their values
    List,
    /// Delete a secret, or one version of it
    Delete(delete::Delete),
}

/// Of a list of secrets.
pub(super) const HEADINGS: [&str; 6] = ["name", "state", "versions", "bytes", "type", "created"];

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Set { name, file, content_type, tags } => set(context, &name, file, content_type, tags),
        Verb::Get { name, version } => get(context, &name, version.as_deref()),
        Verb::List => list(context),
        Verb::Delete(what) => delete::run(context, Collection::Secrets, &what),
    }
}

fn set(
    context: &Context,
    name: &str,
    file: Option<PathBuf>,
    content_type: Option<String>,
    tags: Vec<(String, String)>,
) -> Result<()> {
    let name = Name::new(name)?;
    // The PIN is the first line of standard input, the value the rest: in this order.
    let opened = context.unlocked()?;
    let value = ask::value(file.as_deref())?;
    if value.is_empty() {
        return Err(Error::refused("The value is empty: nothing was set."));
    }
    if value.ends_with(b"\n") {
        context.output.note("The value ends with a line's end, which is a part of it (`printf %s` writes none).");
    }
    let mut content = Content::new(Class::Data);
    content.private = true;
    content.exportable = true;
    content.label = name.as_str().as_bytes().to_vec();
    content.content_type = content_type;
    content.tags = tags.into_iter().collect();
    // Clients of the server get text as it is, and anything else in base64.
    if value.len() <= MAX_SECRET_LEN && std::str::from_utf8(&value).is_ok() {
        content.note_text_value();
    }
    let secret = Some(SecretBytes::from_slice(&value));
    let made = opened.vault.create(vec![Draft { content, naming: Naming::Set(name.clone()), secret }])?;
    let object = made.first().ok_or(VaultError::NotFound)?;
    let version = object.version.ok_or(VaultError::NotFound)?;
    opened.note_if_hidden(context, object);
    let id = versions::version_text(&version.id);
    context.output.done(
        &format!("Set {name}, version {id}."),
        &json!({ "name": name.as_str(), "version": id, "version_number": version.ordinal }),
    )
}

fn get(context: &Context, name: &str, version: Option<&str>) -> Result<()> {
    let opened = context.unlocked()?;
    let secret = versions::named(&opened.vault.image(), Collection::Secrets, name)?;
    let version = secret.version_or_current(version)?;
    if !version.enabled() {
        return Err(Error::refused(format!("Version {} of {} is disabled.", version.id, secret.name)));
    }
    let value = opened.vault.secret(version.main().number)?;
    if !context.output.is_json() {
        return context.output.secret(value.expose());
    }
    let mut fields = secret_json(&opened, version);
    match std::str::from_utf8(value.expose()) {
        Ok(text) => fields["value"] = json!(text),
        Err(_) => fields["value_hex"] = json!(versions::hex(value.expose())),
    }
    context.output.done("", &versions::json(&secret, fields))
}

fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let secrets = versions::all(&opened.vault.image(), Collection::Secrets);
    let rows: Vec<Vec<String>> = secrets
        .iter()
        .map(|secret| {
            let current = secret.current();
            let main = current.main();
            vec![
                secret.name.clone(),
                current.state().to_owned(),
                secret.versions.len().to_string(),
                main.secret_len.to_string(),
                main.content.content_type.clone().unwrap_or_default(),
                time::text(main.created),
            ]
        })
        .collect();
    let values: Vec<Value> =
        secrets.iter().map(|secret| versions::json(secret, secret_json(&opened, secret.current()))).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(values), "There are no secrets.")
}

fn secret_json(opened: &Opened, version: &Versioned) -> Value {
    let main = version.main();
    let mut value = version.json();
    value["bytes"] = json!(main.secret_len);
    value["content_type"] = json!(main.content.content_type);
    value["uri"] = json!(pkcs11::uri(&opened.info, main));
    value
}
