//! The keys of a `[[vault]]` table, and which of them belong to which kind of vault.

use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::ConfigError;
use super::file::{Source, nearest};

/// The table. Its fields are [`VAULT_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VaultTable {
    pub(super) name: Option<Spanned<String>>,
    pub(super) backend: Option<Spanned<String>>,
    pub(super) path: Option<PathBuf>,
    pub(super) pin: Option<Spanned<String>>,
    pub(super) pin_file: Option<Spanned<PathBuf>>,
    pub(super) pin_command: Option<Spanned<Vec<String>>>,
    pub(super) key_file: Option<Spanned<PathBuf>>,
    pub(super) credential: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) objects: Vec<Spanned<String>>,
    pub(super) show_versions: Option<Spanned<String>>,
    pub(super) mechanisms: Option<Vec<Spanned<String>>>,
    #[serde(default)]
    pub(super) allow_conflicting_usage: bool,
    #[serde(default)]
    pub(super) reinitialize: bool,
    pub(super) owner_uid: Option<u32>,
    pub(super) group: Option<Spanned<Group>>,
    pub(super) min_pin_length: Option<Spanned<usize>>,
    pub(super) max_attempts: Option<Spanned<u32>>,
    pub(super) machine_key: Option<PathBuf>,
    pub(super) serve_at: Option<Spanned<String>>,
    pub(super) serve_as: Option<Spanned<String>>,
    pub(super) allow_from: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) url: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) urls: Vec<Spanned<String>>,
    pub(super) socket: Option<PathBuf>,
    pub(super) ca_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) tls_pins: Vec<Spanned<String>>,
    pub(super) client_certificate: Option<Spanned<PathBuf>>,
    pub(super) client_key: Option<Spanned<PathBuf>>,
    pub(super) proxy: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<Seconds>>,
    pub(super) refresh: Option<Spanned<Seconds>>,
    pub(super) tenant: Option<Spanned<String>>,
    pub(super) authority: Option<Spanned<String>>,
    pub(super) client_id: Option<Spanned<String>>,
    pub(super) client_secret_file: Option<Spanned<PathBuf>>,
    pub(super) certificate_file: Option<Spanned<PathBuf>>,
    pub(super) token_file: Option<Spanned<PathBuf>>,
    pub(super) token_command: Option<Spanned<Vec<String>>>,
    pub(super) imds_endpoint: Option<Spanned<String>>,
    pub(super) identity_endpoint: Option<Spanned<String>>,
    pub(super) identity_header_file: Option<Spanned<PathBuf>>,
    #[serde(default)]
    pub(super) managed_hsm: bool,
    #[serde(default)]
    pub(super) secrets: bool,
    pub(super) random: Option<Spanned<String>>,
    pub(super) verify_challenge_resource: Option<bool>,
}

/// A group by its number or name.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Group {
    Number(u32),
    Name(String),
}

/// A time: a number of seconds, or a text with a unit.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Seconds {
    Whole(u64),
    Part(f64),
    Text(String),
}

/// Of every vault.
const COMMON: &[&str] = &["name", "backend", "credential", "objects", "show_versions", "mechanisms"];
/// Of a directory on this machine.
const OF_LOCAL: &[&str] = &[
    "path",
    "pin",
    "pin_file",
    "pin_command",
    "key_file",
    "allow_conflicting_usage",
    "reinitialize",
    "owner_uid",
    "group",
    "min_pin_length",
    "max_attempts",
    "machine_key",
    "serve_at",
    "serve_as",
    "allow_from",
];
/// Of one that is elsewhere.
const OF_AZURE: &[&str] = &[
    "url",
    "urls",
    "socket",
    "ca_file",
    "tls_pins",
    "client_certificate",
    "client_key",
    "proxy",
    "timeout",
    "refresh",
    "tenant",
    "authority",
    "client_id",
    "client_secret_file",
    "certificate_file",
    "token_file",
    "token_command",
    "imds_endpoint",
    "identity_endpoint",
    "identity_header_file",
    "managed_hsm",
    "secrets",
    "random",
    "verify_challenge_resource",
];
const BACKENDS: &[&str] = &["local", "azure"];

const fn all<const N: usize>(lists: [&[&'static str]; 3]) -> [&'static str; N] {
    let mut keys = [""; N];
    let (mut list, mut from, mut to) = (0, 0, 0);
    while list < lists.len() {
        while from < lists[list].len() {
            keys[to] = lists[list][from];
            from += 1;
            to += 1;
        }
        (list, from) = (list + 1, 0);
    }
    keys
}

pub(super) const VAULT_KEYS: &[&str] =
    &all::<{ COMMON.len() + OF_LOCAL.len() + OF_AZURE.len() }>([COMMON, OF_LOCAL, OF_AZURE]);

impl VaultTable {
    /// Whether it is elsewhere, at Azure's interface.
    pub(super) fn is_azure(&self) -> bool {
        self.backend.as_ref().is_some_and(|backend| backend.get_ref() == "azure")
    }

    /// Whether a file with it may be read by nobody else.
    pub(super) fn holds_secret(&self) -> bool {
        self.pin.is_some() || self.proxy.as_ref().is_some_and(|proxy| proxy.get_ref().contains('@'))
    }
}

impl Source<'_> {
    /// Each kind of vault has keys that say nothing about another.
    pub(super) fn check_backends(&self, top_level: &DeTable<'_>) -> Result<(), ConfigError> {
        let Some(DeValue::Array(tables)) = top_level.get("vault").map(Spanned::get_ref) else { return Ok(()) };
        for table in tables.iter() {
            if let DeValue::Table(table) = table.get_ref() {
                self.check_backend(table)?;
            }
        }
        Ok(())
    }

    fn check_backend(&self, table: &DeTable<'_>) -> Result<(), ConfigError> {
        let given = table.get("backend").map(|backend| (backend.span(), backend.get_ref()));
        let (name, others, kind) = match &given {
            None => ("local", OF_AZURE, "a vault that is elsewhere (`backend = \"azure\"`)"),
            Some((_, DeValue::String(name))) if name == "local" => {
                ("local", OF_AZURE, "a vault that is elsewhere (`backend = \"azure\"`)")
            }
            Some((_, DeValue::String(name))) if name == "azure" => {
                ("azure", OF_LOCAL, "a vault on this machine's disk")
            }
            Some((span, DeValue::String(name))) => {
                return Err(self.value(span.clone(), "backend", nearest(name, BACKENDS)));
            }
            // The type is wrong, which is said when it is read.
            Some(_) => return Ok(()),
        };
        match table.keys().find(|key| others.contains(&key.get_ref().as_ref())) {
            None => Ok(()),
            Some(key) => {
                Err(self.value(key.span(), key.get_ref(), format!("it is for {kind}, and this one is `{name}`")))
            }
        }
    }
}
