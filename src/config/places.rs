//! Where the configuration and the vaults are looked for.

use std::ffi::{CString, OsString};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::file::{self, Read};
use super::{Config, ConfigError, Discovery, VaultConfig};
use crate::crypto::{Digest, DigestAlgorithm};
use crate::sys;
use crate::sys::descriptor::VAULT_FILE;

/// What the places depend on besides the disk.
pub(super) struct Environment {
    /// The effective user.
    pub(super) uid: u32,
    /// What unlocks a vault is wanted too.
    pub(super) reads_secrets: bool,
    variables: Lookup<str, OsString>,
    home_of_user: Lookup<u32, PathBuf>,
    system_file: PathBuf,
    system_vaults: PathBuf,
    /// Whether the user may read a file: for a process that looks at it for somebody else.
    may_read: Lookup<Path, ()>,
}

type Lookup<Q, A> = Box<dyn Fn(&Q) -> Option<A>>;

impl Environment {
    /// This process's: variables by `secure_getenv`, the home directory from `HOME` or the user database.
    pub(super) fn of_process() -> Self {
        let uid = sys::env::effective_uid();
        Self {
            uid,
            reads_secrets: true,
            variables: Box::new(|name| sys::env::variable(&CString::new(name).ok()?)),
            home_of_user: Box::new(|uid| sys::env::home_of(*uid)),
            system_file: "/etc/strongroom/config.toml".into(),
            system_vaults: "/var/lib/strongroom/vaults".into(),
            may_read: Box::new(|_| Some(())),
        }
    }

    /// The same, for reading a configuration without what unlocks its vaults.
    pub(super) fn without_secrets(self) -> Self {
        Self { reads_secrets: false, ..self }
    }

    /// What a process of this user would have that is started with this one's `STRONGROOM_*` variables.
    pub(super) fn of_user(uid: u32, may_read: impl Fn(&Path) -> bool + 'static) -> Self {
        let own = Self::of_process();
        if own.uid == uid {
            return own;
        }
        let variables = own.variables;
        // `HOME` and `XDG_*` are this process's own.
        let ours = move |name: &str| if name.starts_with("STRONGROOM_") { variables(name) } else { None };
        let may_read: Lookup<Path, ()> = Box::new(move |path| may_read(path).then_some(()));
        Self { uid, variables: Box::new(ours), may_read, ..own }
    }

    /// A variable that counts for everybody; an empty one is none.
    pub(super) fn variable(&self, name: &str) -> Option<OsString> {
        (self.variables)(name).filter(|value| !value.is_empty())
    }

    /// A directory of the user's: `variable`, else `below_home` in the home directory. Root has none: `HOME` and `XDG_*`
    /// of whoever starts a daemon must not move it to another vault. A relative value is none (XDG base directories).
    fn user_dir(&self, variable: &str, below_home: &str) -> Option<PathBuf> {
        if self.uid == 0 {
            return None;
        }
        let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        self.variable(variable).and_then(absolute).or_else(|| {
            let home = self.variable("HOME").and_then(absolute).or_else(|| (self.home_of_user)(&self.uid))?;
            Some(home.join(below_home))
        })
    }

    /// Where systemd put the service's credentials.
    pub(super) fn credentials_dir(&self) -> Option<PathBuf> {
        self.variable("CREDENTIALS_DIRECTORY").map(PathBuf::from)
    }

    pub(super) fn default_vaults_dir(&self) -> PathBuf {
        self.user_dir("XDG_DATA_HOME", ".local/share")
            .map_or_else(|| self.system_vaults.clone(), |base| base.join("strongroom/vaults"))
    }
}

pub(super) fn load(environment: &Environment) -> Result<Config, ConfigError> {
    let mut config = match environment.variable("STRONGROOM_VAULT") {
        Some(directory) => only_vault(environment, Path::new(&directory))?,
        None => from_files(environment)?,
    };
    if let Some(level) = environment.variable("STRONGROOM_LOG") {
        let level = level.to_string_lossy().into_owned();
        file::check_log_level(&level)
            .map_err(|problem| ConfigError::Environment { variable: "STRONGROOM_LOG", problem })?;
        config.log = Some(level);
    }
    Ok(config)
}

fn only_vault(environment: &Environment, directory: &Path) -> Result<Config, ConfigError> {
    let path = absolute("STRONGROOM_VAULT", directory)?;
    Ok(Config {
        source: None,
        vaults: vec![VaultConfig::local(directory_name(&path), path)],
        vaults_dir: environment.default_vaults_dir(),
        log: None,
        server: None,
        discovery: None,
        passed_over: None,
    })
}

fn from_files(environment: &Environment) -> Result<Config, ConfigError> {
    let (source, read, passed_over) = match find_file(environment)? {
        Found::File(path, read) => (Some(path), *read, None),
        Found::NotForUs(path) => (None, Read::default(), Some(path)),
        Found::Nothing => (None, Read::default(), None),
    };
    let vaults_dir = read.vaults_dir.unwrap_or_else(|| environment.default_vaults_dir());
    let discovery = Some(Discovery { configured: read.vaults.len(), free_slot: read.free_slot });
    let vaults = with_found(read.vaults, &vaults_dir, read.free_slot)?;
    Ok(Config { source, vaults, vaults_dir, log: read.log, server: read.server, discovery, passed_over })
}

/// The configured vaults, those found beside them, and the free place if there is to be one.
pub(super) fn with_found(
    configured: Vec<VaultConfig>,
    vaults_dir: &Path,
    free_slot: bool,
) -> Result<Vec<VaultConfig>, ConfigError> {
    let mut vaults = configured;
    vaults.extend(found_under(vaults_dir, &vaults)?);
    if vaults.is_empty() || free_slot {
        vaults.push(free_place(vaults_dir));
    }
    Ok(vaults)
}

/// What looking for the configuration came to.
enum Found {
    File(PathBuf, Box<Read>),
    /// The system's, which this user may not read.
    NotForUs(PathBuf),
    Nothing,
}

/// The first file that there is. One that `STRONGROOM_CONF` names, and a user's own, must be one that can be read.
///
/// The system's, if it is closed to the user, is somebody else's: root's PINs stand in it, and yet p11-kit loads the
/// module into every user's programs, which have nothing to do with it.
fn find_file(environment: &Environment) -> Result<Found, ConfigError> {
    if let Some(named) = environment.variable("STRONGROOM_CONF") {
        let path = absolute("STRONGROOM_CONF", Path::new(&named))?;
        let read = file::read(&path, environment, "STRONGROOM_CONF names it")?;
        return Ok(Found::File(path, Box::new(read)));
    }
    let users = environment.user_dir("XDG_CONFIG_HOME", ".config").map(|base| base.join("strongroom/config.toml"));
    let system = &environment.system_file;
    for path in users.into_iter().chain([system.clone()]) {
        let is_theirs = path == *system && environment.uid != 0;
        if is_theirs && path.exists() && (environment.may_read)(&path).is_none() {
            return Ok(Found::NotForUs(path));
        }
        match file::read(&path, environment, "name another file with STRONGROOM_CONF") {
            Ok(read) => return Ok(Found::File(path, Box::new(read))),
            // Of the configuration itself: a file that it names and that isn't there is an error of it.
            Err(ConfigError::Unreadable { path: at, source, .. }) if at == path && is_absent(&source) => {}
            Err(ConfigError::Unreadable { path: at, source, .. })
                if at == path && is_theirs && source.kind() == ErrorKind::PermissionDenied =>
            {
                return Ok(Found::NotForUs(path));
            }
            Err(error) => return Err(error),
        }
    }
    Ok(Found::Nothing)
}

fn is_absent(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

/// Vaults in `vaults_dir` that are not configured, by name.
fn found_under(vaults_dir: &Path, configured: &[VaultConfig]) -> Result<Vec<VaultConfig>, ConfigError> {
    let unreadable =
        |source| ConfigError::Unreadable { path: vaults_dir.into(), source, hint: "run as the vaults' owner".into() };
    let entries = match fs::read_dir(vaults_dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(Vec::new()),
        // Who has vaults of another place configured may well have no rights in this one.
        Err(error) if error.kind() == ErrorKind::PermissionDenied && !configured.is_empty() => return Ok(Vec::new()),
        Err(error) => return Err(unreadable(error)),
    };
    let known: Vec<PathBuf> = configured.iter().filter_map(local_path).map(real_path).collect();
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(unreadable)?.path();
        if path.join(VAULT_FILE).exists() && !is_out_of_use(&path) && !known.contains(&real_path(&path)) {
            found.push(VaultConfig::local(directory_name(&path), path));
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// A vault that is being made, or was moved aside: it may have the slot and the label of the one in its place.
fn is_out_of_use(path: &Path) -> bool {
    let name = directory_name(path);
    let numbered = |(_, number): (&str, &str)| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    name.starts_with('.') || name.rsplit_once(".old-").is_some_and(numbered)
}

/// Where the next vault would be made: `default`, then names of 16 hexadecimal digits. They follow from the directory's
/// path and a count, so that every process gives the free slot the same number.
fn free_place(vaults_dir: &Path) -> VaultConfig {
    let default = vaults_dir.join("default");
    if !default.exists() {
        return VaultConfig::local("default", default);
    }
    let mut count: u64 = 0;
    loop {
        let name = serial_name(vaults_dir, count);
        let path = vaults_dir.join(&name);
        if !path.exists() {
            return VaultConfig::local(name, path);
        }
        count += 1;
    }
}

fn serial_name(vaults_dir: &Path, count: u64) -> String {
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    digest.update(vaults_dir.as_os_str().as_encoded_bytes());
    digest.update(&count.to_be_bytes());
    let mut bytes = [0; 32];
    // A digest into a buffer of its length has no way to fail; were there one, any name does.
    let _ = digest.finish(&mut bytes);
    bytes[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

fn absolute(variable: &'static str, path: &Path) -> Result<PathBuf, ConfigError> {
    std::path::absolute(path).map_err(|error| ConfigError::Environment {
        variable,
        problem: format!("names a path that can't be made absolute ({error}): give an absolute one"),
    })
}

/// The vault's name where no file gives it one.
pub(super) fn directory_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn local_path(vault: &VaultConfig) -> Option<&Path> {
    vault.as_local().map(|local| local.path.as_path())
}

fn real_path(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| path.to_owned())
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    /// A machine in a directory: `etc/config.toml`, `var` for the system's vaults, `home` for the user's.
    struct Machine {
        folder: tempfile::TempDir,
        uid: u32,
        variables: HashMap<&'static str, PathBuf>,
        /// Whether the user may read the system's file.
        may_read: bool,
    }

    impl Machine {
        fn of(uid: u32) -> Self {
            Self { folder: tempfile::tempdir().unwrap(), uid, variables: HashMap::new(), may_read: true }
        }

        fn path(&self, below: &str) -> PathBuf {
            self.folder.path().join(below)
        }

        fn write(&self, below: &str, text: &str) -> PathBuf {
            let path = self.path(below);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(&path, text).unwrap();
            path
        }

        fn load(&self) -> Result<Config, ConfigError> {
            let variables = self.variables.clone();
            let home = self.path("home");
            let (system, may_read) = (self.path("etc/config.toml"), self.may_read);
            load(&Environment {
                uid: self.uid,
                reads_secrets: true,
                variables: Box::new(move |name| variables.get(name).map(|path| path.clone().into_os_string())),
                home_of_user: Box::new(move |_| Some(home.clone())),
                system_file: self.path("etc/config.toml"),
                system_vaults: self.path("var"),
                may_read: Box::new(move |path| (may_read || path != system).then_some(())),
            })
        }
    }

    /// A user whose files pass the owner's check, and who is not root.
    fn user() -> Machine {
        Machine::of(sys::env::effective_uid().max(1))
    }

    fn names(config: &Config) -> Vec<&str> {
        config.vaults.iter().map(|vault| vault.name.as_str()).collect()
    }

    fn place(config: &Config, index: usize) -> &Path {
        local_path(&config.vaults[index]).unwrap()
    }

    #[test]
    fn without_anything_the_first_vault_will_be_made_in_the_users_default_place() {
        let machine = user();
        let config = machine.load().unwrap();
        assert_eq!(place(&config, 0), machine.path("home/.local/share/strongroom/vaults/default"));
        assert_eq!(config.vaults.len(), 1);
        assert!(config.source.is_none());
    }

    #[test]
    fn root_ignores_home_and_xdg() {
        let mut machine = Machine::of(0);
        let config = machine.write("home/.config/strongroom/config.toml", "log = \"debug\"");
        machine.variables.insert("XDG_CONFIG_HOME", config.parent().unwrap().parent().unwrap().into());
        machine.variables.insert("XDG_DATA_HOME", machine.path("data"));
        machine.variables.insert("HOME", machine.path("home"));
        let config = machine.load().unwrap();
        assert_eq!(config.log, None);
        assert_eq!(config.vaults_dir, machine.path("var"));
    }

    #[test]
    fn strongroom_variables_count_for_root_too() {
        let mut machine = Machine::of(0);
        let named = machine.write("named.toml", "log = \"info\"");
        machine.variables.insert("STRONGROOM_CONF", named.clone());
        let config = machine.load().unwrap();
        assert_eq!(config.log.as_deref(), Some("info"));
        assert_eq!(config.source, Some(named));
    }

    #[test]
    fn the_users_file_goes_before_the_systems() {
        let mut machine = user();
        machine.write("etc/config.toml", "log = \"error\"");
        assert_eq!(machine.load().unwrap().log.as_deref(), Some("error"));
        machine.write("home/.config/strongroom/config.toml", "log = \"info\"");
        assert_eq!(machine.load().unwrap().log.as_deref(), Some("info"));
        machine.write("xdg/strongroom/config.toml", "log = \"debug\"");
        machine.variables.insert("XDG_CONFIG_HOME", machine.path("xdg"));
        assert_eq!(machine.load().unwrap().log.as_deref(), Some("debug"));
        machine.variables.insert("STRONGROOM_LOG", "trace".into());
        assert_eq!(machine.load().unwrap().log.as_deref(), Some("trace"));
    }

    #[test]
    fn a_configuration_that_names_a_file_that_is_gone_is_not_passed_over() {
        let machine = user();
        machine.write("etc/config.toml", "[[vault]]\nname = \"web\"\npin_file = \"/gone/pin\"\nobjects = [\"www*\"]\n");
        let error = machine.load().unwrap_err().to_string();
        assert!(error.contains("/gone/pin") && error.contains("`pin_file`"), "{error}");
    }

    #[test]
    fn a_systems_configuration_that_a_user_may_not_read_is_somebody_elses() {
        let mut machine = user();
        let system = machine.write("etc/config.toml", "this is no TOML");
        machine.write("home/.local/share/strongroom/vaults/mine/vault.db", "");
        machine.may_read = false;
        let config = machine.load().unwrap();
        assert_eq!(names(&config), ["mine"]);
        assert_eq!(config.passed_over.as_ref(), Some(&system));
        // One that is named is meant, and so is a user's own.
        machine.variables.insert("STRONGROOM_CONF", system);
        assert!(machine.load().is_err());
        machine.variables.clear();
        machine.write("home/.config/strongroom/config.toml", "log = \"info\"");
        let config = machine.load().unwrap();
        assert_eq!((config.log.as_deref(), config.passed_over), (Some("info"), None));
    }

    #[test]
    fn root_goes_without_no_configuration() {
        let mut machine = Machine::of(0);
        machine.write("etc/config.toml", "this is no TOML");
        machine.may_read = false;
        assert!(machine.load().is_err());
    }

    #[test]
    fn a_file_that_is_named_must_be_there() {
        let mut machine = user();
        machine.variables.insert("STRONGROOM_CONF", machine.path("nowhere.toml"));
        let error = machine.load().unwrap_err().to_string();
        assert!(error.contains("nowhere.toml") && error.contains("STRONGROOM_CONF"), "{error}");
    }

    #[test]
    fn strongroom_vault_names_one_vault_without_any_file() {
        let mut machine = user();
        machine.write("etc/config.toml", "this is no TOML");
        machine.variables.insert("STRONGROOM_VAULT", machine.path("trial"));
        let config = machine.load().unwrap();
        assert_eq!(names(&config), ["trial"]);
        assert_eq!(place(&config, 0), machine.path("trial"));
    }

    #[test]
    fn a_wrong_log_level_in_the_environment_names_the_nearest() {
        let mut machine = user();
        machine.variables.insert("STRONGROOM_LOG", "debgu".into());
        let error = machine.load().unwrap_err().to_string();
        assert!(error.contains("STRONGROOM_LOG") && error.contains("`debug`"), "{error}");
    }

    #[test]
    fn vaults_that_lie_there_come_after_the_configured_ones_by_name() {
        let machine = user();
        for vault in ["b", "a", "named"] {
            machine.write(&format!("vaults/{vault}/vault.db"), "");
        }
        machine.write("vaults/no-vault/other", "");
        machine.write(
            "etc/config.toml",
            &format!(
                "vaults_dir = {0:?}\n[[vault]]\nname = \"www\"\npath = \"../vaults/named\"\n",
                machine.path("vaults")
            ),
        );
        assert_eq!(names(&machine.load().unwrap()), ["www", "a", "b"]);
    }

    #[test]
    fn a_vault_that_is_being_made_or_was_moved_aside_is_not_found() {
        let machine = user();
        for vault in ["a", "a.old-1", "a.old-12", ".b.new-0123456789abcdef", "c.old-", "d.old-fashioned"] {
            machine.write(&format!("home/.local/share/strongroom/vaults/{vault}/vault.db"), "");
        }
        assert_eq!(names(&machine.load().unwrap()), ["a", "c.old-", "d.old-fashioned"]);
    }

    #[test]
    fn a_free_slot_comes_last_when_asked_for_and_its_name_is_the_same_in_every_process() {
        let machine = user();
        machine.write("vaults/default/vault.db", "");
        machine.write("etc/config.toml", &format!("free_slot = true\nvaults_dir = {:?}\n", machine.path("vaults")));
        let config = machine.load().unwrap();
        assert_eq!(config.vaults.len(), 2);
        let free = config.vaults[1].name.clone();
        assert!(free.len() == 16 && free.bytes().all(|byte| byte.is_ascii_hexdigit()), "{free}");
        assert_eq!(names(&machine.load().unwrap()), ["default", &free]);
        machine.write(&format!("vaults/{free}/vault.db"), "");
        let config = machine.load().unwrap();
        assert_eq!(config.vaults.len(), 3);
        assert!(config.vaults[2].name != free);
    }

    #[test]
    fn a_vault_that_was_made_meanwhile_takes_the_free_place_when_looked_for() {
        let machine = user();
        let config = machine.load().unwrap();
        machine.write("home/.local/share/strongroom/vaults/default/vault.db", "");
        machine.write("home/.local/share/strongroom/vaults/other/vault.db", "");
        assert_eq!(names(&config.rescanned().unwrap()), ["default", "other"]);
    }

    #[test]
    fn no_free_slot_while_a_vault_exists() {
        let machine = user();
        machine.write("home/.local/share/strongroom/vaults/mine/vault.db", "");
        assert_eq!(names(&machine.load().unwrap()), ["mine"]);
    }
}
