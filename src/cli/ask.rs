//! What only a person, a file or standard input can answer: PINs, recovery keys, and whether something may be done.

use std::io::{self, BufRead, IsTerminal, Read, Write};
use std::path::Path;

use zeroize::Zeroizing;

use super::{Context, Error, Result};
use crate::config;
use crate::vault::{Pin, RecoveryKey};

/// Where a PIN comes from when it isn't asked for.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    /// A file.
    pub file: Option<&'a Path>,
    /// The next line of standard input.
    pub stdin: bool,
    /// The option that would name a file, for the error's text.
    pub option: &'static str,
}

impl Context {
    /// The vault's PIN by the global options.
    pub(super) fn pin_source(&self) -> Source<'_> {
        Source { file: self.global.pin_file.as_deref(), stdin: self.global.pin_stdin, option: "--pin-file" }
    }

    /// Goes on only if somebody agrees to what can't be undone.
    pub(super) fn confirm(&self, question: &str) -> Result<()> {
        if self.global.yes {
            return Ok(());
        }
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Err(Error::refused(format!("{question} There is nobody to ask: add --yes to do it.")));
        }
        eprint!("{} [y/N] ", super::table::printable(question));
        let mut answer = String::new();
        let read = io::stderr().flush().and_then(|()| io::stdin().lock().read_line(&mut answer));
        match (read, answer.trim().to_ascii_lowercase().as_str()) {
            (Ok(_), "y" | "yes") => Ok(()),
            _ => Err(Error::refused("Nothing was done.")),
        }
    }
}

/// A PIN that exists.
pub(super) fn pin(source: Source<'_>, what: &str) -> Result<Pin> {
    match given(source)? {
        Some(pin) => Ok(pin),
        None => prompt(what, source.option).map(to_pin),
    }
}

/// A PIN that is being chosen: typed twice.
pub(super) fn new_pin(source: Source<'_>, what: &str) -> Result<Pin> {
    if let Some(pin) = given(source)? {
        return Ok(pin);
    }
    let first = prompt(what, source.option)?;
    let second = prompt(&format!("{what} again"), source.option)?;
    if *first != *second {
        return Err(Error::refused("The two differ: nothing was done."));
    }
    Ok(to_pin(first))
}

/// From a file or standard input, if one of them is named.
pub(super) fn given(source: Source<'_>) -> Result<Option<Pin>> {
    let pin = match source {
        Source { file: Some(file), .. } => config::read_pin_file(file)?,
        Source { stdin: true, .. } => stdin_line()?,
        _ => return Ok(None),
    };
    if pin.is_empty() {
        return Err(Error::refused(format!("The PIN from {} is empty.", source_name(source))));
    }
    Ok(Some(Pin::new(pin.to_vec())))
}

/// A recovery key from a file or from a person.
pub(super) fn recovery_key(file: Option<&Path>) -> Result<RecoveryKey> {
    let text = match file {
        Some(file) => {
            let bytes = config::read_pin_file(file)?;
            Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned())
        }
        None => prompt("Recovery key", "--recovery-key-file")?,
    };
    RecoveryKey::parse(&text)
        .ok_or_else(|| Error::refused("This is no recovery key: it has 64 hexadecimal digits in 16 groups."))
}

/// A secret's value: a file, standard input, or typed.
pub(super) fn value(file: Option<&Path>) -> Result<Zeroizing<Vec<u8>>> {
    match file {
        Some(file) if file != Path::new("-") => {
            std::fs::read(file).map(Zeroizing::new).map_err(|source| Error::File { path: file.into(), source })
        }
        None if io::stdin().is_terminal() => {
            let value = prompt("Value", "--file")?;
            Ok(Zeroizing::new(value.as_bytes().to_vec()))
        }
        _ => {
            let mut value = Zeroizing::new(Vec::new());
            io::stdin()
                .lock()
                .read_to_end(&mut value)
                .map_err(|source| Error::File { path: "standard input".into(), source })?;
            Ok(value)
        }
    }
}

/// Typed without being shown.
pub(super) fn prompt(what: &str, option: &str) -> Result<Zeroizing<String>> {
    rpassword::prompt_password(format!("{what}: ")).map(Zeroizing::new).map_err(|_| {
        Error::refused(format!("There is no terminal to ask for \"{what}\" on: give it with {option} FILE."))
    })
}

fn to_pin(text: Zeroizing<String>) -> Pin {
    Pin::new(text.as_bytes().to_vec())
}

fn stdin_line() -> Result<Zeroizing<Vec<u8>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(512));
    io::stdin()
        .lock()
        .read_until(b'\n', &mut line)
        .map_err(|source| Error::File { path: "standard input".into(), source })?;
    while matches!(line.last(), Some(b'\n' | b'\r')) {
        line.pop();
    }
    Ok(line)
}

fn source_name(source: Source<'_>) -> String {
    source.file.map_or_else(|| "standard input".to_owned(), |file| file.display().to_string())
}
