//! What the server shows of itself in a handshake: its certificate chain and the key to it, from PEM files.
//!
//! TLS 1.2 and 1.3 with AWS-LC, HTTP/2 and HTTP/1.1 by ALPN. No early data, which could be replayed, and no tickets under
//! a key of ours: a session that is resumed is remembered in this process and forgotten with it. The certificate can be
//! exchanged while connections are served; those that stand keep the old one.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs1KeyDer, PrivatePkcs8KeyDer, PrivateSec1KeyDer};
use rustls::server::{ResolvesServerCert, ServerSessionMemoryCache, WantsServerCert};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ConfigBuilder, ServerConfig, WantsVerifier};
use zeroize::Zeroizing;

use super::client_certificate::AnyCertificate;
use crate::certificate::pem;
use crate::config::{ConfigError, Trusted, read_secret};

/// What every handshake that begins now is answered with.
pub struct Tls(ArcSwap<ServerConfig>);

/// Why a certificate and its key can't be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The key's file can't be read, or others may read it.
    #[error(transparent)]
    KeyFile(#[from] ConfigError),
    /// The chain's file can't be read.
    #[error("the certificate chain {} can't be read: {source}; give the file's path and its right to be read", path.display())]
    ChainFile {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// No certificate in what should hold the chain.
    #[error(
        "the certificate chain holds no certificate in PEM; put the server's own first and those that issued it behind it"
    )]
    NoCertificate,
    /// A certificate that is damaged.
    #[error("the certificate chain is damaged: {0}; make the file anew")]
    Chain(String),
    /// No private key, an encrypted one, or one that can't be used.
    #[error("the TLS key can't be used: {0}; give an unencrypted private key in PEM (PKCS#8, SEC 1 or PKCS#1)")]
    Key(String),
    /// The key is another certificate's.
    #[error(
        "the TLS key doesn't belong to the first certificate of the chain; the server's own certificate comes first"
    )]
    Mismatch,
}

impl Tls {
    /// From a file with the certificate chain, the server's own first, and one with its key, which others may not read.
    pub fn read(chain: &Path, key: &Path) -> Result<Self, TlsError> {
        let certificates =
            std::fs::read(chain).map_err(|source| TlsError::ChainFile { path: chain.to_owned(), source })?;
        let trusted = Trusted { uid: crate::sys::env::effective_uid(), ..Trusted::default() };
        let key = read_secret(key, &trusted, "give the file that holds the server's TLS key")?;
        Self::from_pem(&certificates, &key)
    }

    /// From the contents of such files.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(ArcSwap::from_pointee(server_config(chain, key)?)))
    }

    /// From a certificate chain, the server's own first, and the key in PKCS#8.
    pub fn from_der(chain: Vec<CertificateDer<'static>>, pkcs8: &[u8]) -> Result<Self, TlsError> {
        Ok(Self(ArcSwap::from_pointee(config_of(chain, KeyForm::Pkcs8, pkcs8)?)))
    }

    /// The same, which asks clients for certificates; they need have none.
    pub fn asking_for_certificates(self) -> Result<Self, TlsError> {
        let resolver = Arc::clone(&self.0.load().cert_resolver);
        let config = configured(versions()?.with_client_cert_verifier(AnyCertificate::verifier()), resolver);
        Ok(Self(ArcSwap::from_pointee(config)))
    }

    /// Answers handshakes that begin from now on as `newer` does.
    pub fn replace_with(&self, newer: &Self) {
        self.0.store(newer.0.load_full());
    }

    /// For one handshake.
    pub(super) fn current(&self) -> Arc<ServerConfig> {
        self.0.load_full()
    }
}

fn server_config(chain: &[u8], key: &[u8]) -> Result<ServerConfig, TlsError> {
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(chain)
        .collect::<Result<_, _>>()
        .map_err(|error| TlsError::Chain(error.to_string()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate);
    }
    let (form, der) = private_key(key)?;
    config_of(chain, form, &der)
}

fn config_of(chain: Vec<CertificateDer<'static>>, form: KeyForm, der: &[u8]) -> Result<ServerConfig, TlsError> {
    let signing_key = aws_lc_rs::sign::any_supported_type(&form.of(der))
        .map_err(|_| TlsError::Key("it is damaged or of a kind that TLS doesn't use".into()))?;
    let certified = CertifiedKey::new(chain, signing_key);
    match certified.keys_match() {
        Ok(()) => {}
        Err(rustls::Error::InconsistentKeys(rustls::InconsistentKeys::KeyMismatch)) => return Err(TlsError::Mismatch),
        Err(error) => return Err(TlsError::Chain(error.to_string())),
    }
    Ok(configured(versions()?.with_no_client_auth(), Arc::new(SingleCertAndKey::from(certified))))
}

fn versions() -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, TlsError> {
    ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| TlsError::Key(error.to_string()))
}

fn configured(
    builder: ConfigBuilder<ServerConfig, WantsServerCert>,
    certificate: Arc<dyn ResolvesServerCert>,
) -> ServerConfig {
    let mut config = builder.with_cert_resolver(certificate);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = ServerSessionMemoryCache::new(SESSIONS);
    config
}

/// The form a private key lies in, as its block's name says.
#[derive(Clone, Copy)]
enum KeyForm {
    Pkcs8,
    Sec1,
    Pkcs1,
}

impl KeyForm {
    /// The key where it lies: no copy that nobody wipes.
    fn of(self, der: &[u8]) -> PrivateKeyDer<'_> {
        match self {
            Self::Pkcs8 => PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)),
            Self::Sec1 => PrivateKeyDer::Sec1(PrivateSec1KeyDer::from(der)),
            Self::Pkcs1 => PrivateKeyDer::Pkcs1(PrivatePkcs1KeyDer::from(der)),
        }
    }
}

/// The first private key of a PEM file, decoded in constant time into memory that is wiped; the parser for certificates
/// leaves the text of what it read in freed memory.
fn private_key(pem: &[u8]) -> Result<(KeyForm, Zeroizing<Vec<u8>>), TlsError> {
    let damaged = || TlsError::Key("its PEM is damaged".into());
    for (label, form) in FORMS {
        let Some(start) = position(pem, format!("-----BEGIN {label}-----").as_bytes()) else { continue };
        let length =
            position(&pem[start.end..], format!("-----END {label}-----").as_bytes()).ok_or_else(damaged)?.start;
        let text = &pem[start.end..][..length];
        if text.contains(&b':') {
            return Err(TlsError::Key("it is encrypted".into()));
        }
        return Ok((form, pem::base64(text).ok_or_else(damaged)?));
    }
    Err(TlsError::Key("it holds no private key in a form that is known".into()))
}

fn position(text: &[u8], mark: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = text.windows(mark.len()).position(|window| window == mark)?;
    Some(start..start + mark.len())
}

const FORMS: [(&str, KeyForm); 3] =
    [("PRIVATE KEY", KeyForm::Pkcs8), ("EC PRIVATE KEY", KeyForm::Sec1), ("RSA PRIVATE KEY", KeyForm::Pkcs1)];

/// So many sessions can be resumed.
const SESSIONS: usize = 4096;
