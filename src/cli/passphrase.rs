//! The passphrase of an encrypted file: asked for when the first file needs it, and what it opens.

use std::cell::OnceCell;
use std::path::{Path, PathBuf};

use clap::Args;
use zeroize::Zeroizing;

use super::{Error, Result, ask};
use crate::config;

/// Where the passphrase of encrypted files comes from.
#[derive(Args)]
pub(super) struct PassphraseSource {
    /// Read the passphrase of encrypted files from this file
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// A passphrase that is known once it is needed.
pub(super) struct Passphrase<'a> {
    file: Option<&'a Path>,
    known: OnceCell<Zeroizing<String>>,
}

impl PassphraseSource {
    pub(super) fn passphrase(&self) -> Passphrase<'_> {
        Passphrase { file: self.passphrase_file.as_deref(), known: OnceCell::new() }
    }
}

impl PassphraseSource {
    /// One that is being chosen: typed twice. `what` is asked for.
    pub(super) fn chosen(&self, what: &str) -> Result<Zeroizing<String>> {
        if self.passphrase_file.is_some() {
            return self.passphrase().get().map(|passphrase| Zeroizing::new(passphrase.to_owned()));
        }
        ask::chosen(what, OPTION)
    }
}

impl Passphrase<'_> {
    /// Reads it or asks for it, once. An empty one is one.
    pub(super) fn get(&self) -> Result<&str> {
        if let Some(known) = self.known.get() {
            return Ok(known);
        }
        let passphrase = match self.file {
            Some(file) => {
                let bytes = config::read_pin_file(file)?;
                let text = std::str::from_utf8(&bytes).map_err(|_| {
                    Error::refused(format!("{}: the passphrase isn't UTF-8: write the file so.", file.display()))
                })?;
                Zeroizing::new(text.to_owned())
            }
            None => ask::prompt("Passphrase of the file", OPTION)?,
        };
        Ok(self.known.get_or_init(|| passphrase))
    }
}

const OPTION: &str = "--passphrase-file";
