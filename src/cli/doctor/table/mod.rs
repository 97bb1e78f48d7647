//! The table of checks: what is looked at, how a program complains when it is wrong, what is then said, and the command
//! that mends it. The report and `docs/troubleshooting.md` are both made from it.
//!
//! Findings and remedies are templates: `{file}` stands for a value that the check fills in. In a remedy every value is
//! quoted for a shell, so that the command can be copied as it is.

/// The command that puts a PIN that is typed into a file, and what follows it. Where nothing is typed nothing is done;
/// what lies there keeps its owner and mode; the shell shows the PIN to no other process.
macro_rules! typed {
    ($file:literal $(, $then:literal)?) => {
        typed!(@ "", "'%s\\n'", $file $(, $then)?)
    };
    (@ $first:literal, $format:literal, $file:literal $(, $then:literal)?) => {
        concat!(
            "(umask 077; IFS= read -r pin && [ -n \"$pin\" ] && ", $first, "printf ", $format, " \"$pin\" > ", $file,
            ")" $(, $then)?
        )
    };
}

/// The same without a line's end, which OpenSSL takes for a part of the PIN.
macro_rules! typed_bare {
    ($file:literal) => {
        typed!(@ "", "%s", $file)
    };
}

/// The same in a folder that may not be there.
macro_rules! typed_in_folder {
    ($file:literal, $then:literal) => {
        typed!(@ "mkdir -p -m 755 {pin-folder} && ", "'%s\\n'", $file, $then)
    };
}

mod clients;
mod host;
mod nginx;
mod remote;
mod vault;

/// What a check belongs to; the order of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Area {
    /// The configuration file, PIN files, the environment.
    Configuration,
    /// The vault's directory and what is in it.
    Vault,
    /// `libstrongroom.so`.
    Module,
    /// p11-kit, through which GnuTLS and others find modules.
    P11Kit,
    /// OpenSSL's engine and provider.
    OpenSsl,
    /// nginx's own configuration.
    Nginx,
    /// The machine around it.
    Machine,
}

impl Area {
    /// Every area in order.
    pub const ALL: [Self; 7] =
        [Self::Configuration, Self::Vault, Self::Module, Self::P11Kit, Self::OpenSsl, Self::Nginx, Self::Machine];

    /// Its heading.
    pub fn name(self) -> &'static str {
        match self {
            Self::Configuration => "Configuration",
            Self::Vault => "Vault",
            Self::Module => "Module",
            Self::P11Kit => "p11-kit",
            Self::OpenSsl => "OpenSSL",
            Self::Nginx => "nginx",
            Self::Machine => "Machine",
        }
    }
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something that works, but will not for long or is less safe than it looks.
    Warning,
    /// Something doesn't work, or keys are open to others.
    Fault,
}

impl Level {
    /// In a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Warning => "warning",
            Self::Fault => "fault",
        }
    }
}

/// One line of the table.
#[derive(Debug)]
pub struct Check {
    /// Its name, for programs.
    pub id: &'static str,
    /// Where it belongs.
    pub area: Area,
    /// How bad it is when it fails.
    pub level: Level,
    /// What holds when it doesn't fail.
    pub holds: &'static str,
    /// What programs say of it, `…` for anything; in parentheses what one sees of it.
    pub symptoms: &'static [&'static str],
    /// What is wrong.
    pub finding: &'static str,
    /// The command that mends it; where it depends on more, the check chooses one of them.
    pub remedies: &'static [&'static str],
}

/// Every check, in the order of the areas.
pub fn all() -> impl Iterator<Item = &'static Check> {
    host::CONFIGURATION
        .iter()
        .chain(vault::CHECKS)
        .chain(remote::CHECKS)
        .chain(clients::MODULE)
        .chain(clients::P11_KIT)
        .chain(clients::OPENSSL)
        .chain(nginx::CHECKS)
        .chain(host::MACHINE)
}

/// The check that is called so.
pub(super) fn check(id: &str) -> &'static Check {
    // Ids are literals in this folder, and a test runs through them all.
    all().find(|check| check.id == id).unwrap_or_else(|| unreachable!("{id} stands in the table"))
}

/// A value for a template: one word, or pieces of a command that are quoted already.
pub(super) enum Value {
    Word(String),
    Command(String),
}

/// Values by their names.
pub(super) type Values = Vec<(&'static str, Value)>;

impl Check {
    /// What is wrong, in a sentence.
    pub(super) fn sentence(&self, values: &Values) -> String {
        fill(self.finding, values, str::to_owned)
    }

    /// The first command for which every value is there.
    pub(super) fn remedy(&self, values: &Values) -> Option<String> {
        let known = |template: &&&str| {
            let complete = std::cell::Cell::new(true);
            substitute(template, |name| {
                complete.set(complete.get() && values.iter().any(|(known, _)| *known == name));
                String::new()
            });
            complete.get()
        };
        self.remedies.iter().find(known).map(|template| fill(template, values, super::shell::quote))
    }
}

/// The template with its values; `quote` is done to each word.
fn fill(template: &str, values: &Values, quote: impl Fn(&str) -> String) -> String {
    substitute(template, |name| match values.iter().find(|(known, _)| *known == name) {
        Some((_, Value::Word(word))) => quote(word),
        Some((_, Value::Command(command))) => command.clone(),
        // A value that isn't there shows: better than a sentence that says something else.
        None => placeholder(name),
    })
}

/// The template as documentation shows it: `{file}` as `FILE`.
pub fn shown(template: &str) -> String {
    substitute(template, placeholder)
}

fn placeholder(name: &str) -> String {
    match name {
        // Options that are there or not.
        "renew" => "[--renew]".to_owned(),
        "san" => "[--san NAMES]".to_owned(),
        "own" => "[&& chown USER: FILE]".to_owned(),
        "new-pin" => "[--new-pin-file PIN_FILE]".to_owned(),
        "ca" => "[How the site goes on while a CA has the request.]".to_owned(),
        "keep" => "[cp -p --backup=numbered CERTIFICATE_FILE CERTIFICATE_FILE.old &&]".to_owned(),
        name => name.to_uppercase().replace('-', "_"),
    }
}

/// Replaces each `{name}`; other braces stay. Where the value is nothing, so is the blank before it, at the
/// beginning the one after it.
fn substitute(template: &str, value: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    let mut rest = template;
    while let Some(start) = rest.find('{') {
        text.push_str(&rest[..start]);
        let inner = &rest[start + 1..];
        let end = inner.find('}').filter(|end| {
            *end > 0 && inner[..*end].bytes().all(|letter| letter.is_ascii_lowercase() || letter == b'-')
        });
        match end {
            Some(end) => {
                let value = value(&inner[..end]);
                rest = &inner[end + 1..];
                if value.is_empty() && text.ends_with(' ') {
                    text.pop();
                } else if value.is_empty() && text.is_empty() {
                    rest = rest.strip_prefix(' ').unwrap_or(rest);
                }
                text.push_str(&value);
            }
            None => {
                text.push('{');
                rest = inner;
            }
        }
    }
    text.push_str(rest);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_check_has_an_id_of_its_own_and_a_remedy_and_stands_in_its_area() {
        let mut ids: Vec<&str> = all().map(|check| check.id).collect();
        let count = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), count);
        assert!(all().all(|check| !check.remedies.is_empty()));
        assert!(all().all(|check| check.finding.ends_with(['.', ')', '}'])), "a finding is a sentence");
        assert!(all().is_sorted_by_key(|check| check.area));
    }

    #[test]
    fn every_check_is_made_somewhere_and_every_finding_stands_in_the_table() {
        let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("src/cli/doctor");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let sources = files.filter(|path| path.is_file()).map(|path| std::fs::read_to_string(path).unwrap());
        let source: String = sources.collect();
        for check in all() {
            assert!(source.contains(&format!("{:?}", check.id)), "{} is never made", check.id);
        }
        for id in source.split("finding(\"").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(all().any(|check| check.id == id), "{id} stands in no table");
        }
    }

    #[test]
    fn the_command_is_the_first_one_whose_values_are_known() {
        let check = check("module-missing");
        let mut values = vec![("file", Value::Word("/lib/a".to_owned()))];
        assert_eq!(check.remedy(&values).as_deref(), Some("apt-get install --reinstall strongroom"));
        values.push(("found", Value::Word("/b c".to_owned())));
        assert_eq!(check.remedy(&values).as_deref(), Some("install -D -m 755 '/b c' /lib/a"));
    }

    #[test]
    fn a_template_takes_its_values_quoted_and_shows_what_is_missing() {
        let values = vec![("file", Value::Word("/a b".to_owned()))];
        let text = fill("x {file} {more} ${EDITOR:-vi} {}", &values, super::super::shell::quote);
        assert_eq!(text, "x '/a b' MORE ${EDITOR:-vi} {}");
        let values = vec![("renew", Value::Command(String::new()))];
        assert_eq!(fill("create {renew} --key", &values, str::to_owned), "create --key");
        assert_eq!(shown("create {renew} --key"), "create [--renew] --key");
        assert_eq!(shown("chmod {mode} {new-file}"), "chmod MODE NEW_FILE");
    }
}
