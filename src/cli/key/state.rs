//! `enable` and `disable`.

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
    // Who disables a key that was stolen must know that an older one does its work now.
    let now = versions::named(&opened.vault.image(), Collection::Keys, &which.name)?;
    let current = Some(now.current()).filter(|version| version.enabled()).map(|version| version.id.as_str());
    let means = match current {
        None => format!(" {} has no enabled version now.", key.name),
        Some(id) if !enabled => format!(" Version {id} is the current one now."),
        Some(_) => String::new(),
    };
    context.output.done(
        &format!("Version {} of {} is{already} {word}.{means}", version.id, key.name),
        &json!({
            "name": key.name,
            "version": version.id,
            "enabled": enabled,
            "changed": changed,
            "current_version": current,
        }),
    )
}
