//! Deleting a key, a secret or a certificate, or one version of it.
//!
//! In a vault that keeps what is deleted for a while (one that is served, or whose `settings` say so) deleting all versions
//! can be taken back and needs no question. One version alone, and everything in another vault, goes for good, after asking.

use clap::Args;
use serde_json::json;

use super::versions::{self, Versioned};
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

pub(super) fn run(context: &Context, collection: Collection, delete: &Delete) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, collection, &delete.name)?;
    let (kind, name) = (versions::singular(collection), &named.name);
    let (what, numbers, ids) = match &delete.version {
        Some(id) => {
            let version = named.version(id)?;
            let numbers = with_key(&image, version)?;
            (format!("version {} of the {kind} {name}", version.id), numbers, vec![version.id.clone()])
        }
        None => {
            let ids: Vec<_> = named.versions.iter().map(|version| version.id.clone()).collect();
            let numbers = match &named.newest().main().name {
                Some(name) => ended_with(&image, collection, name)?,
                None => named.numbers(),
            };
            (format!("the {kind} {name} with {}", count(ids.len())), numbers, ids)
        }
    };
    let key = match (collection, named.newest().main().content.is_managed()) {
        (Collection::Certificates, true) => " and its key",
        (Collection::Certificates, false) => "; its key stays",
        _ => "",
    };
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
