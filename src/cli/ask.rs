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
    chosen(what, source.option).map(to_pin)
}

/// Something secret that is being chosen: typed twice.
pub(super) fn chosen(what: &str, option: &str) -> Result<Zeroizing<String>> {
    let first = prompt(what, option)?;
    let second = prompt(&format!("{what} again"), option)?;
    if *first == *second { Ok(first) } else { Err(Error::refused("The two differ: nothing was done.")) }
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
        Some(path) if path != Path::new("-") => {
            let fail = |source| Error::File { path: path.into(), source };
            let file = std::fs::File::open(path).map_err(fail)?;
            let len = file.metadata().map_err(fail)?.len();
            read(file, len, MOST).map_err(fail)
        }
        None if io::stdin().is_terminal() => {
            let value = prompt("Value", "--file")?;
            Ok(Zeroizing::new(value.as_bytes().to_vec()))
        }
        _ => read(io::stdin().lock(), 0, MOST).map_err(|source| Error::File { path: "standard input".into(), source }),
    }
}

/// All that comes, of which `expected` bytes are known; more than `most` are refused. A buffer that grows by itself
/// leaves copies behind, so this one is replaced by a larger one and wiped.
pub(super) fn read(mut from: impl Read, expected: u64, most: usize) -> io::Result<Zeroizing<Vec<u8>>> {
    let expected = usize::try_from(expected).unwrap_or(most).min(most);
    let mut buffer = Zeroizing::new(Vec::with_capacity(expected + ROOM));
    loop {
        let len = buffer.len();
        if buffer.capacity() - len < ROOM {
            let mut larger = Zeroizing::new(Vec::with_capacity(2 * buffer.capacity()));
            larger.extend_from_slice(&buffer);
            buffer = larger;
        }
        let room = buffer.capacity();
        buffer.resize(room, 0);
        let got = match from.read(&mut buffer[len..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => 0,
            Ok(0) => {
                buffer.truncate(len);
                return Ok(buffer);
            }
            got => got?,
        };
        buffer.truncate(len + got);
        if buffer.len() > most {
            return Err(io::Error::other(format!("it has more than {most} bytes, which is more than is read")));
        }
    }
}

/// Typed without being shown.
pub(super) fn prompt(what: &str, option: &str) -> Result<Zeroizing<String>> {
    rpassword::prompt_password(question(what)).map(Zeroizing::new).map_err(|_| {
        Error::refused(format!("There is no terminal to ask for \"{what}\" on: give it with {option} FILE."))
    })
}

/// A question on one line: labels of tokens, which stand in it, come from whoever made them.
fn question(what: &str) -> String {
    format!("{}: ", super::table::printable(what).replace('\n', " "))
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

/// No secret and no file of keys is nearly as large.
const MOST: usize = 64 << 20;
/// Standard input's own buffer isn't used, and so holds no copy, while there is as much room as it has.
const ROOM: usize = 16 << 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_cannot_command_the_terminal_that_asks_for_its_pin() {
        let question = question("User PIN of the token a\u{1b}[2Jb\nVault PIN");
        assert_eq!(question, "User PIN of the token a\u{FFFD}[2Jb Vault PIN: ");
    }

    #[test]
    fn all_that_comes_is_read_up_to_a_limit() {
        for len in [0, 1, ROOM - 1, ROOM, 5 * ROOM + 7] {
            let whole: Vec<u8> = (0..len).map(|at| at as u8).collect();
            for expected in [0, len as u64, u64::MAX] {
                assert_eq!(*read(&whole[..], expected, 10 * ROOM).unwrap(), whole);
            }
        }
        assert!(read(io::repeat(1), 0, 10 * ROOM).unwrap_err().to_string().contains("more than"));
        assert!(read(&[1; 9][..], 9, 8).is_err());
        assert!(read(&[1; 8][..], 8, 8).is_ok());
    }
}
