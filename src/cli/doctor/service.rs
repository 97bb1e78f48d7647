//! What nginx's service gets from systemd, where it is another environment than this one.

use std::path::Path;

use super::file;

/// Unit files and what is put beside them, the last word first.
const UNITS: &[&str] = &[
    "/etc/systemd/system/nginx.service.d",
    "/run/systemd/system/nginx.service.d",
    "/usr/lib/systemd/system/nginx.service.d",
    "/lib/systemd/system/nginx.service.d",
    "/etc/systemd/system/nginx.service",
    "/usr/lib/systemd/system/nginx.service",
    "/lib/systemd/system/nginx.service",
];

/// The variable as nginx's service has it, else as this process has it.
pub(super) fn variable(name: &str) -> Option<String> {
    of_unit(name).or_else(|| std::env::var(name).ok().filter(|value| !value.is_empty()))
}

/// The variable as nginx has it: its unit's, and this process's own where no systemd runs or a configuration is named
/// that isn't the service's.
pub(super) fn of_nginx(name: &str, is_named: bool) -> Option<String> {
    let own = is_named || !Path::new("/run/systemd/system").exists();
    of_unit(name).or_else(|| std::env::var(name).ok().filter(|value| own && !value.is_empty()))
}

/// Names of variables that a unit sets.
fn of_unit(name: &str) -> Option<String> {
    UNITS.iter().find_map(|place| {
        let place = Path::new(place);
        let files = if place.is_dir() { file::files_in(place) } else { vec![place.to_owned()] };
        files.iter().rev().find_map(|file| in_text(&file::text(file).ok()?, name))
    })
}

/// `Environment=` with one assignment or several, each perhaps in quotes.
fn in_text(text: &str, name: &str) -> Option<String> {
    let lines = text.lines().filter_map(|line| line.trim().strip_prefix("Environment="));
    let assignments = lines.flat_map(|line| {
        let quoted = line.split('"').enumerate();
        quoted.flat_map(|(index, part)| match index % 2 {
            0 => part.split_whitespace().collect::<Vec<_>>(),
            _ => vec![part],
        })
    });
    let values = assignments.filter_map(|assignment| assignment.strip_prefix(name)?.strip_prefix('='));
    values.last().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_units_variable_is_found_in_quotes_or_without_and_the_last_one_counts() {
        let text = "[Service]\nEnvironment=A=1 OPENSSL_CONF=/a\nEnvironment=\"B=x y\" \"OPENSSL_CONF=/b c\"\n";
        assert_eq!(in_text(text, "OPENSSL_CONF").as_deref(), Some("/b c"));
        assert_eq!(in_text(text, "A").as_deref(), Some("1"));
        assert_eq!(in_text(text, "OPENSSL"), None);
    }
}
