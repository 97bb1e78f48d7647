//! The authorities themselves, at which chains of certificates end, and from when to when each counts.
//!
//! To the library an authority is a name and a key that always count. Here it is a certificate: one that says that it may
//! issue others, within its dates.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertificateError, Error, RootCertStore};

use super::Refusal;
use crate::certificate::Certificate;

/// Authorities, and the lists of what they revoked.
#[derive(Debug)]
pub(super) struct Anchors {
    all: Vec<Certificate>,
    lists: Option<Vec<CertificateRevocationListDer<'static>>>,
    /// By all of them, whatever the time.
    timeless: Arc<dyn ClientCertVerifier>,
    /// By those that counted when it was last asked.
    current: Mutex<Option<Current>>,
}

#[derive(Debug)]
struct Current {
    from: i64,
    until: i64,
    /// None if none counts.
    verifier: Option<Arc<dyn ClientCertVerifier>>,
}

impl Anchors {
    /// Those of a file in PEM. Without lists nothing is asked of any; with some there must be one of every authority.
    pub(super) fn read(pem: &[u8], lists: Option<Vec<CertificateRevocationListDer<'static>>>) -> Result<Self, String> {
        let mut all = Vec::new();
        for certificate in CertificateDer::pem_slice_iter(pem) {
            let certificate = certificate.map_err(|error| format!("is damaged: {error}; make the file anew"))?;
            all.push(authority(&certificate)?);
        }
        if all.is_empty() {
            return Err("holds no certificate in PEM; put those of the clients' authorities into it".to_owned());
        }
        let timeless = verifier(all.iter(), lists.as_ref())?;
        Ok(Self { all, lists, timeless, current: Mutex::default() })
    }

    /// Whether a chain leads from a certificate to one of them that counts now.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        above: &[CertificateDer<'_>],
        now: i64,
    ) -> Result<(), Refusal> {
        let time = UnixTime::since_unix_epoch(Duration::from_secs(u64::try_from(now).unwrap_or_default()));
        self.timeless.verify_client_cert(leaf, above, time).map_err(|error| Refusal::of(&error))?;
        let current = self.verifier_at(now).ok_or(Refusal::OldAuthority)?;
        if Arc::ptr_eq(&current, &self.timeless) {
            return Ok(());
        }
        current.verify_client_cert(leaf, above, time).map(drop).map_err(|error| match error {
            Error::InvalidCertificate(CertificateError::UnknownIssuer) => Refusal::OldAuthority,
            other => Refusal::of(&other),
        })
    }

    fn verifier_at(&self, now: i64) -> Option<Arc<dyn ClientCertVerifier>> {
        // Nothing panics while the lock is held.
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = current.as_ref().filter(|known| (known.from..known.until).contains(&now)) {
            return known.verifier.clone();
        }
        let counting: Vec<&Certificate> = self.all.iter().filter(|one| counts(one, now)).collect();
        let verifier = match counting.len() == self.all.len() {
            true => Some(Arc::clone(&self.timeless)),
            // What could be used with all of them can be with some, unless it is none.
            false => verifier(counting.into_iter(), self.lists.as_ref()).ok(),
        };
        *current = Some(Current {
            from: self.turns().filter(|turn| *turn <= now).max().unwrap_or(i64::MIN),
            until: self.turns().filter(|turn| *turn > now).min().unwrap_or(i64::MAX),
            verifier: verifier.clone(),
        });
        verifier
    }

    /// Seconds since 1970 at which one begins or ends to count.
    pub(super) fn turns(&self) -> impl Iterator<Item = i64> {
        self.all.iter().flat_map(|one| [one.not_before(), one.not_after().saturating_add(1)])
    }

    /// Those that don't count now, because of their dates.
    pub(super) fn out_of_date(&self, now: i64) -> impl Iterator<Item = &Certificate> {
        self.all.iter().filter(move |one| !counts(one, now))
    }
}

fn counts(authority: &Certificate, now: i64) -> bool {
    (authority.not_before()..=authority.not_after()).contains(&now)
}

/// The library would take any certificate, a client's own too, which would then make clients of any name.
fn authority(encoded: &CertificateDer<'_>) -> Result<Certificate, String> {
    let certificate = Certificate::from_der(encoded)
        .map_err(|error| format!("holds a certificate that can't be an authority's: {error}; leave it out"))?;
    let lacks = match (certificate.is_ca(), certificate.allows_issuing()) {
        (true, true) => return Ok(certificate),
        (false, _) => "its basic constraints don't say CA:TRUE",
        (true, false) => "its key usage lacks keyCertSign",
    };
    Err(format!(
        "holds a certificate that is no authority's, {}: {lacks}; take it out, and if it is a client's, give it to an \
         identity with `strongroom identity certificate add`",
        certificate.subject()
    ))
}

fn verifier<'a>(
    authorities: impl Iterator<Item = &'a Certificate>,
    lists: Option<&Vec<CertificateRevocationListDer<'static>>>,
) -> Result<Arc<dyn ClientCertVerifier>, String> {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots
            .add(CertificateDer::from(authority.der()))
            .map_err(|error| format!("holds a certificate that can't be an authority's: {error}; leave it out"))?;
    }
    let provider = Arc::new(aws_lc_rs::default_provider());
    let mut builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
    if let Some(lists) = lists {
        builder = builder.with_crls(lists.clone()).enforce_revocation_expiration();
    }
    builder.build().map(|built| built as Arc<dyn ClientCertVerifier>).map_err(|error| format!("can't be used: {error}"))
}
