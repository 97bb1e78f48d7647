//! The vaults: who owns them, who may enter, whether they open and with what.
//!
//! A vault is opened and logged in to exactly as a service does it: with the PIN of the configuration, or the one that
//! is given. Nobody is asked for one, and none is tried when a wrong one would lock the vault.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};
use subtle::ConstantTimeEq;

use super::super::{ask, open};
use super::file::{self, Seen};
use super::report::{Finding, finding};
use super::table::Area;
use super::{Examination, backups, objects_line, remote, uri};
use crate::config::{Config, LocalConfig, UnlockConfig, VaultConfig};
use crate::sys::{env, file as system, user};
use crate::vault::{Image, Object, Pin, PinState, Role, Unlock, VaultAdmin, VaultError, VaultInfo};

/// A vault that was looked at.
pub(super) struct Looked {
    pub config: VaultConfig,
    /// As `--vault` takes it.
    pub name: String,
    /// What it says of itself; `None` if it doesn't open at all.
    pub info: Option<VaultInfo>,
    /// Everything in it, whatever `objects` says; `None` without a PIN.
    pub image: Option<Arc<Image>>,
    local: LocalConfig,
    /// The PIN that opened it.
    pub pin: Option<Pin>,
    vault: Option<Arc<dyn VaultAdmin>>,
    filter: Option<GlobSet>,
}

/// Checks in the order in which one needs the other.
const ENTRY_CHECKS: &[&str] =
    &["vault-owner", "vault-directory-open", "vault-file-open", "vault-link", "vault-file-system"];
const OPEN_CHECKS: &[&str] =
    &["vault-unreadable", "vault-newer-format", "vault-busy", "vault-refused", "vault-read-only"];
const LOGIN_CHECKS: &[&str] = &["pin-wrong", "vault-damaged", "vault-rolled-back"];

impl Looked {
    pub(super) fn local(&self) -> &LocalConfig {
        &self.local
    }

    pub(super) fn directory(&self) -> &Path {
        &self.local().path
    }

    pub(super) fn label(&self) -> Option<&str> {
        self.info.as_ref().filter(|info| info.initialized).map(|info| info.label.as_str())
    }

    /// Whether programs see the object through `objects`.
    pub(super) fn shows(&self, object: &Object) -> bool {
        let Some(filter) = &self.filter else { return true };
        let label = std::str::from_utf8(&object.content.label);
        object.name.as_ref().is_some_and(|name| filter.is_match(name.as_str()))
            || label.is_ok_and(|label| filter.is_match(label))
    }

    /// Opens it with a PIN that was found elsewhere; `None` where that would risk to lock it, or it doesn't open at all.
    pub(super) fn try_pin(&mut self, pin: Pin) -> Option<bool> {
        let state = self.info.as_ref().and_then(|info| info.user_pin)?;
        let vault = self.vault.as_ref().filter(|_| !is_locked(state) && !is_last_try(state))?;
        match vault.unlock(&Unlock::Pin(Role::User, pin.clone())) {
            Ok(()) => {
                self.image = Some(vault.image());
                self.pin = Some(pin);
                Some(true)
            }
            Err(VaultError::PinIncorrect { .. }) => Some(false),
            Err(_) => None,
        }
    }

    pub(super) fn has_filter(&self) -> bool {
        self.filter.is_some()
    }
}

/// Every vault of the configuration, or the one that is named.
pub(super) fn examine(examination: &mut Examination, config: &Config) -> Vec<Looked> {
    let named = examination.context.global.vault.as_deref();
    let chosen: Vec<VaultConfig> = match named {
        Some(name) => match open::named(config, name) {
            Some(vault) => vec![vault],
            None => vec![VaultConfig::local(name, config.vaults_dir.join(name))],
        },
        None => config.vaults.clone(),
    };
    let only = chosen.len() == 1;
    let mut looked = Vec::new();
    for vault in chosen {
        remote::examine(examination, config, &vault);
        looked.extend(one(examination, config, vault, only));
    }
    looked
}

fn one(examination: &mut Examination, config: &Config, vault: VaultConfig, only: bool) -> Option<Looked> {
    // What is elsewhere is examined by other steps.
    let local = vault.as_local()?.clone();
    let exists = local.path.join("vault.db").symlink_metadata();
    // The free place beside other vaults is for the next one.
    if exists.is_err() && !only && config.discovery.is_some_and(|discovery| discovery.free_slot) {
        return None;
    }
    examination.report.looked(&["vault-missing"]);
    examination.report.fact(Area::Vault, format!("{} in {}", vault.name, local.path.display()));
    let named = config.vaults.iter().any(|known| known.name == vault.name);
    let name = if named { vault.name.clone() } else { local.path.display().to_string() };
    let filter = filter(&vault.objects);
    let mut looked = Looked { config: vault, local, name, info: None, image: None, pin: None, vault: None, filter };
    empty_pin(examination, &looked);
    let exists = exists.map(drop).map_err(|error| error.kind());
    if let Err(ErrorKind::NotFound | ErrorKind::NotADirectory) = exists {
        if !misnamed(examination, config, &looked) {
            examination.report.found(missing(&looked));
        }
        return Some(looked);
    }
    examination.report.looked(&["vault-misnamed"]);
    if entries(examination, &looked) {
        open_it(examination, config, &mut looked, only);
    }
    Some(looked)
}

/// `pin = ""`: an empty file of a PIN is the configuration's matter.
fn empty_pin(examination: &mut Examination, looked: &Looked) {
    let is_empty = matches!(&looked.config.unlock, Some(UnlockConfig::Pin(pin)) if pin.is_empty());
    let Some(source) = examination.source.clone().filter(|_| is_empty && looked.config.unlock_file.is_none()) else {
        return;
    };
    let pin_file = source.with_file_name(format!("{}.pin", looked.config.name));
    let setting = format!("pin_file = {:?}", pin_file.display().to_string());
    let edit = objects_line::empty_pin(&source, looked, &setting);
    let found = finding("pin-empty").with("vault", &looked.name).with("config", source.display());
    examination.report.found(found.with("pin-file", pin_file.display()).maybe("edit", edit));
}

/// Whether one vault lies there that the configuration doesn't name and that is called nearly so: it is what is meant.
/// One of another name is another vault, and no remedy for one that is gone; nor is any where there is a backup.
fn misnamed(examination: &mut Examination, config: &Config, looked: &Looked) -> bool {
    let (Some(source), Some(place)) = (examination.source.clone(), looked.directory().parent()) else { return false };
    let configured = config.discovery.map_or(config.vaults.len(), |discovery| discovery.configured);
    let configured = &config.vaults[..configured];
    if !configured.iter().any(|vault| vault.name == looked.config.name) {
        return false;
    }
    let is_known =
        |path: &PathBuf| configured.iter().any(|vault| vault.as_local().is_some_and(|local| local.path == *path));
    let is_vault = |path: &PathBuf| path.join("vault.db").exists() && !is_moved_aside(path) && !is_known(path);
    let others: Vec<PathBuf> = file::files_in(place).into_iter().filter(is_vault).collect();
    let [other] = others.as_slice() else { return false };
    let name_of = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = name_of(other);
    let is_slip = uri::slip(&name_of(looked.directory()), std::iter::once(name.as_str())).is_some();
    if !is_slip || backups::newest(looked).is_some() {
        return false;
    }
    // Its directory follows from its name where no path is given.
    let edit = objects_line::path(&source, looked, other).or_else(|| objects_line::name(&source, looked, &name));
    let found = finding("vault-misnamed").with("config", source.display()).with("vault", &looked.config.name);
    examination.report.found(found.with("place", place.display()).with("other", name).maybe("edit", edit));
    true
}

/// As `--move-aside` names it, or one that is being made.
fn is_moved_aside(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with('.') || name.contains(".old-")
}

fn missing(looked: &Looked) -> Finding {
    let has_pin = matches!(&looked.config.unlock, Some(UnlockConfig::Pin(pin)) if !pin.is_empty());
    let pin_file = looked.config.unlock_file.as_ref().filter(|_| has_pin);
    // The command with the PIN's file goes first: it asks nobody.
    let found = finding("vault-missing").with("directory", looked.directory().display()).with("vault", &looked.name);
    // Keys that were there are worth more than a new place for others.
    let backup = backups::newest(looked).map(|file| file.display().to_string());
    found.maybe("pin-file", pin_file.map(|file| file.display())).maybe("backup", backup)
}

/// Owners and modes of everything that lies there; false if something is wrong.
fn entries(examination: &mut Examination, looked: &Looked) -> bool {
    examination.report.looked(ENTRY_CHECKS);
    let local = looked.local().clone();
    let group = local.group_gid.is_some();
    if let Some(real) = std::fs::canonicalize(&local.path).ok().filter(|_| local.path.is_symlink()) {
        let found = finding("vault-link").with("file", local.path.display());
        examination.report.found(moved(examination, looked, found, &real));
        return false;
    }
    let mut fine = entry(examination, &local, &local.path, true, if group { 0o770 } else { 0o700 });
    for name in ["vault.db", "vault.db-journal", "changes", "lock"] {
        let path = local.path.join(name);
        if path.symlink_metadata().is_ok() {
            fine &= entry(examination, &local, &path, false, if group { 0o660 } else { 0o600 });
        }
    }
    match system::file_system(&local.path) {
        Ok(system::FileSystem { refused: Some(system), .. }) => {
            let new = Path::new("/var/lib/strongroom/vaults").join(&looked.config.name);
            let found = finding("vault-file-system").with("directory", local.path.display()).with("system", system);
            examination.report.found(moved(examination, looked, found.with("new-directory", new.display()), &new));
            false
        }
        _ => fine,
    }
}

/// The configuration's line that has to name another place, where there is one.
fn moved(examination: &Examination, looked: &Looked, found: Finding, place: &Path) -> Finding {
    let source = examination.source.as_deref();
    let edit = source.and_then(|source| objects_line::path(source, looked, place));
    found.maybe("edit", edit).maybe("config", source.map(Path::display))
}

fn entry(examination: &mut Examination, local: &LocalConfig, path: &Path, directory: bool, allowed: u32) -> bool {
    let Some(seen) = Seen::at(path) else { return true };
    if if directory { !seen.is_directory() } else { !seen.is_file() } {
        examination.report.found(finding("vault-link").with("file", path.display()));
        return false;
    }
    let mut fine = true;
    let service = examination.opener().map(|user| user.uid);
    let trusted = [Some(0), Some(env::effective_uid()), local.owner_uid, service];
    if !trusted.contains(&Some(seen.uid())) {
        let user = service.unwrap_or_else(env::effective_uid);
        examination.report.found(
            finding("vault-owner")
                .with("file", path.display())
                .with("owner", seen.owner())
                .with("user", user::name_of(user))
                .with("directory", local.path.display()),
        );
        fine = false;
    }
    let group = local.group_gid.is_none_or(|group| seen.mode() & 0o070 == 0 || seen.gid() == group);
    if seen.mode() & !allowed & 0o077 != 0 || !group {
        let right = if group { allowed } else { allowed & 0o700 };
        let (id, place) = if directory { ("vault-directory-open", "directory") } else { ("vault-file-open", "file") };
        let found = finding(id).with(place, path.display()).with("mode", seen.mode_text());
        // One command for all that lies there, where nothing of it is a group's.
        let all = Some(local.path.display()).filter(|_| !group);
        examination.report.found(found.with("right", format!("{right:03o}")).maybe("closed", all));
        fine = false;
    }
    fine
}

fn open_it(examination: &mut Examination, config: &Config, looked: &mut Looked, only: bool) {
    let mut unfiltered = looked.config.clone();
    unfiltered.objects.clear();
    if let Some(local) = unfiltered.as_local_mut()
        && local.owner_uid.is_none()
    {
        local.owner_uid = examination.opener().map(|user| user.uid);
    }
    let opened = match open::open(config, unfiltered) {
        Ok(vault) => vault,
        Err(error) => return examination.report.found(refused(looked, error)),
    };
    match opened.info() {
        Ok(info) => {
            examination.report.looked(OPEN_CHECKS);
            looked.info = Some(info);
        }
        Err(error) => return examination.report.found(failed(looked, &error)),
    }
    if looked.info.as_ref().is_some_and(|info| info.read_only) {
        let mount = file::mount_point(looked.directory());
        let found = finding("vault-read-only").with("directory", looked.directory().display());
        examination.report.found(found.with("mount", mount.display()));
    }
    looked.vault = Some(Arc::clone(&opened));
    pins(examination, looked);
    log_in(examination, looked, &*opened, only);
    backups::examine(examination, looked);
}

fn refused(looked: &Looked, problem: impl std::fmt::Display) -> Finding {
    finding("vault-refused").with("vault", &looked.name).with("problem", problem)
}

/// What stands without a PIN.
fn pins(examination: &mut Examination, looked: &Looked) {
    let Some(info) = &looked.info else { return };
    examination.report.looked(&["recovery-key", "pin-not-set", "pin-locked", "pin-attempts"]);
    if !info.has_recovery_key {
        examination.report.found(finding("recovery-key").with("vault", &looked.name));
    }
    match info.user_pin {
        None => examination.report.found(finding("pin-not-set").with("vault", &looked.name)),
        Some(pin) if is_locked(pin) => examination.report.found(locked(looked, pin)),
        Some(pin) if is_last_try(pin) => {
            examination.report.found(finding("pin-attempts").with("vault", &looked.name));
        }
        Some(_) => {}
    }
}

fn is_locked(pin: PinState) -> bool {
    pin.limit > 0 && pin.failed >= pin.limit
}

fn is_last_try(pin: PinState) -> bool {
    pin.limit > 0 && pin.failed + 1 == pin.limit
}

fn locked(looked: &Looked, pin: PinState) -> Finding {
    let file = looked.config.unlock_file.as_ref().map(|file| file.display().to_string());
    finding("pin-locked").with("vault", &looked.name).with("limit", pin.limit).maybe("pin-file", file)
}

fn log_in(examination: &mut Examination, looked: &mut Looked, vault: &dyn VaultAdmin, only: bool) {
    let pin = looked.info.as_ref().and_then(|info| info.user_pin);
    // A key file isn't counted; where the PIN can't be tried, it isn't.
    let by_key = !examination.gives_pin() && matches!(looked.config.unlock, Some(UnlockConfig::Key(_)));
    if !by_key && pin.is_none_or(|pin| is_locked(pin) || is_last_try(pin)) {
        return;
    }
    let way = match way(examination, looked, only) {
        Some(way) => way,
        None => {
            let why = format!(
                "no PIN of {} is configured or given (--pin-file): what is in it wasn't looked at",
                looked.name
            );
            return examination.report.left_out(Area::Vault, why);
        }
    };
    match vault.unlock(&way) {
        Ok(()) => logged_in(examination, looked, vault, way, only),
        Err(VaultError::PinIncorrect { remaining }) => {
            let given = examination.context.global.pin_file.clone().filter(|_| by_hand(examination, only));
            let found = wrong_pin(examination, looked, remaining, given);
            examination.report.found(found);
        }
        // Of a key file nobody counts the attempts.
        Err(VaultError::KeyIncorrect(_)) => {
            let found = wrong_pin(examination, looked, looked.local.max_attempts, None);
            examination.report.found(found);
        }
        Err(error) => examination.report.found(failed(looked, &error)),
    }
}

fn logged_in(examination: &mut Examination, looked: &mut Looked, vault: &dyn VaultAdmin, way: Unlock, only: bool) {
    examination.report.looked(LOGIN_CHECKS);
    if by_hand(examination, only) {
        configured_pin(examination, looked, &way);
    }
    looked.image = Some(vault.image());
    looked.pin = match (way, &looked.config.unlock) {
        (Unlock::Pin(_, pin), _) => Some(pin),
        (_, Some(UnlockConfig::Pin(pin))) => Some(Pin::new(pin.to_vec())),
        _ => None,
    };
}

/// The PIN that is given, else what the configuration says. A PIN that is given is for one vault.
fn way(examination: &mut Examination, looked: &Looked, only: bool) -> Option<Unlock> {
    if by_hand(examination, only) {
        return match ask::given(examination.context.pin_source()) {
            Ok(pin) => pin.map(|pin| Unlock::Pin(Role::User, pin)),
            Err(error) => {
                examination.report.left_out(Area::Vault, error.to_string());
                None
            }
        };
    }
    match &looked.config.unlock {
        Some(UnlockConfig::Pin(pin)) if pin.is_empty() => None,
        Some(_) => Some(Unlock::Configured),
        None => None,
    }
}

fn by_hand(examination: &Examination, only: bool) -> bool {
    examination.gives_pin() && only
}

/// A right PIN was given: the one of the configuration, which services have, must be the same. It isn't tried.
fn configured_pin(examination: &mut Examination, looked: &Looked, given: &Unlock) {
    let (Some(UnlockConfig::Pin(configured)), Unlock::Pin(_, right)) = (&looked.config.unlock, given) else { return };
    if configured.is_empty() || bool::from(right.expose().ct_eq(configured.as_slice())) {
        return;
    }
    let state = looked.info.as_ref().and_then(|info| info.user_pin);
    // The right one cleared the count.
    let left = state.map_or(0, |pin| pin.limit);
    let found = wrong_pin(examination, looked, left, None);
    examination.report.found(found);
}

/// The PIN in this file, or in what the configuration names.
fn wrong_pin(examination: &Examination, looked: &Looked, remaining: u32, given: Option<PathBuf>) -> Finding {
    let file = given.or_else(|| looked.config.unlock_file.clone()).map(|file| file.display().to_string());
    let configuration = examination.source.as_ref().map(|file| file.display().to_string());
    let source = file.clone().or_else(|| configuration.clone()).unwrap_or_else(|| "the configuration".into());
    finding("pin-wrong")
        .with("vault", &looked.name)
        .with("left", remaining)
        .with("source", source)
        .with("new-pin", file.as_ref().map_or(String::new(), |file| format!("--new-pin-file {file}")))
        .maybe("pin-file", file)
        .maybe("file", configuration)
}

/// What a vault's own error means here.
fn failed(looked: &Looked, error: &VaultError) -> Finding {
    let id = match error {
        VaultError::NotInitialized(_) => {
            return missing(looked);
        }
        VaultError::Damaged { .. } => "vault-damaged",
        VaultError::RolledBack(_) => "vault-rolled-back",
        VaultError::NewerFormat { .. } => "vault-newer-format",
        VaultError::Busy { .. } => "vault-busy",
        VaultError::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied => "vault-unreadable",
        VaultError::PinNotSet => "pin-not-set",
        _ => "vault-refused",
    };
    finding(id)
        .with("vault", &looked.name)
        .with("problem", error.to_string().trim_end_matches(": restore a backup"))
        .with("file", looked.directory().join("vault.db").display())
        .with("backup", backups::newest(looked).unwrap_or_else(|| PathBuf::from("BACKUP_FILE")).display())
}

fn filter(globs: &[String]) -> Option<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for glob in globs {
        set.add(Glob::new(glob).ok()?);
    }
    if globs.is_empty() { None } else { set.build().ok() }
}
