//! `list`, `show` and `delete`.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use serde_json::{Value, json};

use super::super::open::Opened;
use super::super::versions::{self, Named, Versioned, hex};
use super::super::{Context, Result, pkcs11, time};
use super::import::key_with;
use super::write_file;
use crate::certificate::{Certificate, Profile, name, pem};
use crate::vault::{Collection, Image, Object, VaultError};

#[derive(Args)]
pub(in super::super) struct Show {
    /// The certificate's name
    name: String,
    /// One version: its id, or how that begins
    #[arg(long, value_name = "ID")]
    version: Option<String>,
    /// Print the certificate itself, as PEM
    #[arg(long)]
    pem: bool,
    /// Write the certificate as PEM to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn list(context: &Context) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let mut rows = Vec::new();
    let mut values = Vec::new();
    for named in versions::all(&image, Collection::Certificates) {
        let version = named.current();
        // One that doesn't parse (PKCS#11 takes any bytes) is listed all the same.
        let facts = Facts::of(&image, version).unwrap_or_default();
        rows.push(vec![
            named.name.clone(),
            facts.subject.clone(),
            facts.not_after.map_or(String::new(), time::text),
            facts.key.clone().unwrap_or_default(),
            version.state().to_owned(),
            named.versions.len().to_string(),
        ]);
        values.push(versions::json(&named, current_json(&opened, &image, version, &facts)));
    }
    let headings = ["name", "subject", "not after", "key", "state", "versions"];
    context.output.list(&headings, &rows, &Value::Array(values), "There are no certificates.")
}

pub(super) fn show(context: &Context, which: &Show) -> Result<()> {
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, Collection::Certificates, &which.name)?;
    let version = named.version_or_current(which.version.as_deref())?;
    let facts = Facts::of(&image, version)?;
    let shown = match which.version {
        Some(_) => json(&opened, version, &facts),
        None => current_json(&opened, &image, version, &facts),
    };
    let uri = shown["uri"].as_str().unwrap_or_default().to_owned();
    let mut value = versions::json(&named, shown);
    value["versions"] = named
        .versions
        .iter()
        .map(|version| json(&opened, version, &Facts::of(&image, version).unwrap_or_default()))
        .collect();
    if let Some(file) = &which.out {
        write_file(file, &facts.pem)?;
    }
    if which.pem {
        return context.output.text(&facts.pem, &value);
    }
    context.output.details(&fields(&named, version, &facts, uri), &value)
}

fn fields(named: &Named, version: &Versioned, facts: &Facts, uri: String) -> [(&'static str, String); 14] {
    [
        ("Name", named.name.clone()),
        ("Subject", facts.subject.clone()),
        ("Issuer", facts.issuer.clone()),
        ("Serial", facts.serial.clone()),
        ("Names", facts.alternatives.join(", ")),
        ("Not before", facts.not_before.map_or(String::new(), time::text)),
        ("Not after", facts.not_after.map_or(String::new(), time::text)),
        ("SHA-256", facts.fingerprint.clone()),
        ("Key", facts.key.clone().unwrap_or_else(|| "not in this vault".to_owned())),
        ("State", version.state().to_owned()),
        ("Version", version.id.clone()),
        ("Versions", named.versions.len().to_string()),
        ("Id", hex(&version.main().content.id)),
        ("URI", uri),
    ]
}

/// What was just made.
pub(super) fn report(context: &Context, opened: &Opened, object: &Arc<Object>, done: &str) -> Result<()> {
    let image = opened.vault.image();
    let name = object.name.as_ref().ok_or(VaultError::NotFound)?;
    let named = versions::named(&image, Collection::Certificates, name.as_str())?;
    let id = object.version.map(|version| hex(&version.id));
    let version = named.version_or_current(id.as_deref())?;
    let facts = Facts::of(&image, version)?;
    opened.note_if_hidden(context, object);
    context.output.done(
        &format!(
            "{done} {} ({}), valid until {}.",
            named.name,
            facts.subject,
            facts.not_after.map_or(String::new(), time::text)
        ),
        &versions::json(&named, current_json(opened, &image, version, &facts)),
    )
}

/// What a certificate says.
#[derive(Default)]
pub(in super::super) struct Facts {
    pub subject: String,
    pub issuer: String,
    serial: String,
    pub alternatives: Vec<String>,
    pub not_before: Option<i64>,
    pub not_after: Option<i64>,
    fingerprint: String,
    /// The name of the vault's key with the same public half.
    key: Option<String>,
    pem: String,
}

impl Facts {
    fn of(image: &Image, version: &Versioned) -> Result<Self> {
        let der = version.main().content.value.as_deref().unwrap_or_default();
        let certificate = Certificate::from_der(der)?;
        let key = key_with(image, certificate.spki());
        Ok(Self {
            key: key.and_then(|(number, _)| image.get(number)?.name.as_ref().map(ToString::to_string)),
            ..Self::of_certificate(&certificate)
        })
    }

    /// What it says by itself, in a vault or in a file.
    pub(in super::super) fn of_certificate(certificate: &Certificate) -> Self {
        // One whose names don't parse is shown without them.
        let names = Profile::of(certificate).map_or_else(|_| Vec::new(), |profile| profile.alternatives);
        Self {
            subject: name::text(certificate.subject()),
            issuer: name::text(certificate.issuer()),
            serial: hex(certificate.serial()),
            alternatives: names.iter().map(ToString::to_string).collect(),
            not_before: Some(certificate.not_before()),
            not_after: Some(certificate.not_after()),
            fingerprint: hex(&certificate.fingerprint()),
            key: None,
            pem: pem::text("CERTIFICATE", certificate.der()),
        }
    }
}

fn json(opened: &Opened, version: &Versioned, facts: &Facts) -> Value {
    let mut value = version.json();
    value["subject"] = json!(facts.subject);
    value["issuer"] = json!(facts.issuer);
    value["serial"] = json!(facts.serial);
    value["names"] = json!(facts.alternatives);
    value["not_before"] = json!(facts.not_before.map(time::text));
    value["not_after"] = json!(facts.not_after.map(time::text));
    value["sha256"] = json!(facts.fingerprint);
    value["key"] = json!(facts.key);
    value["certificate"] = json!(facts.pem);
    value["uri"] = json!(pkcs11::uri(&opened.info, version.main()));
    value
}

/// The same of the version that is current, with the URI that goes on meaning whichever that is.
fn current_json(opened: &Opened, image: &Image, version: &Versioned, facts: &Facts) -> Value {
    let mut value = json(opened, version, facts);
    value["uri"] = json!(pkcs11::uri_of_current(&opened.info, image, version.main()));
    value
}
