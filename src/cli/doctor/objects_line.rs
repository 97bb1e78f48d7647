//! Where a vault's settings stand in the configuration file, for commands that change them.

use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};
use zeroize::Zeroizing;

use super::vault::Looked;
use super::{file, shell};

/// sed's command that lets a further object through `objects`; `None` where the line can't be told.
pub(super) fn adding(configuration: &Path, looked: &Looked, name: &str) -> Option<String> {
    let text = file::text(configuration).ok()?;
    let span = span_of(&text, looked, Some("objects"))?;
    let list = text.get(span.clone())?;
    // A list over several lines has no line of its own.
    if list.contains('\n') {
        return None;
    }
    let line = line_at(&text, span.start);
    let separator = if list.trim_start_matches('[').trim_end_matches(']').trim().is_empty() { "" } else { ", " };
    let name = globset::escape(name);
    let end = format!("{separator}\"{}\"]", name.replace('\\', r"\\").replace('"', r#"\""#));
    let new = format!("{}{end}", list.trim_end_matches(']').trim_end());
    Some(shell::replace(line, list, &new))
}

/// sed's command that lets these objects through and no others; `None` where the line can't be told.
pub(super) fn listing(configuration: &Path, looked: &Looked, names: &[String]) -> Option<String> {
    let names: Vec<String> = names.iter().map(|name| format!("{:?}", globset::escape(name))).collect();
    let list = format!("[{}]", names.join(", "));
    let text = file::text(configuration).ok()?;
    let Some(span) = span_of(&text, looked, Some("objects")) else {
        return setting(configuration, looked, &format!("objects = {list}"));
    };
    let old = text.get(span.clone()).filter(|old| !old.contains('\n'))?;
    Some(shell::replace(line_at(&text, span.start), old, &list))
}

/// sed's command that puts another path in the place of the vault's.
pub(super) fn path(configuration: &Path, looked: &Looked, path: &Path) -> Option<String> {
    let text = file::text(configuration).ok()?;
    let span = span_of(&text, looked, Some("path"))?;
    Some(shell::replace(line_at(&text, span.start), text.get(span)?, &format!("{path:?}")))
}

/// sed's command that puts another name in the place of the vault's.
pub(super) fn name(configuration: &Path, looked: &Looked, name: &str) -> Option<String> {
    let text = file::text(configuration).ok()?;
    let span = span_of(&text, looked, Some("name"))?;
    Some(shell::replace(line_at(&text, span.start), text.get(span)?, &format!("{name:?}")))
}

/// sed's command that puts another setting in the place of an empty `pin`.
pub(super) fn empty_pin(configuration: &Path, looked: &Looked, setting: &str) -> Option<String> {
    let text = file::text(configuration).ok()?;
    let span = span_of(&text, looked, Some("pin"))?;
    let start = text.get(..span.start)?.rfind("pin")?;
    Some(shell::replace(line_at(&text, start), text.get(start..span.end)?, setting))
}

/// sed's command that adds a setting to the vault's table; `None` where it has none.
pub(super) fn setting(configuration: &Path, looked: &Looked, setting: &str) -> Option<String> {
    let text = file::text(configuration).ok()?;
    let span = span_of(&text, looked, None)?;
    Some(shell::append(line_at(&text, span.start), setting))
}

/// Where the vault's table begins, or where the value of one of its keys stands.
fn span_of(text: &Zeroizing<String>, looked: &Looked, key: Option<&str>) -> Option<std::ops::Range<usize>> {
    let table = DeTable::parse(text).ok()?;
    let DeValue::Array(vaults) = table.get_ref().get("vault")?.get_ref() else { return None };
    let name_of = |table: &DeTable<'_>, key: &str| match table.get(key).map(Spanned::get_ref) {
        Some(DeValue::String(text)) => Some(text.to_string()),
        _ => None,
    };
    vaults.iter().find_map(|vault| {
        let DeValue::Table(inside) = vault.get_ref() else { return None };
        let path = name_of(inside, "path").map(std::path::PathBuf::from);
        let named = name_of(inside, "name").is_some_and(|name| name == looked.config.name)
            || path.is_some_and(|path| looked.directory().ends_with(&path));
        match key {
            _ if !named => None,
            Some(key) => inside.get(key).map(Spanned::span),
            None => Some(vault.span()),
        }
    })
}

fn line_at(text: &str, offset: usize) -> usize {
    1 + text.as_bytes()[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}
