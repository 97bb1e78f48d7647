//! `strongroom-config(5)`: the manual page of the configuration, made from the example that names every key of it.
//!
//! So what a key means is written once. The example is paragraphs: a comment, then the keys that it is about, each with a
//! value and perhaps a remark; a key that isn't for everybody is commented out. A line of a comment that reads like a
//! key with its value is one.

use clap_mangen::roff::{Inline, Roff, bold, italic, line_break, roman};

/// The page's name, with its section.
pub(super) const PAGE: &str = "strongroom-config.5";

/// Its only source.
const EXAMPLE: &str = include_str!("../../../examples/config.toml");

/// The tables of the configuration and the headings of what is said of them.
const TABLES: [(&str, &str); 5] = [
    ("[server]", "SERVER"),
    ("[[backup_target]]", "BACKUP TARGETS"),
    ("[[issuer]]", "ISSUERS"),
    ("[managed_identity]", "MANAGED IDENTITIES"),
    ("[[vault]]", "VAULTS"),
];

/// A paragraph of the example.
#[derive(Default)]
struct Paragraph {
    comment: String,
    keys: Vec<Key>,
    /// It opens the part about this table, under this heading.
    table: Option<(&'static str, &'static str)>,
}

/// A key as the example sets it.
struct Key {
    setting: String,
    remark: String,
}

/// The page, as `man` reads it.
pub(super) fn page() -> String {
    let paragraphs = paragraphs();
    let (about, settings) = paragraphs.split_first().expect("the example has a beginning");
    let mut page = Roff::new();
    let version = concat!("strongroom ", env!("CARGO_PKG_VERSION"));
    page.control("TH", ["strongroom-config", "5", "", version, "Strongroom"]);
    section(&mut page, "NAME", [roman("strongroom-config - the configuration of Strongroom's vaults")]);
    let places = ["/etc/strongroom/config.toml", "~/.config/strongroom/config.toml", "$STRONGROOM_CONF"];
    let lines = places.iter().flat_map(|place| [italic(*place), line_break()]);
    section(&mut page, "SYNOPSIS", lines.collect::<Vec<_>>());
    section(&mut page, "DESCRIPTION", [roman("The file is TOML. "), roman(about.comment.clone())]);
    page.control("SH", ["SETTINGS"]);
    for paragraph in settings {
        if let Some((table, heading)) = paragraph.table {
            section(&mut page, heading, [bold(table), roman(" "), roman(paragraph.comment.clone())]);
            entries(&mut page, "", &paragraph.keys);
        } else {
            entries(&mut page, &paragraph.comment, &paragraph.keys);
        }
    }
    let others =
        "strongroom(1), strongroom-init(1), strongroom-doctor(1); examples/config.toml and docs/service.md in ";
    section(&mut page, "SEE ALSO", [roman(others), italic("/usr/share/doc/strongroom")]);
    page.to_roff()
}

fn section(page: &mut Roff, heading: &str, text: impl Into<Vec<Inline>>) {
    page.control("SH", [heading]).text(text);
}

/// One key with what is said of it, or several under what is said of all of them.
fn entries(page: &mut Roff, comment: &str, keys: &[Key]) {
    if let [only] = keys {
        let text = [comment, &only.remark].join(" ");
        page.control("TP", []).text([bold(&only.setting)]).text([roman(text.trim())]);
        return;
    }
    if !comment.is_empty() {
        page.control("PP", []).text([roman(comment)]);
    }
    for key in keys {
        page.control("TP", []).text([bold(&key.setting)]).text([roman(&key.remark)]);
    }
}

fn paragraphs() -> Vec<Paragraph> {
    let parts = EXAMPLE.split("\n\n").map(paragraph);
    parts.filter(|paragraph| !paragraph.comment.is_empty() || !paragraph.keys.is_empty()).collect()
}

fn paragraph(text: &str) -> Paragraph {
    let mut paragraph = Paragraph::default();
    for line in text.lines() {
        let bare = line.strip_prefix('#').unwrap_or(line).trim();
        if let Some(table) = TABLES.iter().find(|(table, _)| *table == bare) {
            paragraph.table = Some(*table);
        } else if let Some(key) = key(bare) {
            paragraph.keys.push(key);
        } else {
            let between = if paragraph.comment.is_empty() || bare.is_empty() { "" } else { " " };
            paragraph.comment.push_str(between);
            paragraph.comment.push_str(bare);
        }
    }
    paragraph
}

/// `key = value   # remark`.
fn key(line: &str) -> Option<Key> {
    let (name, _) = line.split_once(" = ")?;
    if name.is_empty() || !name.bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'_') {
        return None;
    }
    let (setting, remark) = line.split_once(" # ").unwrap_or((line, ""));
    Some(Key { setting: setting.trim().to_owned(), remark: remark.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// That the example names every key of the configuration is held where those are read.
    #[test]
    fn every_setting_of_the_example_stands_on_the_page_with_what_is_said_of_it() {
        let page = page();
        let paragraphs = paragraphs();
        let keys: Vec<&Key> = paragraphs.iter().flat_map(|paragraph| &paragraph.keys).collect();
        let in_example = EXAMPLE.lines().filter(|line| line.trim_start_matches(['#', ' ']).contains(" = ")).count();
        assert_eq!(keys.len(), in_example);
        for key in keys {
            let setting = key.setting.replace('\\', "\\e").replace('-', "\\-");
            assert!(page.contains(&setting), "{setting} in {page}");
        }
        // What is said of several together doesn't say what each of them is.
        let together = paragraphs.iter().filter(|paragraph| paragraph.keys.len() > 1);
        for key in together.flat_map(|paragraph| &paragraph.keys) {
            assert!(!key.remark.is_empty(), "{} has no remark", key.setting);
        }
    }
}
