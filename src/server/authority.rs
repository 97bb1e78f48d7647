//! The certificate authority that a server without certificates of its own makes for itself: its key lies in the vault,
//! the servers' keys only in memory.

use std::sync::Arc;

use base64ct::{Base64UrlUnpadded, Encoding};
use serde::{Deserialize, Serialize};

use super::record::{self, Record};
use super::tls::{Tls, TlsError};
use crate::certificate::{self, Alternative, Certificate, KeyUsages, Profile, Signer, make, name, pem, usage_oid};
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
    #[error(transparent)]
    Certificate(#[from] certificate::Error),
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

/// What the label of its record begins with.
pub(super) fn labels() -> Vec<u8> {
    record::labels::<Stored>()
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
            let (certificate, key) = new_authority(now)?;
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
        pem::text("CERTIFICATE", &self.certificate)
    }

    /// What a server of these names answers handshakes with; its key is made anew.
    pub fn tls(&self, names: &[Alternative], now: i64) -> Result<Tls, AuthorityError> {
        let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).map_err(VaultError::from)?;
        let profile = Profile {
            subject: name::parse("CN=Strongroom server")?,
            alternatives: names.to_vec(),
            key_usages: KeyUsages::DigitalSignature.into(),
            extended_usages: vec![usage_oid("serverAuth")?],
            authority: None,
            // A day before, for clocks that are behind.
            not_before: now - DAY,
            not_after: now + SERVER_DAYS * DAY,
        };
        let own = PrivateKey::from_pkcs8(self.key.expose()).map_err(VaultError::from)?;
        let issuer = Certificate::from_der(&self.certificate)?;
        let made = make::issue(&profile, key.public_key().spki(), &issuer, &Signer::new(Arc::new(own))?)?;
        Ok(Tls::from_der(vec![made.into()], pkcs8.expose())?)
    }
}

fn new_authority(now: i64) -> Result<(Vec<u8>, SecretBytes), AuthorityError> {
    let (key, pkcs8) = PrivateKey::generate(KeyAlgorithm::Ec(Curve::P256)).map_err(VaultError::from)?;
    let profile = Profile {
        subject: name::parse("CN=Strongroom server authority")?,
        alternatives: Vec::new(),
        key_usages: KeyUsages::KeyCertSign | KeyUsages::CRLSign,
        extended_usages: Vec::new(),
        authority: Some(certificate::Authority { path_length: Some(0) }),
        not_before: now - DAY,
        not_after: now + AUTHORITY_DAYS * DAY,
    };
    Ok((make::self_signed(&profile, &Signer::new(Arc::new(key))?)?, pkcs8))
}
