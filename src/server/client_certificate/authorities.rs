//! Whose certificates count by the names in them: the authorities of one file, less what the lists of another revoke.
//!
//! Both files are read anew while the server runs. What can't be read is said, and what was read before stays; a
//! list that is too old by its own word revokes everything of its authority, as at OpenSSL.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::ArcSwap;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;

use super::anchors::Anchors;
use crate::certificate::{Certificate, Name, RevocationList};

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
    pub(super) anchors: Anchors,
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
        let (mut encoded, mut lists) = (None, Vec::new());
        if let Some(path) = revoked {
            let (some, parsed) = revocation_lists(&contents.1).map_err(|problem| unusable(path, problem))?;
            (encoded, lists) = (Some(some), parsed);
        }
        let anchors = Anchors::read(&contents.0, encoded).map_err(|problem| unusable(path, problem))?;
        Ok(Self { reading: READINGS.fetch_add(1, Ordering::Relaxed), anchors, lists, contents })
    }

    /// Whether its authority revoked this certificate, so far as the lists here say.
    pub fn revoked(&self, certificate: &Certificate) -> bool {
        self.lists.iter().any(|list| list.names(certificate))
    }

    /// When the first of the lists is too old, in seconds since 1970.
    pub fn lists_end(&self) -> Option<i64> {
        self.list_ends().min()
    }

    /// Whose certificates don't count at a time, because it is outside of the authority's own dates.
    pub fn out_of_date(&self, now: i64) -> impl Iterator<Item = &Name> {
        self.anchors.out_of_date(now).map(Certificate::subject)
    }

    /// Seconds since 1970 at which something here begins or ends to count. Whether the very second of a list's end still
    /// does is the library's to say: it is asked again around it.
    pub(super) fn turns(&self) -> impl Iterator<Item = i64> {
        self.anchors.turns().chain(self.list_ends().flat_map(|end| [end, end.saturating_add(1)]))
    }

    fn list_ends(&self) -> impl Iterator<Item = i64> {
        self.lists.iter().filter_map(|list| list.next_update)
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
