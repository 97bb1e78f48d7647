//! `libstrongroom.so`: where it is, whether everybody may read it, whether it loads and is of this release.
//!
//! It is loaded by a process of its own, a second `strongroom`, because a broken library can end the process that loads
//! it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};

use super::super::{Error, Result};
use super::file::{self, Seen};
use super::report::finding;
use super::table::Area;
use super::{Examination, openssl, shell};
use crate::sys::user::{self, Access, User};

const FILE_CHECKS: &[&str] = &["module-missing", "module-mode"];
const LOAD_CHECKS: &[&str] = &["module-broken", "module-foreign", "module-version"];

/// What the module's file is called.
pub(super) const FILE: &str = "libstrongroom.so";

/// A module that is ours, of this release or another.
pub(super) struct Module {
    pub path: PathBuf,
}

/// The module that is named, else the first one that is installed.
pub(super) fn examine(examination: &mut Examination) -> Option<Module> {
    let installed = installed();
    let named = examination.arguments.module.clone().and_then(|path| std::path::absolute(path).ok());
    let by_clients = || openssl::module_paths().into_iter().filter(|path| path.is_file() && path.ends_with(FILE));
    let path = named.clone().or_else(|| installed.first().cloned()).or_else(|| by_clients().next());
    let path = path.unwrap_or_else(usual_place);
    let found = installed.into_iter().chain(by_clients()).chain(beside_this_program()).find(|other| *other != path);
    let found = found.map(|found| found.display().to_string());
    if !path.is_file() {
        let missing = finding("module-missing").with("file", path.display());
        examination.report.found(missing.maybe("found", found));
        return None;
    }
    examination.report.fact(Area::Module, path.display().to_string());
    examination.report.looked(FILE_CHECKS);
    examine_reach(examination, &path);
    match probe(&path) {
        Probe::Ours(version) if version == own_version() => {}
        Probe::Ours(version) => {
            let other = finding("module-version").with("file", path.display()).with("version", version);
            examination.report.found(other.with("own", own_version()).maybe("found", found));
        }
        Probe::Foreign(description) => {
            let foreign = finding("module-foreign").with("file", path.display()).with("description", description);
            examination.report.found(foreign.maybe("found", found));
            return None;
        }
        Probe::Broken(problem) => {
            let broken = finding("module-broken").with("file", path.display()).with("problem", problem);
            examination.report.found(broken.maybe("found", found));
            return None;
        }
    }
    examination.report.looked(LOAD_CHECKS);
    Some(Module { path })
}

/// Where somebody puts it who builds it.
pub(super) fn usual_place() -> PathBuf {
    Path::new("/usr/local/lib").join(FILE)
}

/// Whether other users can read it: the service's, else nobody in particular.
fn examine_reach(examination: &mut Examination, path: &Path) {
    let user = examination.service_user().cloned().or_else(|| User::named("nobody"));
    let Some(user) = user else { return };
    match user::may(&user, &[(path, Access::Read)]) {
        Ok(answers) if answers == [true] => {}
        Ok(_) => {
            let closed = closed_to(&user, path);
            let paths = shell::quote_all(closed.iter().map(String::as_str));
            let found = finding("module-mode").with("file", path.display()).with("user", &user.name);
            examination.report.found(found.with_command("paths", paths));
        }
        // Without root's rights only the modes can be read.
        Err(_) if is_open(path) => {}
        Err(_) => {
            let found = finding("module-mode").with("file", path.display()).with("user", "another user");
            examination.report.found(found.with_command("paths", shell::quote(&path.display().to_string())));
        }
    }
}

/// The file and each directory on the way to it that the user can't read.
fn closed_to(user: &User, path: &Path) -> Vec<String> {
    let real = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let mut closed: Vec<&Path> = real
        .ancestors()
        .filter(|place| {
            Seen::behind(place).is_some_and(|seen| seen.mode() & if seen.is_directory() { 1 } else { 4 } == 0)
        })
        .collect();
    closed.reverse();
    if closed.is_empty() && !user.is_this_process() {
        closed.push(path);
    }
    closed.into_iter().map(|place| place.display().to_string()).collect()
}

fn is_open(path: &Path) -> bool {
    Seen::behind(path).is_some_and(|seen| seen.mode() & 0o004 != 0)
}

/// Where packages and people put it, in the order in which it is looked for.
fn installed() -> Vec<PathBuf> {
    let mut places: Vec<PathBuf> = Vec::new();
    for library in file::files_in(Path::new("/usr/lib")).into_iter().filter(|path| path.is_dir()) {
        places.extend([library.join("pkcs11"), library]);
    }
    places.extend(["/usr/lib/pkcs11", "/usr/lib", "/usr/lib64/pkcs11", "/usr/lib64"].map(PathBuf::from));
    places.extend(["/usr/local/lib/pkcs11", "/usr/local/lib"].map(PathBuf::from));
    places.iter().map(|place| place.join(FILE)).filter(|path| path.is_file()).collect()
}

/// Where a build leaves it.
fn beside_this_program() -> Vec<PathBuf> {
    let Some(directory) = std::env::current_exe().ok().and_then(|path| path.parent().map(Path::to_owned)) else {
        return Vec::new();
    };
    let places = [directory.join(FILE), directory.join("../lib").join(FILE), directory.join("../module").join(FILE)];
    places.into_iter().filter(|path| path.is_file()).collect()
}

/// What became of loading a library.
pub(super) enum Probe {
    Ours(String),
    Foreign(String),
    Broken(String),
}

/// Loads a library in a process of its own.
pub(super) fn probe(path: &Path) -> Probe {
    let Ok(program) = std::env::current_exe() else { return Probe::Broken("this program has no path".into()) };
    let output = Command::new(program)
        .args(["doctor", "--load-module"])
        .arg(path)
        // No configuration: a broken one must not be taken for a broken module.
        .env("STRONGROOM_VAULT", "/nonexistent/vault")
        .env_remove("STRONGROOM_LOG")
        .stdin(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            let text = String::from_utf8_lossy(&output.stdout).into_owned();
            match text.trim().split_once(' ') {
                Some((version, OUR_MANUFACTURER)) => Probe::Ours(version.to_owned()),
                Some((_, manufacturer)) => Probe::Foreign(format!("one of {manufacturer}")),
                None => Probe::Broken("it says nothing of itself".into()),
            }
        }
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let text = text.trim().trim_start_matches("strongroom: ").trim_end_matches('.');
            Probe::Broken(if text.is_empty() { output.status.to_string() } else { text.to_owned() })
        }
        Err(error) => Probe::Broken(error.to_string()),
    }
}

const OUR_MANUFACTURER: &str = "Strongroom";

/// As `C_GetInfo` says it.
fn own_version() -> String {
    format!("{}.{}", env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR"))
}

/// What the process does that [`probe`] starts: prints the module's version and who made it.
pub(super) fn load(path: &Path) -> Result<()> {
    let failed = |error: cryptoki::error::Error| Error::refused(reason(&error));
    let module = Pkcs11::new(path).map_err(failed)?;
    module.initialize(CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK)).map_err(failed)?;
    let info = module.get_library_info().map_err(failed)?;
    let version = info.library_version();
    println!("{}.{} {}", version.major(), version.minor(), info.manufacturer_id().trim());
    Ok(())
}

/// The loader's own words, without the crate's around them.
fn reason(error: &cryptoki::error::Error) -> String {
    match error {
        cryptoki::error::Error::LibraryLoading(error) => {
            std::error::Error::source(error).map_or_else(|| error.to_string(), ToString::to_string)
        }
        error => error.to_string(),
    }
}

/// Whether a module that a client's configuration names is ours: by its name, else by loading it.
pub(super) fn is_ours(examination: &Examination, path: &Path) -> bool {
    let same = |module: &Module| {
        let real = |path: &Path| std::fs::canonicalize(path).ok();
        real(&module.path).is_some_and(|module| Some(module) == real(path))
    };
    examination.module.as_ref().is_some_and(same) || matches!(probe(path), Probe::Ours(_))
}

/// Says that client programs weren't looked at, because there is no module.
pub(super) fn path_or(examination: &mut Examination, area: Area) -> Option<PathBuf> {
    match &examination.module {
        Some(module) => Some(module.path.clone()),
        None => {
            examination
                .report
                .left_out(area, "the module's path isn't known: mend that first, or name it with --module");
            None
        }
    }
}
