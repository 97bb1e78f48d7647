//! `export`: a certificate, its issuers and, where its owner allowed that, its private key, for programs that want files.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use serde_json::json;

use super::super::new_file::NewFile;
use super::super::passphrase::PassphraseSource;
use super::super::versions;
use super::super::{Context, Error, Result};
use super::signing::{issuers, private_half};
use super::write_file;
use crate::certificate::pkcs12::{self, Bundle, Protection};
use crate::certificate::{Certificate, pem};
use crate::vault::{Collection, Image, SecretBytes, VaultAdmin};

#[derive(Args)]
pub(in super::super) struct Export {
    /// The certificate's name
    name: String,
    /// One version: its id, or how that begins
    #[arg(long, value_name = "ID")]
    version: Option<String>,
    /// PEM, or PKCS#12 (.pfx, .p12) under a passphrase
    #[arg(long, value_enum, default_value_t = Format::Pem)]
    format: Format,
    /// With its issuers, as far as they are in the vault
    #[arg(long)]
    chain: bool,
    /// With the private key, if that may leave the vault
    #[arg(long)]
    private_key: bool,
    #[command(flatten)]
    passphrase: PassphraseSource,
    /// Write to this new file (default: standard output)
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Pem,
    Pfx,
}

pub(super) fn run(context: &Context, export: &Export) -> Result<()> {
    if context.output.is_json() && export.out.is_none() && (export.format == Format::Pfx || export.private_key) {
        return Err(Error::Usage("With --json what is exported goes to a file: name it with --out FILE.".into()));
    }
    if export.out.is_none() && export.format == Format::Pfx && std::io::stdout().is_terminal() {
        return Err(Error::Usage("PKCS#12 is nothing for a terminal: name a file with --out FILE.".into()));
    }
    let opened = context.unlocked()?;
    let image = opened.vault.image();
    let named = versions::named(&image, Collection::Certificates, &export.name)?;
    let version = named.version_or_current(export.version.as_deref())?;
    let leaf = Certificate::from_der(version.main().content.value.as_deref().unwrap_or_default())?;
    let key = match export.private_key {
        true => Some(private_key(&*opened.vault, &image, &leaf, &named.name)?),
        false => None,
    };
    let mut chain = vec![leaf];
    if export.chain {
        let issuers = issuers(&image, &chain[0]);
        chain.extend(issuers);
    }
    let ders: Vec<&[u8]> = chain.iter().map(Certificate::der).collect();
    let contents = match export.format {
        Format::Pem => pem::bundle(key.as_ref(), &ders),
        Format::Pfx => pfx(export, &Bundle { key: key.as_ref(), chain: &ders, label: &named.name })?,
    };
    let exported = Exported { name: &named.name, version: &version.id, certificates: ders.len(), key: key.is_some() };
    match &export.out {
        Some(file) => exported.write(context, file, &contents, export.format),
        None => exported.print(context, &contents),
    }
}

/// What is in an answer or a file.
struct Exported<'a> {
    name: &'a str,
    version: &'a str,
    certificates: usize,
    key: bool,
}

impl Exported<'_> {
    fn print(&self, context: &Context, contents: &SecretBytes) -> Result<()> {
        match std::str::from_utf8(contents.expose()) {
            Ok(text) if !self.key => context.output.text(text, &json!({ "name": self.name, "pem": text })),
            _ => context.output.secret(contents.expose()),
        }
    }

    /// What holds a key goes into a new file that nobody else may read; what is public, where it is wanted.
    fn write(&self, context: &Context, file: &Path, contents: &SecretBytes, format: Format) -> Result<()> {
        match std::str::from_utf8(contents.expose()) {
            Ok(text) if format == Format::Pem && !self.key => write_file(file, text)?,
            _ => NewFile::create(file.to_path_buf())?.write(contents.expose())?,
        }
        let certificates = match self.certificates {
            1 => "1 certificate".to_owned(),
            several => format!("{several} certificates"),
        };
        let with = if self.key { " and the private key" } else { "" };
        context.output.done(
            &format!("Wrote {certificates}{with} of {} to {}.", self.name, file.display()),
            &json!({
                "name": self.name,
                "version": self.version,
                "certificates": self.certificates,
                "private_key": self.key,
                "file": file,
            }),
        )
    }
}

/// The private key, in the clear.
fn private_key(vault: &dyn VaultAdmin, image: &Image, leaf: &Certificate, name: &str) -> Result<SecretBytes> {
    let private = private_half(image, leaf).ok_or_else(|| {
        Error::refused(format!("The private key of {name} isn't in this vault: leave --private-key out."))
    })?;
    if !private.content.may_leave_in_clear() {
        return Err(Error::refused(format!(
            "The private key of {name} may not leave the vault: only keys that were made with --exportable may. Leave \
             --private-key out."
        )));
    }
    if !private.content.may_leave_in_clear() {
        return Err(Error::refused(format!(
            "The PKCS#11 program that made the private key of {name} lets it leave wrapped by another key only \
             (CKA_SENSITIVE, CKA_WRAP_WITH_TRUSTED): wrap it with such a program, or leave --private-key out."
        )));
    }
    Ok(vault.secret(private.number)?)
}

fn pfx(export: &Export, bundle: &Bundle<'_>) -> Result<SecretBytes> {
    let passphrase = export.passphrase.chosen("Passphrase for the new file")?;
    if passphrase.is_empty() {
        return Err(Error::refused("The passphrase is empty: a PKCS#12 file needs one, or export PEM."));
    }
    Ok(pkcs12::write(bundle, &Protection::new(&passphrase)?)?)
}
