//! `strongroom cert`.

mod create;
mod import;
mod request;
mod show;
mod signer;
mod subject;

pub(super) use import::{Subject, key_with};
pub(super) use show::Facts;

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use cryptoki_sys::{CKA_CERTIFICATE_TYPE, CKA_ISSUER, CKA_SERIAL_NUMBER, CKA_SUBJECT, CKC_X_509};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

use super::{Context, Error, Result, delete};
use crate::vault::{Class, Collection, Content, Draft, Name, Naming};

/// What is done with certificates.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Make a self-signed certificate for a key of the vault
    Create(create::Create),
    /// Print a signing request (CSR) for a key of the vault
    Csr(create::Csr),
    /// Take over a certificate from a PEM or DER file, and link it to its key
    Import(import::Import),
    /// List the certificates
    List,
    /// Show a certificate
    Show(show::Show),
    /// Delete a certificate; its key stays
    Delete(delete::Delete),
}

/// Who the certificate is for.
#[derive(Args)]
struct Identity {
    /// The subject, e.g. "CN=www.example.org,O=Example" or /O=Example/CN=www.example.org
    #[arg(long, value_name = "NAME", value_parser = subject::parse)]
    subject: subject::Subject,
    /// A further name: a host, an IP address, DNS:…, IP:…, email:…, URI:…; may be given several times
    /// (default: the subject's CN, if it is a host's name)
    #[arg(long = "san", value_name = "NAME", value_parser = subject::parse_alternative, value_delimiter = ',')]
    alternatives: Vec<rcgen::SanType>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create(create) => create::create(context, &create),
        Verb::Csr(csr) => create::csr(context, &csr),
        Verb::Import(import) => import::run(context, &import),
        Verb::List => show::list(context),
        Verb::Show(which) => show::show(context, &which),
        Verb::Delete(what) => delete::run(context, Collection::Certificates, &what),
    }
}

pub(super) fn parse_certificate(der: &[u8]) -> Result<Certificate> {
    Certificate::from_der(der)
        .map_err(|error| Error::refused(format!("This is no certificate: X.509 as PEM or DER is known ({error}).")))
}

/// A certificate object with this name.
fn draft(der: &[u8], name: &Name, naming: Naming, id: Vec<u8>) -> Result<Draft> {
    let content = content(der, name.as_str().as_bytes().to_vec(), id)?;
    Ok(Draft { content, naming, secret: None })
}

/// A certificate object as a PKCS#11 program would have written it.
pub(super) fn content(der: &[u8], label: Vec<u8>, id: Vec<u8>) -> Result<Content> {
    let certificate = parse_certificate(der)?;
    let tbs = certificate.tbs_certificate();
    let encoded = |result: x509_cert::der::Result<Vec<u8>>| {
        result.map(Vec::into_boxed_slice).map_err(|_| Error::refused("The certificate is damaged."))
    };
    let mut content = Content::new(Class::Certificate);
    content.label = label;
    content.id = id;
    content.value = Some(der.into());
    content.attributes.insert(CKA_CERTIFICATE_TYPE, Box::new(CKC_X_509.to_le_bytes()));
    content.attributes.insert(CKA_SUBJECT, encoded(tbs.subject().to_der())?);
    content.attributes.insert(CKA_ISSUER, encoded(tbs.issuer().to_der())?);
    content.attributes.insert(CKA_SERIAL_NUMBER, encoded(tbs.serial_number().to_der())?);
    Ok(content)
}

/// Writes what is public; anybody may read it.
fn write_file(path: &Path, text: &str) -> Result<()> {
    std::fs::write(path, text).map_err(|source| Error::File { path: PathBuf::from(path), source })
}
