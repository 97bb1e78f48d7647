//! `strongroom secret` at a server.

use std::path::Path;

use serde::Serialize;
use serde_json::{Value, json};

use super::super::secret::{HEADINGS, Verb};
use super::super::{Context, Error, Result, ask, time};
use super::client::Client;
use super::wire::{Item, Tags, name_of, version_of};
use super::{deleted, key};
use crate::vault::{Collection, Name};

pub(super) fn run(context: &Context, client: &Client, verb: Verb) -> Result<()> {
    match verb {
        Verb::Set { name, file, content_type, tags } => {
            set(context, client, &name, file.as_deref(), content_type.as_deref(), &tags.into_iter().collect())
        }
        Verb::Get { name, version } => get(context, client, &name, version.as_deref()),
        Verb::List => list(context, client),
        Verb::Delete(what) => deleted::delete(context, client, Collection::Secrets, &what),
    }
}

/// The body of a set.
#[derive(Serialize)]
struct SetBody<'a> {
    value: &'a str,
    #[serde(rename = "contentType", skip_serializing_if = "Option::is_none")]
    content_type: Option<&'a str>,
    tags: &'a Tags,
}

fn set(
    context: &Context,
    client: &Client,
    name: &str,
    file: Option<&Path>,
    content_type: Option<&str>,
    tags: &Tags,
) -> Result<()> {
    let name = Name::new(name)?;
    let value = ask::value(file)?;
    if value.is_empty() {
        return Err(Error::refused("The value is empty: nothing was set."));
    }
    let value = std::str::from_utf8(&value).map_err(|_| {
        Error::refused("At a server a value is text, and this isn't UTF-8: nothing was set. Set it in base64.")
    })?;
    if value.len() > MAX_VALUE {
        return Err(Error::refused(format!("At a server a value has at most {MAX_VALUE} bytes: nothing was set.")));
    }
    if value.ends_with('\n') {
        context.output.note("The value ends with a line's end, which is a part of it (`printf %s` writes none).");
    }
    let made: Item = client.change("PUT", &format!("/secrets/{name}"), &SetBody { value, content_type, tags })?;
    let version = version_of(&made.id);
    let mut json = json!({ "name": name.as_str(), "version": version });
    if context.output.is_json() {
        json["version_number"] = json!(key::versions(client, Collection::Secrets, name.as_str())?.len());
    }
    context.output.done(&format!("Set {name}, version {version}."), &json)
}

fn get(context: &Context, client: &Client, name: &str, version: Option<&str>) -> Result<()> {
    let name = Name::new(name)?;
    let version = match version {
        Some(id) => format!("/{}", key::version(client, Collection::Secrets, name.as_str(), id)?),
        None => String::new(),
    };
    let what = format!("secret called {:?}", name.as_str());
    let secret: Item = client.get(&format!("/secrets/{name}{version}"), &what)?;
    let value = secret.value.as_ref().ok_or_else(|| Error::refused(format!("{} gave no value.", client.address)))?;
    if !context.output.is_json() {
        return context.output.secret(value.as_bytes());
    }
    let mut fields = secret_json(&secret);
    fields["bytes"] = json!(value.len());
    fields["value"] = json!(value.as_str());
    fields["version_count"] = json!(key::versions(client, Collection::Secrets, name.as_str())?.len());
    context.output.done("", &fields)
}

/// How long a value is isn't in a list, and no value is read for it.
fn list(context: &Context, client: &Client) -> Result<()> {
    let items: Vec<Item> = client.list("/secrets")?;
    let mut rows = Vec::with_capacity(items.len());
    let mut values = Vec::with_capacity(items.len());
    for item in &items {
        let versions = key::versions(client, Collection::Secrets, name_of(&item.id))?;
        rows.push(vec![
            name_of(&item.id).to_owned(),
            item.attributes.state().to_owned(),
            versions.len().to_string(),
            String::new(),
            item.content_type.clone().unwrap_or_default(),
            time::text(item.attributes.created),
        ]);
        let mut value = secret_json(item);
        value["version"] = json!(versions.last().map(|newest| version_of(&newest.id)));
        value["version_count"] = json!(versions.len());
        values.push(value);
    }
    context.output.list(&HEADINGS, &rows, &Value::Array(values), "There are no secrets.")
}

fn secret_json(secret: &Item) -> Value {
    let mut value = secret.attributes.json(&secret.id, secret.tags.as_ref());
    value["bytes"] = Value::Null;
    value["content_type"] = json!(secret.content_type);
    value
}

/// Key Vault's limit.
const MAX_VALUE: usize = 25 * 1024;
