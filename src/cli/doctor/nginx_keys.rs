//! Keys of a vault in nginx's configuration: the URI, the vault and the object that it names, the PIN.

use std::path::Path;
use std::sync::Arc;

use subtle::ConstantTimeEq;

use super::file::Seen;
use super::nginx::{Key, Scheme, at};
use super::report::finding;
use super::table::Area;
use super::uri::{self, Problem, Uri};
use super::vault::Looked;
use super::{
    Examination, backups, certificate, configuration, file, nginx_certificates, nginx_slips, nginx_twins, objects,
    objects_line, shell,
};
use crate::vault::{Class, Collection, Content, Object, Pin};

const KEY_CHECKS: &[&str] = &[
    "nginx-uri-object",
    "nginx-uri-ambiguous",
    "nginx-uri-version",
    "nginx-uri-type",
    "nginx-key-hidden",
    "nginx-key-disabled",
    "nginx-key-expired",
];
/// Of a PIN that a URI gives.
const PIN_CHECKS: &[&str] = &["nginx-pin-source", "nginx-pin-line-end", "nginx-pin-wrong"];

pub(super) fn examine(examination: &mut Examination, key: &Key<'_>) {
    examination.report.looked(&["nginx-uri"]);
    if nginx_slips::examine(examination, key) {
        return;
    }
    let uri = match Uri::parse(key.uri) {
        Ok(uri) => uri,
        // libp11's own way to name keys, from before there were URIs.
        Err(_) if ["slot_", "id_", "label_"].iter().any(|old| key.uri.starts_with(old)) => {
            let why =
                format!("{}, line {}, names a key without a URI", key.directive.file.display(), key.directive.line);
            return examination.report.left_out(Area::Nginx, why);
        }
        Err(problem) => return malformed(examination, key, &problem),
    };
    kind(examination, key, &uri);
    // Taken out for the time of its checks: they write into the report.
    let vaults = std::mem::take(&mut examination.vaults);
    if let Some(vault) = token(examination, key, &uri, &vaults) {
        examination.report.looked(&["nginx-pin-missing"]);
        pin(examination, key, &uri, vault);
        if let Some(object) = object(examination, key, &uri, vault) {
            usable(examination, key, vault, &object);
            if !waits(examination, key, vault, &object) {
                nginx_certificates::examine(examination, key, vault, &object);
            }
        }
    }
    examination.vaults = vaults;
}

fn malformed(examination: &mut Examination, key: &Key<'_>, problem: &Problem) {
    let edit = problem.new.as_ref().map(|new| shell::replace(key.directive.line, &problem.old, new));
    examination.report.found(at(finding("nginx-uri"), key).with("problem", &problem.text).maybe("edit", edit));
}

fn kind(examination: &mut Examination, key: &Key<'_>, uri: &Uri) {
    if let Some(kind) = uri.kind.as_deref().filter(|kind| *kind != "private") {
        let edit = shell::replace(key.directive.line, &format!("type={kind}"), "type=private");
        examination.report.found(at(finding("nginx-uri-type"), key).with("type", kind).with("edit", edit));
    }
}

/// The vault that the URI names.
fn token<'a>(examination: &mut Examination, key: &Key<'_>, uri: &Uri, vaults: &'a [Looked]) -> Option<&'a Looked> {
    let labelled: Vec<&Looked> = vaults.iter().filter(|vault| vault.label().is_some()).collect();
    let token = uri.token.as_ref().map(|token| String::from_utf8_lossy(token).into_owned());
    let named = labelled.iter().copied().find(|vault| vault.label() == token.as_deref());
    let only = labelled.first().copied().filter(|_| token.is_none() && labelled.len() == 1);
    // A vault that wasn't looked at, or that doesn't open and says so itself, may be the one that is meant.
    let all_known = examination.context.global.vault.is_none() && vaults.iter().all(|vault| vault.info.is_some());
    if named.is_some() || all_known && !labelled.is_empty() {
        examination.report.looked(&["nginx-uri-token"]);
    }
    if named.is_some() || !all_known || labelled.is_empty() {
        return named.or(only);
    }
    if only.is_some() {
        return only;
    }
    let labels: Vec<&str> = labelled.iter().filter_map(|vault| vault.label()).collect();
    let (problem, edit) = match token {
        None => {
            let meant = owner(uri, &labelled).and_then(|vault| vault.label());
            ("the URI names no token, and there are several vaults".to_owned(), meant.map(|label| naming(key, label)))
        }
        Some(token) => (format!("the URI names the token {token:?}"), renaming(key, uri, &token, &labelled)),
    };
    let known = labels.iter().map(|label| format!("{label:?}")).collect::<Vec<_>>().join(", ");
    let found = at(finding("nginx-uri-token"), key).with("problem", problem).with("known", known);
    let are = if labels.len() == 1 { "is only" } else { "are" };
    examination.report.found(found.with("are", are).maybe("edit", edit));
    None
}

/// sed's command that puts the token into a URI that has none.
fn naming(key: &Key<'_>, label: &str) -> String {
    // With what stands before the URI: the engine has the scheme's name.
    let before = if key.scheme == Scheme::Engine { "engine:pkcs11:pkcs11:" } else { "store:pkcs11:" };
    shell::replace(key.directive.line, before, &format!("{before}token={};", encoded(label)))
}

/// sed's command that puts the token in the place of a wrong one: of one that is called nearly so, or that has the
/// key to the server's certificate.
fn renaming(key: &Key<'_>, uri: &Uri, token: &str, vaults: &[&Looked]) -> Option<String> {
    let has_key = |vault: &&&Looked| {
        let mut keys = private_keys(vault).filter(|object| matches(uri, object));
        keys.any(|object| is_certified(key, object))
    };
    let proven = vaults.iter().copied().find(|vault| has_key(&vault)).and_then(Looked::label);
    let meant = proven.or_else(|| uri::slip(token, vaults.iter().filter_map(|vault| vault.label())))?;
    let old = format!("token={}", piece(key.uri, "token"));
    Some(shell::replace(key.directive.line, &old, &format!("token={}", encoded(meant))))
}

/// The one vault that holds what the URI names.
fn owner<'a>(uri: &Uri, vaults: &[&'a Looked]) -> Option<&'a Looked> {
    let mut holding = vaults.iter().filter(|vault| private_keys(vault).any(|object| matches(uri, object)));
    holding.next().copied().filter(|_| holding.next().is_none())
}

pub(super) fn private_keys(vault: &Looked) -> impl Iterator<Item = &Arc<Object>> {
    vault.image.iter().flat_map(|image| image.with_class(Class::PrivateKey))
}

/// Whether the server's certificate is this key's.
pub(super) fn is_certified(key: &Key<'_>, object: &Object) -> bool {
    certificate::public_of(object).is_some_and(|public| nginx_certificates::fits(key, public))
}

fn matches(uri: &Uri, object: &Object) -> bool {
    uri.object.as_ref().is_none_or(|label| *label == object.content.label)
        && uri.id.as_ref().is_none_or(|id| *id == object.content.id)
}

/// The private key that the URI names: the newest enabled one, else one that is hidden or disabled, and that is said.
fn object(examination: &mut Examination, key: &Key<'_>, uri: &Uri, vault: &Looked) -> Option<Arc<Object>> {
    let image = vault.image.as_ref()?;
    examination.report.looked(KEY_CHECKS);
    let all: Vec<&Arc<Object>> = image.with_class(Class::PrivateKey).filter(|object| matches(uri, object)).collect();
    let visible = |object: &&&Arc<Object>| vault.shows(object) && object.content.enabled;
    // Without an id the current version is meant: of several that match, clients take the last.
    if uri.object.is_none() && uri.id.is_none() && all.len() > 1 {
        nameless(examination, key, uri, vault);
        return None;
    }
    if let Some(current) = all.last().and_then(|object| other_version(examination, key, uri, vault, object)) {
        return Some(current);
    }
    if nginx_twins::examine(examination, key, uri, vault, &all) {
        return None;
    }
    if let Some(object) = all.iter().rfind(visible) {
        return Some(Arc::clone(object));
    }
    let Some(object) = all.last() else {
        no_object(examination, key, uri, vault);
        return None;
    };
    let name = certificate::name_of(object);
    if !vault.shows(object) {
        let source = examination.source.clone();
        let edit = source.as_deref().and_then(|source| objects_line::adding(source, vault, &name));
        let found = at(finding("nginx-key-hidden"), key).with("vault", &vault.name).with("key", &name);
        let source = source.map(|source| source.display().to_string());
        examination.report.found(found.maybe("edit", edit).maybe("config", source));
    }
    if !object.content.enabled {
        let found = at(finding("nginx-key-disabled"), key).with("vault", &vault.name).with("key", &name);
        examination.report.found(found.with("version", certificate::version_of(object)));
    }
    Some(Arc::clone(object))
}

/// A URI that names no key where there are several: no client says which it takes.
fn nameless(examination: &mut Examination, key: &Key<'_>, uri: &Uri, vault: &Looked) {
    let certified = |object: &&Arc<Object>| is_certified(key, object);
    let meant = private_keys(vault).find(certified).filter(|_| uri.token.is_some());
    let edit = meant.map(|object| {
        let token = format!("token={}", piece(key.uri, "token"));
        let label = super::super::pkcs11::escaped(&object.content.label);
        shell::replace(key.directive.line, &token, &format!("{token};object={label}"))
    });
    let problem = "the URI names no object, and its vault holds several keys";
    examination.report.found(at(finding("nginx-uri"), key).with("problem", problem).maybe("edit", edit));
}

/// The current version, where the URI's id is of another one that isn't found or doesn't fit the certificate.
fn other_version(
    examination: &mut Examination,
    key: &Key<'_>,
    uri: &Uri,
    vault: &Looked,
    object: &Object,
) -> Option<Arc<Object>> {
    let image = vault.image.as_ref().filter(|_| uri.id.is_some() && object.name.is_some())?;
    let is_current = |other: &&Arc<Object>| image.is_current(other) && other.name == object.name;
    let current = private_keys(vault).find(is_current).filter(|current| current.number != object.number)?;
    let why = if key.scheme == Scheme::Engine && !vault.config.show_all_versions {
        "OpenSSL's engine finds only current ones"
    } else if is_certified(key, current) {
        "the certificate is the current one's"
    } else {
        return None;
    };
    let name = certificate::name_of(object);
    let found = at(finding("nginx-uri-version"), key).with("key", name).with("why", why);
    // Where another key has its label, only an id says which one is meant.
    let edit = match nginx_twins::has_twin(vault, current) {
        true => Some(nginx_twins::with_id(key, uri, current)),
        false => without_id(key, uri, object),
    };
    examination.report.found(found.maybe("edit", edit));
    Some(Arc::clone(current))
}

/// sed's command that takes the id out of a URI; the label takes its place where there is none.
fn without_id(key: &Key<'_>, uri: &Uri, object: &Object) -> Option<String> {
    let line = key.directive.line;
    let id = format!("id={}", piece(key.uri, "id"));
    if uri.object.is_none() {
        let label = super::super::pkcs11::escaped(&object.content.label);
        return Some(shell::replace(line, &id, &format!("object={label}")));
    }
    let pieces = [format!(";{id}"), format!("{id};")];
    pieces.iter().find(|piece| key.uri.contains(*piece)).map(|piece| shell::replace(line, piece, ""))
}

/// Whether the certificate is that of the key's newest version, which is turned off: an older one takes its place then.
fn waits(examination: &mut Examination, key: &Key<'_>, vault: &Looked, object: &Object) -> bool {
    let newest = private_keys(vault).filter(|other| other.name.is_some() && other.name == object.name).last();
    let fits = |object: &&Arc<Object>| is_certified(key, object);
    let newest = newest.filter(|newest| newest.number != object.number && !newest.content.enabled).filter(fits);
    if let Some(newest) = newest {
        let found = at(finding("nginx-key-disabled"), key).with("vault", &vault.name);
        let found = found.with("key", certificate::name_of(newest)).with("version", certificate::version_of(newest));
        examination.report.found(found);
    }
    newest.is_some()
}

fn no_object(examination: &mut Examination, key: &Key<'_>, uri: &Uri, vault: &Looked) {
    let label = uri.object.as_ref().map(|label| String::from_utf8_lossy(label).into_owned());
    // A label that is there with another id: the id is of a version that is gone.
    let labelled = private_keys(vault).find(|object| uri.object.as_ref() == Some(&object.content.label));
    let edit = match (labelled, &label) {
        (Some(object), _) => without_id(key, uri, object),
        (None, Some(label)) => relabelling(key, vault, label),
        (None, None) => None,
    };
    // What a backup holds shows only when it is opened. One that is sure to be from a time with the key isn't known
    // either, but where a certificate of that name is left the key was there.
    let was_there = label.as_ref().is_some_and(|label| {
        vault.image.as_ref().is_some_and(|image| image.with_name(Collection::Certificates, label).next().is_some())
    });
    let backup = backups::newest(vault).filter(|_| was_there);
    let what = match (&label, &uri.id) {
        (Some(label), None) => format!("the label {label:?}"),
        (Some(label), Some(_)) => format!("the label {label:?} and this id"),
        _ => "this id".to_owned(),
    };
    let found = at(finding("nginx-uri-object"), key).with("vault", &vault.name).with("what", what);
    let found = found.maybe("edit", edit).maybe("object", label);
    examination.report.found(found.maybe("backup", backup.as_deref().map(Path::display)));
}

/// sed's command that puts a label in the place of one that differs by a letter or two: only that of the key to the
/// server's certificate. The key that is meant may be deleted, and another one is no remedy.
fn relabelling(key: &Key<'_>, vault: &Looked, label: &str) -> Option<String> {
    let certified = private_keys(vault).filter(|object| is_certified(key, object));
    let labels: Vec<&str> = certified.filter_map(|object| std::str::from_utf8(&object.content.label).ok()).collect();
    let meant = uri::slip(label, labels.iter().copied())?;
    let old = format!("object={}", piece(key.uri, "object"));
    Some(shell::replace(key.directive.line, &old, &format!("object={}", encoded(meant))))
}

fn usable(examination: &mut Examination, key: &Key<'_>, vault: &Looked, object: &Object) {
    let content = &object.content;
    let now = super::super::time::now();
    if Content::validity(content.not_before, content.expires, now).is_ok() {
        return;
    }
    let expired = content.expires.is_some_and(|end| now >= end);
    let state = if expired { "expired" } else { "not yet valid" };
    let found = at(finding("nginx-key-expired"), key).with("state", state).with("vault", &vault.name);
    examination.report.found(found.with("key", certificate::name_of(object)));
}

/// Where nginx gets the PIN from, and whether it is right.
fn pin(examination: &mut Examination, key: &Key<'_>, uri: &Uri, vault: &Looked) {
    let source = uri.pin_source.as_ref().map(Path::new);
    let found = |id| at(finding(id), key).with("vault", &vault.name).maybe("pin-file", source.map(Path::display));
    if uri.pin_value.is_some() {
        in_clear(examination, key);
    }
    if uri.pin_value.is_some() || source.is_some() {
        examination.report.looked(PIN_CHECKS);
        match (given(uri), &vault.pin) {
            (None, _) => examination.report.found(found("nginx-pin-source")),
            (Some(given), Some(right)) if !bool::from(right.expose().ct_eq(given.expose())) => {
                // The PIN of the configuration is right: nginx needs none in the URI.
                let edit = Some(key).filter(|_| source.is_none() && vault.config.unlock.is_some()).map(without);
                examination.report.found(found("nginx-pin-wrong").maybe("edit", edit));
            }
            (Some(given), _) => line_end(examination, key, source, given.expose().len() as u64),
        }
        return;
    }
    if examination.openssl.as_ref().is_some_and(|openssl| openssl.pin.is_some()) {
        return stated_pin(examination, vault);
    }
    // A command that fails is said by itself, and a vault that the configuration misspells has a PIN there.
    let is_told = vault.config.pin_command.is_some() || examination.report.has("vault-misnamed");
    if vault.config.unlock.is_none() && !is_told {
        no_pin(examination, vault);
    }
}

/// The PIN of OpenSSL's configuration, which it gives to whatever vault asks for one.
fn stated_pin(examination: &mut Examination, vault: &Looked) {
    let Some(stated) = examination.openssl.as_ref().and_then(|openssl| openssl.pin.as_ref()) else { return };
    let found = finding("openssl-pin-wrong").with("file", stated.file.display()).with("line", stated.line);
    let wrong = match (&stated.pin, &vault.pin) {
        (Some(stated), Some(right)) => !bool::from(right.expose().ct_eq(stated.expose())),
        _ => false,
    };
    // The PIN of Strongroom's configuration is right: OpenSSL's needs none.
    let edit = vault.config.unlock.as_ref().map(|_| shell::delete(stated.line));
    examination.report.looked(&["openssl-pin-wrong"]);
    if wrong {
        examination.report.found(found.with("vault", &vault.name).maybe("edit", edit));
    }
}

/// The PIN goes into a file beside the configuration, which is made where there is none.
fn no_pin(examination: &mut Examination, vault: &Looked) {
    let source = examination.source.clone();
    let config = source.clone().unwrap_or_else(configuration::usual_file);
    let pin_file = config.with_file_name(format!("{}.pin", vault.config.name));
    let setting = format!("pin_file = {:?}", pin_file.display().to_string());
    let found = finding("nginx-pin-missing").with("vault", &vault.name).with("pin-file", pin_file.display());
    let found = found.maybe("pin-folder", pin_file.parent().map(Path::display));
    let edit = source.as_deref().and_then(|source| objects_line::setting(source, vault, &setting));
    let found = match edit {
        Some(edit) => found.with("edit", edit).with("config", config.display()),
        None => {
            let name = format!("name = {:?}", vault.config.name);
            let path = format!("path = {:?}", vault.directory().display().to_string());
            let lines = shell::quote_all(["[[vault]]", &name, &path, &setting]);
            found.with_command("lines", lines).with("config", config.display())
        }
    };
    examination.report.found(found);
}

/// libp11 takes the file as it is. What comes after the PIN is a line's end and no more: it was taken off for the PIN.
fn line_end(examination: &mut Examination, key: &Key<'_>, source: Option<&Path>, size: u64) {
    let Some(source) = source.filter(|_| key.scheme == Scheme::Engine) else { return };
    if std::fs::metadata(source).is_ok_and(|metadata| metadata.len() > size) {
        let found = at(finding("nginx-pin-line-end"), key).with("pin-file", source.display());
        examination.report.found(found.with("size", size));
    }
}

/// The PIN that a URI gives, itself or by its file; `None` if the file isn't there or is empty.
fn given(uri: &Uri) -> Option<Pin> {
    let bytes = match (&uri.pin_source, &uri.pin_value) {
        (Some(file), _) => {
            let text = file::text(Path::new(file)).ok()?;
            text.trim_end_matches(['\n', '\r']).as_bytes().to_vec()
        }
        (None, value) => value.as_ref()?.to_vec(),
    };
    Some(Pin::new(bytes)).filter(|pin| !pin.expose().is_empty())
}

/// Vaults for which the configuration has no PIN are opened with those of the URIs, as nginx does it.
pub(super) fn open_vaults(examination: &mut Examination, keys: &[Key<'_>]) {
    let mut vaults = std::mem::take(&mut examination.vaults);
    for key in keys {
        let Ok(uri) = Uri::parse(key.uri) else { continue };
        let token = uri.token.as_ref().map(|token| String::from_utf8_lossy(token).into_owned());
        let only = vaults.len() == 1;
        let meant = |vault: &&mut Looked| {
            vault.label().is_some() && vault.label() == token.as_deref() || token.is_none() && only
        };
        let Some(vault) = vaults.iter_mut().find(meant).filter(|vault| vault.image.is_none()) else { continue };
        let stated = examination.openssl.as_ref().and_then(|openssl| openssl.pin.as_ref());
        let in_uri = uri.pin_value.is_some() || uri.pin_source.is_some();
        let pin = if in_uri { given(&uri) } else { stated.and_then(|stated| stated.pin.clone()) };
        let Some(pin) = pin.filter(|_| vault.config.unlock.is_none()) else { continue };
        match vault.try_pin(pin) {
            Some(true) => objects::examine(examination, vault),
            Some(false) if !in_uri => {
                let found = finding("openssl-pin-wrong").with("vault", &vault.name);
                let place = stated.map(|stated| (stated.file.display().to_string(), stated.line));
                let (file, line) = place.unwrap_or_default();
                examination.report.found(found.with("file", file).with("line", line));
            }
            Some(false) => {
                let file = uri.pin_source.as_ref();
                let found = at(finding("nginx-pin-wrong"), key).with("vault", &vault.name).maybe("pin-file", file);
                examination.report.found(found);
            }
            None => {}
        }
    }
    examination.vaults = vaults;
}

/// sed's command that takes the PIN out of a URI's query. The command doesn't say the PIN.
fn without(key: &Key<'_>) -> String {
    let line = key.directive.line;
    let query = key.uri.split_once('?').map_or("", |(_, query)| query);
    match (query.starts_with("pin-value="), query.contains('&')) {
        (true, false) => format!("{line}s/?pin-value=[^&\";]*//"),
        (true, true) => format!("{line}s/?pin-value=[^&\";]*&/?/"),
        (false, _) => format!("{line}s/&pin-value=[^&\";]*//"),
    }
}

/// A PIN in nginx's own configuration.
fn in_clear(examination: &mut Examination, key: &Key<'_>) {
    if Seen::behind(&key.directive.file).is_some_and(|seen| seen.mode() & 0o044 != 0) {
        examination.report.found(at(finding("nginx-pin-in-uri"), key));
    }
}

/// An attribute's value as it stands in the URI.
pub(super) fn piece<'a>(uri: &'a str, name: &str) -> &'a str {
    let start = format!("{name}=");
    let attributes = uri.split(['?', '&', ';', ':']);
    attributes.filter_map(|attribute| attribute.strip_prefix(&start)).next().unwrap_or_default()
}

fn encoded(text: &str) -> String {
    super::super::pkcs11::escaped(text.as_bytes())
}
