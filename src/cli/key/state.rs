//! `enable`, `disable` and `delete`.

use serde_json::json;

use super::super::{Context, Result, versions};
use super::Which;
use crate::vault::Collection;

/// Both halves in one change, so that no process ever sees one without the other.
pub(super) fn set_enabled(context: &Context, which: &Which, enabled: bool) -> Result<()> {
    let opened = context.unlocked()?;
    let key = versions::named(&opened.vault.image(), Collection::Keys, &which.name)?;
    let version = match &which.version {
        Some(id) => key.version(id)?,
        None => key.newest(),
    };
    let word = if enabled { "enabled" } else { "disabled" };
    let changed = version.objects.iter().any(|object| object.content.enabled != enabled);
    if changed {
        opened.vault.change(&version.numbers(), &mut |content| {
            content.enabled = enabled;
            Ok(())
        })?;
    }
    let already = if changed { "" } else { " already" };
    context.output.done(
        &format!("Version {} of {} is{already} {word}.", version.id, key.name),
        &json!({ "name": key.name, "version": version.id, "enabled": enabled, "changed": changed }),
    )
}

pub(super) fn delete(context: &Context, which: &Which) -> Result<()> {
    let opened = context.unlocked()?;
    let key = versions::named(&opened.vault.image(), Collection::Keys, &which.name)?;
    let (what, numbers, ids) = match &which.version {
        Some(id) => {
            let version = key.version(id)?;
            (format!("version {} of the key {}", version.id, key.name), version.numbers(), vec![version.id.clone()])
        }
        None => {
            let ids = key.versions.iter().map(|version| version.id.clone()).collect();
            (format!("the key {} with {}", key.name, count(key.versions.len())), key.numbers(), ids)
        }
    };
    context.confirm(&format!("Delete {what} from {}? This can't be undone.", opened.info.label))?;
    opened.vault.delete(&numbers)?;
    context.output.done(&format!("Deleted {what}."), &json!({ "name": key.name, "deleted_versions": ids }))
}

fn count(versions: usize) -> String {
    if versions == 1 { "its one version".to_owned() } else { format!("its {versions} versions") }
}
