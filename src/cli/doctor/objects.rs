//! What is in a vault that opens: keys and certificates that end, certificates that fit no key, a filter that hides all.

use super::super::{time, versions};
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
    for named in versions::all(image, Collection::Certificates) {
        let object = named.current().main();
        let Some(parsed) = object.content.value.as_deref().and_then(Parsed::from_der) else { continue };
        // A certificate alone, a CA's for instance, is nobody's to renew here.
        let Some(key) = key_of(image, &named.name, &object.content.id, &parsed) else { continue };
        let renewal =
            Renewal { vault: looked, key: &key.name, old: Some(&parsed), certificate: Some(&named.name), file: None };
        let (id, end) = match (key.fits, parsed.validity()) {
            (false, _) => ("certificate-stale", 0),
            (true, Validity::Expired(end)) => ("certificate-expired", end),
            (true, Validity::Soon(end)) => ("certificate-expires-soon", end),
            _ => continue,
        };
        let found = finding(id).with("time", time::text(end)).with("certificate", &named.name);
        examination.report.found(renewal.of(found));
    }
}

struct KeyOfCertificate {
    name: String,
    /// Its current version has the certificate's public key.
    fits: bool,
}

/// The key that a certificate is for: the one with its public half, else with its id, else with its name.
fn key_of(image: &Image, name: &str, id: &[u8], parsed: &Parsed) -> Option<KeyOfCertificate> {
    let keys = versions::all(image, Collection::Keys);
    let has_public = |key: &&versions::Named| {
        key.versions.iter().any(|version| certificate::public_of(version.main()) == Some(&*parsed.public))
    };
    let has_id =
        |key: &&versions::Named| !id.is_empty() && key.versions.iter().any(|version| version.main().content.id == id);
    let key = keys
        .iter()
        .find(has_public)
        .or_else(|| keys.iter().find(has_id))
        .or_else(|| keys.iter().find(|key| key.name.eq_ignore_ascii_case(name)))?;
    let fits = certificate::public_of(key.current().main()) == Some(&*parsed.public);
    Some(KeyOfCertificate { name: key.name.clone(), fits })
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
