//! The policy of a certificate for which nobody gave one: what it, its key and its issuer are, as far as it says so.

use super::bundle::CertificateVersion;
use super::policy::{KeyProperties, Policy, SELF, X509Properties};
use crate::certificate::{Certificate, Profile};
use crate::crypto::{KeyAlgorithm, PublicKey};
use crate::server::error::{Result, ServiceError};
use crate::vault::Image;

/// The policy of a version in the vault that has none.
pub fn policy(image: &Image, version: CertificateVersion<'_>) -> Result<Policy> {
    let certificate = version.der().and_then(|der| Certificate::from_der(der).ok());
    let certificate = certificate.ok_or_else(|| ServiceError::bad_parameter("The certificate can't be read."))?;
    let mut policy = policy_of(&certificate, version.0.created)?;
    // What a program or the command line made leaves the vault only if its key may.
    policy.key_props.exportable = version.key(image).is_some_and(|key| key.content.may_leave_in_clear());
    if certificate.is_self_issued() {
        policy.issuer.name = SELF.into();
    }
    Ok(policy)
}

/// The policy of a certificate that is brought.
pub fn policy_of(certificate: &Certificate, now: i64) -> Result<Policy> {
    let profile = Profile::of(certificate).map_err(super::refused)?;
    let algorithm = PublicKey::from_spki(certificate.spki()).map_or(KeyAlgorithm::Other(0), |key| key.algorithm());
    Ok(Policy::with(KeyProperties::for_algorithm(algorithm), X509Properties::of(&profile), now))
}
