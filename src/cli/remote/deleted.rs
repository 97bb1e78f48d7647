//! Deleting at a server, and `strongroom deleted` there: a key or secret goes with all its versions, and can be brought
//! back until its date.

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::delete::Delete;
use super::super::deleted::{HEADINGS, NOTHING, Verb, Which, no_such_name, several_of_name};
use super::super::versions::{Kind, singular};
use super::super::{Context, Error, Result, time};
use super::client::Client;
use super::wire::{Dates, Key, name_of, version_of};
use super::{key, no_such};
use crate::vault::{Collection, Name};

/// What a server keeps here.
const COLLECTIONS: [Collection; 2] = [Collection::Keys, Collection::Secrets];

/// Something deleted, of either kind; a list's item, too.
#[derive(Deserialize)]
struct Bundle {
    key: Option<Kid>,
    #[serde(alias = "kid")]
    id: Option<String>,
    #[serde(flatten)]
    dates: Dates,
}

#[derive(Deserialize)]
struct Kid {
    kid: String,
}

struct Found {
    collection: Collection,
    id: String,
    dates: Dates,
}

pub(super) fn delete(context: &Context, client: &Client, collection: Collection, what: &Delete) -> Result<()> {
    no_such(
        "--version",
        what.version.is_some(),
        "there a name is deleted with all its versions, and `key disable` ends one",
    )?;
    no_such("--purge", what.purge, "delete first, and then `strongroom deleted purge`")?;
    let (kind, name) = (singular(collection), Name::new(&what.name)?);
    let path = format!("/{}/{name}", collection.segment());
    let missing = || Error::refused(format!("There is no {kind} called {:?} at {}.", name.as_str(), client.address));
    let ids: Vec<String> = match collection {
        Collection::Keys if client.find::<Key>(&path)?.is_none() => return Err(missing()),
        _ => key::versions(client, collection, name.as_str())?
            .iter()
            .map(|item| version_of(&item.id).to_owned())
            .collect(),
    };
    if ids.is_empty() {
        return Err(missing());
    }
    let deleted: Bundle = client.act("DELETE", &path)?;
    let until = deleted.dates.purge.map(time::text);
    let back = match &until {
        Some(until) => format!(" Until {until} `strongroom deleted recover {name}` brings it back."),
        None => " It can't be brought back: the vault has no soft deletion.".to_owned(),
    };
    let count = if ids.len() == 1 { "its one version".to_owned() } else { format!("its {} versions", ids.len()) };
    context.output.done(
        &format!("Deleted the {kind} {name} with {count}.{back}"),
        &json!({ "name": name.as_str(), "deleted_versions": ids, "scheduled_purge": until }),
    )
}

pub(super) fn run(context: &Context, client: &Client, verb: Verb) -> Result<()> {
    match verb {
        Verb::List => list(context, client),
        Verb::Show(which) => show(context, &find(client, &which)?),
        Verb::Recover(which) => {
            let found = find(client, &which)?;
            client.end("POST", &format!("{}/recover", found.path()))?;
            context.output.done(&format!("Recovered {}.", found.what()), &found.json())
        }
        Verb::Purge(which) => {
            let found = find(client, &which)?;
            let what = found.what();
            context.confirm(&format!("Purge {what} from {}? This can't be undone.", client.address))?;
            client.end("DELETE", &found.path())?;
            context.output.done(&format!("Purged {what}."), &found.json())
        }
    }
}

fn list(context: &Context, client: &Client) -> Result<()> {
    let mut found = Vec::new();
    for collection in collections(client) {
        let items: Vec<Bundle> = client.list(&format!("/deleted{}", collection.segment()))?;
        found.extend(items.into_iter().filter_map(|item| Found::new(collection, item)));
    }
    let rows: Vec<Vec<String>> = found.iter().map(Found::row).collect();
    let values: Vec<Value> = found.iter().map(Found::json).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(values), NOTHING)
}

/// A Managed HSM has no secrets.
fn collections(client: &Client) -> impl Iterator<Item = Collection> {
    let is_hsm = client.is_managed_hsm;
    COLLECTIONS.into_iter().filter(move |collection| !is_hsm || *collection == Collection::Keys)
}

fn show(context: &Context, found: &Found) -> Result<()> {
    let pairs = [
        ("name", name_of(&found.id).to_owned()),
        ("kind", singular(found.collection).to_owned()),
        ("deleted", date(found.dates.deleted)),
        ("purged", date(found.dates.purge)),
        ("newest version", version_of(&found.id).to_owned()),
    ];
    context.output.details(&pairs, &found.json())
}

fn find(client: &Client, which: &Which) -> Result<Found> {
    let name = Name::new(&which.name)?;
    if which.kind == Some(Kind::Certificate) {
        return Err(Error::Usage("--kind certificate has no counterpart at a server: keys and secrets have.".into()));
    }
    let mut found = Vec::new();
    for collection in collections(client) {
        if which.kind.is_some_and(|kind| Collection::from(kind) != collection) {
            continue;
        }
        let path = format!("/deleted{}/{name}", collection.segment());
        found.extend(client.find(&path)?.and_then(|bundle| Found::new(collection, bundle)));
    }
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(no_such_name(&which.name)),
        (Some(_), false) => Err(several_of_name(&which.name)),
    }
}

impl Found {
    fn new(collection: Collection, bundle: Bundle) -> Option<Self> {
        let id = bundle.key.map(|key| key.kid).or(bundle.id)?;
        Some(Self { collection, id, dates: bundle.dates })
    }

    fn path(&self) -> String {
        format!("/deleted{}/{}", self.collection.segment(), name_of(&self.id))
    }

    fn what(&self) -> String {
        format!("the {} {}", singular(self.collection), name_of(&self.id))
    }

    /// Versions of what is deleted aren't listed.
    fn row(&self) -> Vec<String> {
        vec![
            name_of(&self.id).to_owned(),
            singular(self.collection).to_owned(),
            String::new(),
            date(self.dates.deleted),
            date(self.dates.purge),
        ]
    }

    fn json(&self) -> Value {
        json!({
            "name": name_of(&self.id),
            "kind": singular(self.collection),
            "version": Some(version_of(&self.id)).filter(|version| !version.is_empty()),
            "deleted": self.dates.deleted.map(time::text),
            "scheduled_purge": self.dates.purge.map(time::text),
        })
    }
}

fn date(seconds: Option<i64>) -> String {
    seconds.map_or(String::new(), time::text)
}
