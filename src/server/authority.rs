//! The certificate authority that a server without certificates of its own makes for itself: its key lies in the vault,
//! the servers' keys only in memory.

use std::time::{Duration, UNIX_EPOCH};

use base64ct::{Base64UrlUnpadded, Encoding};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
    SanType,
};
use rustls::pki_types::PrivatePkcs8KeyDer;
use serde::{Deserialize, Serialize};

use super::record::{self, Record};
use super::tls::{Tls, TlsError};
use crate::crypto::{Curve, KeyAlgorithm, PrivateKey};
use crate::vault::{SecretBytes, Vault, VaultError};

/// Days for which a server's certificate is valid; a new one is made long before.
const SERVER_DAYS: i64 = 90;

/// Days for which the authority is valid.
const AUTHORITY_DAYS: i64 = 3650;

const DAY: i64 = 24 * 3600;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// The vault.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The certificate.
    #[error("a certificate can't be made: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The handshake's configuration.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The authority's record; its secret part is the key.
#[derive(Serialize, Deserialize)]
struct Stored {
    /// DER in base64url.
    certificate: String,
    created: i64,
}

impl Record for Stored {
    const KIND: &'static str = "tls-authority";

    fn id(&self) -> &str {
        "1"
    }
}

/// The authority of one vault's server.
pub struct Authority {
    certificate: Vec<u8>,
    key: SecretBytes,
}

impl Authority {
    /// The vault's authority, made when it is first asked for.
    pub fn ensure(vault: &dyn Vault, now: i64) -> Result<Self, AuthorityError> {
        if record::find::<Stored>(&vault.image(), "1").is_none() {
            let (certificate, key) = make(now)?;
            let stored = Stored { certificate: Base64UrlUnpadded::encode_string(&certificate), created: now };
            vault.transact(&mut |image| match record::find::<Stored>(image, "1") {
                Some(_) => Ok(Vec::new()),
                None => Ok(vec![record::create(&stored, Some(key.clone()))]),
            })?;
        }
        let stored = record::find::<Stored>(&vault.image(), "1").ok_or(VaultError::NotFound)?;
        let certificate = Base64UrlUnpadded::decode_vec(&stored.record.certificate).unwrap_or_default();
        Ok(Self { certificate, key: vault.secret(stored.number)? })
    }

    /// Its certificate, for those who shall trust it.
    pub fn certificate_pem(&self) -> String {
        pem::encode(&pem::Pem::new("CERTIFICATE", self.certificate.clone()))
    }

    /// What a server of these names answers handshakes with; its key is made anew.
    pub fn tls(&self, names: &[SanType], now: i64) -> Result<Tls, AuthorityError> {
        let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).map_err(VaultError::from)?;
        drop(key);
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name.push(DnType::CommonName, "Strongroom server");
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        limit(&mut params, now, SERVER_DAYS);
        let issuer = Issuer::new(params_of_authority(now), pair(&self.key)?);
        let certificate = params.signed_by(&pair(&pkcs8)?, &issuer)?;
        Ok(Tls::from_der(vec![certificate.der().clone()], pkcs8.expose())?)
    }
}

fn make(now: i64) -> Result<(Vec<u8>, SecretBytes), AuthorityError> {
    let (_, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).map_err(VaultError::from)?;
    let certificate = params_of_authority(now).self_signed(&pair(&pkcs8)?)?;
    Ok((certificate.der().to_vec(), pkcs8))
}

/// Only the dates of these differ from one time to another, and an issuer's dates aren't in what it issues.
fn params_of_authority(now: i64) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "Strongroom server authority");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    limit(&mut params, now, AUTHORITY_DAYS);
    params
}

fn pair(pkcs8: &SecretBytes) -> Result<KeyPair, rcgen::Error> {
    KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(pkcs8.expose()), &rcgen::PKCS_ECDSA_P256_SHA256)
}

/// Sets from a day before, for clocks that are behind, to so many days after.
fn limit(params: &mut CertificateParams, now: i64, days: i64) {
    let at = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap_or(0));
    params.not_before = at(now - DAY).into();
    params.not_after = at(now + days * DAY).into();
}
