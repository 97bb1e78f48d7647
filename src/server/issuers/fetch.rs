//! Fetching an issuer's keys: its discovery document (OpenID Connect Discovery 1.0 §4), then the set that it names.
//!
//! Each answer has a bounded size and time and must be JSON by its own word; no redirection is followed. Blocks: called on a
//! thread that may wait.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jsonwebtoken::Algorithm;
use serde::Deserialize;
use ureq::Agent;
use ureq::http::header;
use ureq::tls::{Certificate, RootCerts, TlsConfig, TlsProvider};

use super::keys::KeySet;
use crate::certificate::pem;

/// Time for one answer, with name resolution, connection and handshake.
const REQUEST: Duration = Duration::from_secs(5);

/// Longest document, and longest set of keys, in bytes.
const MAX_DOCUMENT: u64 = 256 * 1024;
const MAX_KEYS: u64 = 1024 * 1024;

/// Where one issuer's keys come from.
pub struct Source {
    url: String,
    ca_file: Option<PathBuf>,
}

/// What is read of the document.
#[derive(Deserialize)]
struct Discovery {
    issuer: String,
    jwks_uri: String,
}

impl Source {
    /// An issuer at this address, whose certificate is of one of the authorities in this file, else of the system's. The file is
    /// read at each look, and now, to say what is wrong with it.
    pub fn new(url: &str, ca_file: Option<PathBuf>) -> Result<Self, String> {
        let source = Self { url: url.to_owned(), ca_file };
        source.agent()?;
        Ok(source)
    }

    fn is_plain(&self) -> bool {
        self.url.starts_with("http:")
    }

    fn agent(&self) -> Result<Agent, String> {
        let is_plain = self.is_plain();
        let roots = match &self.ca_file {
            _ if is_plain => Vec::new(),
            Some(file) => in_file(file)?,
            None => of_the_system()?,
        };
        let tls = TlsConfig::builder()
            .provider(TlsProvider::Rustls)
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::Specific(Arc::new(roots)))
            .build();
        let mut config = Agent::config_builder()
            .tls_config(tls)
            .https_only(!is_plain)
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .timeout_global(Some(REQUEST))
            // What an issuer says counts from now on: nothing is gained by a connection that was open for an hour.
            .max_idle_connections(0)
            .accept("application/json")
            .user_agent(concat!("strongroom/", env!("CARGO_PKG_VERSION")));
        if is_plain {
            config = config.proxy(None);
        }
        Ok(config.build().into())
    }

    /// The issuer's keys as they are now. The text of a failure ends a sentence.
    pub fn keys(&self, allowed: &[Algorithm], now: i64) -> Result<KeySet, String> {
        let document = format!("{}/.well-known/openid-configuration", self.url.trim_end_matches('/'));
        let agent = self.agent()?;
        let Discovery { issuer, jwks_uri } = serde_json::from_slice(&get(&agent, &document, MAX_DOCUMENT)?)
            .map_err(|_| format!("{document} answers no discovery document"))?;
        if issuer != self.url {
            return Err(format!("{document} is about another issuer, {}", shown(&issuer)));
        }
        // Plain http stays on this machine, and says of no other what its certificate must be.
        let is_own = origin(&jwks_uri) == origin(&self.url);
        if !is_own && self.is_plain() {
            return Err(format!(
                "its keys are at {}: those of an issuer over http must be at its own address",
                shown(&jwks_uri)
            ));
        }
        if !is_own && !jwks_uri.starts_with("https:") {
            return Err(format!("its keys are at {}, which isn't https", shown(&jwks_uri)));
        }
        let keys = get(&agent, &jwks_uri, MAX_KEYS)?;
        KeySet::read(&keys, allowed, now).map_err(|problem| format!("{}: {problem}", shown(&jwks_uri)))
    }
}

fn get(agent: &Agent, url: &str, most: u64) -> Result<Vec<u8>, String> {
    let url_shown = shown(url);
    let mut response = agent.get(url).call().map_err(|error| format!("{url_shown}: {error}"))?;
    let status = response.status();
    if status.is_redirection() {
        return Err(format!("{url_shown} answers {status}, and no redirection is followed"));
    }
    if !status.is_success() {
        return Err(format!("{url_shown} answers {status}"));
    }
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let essence = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if essence != "application/json" && !essence.ends_with("+json") {
        return Err(format!("{url_shown} answers {}, not JSON", shown(&essence)));
    }
    let read = response.body_mut().with_config().limit(most).read_to_vec();
    read.map_err(|error| match error {
        ureq::Error::BodyExceedsLimit(_) => format!("{url_shown} answers more than {most} bytes"),
        error => format!("{url_shown}: {error}"),
    })
}

/// Scheme, host and port.
fn origin(url: &str) -> &str {
    let end = url.match_indices('/').nth(2).map_or(url.len(), |(at, _)| at);
    &url[..end]
}

/// What somebody else wrote, for a line of the log.
fn shown(text: &str) -> String {
    text.chars().filter(|letter| !letter.is_control()).take(200).collect()
}

fn in_file(file: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let unreadable = |error: io::Error| format!("{} can't be read: {error}", file.display());
    let contents = std::fs::read(file).map_err(unreadable)?;
    let blocks = pem::blocks(&contents).map_err(|error| format!("{}: {error}", file.display()))?;
    let blocks = blocks.into_iter().filter(|(tag, _)| tag == "CERTIFICATE");
    let certificates: Vec<_> = blocks.map(|(_, der)| Certificate::from_der(&der).to_owned()).collect();
    match certificates.is_empty() {
        true => Err(format!("{} holds no certificate in PEM", file.display())),
        false => Ok(certificates),
    }
}

fn of_the_system() -> Result<Vec<Certificate<'static>>, String> {
    let found = rustls_native_certs::load_native_certs();
    match found.certs.is_empty() {
        true => Err("this system has no list of authorities: name the issuer's with `ca_file`".to_owned()),
        false => Ok(found.certs.iter().map(|der| Certificate::from_der(der).to_owned()).collect()),
    }
}
