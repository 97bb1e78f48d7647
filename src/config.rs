//! The configuration: which vaults there are, where, and how to unlock them.

use std::path::PathBuf;

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
    /// Globs over names and labels; empty: all objects.
    pub objects: Vec<String>,
    /// `show_versions = "all"`.
    pub show_all_versions: bool,
    /// `allow_conflicting_usage`.
    pub allow_conflicting_usage: bool,
}

/// Which kind of vault.
#[derive(Clone, Debug)]
pub enum Backend {
    /// `backend = "local"`.
    Local(LocalConfig),
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
    Pin(zeroize::Zeroizing<Vec<u8>>),
    /// `key_file`, or a systemd credential: the file's contents are the key.
    Key(zeroize::Zeroizing<Vec<u8>>),
}

impl std::fmt::Debug for UnlockConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockConfig(..)")
    }
}
