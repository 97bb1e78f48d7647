//! Deleting a key, a secret or a certificate, or one version of it, after asking.

use clap::Args;
use serde_json::json;

use super::{Context, Result, versions};
use crate::vault::Collection;

/// What goes.
#[derive(Args)]
pub(super) struct Delete {
    /// Its name
    name: String,
    /// One version: its id, or how that begins
    #[arg(long, value_name = "ID")]
    version: Option<String>,
}

pub(super) fn run(context: &Context, collection: Collection, delete: &Delete) -> Result<()> {
    let opened = context.unlocked()?;
    let named = versions::named(&opened.vault.image(), collection, &delete.name)?;
    let (kind, name) = (kind(collection), &named.name);
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
    context.confirm(&format!("Delete {what} from {}? This can't be undone.", opened.info.label))?;
    opened.vault.delete(&numbers)?;
    let stays = if collection == Collection::Certificates { "; its key stays" } else { "" };
    context.output.done(&format!("Deleted {what}{stays}."), &json!({ "name": name, "deleted_versions": ids }))
}

fn kind(collection: Collection) -> &'static str {
    match collection {
        Collection::Keys => "key",
        Collection::Secrets => "secret",
        Collection::Certificates => "certificate",
    }
}

fn count(versions: usize) -> String {
    if versions == 1 { "its one version".to_owned() } else { format!("its {versions} versions") }
}
