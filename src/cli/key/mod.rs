//! `strongroom key`.

mod create;
mod import;
mod material;
mod show;
mod state;

pub(super) use create::NextVersion;
#[cfg(feature = "server")]
pub(super) use create::{Create, Rotate};
pub(super) use import::read_key_file;
#[cfg(feature = "server")]
pub(super) use import::{Import, Material};
pub(super) use material::{block_to_pkcs8, der_to_pkcs8, of_file};
#[cfg(feature = "server")]
pub(super) use show::HEADINGS;
pub(super) use show::public_of;

use std::collections::BTreeMap;

use clap::{Args, Subcommand};

use super::{Context, Error, Result, delete, kind, time};
use crate::vault::{Collection, Content, Draft, KeyAlgorithm, Name, Naming, Usage};

/// What is done with keys.
#[derive(Subcommand)]
pub(super) enum Verb {
    /// Generate a key inside the vault
    Create(create::Create),
    /// Take over a key from a PEM or DER file
    Import(import::Import),
    /// List the keys
    List,
    /// Show a key, its versions and its PKCS#11 URI
    Show(Which),
    /// Generate a new version of a key
    Rotate(create::Rotate),
    /// Allow the use of a key's newest version, or of another one
    Enable(Which),
    /// Refuse the use of a key's newest version, or of another one, at once in every process
    Disable(Which),
    /// Delete a key, or one version of it
    Delete(delete::Delete),
    /// Print the public key as PEM
    Public(Which),
}

/// A key, and perhaps one of its versions.
#[derive(Args)]
pub(super) struct Which {
    /// The key's name
    pub name: String,
    /// One version: its id, or how that begins
    #[arg(long, value_name = "ID")]
    pub version: Option<String>,
}

/// What a new key may do, and when.
#[derive(Args)]
pub(super) struct Properties {
    /// Let the private part leave the vault
    #[arg(long)]
    pub exportable: bool,
    /// What the key may be used for, e.g. sign,verify (default: what its kind can do)
    #[arg(long, value_delimiter = ',', value_parser = kind::usage_parser())]
    usage: Vec<Usage>,
    #[command(flatten)]
    pub validity: Validity,
    /// A tag, as NAME=VALUE; may be given several times
    #[arg(long = "tag", value_name = "NAME=VALUE", value_parser = parse_tag)]
    pub tags: Vec<(String, String)>,
}

/// From when and until when a key works.
#[derive(Args)]
pub(super) struct Validity {
    /// Refuse to work before this time (RFC 3339 or a date)
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_negative_numbers = true)]
    pub not_before: Option<i64>,
    /// Refuse to work from this time on (RFC 3339 or a date)
    #[arg(long, value_name = "TIME", value_parser = time::parse, allow_negative_numbers = true)]
    pub expires: Option<i64>,
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Create(create) => create::create(context, create),
        Verb::Import(import) => import::run(context, import),
        Verb::List => show::list(context),
        Verb::Show(which) => show::show(context, &which),
        Verb::Rotate(rotate) => create::rotate(context, rotate),
        Verb::Enable(which) => state::set_enabled(context, &which, true),
        Verb::Disable(which) => state::set_enabled(context, &which, false),
        Verb::Delete(what) => delete::run(context, Collection::Keys, &what),
        Verb::Public(which) => show::public(context, &which),
    }
}

impl Properties {
    pub(super) fn usage(&self, kind: KeyAlgorithm, allow_conflicting: bool) -> Result<Usage> {
        if self.usage.is_empty() {
            return Ok(kind::default_usage(kind));
        }
        let usage = self.usage.iter().copied().collect();
        kind::check_usage(kind, usage, allow_conflicting).map_err(Error::Refused)?;
        Ok(usage)
    }

    fn apply(&self, content: &mut Content) {
        content.exportable = self.exportable;
        content.tags = self.tags.iter().cloned().collect::<BTreeMap<_, _>>();
        self.validity.apply(content);
    }
}

impl Validity {
    /// An end that is past already is somebody's wish (a key that only verifies and decrypts no more), or a slip: it is
    /// said, as other vaults accept it too.
    pub(super) fn check(&self, context: &Context) -> Result<()> {
        if let (Some(start), Some(end)) = (self.not_before, self.expires)
            && start >= end
        {
            return Err(Error::Usage("--not-before must be earlier than --expires.".into()));
        }
        if let Some(end) = self.expires.filter(|end| *end <= time::now()) {
            context.output.note(&format!(
                "--expires {} is past: the private key will refuse to work. `strongroom key rotate` makes a version \
                 that works.",
                time::text(end)
            ));
        }
        Ok(())
    }

    fn apply(&self, content: &mut Content) {
        content.not_before = self.not_before;
        content.expires = self.expires;
    }
}

/// A draft whose label is its name.
fn draft(mut content: Content, name: &Name, naming: Naming) -> Draft {
    content.label = name.as_str().as_bytes().to_vec();
    Draft { content, naming, secret: None }
}

/// `NAME=VALUE`.
pub(super) fn parse_tag(text: &str) -> std::result::Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a tag is NAME=VALUE".to_owned()),
    }
}
