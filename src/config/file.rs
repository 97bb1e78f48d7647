//! One configuration file: TOML, its keys, and what their values may be.
//!
//! Every error names file, line and key, an unknown key also the nearest one that is known.

use std::io::Read as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};
use zeroize::Zeroizing;

use super::backup_target::{BACKUP_TARGET_KEYS, BackupTargetTable};
use super::issuer::{ISSUER_KEYS, IssuerTable, MANAGED_IDENTITY_KEYS, ManagedIdentityTable};
use super::places::{Environment, directory_name};
use super::protected::{ProtectedFile, Trusted, read_secret, without_line_end};
use super::server::{BesideServer, SERVER_KEYS, ServerTable};
use super::vault_table::{Group, VAULT_KEYS, VaultTable};
use super::{Backend, ConfigError, Listed, LocalConfig, ServerConfig, UnlockConfig, VaultConfig};
use crate::sys;
use crate::sys::program::check_starter;

/// What a file says.
#[derive(Default)]
pub(super) struct Read {
    pub vaults: Vec<VaultConfig>,
    pub vaults_dir: Option<PathBuf>,
    pub free_slot: bool,
    pub log: Option<String>,
    pub server: Option<ServerConfig>,
}

/// The file's top level. Its fields are [`TOP_LEVEL_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TopLevel {
    log: Option<Spanned<String>>,
    #[serde(default)]
    free_slot: bool,
    vaults_dir: Option<PathBuf>,
    server: Option<ServerTable>,
    #[serde(default)]
    backup_target: Vec<Spanned<BackupTargetTable>>,
    #[serde(default)]
    issuer: Vec<Spanned<IssuerTable>>,
    managed_identity: Option<Spanned<ManagedIdentityTable>>,
    #[serde(default)]
    vault: Vec<Spanned<VaultTable>>,
}

const TOP_LEVEL_KEYS: &[&str] =
    &["log", "free_slot", "vaults_dir", "server", "backup_target", "issuer", "managed_identity", "vault"];
/// Those of [`VAULT_KEYS`], [`SERVER_KEYS`] and [`ISSUER_KEYS`] that are lists.
const LISTS: &[&str] = &[
    "pin_command",
    "objects",
    "mechanisms",
    "allow_from",
    "listen",
    "trusted_proxies",
    "audience",
    "algorithms",
    "urls",
    "tls_pins",
    "token_command",
];
const LOG_LEVELS: &[&str] = &["off", "error", "warn", "info", "debug", "trace"];

/// Reads and checks the file. `hint` says in an error where its name came from.
pub(super) fn read(path: &Path, environment: &Environment, hint: &str) -> Result<Read, ConfigError> {
    let trusted = Trusted { uid: environment.uid, ..Trusted::default() };
    let protected = ProtectedFile::open(path, &trusted, hint)?;
    let contents = protected.read(path)?;
    let text = std::str::from_utf8(&contents).map_err(|error| ConfigError::Syntax {
        path: path.into(),
        line: line_at(&contents, error.valid_up_to()),
        problem: "this is no UTF-8 text".into(),
    })?;
    let source = Source { path, text, environment };
    let top_level = source.parse()?;
    if top_level.vault.iter().any(|vault| vault.get_ref().holds_secret()) {
        protected.refuse_readers(path, &trusted)?;
    }
    source.resolve(top_level)
}

/// An error's text if `level` is none.
pub(super) fn check_log_level(level: &str) -> Result<(), String> {
    if LOG_LEVELS.contains(&level) {
        return Ok(());
    }
    Err(format!("has no level {level:?}: {}", nearest(level, LOG_LEVELS)))
}

/// What the command prints, without the line's end.
pub(super) fn command_output(command: &[String]) -> Result<Zeroizing<Vec<u8>>, String> {
    let [program, arguments @ ..] = command else { return Err("is empty: name a program".into()) };
    check_starter(program)?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("can't start {program}: {error}"))?;
    let mut output = Zeroizing::new(Vec::with_capacity(PIN_MAX + 3));
    let read = match child.stdout.take() {
        Some(stdout) => stdout.take(PIN_MAX as u64 + 2).read_to_end(&mut output),
        None => Ok(0),
    };
    match child.wait() {
        Ok(status) if !status.success() => return Err(format!("{program} failed: {status}")),
        Ok(_) => {}
        // A host that ignores SIGCHLD leaves nothing to wait for; what was printed is judged alone.
        Err(error) if error.raw_os_error() == Some(libc::ECHILD) => {}
        Err(error) => return Err(format!("{program}: {error}")),
    }
    read.map_err(|error| format!("{program}: {error}"))?;
    let pin = without_line_end(output);
    if pin.is_empty() || pin.len() > PIN_MAX {
        return Err(format!("{program} must print a PIN of 1 to {PIN_MAX} bytes"));
    }
    Ok(pin)
}

/// Longest PIN, in bytes.
const PIN_MAX: usize = 255;

pub(super) struct Source<'a> {
    path: &'a Path,
    text: &'a str,
    pub(super) environment: &'a Environment,
}

impl Source<'_> {
    fn parse(&self) -> Result<TopLevel, ConfigError> {
        let table = DeTable::parse(self.text).map_err(|error| self.syntax(&error))?;
        self.check_keys(table.get_ref(), TOP_LEVEL_KEYS)?;
        for (key, known) in [("server", SERVER_KEYS), ("managed_identity", MANAGED_IDENTITY_KEYS)] {
            if let Some(DeValue::Table(table)) = table.get_ref().get(key).map(Spanned::get_ref) {
                self.check_keys(table, known)?;
            }
        }
        if let Some(DeValue::Table(server)) = table.get_ref().get("server").map(Spanned::get_ref) {
            self.check_lists(server)?;
        }
        self.check_tables(table.get_ref(), "issuer", ISSUER_KEYS)?;
        self.check_tables(table.get_ref(), "vault", VAULT_KEYS)?;
        self.check_backends(table.get_ref())?;
        self.check_tables(table.get_ref(), "backup_target", BACKUP_TARGET_KEYS)?;
        TopLevel::deserialize(Deserializer::from(table)).map_err(|error| self.syntax(&error))
    }

    /// Tables of which there may be several.
    fn check_tables(&self, top_level: &DeTable<'_>, key: &str, known: &[&str]) -> Result<(), ConfigError> {
        match top_level.get(key).map(|tables| (tables.span(), tables.get_ref())) {
            Some((_, DeValue::Array(tables))) => {
                for table in tables.iter() {
                    if let DeValue::Table(table) = table.get_ref() {
                        self.check_keys(table, known)?;
                        self.check_lists(table)?;
                    }
                }
                Ok(())
            }
            Some((span, DeValue::Table(_))) => {
                Err(self.value(span, key, format!("write `[[{key}]]`, with two brackets: there may be several")))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn check_keys(&self, table: &DeTable<'_>, known: &[&str]) -> Result<(), ConfigError> {
        match table.keys().find(|key| !known.contains(&key.get_ref().as_ref())) {
            None => Ok(()),
            Some(key) => Err(ConfigError::UnknownKey {
                path: self.path.into(),
                line: self.line(key.span()),
                key: key.get_ref().to_string(),
                advice: nearest(key.get_ref(), known),
            }),
        }
    }

    /// One thing where a list belongs is the commonest slip; TOML's own words for it help nobody.
    fn check_lists(&self, table: &DeTable<'_>) -> Result<(), ConfigError> {
        for (key, value) in table.iter() {
            if LISTS.contains(&key.get_ref().as_ref())
                && let DeValue::String(one) = value.get_ref()
            {
                return Err(self.value(value.span(), key.get_ref(), format!("it is a list: [{one:?}]")));
            }
        }
        Ok(())
    }

    fn resolve(&self, top_level: TopLevel) -> Result<Read, ConfigError> {
        if let Some(log) = &top_level.log {
            check_log_level(log.get_ref()).map_err(|problem| self.value(log.span(), "log", problem))?;
        }
        let mut vaults: Vec<VaultConfig> = Vec::new();
        for table in top_level.vault {
            let span = table.span();
            let vault = self.vault(table, top_level.vaults_dir.as_deref())?;
            for other in &vaults {
                if other.name == vault.name {
                    return Err(self.value(span, "name", format!("there is another vault `{}`", vault.name)));
                }
                if let Some(key) = same_place(&other.backend, &vault.backend) {
                    return Err(self.value(span, key, format!("the vault `{}` is there too", other.name)));
                }
            }
            vaults.push(vault);
        }
        let beside = BesideServer {
            targets: top_level.backup_target,
            issuers: top_level.issuer,
            managed_identity: top_level.managed_identity,
        };
        Ok(Read {
            server: self.whole_server(top_level.server, beside)?,
            vaults,
            vaults_dir: top_level.vaults_dir.map(|path| self.absolute(&path)),
            free_slot: top_level.free_slot,
            log: top_level.log.map(Spanned::into_inner),
        })
    }

    fn vault(&self, table: Spanned<VaultTable>, vaults_dir: Option<&Path>) -> Result<VaultConfig, ConfigError> {
        let span = table.span();
        let table = table.into_inner();
        let (name, backend, unlock) = if table.is_azure() {
            let azure = self.azure(&table, span)?;
            let default = || azure.remote.origins[0].host().split('.').next().unwrap_or_default().to_owned();
            (self.name(&table)?.unwrap_or_else(default), Backend::Azure(azure), None)
        } else {
            let (name, path) = self.name_and_path(&table, span, vaults_dir)?;
            let local = self.local(&table, path)?;
            let trusted = Trusted { uid: self.environment.uid, owner_uid: local.owner_uid, group_gid: local.group_gid };
            let unlock = self.unlock(&table, &trusted)?;
            (name, Backend::Local(local), unlock)
        };
        for glob in &table.objects {
            globset::Glob::new(glob.get_ref()).map_err(|error| {
                self.value(glob.span(), "objects", format!("{error}: `*` and `?` stand for letters"))
            })?;
        }
        let show_all_versions = self.shows_all_versions(&table)?;
        let serve_at = table.serve_at.as_ref().map(|text| self.address(text, "serve_at")).transpose()?;
        let listed = |name: Spanned<String>| Listed { line: self.line(name.span()), name: name.into_inner() };
        Ok(VaultConfig {
            name,
            backend,
            unlock,
            unlock_file: table.pin_file.or(table.key_file).map(|file| self.absolute(file.get_ref())),
            pin_command: table.pin_command.map(Spanned::into_inner).filter(|_| self.environment.reads_secrets),
            objects: table.objects.into_iter().map(Spanned::into_inner).collect(),
            show_all_versions,
            mechanisms: table.mechanisms.map(|names| names.into_iter().map(listed).collect()),
            allow_conflicting_usage: table.allow_conflicting_usage,
            serve_at,
            serve_as: self.manner(table.serve_as.as_ref())?,
            allow_from: table.allow_from.as_ref().map(|list| self.allow_from(list)).transpose()?,
        })
    }

    fn shows_all_versions(&self, table: &VaultTable) -> Result<bool, ConfigError> {
        match table.show_versions.as_ref().map(|text| (text.span(), text.get_ref().as_str())) {
            None | Some((_, "current")) => Ok(false),
            Some((_, "all")) => Ok(true),
            Some((span, _)) => Err(self.value(span, "show_versions", "it is `all` or `current`".into())),
        }
    }

    fn name(&self, table: &VaultTable) -> Result<Option<String>, ConfigError> {
        let Some(name) = &table.name else { return Ok(None) };
        match name.get_ref().is_empty() || name.get_ref().contains('/') {
            true => Err(self.value(name.span(), "name", "a name is not empty and has no `/`".into())),
            false => Ok(Some(name.get_ref().clone())),
        }
    }

    /// Each follows from the other where only one is given.
    fn name_and_path(
        &self,
        table: &VaultTable,
        span: Range<usize>,
        vaults_dir: Option<&Path>,
    ) -> Result<(String, PathBuf), ConfigError> {
        match (self.name(table)?, &table.path) {
            (Some(name), Some(path)) => Ok((name, self.absolute(path))),
            (None, Some(path)) => {
                let path = self.absolute(path);
                Ok((directory_name(&path), path))
            }
            (Some(name), None) => {
                let base = vaults_dir
                    .map_or_else(|| self.environment.default_vaults_dir(), |directory| self.absolute(directory));
                let path = base.join(&name);
                Ok((name, path))
            }
            (None, None) => Err(self.value(span, "path", "say where the vault is, or give it a `name`".into())),
        }
    }

    fn local(&self, table: &VaultTable, path: PathBuf) -> Result<LocalConfig, ConfigError> {
        let defaults = LocalConfig::at(path);
        let group_gid =
            match &table.group {
                None => None,
                Some(group) => match group.get_ref() {
                    Group::Number(number) => Some(*number),
                    Group::Name(name) => Some(sys::env::group_number(name).ok_or_else(|| {
                        self.value(group.span(), "group", format!("this machine has no group `{name}`"))
                    })?),
                },
            };
        if let Some(length) = table.min_pin_length.as_ref().filter(|length| !(4..=PIN_MAX).contains(length.get_ref())) {
            return Err(self.value(length.span(), "min_pin_length", format!("it is between 4 and {PIN_MAX}")));
        }
        if let Some(attempts) = table.max_attempts.as_ref().filter(|attempts| *attempts.get_ref() == 0) {
            return Err(self.value(attempts.span(), "max_attempts", "it is at least 1".into()));
        }
        Ok(LocalConfig {
            owner_uid: table.owner_uid,
            group_gid,
            reinitialize: table.reinitialize,
            min_pin_len: table.min_pin_length.as_ref().map_or(defaults.min_pin_len, |length| *length.get_ref()),
            max_attempts: table.max_attempts.as_ref().map_or(defaults.max_attempts, |attempts| *attempts.get_ref()),
            machine_key: table.machine_key.as_ref().map(|path| self.absolute(path)),
            ..defaults
        })
    }

    fn unlock(&self, table: &VaultTable, trusted: &Trusted) -> Result<Option<UnlockConfig>, ConfigError> {
        self.one_way_to_unlock(table)?;
        if !self.environment.reads_secrets {
            return Ok(None);
        }
        if let Some(pin) = &table.pin {
            return Ok(Some(UnlockConfig::Pin(Zeroizing::new(pin.get_ref().as_bytes().to_vec()))));
        }
        let hint = |key: &str| self.hint(key);
        if let Some(file) = &table.pin_file {
            let pin = read_secret(&self.absolute(file.get_ref()), trusted, &hint("pin_file"))?;
            return Ok(Some(UnlockConfig::Pin(without_line_end(pin))));
        }
        if let Some(file) = &table.key_file {
            return Ok(Some(UnlockConfig::Key(read_secret(
                &self.absolute(file.get_ref()),
                trusted,
                &hint("key_file"),
            )?)));
        }
        // Outside the service there is no such directory; the PIN is asked for then.
        if let (Some(name), Some(directory)) = (&table.credential, self.environment.credentials_dir()) {
            let key = read_secret(&directory.join(name.get_ref()), trusted, &hint("credential"))?;
            return Ok(Some(UnlockConfig::Key(key)));
        }
        Ok(None)
    }

    fn one_way_to_unlock(&self, table: &VaultTable) -> Result<(), ConfigError> {
        let ways: Vec<(&str, Range<usize>)> = [
            ("pin", table.pin.as_ref().map(Spanned::span)),
            ("pin_file", table.pin_file.as_ref().map(Spanned::span)),
            ("pin_command", table.pin_command.as_ref().map(Spanned::span)),
            ("key_file", table.key_file.as_ref().map(Spanned::span)),
            ("credential", table.credential.as_ref().map(Spanned::span)),
        ]
        .into_iter()
        .filter_map(|(key, span)| Some((key, span?)))
        .collect();
        if let [(first, _), (second, span), ..] = ways.as_slice() {
            return Err(self.value(span.clone(), second, format!("`{first}` is set too: keep one way to unlock")));
        }
        if let Some(credential) = table.credential.as_ref().filter(|name| name.get_ref().contains('/')) {
            return Err(self.value(credential.span(), "credential", "it is a name without `/`".into()));
        }
        if let Some(command) = table.pin_command.as_ref().filter(|command| command.get_ref().is_empty()) {
            return Err(self.value(command.span(), "pin_command", "it is empty: name a program".into()));
        }
        Ok(())
    }

    /// Who named a file.
    pub(super) fn hint(&self, key: &str) -> String {
        format!("`{key}` in {} names it", self.path.display())
    }

    /// Relative paths start at the file's own directory.
    pub(super) fn absolute(&self, path: &Path) -> PathBuf {
        self.path.parent().unwrap_or(Path::new("/")).join(path)
    }

    pub(super) fn line(&self, span: Range<usize>) -> usize {
        line_at(self.text.as_bytes(), span.start)
    }

    pub(super) fn value(&self, span: Range<usize>, key: &str, problem: String) -> ConfigError {
        ConfigError::Value { path: self.path.into(), line: self.line(span), key: key.into(), problem }
    }

    fn syntax(&self, error: &toml::de::Error) -> ConfigError {
        let line = error.span().map_or(1, |span| self.line(span));
        // A value of a wrong type: its key is what stands before the sign of equality.
        let key = self.text.lines().nth(line - 1).and_then(|text| text.split_once('=')).map(|(key, _)| key.trim());
        let message = error.message().trim_end().replace('\n', ", ");
        let known = [TOP_LEVEL_KEYS, VAULT_KEYS, SERVER_KEYS, BACKUP_TARGET_KEYS, ISSUER_KEYS, MANAGED_IDENTITY_KEYS];
        match key.filter(|key| known.iter().any(|keys| keys.contains(key))) {
            Some(key) => ConfigError::Value { path: self.path.into(), line, key: key.into(), problem: message },
            None => ConfigError::Syntax { path: self.path.into(), line, problem: message },
        }
    }
}

/// The key by which two vaults are in one place.
fn same_place(one: &Backend, other: &Backend) -> Option<&'static str> {
    match (one, other) {
        (Backend::Local(one), Backend::Local(other)) => (one.path == other.path).then_some("path"),
        (Backend::Azure(one), Backend::Azure(other)) => {
            (one.remote.origins[0] == other.remote.origins[0]).then_some("url")
        }
        _ => None,
    }
}

fn line_at(text: &[u8], offset: usize) -> usize {
    1 + text[..offset.min(text.len())].iter().filter(|byte| **byte == b'\n').count()
}

/// `did you mean …` for a slip of the pen, else everything that would do.
pub fn nearest(word: &str, known: &[&str]) -> String {
    let (distance, candidate) = known
        .iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), *candidate))
        .min()
        .unwrap_or((usize::MAX, ""));
    if distance <= 1 + candidate.len().max(word.len()) / 3 {
        return format!("did you mean `{candidate}`?");
    }
    let all: Vec<String> = known.iter().map(|key| format!("`{key}`")).collect();
    format!("the nearest known is `{candidate}`; known are {}", all.join(", "))
}

#[cfg(test)]
#[path = "file_tests.rs"]
mod tests;
