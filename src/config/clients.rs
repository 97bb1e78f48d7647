//! Of the `[server]` table, what it believes of its clients without any token, and how much it does for one of them.

use std::num::NonZeroU32;
use std::path::PathBuf;

use toml::Spanned;

use super::file::Source;
use super::server::ServerTable;
use super::{ConfigError, Network};

/// Which certificates of clients count, beside those that identities have.
#[derive(Clone, Debug, Default)]
pub struct ClientCertificates {
    /// Certificates of authorities, in PEM.
    pub authorities: Option<PathBuf>,
    /// What those revoked.
    pub revoked: Option<PathBuf>,
}

/// Proxies that are believed when they say from where a client came.
#[derive(Clone, Debug)]
pub struct TrustedProxies {
    /// Their addresses.
    pub networks: Vec<Network>,
    /// How they say it.
    pub by: Forwarding,
}

/// How a proxy says from where a client came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Forwarding {
    /// In each request's header, `X-Forwarded-For`.
    Header,
    /// Before the connection's first byte, in the PROXY protocol.
    ProxyProtocol,
}

/// How often something may be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// In a second, for as long as one likes.
    pub per_second: NonZeroU32,
    /// At once, after a pause.
    pub burst: NonZeroU32,
}

/// How many seconds' worth may be done at once, if nothing else is said.
const BURST_SECONDS: u32 = 5;

impl Source<'_> {
    pub(super) fn client_certificates(&self, table: &ServerTable) -> Result<Option<ClientCertificates>, ConfigError> {
        let asked = table.client_certificates.as_ref();
        if let (Some(revoked), None) = (&table.client_crl_file, &table.client_ca_file) {
            let what = "it needs `client_ca_file` too".into();
            return Err(self.value(revoked.span(), "client_crl_file", what));
        }
        if let (Some(asked), Some(_)) = (asked.filter(|asked| !asked.get_ref()), &table.client_ca_file) {
            let what = "`client_ca_file` asks for them: take one of both away".into();
            return Err(self.value(asked.span(), "client_certificates", what));
        }
        let are_asked_for = table.client_ca_file.is_some() || asked.is_some_and(|asked| *asked.get_ref());
        Ok(are_asked_for.then(|| ClientCertificates {
            authorities: table.client_ca_file.as_ref().map(|path| self.absolute(path)),
            revoked: table.client_crl_file.as_ref().map(|path| self.absolute(path.get_ref())),
        }))
    }

    pub(super) fn trusted_proxies(&self, table: &ServerTable) -> Result<Option<TrustedProxies>, ConfigError> {
        let proxy_protocol = table.proxy_protocol.as_ref().filter(|wanted| *wanted.get_ref());
        let needs = |span, key| Err(self.value(span, key, "it needs `trusted_proxies` too: whom to believe".into()));
        let Some(listed) = &table.trusted_proxies else {
            return match (&table.forwarded, proxy_protocol) {
                (Some(forwarded), _) => needs(forwarded.span(), "forwarded"),
                (None, Some(wanted)) => needs(wanted.span(), "proxy_protocol"),
                (None, None) => Ok(None),
            };
        };
        let networks = self.networks(listed.get_ref(), "trusted_proxies")?;
        let wrong = |problem: &str| Err(self.value(listed.span(), "trusted_proxies", problem.into()));
        if networks.is_empty() {
            return wrong("it is empty: leave it out");
        }
        if networks.iter().any(Network::is_everywhere) {
            return wrong("with a prefix of 0 everybody would be believed: list the proxies' own addresses");
        }
        let by = match (&table.forwarded, proxy_protocol) {
            (Some(_), Some(wanted)) => {
                return Err(self.value(wanted.span(), "proxy_protocol", "`forwarded` is set too: keep one".into()));
            }
            (Some(forwarded), None) if forwarded.get_ref().eq_ignore_ascii_case("x-forwarded-for") => {
                Forwarding::Header
            }
            (Some(forwarded), None) => {
                return Err(self.value(forwarded.span(), "forwarded", "this release knows `x-forwarded-for`".into()));
            }
            (None, Some(_)) => Forwarding::ProxyProtocol,
            (None, None) => {
                return wrong("say how they tell: `forwarded = \"x-forwarded-for\"` or `proxy_protocol = true`");
            }
        };
        Ok(Some(TrustedProxies { networks, by }))
    }

    /// A rate, whose two keys these are.
    pub(super) fn rate(
        &self,
        per_second: &Option<Spanned<u32>>,
        burst: &Option<Spanned<u32>>,
        [rate_key, burst_key]: [&str; 2],
    ) -> Result<Option<Rate>, ConfigError> {
        let positive = |number: &Spanned<u32>, key: &str| {
            NonZeroU32::new(*number.get_ref()).ok_or_else(|| self.value(number.span(), key, "it is at least 1".into()))
        };
        match (per_second, burst) {
            (Some(rate), burst) => {
                let per_second = positive(rate, rate_key)?;
                let burst = burst.as_ref().map(|burst| positive(burst, burst_key)).transpose()?;
                let usual = per_second.saturating_mul(NonZeroU32::MIN.saturating_add(BURST_SECONDS - 1));
                Ok(Some(Rate { per_second, burst: burst.unwrap_or(usual) }))
            }
            (None, Some(burst)) => Err(self.value(burst.span(), burst_key, format!("it needs `{rate_key}` too"))),
            (None, None) => Ok(None),
        }
    }
}
