//! Holds the picture of the layers: reads the paths under `src/` and fails on an arrow that points up, on a crate used where it
//! doesn't belong, and on `unsafe` outside its three places. Each rule is also shown a file that breaks it.

use std::fmt;
use std::path::{Path, PathBuf};

/// What a layer may know besides itself. Longest match first for those that lie inside another.
const LAYERS: &[(&str, &[&str])] = &[
    ("sys", &[]),
    ("log", &["sys"]),
    ("crypto", &["sys", "log"]),
    ("config", &["sys", "log", "crypto"]),
    ("vault", &["crypto"]),
    // X.509 for both front ends that make and read certificates.
    ("certificate", &["vault", "crypto"]),
    ("backend::local::store", &["vault", "crypto", "sys", "log"]),
    ("backend", &["vault", "config", "crypto", "sys", "log"]),
    // A front end opens vaults at one door and never sees what is behind it.
    ("pkcs11", &["backend::open_all", "vault", "config", "crypto", "sys", "log"]),
    // What is imported is read by the module's table of attributes, like an object that a program writes.
    (
        "cli::import",
        &[
            "cli",
            "pkcs11::attribute",
            "pkcs11::error",
            "pkcs11::mechanism",
            "pkcs11::object",
            "pkcs11::template",
            "certificate",
            "vault",
            "config",
            "crypto",
            "sys",
        ],
    ),
    // Where backups lie and how they are called.
    ("backup_directory", &["sys"]),
    ("server", &["backup_directory", "backend::open_all", "certificate", "vault", "config", "crypto", "sys", "log"]),
    // A vault that is named by its address is asked by its backend's own session: challenge, TLS and names exist once.
    ("cli::remote", &["cli", "backend::azure::session", "server", "certificate", "vault", "config", "crypto", "sys"]),
    // What it says of the way to a vault needs more than the vault's own trait tells.
    ("cli::doctor::remote", &["cli", "backend::azure::reach", "vault", "config", "crypto"]),
    // The command prints the module's table of mechanisms.
    (
        "cli",
        &[
            "server",
            "backup_directory",
            "backend::open_all",
            "pkcs11::mechanism",
            "certificate",
            "vault",
            "config",
            "crypto",
            "sys",
            "log",
        ],
    ),
    ("main", &["cli"]),
    ("lib", &[]),
];

/// Crates that only these modules may name.
const CRATES: &[(&str, &[&str])] = &[
    ("cryptoki_sys", &["pkcs11", "certificate", "cli"]),
    // Two verbs load modules as programs do: one to read a token, one to try what programs will meet.
    ("cryptoki", &["cli::import::module", "cli::doctor::module"]),
    ("rusqlite", &["backend::local::store", "sys::sqlite_open"]),
    ("aws_lc_sys", &["crypto::aws_lc_raw"]),
    ("clap", &["cli"]),
    // The tests' second opinion.
    ("rcgen", &["backend::remote", "server::identity::certificate", "server::issuers"]),
    ("x509_cert", &["certificate", "server::identity::certificate", "cli::backup::check"]),
    // What a host process never loads: a runtime, and a second TLS library beside its own.
    ("tokio", &["server", "cli::serve"]),
    ("hyper", &["server"]),
    ("axum", &["server"]),
    ("rustls", &["server", "backend::remote"]),
    ("ureq", &["server::issuers"]),
];

/// Where `unsafe` stands: in these modules and below them.
const UNSAFE: &[&str] = &["pkcs11::abi", "sys", "crypto::aws_lc_raw"];

/// A module that does what it may not.
#[derive(PartialEq)]
enum Violation {
    KnowsUpwards { module: String, path: String },
    UsesCrate { module: String, name: String },
    Unsafe { module: String },
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KnowsUpwards { module, path } => write!(f, "{module} may not know {path}"),
            Self::UsesCrate { module, name } => write!(f, "{module} may not use the crate {name}"),
            Self::Unsafe { module } => write!(f, "{module} may not contain unsafe code"),
        }
    }
}

/// Every violation in one file, whose module's path is `module`.
fn check(module: &str, source: &str) -> Vec<Violation> {
    let words = words(source);
    let mut violations = Vec::new();
    for path in paths(module, &words) {
        if let Some(inner) = path.strip_prefix("crate::") {
            if !may_know(module, inner) {
                violations.push(Violation::KnowsUpwards { module: module.to_owned(), path: inner.to_owned() });
            }
        } else if let Some((name, places)) = CRATES.iter().find(|(name, _)| within(&path, name))
            && !places.iter().any(|place| within(module, place))
        {
            violations.push(Violation::UsesCrate { module: module.to_owned(), name: (*name).to_owned() });
        }
    }
    if words.iter().any(|word| word == "unsafe") && !UNSAFE.iter().any(|place| within(module, place)) {
        violations.push(Violation::Unsafe { module: module.to_owned() });
    }
    violations
}

fn may_know(module: &str, path: &str) -> bool {
    let Some((layer, known)) = LAYERS.iter().find(|(layer, _)| within(module, layer)) else {
        return false;
    };
    within(path, layer) || known.iter().any(|known| within(path, known))
}

/// Whether `path` is `place` or lies in it.
fn within(path: &str, place: &str) -> bool {
    path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// The words and signs of a source file without comments, texts and characters.
fn words(source: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '/' if rest.starts_with("//") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |end| end + 2),
            '"' => text_length(rest),
            'r' if rest.starts_with("r\"") || rest.starts_with("r#\"") => raw_text_length(rest),
            // A character ends three or more bytes on; a lifetime doesn't end.
            '\'' => character_length(rest),
            ':' if rest.starts_with("::") => 2,
            _ if first.is_alphanumeric() || first == '_' => {
                rest.find(|c: char| !c.is_alphanumeric() && c != '_').unwrap_or(rest.len())
            }
            _ => first.len_utf8(),
        };
        let (word, after) = rest.split_at(length);
        if !word.starts_with(['/', '"', '\''])
            && !word.starts_with("r\"")
            && !word.starts_with("r#")
            && !first.is_whitespace()
        {
            words.push(word.to_owned());
        }
        rest = after;
    }
    words
}

fn text_length(rest: &str) -> usize {
    let mut escaped = false;
    let end = rest.char_indices().skip(1).find(|(_, c)| {
        let ends = *c == '"' && !escaped;
        escaped = *c == '\\' && !escaped;
        ends
    });
    end.map_or(rest.len(), |(index, _)| index + 1)
}

fn raw_text_length(rest: &str) -> usize {
    let end = if rest.starts_with("r#") { "\"#" } else { "\"" };
    let start = rest.find('"').unwrap_or(0) + 1;
    rest[start..].find(end).map_or(rest.len(), |index| start + index + end.len())
}

fn character_length(rest: &str) -> usize {
    let inner = &rest[1..];
    let length = if let Some(escape) = inner.strip_prefix('\\') {
        escape.chars().next().map_or(0, |c| 1 + c.len_utf8())
    } else {
        inner.chars().next().map_or(0, char::len_utf8)
    };
    // `'\u{1F510}'` is longer than its second character.
    if inner.starts_with("\\u") {
        return inner.find('\'').map_or(rest.len(), |end| end + 2);
    }
    if inner[length..].starts_with('\'') { length + 2 } else { 1 }
}

/// Every path that the file names, from `crate` on, `super` and groups resolved; those of other crates as they are.
fn paths(module: &str, words: &[String]) -> Vec<String> {
    let mut found = Vec::new();
    let mut inline: Vec<(String, usize)> = Vec::new();
    let mut depth = 0;
    let mut index = 0;
    while index < words.len() {
        match words[index].as_str() {
            "{" => depth += 1,
            "}" => {
                depth -= 1;
                inline.pop_if(|(_, opened)| *opened == depth);
            }
            "mod" if words.get(index + 2).is_some_and(|word| word == "{") => {
                inline.push((words[index + 1].clone(), depth));
            }
            word if words.get(index + 1).is_some_and(|next| next == "::") && !continues(words, index) => {
                let here = inline.iter().fold(module.to_owned(), |path, (name, _)| format!("{path}::{name}"));
                let start = match word {
                    "super" => parent(&here),
                    "self" => format!("crate::{here}"),
                    other => other.to_owned(),
                };
                index = path_from(&here, start, words, index + 1, &mut found);
                continue;
            }
            _ => {}
        }
        index += 1;
    }
    found
}

/// Whether the word at `index` is the middle of a path.
fn continues(words: &[String], index: usize) -> bool {
    index > 0 && words[index - 1] == "::"
}

fn parent(module: &str) -> String {
    module.rsplit_once("::").map_or("crate".to_owned(), |(parent, _)| format!("crate::{parent}"))
}

/// Follows a path whose first part is `start` from the `::` at `index` on; returns the index of the first word after it.
fn path_from(here: &str, start: String, words: &[String], mut index: usize, found: &mut Vec<String>) -> usize {
    let mut path = start;
    while words.get(index).is_some_and(|word| word == "::") {
        match words.get(index + 1).map(String::as_str) {
            Some("{") => return group_from(here, &path, words, index + 2, found),
            Some("super") => path = parent(path.strip_prefix("crate::").unwrap_or("")),
            Some(word) if word.starts_with(|c: char| c.is_alphanumeric() || c == '_') => {
                path = format!("{path}::{word}")
            }
            // A generic argument or a glob: the path is known by now.
            _ => break,
        }
        index += 2;
    }
    found.push(path);
    index
}

/// Follows each path of a `{…}` group.
fn group_from(here: &str, prefix: &str, words: &[String], mut index: usize, found: &mut Vec<String>) -> usize {
    while let Some(word) = words.get(index) {
        match word.as_str() {
            "}" => return index + 1,
            "," | "*" | "as" => index += 1,
            "self" => {
                found.push(prefix.to_owned());
                index += 1;
            }
            name => index = path_from(here, format!("{prefix}::{name}"), words, index + 1, found),
        }
    }
    index
}

/// Every source file with its module's path.
fn sources() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut directories = vec![root.clone()];
    let mut sources = Vec::new();
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push((module_of(path.strip_prefix(&root).unwrap()), std::fs::read_to_string(&path).unwrap()));
            }
        }
    }
    sources
}

fn module_of(file: &Path) -> String {
    let path: PathBuf = if file.file_name().is_some_and(|name| name == "mod.rs") {
        file.parent().unwrap().to_owned()
    } else {
        file.with_extension("")
    };
    path.to_str().unwrap().replace('/', "::")
}

#[test]
fn dependencies_point_down_only() {
    let sources = sources();
    assert!(sources.len() > 40, "only {} files were found", sources.len());
    let violations: Vec<_> = sources.iter().flat_map(|(module, source)| check(module, source)).collect();
    assert!(violations.is_empty(), "{violations:#?}");
}

#[test]
fn every_module_belongs_to_a_layer() {
    for (module, _) in sources() {
        assert!(LAYERS.iter().any(|(layer, _)| within(&module, layer)), "{module} belongs to no layer");
    }
}

/// The paths that `source`, as this module, may not name.
fn refused(module: &str, source: &str) -> Vec<String> {
    check(module, source).iter().map(|violation| format!("{violation:?}")).collect()
}

#[test]
fn crypto_that_knows_the_vault_is_found() {
    let found = refused("crypto::digest", "use crate::vault::Pin;");
    assert_eq!(found, ["crypto::digest may not know vault::Pin"]);
}

#[test]
fn a_vault_that_knows_a_backend_is_found() {
    let found = refused("vault::image", "fn f() { crate::backend::open_all(); }");
    assert_eq!(found, ["vault::image may not know backend::open_all"]);
}

#[test]
fn a_backend_that_knows_a_front_end_is_found() {
    assert_eq!(refused("backend::local", "use crate::pkcs11::error;"), ["backend::local may not know pkcs11::error"]);
    let found = refused("backend::local", "use cryptoki_sys::CK_RV;");
    assert_eq!(found, ["backend::local may not use the crate cryptoki_sys"]);
}

#[test]
fn a_front_end_that_knows_a_backends_inside_is_found() {
    for module in ["pkcs11::slot", "cli::init"] {
        let source = "use crate::{backend::{self, local::seal, open_all}, vault};";
        let expected = ["backend", "backend::local::seal"].map(|path| format!("{module} may not know {path}"));
        assert_eq!(refused(module, source), expected);
    }
}

#[test]
fn a_front_end_that_knows_the_other_is_found() {
    assert_eq!(refused("pkcs11::abi", "use crate::cli;"), ["pkcs11::abi may not know cli"]);
    assert_eq!(refused("cli::key", "use crate::pkcs11::session;"), ["cli::key may not know pkcs11::session"]);
    assert_eq!(refused("cli::pkcs11", "use crate::pkcs11::mechanism::TABLE;"), Vec::<String>::new());
}

#[test]
fn a_store_that_knows_the_seal_is_found() {
    let found = refused("backend::local::store::sqlite", "use super::super::seal::Sealed;");
    assert_eq!(found, ["backend::local::store::sqlite may not know backend::local::seal::Sealed"]);
    let found = refused("backend::local::write", "use rusqlite::Connection;");
    assert_eq!(found, ["backend::local::write may not use the crate rusqlite"]);
}

#[test]
fn configuration_and_system_that_know_more_than_they_may_are_found() {
    assert_eq!(refused("config", "use crate::vault::Name;"), ["config may not know vault::Name"]);
    assert_eq!(refused("sys::fork", "use crate::config::Config;"), ["sys::fork may not know config::Config"]);
}

#[test]
fn unsafe_outside_its_three_places_is_found() {
    let source = "fn f() { unsafe { g() } }";
    assert_eq!(refused("backend::local", source), ["backend::local may not contain unsafe code"]);
    for place in ["sys::memory", "pkcs11::abi::output", "crypto::aws_lc_raw::rsa"] {
        assert_eq!(refused(place, source), Vec::<String>::new());
    }
}

#[test]
fn certificates_that_know_a_front_end_or_a_backend_are_found() {
    assert_eq!(
        refused("certificate::make", "use crate::server::call;"),
        ["certificate::make may not know server::call"]
    );
    assert_eq!(refused("certificate", "use crate::backend::open_all;"), ["certificate may not know backend::open_all"]);
}

#[test]
fn what_is_only_said_is_no_arrow() {
    let source = "// crate::cli\n/* crate::cli */ const A: &str = \"crate::cli unsafe\"; const B: char = '\"'; /// crate::cli\n\
                  #![deny(unsafe_code)] fn f<'a>(x: &'a str) { r#\"crate::cli\"#; }";
    assert_eq!(refused("crypto", source), Vec::<String>::new());
}

#[test]
fn a_path_upwards_is_followed_out_of_inline_modules() {
    let source = "mod tests { use super::super::super::cli::run; } use super::super::vault;";
    assert_eq!(refused("sys::file", source), ["sys::file may not know cli::run", "sys::file may not know vault"]);
}
