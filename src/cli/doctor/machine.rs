//! The machine around it: what the service's user can reach, other processes' memory, AppArmor.

use std::path::{Path, PathBuf};

use super::report::finding;
use super::table::Area;
use super::{Examination, file, shell};
use crate::sys::user::{self, Access};

pub(super) fn examine(examination: &mut Examination) {
    service_user(examination);
    ptrace(examination);
    apparmor(examination);
}

/// Without nginx, whose workers must not, the service's user opens the vault itself.
fn service_user(examination: &mut Examination) {
    let Some(name) = examination.arguments.user.clone() else { return };
    examination.report.looked(&["user-unknown"]);
    let Some(user) = examination.service_user().cloned() else {
        return examination.report.found(finding("user-unknown").with("user", name));
    };
    if examination.arguments.nginx.is_some() {
        return;
    }
    let (vaults, needed) = needed(examination);
    let questions: Vec<(&Path, Access)> =
        vaults.iter().chain(&needed).map(|path| (path.as_path(), Access::Read)).collect();
    let Ok(answers) = user::may(&user, &questions) else {
        return examination
            .report
            .left_out(Area::Machine, format!("what {name} can reach wasn't looked at: that needs root"));
    };
    examination.report.looked(&["user-cannot-reach"]);
    let mut handed: Vec<&Path> = Vec::new();
    for (index, ((path, _), _)) in questions.iter().zip(answers).enumerate().filter(|(_, (_, reached))| !reached) {
        // What lies in a directory is handed over with it.
        if !path.exists() || handed.iter().any(|directory| path.starts_with(directory)) {
            continue;
        }
        handed.extend((index < vaults.len()).then_some(*path));
        let found = finding("user-cannot-reach").with("file", path.display());
        // What is secret becomes theirs, the rest everybody's.
        let owner = Some(&user.name).filter(|_| index < vaults.len());
        examination.report.found(found.with("user", &user.name).maybe("owner", owner));
    }
}

/// What a service needs: secret files, and those that everybody may read.
fn needed(examination: &Examination) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let mut vaults: Vec<PathBuf> = Vec::new();
    for vault in &examination.vaults {
        vaults.extend([vault.directory().to_owned(), vault.directory().join("vault.db")]);
        vaults.extend(vault.config.unlock_file.clone());
    }
    let module = examination.module.as_ref().map(|module| module.path.clone());
    (vaults, examination.source.clone().into_iter().chain(module).collect())
}

fn ptrace(examination: &mut Examination) {
    let Ok(scope) = std::fs::read_to_string("/proc/sys/kernel/yama/ptrace_scope") else {
        return examination.report.left_out(Area::Machine, "this kernel has no kernel.yama.ptrace_scope");
    };
    examination.report.looked(&["ptrace-scope"]);
    if scope.trim() == "0" {
        examination.report.found(finding("ptrace-scope"));
    }
}

/// A profile for nginx that is enforced, whose file doesn't speak of the vault.
fn apparmor(examination: &mut Examination) {
    let Ok(profiles) = std::fs::read_to_string("/sys/kernel/security/apparmor/profiles") else { return };
    let Some(profile) = enforced(&profiles) else { return };
    examination.report.looked(&["apparmor"]);
    let directories: Vec<PathBuf> = examination.vaults.iter().map(|vault| vault.directory().to_owned()).collect();
    let Some((file, text)) = profile_file(&profile) else { return };
    for directory in directories.iter().filter(|directory| !speaks_of(&text, directory)) {
        let directory = directory.display();
        let mut rules = vec![format!("{directory}/ r,"), format!("{directory}/** rwk,")];
        rules.extend(examination.module.as_ref().map(|module| format!("{} mr,", module.path.display())));
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let found = finding("apparmor")
            .with("profile", &profile)
            .with("directory", directory)
            .with_command("rules", shell::quote_all(rules.iter().map(String::as_str)))
            .with("local", Path::new("/etc/apparmor.d/local").join(name).display())
            .with("profile-file", file.display());
        examination.report.found(found);
    }
}

/// nginx's profile among lines like `/usr/sbin/nginx (enforce)`.
fn enforced(profiles: &str) -> Option<String> {
    let enforced = profiles.lines().filter_map(|line| line.strip_suffix(" (enforce)"));
    enforced.filter(|name| name.rsplit('/').next() == Some("nginx")).map(str::to_owned).next()
}

fn profile_file(profile: &str) -> Option<(PathBuf, String)> {
    let files = file::files_in(Path::new("/etc/apparmor.d")).into_iter().filter(|path| path.is_file());
    files
        .filter_map(|path| Some((path.clone(), std::fs::read_to_string(path).ok()?)))
        .find(|(_, text)| text.lines().any(|line| line.contains(profile) && line.trim_end().ends_with('{')))
        .map(|(path, text)| {
            let local = Path::new("/etc/apparmor.d/local").join(path.file_name().unwrap_or_default());
            let more = std::fs::read_to_string(local).unwrap_or_default();
            (path, format!("{text}\n{more}"))
        })
}

/// Whether a rule names the directory, or one around it with everything below.
fn speaks_of(text: &str, directory: &Path) -> bool {
    directory.ancestors().take_while(|place| place.parent().is_some()).any(|place| {
        let (here, below) = (format!("{}/", place.display()), format!("{}/**", place.display()));
        text.lines().any(|line| {
            let path = line.split_whitespace().next().unwrap_or_default();
            path == below || path == here && place == directory
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_enforced_profile_of_nginx_counts() {
        let profiles = "/usr/sbin/ntpd (enforce)\n/usr/sbin/nginx (complain)\nnginx-debug (enforce)\n";
        assert_eq!(enforced(profiles), None);
        assert_eq!(enforced("a (enforce)\n/usr/sbin/nginx (enforce)\n").as_deref(), Some("/usr/sbin/nginx"));
    }

    #[test]
    fn a_rule_speaks_of_the_vault_by_its_directory_or_one_around_it() {
        let vault = Path::new("/var/lib/strongroom/vaults/www");
        for rule in [
            "/var/lib/strongroom/vaults/www/** rwk,",
            "  /var/lib/strongroom/** rwk,",
            "/var/lib/strongroom/vaults/www/ r,",
        ] {
            assert!(speaks_of(&format!("profile nginx {{\n{rule}\n}}"), vault), "{rule}");
        }
        assert!(!speaks_of("/var/lib/strongroom/ r,\n/var/lib/nginx/** rw,\n", vault));
    }
}
