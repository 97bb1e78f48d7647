//! The certificate file that goes with a key of the vault: there, in order, valid, and for this key.

use std::path::Path;

use super::super::time;
use super::certificate::{self, Block, Parsed, Renewal, Validity};
use super::nginx::{Key, at};
use super::nginx_keys::private_keys;
use super::report::{Finding, finding};
use super::vault::Looked;
use super::{Examination, file, shell};
use crate::vault::Object;

const CHECKS: &[&str] = &[
    "nginx-certificate",
    "nginx-certificate-stale",
    "nginx-certificate-expired",
    "nginx-certificate-expires-soon",
    "nginx-certificate-order",
];

pub(super) fn examine(examination: &mut Examination, key: &Key<'_>, vault: &Looked, object: &Object) {
    let Some(path) = &key.certificate else { return };
    examination.report.looked(CHECKS);
    let case = Case { key, vault, object, path };
    let blocks = match file::text(path) {
        Ok(text) => certificate::blocks(&text),
        Err(error) => return examination.report.found(case.unreadable(&format!("can't be read: {error}"))),
    };
    let parsed: Option<Vec<&Parsed>> = blocks.iter().map(|block| block.parsed.as_ref()).collect();
    match parsed {
        Some(parsed) if !parsed.is_empty() => case.chain(examination, &blocks, &parsed),
        _ => examination.report.found(case.unreadable("holds no certificate that can be read")),
    }
}

/// Whether the certificate's file holds one for this public key.
pub(super) fn fits(key: &Key<'_>, public: &[u8]) -> bool {
    let text = key.certificate.as_ref().and_then(|path| file::text(path).ok());
    let blocks = text.map(|text| certificate::blocks(&text)).unwrap_or_default();
    blocks.iter().any(|block| block.parsed.as_ref().is_some_and(|parsed| parsed.public == public))
}

/// One key with its certificate's file.
struct Case<'a> {
    key: &'a Key<'a>,
    vault: &'a Looked,
    object: &'a Object,
    path: &'a Path,
}

impl Case<'_> {
    fn chain(&self, examination: &mut Examination, blocks: &[Block], parsed: &[&Parsed]) {
        let Some(public) = certificate::public_of(self.object) else { return };
        let Some(leaf) = parsed.iter().position(|certificate| certificate.public == public) else {
            let found = self.renewed("nginx-certificate-stale", parsed.first().copied());
            let meanwhile = self.meanwhile(parsed.first().copied(), &found);
            return examination.report.found(found.with("ca", meanwhile));
        };
        self.serves(examination, parsed[leaf]);
        let order = order(parsed, leaf);
        if !order.iter().copied().eq(0..parsed.len()) {
            examination.report.found(self.reordered(blocks, &order));
        }
        let (id, problem) = match parsed[leaf].validity() {
            Validity::Valid => return,
            Validity::Soon(end) => ("nginx-certificate-expires-soon", format!("expires at {}", time::text(end))),
            Validity::Expired(end) => ("nginx-certificate-expired", format!("expired at {}", time::text(end))),
            Validity::NotYet(start) => {
                ("nginx-certificate-expired", format!("is not valid before {}", time::text(start)))
            }
        };
        examination.report.found(self.renewed(id, Some(parsed[leaf])).with("problem", problem));
    }

    /// Where the vault's own certificate is for an older version, the one that nginx serves is what it lacks.
    fn serves(&self, examination: &mut Examination, leaf: &Parsed) {
        if !matches!(leaf.validity(), Validity::Valid | Validity::Soon(_)) {
            return;
        }
        let key = certificate::name_of(self.object);
        let of_key = [("vault", self.vault.name.as_str()), ("key", &key)];
        examination.report.complete("certificate-stale", &of_key, "served", self.path.display());
    }

    /// From the vault if it lies there, else made anew or asked for.
    fn renewed(&self, id: &str, old: Option<&Parsed>) -> Finding {
        let found = at(finding(id), self.key);
        let public = certificate::public_of(self.object);
        let image = self.vault.image.as_ref();
        let fitting = image.zip(public).and_then(|(image, public)| certificate::fitting(image, public, old));
        let name = certificate::name_of(self.object);
        // One for other names is another site's: its file isn't to be written over.
        if let (Some(kept), Some(old)) = (&fitting, old)
            && !kept.is_for_names_of(old)
        {
            let found = found.with("vault", &self.vault.name).with("key", name);
            return found.with("certificate-file", self.path.display());
        }
        let found = found.with_command("keep", self.keep());
        // One in the vault that ends soon itself helps nobody.
        if let Some(kept) = fitting.filter(|_| id != "nginx-certificate-expires-soon") {
            return found
                .with("vault", &self.vault.name)
                .with("key", name)
                .with("certificate", kept.name)
                .with("version", kept.version)
                .with("certificate-file", self.path.display());
        }
        let renewal = Renewal { vault: self.vault, key: &name, old, certificate: None, file: Some(self.path) };
        renewal.of(found)
    }

    /// What comes after the request, and how nginx can start before the CA has answered.
    fn meanwhile(&self, old: Option<&Parsed>, found: &Finding) -> String {
        let Some(old) = old.filter(|_| found.has("request")) else { return String::new() };
        let (vault, key) = (&self.vault.name, certificate::name_of(self.object));
        let of_older = private_keys(self.vault).any(|object| {
            let is_older = object.name.is_some() && object.name == self.object.name && object.content.enabled;
            is_older && certificate::public_of(object) == Some(&*old.public)
        });
        let path = self.path.display();
        let until = format!(
            "Send the request to the CA; its answer goes into {path}, and into the vault with `strongroom --vault {vault} \
             cert import {key} {path} --renew`."
        );
        if !of_older {
            return until;
        }
        format!(
            "{until} nginx doesn't start until then, unless the version before is current again: after the request \
             `strongroom --vault {vault} key disable {key}`, and with the answer `strongroom --vault {vault} key enable \
             {key}`."
        )
    }

    fn unreadable(&self, problem: &str) -> Finding {
        self.renewed("nginx-certificate", None).with("problem", problem)
    }

    /// The command that keeps what is there; it may be somebody's certificate in whatever format.
    fn keep(&self) -> String {
        let is_something = std::fs::metadata(self.path).is_ok_and(|metadata| metadata.len() > 0);
        let path = self.path.display().to_string();
        let words = [shell::quote(&path), shell::quote(&format!("{path}.old"))];
        let copy = format!("cp -p --backup=numbered {} {} &&", words[0], words[1]);
        Some(copy).filter(|_| is_something).unwrap_or_default()
    }

    /// The blocks of the file, put together anew by their lines.
    fn reordered(&self, blocks: &[Block], order: &[usize]) -> Finding {
        let path = self.path.display().to_string();
        let parts: Vec<String> = order
            .iter()
            .map(|index| &blocks[*index])
            .map(|block| {
                format!(
                    "sed -n {}p {};",
                    shell::quote(&format!("{},{}", block.first_line, block.last_line)),
                    shell::quote(&path)
                )
            })
            .collect();
        finding("nginx-certificate-order")
            .with("certificate-file", &path)
            .with("new-file", format!("{path}.new"))
            .with_command("parts", parts.join(" "))
    }
}

/// The server's certificate, each one's issuer, and what belongs to none of them.
fn order(parsed: &[&Parsed], leaf: usize) -> Vec<usize> {
    let mut order = vec![leaf];
    loop {
        let last = parsed[order[order.len() - 1]];
        let issuer = (0..parsed.len()).find(|index| !order.contains(index) && last.is_issued_by(parsed[*index]));
        match issuer {
            Some(index) => order.push(index),
            None => break,
        }
    }
    order.extend((0..parsed.len()).filter(|index| !order.contains(index)).collect::<Vec<_>>());
    order
}
