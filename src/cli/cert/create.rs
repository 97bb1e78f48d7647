//! `create` and `csr`: what a key of the vault signs about itself.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::super::key::public_of;
use super::super::{Context, Error, Result, time, versions};
use super::signer::VaultSigner;
use super::{Identity, draft, request, show, write_file};
use crate::vault::{Class, Collection, KeyAlgorithm, Name, Naming, Object, VaultAdmin};

#[derive(Args)]
pub(in super::super) struct Create {
    /// The certificate's name
    name: String,
    /// The key that it is for (default: the key of the same name)
    #[arg(long, value_name = "NAME")]
    key: Option<String>,
    #[command(flatten)]
    identity: Identity,
    /// For how many days it is valid
    #[arg(long, default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36500))]
    days: u32,
    /// Make a new version of a certificate that exists
    #[arg(long)]
    renew: bool,
    /// Write the certificate as PEM to this file too
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Args)]
pub(in super::super) struct Csr {
    /// The key's name
    key: String,
    #[command(flatten)]
    identity: Identity,
    /// Write the request to this file
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

pub(super) fn create(context: &Context, create: &Create) -> Result<()> {
    let name = Name::new(&create.name)?;
    let opened = context.unlocked()?;
    let key = signing_key(&*opened.vault, create.key.as_deref().unwrap_or(&create.name))?;
    let mut parameters = request::parameters(&create.identity, key.algorithm)?;
    request::limit(&mut parameters, time::now(), create.days)?;
    let certificate = key.signer.result(parameters.self_signed(&key.signer))?;
    let naming = if create.renew { Naming::VersionOf(name.clone()) } else { Naming::New(name.clone()) };
    let made = opened.vault.create(vec![draft(certificate.der(), &name, naming, key.id)?])?;
    if let Some(file) = &create.out {
        write_file(file, &show::pem(certificate.der()))?;
    }
    match made.first() {
        Some(object) => show::report(context, &opened, object, "Created"),
        None => Ok(()),
    }
}

pub(super) fn csr(context: &Context, csr: &Csr) -> Result<()> {
    let opened = context.unlocked()?;
    let key = signing_key(&*opened.vault, &csr.key)?;
    let parameters = request::parameters(&csr.identity, key.algorithm)?;
    let request = key.signer.result(parameters.serialize_request(&key.signer))?;
    let pem = super::super::key::pem("CERTIFICATE REQUEST", request.der());
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

struct Signing {
    signer: VaultSigner,
    algorithm: KeyAlgorithm,
    id: Vec<u8>,
}

fn signing_key(vault: &dyn VaultAdmin, name: &str) -> Result<Signing> {
    let key = versions::named(&vault.image(), Collection::Keys, name).map_err(|_| {
        Error::refused(format!(
            "There is no key called {name:?}: `strongroom key create {name} --kind p-256` makes one."
        ))
    })?;
    let version = key.current();
    let private: &Object = version
        .of_class(Class::PrivateKey)
        .ok_or_else(|| Error::refused(format!("{} has no private key in this vault.", key.name)))?;
    let description =
        public_of(version).ok_or_else(|| Error::refused(format!("The public key of {} isn't known.", key.name)))?;
    Ok(Signing {
        signer: VaultSigner::new(vault.private_key(private.number)?, description)?,
        algorithm: description.algorithm,
        id: private.content.id.clone(),
    })
}
