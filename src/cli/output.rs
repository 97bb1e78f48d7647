//! Where answers go: standard output, as JSON, a table or a sentence. Remarks go to standard error.

use std::io::{self, IsTerminal, Write};

use serde_json::Value;

use super::table;
use super::{Error, Result};

/// How this call answers.
pub(super) struct Output {
    json: bool,
    terminal: bool,
}

impl Output {
    pub(super) fn new(json: bool) -> Self {
        Self { json, terminal: io::stdout().is_terminal() }
    }

    /// A list of things. `nothing` is said on standard error when there are none.
    pub(super) fn list(&self, headings: &[&str], rows: &[Vec<String>], json: &Value, nothing: &str) -> Result<()> {
        if self.json {
            return self.json(json);
        }
        if rows.is_empty() {
            self.note(nothing);
        }
        self.raw(table::rows(headings, rows, self.reader()).as_bytes())
    }

    /// One thing, field by field.
    pub(super) fn details(&self, pairs: &[(&str, String)], json: &Value) -> Result<()> {
        if self.json { self.json(json) } else { self.raw(table::pairs(pairs).as_bytes()) }
    }

    /// What was done, in a sentence.
    pub(super) fn done(&self, sentence: &str, json: &Value) -> Result<()> {
        if self.json { self.json(json) } else { self.raw(format!("{}\n", table::printable(sentence)).as_bytes()) }
    }

    /// Text that is the answer as it is, e.g. PEM; in JSON it lies in `json`.
    pub(super) fn text(&self, text: &str, json: &Value) -> Result<()> {
        if self.json { self.json(json) } else { self.raw(text.as_bytes()) }
    }

    /// A secret's value: its bytes and nothing else, on a terminal ended by a line's end.
    pub(super) fn secret(&self, value: &[u8]) -> Result<()> {
        self.raw(value)?;
        if self.terminal && value.last() != Some(&b'\n') { self.raw(b"\n") } else { Ok(()) }
    }

    /// A remark for people.
    pub(super) fn note(&self, text: &str) {
        if !self.json {
            eprintln!("{}", table::printable(text));
        }
    }

    /// A terminal that nobody asked to keep plain (<https://no-color.org>).
    pub(super) fn has_colours(&self) -> bool {
        self.terminal && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
    }

    fn reader(&self) -> table::Reader {
        if self.terminal { table::Reader::Person { colours: self.has_colours() } } else { table::Reader::Program }
    }

    /// How many letters a line of the terminal has.
    pub(super) fn width(&self) -> Option<usize> {
        let size = if self.terminal { terminal_size::terminal_size() } else { None };
        size.map(|(width, _)| usize::from(width.0))
    }

    pub(super) fn is_json(&self) -> bool {
        self.json
    }

    fn json(&self, value: &Value) -> Result<()> {
        self.raw(format!("{value:#}\n").as_bytes())
    }

    fn raw(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(Error::Output)
    }
}
