//! `strongroom cert import`: a certificate that somebody else made.

use std::path::PathBuf;

use clap::Args;
use spki::der::Encode;
use x509_cert::Certificate;
use x509_cert::der::asn1::{Any, ObjectIdentifier};

use super::super::key::{Block, pem_blocks, read_key_file};
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
    let subject = Subject::of(&der)?;
    let opened = context.unlocked()?;
    let linked = key_with(&opened.vault.image(), &subject.public_key);
    let id = linked.as_ref().map_or(subject.id, |(_, id)| id.clone());
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

/// For whom a certificate is.
pub(in super::super) struct Subject {
    pub common_name: Option<String>,
    /// SubjectPublicKeyInfo of its key.
    pub public_key: Vec<u8>,
    /// The `CKA_ID` that its key would have.
    pub id: Vec<u8>,
}

impl Subject {
    pub(in super::super) fn of(der: &[u8]) -> Result<Self> {
        let certificate = parse_certificate(der)?;
        let key = certificate.tbs_certificate().subject_public_key_info();
        let public_key = key.to_der().map_err(|_| Error::refused("The certificate's key is damaged."))?;
        let id = id_of(key.subject_public_key.raw_bytes(), &public_key)?;
        Ok(Self { common_name: common_name(&certificate), public_key, id })
    }
}

/// The subject's CN, by which chains name their authorities; the last of several.
fn common_name(certificate: &Certificate) -> Option<String> {
    let names = certificate.tbs_certificate().subject().iter().filter(|name| name.oid == COMMON_NAME);
    let text = |value: &Any| String::from_utf8(value.value().to_vec()).ok().filter(|text| !text.is_empty());
    names.last().and_then(|name| text(&name.value))
}

/// The first certificate, and how many follow.
fn certificate(contents: &[u8]) -> Result<(Vec<u8>, usize)> {
    let blocks = pem_blocks(contents)?;
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

/// id-at-commonName (RFC 5280 §A.1).
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
