//! The configuration: which vaults there are, where, and how to unlock them.
//!
//! [`Config::load`] reads environment and files once and returns absolute paths and contents, so that a process that
//! later changes its user, its root directory or its environment goes on with what it began with. It never asks anybody
//! and starts no program: `pin_command` is run by who asks for it, with [`VaultConfig::run_pin_command`].

mod azure;
mod backup_target;
mod clients;
mod error;
mod file;
mod issuer;
mod network;
mod places;
mod protected;
mod remote;
mod server;
mod vault_table;

use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

pub use backup_target::BackupTarget;
pub use clients::{ClientCertificates, Forwarding, Rate, TrustedProxies};
pub use error::ConfigError;
pub use file::nearest;
pub use issuer::{IssuerConfig, ManagedIdentityConfig};
pub use network::{AllowFrom, Network};
pub use protected::{Trusted, read_secret};
pub use remote::{
    AzureConfig, AzureCredential, ClientCertificate, ManagedIdentity, Origin, PlainAddress, ProxyAddress, RemoteConfig,
    SecretText,
};
pub use server::{Manner, ServerConfig};

/// What was read, with every default filled in and every path absolute.
#[derive(Clone, Debug)]
pub struct Config {
    /// The file it came from; `None` if there is none.
    pub source: Option<PathBuf>,
    /// In the order of the file, then those found under [`vaults_dir`](Self::vaults_dir), by directory name; at the end,
    /// while there is none or with `free_slot = true`, the place where the next one would be made.
    pub vaults: Vec<VaultConfig>,
    /// Where vaults without an entry of their own lie.
    pub vaults_dir: PathBuf,
    /// `log`: `error`, `warn`, `info`, `debug`, `trace`, `off`; `STRONGROOM_LOG` goes before it.
    pub log: Option<String>,
    /// `[server]`, `[[backup_target]]`, `[[issuer]]` and `[managed_identity]`, if there is one of them.
    pub server: Option<ServerConfig>,
    /// How the list of vaults is brought up to date; `None` if it is fixed (`STRONGROOM_VAULT`).
    pub discovery: Option<Discovery>,
    /// The system's configuration, if there is one that this user may not read and has none in its place: their programs
    /// go without.
    pub passed_over: Option<PathBuf>,
}

/// What of [`Config::vaults`] comes from the vaults directory.
#[derive(Clone, Copy, Debug)]
pub struct Discovery {
    /// So many at the beginning have entries of their own.
    pub configured: usize,
    /// `free_slot`: a free place is listed although there are vaults.
    pub free_slot: bool,
}

/// One `[[vault]]` table, or a vault found under the vaults directory.
#[derive(Clone, Debug)]
pub struct VaultConfig {
    /// Its name in the configuration; the directory's name without one.
    pub name: String,
    /// Where it is.
    pub backend: Backend,
    /// How it is unlocked without asking anybody.
    pub unlock: Option<UnlockConfig>,
    /// The file that [`unlock`](Self::unlock) was read from, if it was one.
    pub unlock_file: Option<PathBuf>,
    /// `pin_command`, not run yet: program and arguments, no shell.
    pub pin_command: Option<Vec<String>>,
    /// Globs over names and labels; empty: all objects.
    pub objects: Vec<String>,
    /// `show_versions = "all"`.
    pub show_all_versions: bool,
    /// Names of the mechanisms that the module offers; `None` for all. Which there are the module knows.
    pub mechanisms: Option<Vec<Listed>>,
    /// `allow_conflicting_usage`.
    pub allow_conflicting_usage: bool,
    /// `serve_at`: an address and port at which the server serves this vault, whatever name it is called by.
    pub serve_at: Option<std::net::SocketAddr>,
    /// `serve_as`: as what the server offers it.
    pub serve_as: Manner,
    /// `allow_from`: from where the server lets it be reached; everywhere without.
    pub allow_from: Option<AllowFrom>,
}

/// A name in a list, that whoever knows the names checks.
#[derive(Clone, Debug)]
pub struct Listed {
    /// The name as it stands there.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
}

/// Which kind of vault.
#[derive(Clone, Debug)]
#[allow(clippy::large_enum_variant, reason = "there are as many as vaults, which are few")]
pub enum Backend {
    /// `backend = "local"`.
    Local(LocalConfig),
    /// `backend = "azure"`: Azure Key Vault, Managed HSM, or a server of ours.
    Azure(AzureConfig),
}

/// A vault on this machine's disk.
#[derive(Clone, Debug)]
pub struct LocalConfig {
    /// The vault's directory, absolute.
    pub path: PathBuf,
    /// An owner other than root and the effective user.
    pub owner_uid: Option<u32>,
    /// A group that may use it too (by name or number, resolved).
    pub group_gid: Option<u32>,
    /// `C_InitToken` may replace a vault that holds objects.
    pub reinitialize: bool,
    /// Shortest PIN, in bytes (8).
    pub min_pin_len: usize,
    /// Wrong PINs until it locks (10).
    pub max_attempts: u32,
    /// A random key outside the directory that is mixed into every way to unlock.
    pub machine_key: Option<PathBuf>,
}

/// How a vault is unlocked without asking anybody, resolved when the configuration is read.
#[derive(Clone)]
pub enum UnlockConfig {
    /// `pin`, `pin_file` (contents without the line's end), or `pin_command`'s output.
    Pin(Zeroizing<Vec<u8>>),
    /// `key_file`, or a systemd credential: the file's contents are the key.
    Key(Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for UnlockConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockConfig(..)")
    }
}

impl Config {
    /// Reads what this process's environment names: `STRONGROOM_VAULT`, else `STRONGROOM_CONF`, else the user's file
    /// (never for root), else the system's, if this user may read it; without any, the vaults under the vaults directory.
    pub fn load() -> Result<Self, ConfigError> {
        places::load(&places::Environment::of_process())
    }

    /// The same, but nothing that unlocks a vault is read or kept: no PIN, no file that holds one, no command. For who
    /// restores a vault on a machine where all of that isn't there yet.
    pub fn load_without_secrets() -> Result<Self, ConfigError> {
        places::load(&places::Environment::of_process().without_secrets())
    }

    /// What [`load`](Self::load) answers in a process of another user, who may read what `may_read` says: for who examines
    /// a service as root.
    pub fn load_for(uid: u32, may_read: impl Fn(&Path) -> bool + 'static) -> Result<Self, ConfigError> {
        places::load(&places::Environment::of_user(uid, may_read))
    }

    /// The same configuration with the vaults that lie under the vaults directory now. Reads no environment and no file.
    pub fn rescanned(&self) -> Result<Self, ConfigError> {
        let Some(discovery) = self.discovery else { return Ok(self.clone()) };
        let configured = self.vaults[..discovery.configured].to_vec();
        let vaults = places::with_found(configured, &self.vaults_dir, discovery.free_slot)?;
        Ok(Self { vaults, ..self.clone() })
    }
}

/// The PIN in a file that somebody names on the command line: the same rules as for `pin_file`, but it may be a pipe.
pub fn read_pin_file(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    protected::read_named_pin(path)
}

impl VaultConfig {
    /// A local vault about which no file says anything.
    pub fn local(name: impl Into<String>, path: impl Into<PathBuf>) -> Self {
        Self {
            name: name.into(),
            backend: Backend::Local(LocalConfig::at(path)),
            unlock: None,
            unlock_file: None,
            pin_command: None,
            objects: Vec::new(),
            show_all_versions: false,
            mechanisms: None,
            allow_conflicting_usage: false,
            serve_at: None,
            serve_as: Manner::default(),
            allow_from: None,
        }
    }

    /// What a local vault has to know; `None` for one that is elsewhere.
    pub fn as_local(&self) -> Option<&LocalConfig> {
        match &self.backend {
            Backend::Local(local) => Some(local),
            Backend::Azure(_) => None,
        }
    }

    /// The same, to be changed.
    pub fn as_local_mut(&mut self) -> Option<&mut LocalConfig> {
        match &mut self.backend {
            Backend::Local(local) => Some(local),
            Backend::Azure(_) => None,
        }
    }

    /// This process may start no program: `pin_command` isn't run, and `token_command` is refused when a token is needed.
    pub fn forbid_programs(&mut self) {
        self.pin_command = None;
        if let Backend::Azure(AzureConfig { credential: AzureCredential::Command { allowed, .. }, .. }) =
            &mut self.backend
        {
            *allowed = false;
        }
    }

    /// Runs `pin_command`, if there is one, and puts its output into [`unlock`](Self::unlock). Starts a process: not in
    /// a host that forbids it.
    pub fn run_pin_command(&mut self) -> Result<(), ConfigError> {
        let Some(command) = &self.pin_command else { return Ok(()) };
        let pin = file::command_output(command)
            .map_err(|problem| ConfigError::PinCommand { vault: self.name.clone(), problem })?;
        self.unlock = Some(UnlockConfig::Pin(pin));
        self.pin_command = None;
        Ok(())
    }
}

impl LocalConfig {
    /// The defaults for a vault in this directory.
    pub fn at(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            owner_uid: None,
            group_gid: None,
            reinitialize: false,
            min_pin_len: 8,
            max_attempts: 10,
            machine_key: None,
        }
    }
}
