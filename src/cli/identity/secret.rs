//! `strongroom identity secret`: client secrets, each shown once.

use std::path::PathBuf;

use clap::Subcommand;

use super::super::new_file::NewFile;
use super::super::{Context, Result, time};
use super::given::Kind;
use super::named;

/// What is done with client secrets.
#[derive(Subcommand)]
pub(in super::super) enum Verb {
    /// Give an identity another client secret, and show it this once
    Add {
        /// The identity's name, object id or client id
        identity: String,
        /// Refuse it from this time on (RFC 3339 or a date)
        #[arg(long, value_name = "TIME", value_parser = time::parse)]
        expires: Option<i64>,
        /// Write it into this new file, instead of showing it
        #[arg(long, value_name = "FILE")]
        secret_file: Option<PathBuf>,
    },
    /// Refuse a client secret from now on
    Remove {
        /// The identity's name, object id or client id
        identity: String,
        /// The secret's id, or how that begins
        id: String,
    },
}

pub(super) fn run(context: &Context, verb: Verb) -> Result<()> {
    match verb {
        Verb::Add { identity, expires, secret_file } => {
            let opened = context.unlocked()?;
            let found = named(&opened.vault.image(), &identity)?;
            let place = secret_file.map(NewFile::create).transpose()?;
            Kind::Secret.add(context, &opened, &found, expires, place)
        }
        Verb::Remove { identity, id } => Kind::Secret.remove(context, &identity, &id),
    }
}
