//! A URI that means several keys: one label, and nothing that says whose.
//!
//! libp11 takes one of them without a word, and not always the same. Only the certificate beside the URI tells which is
//! meant, so no certificate is looked at, made or put in its place before the URI names one key.

use std::sync::Arc;

use super::super::pkcs11::escaped;
use super::nginx::{Key, at};
use super::nginx_keys::{is_certified, piece, private_keys};
use super::report::finding;
use super::uri::Uri;
use super::vault::Looked;
use super::{Examination, certificate, shell};
use crate::vault::Object;

/// Whether the URI means several keys, which is said then.
pub(super) fn examine(
    examination: &mut Examination,
    key: &Key<'_>,
    uri: &Uri,
    vault: &Looked,
    all: &[&Arc<Object>],
) -> bool {
    let meant: Vec<&Arc<Object>> = all.iter().copied().filter(|object| is_found(vault, object)).collect();
    if uri.object.is_none() || uri.id.is_some() || meant.len() < 2 {
        return false;
    }
    let names: Vec<String> = meant.iter().map(|object| certificate::name_of(object)).collect();
    let certified: Vec<&Arc<Object>> = meant.into_iter().filter(|object| is_certified(key, object)).collect();
    let edit = match certified.as_slice() {
        [one] => Some(with_id(key, uri, one)),
        _ => None,
    };
    let found = at(finding("nginx-uri-ambiguous"), key).with("vault", &vault.name).with("keys", names.join(", "));
    let label = String::from_utf8_lossy(uri.object.as_deref().unwrap_or_default()).into_owned();
    examination.report.found(found.with("label", label).maybe("edit", edit));
    true
}

/// Whether another key that a program finds has the label of this one.
pub(super) fn has_twin(vault: &Looked, object: &Object) -> bool {
    private_keys(vault).any(|other| {
        let alike = other.content.label == object.content.label && other.number != object.number;
        alike && is_found(vault, other) && (other.name.is_none() || other.name != object.name)
    })
}

/// Whether a program finds it by its label.
fn is_found(vault: &Looked, object: &Arc<Object>) -> bool {
    let is_current = vault.image.as_ref().is_some_and(|image| image.is_current(object));
    is_current && object.content.enabled && vault.shows(object)
}

/// sed's command that puts this key's id into the URI, in the place of one that is there.
pub(super) fn with_id(key: &Key<'_>, uri: &Uri, object: &Object) -> String {
    let id: String = object.content.id.iter().map(|byte| format!("%{byte:02X}")).collect();
    let (old, new) = match &uri.id {
        Some(_) => (format!("id={}", piece(key.uri, "id")), format!("id={id}")),
        None => {
            let label = format!("object={}", piece(key.uri, "object"));
            (label.clone(), format!("object={};id={id}", escaped(&object.content.label)))
        }
    };
    shell::replace(key.directive.line, &old, &new)
}
