//! `strongroom cert`.

mod create;
mod export;
mod import;
mod issue;
mod renew;
mod show;
mod signing;
mod wanted;

pub(super) use import::key_with;
pub(super) use show::Facts;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::{Args, Subcommand};

use super::open::Opened;
use super::{Context, Error, Result, delete};
use crate::certificate::{Certificate, pem};
use crate::vault::{Collection, Draft, Name, Naming, Object};

/// What is done with certificates.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make a self-signed certificate for a key of the vault
    Create(create::Create),
    /// Print a signing request (CSR) for a key of the vault
    Csr(create::Csr),
    /// Let an authority of the vault sign a certificate, for a key of the vault or for a signing request
    Issue(issue::Issue),
    /// Make a certificate go on: with the same names and usages, signed as before
    Renew(renew::Renew),
    /// Take over a certificate from a PEM or DER file, and link it to its key
    Import(import::Import),
    /// List the certificates
    List,
    /// Show a certificate
    Show(show::Show),
    /// Write a certificate into a file, with its issuers and its key if that may leave the vault
    Export(export::Export),
    /// Delete a certificate; its key stays, unless it was made with it over REST
    Delete(delete::Delete),
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create(create) => create::create(context, &create),
        Verb::Csr(csr) => create::csr(context, &csr),
        Verb::Issue(issue) => issue::run(context, &issue),
        Verb::Renew(renew) => renew::run(context, &renew),
        Verb::Import(import) => import::run(context, &import),
        Verb::List => show::list(context),
        Verb::Show(which) => show::show(context, &which),
        Verb::Export(export) => export::run(context, &export),
        Verb::Delete(what) => delete::run(context, Collection::Certificates, &what),
    }
}

/// Where a new certificate goes.
#[derive(Args)]
struct Destination {
    /// Make a new version of a certificate that exists
    #[arg(long)]
    renew: bool,
    /// Write the certificate as PEM to this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

impl Destination {
    /// Puts it into the vault under this name and `CKA_ID`, and says that that was `done`.
    fn take(
        &self,
        context: &Context,
        opened: &Opened,
        certificate: &Certificate,
        (name, id): (&Name, Vec<u8>),
        done: &str,
    ) -> Result<()> {
        let made = put(opened, certificate, (name, id), self.renew)?;
        if let Some(file) = &self.out {
            write_file(file, &pem::text("CERTIFICATE", certificate.der()))?;
        }
        made.map_or(Ok(()), |object| show::report(context, opened, &object, done))
    }
}

/// A certificate under this name and `CKA_ID`; with `renew` as a new version.
fn put(
    opened: &Opened,
    certificate: &Certificate,
    (name, id): (&Name, Vec<u8>),
    renew: bool,
) -> Result<Option<Arc<Object>>> {
    let content = certificate.content(name.as_str().as_bytes().to_vec(), id)?;
    let naming = if renew { Naming::VersionOf(name.clone()) } else { Naming::New(name.clone()) };
    let made = opened.vault.create(vec![Draft { content, naming, secret: None }])?;
    Ok(made.into_iter().next())
}

/// Writes what is public; anybody may read it.
fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::File { path: PathBuf::from(path), source })
}
