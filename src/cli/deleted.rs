//! `strongroom deleted`: what was deleted softly, until its date.

use clap::{Args, Subcommand};
use serde_json::{Value, json};

use super::open::Opened;
use super::versions::{self, Kind, Named};
use super::{Context, Error, Result, time};
use crate::vault::{Collection, Deletion, Name, purge, recover};

/// What is done with what was deleted.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// List what was deleted and can be brought back
    List,
    /// Show something deleted, and its versions
    Show(Which),
    /// Bring something back, with all its versions
    Recover(Which),
    /// End something before its date; its name is free then
    Purge(Which),
}

/// Something that was deleted.
#[derive(Args)]
pub(super) struct Which {
    /// The name that it had
    pub name: String,
    /// What it was, where several things of one name were deleted
    #[arg(long, value_enum)]
    pub kind: Option<Kind>,
}

/// Something that was deleted, with all versions.
struct Found {
    collection: Collection,
    name: Name,
    named: Named,
    deletion: Deletion,
}

/// Of a list of what was deleted.
pub(super) const HEADINGS: [&str; 5] = ["name", "kind", "versions", "deleted", "purged"];
/// Of an empty one.
pub(super) const NOTHING: &str = "Nothing that was deleted can be brought back.";

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    let opened = context.unlocked()?;
    match verb {
        Verb::List => list(context, &opened),
        Verb::Show(which) => show(context, &find(&opened, &which)?),
        Verb::Recover(which) => {
            let found = find(&opened, &which)?;
            recover(&*opened.vault, found.collection, &found.name, time::now())?;
            let what = found.what();
            context.output.done(&format!("Recovered {what}."), &found.json())
        }
        Verb::Purge(which) => {
            let found = find(&opened, &which)?;
            let what = found.what();
            context.confirm(&format!("Purge {what} from {}? This can't be undone.", opened.info.label))?;
            purge(&*opened.vault, found.collection, &found.name, time::now())?;
            context.output.done(&format!("Purged {what}."), &found.json())
        }
    }
}

fn list(context: &Context, opened: &Opened) -> Result<()> {
    let found = all(opened);
    let rows: Vec<Vec<String>> = found
        .iter()
        .map(|found| {
            vec![
                found.named.name.clone(),
                versions::singular(found.collection).to_owned(),
                found.named.versions.len().to_string(),
                time::text(found.deletion.at),
                time::text(found.deletion.purge),
            ]
        })
        .collect();
    let values: Vec<Value> = found.iter().map(Found::json).collect();
    context.output.list(&HEADINGS, &rows, &Value::Array(values), NOTHING)
}

fn show(context: &Context, found: &Found) -> Result<()> {
    let ids: Vec<&str> = found.named.versions.iter().map(|version| version.id.as_str()).collect();
    let pairs = [
        ("name", found.named.name.clone()),
        ("kind", versions::singular(found.collection).to_owned()),
        ("deleted", time::text(found.deletion.at)),
        ("purged", time::text(found.deletion.purge)),
        ("versions", ids.join("\n")),
    ];
    context.output.details(&pairs, &found.json())
}

fn all(opened: &Opened) -> Vec<Found> {
    let image = opened.vault.image();
    let now = time::now();
    let of_kind = |kind: Kind| {
        let collection = Collection::from(kind);
        let named = versions::grouped(image.deleted(), collection).into_iter();
        named.filter_map(move |named| Found::new(collection, named)).filter(move |found| now < found.deletion.purge)
    };
    Kind::ALL.into_iter().flat_map(of_kind).collect()
}

fn find(opened: &Opened, which: &Which) -> Result<Found> {
    let mut found = all(opened);
    found.retain(|found| {
        found.named.name.eq_ignore_ascii_case(&which.name)
            && which.kind.is_none_or(|kind| Collection::from(kind) == found.collection)
    });
    match (found.pop(), found.is_empty()) {
        (Some(only), true) => Ok(only),
        (None, _) => Err(no_such_name(&which.name)),
        (Some(_), false) => Err(several_of_name(&which.name)),
    }
}

/// Nothing was deleted under this name.
pub(super) fn no_such_name(name: &str) -> Error {
    Error::refused(format!("Nothing deleted is called {name:?}: `strongroom deleted list` shows what there is."))
}

/// The name alone doesn't say what is meant.
pub(super) fn several_of_name(name: &str) -> Error {
    Error::refused(format!(
        "Several deleted things are called {name:?}: say which with --kind key, secret or certificate."
    ))
}

impl Found {
    fn new(collection: Collection, named: Named) -> Option<Self> {
        let main = named.newest().main();
        let (name, deletion) = (main.name.clone()?, main.content.deleted?);
        Some(Self { collection, name, named, deletion })
    }

    fn what(&self) -> String {
        format!("the {} {}", versions::singular(self.collection), self.named.name)
    }

    fn json(&self) -> Value {
        let ids: Vec<&str> = self.named.versions.iter().map(|version| version.id.as_str()).collect();
        json!({
            "name": self.named.name,
            "kind": versions::singular(self.collection),
            "versions": ids,
            "deleted": time::text(self.deletion.at),
            "scheduled_purge": time::text(self.deletion.purge),
        })
    }
}
