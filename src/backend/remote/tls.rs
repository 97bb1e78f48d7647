//! Whom we trust, and who we are, in TLS.
//!
//! AWS-LC is handed in as the provider: a host may have installed another for its own use of rustls, and we install none.
//! The authorities are read once, at the first connection, and go with a fork: a worker that has changed its root
//! directory couldn't read them any more.

use std::sync::{Arc, OnceLock};

use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme};

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
            Some(client) => {
                let (chain, key) = parsed(client).ok_or_else(|| {
                    fails(&"`client_certificate` or `client_key` holds nothing in PEM that can be used")
                        .advise("name a certificate and its key")
                })?;
                builder.with_client_auth_cert(chain, key).map_err(|error| {
                    fails(&error).advise("check that `client_key` is the key of `client_certificate`")
                })?
            }
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
    let in_file =
        |path: &&str| rustls_native_certs::load_certs_from_paths(Some(std::path::Path::new(path)), None).certs;
    BUNDLES.iter().map(|path| in_file(&path)).find(|found| !found.is_empty()).unwrap_or_default()
}

/// Chain and key as rustls takes them.
pub(super) fn parsed(client: &ClientCertificate) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&client.chain).filter_map(Result::ok).collect();
    let key = PrivateKeyDer::from_pem_slice(client.key.expose()).ok()?;
    (!chain.is_empty()).then_some((chain, key))
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

/// The provider, for who signs with a key of a configuration.
pub(in crate::backend) fn provider() -> CryptoProvider {
    rustls::crypto::aws_lc_rs::default_provider()
}
