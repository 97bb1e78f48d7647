//! `list`, `show` and `public`.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::open::Opened;
use super::super::versions::{self, Named, Versioned, hex};
use super::super::{Context, Error, Result, kind, pkcs11, time};
use super::Which;
use crate::certificate::pem;
use crate::vault::{Class, Collection, Image, KeyDescription, Object, VaultError};

/// Of a list of keys.
pub(in super::super) const HEADINGS: [&str; 7] =
    ["name", "kind", "state", "versions", "exportable", "created", "expires"];

pub(super) fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let keys = versions::all(&image, Collection::Keys);
    let rows: Vec<Vec<String>> = keys
        .iter()
        .map(|key| {
            let current = key.current();
            let main = current.main();
            vec![
                key.name.clone(),
                // One word, so that a program's columns stay what they are.
                if is_alone(main) { format!("{},public-only", kind_text(main)) } else { kind_text(main) },
                current.state().to_owned(),
                key.versions.len().to_string(),
                exportable(main),
                time::text(main.created),
                main.content.expires.map_or(String::new(), time::text),
            ]
        })
        .collect();
    let values: Vec<Value> =
        keys.iter().map(|key| versions::json(key, current_json(&opened, &image, key.current()))).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(values), "There are no keys.")
}

pub(super) fn show(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let key = versions::named(&image, Collection::Keys, &which.name)?;
    let version = key.version_or_current(which.version.as_deref())?;
    let shown = match which.version {
        Some(_) => key_json(&opened, version),
        None => current_json(&opened, &image, version),
    };
    let uri = shown["uri"].as_str().unwrap_or_default().to_owned();
    let mut value = versions::json(&key, shown);
    value["versions"] = key.versions.iter().map(|version| key_json(&opened, version)).collect();
    context.output.details(&fields(&key, version, uri), &value)
}

pub(super) fn public(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let key = versions::named(&opened.vault.image(), Collection::Keys, &which.name)?;
    let version = key.version_or_current(which.version.as_deref())?;
    let public = public_of(version)
        .ok_or_else(|| Error::refused(format!("{} has no public key: it is a secret key.", key.name)))?;
    let pem = pem::text("PUBLIC KEY", &public.public);
    context.output.text(&pem, &json!({ "name": key.name, "version": version.id, "public_key": pem }))
}

/// What was just made.
pub(super) fn report(context: &Context, opened: &Opened, object: &Arc<Object>, done: &str) -> Result<()> {
    let name = object.name.as_ref().ok_or(VaultError::NotFound)?;
    let image = opened.vault.image();
    let key = versions::named(&image, Collection::Keys, name.as_str())?;
    let id = object.version.map(|version| versions::version_text(&version.id));
    let version = key.version_or_current(id.as_deref())?;
    opened.note_if_hidden(context, object);
    context.output.done(
        &format!("{done} {} ({}), version {}.", key.name, kind_in_words(version.main()), version.id),
        &versions::json(&key, current_json(opened, &image, version)),
    )
}

/// The public key of a version: its description, if it has one.
pub(in super::super) fn public_of(version: &Versioned) -> Option<&KeyDescription> {
    version.objects.iter().filter_map(|object| object.content.key.as_ref()).find(|key| !key.public.is_empty())
}

fn fields(key: &Named, version: &Versioned, uri: String) -> Vec<(&'static str, String)> {
    let main = version.main();
    let content = &main.content;
    let tags: Vec<String> = content.tags.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let mut fields = vec![
        ("Name", key.name.clone()),
        ("Label", String::from_utf8_lossy(&content.label).into_owned()),
        ("Kind", kind_in_words(main)),
        ("State", version.state().to_owned()),
        ("Version", version.id.clone()),
        ("Id", hex(&content.id)),
        ("Usage", usage(version).join(", ")),
        ("Exportable", exportable(main)),
        ("Made here", yes_no(content.local)),
        ("Created", time::text(main.created)),
        ("Updated", time::text(main.updated)),
        ("Not before", content.not_before.map_or(String::new(), time::text)),
        ("Expires", content.expires.map_or(String::new(), time::text)),
        ("Tags", tags.join(", ")),
        ("URI", uri),
    ];
    fields.extend(key.versions.iter().rev().map(|version| {
        let main = version.main();
        ("All versions", format!("{}  {}  {}", version.id, time::text(main.created), version.state()))
    }));
    fields
}

fn key_json(opened: &Opened, version: &Versioned) -> Value {
    let main = version.main();
    let mut value = version.json();
    value["kind"] = json!(kind_text(main));
    value["usage"] = json!(usage(version));
    value["exportable"] = json!(main.content.exportable);
    value["local"] = json!(main.content.local);
    value["private"] = json!(main.content.class != Class::PublicKey);
    value["uri"] = json!(pkcs11::uri(&opened.info, main));
    value
}

/// The same of the version that is current, with the URI that goes on meaning whichever that is.
fn current_json(opened: &Opened, image: &Image, version: &Versioned) -> Value {
    let mut value = key_json(opened, version);
    value["uri"] = json!(pkcs11::uri_of_current(&opened.info, image, version.main()));
    value
}

/// Both halves' together.
fn usage(version: &Versioned) -> Vec<&'static str> {
    kind::usage_names(version.objects.iter().map(|object| object.content.usage).collect())
}

fn kind_text(object: &Object) -> String {
    object.content.key.as_ref().map_or_else(|| "unknown".to_owned(), |key| kind::text(key.algorithm))
}

/// The same for people: a public key without its private half verifies and encrypts, and never signs.
fn kind_in_words(object: &Object) -> String {
    let kind = kind_text(object);
    if is_alone(object) { format!("{kind}, public key only") } else { kind }
}

/// Whether a version's main object is a public key: then it has no other half here.
fn is_alone(main: &Object) -> bool {
    main.content.class == Class::PublicKey
}

/// Whether the private part may leave; where there is none, there is no answer.
fn exportable(main: &Object) -> String {
    if is_alone(main) { "-".to_owned() } else { yes_no(main.content.exportable) }
}

fn yes_no(value: bool) -> String {
    (if value { "yes" } else { "no" }).to_owned()
}
