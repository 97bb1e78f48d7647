//! Keys of the vault that sign certificates and requests: by their own name, or by that of a certificate.

use std::sync::Arc;

use super::super::key::public_of;
use super::super::versions::{self, Named};
use super::super::{kind, time};
use super::{Error, Result, key_with};
use crate::certificate::{Certificate, Signer, chain};
use crate::vault::{Class, Collection, Image, KeyAlgorithm, KeyDescription, Object, VaultAdmin};

/// A key that is ready to sign.
pub(super) struct SigningKey {
    pub signer: Signer,
    pub algorithm: KeyAlgorithm,
    /// Its `CKA_ID`.
    pub id: Vec<u8>,
}

/// The current version of the key that is called so.
pub(super) fn signing_key(vault: &dyn VaultAdmin, name: &str) -> Result<SigningKey> {
    let key = versions::named(&vault.image(), Collection::Keys, name).map_err(|_| {
        Error::refused(format!(
            "There is no key called {name:?}: `strongroom key create {name} --kind p-256` makes one."
        ))
    })?;
    let version = key.current();
    let private = version
        .of_class(Class::PrivateKey)
        .ok_or_else(|| Error::refused(format!("{} has no private key in this vault.", key.name)))?;
    let description =
        public_of(version).ok_or_else(|| Error::refused(format!("The public key of {} isn't known.", key.name)))?;
    of_object(vault, private, description)
}

/// The key of a certificate, whichever version of whichever key it is.
pub(super) fn key_of(vault: &dyn VaultAdmin, certificate: &Certificate) -> Result<Option<SigningKey>> {
    let image = vault.image();
    let Some(private) = private_half(&image, certificate) else { return Ok(None) };
    match &private.content.key {
        Some(description) => of_object(vault, private, description).map(Some),
        None => Ok(None),
    }
}

/// The private half of a certificate's key.
pub(super) fn private_half<'i>(image: &'i Image, certificate: &Certificate) -> Option<&'i Arc<Object>> {
    let (number, _) = key_with(image, certificate.spki())?;
    image.get(number).filter(|object| object.content.class == Class::PrivateKey)
}

/// The certificate of an authority and its key.
pub(super) fn authority(vault: &dyn VaultAdmin, named: &Named) -> Result<(Certificate, SigningKey)> {
    let der = named.current().main().content.value.as_deref().unwrap_or_default();
    let certificate = Certificate::from_der(der)?;
    let key = key_of(vault, &certificate)?
        .ok_or_else(|| Error::refused(format!("The key of {} isn't in this vault: it can't sign here.", named.name)))?;
    Ok((certificate, key))
}

/// The authority of this vault that goes on for what another one, or itself, issued: of the same name, valid, with its key
/// here; of several the one that is valid longest.
pub(super) fn successor(vault: &dyn VaultAdmin, issued: &Certificate) -> Result<Option<(Certificate, SigningKey)>> {
    let image = vault.image();
    let now = time::now();
    let is_it = |authority: &Certificate| {
        authority.is_ca()
            && authority.subject() == issued.issuer()
            && (authority.not_before()..authority.not_after()).contains(&now)
            && private_half(&image, authority).is_some()
    };
    let best = certificates(&image).filter(is_it).max_by_key(Certificate::not_after);
    let Some(best) = best else { return Ok(None) };
    Ok(key_of(vault, &best)?.map(|key| (best, key)))
}

/// The issuers of a certificate that are in the vault, nearest first.
pub(super) fn issuers(image: &Image, leaf: &Certificate) -> Vec<Certificate> {
    let mut issuers: Vec<Certificate> = Vec::new();
    while issuers.len() < chain::MOST {
        let last = issuers.last().unwrap_or(leaf);
        if last.is_self_issued() {
            break;
        }
        let is_next =
            |issuer: &Certificate| issuer != leaf && !issuers.contains(issuer) && chain::is_issued_by(last, issuer);
        match certificates(image).filter(is_next).max_by_key(Certificate::not_after) {
            Some(issuer) => issuers.push(issuer),
            None => break,
        }
    }
    issuers
}

/// Every enabled certificate that parses.
fn certificates(image: &Image) -> impl Iterator<Item = Certificate> {
    let enabled = image.with_class(Class::Certificate).filter(|object| object.content.enabled);
    enabled.filter_map(|object| Certificate::from_der(object.content.value.as_deref()?).ok())
}

fn of_object(vault: &dyn VaultAdmin, private: &Object, description: &KeyDescription) -> Result<SigningKey> {
    let signer = Signer::in_vault(vault.private_key(private.number)?, description).map_err(|error| match error {
        crate::certificate::Error::KeyKind => Error::refused(format!(
            "Certificates for keys of kind {} aren't made here: rsa, p-256, p-384, p-521, p-256k and ed25519 are.",
            kind::text(description.algorithm)
        )),
        error => error.into(),
    })?;
    Ok(SigningKey { signer, algorithm: description.algorithm, id: private.content.id.clone() })
}
