//! `create` and `csr`: what a key of the vault signs about itself.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::{Context, Result};
use super::signing::signing_key;
use super::wanted::{Duration, Identity, Purpose};
use super::{Destination, write_file};
use crate::certificate::{Certificate, make, pem};
use crate::vault::Name;

#[derive(Args)]
pub(in super::super) struct Create {
    /// The certificate's name
    name: String,
    /// The key that it is for (default: the key of the same name)
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    duration: Duration,
    #[command(flatten)]
    destination: Destination,
}

#[derive(Args)]
pub(in super::super) struct Csr {
    /// The key's name
    key: String,
    #[command(flatten)]
    identity: Identity,
    #[command(flatten)]
    purpose: Purpose,
    /// Write the request to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn create(context: &Context, create: &Create) -> Result<()> {
    let name = Name::new(&create.name)?;
    let opened = context.unlocked()?;
    let key = signing_key(&*opened.vault, create.key.as_deref().unwrap_or(&create.name))?;
    let identity = &create.identity;
    let names = identity.further.alternatives.clone();
    let mut profile = create.purpose.profile(identity.subject.clone(), names, key.algorithm);
    create.duration.limit(&mut profile)?;
    let certificate = Certificate::from_der(&make::self_signed(&profile, &key.signer)?)?;
    create.destination.take(context, &opened, &certificate, (&name, key.id), "Created")
}

pub(super) fn csr(context: &Context, csr: &Csr) -> Result<()> {
    let opened = context.unlocked()?;
    let key = signing_key(&*opened.vault, &csr.key)?;
    let names = csr.identity.further.alternatives.clone();
    let profile = csr.purpose.profile(csr.identity.subject.clone(), names, key.algorithm);
    let pem = pem::text("CERTIFICATE REQUEST", &make::request(&profile, &key.signer)?);
    match &csr.out {
        Some(file) => {
            write_file(file, &pem)?;
            context.output.done(
                &format!("Wrote the request to {}.", file.display()),
                &json!({ "key": csr.key, "file": file, "csr": pem }),
            )
        }
        None => context.output.text(&pem, &json!({ "key": csr.key, "csr": pem })),
    }
}
