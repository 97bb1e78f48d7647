//! `docs/pkcs11.md`, `docs/troubleshooting.md`, `docs/server.md` and `docs/access.md` hold what the code says: their tables are
//! made from the entry points, the tables of mechanisms and attributes, `doctor`'s table of checks, the server's limits and its
//! routes. `STRONGROOM_WRITE_DOCS=1 cargo test --test
//! documentation` makes them again.

use std::fmt::Write as _;
use std::path::PathBuf;

use strongroom::cli::doctor::table::{self, Area};
use strongroom::pkcs11::attribute::{Attribute, Form, Kinds, Rule, TABLE, Unset};
use strongroom::pkcs11::mechanism;

#[test]
fn the_tables_are_current() {
    let tables = [("functions", functions()), ("mechanisms", mechanisms()), ("attributes", attributes())];
    holds("docs/pkcs11.md", &tables);
}

#[test]
fn the_page_on_troubleshooting_is_current() {
    holds("docs/troubleshooting.md", &[("checks", checks())]);
}

#[cfg(feature = "server")]
#[test]
fn the_servers_limits_are_current() {
    let mut table = String::from("| limit | | beyond it |\n|---|---|---|\n");
    for [what, limit, beyond] in strongroom::server::listen::Limits::default().table() {
        writeln!(table, "| {what} | {limit} | {beyond} |").expect("a text grows");
    }
    holds("docs/server.md", &[("limits", table)]);
}

#[cfg(feature = "server")]
#[test]
fn the_permissions_of_access_policies_are_current() {
    use strongroom::server::access::{AccessPolicy, PolicyPermission};

    let mut table = String::from("| for | permission | operations |\n|---|---|---|\n");
    for permission in PolicyPermission::all() {
        let mut policy = AccessPolicy::default();
        policy.set(permission.collection(), &[permission]);
        let allowed = policy.allowed();
        let by_it =
            strongroom::server::ROUTES.iter().filter(|route| route.permission.is_some_and(|of| allowed.contains(of)));
        let operations: Vec<String> = by_it.map(|route| format!("`{}`", route.operation)).collect();
        let (of, name) = (permission.collection().segment(), permission.name());
        writeln!(table, "| {of} | `{name}` | {} |", operations.join(", ")).expect("a text grows");
    }
    holds("docs/access.md", &[("permissions", table)]);
}

/// Each operation of the server has one line in the page on Key Vault's API, no other has one, and what each says that
/// tests it is there and makes the call.
#[test]
#[cfg(feature = "server")]
fn the_page_on_key_vaults_api_names_every_operation_and_its_test() {
    let page = std::fs::read_to_string(root().join("docs/azure-compat.md")).expect("the page");
    let section = page.split("\n## ").find(|section| section.starts_with("Operations")).expect("the section");
    let mut named = Vec::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let [_, operation, call, scripts, _] = line.split('|').collect::<Vec<_>>()[..] else { panic!("{line}") };
        named.push(operation.trim().trim_matches('`').to_owned());
        let calls: Vec<_> = call.split('`').skip(1).step_by(2).collect();
        for script in scripts.split('`').skip(1).step_by(2) {
            let path = root().join("tests/python/sdk").join(script);
            let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{script}: {error}"));
            assert!(calls.iter().any(|call| text.contains(call)), "{script} has none of {calls:?}");
        }
    }
    let mut known: Vec<_> = strongroom::server::ROUTES.iter().map(|route| route.operation.to_owned()).collect();
    named.sort();
    known.sort();
    assert_eq!(named, known);
}

/// The page with these tables in it; written anew when that is asked for.
fn holds(page: &str, tables: &[(&str, String)]) {
    let path = root().join(page);
    let kept = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{page}: {error}"));
    let made = tables.iter().fold(kept.clone(), |text, (name, table)| with_table(&text, name, table));
    if std::env::var_os("STRONGROOM_WRITE_DOCS").is_some() {
        std::fs::write(&path, made).unwrap_or_else(|error| panic!("{page}: {error}"));
        return;
    }
    assert!(
        made == kept,
        "{page} is out of date: STRONGROOM_WRITE_DOCS=1 cargo test --test documentation makes it again"
    );
}

/// The text with this table between its two marks.
fn with_table(text: &str, name: &str, table: &str) -> String {
    let (begin, end) = (format!("<!-- {name} -->\n"), format!("<!-- end of {name} -->\n"));
    let (before, rest) = text.split_once(&begin).unwrap_or_else(|| panic!("the page has no line {begin}"));
    let (_, after) = rest.split_once(&end).unwrap_or_else(|| panic!("the page has no line {end}"));
    format!("{before}{begin}\n{table}\n{end}{after}")
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// Every entry point in the order of its file, with its file's chapter.
fn functions() -> String {
    let mut files: Vec<_> = std::fs::read_dir(root().join("src/pkcs11/abi"))
        .expect("the entry points' folder")
        .map(|entry| entry.expect("an entry").path())
        .collect();
    files.sort();
    let mut table = String::from("| function | |\n|---|---|\n");
    let (mut done, mut all) = (0, 0);
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a source file");
        let mut documentation = String::new();
        for line in source.lines() {
            if let Some(text) = line.strip_prefix("/// ") {
                documentation = text.to_owned();
            } else if let Some(rest) = line.strip_prefix("pub unsafe extern \"C\" fn ") {
                let name = rest.split('(').next().expect("a name").to_owned();
                let supported = !source.contains(&format!("call!({name}, unsupported)"));
                all += 1;
                done += usize::from(supported);
                let what = if supported { documentation.as_str() } else { "`CKR_FUNCTION_NOT_SUPPORTED`" };
                writeln!(table, "| `{name}` | {what} |").expect("a string");
            }
        }
    }
    assert_eq!(all, 104, "every function of the newest list is an entry point");
    format!("{done} of {all} functions are done; the others answer `CKR_FUNCTION_NOT_SUPPORTED`.\n\n{table}")
}

fn mechanisms() -> String {
    let mut table = String::from("| mechanism | keys | sizes | functions |\n|---|---|---|---|\n");
    for mechanism in mechanism::table() {
        let sizes = match mechanism.sizes {
            (0, 0) => String::new(),
            (smallest, largest) => format!("{smallest}–{largest}"),
        };
        let (keys, functions) = (mechanism.keys.name().unwrap_or_default(), mechanism.functions());
        writeln!(table, "| `{}` | {keys} | {sizes} | {} |", mechanism.name, functions.join(", ")).expect("a string");
    }
    table
}

/// What `doctor` checks, by area: what programs say, what is wrong, what mends it.
fn checks() -> String {
    let mut text = String::new();
    let code = |pieces: &[&str]| {
        let shown = |piece: &&str| match piece.strip_prefix('(') {
            Some(seen) => seen.trim_end_matches(')').to_owned(),
            None => format!("`` {} ``", piece.replace('|', "\\|")),
        };
        pieces.iter().map(shown).collect::<Vec<_>>().join("<br>")
    };
    for area in Area::ALL {
        let name = area.name();
        write!(text, "### {name}\n\n| programs say | what is wrong | what mends it | check: what must hold |\n|---|---|---|---|\n")
            .expect("a string");
        for check in table::all().filter(|check| check.area == area) {
            let remedies: Vec<String> = check.remedies.iter().map(|remedy| table::shown(remedy)).collect();
            let remedies: Vec<&str> = remedies.iter().map(String::as_str).collect();
            let finding = table::shown(check.finding).replace('|', "\\|");
            let warning = if check.level == table::Level::Warning { " (warning)" } else { "" };
            writeln!(
                text,
                "| {} | {finding} | {} | `{}`{warning}: {} |",
                code(check.symptoms),
                code(&remedies),
                check.id,
                check.holds
            )
            .expect("a string");
        }
        text.push('\n');
    }
    text.trim_end().to_owned() + "\n"
}

fn attributes() -> String {
    let mut table = String::from(
        "| attribute | objects | value | create | generate | unwrap, derive | copy | set | unset |\n\
         |---|---|---|---|---|---|---|---|---|\n",
    );
    // Lines without a kind only keep an attribute out.
    for row in TABLE.iter().filter(|row| !row.kinds.is_empty()) {
        let rules: Vec<_> = row.rules.iter().map(rule).collect();
        let sensitive = if row.sensitive { ", sensitive" } else { "" };
        writeln!(
            table,
            "| `{}` | {} | {}{sensitive} | {} | {} |",
            row.name,
            kinds(row),
            form(row.form),
            rules.join(" | "),
            unset(row.unset)
        )
        .expect("a string");
    }
    table
}

fn kinds(row: &Attribute) -> String {
    if row.kinds == Kinds::all() {
        return "all".into();
    }
    row.kinds.iter_names().map(|(name, _)| name.to_lowercase().replace('_', " ")).collect::<Vec<_>>().join(", ")
}

fn form(form: Form) -> String {
    match form {
        Form::Bool => "boolean".into(),
        Form::Ulong => "number".into(),
        Form::UlongArray => "numbers".into(),
        Form::AttributeArray => "template".into(),
        Form::Date => "date".into(),
        _ => "bytes".into(),
    }
}

fn rule(rule: &Rule) -> &'static str {
    match rule {
        Rule::Must => "must",
        Rule::May => "may",
        Rule::Never => "–",
        Rule::Raise => "to true",
        Rule::Lower => "to false",
        Rule::Officer => "officer",
    }
}

fn unset(unset: Unset) -> String {
    match unset {
        Unset::Empty => "empty".into(),
        Unset::False => "false".into(),
        Unset::True => "true".into(),
        Unset::Number(number) => number.to_string(),
        Unset::Derived => "always has a value".into(),
        Unset::Absent => "absent".into(),
    }
}
