//! The configuration: found, well-formed, closed to others; the PIN files that it names; variables that hide it.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file::{self, Seen};
use super::report::{Finding, finding};
use super::table::Area;
use super::{Examination, shell};
use crate::config::{Config, ConfigError, UnlockConfig, VaultConfig};
use crate::sys::env;
use crate::sys::user::{self, Access, User};

/// Where the system's configuration lies.
pub(super) const SYSTEM_FILE: &str = "/etc/strongroom/config.toml";

/// Where this user's configuration is looked for first, whether or not it is there.
pub(super) fn usual_file() -> PathBuf {
    let variable = |name| env::variable(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || variable(c"HOME").or_else(|| env::home_of(env::effective_uid())).map(|home| home.join(".config"));
    let own = variable(c"XDG_CONFIG_HOME").or_else(home).filter(|_| env::effective_uid() != 0);
    own.map_or_else(|| SYSTEM_FILE.into(), |base| base.join("strongroom/config.toml"))
}

const CHECKS: &[&str] =
    &["config-missing", "config-unreadable", "config-owner", "config-open", "config-typo", "config-value"];
const ENVIRONMENT_CHECKS: &[&str] = &["environment-hides-configuration", "configuration-of-root"];
const PIN_CHECKS: &[&str] =
    &["pin-file-missing", "pin-file-unreadable", "pin-file-owner", "pin-file-open", "pin-file-empty"];

/// The configuration, if it can be used at all.
pub(super) fn examine(examination: &mut Examination) -> Option<Config> {
    examination.report.looked(ENVIRONMENT_CHECKS);
    examine_environment(examination);
    let opener = examination.opener().cloned();
    let uid = opener.as_ref().map_or_else(env::effective_uid, |user| user.uid);
    let asked = opener.clone();
    // Where nobody can tell, this process's own rights are what there is.
    let may_read = move |path: &Path| {
        let answer = asked.as_ref().map(|user| user::may(user, &[(path, Access::Read)]));
        !matches!(answer, Some(Ok(answers)) if answers == [false])
    };
    match Config::load_for(uid, may_read) {
        Ok(mut config) => {
            if let Some(file) = config.passed_over.as_ref().filter(|_| has_no_vault(&config)) {
                passed_over(examination, file, opener.as_ref());
                return None;
            }
            examination.report.looked(CHECKS);
            examination.report.fact(Area::Configuration, described(&config));
            for vault in &mut config.vaults {
                examine_unlock(examination, vault, config.source.as_deref());
            }
            Some(config)
        }
        Err(error) => {
            let found = explain(&error, uid, opener.as_ref());
            examination.report.found(found);
            examination.report.left_out(Area::Vault, NOT_LOOKED_AT);
            None
        }
    }
}

const NOT_LOOKED_AT: &str = "configured vaults weren't looked at: their configuration must be mended first";

fn described(config: &Config) -> String {
    match (&config.source, &config.passed_over) {
        (Some(file), _) => file.display().to_string(),
        (None, Some(file)) => format!("{} isn't for this user: the defaults", file.display()),
        (None, None) => "no configuration file: the defaults".to_owned(),
    }
}

fn has_no_vault(config: &Config) -> bool {
    !config.vaults.iter().any(|vault| {
        // One that is elsewhere is there whether it can be reached or not.
        vault.as_local().is_none_or(|local| local.path.join("vault.db").exists())
    })
}

/// Who has neither a configuration nor a vault has no token; their programs say nothing of it, since most of them want
/// none.
fn passed_over(examination: &mut Examination, file: &Path, service: Option<&User>) {
    let found = match service {
        Some(user) => finding("user-without-configuration").with("user", &user.name),
        None => finding("config-unreadable").with("problem", std::io::Error::from_raw_os_error(libc::EACCES)),
    };
    examination.report.found(found.with("file", file.display()));
    examination.report.left_out(Area::Vault, NOT_LOOKED_AT);
}

fn examine_environment(examination: &mut Examination) {
    let variable = |name| env::variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let named = variable(c"STRONGROOM_CONF");
    let nothing_else = !Path::new(SYSTEM_FILE).exists() && named.is_none();
    let hidden = named.or_else(|| Some(SYSTEM_FILE.into())).filter(|file| file.exists());
    if let (Some(_), Some(hidden)) = (variable(c"STRONGROOM_VAULT"), hidden) {
        let found = finding("environment-hides-configuration").with("file", hidden.display());
        examination.report.found(found);
    }
    let roots = variable(c"HOME").unwrap_or_default().join(".config/strongroom/config.toml");
    if env::effective_uid() == 0 && nothing_else && roots.exists() {
        let found = finding("configuration-of-root").with("file", roots.display()).with("system", SYSTEM_FILE);
        examination.report.found(found);
    }
}

fn examine_unlock(examination: &mut Examination, vault: &mut VaultConfig, source: Option<&Path>) {
    if let (Some(UnlockConfig::Pin(pin)), Some(file)) = (&vault.unlock, &vault.unlock_file) {
        examination.report.looked(PIN_CHECKS);
        if pin.is_empty() {
            examination.report.found(finding("pin-file-empty").with("file", file.display()).with("vault", &vault.name));
        }
    }
    if vault.pin_command.is_none() || examination.gives_pin() {
        return;
    }
    examination.report.looked(&["pin-command"]);
    if let Err(error) = vault.run_pin_command() {
        let problem = match error {
            ConfigError::PinCommand { problem, .. } => problem,
            other => other.to_string(),
        };
        let file = source.map(|file| file.display().to_string());
        let found = finding("pin-command").with("vault", &vault.name).with("problem", problem).maybe("file", file);
        examination.report.found(found);
    }
}

fn explain(error: &ConfigError, uid: u32, service: Option<&User>) -> Finding {
    match error {
        // A key, unlike a PIN, nobody can type again.
        ConfigError::Unreadable { path, hint, .. }
            if hint.starts_with("`key_file`") || hint.starts_with("`credential`") =>
        {
            finding("config-value").with("problem", error).with("file", path.display())
        }
        ConfigError::Unreadable { path, source, hint } => {
            // A PIN's file that root makes is the service's.
            let own =
                service.map(|user| format!("&& chown {}: {}", user.name, shell::quote(&path.display().to_string())));
            let vault = vault_with_pin_file(hint, path).unwrap_or_else(|| "NAME".to_owned());
            unreadable(path, source).with("vault", vault).with_command("own", own.unwrap_or_default())
        }
        ConfigError::Unsafe { path, problem } => refused(path, problem, uid),
        ConfigError::UnknownKey { path, line, key, advice } => {
            let known = advice.strip_prefix("did you mean `").and_then(|rest| rest.split('`').next());
            finding("config-typo")
                .with("file", path.display())
                .with("line", line)
                .with("key", key)
                .with("advice", advice)
                .maybe("edit", known.map(|known| shell::replace(*line, key, known)))
        }
        ConfigError::Syntax { path, line, .. } | ConfigError::Value { path, line, .. } => {
            finding("config-value").with("problem", error).with("line", line).with("file", path.display())
        }
        ConfigError::Environment { variable, .. } => {
            finding("config-value").with("problem", error).with("variable", variable)
        }
        ConfigError::PinCommand { .. } => finding("config-value").with("problem", error),
    }
}

/// The vault whose PIN's file that is, by the configuration that the hint names.
fn vault_with_pin_file(hint: &str, pin_file: &Path) -> Option<String> {
    let config = hint.strip_prefix("`pin_file` in ")?.strip_suffix(" names it")?;
    let config: toml::Table = file::text(Path::new(config)).ok()?.parse().ok()?;
    let vaults = config.get("vault")?.as_array()?;
    let named = |key| move |vault: &toml::Value| vault.get(key).and_then(toml::Value::as_str).map(str::to_owned);
    let is_its = |vault: &&toml::Value| named("pin_file")(vault).is_some_and(|file| Path::new(&file) == pin_file);
    vaults.iter().find(is_its).and_then(named("name"))
}

/// Whether it is a configuration, or else a file with a PIN.
fn is_configuration(path: &Path) -> bool {
    let named = env::variable(c"STRONGROOM_CONF").and_then(|name| std::path::absolute(name).ok());
    named.as_deref() == Some(path) || path.ends_with("strongroom/config.toml")
}

fn unreadable(path: &Path, source: &std::io::Error) -> Finding {
    let configuration = is_configuration(path) || path.is_dir();
    let id = match (configuration, source.kind()) {
        (true, ErrorKind::NotFound) => "config-missing",
        (true, _) => "config-unreadable",
        (false, ErrorKind::NotFound) => "pin-file-missing",
        (false, _) => "pin-file-unreadable",
    };
    finding(id).with("file", path.display()).with("problem", source)
}

/// A file that was refused for its owner or its mode.
fn refused(path: &Path, problem: &str, uid: u32) -> Finding {
    let configuration = is_configuration(path);
    let Some(seen) = Seen::behind(path).filter(Seen::is_file) else {
        return finding("config-value")
            .with("problem", format!("{} is refused: {problem}", path.display()))
            .with("file", path.display());
    };
    let trusted = seen.uid() == 0 || seen.uid() == uid;
    if !trusted && problem.contains("belongs to") {
        return finding(if configuration { "config-owner" } else { "pin-file-owner" })
            .with("file", path.display())
            .with("owner", seen.owner())
            .with("user", user::name_of(uid));
    }
    let (id, right) = match (configuration, holds_pin(path)) {
        (true, false) => ("config-open", "go-w"),
        (true, true) => ("config-open", "600"),
        (false, _) => ("pin-file-open", "600"),
    };
    finding(id)
        .with("file", path.display())
        .with("mode", seen.mode_text())
        .with("read-or-write", if seen.mode() & 0o022 == 0 { "read" } else { "write" })
        .with("right", right)
}

/// Whether a PIN stands in the configuration itself.
fn holds_pin(path: &Path) -> bool {
    let names_pin = |line: &str| line.split_once('=').is_some_and(|(key, _)| key.trim() == "pin");
    file::text(path).is_ok_and(|text| text.lines().any(names_pin))
}
