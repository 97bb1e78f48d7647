//! What is in a vault that opens: keys and certificates that end, certificates that fit no key, a filter that hides
//! all.

use std::collections::HashMap;

use super::super::time;
use super::super::versions::{self, Named, Versioned};
use super::certificate::{self, Parsed, Renewal, SOON_IN_SECONDS, Validity};
use super::report::finding;
use super::vault::Looked;
use super::{Examination, objects_line};
use crate::vault::{Collection, Image};

const CHECKS: &[&str] =
    &["key-expired", "key-expires-soon", "certificate-expired", "certificate-expires-soon", "certificate-stale"];

pub(super) fn examine(examination: &mut Examination, looked: &Looked) {
    let Some(image) = &looked.image else { return };
    examination.report.looked(CHECKS);
    keys(examination, looked, image);
    certificates(examination, looked, image);
    if looked.has_filter() {
        examination.report.looked(&["objects-none"]);
        filter(examination, looked, image);
    }
}

fn keys(examination: &mut Examination, looked: &Looked, image: &Image) {
    for key in versions::all(image, Collection::Keys) {
        let content = &key.current().main().content;
        let Some(end) = content.expires.filter(|_| content.enabled) else { continue };
        let id = match end - time::now() {
            left if left <= 0 => "key-expired",
            left if left < SOON_IN_SECONDS => "key-expires-soon",
            _ => continue,
        };
        let found = finding(id).with("vault", &looked.name).with("key", &key.name).with("time", time::text(end));
        examination.report.found(found);
    }
}

fn certificates(examination: &mut Examination, looked: &Looked, image: &Image) {
    let keys = versions::all(image, Collection::Keys);
    let keys = KeysOfCertificates::of(&keys);
    for named in versions::all(image, Collection::Certificates) {
        let object = named.current().main();
        let Some(parsed) = object.content.value.as_deref().and_then(Parsed::from_der) else { continue };
        // A certificate alone, a CA's for instance, is nobody's to renew here.
        let Some(key) = keys.key_of(&named.name, &object.content.id, &parsed) else { continue };
        let fits = is_for(&parsed, key.current());
        let (id, end) = match (fits, parsed.validity()) {
            (false, _) => ("certificate-stale", 0),
            (true, Validity::Expired(end)) => ("certificate-expired", end),
            (true, Validity::Soon(end)) => ("certificate-expires-soon", end),
            _ => continue,
        };
        let renewal =
            Renewal { vault: looked, key: &key.name, old: Some(&parsed), certificate: Some(&named.name), file: None };
        // The certificate waits for its version, which is only turned off.
        let waits = |key: &&Named| !fits && !key.newest().enabled() && is_for(&parsed, key.newest());
        let disabled = Some(key).filter(waits).map(|key| &key.newest().id);
        let found = finding(id).with("time", time::text(end)).with("certificate", &named.name);
        let found = found.maybe("disabled", disabled);
        examination.report.found(renewal.of(found));
    }
}

fn is_for(parsed: &Parsed, version: &Versioned) -> bool {
    certificate::public_of(version.main()) == Some(&*parsed.public)
}

/// Keys as certificates are paired with them: by their public half, else by their id, else by their name.
struct KeysOfCertificates<'a> {
    by_public: HashMap<&'a [u8], &'a Named>,
    by_id: HashMap<&'a [u8], &'a Named>,
    by_name: HashMap<String, &'a Named>,
}

impl<'a> KeysOfCertificates<'a> {
    fn of(keys: &'a [Named]) -> Self {
        let mut maps = Self { by_public: HashMap::new(), by_id: HashMap::new(), by_name: HashMap::new() };
        for key in keys {
            maps.by_name.insert(key.name.to_ascii_lowercase(), key);
            for object in key.versions.iter().map(|version| version.main()) {
                maps.by_public.extend(certificate::public_of(object).map(|public| (public, key)));
                let id = Some(object.content.id.as_slice()).filter(|id| !id.is_empty());
                maps.by_id.extend(id.map(|id| (id, key)));
            }
        }
        maps
    }

    fn key_of(&self, name: &str, id: &[u8], parsed: &Parsed) -> Option<&'a Named> {
        let by_public = self.by_public.get(&*parsed.public);
        by_public.or_else(|| self.by_id.get(id)).or_else(|| self.by_name.get(&name.to_ascii_lowercase())).copied()
    }
}

fn filter(examination: &mut Examination, looked: &Looked, image: &Image) {
    let count = image.len();
    if count == 0 || image.objects().any(|object| looked.shows(object)) {
        return;
    }
    let first = image.objects().next().map(|object| certificate::name_of(object));
    let line = first.and_then(|name| objects_line::adding(examination.source.as_deref()?, looked, &name));
    let file = examination.source.as_ref().map(|file| file.display().to_string());
    let found = finding("objects-none").with("vault", &looked.name).with("count", count);
    examination.report.found(found.maybe("edit", line).maybe("file", file));
}
