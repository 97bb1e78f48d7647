//! p11-kit: whether one of its `.module` files names the module, rightly, and nothing turns it off.
//!
//! Its files are `NAME.module` in three directories; a user's settings go before the system's, and those before the
//! packages' (pkcs11.conf(5)).

use std::path::{Path, PathBuf};

use super::report::finding;
use super::table::Area;
use super::{Examination, file, module, shell};
use crate::sys::env;

const CHECKS: &[&str] = &["p11-kit-path", "p11-kit-trust-policy", "p11-kit-disabled"];

const PACKAGES: &str = "/usr/share/p11-kit/modules";
const SYSTEM: &str = "/etc/pkcs11/modules";

/// What our file is called, where we name one.
const FILE: &str = "strongroom.module";

/// A line `name: value`.
struct Setting {
    file: PathBuf,
    line: usize,
    name: String,
    value: String,
}

pub(super) fn examine(examination: &mut Examination) {
    if ![PACKAGES, "/etc/pkcs11"].iter().any(|place| Path::new(place).exists()) {
        return examination.report.left_out(Area::P11Kit, "p11-kit isn't installed");
    }
    examination.report.looked(&["p11-kit-unregistered"]);
    let user = user_directory();
    let directories = [user.as_ref().map(|base| base.join("modules")), Some(SYSTEM.into()), Some(PACKAGES.into())];
    let settings: Vec<Setting> = directories.iter().flatten().flat_map(|directory| settings_in(directory)).collect();
    let ours: Vec<&Setting> = settings.iter().filter(|setting| of_ours(&settings, &setting.file)).collect();
    match ours.iter().find(|setting| setting.name == "module") {
        None => unregistered(examination),
        Some(setting) => {
            examination.report.looked(CHECKS);
            module_file(examination, setting);
        }
    }
    for setting in &ours {
        policy(examination, setting);
    }
    user_mode(examination, &ours, user.as_deref());
}

/// `XDG_CONFIG_HOME`, else `.config` in the home directory. Root has none: p11-kit doesn't read it there.
fn user_directory() -> Option<PathBuf> {
    if env::effective_uid() == 0 {
        return None;
    }
    let variable = |name| env::variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = || variable(c"HOME").or_else(|| env::home_of(env::effective_uid())).map(|home| home.join(".config"));
    variable(c"XDG_CONFIG_HOME").or_else(home).map(|base| base.join("pkcs11"))
}

fn settings_in(directory: &Path) -> Vec<Setting> {
    let modules = file::files_in(directory).into_iter();
    modules
        .filter(|path| path.extension().is_some_and(|ending| ending == "module"))
        .flat_map(|path| settings(&path))
        .collect()
}

fn settings(path: &Path) -> Vec<Setting> {
    let text = file::text(path).unwrap_or_default();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#'));
    lines
        .filter_map(|(index, line)| {
            let (name, value) = line.split_once(':')?;
            let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
            Some(Setting { file: path.to_owned(), line: index + 1, name, value })
        })
        .collect()
}

/// Whether the file is about our module: by its own name, or by the module that it names.
fn of_ours(settings: &[Setting], path: &Path) -> bool {
    let named = |name: Option<&std::ffi::OsStr>| {
        settings.iter().any(|setting| {
            setting.file.file_name() == name
                && setting.name == "module"
                && Path::new(&setting.value).file_name().is_some_and(|name| name == module::FILE)
        })
    };
    path.file_name().is_some_and(|name| name == FILE) || named(path.file_name())
}

fn unregistered(examination: &mut Examination) {
    let Some(path) = module::path_or(examination, Area::P11Kit) else { return };
    let found = finding("p11-kit-unregistered")
        .with("file", Path::new(SYSTEM).join(FILE).display())
        .with("line", format!("module: {}", path.display()));
    examination.report.found(found);
}

fn module_file(examination: &mut Examination, setting: &Setting) {
    // An empty one turns the module off.
    if setting.value.is_empty() {
        return disabled(examination, setting, &shell::delete(setting.line));
    }
    if absolute(&setting.value).is_some() {
        return;
    }
    let Some(path) = module::path_or(examination, Area::P11Kit) else { return };
    let edit = shell::change(setting.line, &format!("module: {}", path.display()));
    let found = finding("p11-kit-path").with("file", setting.file.display()).with("module", &setting.value);
    examination.report.found(found.with("edit", edit));
}

/// The module's file, if it is there; a relative path starts at the machine's directory of modules.
fn absolute(value: &str) -> Option<PathBuf> {
    let path = Path::new(value);
    if path.is_absolute() {
        return Some(path.to_owned()).filter(|path| path.is_file());
    }
    let libraries = file::files_in(Path::new("/usr/lib")).into_iter().chain(["/usr/lib".into(), "/usr/lib64".into()]);
    libraries.map(|library| library.join("pkcs11").join(path)).find(|path| path.is_file())
}

fn policy(examination: &mut Examination, setting: &Setting) {
    match setting.name.as_str() {
        "trust-policy" if setting.value == "yes" => {
            let edit = shell::change(setting.line, "trust-policy: no");
            let found = finding("p11-kit-trust-policy").with("file", setting.file.display());
            examination.report.found(found.with("edit", edit));
        }
        // Programs that are excluded, or the only ones that are not.
        "enable-in" | "disable-in" => disabled(examination, setting, &shell::delete(setting.line)),
        _ => {}
    }
}

fn disabled(examination: &mut Examination, setting: &Setting, edit: &str) {
    let found = finding("p11-kit-disabled")
        .with("file", setting.file.display())
        .with("line", format!("{}: {}", setting.name, setting.value))
        .with("edit", edit);
    examination.report.found(found);
}

/// `user-config` decides whose files count: `only` the user's, or `none` of them.
fn user_mode(examination: &mut Examination, ours: &[&Setting], user: Option<&Path>) {
    let system = settings(Path::new("/etc/pkcs11/pkcs11.conf"));
    let users = user.map(|base| settings(&base.join("pkcs11.conf"))).unwrap_or_default();
    let mode = |settings: &[Setting]| settings.iter().rposition(|setting| setting.name == "user-config");
    let chosen = mode(&users).map(|at| &users[at]).or_else(|| mode(&system).map(|at| &system[at]));
    let Some(chosen) = chosen else { return };
    let in_users = |setting: &&&Setting| user.is_some_and(|base| setting.file.starts_with(base));
    let hidden = match chosen.value.as_str() {
        "only" => !ours.is_empty() && ours.iter().filter(in_users).count() == 0,
        "none" => !ours.is_empty() && ours.iter().all(|setting| in_users(&setting)),
        _ => false,
    };
    if hidden {
        disabled(examination, chosen, &shell::change(chosen.line, "user-config: merge"));
    }
}
