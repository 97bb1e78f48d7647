//! The vector files of the Python package `cryptography_vectors`: names and hexadecimal values, in two layouts.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::{env, fs};

/// One vector of a file of `NAME = VALUE` lines.
#[derive(Clone, Debug, Default)]
pub struct Record {
    fields: BTreeMap<String, String>,
}

impl Record {
    /// A field's text, by its name in small letters; fields of the file's section are among them.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(String::as_str)
    }

    /// A field's bytes; the vector must have it.
    pub fn bytes(&self, name: &str) -> Vec<u8> {
        hex(self.text(name).unwrap_or_else(|| panic!("no {name} in {self:?}")))
    }

    /// A field's number; the vector must have it.
    pub fn number(&self, name: &str) -> usize {
        self.text(name).unwrap_or_else(|| panic!("no {name} in {self:?}")).parse().unwrap()
    }
}

/// The text of a file of the package.
pub fn text(path: &str) -> String {
    let folder = env::var_os("STRONGROOM_VECTORS").map(PathBuf::from).unwrap_or_else(|| {
        panic!(
            "STRONGROOM_VECTORS must name the folder of the Python package cryptography_vectors. scripts/test installs \
             it and says where; by hand: python3 -m venv target/python && target/python/bin/pip install \
             cryptography_vectors && export STRONGROOM_VECTORS=$PWD/target/python/lib/python3*/site-packages/cryptography_vectors"
        )
    });
    let path = folder.join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The vectors of a file, each of which begins with the field `first`. A line without a value is a field without text;
/// what stands in brackets holds for all that follows, a bare word among it as the field `section`.
pub fn records(path: &str, first: &str) -> Vec<Record> {
    records_with(path, first, &[])
}

/// The same; the fields `kept` hold for all that follows, too.
pub fn records_with(path: &str, first: &str, kept: &[&str]) -> Vec<Record> {
    let (mut section, mut records) = (Record::default(), Vec::<Record>::new());
    for line in text(path).lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(inner) = line.strip_prefix('[') {
            let inner = inner.trim_end_matches(']');
            let (name, value) = inner.split_once(['=', ':']).unwrap_or(("section", inner));
            section.fields.insert(name.trim().to_lowercase(), value.trim().to_owned());
            continue;
        }
        let (name, value) = line.split_once('=').unwrap_or((line, ""));
        let name = name.trim().to_lowercase();
        if name == first {
            records.push(section.clone());
        }
        if kept.contains(&&*name) {
            section.fields.insert(name, value.trim().to_owned());
        } else if let Some(record) = records.last_mut() {
            record.fields.insert(name, value.trim().to_owned());
        }
    }
    records
}

/// The titled values of a file in the layout of RSA Laboratories: `# Title:`, and hexadecimal lines below it. A title
/// without a value has none.
pub fn titled(path: &str) -> Vec<(String, Vec<u8>)> {
    let mut titled: Vec<(String, String)> = Vec::new();
    for line in text(path).lines().map(str::trim).filter(|line| !line.is_empty()) {
        match (line.strip_prefix('#'), titled.last_mut()) {
            (Some(title), _) => titled.push((title.trim().trim_end_matches(':').to_lowercase(), String::new())),
            (None, Some((_, value))) if is_hex(line) => value.push_str(line),
            (None, _) => {}
        }
    }
    let bytes = |(title, value): (String, String)| (title, hex(&value.split_whitespace().collect::<String>()));
    titled.into_iter().map(bytes).collect()
}

fn is_hex(line: &str) -> bool {
    line.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b' ')
}

/// Bytes from their digits; numbers are written without a zero that would make the digits even.
pub fn hex(text: &str) -> Vec<u8> {
    let even = if text.len().is_multiple_of(2) { text.to_owned() } else { format!("0{text}") };
    (0..even.len()).step_by(2).map(|at| u8::from_str_radix(&even[at..at + 2], 16).unwrap()).collect()
}
