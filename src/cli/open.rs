//! Which vault a verb works on, and unlocking it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use globset::{Glob, GlobSet, GlobSetBuilder};

use super::ask;
use super::{Context, Error, Result, time};
use crate::backend::open_all;
use crate::config::{Config, Manner, VaultConfig};
use crate::vault::{Name, Object, Role, Unlock, VaultAdmin, VaultError, VaultInfo, purge_due};

/// A vault that exists, and what it says of itself.
#[derive(Clone)]
pub(super) struct Opened {
    pub vault: Arc<dyn VaultAdmin>,
    pub info: VaultInfo,
    /// Its name in the configuration, or what it was named by.
    pub name: String,
    /// `objects` of the configuration: what programs on this machine see. The command itself sees everything.
    shown: Vec<String>,
    /// The same, as one filter for every object.
    filter: GlobSet,
    /// The file that the configuration takes the PIN or key from.
    pub unlock_file: Option<PathBuf>,
    /// As what a server offers it.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only the server's verbs ask"))]
    pub manner: Manner,
    /// Whether a server lets it be reached from some places only.
    #[cfg_attr(not(feature = "server"), allow(dead_code, reason = "only the server's verbs ask"))]
    pub is_fenced: bool,
}

/// Which of a configuration's vaults is meant.
pub(super) type Place<'a> = dyn Fn(&Config) -> Result<VaultConfig> + 'a;

impl Opened {
    /// Says that programs on this machine won't see what was just made, if it is so.
    pub(super) fn note_if_hidden(&self, context: &Context, object: &Object) {
        if self.hides(object) {
            context.output.note(&format!("Programs on this machine don't see it: {}.", self.what_is_shown()));
        }
    }

    /// Whether programs on this machine don't see an object.
    pub(super) fn hides(&self, object: &Object) -> bool {
        let name = object.name.as_ref().map(Name::as_str).unwrap_or_default();
        let label = String::from_utf8_lossy(&object.content.label);
        !self.shown.is_empty() && !self.filter.is_match(name) && !self.filter.is_match(&*label)
    }

    /// Why they don't.
    pub(super) fn what_is_shown(&self) -> String {
        format!("`objects` in the configuration shows them {} only", self.shown.join(", "))
    }
}

impl Context {
    /// The vault, unlocked by the user's PIN or as the configuration says.
    pub(super) fn unlocked(&self) -> Result<Opened> {
        let opened = self.locked()?;
        opened.vault.unlock(&self.users_way(&opened)?)?;
        // One that is elsewhere is listed only when it is asked.
        opened.vault.refresh()?;
        self.purge_due(&opened);
        Ok(opened)
    }

    /// What is past its date is gone, whoever comes first.
    fn purge_due(&self, opened: &Opened) {
        let now = time::now();
        let due = opened.vault.image().next_purge().is_some_and(|date| date <= now);
        if due && let Err(error) = purge_due(&*opened.vault, now) {
            self.output.note(&format!("What was deleted and is past its date could not be purged: {error}."));
        }
    }

    /// The vault, not unlocked.
    pub(super) fn locked(&self) -> Result<Opened> {
        let config = Config::load()?;
        let place = select(&config, self.global.vault.as_deref())?;
        let mut opened = self.open_at(&config, place)?;
        opened.info = opened.vault.info()?;
        if !opened.info.initialized {
            return Err(not_there(&config, opened.info.location));
        }
        Ok(opened)
    }

    /// The vault that `place` finds in the configuration, unlocked, if that takes no question: only here what unlocks it is
    /// read.
    pub(super) fn unlocked_by_itself(&self, place: &Place<'_>) -> Result<Option<Opened>> {
        let config = Config::load()?;
        let opened = self.open_at(&config, place(&config)?)?;
        let given = self.global.pin_file.is_some() || self.global.pin_stdin;
        if !opened.info.initialized || !given && !opened.info.unlock_configured {
            return Ok(None);
        }
        opened.vault.unlock(&self.users_way(&opened)?)?;
        Ok(Some(opened))
    }

    /// As what a server offers the vault that is named, without opening it.
    #[cfg(feature = "server")]
    pub(super) fn manner(&self) -> Manner {
        let place =
            Config::load().map_err(Error::from).and_then(|config| select(&config, self.global.vault.as_deref()));
        place.map(|place| place.serve_as).unwrap_or_default()
    }

    /// The vault in this place, which may not exist. What can't say what it is says so when it is asked for more.
    pub(super) fn open_at(&self, config: &Config, mut place: VaultConfig) -> Result<Opened> {
        if self.global.pin_file.is_none() && !self.global.pin_stdin {
            place.run_pin_command()?;
        }
        let shown = std::mem::take(&mut place.objects);
        let mut filter = GlobSetBuilder::new();
        // The configuration was read: each of them is a glob.
        for glob in shown.iter().filter_map(|glob| Glob::new(glob).ok()) {
            filter.add(glob);
        }
        let filter = filter.build().unwrap_or_default();
        let (name, unlock_file) = (place.name.clone(), place.unlock_file.clone());
        let (manner, is_fenced) = (place.serve_as, place.allow_from.is_some());
        let vault = open(config, place)?;
        let info = vault.info().unwrap_or_default();
        Ok(Opened { vault, info, name, shown, filter, unlock_file, manner, is_fenced })
    }

    /// A PIN that is given, else what the configuration says, else a PIN that is asked for.
    pub(super) fn users_way(&self, opened: &Opened) -> Result<Unlock> {
        let source = self.pin_source();
        if let Some(pin) = ask::given(source)? {
            return Ok(Unlock::Pin(Role::User, pin));
        }
        if opened.info.unlock_configured {
            return Ok(Unlock::Configured);
        }
        Ok(Unlock::Pin(Role::User, ask::pin(source, &format!("PIN of {}", opened.info.label))?))
    }
}

/// That there is no vault here, and where the one that was meant may be.
fn not_there(config: &Config, location: String) -> Error {
    let error = Error::from(VaultError::NotInitialized(location));
    match &config.passed_over {
        None => error,
        Some(file) => Error::refused(format!(
            "{error}. {} isn't for you to read: the vaults in it are there for who runs this as root.",
            file.display()
        )),
    }
}

/// The vault that this configuration describes; opens nothing.
pub(super) fn open(config: &Config, vault: VaultConfig) -> Result<Arc<dyn VaultAdmin>> {
    let only = Config { vaults: vec![vault], ..config.clone() };
    let mut vaults = open_all(&only)?;
    vaults.pop().ok_or_else(|| Error::refused("The configuration names no vault."))
}

/// What a server offers that isn't told a vault: those on this machine's disk that there are, in the configuration's order.
/// The first keeps identities and groups.
#[cfg(feature = "server")]
pub(super) fn served(config: &Config) -> Vec<VaultConfig> {
    let is_there = |vault: &&VaultConfig| match open(config, (*vault).clone()) {
        Ok(vault) => vault.info().is_ok_and(|info| info.initialized),
        // Whoever wants it is told why it can't be.
        Err(_) => true,
    };
    // What is elsewhere has its server there, and isn't asked.
    config.vaults.iter().filter(|vault| vault.as_local().is_some()).filter(is_there).cloned().collect()
}

/// The vault with this name, or in this directory.
pub(super) fn named(config: &Config, name: &str) -> Option<VaultConfig> {
    if let Some(vault) = config.vaults.iter().find(|vault| vault.name == name) {
        return Some(vault.clone());
    }
    let path = std::path::absolute(name).ok()?;
    let same = |vault: &&VaultConfig| {
        vault.as_local().is_some_and(|local| {
            local.path == path || real(&local.path).is_some_and(|real_path| Some(real_path) == real(&path))
        })
    };
    if let Some(vault) = config.vaults.iter().find(same) {
        return Some(vault.clone());
    }
    (name.contains('/') || path.is_dir()).then(|| VaultConfig::local(name, path))
}

/// What only a vault on this machine's disk can be asked.
pub(super) fn is_elsewhere(name: &str) -> Error {
    Error::refused(format!("The vault {name} isn't on this machine: this is done where it is."))
}

/// The vault that is named, or the only one.
pub(super) fn select(config: &Config, name: Option<&str>) -> Result<VaultConfig> {
    if let Some(name) = name {
        return named(config, name).ok_or_else(|| {
            let known = names(config.vaults.iter());
            match &config.passed_over {
                None => Error::refused(format!("There is no vault {name:?}: known are {known}.")),
                Some(file) => Error::refused(format!(
                    "There is no vault {name:?} of yours (known are {known}), and {} isn't for you to read.",
                    file.display()
                )),
            }
        });
    }
    if let [only] = config.vaults.as_slice() {
        return Ok(only.clone());
    }
    // One that can't tell is one that exists: its own error is better than another vault.
    let exists = |vault: &&VaultConfig| !matches!(open(config, (*vault).clone()).map(|vault| vault.info()), Ok(Ok(info)) if !info.initialized);
    let existing: Vec<&VaultConfig> = config.vaults.iter().filter(exists).collect();
    match existing.as_slice() {
        [only] => Ok((*only).clone()),
        [] => config
            .vaults
            .first()
            .cloned()
            .ok_or_else(|| Error::refused("There is no vault: `strongroom init` makes one.")),
        several => Err(Error::refused(format!(
            "There are several vaults: say which with --vault ({}).",
            names(several.iter().copied())
        ))),
    }
}

fn names<'a>(vaults: impl Iterator<Item = &'a VaultConfig>) -> String {
    let names: Vec<&str> = vaults.map(|vault| vault.name.as_str()).collect();
    names.join(", ")
}

fn real(path: &Path) -> Option<std::path::PathBuf> {
    std::fs::canonicalize(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config() -> Config {
        Config {
            source: None,
            vaults: vec![VaultConfig::local("www", "/srv/www"), VaultConfig::local("mail", "/srv/mail")],
            vaults_dir: "/srv".into(),
            log: None,
            server: None,
            discovery: None,
            passed_over: None,
        }
    }

    fn found(name: &str) -> Option<String> {
        named(&config(), name).map(|vault| vault.name)
    }

    #[test]
    fn a_vault_is_named_by_its_name_or_its_directory() {
        assert_eq!(found("mail").as_deref(), Some("mail"));
        assert_eq!(found("/srv/www").as_deref(), Some("www"));
        assert_eq!(found("/elsewhere/new").as_deref(), Some("/elsewhere/new"));
        assert_eq!(found("no-such-vault"), None);
    }
}
