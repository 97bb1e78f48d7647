//! A key of the vault as `rcgen` wants it: it signs, and says its public half.

use std::cell::RefCell;
use std::sync::Arc;

use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};
use spki::SubjectPublicKeyInfoRef;
use spki::der::asn1::UintRef;
use spki::der::{Decode, Encode, Header, Tag};

use super::{Error, Result};
use crate::crypto::{Curve, Digest, DigestAlgorithm};
use crate::vault::{KeyAlgorithm, KeyDescription, PrivateKey, SignScheme, VaultError};

/// Signs certificates and requests.
pub(super) struct VaultSigner {
    key: Arc<dyn PrivateKey>,
    /// The content of the BIT STRING in SubjectPublicKeyInfo.
    public: Vec<u8>,
    plan: Plan,
    /// Why the last signature failed: `rcgen`'s own error can't carry it.
    failure: RefCell<Option<VaultError>>,
}

/// How a kind of key signs certificates.
struct Plan {
    algorithm: &'static SignatureAlgorithm,
    digest: Option<DigestAlgorithm>,
    scheme: SignScheme,
}

impl VaultSigner {
    pub(super) fn new(key: Arc<dyn PrivateKey>, description: &KeyDescription) -> Result<Self> {
        let public = SubjectPublicKeyInfoRef::from_der(&description.public)
            .map_err(|_| Error::refused("The key's public half is damaged."))?
            .subject_public_key
            .raw_bytes()
            .to_vec();
        Ok(Self { plan: plan(key.algorithm())?, key, public, failure: RefCell::new(None) })
    }

    /// What `rcgen` answers, or why the vault refused.
    pub(super) fn result<T>(&self, result: std::result::Result<T, rcgen::Error>) -> Result<T> {
        result.map_err(|error| match self.failure.take() {
            Some(failure) => Error::Vault(failure),
            None => Error::refused(format!("The certificate can't be made: {error}.")),
        })
    }

    fn try_sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, VaultError> {
        let mut signature = vec![0; self.key.algorithm().signature_len()];
        let mut digest = [0; DigestAlgorithm::MAX_LEN];
        let input = match self.plan.digest {
            None => message,
            Some(algorithm) => {
                let mut hash = Digest::new(algorithm);
                hash.update(message);
                let length = hash.finish(&mut digest)?;
                &digest[..length]
            }
        };
        let length = self.key.sign(&self.plan.scheme, input, &mut signature)?;
        signature.truncate(length);
        if self.plan.scheme == SignScheme::Ecdsa {
            return ecdsa_der(&signature).ok_or(VaultError::Unsupported("a signature of odd length"));
        }
        Ok(signature)
    }
}

impl SigningKey for VaultSigner {
    fn sign(&self, message: &[u8]) -> std::result::Result<Vec<u8>, rcgen::Error> {
        self.try_sign(message).map_err(|failure| {
            self.failure.replace(Some(failure));
            rcgen::Error::RemoteKeyError
        })
    }
}

impl PublicKeyData for VaultSigner {
    fn der_bytes(&self) -> &[u8] {
        &self.public
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.plan.algorithm
    }
}

fn plan(kind: KeyAlgorithm) -> Result<Plan> {
    use DigestAlgorithm::{Sha256, Sha384, Sha512};
    let (algorithm, digest, scheme) = match kind {
        KeyAlgorithm::Rsa { .. } => (&rcgen::PKCS_RSA_SHA256, Some(Sha256), SignScheme::RsaPkcs1Digest(Sha256)),
        KeyAlgorithm::Ec(Curve::P256) => (&rcgen::PKCS_ECDSA_P256_SHA256, Some(Sha256), SignScheme::Ecdsa),
        KeyAlgorithm::Ec(Curve::P384) => (&rcgen::PKCS_ECDSA_P384_SHA384, Some(Sha384), SignScheme::Ecdsa),
        KeyAlgorithm::Ec(Curve::P521) => (&rcgen::PKCS_ECDSA_P521_SHA512, Some(Sha512), SignScheme::Ecdsa),
        KeyAlgorithm::Ed25519 => (&rcgen::PKCS_ED25519, None, SignScheme::Ed25519),
        other => {
            return Err(Error::refused(format!(
                "Certificates for keys of kind {} aren't made here: rsa, p-256, p-384, p-521 and ed25519 are.",
                super::super::kind::text(other)
            )));
        }
    };
    Ok(Plan { algorithm, digest, scheme })
}

/// r‖s as `ECDSA-Sig-Value` (RFC 3279 §2.2.3).
fn ecdsa_der(signature: &[u8]) -> Option<Vec<u8>> {
    let (r, s) = signature.split_at_checked(signature.len() / 2)?;
    let mut integers = UintRef::new(r).ok()?.to_der().ok()?;
    integers.extend(UintRef::new(s).ok()?.to_der().ok()?);
    let mut der = Header::new(Tag::Sequence, integers.len().try_into().ok()?).to_der().ok()?;
    der.extend(integers);
    Some(der)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ecdsa_signatures_become_two_positive_integers() {
        let mut signature = vec![0; 64];
        (signature[0], signature[63]) = (0x80, 1);
        let der = ecdsa_der(&signature).unwrap();
        assert_eq!(&der[..5], [0x30, 2 + 33 + 3, 0x02, 33, 0]);
        assert_eq!(&der[der.len() - 3..], [0x02, 1, 1]);
    }

    #[test]
    fn a_long_signature_has_a_long_header() {
        assert_eq!(&ecdsa_der(&[0x7F; 132]).unwrap()[..3], [0x30, 0x81, 136]);
    }
}
