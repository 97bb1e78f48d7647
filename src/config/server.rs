//! The `[server]` table: where `strongroom serve` is reached and under which names.

use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Deserialize;
use toml::Spanned;

use super::backup_target::BackupTargetTable;
use super::clients::{ClientCertificates, Rate, TrustedProxies};
use super::file::Source;
use super::issuer::{IssuerTable, ManagedIdentityTable};
use super::{BackupTarget, ConfigError, IssuerConfig, ManagedIdentityConfig};

/// What the file says of the server; what it doesn't say is the server's to choose.
#[derive(Clone, Debug, Default)]
pub struct ServerConfig {
    /// Addresses and ports at which it listens with TLS.
    pub listen: Vec<SocketAddr>,
    /// A Unix socket at which it listens too.
    pub socket: Option<PathBuf>,
    /// The domain below which every key vault has a name.
    pub domain: Option<String>,
    /// The domain below which every Managed HSM has a name.
    pub hsm_domain: Option<String>,
    /// Its certificate chain and key, in PEM.
    pub tls: Option<(PathBuf, PathBuf)>,
    /// Whether its handshakes ask clients for certificates, and whose count.
    pub client_certificates: Option<ClientCertificates>,
    /// Who may say whose a request is that it hands on.
    pub trusted_proxies: Option<TrustedProxies>,
    /// How often one address may log in.
    pub logins: Option<Rate>,
    /// How many requests an identity may make.
    pub requests: Option<Rate>,
    /// Where its clients may have backups written.
    pub backup_targets: Vec<BackupTarget>,
    /// Whose tokens it takes besides its own.
    pub issuers: Vec<IssuerConfig>,
    /// Where programs of this machine get tokens.
    pub managed_identity: Option<ManagedIdentityConfig>,
}

/// What stands beside the `[server]` table and is about the server.
pub(super) struct BesideServer {
    pub(super) targets: Vec<Spanned<BackupTargetTable>>,
    pub(super) issuers: Vec<Spanned<IssuerTable>>,
    pub(super) managed_identity: Option<Spanned<ManagedIdentityTable>>,
}

/// As what a vault is served: the two services share their API for keys, and little else.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Manner {
    /// Azure Key Vault: keys, secrets, certificates.
    #[default]
    KeyVault,
    /// Azure Key Vault Managed HSM: keys only, with roles of its own.
    ManagedHsm,
}

impl Manner {
    /// The word for it in the configuration.
    fn named(word: &str) -> Option<Self> {
        match word {
            "key-vault" => Some(Self::KeyVault),
            "managed-hsm" => Some(Self::ManagedHsm),
            _ => None,
        }
    }
}

/// The table. Its fields are [`SERVER_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ServerTable {
    #[serde(default)]
    listen: Vec<Spanned<String>>,
    socket: Option<PathBuf>,
    domain: Option<Spanned<String>>,
    hsm_domain: Option<Spanned<String>>,
    tls_certificate: Option<Spanned<PathBuf>>,
    tls_key: Option<Spanned<PathBuf>>,
    pub(super) client_certificates: Option<Spanned<bool>>,
    pub(super) client_ca_file: Option<PathBuf>,
    pub(super) client_crl_file: Option<Spanned<PathBuf>>,
    pub(super) trusted_proxies: Option<Spanned<Vec<Spanned<String>>>>,
    pub(super) forwarded: Option<Spanned<String>>,
    pub(super) proxy_protocol: Option<Spanned<bool>>,
    pub(super) logins_per_second: Option<Spanned<u32>>,
    pub(super) login_burst: Option<Spanned<u32>>,
    pub(super) requests_per_second: Option<Spanned<u32>>,
    pub(super) request_burst: Option<Spanned<u32>>,
}

pub(super) const SERVER_KEYS: &[&str] = &[
    "listen",
    "socket",
    "domain",
    "hsm_domain",
    "tls_certificate",
    "tls_key",
    "client_certificates",
    "client_ca_file",
    "client_crl_file",
    "trusted_proxies",
    "forwarded",
    "proxy_protocol",
    "logins_per_second",
    "login_burst",
    "requests_per_second",
    "request_burst",
];

impl Source<'_> {
    /// The table and those that are beside it; `None` if there is none of them.
    pub(super) fn whole_server(
        &self,
        table: Option<ServerTable>,
        beside: BesideServer,
    ) -> Result<Option<ServerConfig>, ConfigError> {
        let BesideServer { targets, issuers, managed_identity } = beside;
        let server = table.map(|table| self.server(table)).transpose()?;
        if server.is_none() && targets.is_empty() && issuers.is_empty() && managed_identity.is_none() {
            return Ok(None);
        }
        Ok(Some(ServerConfig {
            backup_targets: self.backup_targets(targets)?,
            issuers: self.issuers(issuers)?,
            managed_identity: managed_identity.map(|table| self.managed_identity(table)).transpose()?,
            ..server.unwrap_or_default()
        }))
    }

    fn server(&self, table: ServerTable) -> Result<ServerConfig, ConfigError> {
        let listen = table.listen.iter().map(|text| self.address(text, "listen"));
        self.check_domain(table.domain.as_ref(), "domain", "vault.example.com")?;
        self.check_domain(table.hsm_domain.as_ref(), "hsm_domain", "managedhsm.example.com")?;
        if let (Some(domain), Some(hsm)) = (&table.domain, &table.hsm_domain)
            && domain.get_ref().eq_ignore_ascii_case(hsm.get_ref())
        {
            return Err(self.value(hsm.span(), "hsm_domain", "it is another domain than `domain`".into()));
        }
        let listen = listen.collect::<Result<_, _>>()?;
        Ok(ServerConfig {
            tls: self.tls(&table)?,
            client_certificates: self.client_certificates(&table)?,
            trusted_proxies: self.trusted_proxies(&table)?,
            logins: self.rate(&table.logins_per_second, &table.login_burst, ["logins_per_second", "login_burst"])?,
            requests: self.rate(
                &table.requests_per_second,
                &table.request_burst,
                ["requests_per_second", "request_burst"],
            )?,
            listen,
            socket: table.socket.map(|path| self.absolute(&path)),
            domain: table.domain.map(Spanned::into_inner),
            hsm_domain: table.hsm_domain.map(Spanned::into_inner),
            ..ServerConfig::default()
        })
    }

    fn tls(&self, table: &ServerTable) -> Result<Option<(PathBuf, PathBuf)>, ConfigError> {
        match (&table.tls_certificate, &table.tls_key) {
            (Some(chain), Some(key)) => Ok(Some((self.absolute(chain.get_ref()), self.absolute(key.get_ref())))),
            (Some(alone), None) => Err(self.value(alone.span(), "tls_certificate", "it needs `tls_key` too".into())),
            (None, Some(alone)) => Err(self.value(alone.span(), "tls_key", "it needs `tls_certificate` too".into())),
            (None, None) => Ok(None),
        }
    }

    fn check_domain(&self, domain: Option<&Spanned<String>>, key: &str, such_as: &str) -> Result<(), ConfigError> {
        let is_label =
            |label: &str| !label.is_empty() && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        match domain.filter(|domain| !domain.get_ref().split('.').all(is_label)) {
            None => Ok(()),
            Some(domain) => Err(self.value(domain.span(), key, format!("it is a domain such as {such_as}"))),
        }
    }

    /// As what a vault is served.
    pub(super) fn manner(&self, word: Option<&Spanned<String>>) -> Result<Manner, ConfigError> {
        let Some(word) = word else { return Ok(Manner::default()) };
        let wrong = || self.value(word.span(), "serve_as", "it is `key-vault` or `managed-hsm`".into());
        Manner::named(word.get_ref()).ok_or_else(wrong)
    }

    /// An address with a port.
    pub(super) fn address(&self, text: &Spanned<String>, key: &str) -> Result<SocketAddr, ConfigError> {
        text.get_ref().parse().map_err(|_| {
            self.value(text.span(), key, "it is an address and a port: \"127.0.0.1:8443\", \"[::]:8443\"".into())
        })
    }
}
