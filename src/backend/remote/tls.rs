//! Whom we trust, and who we are, in TLS.
//!
//! AWS-LC is handed in as the provider: a host may have installed another for its own use of rustls, and we install none.
//! The authorities are read once, at the first connection, and go with a fork: a worker that has changed its root
//! directory couldn't read them any more.

use std::sync::{Arc, OnceLock};

use base64ct::{Base64, Encoding};
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::sign::any_supported_type;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{
    CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer, ServerName, UnixTime,
};
use rustls::server::ParsedCertificate;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{
    CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, InconsistentKeys, RootCertStore,
    SignatureScheme,
};
use zeroize::Zeroizing;

use super::error::{Failure, Step};
use crate::config::{ClientCertificate, RemoteConfig};
use crate::crypto::{Digest, DigestAlgorithm};
use crate::sys::env;
use crate::sys::fork::Section;

/// What decides whether a server is the one that is meant.
pub struct Trust {
    authorities: Option<Vec<u8>>,
    /// The system's count beside those that are named.
    systems_too: bool,
    pins: Vec<[u8; 32]>,
    client: Option<ClientCertificate>,
    roots: OnceLock<Arc<RootCertStore>>,
    config: OnceLock<Arc<ClientConfig>>,
}

/// Where Linux systems keep their authorities, for a process that may not go by its environment.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

impl Trust {
    /// What the configuration says about the vault's own host.
    pub fn of_vault(config: &RemoteConfig) -> Self {
        Self {
            authorities: config.authorities.clone(),
            systems_too: false,
            pins: config.pins.clone(),
            client: config.client.clone(),
            roots: OnceLock::new(),
            config: OnceLock::new(),
        }
    }

    /// The same for a host that only gives tokens: the pin and the certificate are for the vault. `elsewhere`: the host
    /// isn't beside the vault, and the system's authorities count too.
    pub fn of_authority(config: &RemoteConfig, elsewhere: bool) -> Self {
        Self { pins: Vec::new(), client: None, systems_too: elsewhere, ..Self::of_vault(config) }
    }

    /// The same in a forked child: no session of the parent's is resumed, and what was read is known.
    pub fn in_forked_child(&self) -> Self {
        Self {
            authorities: self.authorities.clone(),
            systems_too: self.systems_too,
            pins: self.pins.clone(),
            client: self.client.clone(),
            roots: self.roots.get().map_or_else(OnceLock::new, |roots| OnceLock::from(Arc::clone(roots))),
            config: OnceLock::new(),
        }
    }

    /// A connection to a host, still to shake hands.
    pub(super) fn connection(&self, host: &str, endpoint: &str) -> Result<Box<ClientConnection>, Failure> {
        let config = self.config(endpoint)?;
        let name = ServerName::try_from(host.to_owned())
            .map_err(|_| Failure::at(Step::Tls, endpoint, "this can't be a server's name"))?;
        let _section = Section::enter();
        ClientConnection::new(config, name).map(Box::new).map_err(|error| Failure::at(Step::Tls, endpoint, error))
    }

    fn config(&self, endpoint: &str) -> Result<Arc<ClientConfig>, Failure> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let made = Arc::new(self.build(endpoint)?);
        Ok(Arc::clone(self.config.get_or_init(|| made)))
    }

    fn build(&self, endpoint: &str) -> Result<ClientConfig, Failure> {
        let roots = self.roots(endpoint)?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let fails = |error: &dyn std::fmt::Display| Failure::at(Step::Tls, endpoint, error);
        let inner = WebPkiServerVerifier::builder_with_provider(roots, Arc::clone(&provider))
            .build()
            .map_err(|error| fails(&error))?;
        let verifier = Arc::new(Pinned { inner, pins: self.pins.clone() });
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| fails(&error))?
            .dangerous()
            .with_custom_certificate_verifier(verifier);
        let mut config = match &self.client {
            None => builder.with_no_client_auth(),
            Some(client) => builder
                .with_client_cert_resolver(identity(client).map_err(|(error, advice)| fails(&error).advise(advice))?),
        };
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }

    fn roots(&self, endpoint: &str) -> Result<Arc<RootCertStore>, Failure> {
        if let Some(roots) = self.roots.get() {
            return Ok(Arc::clone(roots));
        }
        let mut store = RootCertStore::empty();
        if let Some(pem) = &self.authorities {
            store.add_parsable_certificates(CertificateDer::pem_slice_iter(pem).filter_map(Result::ok));
        }
        if self.authorities.is_none() || self.systems_too {
            store.add_parsable_certificates(of_system());
        }
        if store.is_empty() {
            return Err(Failure::at(
                Step::Certificate,
                endpoint,
                "there is no authority to check its certificate with",
            )
            .advise("install the system's list (ca-certificates), or name the vault's authority with `ca_file`"));
        }
        Ok(Arc::clone(self.roots.get_or_init(|| Arc::new(store))))
    }
}

/// The system's authorities. `SSL_CERT_FILE` and `SSL_CERT_DIR` count only in a process that has no more rights than who
/// started it.
fn of_system() -> Vec<CertificateDer<'static>> {
    if !env::is_more_privileged_than_its_starter() {
        return rustls_native_certs::load_native_certs().certs;
    }
    let in_file = |path: &str| rustls_native_certs::load_certs_from_paths(Some(std::path::Path::new(path)), None).certs;
    BUNDLES.into_iter().map(in_file).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Who we are in TLS; the error is what is wrong, and what to do.
fn identity(client: &ClientCertificate) -> Result<Arc<SingleCertAndKey>, (String, &'static str)> {
    let nothing = || "`client_certificate` or `client_key` holds nothing in PEM that can be used".to_owned();
    let pair = parsed(client).ok_or_else(|| (nothing(), "name a certificate and its key"))?;
    let pair = pair.and_then(|pair| match pair.keys_match() {
        Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(pair),
        Err(error) => Err(error),
    });
    let pair =
        pair.map_err(|error| (error.to_string(), "check that `client_key` is the key of `client_certificate`"))?;
    Ok(Arc::new(SingleCertAndKey::from(pair)))
}

/// The chain with the key, or why rustls can't use that; `None` if one of them isn't there.
pub(super) fn parsed(client: &ClientCertificate) -> Option<Result<CertifiedKey, rustls::Error>> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&client.chain).filter_map(Result::ok).collect();
    let (kind, der) = private_key_in(client.key.expose()).filter(|_| !chain.is_empty())?;
    let der = der.as_slice();
    let key = match kind {
        "PRIVATE KEY" => PrivateKeyDer::from(PrivatePkcs8KeyDer::from(der)),
        "RSA PRIVATE KEY" => PrivatePkcs1KeyDer::from(der).into(),
        "EC PRIVATE KEY" => PrivateSec1KeyDer::from(der).into(),
        _ => return None,
    };
    let _section = Section::enter();
    Some(any_supported_type(&key).map(|key| CertifiedKey::new(chain, key)))
}

/// The first private key in PEM and what kind it says that it is, in memory that is wiped, as rustls's own reader's isn't.
fn private_key_in(pem: &[u8]) -> Option<(&str, Zeroizing<Vec<u8>>)> {
    let mut lines = std::str::from_utf8(pem).ok()?.lines().map(str::trim);
    let kind = lines.find_map(|line| {
        let kind = line.strip_prefix("-----BEGIN ")?.strip_suffix("-----")?;
        kind.ends_with("PRIVATE KEY").then_some(kind)
    })?;
    let mut text = Zeroizing::new(String::with_capacity(pem.len()));
    for line in lines.take_while(|line| !line.starts_with("-----END")) {
        text.push_str(line);
    }
    let mut der = Zeroizing::new(vec![0; text.len()]);
    let len = Base64::decode(text.as_bytes(), &mut der).ok()?.len();
    der.truncate(len);
    Some((kind, der))
}

/// What the handshake's error was about.
pub(super) fn step_of(error: &rustls::Error) -> Step {
    match error {
        rustls::Error::InvalidCertificate(CertificateError::ApplicationVerificationFailure) => Step::Pin,
        rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented => Step::Certificate,
        _ => Step::Tls,
    }
}

/// Checks the chain as always, and then that the key is one of those that are pinned.
#[derive(Debug)]
struct Pinned {
    inner: Arc<WebPkiServerVerifier>,
    pins: Vec<[u8; 32]>,
}

impl ServerCertVerifier for Pinned {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let verified = self.inner.verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)?;
        if self.pins.is_empty() {
            return Ok(verified);
        }
        let pin = pin_of(&ParsedCertificate::try_from(end_entity)?);
        match pin.is_some_and(|pin| self.pins.contains(&pin)) {
            true => Ok(verified),
            false => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.inner.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}

fn pin_of(certificate: &ParsedCertificate<'_>) -> Option<[u8; 32]> {
    let mut sum = [0; 32];
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    digest.update(&certificate.subject_public_key_info());
    digest.finish(&mut sum).ok()?;
    Some(sum)
}

#[cfg(test)]
#[path = "tls_tests.rs"]
mod tests;
