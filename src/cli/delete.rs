//! Deleting a key, a secret or a certificate, or one version of it.
//!
//! In a vault that keeps what is deleted for a while (one that is served, or whose `settings` say so) deleting all versions
//! can be taken back and needs no question. One version alone, and everything in another vault, goes for good, after asking.

use clap::Args;
use serde_json::json;

use super::{Context, Result, time, versions};
use crate::vault::{Collection, Retention, VaultError, delete_softly};

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
            (format!("version {} of the {kind} {name}", version.id), version.numbers(), vec![version.id.clone()])
        }
        None => {
            let ids: Vec<_> = named.versions.iter().map(|version| version.id.clone()).collect();
            (format!("the {kind} {name} with {}", count(ids.len())), named.numbers(), ids)
        }
    };
    let stays = if collection == Collection::Certificates { "; its key stays" } else { "" };
    let retention = Retention::of(&image);
    let object_name = named.newest().main().name.clone();
    if let (Some(_), Some(object_name), None, false) = (retention, object_name, &delete.version, delete.purge) {
        let deletion = delete_softly(&*opened.vault, collection, &object_name, time::now())?;
        let until = time::text(deletion.purge);
        return context.output.done(
            &format!("Deleted {what}{stays}. Until {until} `strongroom deleted recover {name}` brings it back."),
            &json!({ "name": name, "deleted_versions": ids, "scheduled_purge": until }),
        );
    }
    if retention.is_some_and(|retention| retention.purge_protection) {
        return Err(VaultError::PurgeProtected.into());
    }
    context.confirm(&format!("Delete {what} from {}? This can't be undone.", opened.info.label))?;
    opened.vault.delete(&numbers)?;
    context.output.done(&format!("Deleted {what}{stays}."), &json!({ "name": name, "deleted_versions": ids }))
}

fn count(versions: usize) -> String {
    if versions == 1 { "its one version".to_owned() } else { format!("its {versions} versions") }
}
