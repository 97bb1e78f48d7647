//! The certificate that one connection's client showed.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::CertificateDer;
use rustls::{CertificateError, Error};

use super::Authorities;
use crate::certificate::{Alternative, Certificate, Profile};

/// Why a certificate doesn't count; the text is for the client, and goes on from "the client certificate".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Its `notAfter`, or that of one above it.
    #[error("has expired: get a new one")]
    Expired,
    /// Its `notBefore`, or that of one above it.
    #[error("is not valid yet: check the clocks of both machines")]
    NotYetValid,
    /// It stands in a list.
    #[error("was revoked")]
    Revoked,
    /// No identity has it, and no authority that is known here issued it.
    #[error("is no identity's, and was issued by no authority that counts here")]
    Unknown,
    /// The dates of the authority's own certificate.
    #[error("was issued by an authority whose own certificate isn't valid now")]
    OldAuthority,
    /// There is no list of its authority.
    #[error("can't be checked: this server has no revocation list of its authority")]
    NoList,
    /// There is an old one only.
    #[error("can't be checked: the revocation list of its authority is too old")]
    OldList,
    /// Extended key usages without that for clients.
    #[error("isn't for TLS clients, as its extended key usage says")]
    OtherPurpose,
    /// No identity has a name of it.
    #[error("has no name that is an identity's")]
    NoName,
    /// Anything else.
    #[error("can't be verified: {0}")]
    Other(String),
}

impl Refusal {
    /// What the library says.
    pub(super) fn of(error: &Error) -> Self {
        let Error::InvalidCertificate(why) = error else { return Self::Other(error.to_string()) };
        match why {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => Self::Expired,
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Self::NotYetValid,
            CertificateError::Revoked => Self::Revoked,
            CertificateError::UnknownIssuer => Self::Unknown,
            CertificateError::UnknownRevocationStatus => Self::NoList,
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                Self::OldList
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => Self::OtherPurpose,
            other => Self::Other(other.to_string()),
        }
    }
}

/// A certificate whose key the client has, and those that came with it.
pub struct Shown {
    leaf: Certificate,
    sha256: [u8; 32],
    above: Vec<CertificateDer<'static>>,
    names: Vec<String>,
    /// Seconds since 1970 at which a certificate of the chain begins or ends to be valid.
    turns: Vec<i64>,
    verdict: Mutex<Option<Verdict>>,
}

/// What the authorities of one reading said, which holds until a moment comes at which they may say something else.
#[derive(Clone)]
struct Verdict {
    reading: u64,
    from: i64,
    until: i64,
    counts: Result<(), Refusal>,
}

impl Shown {
    /// What a handshake left; nothing if there is no certificate, or one that can't be read.
    pub fn of(chain: &[CertificateDer<'_>]) -> Option<Arc<Self>> {
        let (leaf, above) = chain.split_first()?;
        let leaf = Certificate::from_der(leaf).ok()?;
        let alternatives = Profile::of(&leaf).map(|profile| profile.alternatives).unwrap_or_default();
        // One above that can't be read leads nowhere when the chain is verified.
        let parsed = above.iter().filter_map(|above| Certificate::from_der(above).ok());
        let turns = parsed.chain([leaf.clone()]).flat_map(|one| [one.not_before(), one.not_after().saturating_add(1)]);
        Some(Arc::new(Self {
            turns: turns.collect(),
            above: above.iter().map(|above| above.clone().into_owned()).collect(),
            names: alternatives.iter().filter_map(name).collect(),
            sha256: leaf.fingerprint(),
            leaf,
            verdict: Mutex::default(),
        }))
    }

    /// SHA-256 of the certificate.
    pub fn fingerprint(&self) -> &[u8; 32] {
        &self.sha256
    }

    /// The names in it, as identities have them.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// Whether it counts by itself, because an identity has it: within its dates, and unless its authority revoked it.
    pub fn counts_alone(&self, authorities: Option<&Authorities>, now: i64) -> Result<(), Refusal> {
        if now < self.leaf.not_before() {
            return Err(Refusal::NotYetValid);
        }
        if now > self.leaf.not_after() {
            return Err(Refusal::Expired);
        }
        match authorities.is_some_and(|authorities| authorities.revoked(&self.leaf)) {
            true => Err(Refusal::Revoked),
            false => Ok(()),
        }
    }

    /// Whether one of the authorities vouches for it and its names now.
    pub fn counts_by(&self, authorities: &Authorities, now: i64) -> Result<(), Refusal> {
        // Nothing panics while the lock is held, so a poisoned one guards a good verdict.
        let mut known = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        let holds =
            |verdict: &Verdict| verdict.reading == authorities.reading && (verdict.from..verdict.until).contains(&now);
        if let Some(verdict) = known.as_ref().filter(|verdict| holds(verdict)) {
            return verdict.counts.clone();
        }
        let verdict = self.verify(authorities, now);
        let counts = verdict.counts.clone();
        *known = Some(verdict);
        counts
    }

    fn verify(&self, authorities: &Authorities, now: i64) -> Verdict {
        let turns = || self.turns.iter().copied().chain(authorities.turns());
        Verdict {
            reading: authorities.reading,
            from: turns().filter(|turn| *turn <= now).max().unwrap_or(i64::MIN),
            until: turns().filter(|turn| *turn > now).min().unwrap_or(i64::MAX),
            counts: authorities.anchors.verify(&CertificateDer::from(self.leaf.der()), &self.above, now),
        }
    }
}

/// An alternative name as an identity may have it; those of other kinds name nobody.
fn name(alternative: &Alternative) -> Option<String> {
    crate::server::identity::certificate_name(alternative)
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.leaf.subject())
    }
}
