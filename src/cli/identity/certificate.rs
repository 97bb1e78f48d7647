//! `strongroom identity certificate`: certificates whose keys sign logins.

use std::path::PathBuf;

use base64ct::{Base64UrlUnpadded, Encoding};
use clap::Subcommand;
use serde_json::json;

use super::super::key::read_key_file;
use super::super::{Context, Error, Result, time};
use super::named;
use crate::certificate::pem;
use crate::server::identity::{self, ClientCertificate, LoginCertificate};

/// What is done with certificates.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Let an identity log in with the key of a certificate
    Add {
        /// The identity's name, object id or client id
        identity: String,
        /// The certificate, PEM or DER; `-` is standard input
        file: PathBuf,
    },
    /// Refuse a certificate from now on
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        /// The certificate's SHA-1 thumbprint, or how that begins
        thumbprint: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, file } => add(context, &identity, &file),
        Verb::Remove { identity, thumbprint } => remove(context, &identity, &thumbprint),
    }
}

fn add(context: &Context, identity: &str, file: &std::path::Path) -> Result<()> {
    if context.global.pin_stdin && file.as_os_str() == "-" {
        return Err(Error::Usage("Standard input can't hold both the PIN and the certificate.".into()));
    }
    let der = certificate(&read_key_file(file)?)?;
    let read =
        LoginCertificate::read(&der).map_err(|why| Error::refused(format!("The certificate can't be used: {why}.")))?;
    if !read.is_valid_at(time::now()) {
        let (start, end) = (time::text(read.not_before), time::text(read.not_after));
        context.output.note(&format!("The certificate counts from {start} to {end} only, which is not now."));
    }
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    let kept = ClientCertificate { der: Base64UrlUnpadded::encode_string(&der), created: time::now() };
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        if !identity.certificates.iter().any(|other| other.der == kept.der) {
            identity.certificates.push(kept.clone());
        }
    })?;
    let thumbprint = read.thumbprint();
    context.output.done(
        &format!("{} logs in with the certificate {thumbprint} ({}).", found.name, read.subject),
        &json!({
            "name": found.name,
            "client_id": found.appid,
            "thumbprint": thumbprint,
            "subject": read.subject,
            "expires": time::text(read.not_after),
        }),
    )
}

fn remove(context: &Context, identity: &str, begins: &str) -> Result<()> {
    let opened = context.unlocked()?;
    let found = named(&opened.vault.image(), identity)?;
    let upper = begins.to_ascii_uppercase();
    let known = found.certificates.iter().filter_map(|kept| {
        let thumbprint = LoginCertificate::stored(&kept.der)?.thumbprint();
        Some((thumbprint, &kept.der))
    });
    let matching: Vec<_> = known.filter(|(thumbprint, _)| thumbprint.starts_with(&upper)).collect();
    let [(thumbprint, der)] = &matching[..] else {
        let many = if matching.is_empty() { "no certificate" } else { "several certificates" };
        return Err(Error::refused(format!("{} has {many} whose thumbprint begins with {begins:?}.", found.name)));
    };
    context.confirm(&format!("Remove the certificate {thumbprint} of {}?", found.name))?;
    identity::change(&*opened.vault, &found.oid, &mut |identity| {
        identity.certificates.retain(|kept| kept.der != **der);
    })?;
    context.output.done(
        &format!("Removed the certificate {thumbprint} of {}.", found.name),
        &json!({ "name": found.name, "thumbprint": thumbprint }),
    )
}

/// The first certificate of a PEM file, or DER as it is.
fn certificate(contents: &[u8]) -> Result<Vec<u8>> {
    let blocks = pem::blocks(contents)?;
    if blocks.is_empty() {
        return Ok(contents.to_vec());
    }
    let found = blocks.into_iter().find(|(tag, _)| tag == "CERTIFICATE");
    found.map(|(_, der)| der.to_vec()).ok_or_else(|| Error::refused("The file holds no certificate."))
}
