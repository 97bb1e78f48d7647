//! The `[server]` table: where `strongroom serve` is reached and under which names.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::backup_target::BackupTargetTable;
use super::file::Source;
use super::{BackupTarget, ConfigError};

/// What the file says of the server; what it doesn't say is the server's to choose.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Addresses and ports at which it listens with TLS.
    pub listen: Vec<SocketAddr>,
    /// A Unix socket at which it listens too.
    pub socket: Option<PathBuf>,
    /// The domain below which every vault has a name.
    pub domain: Option<String>,
    /// Its certificate chain and key, in PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Where its clients may have backups written.
    pub backup_targets: Vec<BackupTarget>,
}

/// The table. Its fields are [`SERVER_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    #[serde(default)]
    listen: Vec<Spanned<String>>,
    socket: Option<PathBuf>,
    domain: Option<Spanned<String>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    tls_key: Option<Spanned<PathBuf>>,
}

pub(super) const SERVER_KEYS: &[&str] = &["listen", "socket", "domain", "tls_certificate", "tls_key"];

impl Source<'_> {
    /// The table and those that are beside it; `None` if there is none of them.
    pub(super) fn whole_server(
        &self,
        table: Option<ServerTable>,
        targets: Vec<Spanned<BackupTargetTable>>,
    ) -> Result<Option<ServerConfig>, ConfigError> {
        let server = table.map(|table| self.server(table)).transpose()?;
        if server.is_none() && targets.is_empty() {
            return Ok(None);
        }
        Ok(Some(ServerConfig { backup_targets: self.backup_targets(targets)?, ..server.unwrap_or_default() }))
    }

    fn server(&self, table: ServerTable) -> Result<ServerConfig, ConfigError> {
        let listen = table.listen.iter().map(|text| self.address(text, "listen"));
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if let Some(domain) = table.domain.as_ref().filter(|domain| !domain.get_ref().split('.').all(is_label)) {
            let problem = "it is a domain such as vault.example.com".to_owned();
            return Err(self.value(domain.span(), "domain", problem));
        }
        let tls = match (table.tls_certificate, table.tls_key) {
            (Some(chain), Some(key)) => Some((self.absolute(chain.get_ref()), self.absolute(key.get_ref()))),
            (Some(alone), None) => {
                return Err(self.value(alone.span(), "tls_certificate", "it needs `tls_key` too".into()));
            }
            (None, Some(alone)) => {
                return Err(self.value(alone.span(), "tls_key", "it needs `tls_certificate` too".into()));
            }
            (None, None) => None,
        };
        Ok(ServerConfig {
            listen: listen.collect::<Result<_, _>>()?,
            socket: table.socket.map(|path| self.absolute(&path)),
            domain: table.domain.map(Spanned::into_inner),
            tls,
            backup_targets: Vec::new(),
        })
    }

    /// An address with a port.
    pub(super) fn address(&self, text: &Spanned<String>, key: &str) -> Result<SocketAddr, ConfigError> {
        text.get_ref().parse().map_err(|_| {
            self.value(text.span(), key, "it is an address and a port: \"127.0.0.1:8443\", \"[::]:8443\"".into())
        })
    }
}
