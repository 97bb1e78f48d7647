//! `strongroom cert import`: a certificate that somebody else made.

use std::path::PathBuf;

use clap::Args;
use spki::der::Encode;

use super::super::key::{pem_blocks, read_key_file};
use super::super::{Context, Error, Result};
use super::{draft, parse_certificate, show};
use crate::crypto::{Digest, DigestAlgorithm, PublicKey};
use crate::vault::{Class, Image, Name, Naming};

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
    let certificate = parse_certificate(&der)?;
    let spki = certificate
        .tbs_certificate()
        .subject_public_key_info()
        .to_der()
        .map_err(|_| Error::refused("The certificate's key is damaged."))?;
    let opened = context.unlocked()?;
    let linked = key_with(&opened.vault.image(), &spki);
    let id = match &linked {
        Some((_, id)) => id.clone(),
        None => id_of(certificate.tbs_certificate().subject_public_key_info().subject_public_key.raw_bytes(), &spki)?,
    };
    let naming = if import.renew { Naming::VersionOf(name.clone()) } else { Naming::New(name.clone()) };
    let made = opened.vault.create(vec![draft(&der, &name, naming, id)?])?;
    if more > 0 {
        context
            .output
            .note(&format!("{more} further certificates in the file were left out: import them by themselves."));
    }
    if linked.is_none() {
        context.output.note("The vault holds no key for this certificate.");
    }
    match made.first() {
        Some(object) => show::report(context, &opened, object, "Imported"),
        None => Ok(()),
    }
}

/// The first certificate, and how many follow.
fn certificate(contents: &[u8]) -> Result<(Vec<u8>, usize)> {
    let blocks = pem_blocks(contents)?;
    if blocks.is_empty() {
        return Ok((contents.to_vec(), 0));
    }
    let mut certificates: Vec<Vec<u8>> = blocks
        .into_iter()
        .filter(|(tag, _)| matches!(tag.as_str(), "CERTIFICATE" | "X509 CERTIFICATE" | "TRUSTED CERTIFICATE"))
        .map(|(_, der)| der.to_vec())
        .collect();
    if certificates.is_empty() {
        return Err(Error::refused("The file holds no certificate."));
    }
    let first = certificates.remove(0);
    Ok((first, certificates.len()))
}

/// Number and id of the vault's key with this public half; the private one, if both are there.
pub(super) fn key_with(image: &Image, spki: &[u8]) -> Option<(u64, Vec<u8>)> {
    [Class::PrivateKey, Class::PublicKey].into_iter().find_map(|class| {
        let mut keys = image.with_class(class);
        let key = keys.find(|object| object.content.key.as_ref().is_some_and(|key| key.public.as_ref() == spki))?;
        Some((key.number, key.content.id.clone()))
    })
}

/// What the key's id would be: SHA-1 over the public value, and for kinds that we don't know over the whole key.
fn id_of(public: &[u8], spki: &[u8]) -> Result<Vec<u8>> {
    if let Ok(key) = PublicKey::from_spki(spki) {
        return Ok(key.key_id().to_vec());
    }
    let mut digest = Digest::new(DigestAlgorithm::Sha1);
    digest.update(public);
    let mut id = vec![0; 20];
    digest.finish(&mut id)?;
    Ok(id)
}
