//! `strongroom cert import`: a certificate that somebody else made.

use std::path::PathBuf;

use clap::Args;

use super::super::key::read_key_file;
use super::super::{Context, Error, Result};
use super::{put, show};
use crate::certificate::Certificate;
use crate::certificate::pem::{self, Block};
use crate::vault::{Class, Image, Name};

#[derive(Args)]
pub(in super::super) struct Import {
    /// The certificate's name
    name: String,
    /// PEM or DER; `-` is standard input
    file: PathBuf,
    /// Make a new version of a certificate that exists
    #[arg(long)]
    renew: bool,
}

pub(super) fn run(context: &Context, import: &Import) -> Result<()> {
    let name = Name::new(&import.name)?;
    if context.global.pin_stdin && import.file.as_os_str() == "-" {
        return Err(Error::Usage("Standard input can't hold both the PIN and the certificate.".into()));
    }
    let contents = read_key_file(&import.file)?;
    let (der, more) = certificate(&contents)?;
    let certificate = Certificate::from_der(&der)?;
    let opened = context.unlocked()?;
    let linked = key_with(&opened.vault.image(), certificate.spki());
    let id = linked.as_ref().map_or_else(|| certificate.key_id().to_vec(), |(_, id)| id.clone());
    let made = put(&opened, &certificate, (&name, id), import.renew)?;
    if more > 0 {
        context
            .output
            .note(&format!("{more} further certificates in the file were left out: import them by themselves."));
    }
    if linked.is_none() {
        context.output.note("The vault holds no key for this certificate.");
    }
    made.map_or(Ok(()), |object| show::report(context, &opened, &object, "Imported"))
}

/// The first certificate, and how many follow.
fn certificate(contents: &[u8]) -> Result<(Vec<u8>, usize)> {
    let blocks = pem::blocks(contents)?;
    if blocks.is_empty() {
        return Ok((contents.to_vec(), 0));
    }
    let mut certificates: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|(tag, _)| Block::of(tag) == Block::Certificate)
        .map(|(_, der)| der.to_vec())
        .collect();
    if certificates.is_empty() {
        return Err(Error::refused("The file holds no certificate."));
    }
    let first = certificates.remove(0);
    Ok((first, certificates.len()))
}

/// Number and id of the vault's key with this public half; the private one, if both are there.
pub(in super::super) fn key_with(image: &Image, spki: &[u8]) -> Option<(u64, Vec<u8>)> {
    [Class::PrivateKey, Class::PublicKey].into_iter().find_map(|class| {
        let mut keys = image.with_class(class);
        let key = keys.find(|object| object.content.key.as_ref().is_some_and(|key| key.public.as_ref() == spki))?;
        Some((key.number, key.content.id.clone()))
    })
}
