//! TLS and names: whom the command trusts, and where a host is.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use super::super::{Error, Result};
use super::variable;
use crate::certificate::pem;

/// Time for a connection with its handshake.
const CONNECT: Duration = Duration::from_secs(10);
/// Time for a whole request; an RSA key of 4096 bits is made within one.
const REQUEST: Duration = Duration::from_secs(60);

/// A client that follows no redirection, because a token or a secret would go with it.
pub(super) fn agent(ca: Option<&Path>) -> Result<Agent> {
    let tls = TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .root_certs(RootCerts::Specific(Arc::new(trusted(ca)?)))
        .build();
    let config: Config = Agent::config_builder()
        .tls_config(tls)
        .https_only(true)
        .http_status_as_error(false)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(Some(REQUEST))
        .user_agent(concat!("strongroom/", env!("CARGO_PKG_VERSION")))
        .build();
    Ok(Agent::with_parts(config, DefaultConnector::new(), Loopback(DefaultResolver::default())))
}

/// A file that is named, else the system's authorities.
fn trusted(ca: Option<&Path>) -> Result<Vec<Certificate<'static>>> {
    let named = || ["SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"].into_iter().find_map(variable).map(PathBuf::from);
    if let Some(file) = ca.map(Path::to_path_buf).or_else(named) {
        return in_file(&file);
    }
    let found = rustls_native_certs::load_native_certs();
    match found.certs.is_empty() {
        true => Err(Error::refused("This system has no list of authorities: name the server's with --ca FILE.")),
        false => Ok(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()),
    }
}

fn in_file(file: &Path) -> Result<Vec<Certificate<'static>>> {
    let contents = std::fs::read(file).map_err(|source| Error::File { path: file.into(), source })?;
    let blocks = pem::blocks(&contents)?.into_iter().filter(|(tag, _)| tag == "CERTIFICATE");
    let certificates: Vec<_> = blocks.map(|(_, der)| Certificate::from_der(&der).to_owned()).collect();
    match certificates.is_empty() {
        true => Err(Error::refused(format!("{} holds no certificate in PEM.", file.display()))),
        false => Ok(certificates),
    }
}

/// `localhost` and every name below it is this machine (RFC 6761 §6.3); glibc asks the network for the latter.
#[derive(Debug)]
struct Loopback(DefaultResolver);

impl Resolver for Loopback {
    fn resolve(
        &self,
        uri: &Uri,
        config: &Config,
        timeout: NextTimeout,
    ) -> std::result::Result<ResolvedSocketAddrs, ureq::Error> {
        let host = uri.host().unwrap_or_default().trim_end_matches('.').to_ascii_lowercase();
        if host != "localhost" && !host.ends_with(".localhost") {
            return self.0.resolve(uri, config, timeout);
        }
        let port = uri.port_u16().unwrap_or(443);
        let mut addresses = self.empty();
        addresses.push(([127, 0, 0, 1], port).into());
        addresses.push((std::net::Ipv6Addr::LOCALHOST, port).into());
        Ok(addresses)
    }
}
