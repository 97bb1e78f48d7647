//! The `[[issuer]]` tables: whose tokens the server takes besides its own; and `[managed_identity]`, where programs of this
//! machine get tokens of it without a proof of their own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::ConfigError;
use super::file::{Source, nearest};

/// An OpenID Connect issuer whose tokens count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssuerConfig {
    /// Its address, as it stands in `iss` of its tokens.
    pub url: String,
    /// What its tokens must be for to count at a vault directly; empty: the vault's resource.
    pub audience: Vec<String>,
    /// How it may sign.
    pub algorithms: Vec<String>,
    /// What `tid` must be, if anything.
    pub tenant: Option<String>,
    /// The authorities that its TLS certificate may be from, in PEM; the system's, if there is no file.
    pub ca_file: Option<PathBuf>,
    /// The claim that says groups.
    pub groups_claim: Option<String>,
    /// The claim that says who it is.
    pub subject_claim: String,
    /// For how long its keys count while they can't be fetched again.
    pub serve_stale: Duration,
}

/// Where programs of this machine get tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManagedIdentityConfig {
    /// An address of this machine alone, and a port, without TLS.
    pub listen: SocketAddr,
    /// The identity that everybody gets there who asks as virtual machines do.
    pub imds_identity: Option<String>,
}

/// Ways to sign that an issuer may be allowed. None has a key that who checks a signature must keep secret.
const ALGORITHMS: &[&str] = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];

/// The ways that are allowed without a word.
const DEFAULT_ALGORITHMS: [&str; 2] = ["RS256", "ES256"];

/// Hours for which keys count that can't be fetched again, and the longest such time.
const SERVE_STALE: u32 = 24;
const SERVE_STALE_MAX: u32 = 7 * 24;

/// The table. Its fields are [`ISSUER_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerTable {
    url: Option<Spanned<String>>,
    #[serde(default)]
    audience: Vec<Spanned<String>>,
    #[serde(default)]
    algorithms: Vec<Spanned<String>>,
    tenant: Option<Spanned<String>>,
    ca_file: Option<Spanned<PathBuf>>,
    groups_claim: Option<Spanned<String>>,
    subject_claim: Option<Spanned<String>>,
    serve_stale: Option<Spanned<u32>>,
}

pub(super) const ISSUER_KEYS: &[&str] =
    &["url", "audience", "algorithms", "tenant", "ca_file", "groups_claim", "subject_claim", "serve_stale"];

/// The table. Its fields are [`MANAGED_IDENTITY_KEYS`].
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ManagedIdentityTable {
    listen: Option<Spanned<String>>,
    imds_identity: Option<Spanned<String>>,
}

pub(super) const MANAGED_IDENTITY_KEYS: &[&str] = &["listen", "imds_identity"];

impl Source<'_> {
    pub(super) fn issuers(&self, tables: Vec<Spanned<IssuerTable>>) -> Result<Vec<IssuerConfig>, ConfigError> {
        let mut issuers: Vec<IssuerConfig> = Vec::with_capacity(tables.len());
        for table in tables {
            let span = table.span();
            let table = table.into_inner();
            let missing =
                || self.value(span, "url", "it is missing: the issuer's address, as its tokens say it".into());
            let url = table.url.as_ref().ok_or_else(missing)?;
            check_url(url.get_ref()).map_err(|problem| self.value(url.span(), "url", problem))?;
            if issuers.iter().any(|other| other.url == *url.get_ref()) {
                return Err(self.value(url.span(), "url", "there is another table of this issuer".into()));
            }
            issuers.push(self.issuer(url.get_ref().clone(), table)?);
        }
        Ok(issuers)
    }

    fn issuer(&self, url: String, table: IssuerTable) -> Result<IssuerConfig, ConfigError> {
        let texts = [("tenant", &table.tenant), ("groups_claim", &table.groups_claim)];
        let texts = texts.into_iter().chain([("subject_claim", &table.subject_claim)]);
        let texts = texts.filter_map(|(key, text)| Some((key, text.as_ref()?)));
        for (key, text) in texts.chain(table.audience.iter().map(|text| ("audience", text))) {
            if text.get_ref().trim().is_empty() {
                return Err(self.value(text.span(), key, "it is empty".into()));
            }
        }
        if let Some(wrong) = table.algorithms.iter().find(|name| !ALGORITHMS.contains(&name.get_ref().as_str())) {
            return Err(self.value(wrong.span(), "algorithms", nearest(wrong.get_ref(), ALGORITHMS)));
        }
        if let Some(file) = table.ca_file.as_ref().filter(|_| url.starts_with("http:")) {
            let problem = "the issuer's address begins with http://, where nobody shows a certificate: use https://";
            return Err(self.value(file.span(), "ca_file", problem.into()));
        }
        let hours = match &table.serve_stale {
            Some(hours) if *hours.get_ref() > SERVE_STALE_MAX => {
                let problem = format!("it is a number of hours, at most {SERVE_STALE_MAX}");
                return Err(self.value(hours.span(), "serve_stale", problem));
            }
            Some(hours) => *hours.get_ref(),
            None => SERVE_STALE,
        };
        let algorithms = match table.algorithms.is_empty() {
            true => DEFAULT_ALGORITHMS.map(str::to_owned).to_vec(),
            false => table.algorithms.into_iter().map(Spanned::into_inner).collect(),
        };
        Ok(IssuerConfig {
            url,
            audience: table.audience.into_iter().map(Spanned::into_inner).collect(),
            algorithms,
            tenant: table.tenant.map(Spanned::into_inner),
            ca_file: table.ca_file.map(|file| self.absolute(file.get_ref())),
            groups_claim: table.groups_claim.map(Spanned::into_inner),
            subject_claim: table.subject_claim.map_or_else(|| "sub".to_owned(), Spanned::into_inner),
            serve_stale: Duration::from_secs(u64::from(hours) * 3600),
        })
    }

    pub(super) fn managed_identity(
        &self,
        table: Spanned<ManagedIdentityTable>,
    ) -> Result<ManagedIdentityConfig, ConfigError> {
        let span = table.span();
        let ManagedIdentityTable { listen, imds_identity } = table.into_inner();
        let missing = || self.value(span, "listen", "it is missing: an address of this machine and a port".into());
        let text = listen.ok_or_else(missing)?;
        let listen = self.address(&text, "listen")?;
        if !listen.ip().is_loopback() {
            let problem = "it is an address of this machine alone, as 127.0.0.1:8480: whoever reaches it gets tokens";
            return Err(self.value(text.span(), "listen", problem.into()));
        }
        Ok(ManagedIdentityConfig { listen, imds_identity: imds_identity.map(Spanned::into_inner) })
    }
}

/// What is wrong with an issuer's address.
fn check_url(url: &str) -> Result<(), String> {
    let is_plain = |url: &str| url.bytes().all(|byte| byte.is_ascii_graphic()) && !url.contains(['?', '#', '@', '\\']);
    let host = |rest: &str| {
        let authority = rest.split('/').next().unwrap_or_default();
        match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((address, _)) => address.to_ascii_lowercase(),
            None => authority.split(':').next().unwrap_or_default().to_ascii_lowercase(),
        }
    };
    let wrong = || "it is an address such as https://login.example.com/realms/main, without query".to_owned();
    if !is_plain(url) {
        return Err(wrong());
    }
    if let Some(rest) = url.strip_prefix("https://") {
        return if host(rest).is_empty() { Err(wrong()) } else { Ok(()) };
    }
    let host = url.strip_prefix("http://").map(host).ok_or_else(wrong)?;
    let is_loopback = host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match is_loopback {
        true => Ok(()),
        false => Err("it begins with https://: keys that come over plain http could be anybody's".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::check_url;

    #[test]
    fn an_issuer_is_reached_over_tls_unless_it_is_this_machine() {
        for good in [
            "https://login.microsoftonline.com/t/v2.0",
            "https://token.actions.githubusercontent.com",
            "https://sts.windows.net/t/",
            "https://[2001:db8::1]:8443/x",
            "http://localhost:8200/v1/identity/oidc",
            "http://127.0.0.1:8200",
            "http://[::1]:1",
        ] {
            assert_eq!(check_url(good), Ok(()), "{good}");
        }
        for bad in [
            "",
            "login.example.com",
            "https://",
            "https:///x",
            "https://a/x?y",
            "https://a/x#y",
            "https://user@a",
            "https://a b",
            "http://login.example.com",
            "http://localhost.example.com",
            "http://127.0.0.1.example.com",
            "ftp://a",
        ] {
            assert!(check_url(bad).is_err(), "{bad}");
        }
    }
}
