//! What a certificate or a request of ours says besides its subject.

use std::time::Duration;

use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType, SerialNumber};

use super::subject::parse_alternative;
use super::{Error, Identity, Result};
use crate::crypto;
use crate::vault::KeyAlgorithm;

/// For a server's or client's own certificate.
pub(super) fn parameters(identity: &Identity, kind: KeyAlgorithm) -> Result<CertificateParams> {
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name = identity
        .subject
        .distinguished_name()
        .map_err(|error| Error::Usage(format!("The subject can't be encoded: {error}.")))?;
    parameters.subject_alt_names = alternatives(identity);
    parameters.is_ca = IsCa::ExplicitNoCa;
    parameters.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    if matches!(kind, KeyAlgorithm::Rsa { .. }) {
        // TLS 1.2 with RSA key transport; the key decides itself whether it decrypts.
        parameters.key_usages.push(KeyUsagePurpose::KeyEncipherment);
    }
    parameters.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    Ok(parameters)
}

/// From now on for so many days, under a random serial number (RFC 5280 §4.1.2.2): a renewed certificate of the same key
/// must not have the old one's.
pub(super) fn limit(parameters: &mut CertificateParams, now: i64, days: u32) -> Result<()> {
    let mut serial = [0; 16];
    crypto::random(&mut serial)?;
    // Positive, and not shortened by leading zeros.
    serial[0] = serial[0] & 0x7F | 0x40;
    parameters.serial_number = Some(SerialNumber::from_slice(&serial));
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    let start = Duration::from_secs(now.max(0).unsigned_abs());
    parameters.not_before = epoch + start;
    parameters.not_after = epoch + start + Duration::from_secs(u64::from(days) * 24 * 60 * 60);
    Ok(())
}

fn alternatives(identity: &Identity) -> Vec<SanType> {
    if !identity.alternatives.is_empty() {
        return identity.alternatives.clone();
    }
    identity.subject.host().and_then(|host| parse_alternative(host).ok()).into_iter().collect()
}
