//! `issue`: a certificate that an authority of this vault signs, for a key of the vault or for somebody's request.

use std::path::{Path, PathBuf};

use clap::Args;

use super::super::key::read_key_file;
use super::super::open::Opened;
use super::super::{Context, Error, Result, versions};
use super::signing::{authority, signing_key};
use super::wanted::{Duration, Further, Purpose};
use super::{Destination, key_with};
use crate::certificate::pem::{self, Block};
use crate::certificate::{Alternative, Certificate, Name, Request, make, name};
use crate::crypto::PublicKey;
use crate::vault::{self, Collection, KeyAlgorithm};

#[derive(Args)]
pub(in super::super) struct Issue {
    /// The new certificate's name
    name: String,
    /// The authority's certificate, whose key is in this vault too
    #[arg(long, value_name = "NAME")]
    issuer: String,
    /// The key that it is for (default: the key of the same name)
    #[arg(long, value_name = "NAME", conflicts_with = "csr")]
    key: Option<String>,
    /// The signing request that it is for, PEM or DER; `-` is standard input
    #[arg(long, value_name = "FILE")]
    csr: Option<PathBuf>,
    /// The subject, e.g. "CN=www.example.org,O=Example" (default: the request's)
    #[arg(long, value_name = "NAME", value_parser = name::parse, required_unless_present = "csr")]
    subject: Option<Name>,
    #[command(flatten)]
    further: Further,
    #[command(flatten)]
    purpose: Purpose,
    #[command(flatten)]
    duration: Duration,
    #[command(flatten)]
    destination: Destination,
}

/// For whom a certificate is asked.
struct Wanted {
    subject: Name,
    alternatives: Vec<Alternative>,
    spki: Vec<u8>,
    algorithm: KeyAlgorithm,
}

pub(super) fn run(context: &Context, issue: &Issue) -> Result<()> {
    let new = vault::Name::new(&issue.name)?;
    if context.global.pin_stdin && issue.csr.as_deref() == Some(Path::new("-")) {
        return Err(Error::Usage("Standard input can't hold both the PIN and the request.".into()));
    }
    let request = issue.csr.as_deref().map(read_request).transpose()?;
    let opened = context.unlocked()?;
    let named = versions::named(&opened.vault.image(), Collection::Certificates, &issue.issuer)?;
    let (authority, key) = authority(&*opened.vault, &named)?;
    let wanted = match &request {
        Some(request) => of_request(issue, request)?,
        None => of_key(issue, &opened)?,
    };
    let mut profile = issue.purpose.profile(wanted.subject, wanted.alternatives, wanted.algorithm);
    issue.duration.limit(&mut profile)?;
    if !issue.duration.is_given() {
        profile.not_after = profile.not_after.min(authority.not_after());
    }
    let certificate = Certificate::from_der(&make::issue(&profile, &wanted.spki, &authority, &key.signer)?)?;
    let linked = key_with(&opened.vault.image(), certificate.spki());
    let id = linked.map_or_else(|| certificate.key_id().to_vec(), |(_, id)| id);
    issue.destination.take(context, &opened, &certificate, (&new, id), "Issued")
}

/// Whom a request names, unless something else is said. What it asks to be used for is the issuer's to decide.
fn of_request(issue: &Issue, request: &Request) -> Result<Wanted> {
    let alternatives = match issue.further.alternatives.is_empty() {
        true => request.alternatives()?,
        false => issue.further.alternatives.clone(),
    };
    Ok(Wanted {
        subject: issue.subject.clone().unwrap_or_else(|| request.subject().clone()),
        alternatives,
        spki: request.spki().to_vec(),
        algorithm: PublicKey::from_spki(request.spki())?.algorithm(),
    })
}

fn of_key(issue: &Issue, opened: &Opened) -> Result<Wanted> {
    let key = signing_key(&*opened.vault, issue.key.as_deref().unwrap_or(&issue.name))?;
    Ok(Wanted {
        // clap asks for it where there is no request.
        subject: issue.subject.clone().unwrap_or_default(),
        alternatives: issue.further.alternatives.clone(),
        spki: key.signer.spki().to_vec(),
        algorithm: key.algorithm,
    })
}

fn read_request(file: &Path) -> Result<Request> {
    let contents = read_key_file(file)?;
    let blocks = pem::blocks(&contents)?;
    if blocks.is_empty() {
        return Ok(Request::from_der(&contents)?);
    }
    match blocks.into_iter().find(|(tag, _)| Block::of(tag) == Block::Request) {
        Some((_, der)) => Ok(Request::from_der(&der)?),
        None => Err(Error::refused("The file holds no signing request.")),
    }
}
