//! Whose certificates count by the names in them: the authorities of one file, less what the lists of another revoke.
//!
//! Both files are read anew while the server runs. What can't be read is said, and what was read before stays; a
//! list that is too old by its own word revokes everything of its authority, as at OpenSSL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use crate::certificate::{Certificate, RevocationList};

/// Why such files can't be used.
#[derive(Debug, thiserror::Error)]
pub enum AuthoritiesError {
    /// One can't be read.
    #[error("{} can't be read: {source}; give the file's path and its right to be read", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// One doesn't hold what it should.
    #[error("{} {problem}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
}

/// The authorities and lists that were read last, and where from.
#[derive(Debug)]
pub struct AuthoritiesFiles {
    authorities: PathBuf,
    revoked: Option<PathBuf>,
    current: ArcSwap<Authorities>,
}

/// Authorities, and what they revoked.
#[derive(Debug)]
pub struct Authorities {
    /// Which reading of the files this is, of all in this process.
    pub(super) reading: u64,
    pub(super) verifier: Arc<dyn ClientCertVerifier>,
    lists: Vec<RevocationList>,
    contents: (Vec<u8>, Vec<u8>),
}

impl AuthoritiesFiles {
    /// Reads a file with certificates of authorities in PEM, and one with their revocation lists, in PEM or one in DER.
    pub fn read(authorities: &Path, revoked: Option<&Path>) -> Result<Self, AuthoritiesError> {
        let contents = contents(authorities, revoked)?;
        let read = Authorities::read(authorities, revoked, contents)?;
        let (authorities, revoked) = (authorities.to_owned(), revoked.map(Path::to_owned));
        Ok(Self { authorities, revoked, current: ArcSwap::from_pointee(read) })
    }

    /// Reads them again; requests from now on go by what they say, if all of it can be used.
    pub fn read_again(&self) -> Result<(), AuthoritiesError> {
        let contents = contents(&self.authorities, self.revoked.as_deref())?;
        if self.current.load().contents != contents {
            let read = Authorities::read(&self.authorities, self.revoked.as_deref(), contents)?;
            self.current.store(Arc::new(read));
        }
        Ok(())
    }

    /// What was read last.
    pub fn current(&self) -> Arc<Authorities> {
        self.current.load_full()
    }
}

fn contents(authorities: &Path, revoked: Option<&Path>) -> Result<(Vec<u8>, Vec<u8>), AuthoritiesError> {
    let read = |path: &Path| {
        std::fs::read(path).map_err(|source| AuthoritiesError::Unreadable { path: path.to_owned(), source })
    };
    Ok((read(authorities)?, revoked.map(read).transpose()?.unwrap_or_default()))
}

impl Authorities {
    fn read(path: &Path, revoked: Option<&Path>, contents: (Vec<u8>, Vec<u8>)) -> Result<Self, AuthoritiesError> {
        static READINGS: AtomicU64 = AtomicU64::new(0);
        let unusable = |path: &Path, problem: String| AuthoritiesError::Unusable { path: path.to_owned(), problem };
        let roots = roots(&contents.0).map_err(|problem| unusable(path, problem))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        let mut lists = Vec::new();
        if let Some(path) = revoked {
            let (encoded, parsed) = revocation_lists(&contents.1).map_err(|problem| unusable(path, problem))?;
            builder = builder.with_crls(encoded).enforce_revocation_expiration();
            lists = parsed;
        }
        let named = revoked.unwrap_or(path);
        let verifier = builder.build().map_err(|error| unusable(named, format!("can't be used: {error}")))?;
        Ok(Self { reading: READINGS.fetch_add(1, Ordering::Relaxed), verifier, lists, contents })
    }

    /// Whether its authority revoked this certificate, so far as the lists here say.
    pub fn revoked(&self, certificate: &Certificate) -> bool {
        self.lists.iter().any(|list| list.names(certificate))
    }

    /// When the first of the lists is too old, in seconds since 1970.
    pub fn lists_end(&self) -> Option<i64> {
        self.list_ends().min()
    }

    pub(super) fn list_ends(&self) -> impl Iterator<Item = i64> {
        self.lists.iter().filter_map(|list| list.next_update)
    }
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| format!("is damaged: {error}; make the file anew"))?;
        roots
            .add(certificate)
            .map_err(|error| format!("holds a certificate that can't be an authority's: {error}; leave it out"))?;
    }
    match roots.is_empty() {
        true => Err("holds no certificate in PEM; put those of the clients' authorities into it".to_owned()),
        false => Ok(roots),
    }
}

type Lists = (Vec<CertificateRevocationListDer<'static>>, Vec<RevocationList>);

fn revocation_lists(contents: &[u8]) -> Result<Lists, String> {
    let mut encoded = CertificateRevocationListDer::pem_slice_iter(contents)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| format!("is damaged: {error}; make the file anew"))?;
    if encoded.is_empty() && contents.first() == Some(&SEQUENCE) {
        encoded.push(contents.to_vec().into());
    }
    if encoded.is_empty() {
        return Err(
            "holds no revocation list; put one of every authority into it, also one that revokes nothing".into()
        );
    }
    let parsed = encoded.iter().map(|list| RevocationList::from_der(list));
    let parsed =
        parsed.collect::<crate::certificate::Result<_>>().map_err(|error| format!("can't be used: {error}"))?;
    Ok((encoded, parsed))
}

/// With which DER of a list begins.
const SEQUENCE: u8 = 0x30;
