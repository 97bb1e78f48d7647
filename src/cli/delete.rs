//! Deleting a key, a secret or a certificate, or one version of it.
//!
//! In a vault that keeps what is deleted for a while (one that is served, or whose `settings` say so) deleting all versions
//! can be taken back and needs no question. One version alone, and everything in another vault, goes for good, after asking.

use clap::Args;
use serde_json::json;

use super::versions::{self, Named, Versioned};
use super::{Context, Result, time};
use crate::vault::{Class, Collection, Image, ObjectNumber, Retention, VaultError, delete_softly, ended_with};

/// What goes.
#[derive(Args)]
pub(super) struct Delete {
    /// Its name
    pub name: String,
    /// One version, for good: its id, or how that begins
    #[arg(long, value_name = "ID")]
    pub version: Option<String>,
    /// For good, also in a vault that keeps what is deleted for a while
    #[arg(long)]
    pub purge: bool,
}

/// What goes, in words and as objects.
struct Doomed {
    what: String,
    numbers: Vec<ObjectNumber>,
    /// Of its versions.
    ids: Vec<String>,
    /// What is said of a certificate's key.
    key: &'static str,
}

pub(super) fn run(context: &Context, collection: Collection, delete: &Delete) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, collection, &delete.name)?;
    let name = &named.name;
    let Doomed { what, numbers, ids, key } = Doomed::of(&image, collection, &named, delete.version.as_deref())?;
    let retention = Retention::of(&image);
    let object_name = named.newest().main().name.clone();
    if let (Some(_), Some(object_name), None, false) = (retention, object_name, &delete.version, delete.purge) {
        let deletion = delete_softly(&*opened.vault, collection, &object_name, time::now())?;
        let until = time::text(deletion.purge);
        return context.output.done(
            &format!("Deleted {what}{key}. Until {until} `strongroom deleted recover {name}` brings it back."),
            &json!({ "name": name, "deleted_versions": ids, "scheduled_purge": until }),
        );
    }
    if retention.is_some_and(|retention| retention.purge_protection) {
        return Err(VaultError::PurgeProtected.into());
    }
    context.confirm(&format!("Delete {what} from {}? This can't be undone.", opened.info.label))?;
    opened.vault.delete(&numbers)?;
    context.output.done(&format!("Deleted {what}{key}."), &json!({ "name": name, "deleted_versions": ids }))
}

impl Doomed {
    fn of(image: &Image, collection: Collection, named: &Named, version: Option<&str>) -> Result<Self> {
        let (kind, name) = (versions::singular(collection), &named.name);
        let key = match (collection, named.newest().main().content.is_managed()) {
            (Collection::Certificates, true) => " and its key",
            (Collection::Certificates, false) => "; its key stays",
            _ => "",
        };
        if let Some(id) = version {
            let version = named.version(id)?;
            let what = format!("version {} of the {kind} {name}", version.id);
            return Ok(Self { what, numbers: with_key(image, version)?, ids: vec![version.id.clone()], key });
        }
        let ids: Vec<_> = named.versions.iter().map(|version| version.id.clone()).collect();
        let numbers = match &named.newest().main().name {
            Some(name) => ended_with(image, collection, name)?,
            None => named.numbers(),
        };
        Ok(Self { what: format!("the {kind} {name} with {}", count(ids.len())), numbers, ids, key })
    }
}

/// The objects of a version, and of the key that was made with it unless another version has that too.
fn with_key(image: &Image, version: &Versioned) -> Result<Vec<ObjectNumber>> {
    let main = version.main();
    let mut numbers = version.numbers();
    let Some(name) = main.name.as_ref().filter(|_| main.content.is_managed()) else { return Ok(numbers) };
    if main.content.class != Class::Certificate {
        return Err(VaultError::Managed(name.to_string()).into());
    }
    let others = image.with_name(Collection::Certificates, name.as_str()).chain(image.request(name.as_str()));
    if others.filter(|other| other.number != main.number).all(|other| other.content.id != main.content.id) {
        let halves = image.with_name(Collection::Keys, name.as_str());
        numbers.extend(halves.filter(|half| half.content.id == main.content.id).map(|half| half.number));
    }
    Ok(numbers)
}

fn count(versions: usize) -> String {
    if versions == 1 { "its one version".to_owned() } else { format!("its {versions} versions") }
}
