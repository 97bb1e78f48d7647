//! `strongroom key` at a server.

use serde::Serialize;
use serde_json::{Value, json};

use super::super::key::{self, Create, HEADINGS, Import, Rotate, Verb, Which};
use super::super::{Context, Error, Result, time};
use super::client::Client;
use super::wire::{Item, Key, KindNames, Tags, Wanted, key_ops, name_of, version_of};
use super::{deleted, import, no_such};
use crate::certificate::pem;
use crate::vault::{Collection, Name, VaultError};

pub(super) fn run(context: &Context, client: &Client, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create(wish) => create(context, client, &wish),
        Verb::Import(wish) => bring(context, client, &wish),
        Verb::List => list(context, client),
        Verb::Show(which) => show(context, client, &which),
        Verb::Rotate(wish) => rotate(context, client, &wish),
        Verb::Enable(which) => set_enabled(context, client, &which, true),
        Verb::Disable(which) => set_enabled(context, client, &which, false),
        Verb::Delete(what) => deleted::delete(context, client, Collection::Keys, &what),
        Verb::Public(which) => public(context, client, &which),
    }
}

/// The body of a create.
#[derive(Serialize)]
struct CreateBody<'a> {
    kty: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_size: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    crv: Option<&'static str>,
    key_ops: Vec<&'static str>,
    attributes: Wanted,
    tags: &'a Tags,
}

fn create(context: &Context, client: &Client, wish: &Create) -> Result<()> {
    let properties = Properties::of(context, &wish.properties)?;
    let name = Name::new(&wish.name)?;
    let names = KindNames::of(wish.kind)?;
    let names = if client.is_managed_hsm { names.in_hsm() } else { names };
    // What a server makes of a key that both wraps and decrypts is the server's matter.
    let usage = wish.properties.usage(wish.kind, true)?;
    refuse_taken(client, &name)?;
    let body = CreateBody {
        kty: names.kty,
        key_size: names.key_size,
        crv: names.crv,
        key_ops: key_ops(usage)?,
        attributes: properties.attributes(),
        tags: &properties.tags,
    };
    let made: Key = client.change("POST", &format!("/keys/{name}/create"), &body)?;
    report(context, client, &made, "Created")
}

fn bring(context: &Context, client: &Client, wish: &Import) -> Result<()> {
    let properties = Properties::of(context, &wish.properties)?;
    let name = Name::new(&wish.name)?;
    let material = wish.material(context)?;
    let usage = wish.properties.usage(material.algorithm()?, true)?;
    refuse_taken(client, &name)?;
    let body = import::Body::new(&material, key_ops(usage)?, properties.attributes(), &properties.tags)?;
    let made: Key = client.change("PUT", &format!("/keys/{name}"), &body)?;
    report(context, client, &made, "Imported")
}

/// What `--not-before`, `--expires` and `--tag` say.
struct Properties {
    not_before: Option<i64>,
    expires: Option<i64>,
    tags: Tags,
}

impl Properties {
    fn of(context: &Context, given: &key::Properties) -> Result<Self> {
        no_such("--exportable", given.exportable, "a key that is made or brought there stays there")?;
        given.validity.check(context)?;
        let tags = given.tags.iter().cloned().collect();
        Ok(Self { not_before: given.validity.not_before, expires: given.validity.expires, tags })
    }

    fn attributes(&self) -> Wanted {
        Wanted { nbf: self.not_before, exp: self.expires, ..Wanted::default() }
    }
}

/// The API makes a new version of a key that exists, where `create` and `import` of a local vault refuse.
fn refuse_taken(client: &Client, name: &Name) -> Result<()> {
    match client.find::<Key>(&format!("/keys/{name}"))? {
        Some(_) => Err(VaultError::NameTaken(name.to_string()).into()),
        None => Ok(()),
    }
}

fn rotate(context: &Context, client: &Client, wish: &Rotate) -> Result<()> {
    let policy = "there the key's rotation policy says it";
    no_such("--not-before", wish.validity.not_before.is_some(), policy)?;
    no_such("--expires", wish.validity.expires.is_some(), policy)?;
    let made: Key = client.act("POST", &format!("/keys/{}/rotate", Name::new(&wish.name)?))?;
    report(context, client, &made, "Rotated")
}

fn list(context: &Context, client: &Client) -> Result<()> {
    let items: Vec<Item> = client.list("/keys")?;
    let mut rows = Vec::with_capacity(items.len());
    let mut values = Vec::with_capacity(items.len());
    for item in items {
        // A list says neither kinds nor versions. A key that went meanwhile is left out.
        let path = format!("/keys/{}", Name::new(name_of(&item.id))?);
        let Some(current) = client.find::<Key>(&path)? else { continue };
        let versions = client.list::<Item>(&format!("{path}/versions"))?.len();
        rows.push(row(&current, versions));
        let mut value = current.json();
        value["version_count"] = json!(versions);
        values.push(value);
    }
    context.output.list(&HEADINGS, &rows, &Value::Array(values), "There are no keys.")
}

fn row(key: &Key, versions: usize) -> Vec<String> {
    let attributes = &key.attributes;
    vec![
        name_of(key.id()).to_owned(),
        key.kind(),
        attributes.state().to_owned(),
        versions.to_string(),
        yes_no(attributes.exportable),
        time::text(attributes.created),
        attributes.exp.map_or(String::new(), time::text),
    ]
}

fn show(context: &Context, client: &Client, which: &Which) -> Result<()> {
    let shown = find(client, which)?;
    let items = versions(client, Collection::Keys, name_of(shown.id()))?;
    let mut value = shown.json();
    value["version_count"] = json!(items.len());
    let mut all = Vec::with_capacity(items.len());
    for item in &items {
        let path = format!("/keys/{}/{}", name_of(&item.id), version_of(&item.id));
        all.push(client.get::<Key>(&path, "such version")?.json());
    }
    value["versions"] = Value::Array(all);
    context.output.details(&fields(&shown, &items), &value)
}

fn fields(key: &Key, versions: &[Item]) -> Vec<(&'static str, String)> {
    let attributes = &key.attributes;
    let tags: Vec<String> = key.tags.iter().flatten().map(|(name, value)| format!("{name}={value}")).collect();
    let mut fields = vec![
        ("Name", name_of(key.id()).to_owned()),
        ("Kind", key.kind()),
        ("State", attributes.state().to_owned()),
        ("Version", version_of(key.id()).to_owned()),
        ("Usage", key.usage().join(", ")),
        ("Exportable", yes_no(attributes.exportable)),
        ("Created", time::text(attributes.created)),
        ("Updated", time::text(attributes.updated)),
        ("Not before", attributes.nbf.map_or(String::new(), time::text)),
        ("Expires", attributes.exp.map_or(String::new(), time::text)),
        ("Tags", tags.join(", ")),
        ("URI", key.id().to_owned()),
    ];
    fields.extend(versions.iter().rev().map(|item| {
        let (id, attributes) = (version_of(&item.id), &item.attributes);
        ("All versions", format!("{id}  {}  {}", time::text(attributes.created), attributes.state()))
    }));
    fields
}

fn public(context: &Context, client: &Client, which: &Which) -> Result<()> {
    let found = find(client, which)?;
    let pem = pem::text("PUBLIC KEY", found.public()?.spki());
    let json = json!({ "name": name_of(found.id()), "version": version_of(found.id()), "public_key": pem });
    context.output.text(&pem, &json)
}

/// The newest version is the one that a call means which names none, enabled or not: a server falls back to no older one.
fn set_enabled(context: &Context, client: &Client, which: &Which, enabled: bool) -> Result<()> {
    let found = find(client, which)?;
    let (name, version) = (name_of(found.id()), version_of(found.id()));
    let changed = found.attributes.enabled != enabled;
    if changed {
        let body = json!({ "attributes": Wanted { enabled: Some(enabled), ..Wanted::default() } });
        client.change::<Key>("PATCH", &format!("/keys/{name}/{version}"), &body)?;
    }
    let newest: Key = client.get(&format!("/keys/{name}"), &format!("key called {name:?}"))?;
    let current = Some(version_of(newest.id())).filter(|_| newest.attributes.enabled);
    let (word, already) = (if enabled { "enabled" } else { "disabled" }, if changed { "" } else { " already" });
    let means = if current.is_none() { " Calls that name no version are refused now." } else { "" };
    context.output.done(
        &format!("Version {version} of {name} is{already} {word}.{means}"),
        &json!({ "name": name, "version": version, "enabled": enabled, "changed": changed, "current_version": current }),
    )
}

/// A key's version that is named, or the newest.
fn find(client: &Client, which: &Which) -> Result<Key> {
    let name = Name::new(&which.name)?;
    let version = match &which.version {
        Some(id) => format!("/{}", version(client, Collection::Keys, name.as_str(), id)?),
        None => String::new(),
    };
    client.get(&format!("/keys/{name}{version}"), &format!("key called {:?}", name.as_str()))
}

/// The version whose id begins so.
pub(super) fn version(client: &Client, collection: Collection, name: &str, id: &str) -> Result<String> {
    let id = id.to_ascii_lowercase();
    if id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Ok(id);
    }
    let all = versions(client, collection, name)?;
    let matching: Vec<&str> =
        all.iter().map(|item| version_of(&item.id)).filter(|known| known.starts_with(&id)).collect();
    match matching.as_slice() {
        [only] => Ok((*only).to_owned()),
        [] => Err(Error::refused(format!("{name} has no version {id}."))),
        _ => Err(Error::refused(format!("{name} has several versions that begin with {id}."))),
    }
}

/// All versions, the oldest first.
pub(super) fn versions(client: &Client, collection: Collection, name: &str) -> Result<Vec<Item>> {
    let mut all: Vec<Item> = client.list(&format!("/{}/{name}/versions", collection.segment()))?;
    all.sort_by_key(|item| item.attributes.created);
    Ok(all)
}

/// What was just made.
fn report(context: &Context, client: &Client, key: &Key, done: &str) -> Result<()> {
    let (name, version) = (name_of(key.id()), version_of(key.id()));
    let mut value = key.json();
    if context.output.is_json() {
        value["version_count"] = json!(versions(client, Collection::Keys, name)?.len());
    }
    context.output.done(&format!("{done} {name} ({}), version {version}.", key.kind()), &value)
}

fn yes_no(value: bool) -> String {
    (if value { "yes" } else { "no" }).to_owned()
}
