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

use clap::Subcommand;

use super::{Context, Error, Result, delete};
use crate::certificate::Certificate;
use crate::vault::{Collection, Draft, Name, Naming};

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

/// A certificate object with this name.
fn draft(certificate: &Certificate, name: &Name, naming: Naming, id: Vec<u8>) -> Result<Draft> {
    let content = certificate.content(name.as_str().as_bytes().to_vec(), id)?;
    Ok(Draft { content, naming, secret: None })
}

/// Writes what is public; anybody may read it.
fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::File { path: PathBuf::from(path), source })
}
