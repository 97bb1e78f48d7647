//! A key that signs certificates and requests: one of a vault, or a new one that goes into it with what it signs.

use std::sync::Arc;

use der::asn1::{Any, BitString, ObjectIdentifier, UintRef};
use der::{Decode, Document, Encode, Header, Tag};
use signature::Keypair;
use spki::{AlgorithmIdentifierOwned, DynSignatureAlgorithmIdentifier, EncodePublicKey};

use super::{Error, Result, digest};
use crate::crypto::{self, Curve, DigestAlgorithm, PublicKey};
use crate::vault::{KeyAlgorithm, KeyDescription, PrivateKey, SignScheme, VaultError};

/// Signs certificates and requests.
pub struct Signer {
    key: Key,
    /// SubjectPublicKeyInfo.
    public: Public,
    plan: Plan,
}

enum Key {
    InVault(Arc<dyn PrivateKey>),
    New(Arc<crypto::PrivateKey>),
}

/// The public half, as the library asks for it.
#[derive(Clone)]
pub struct Public(Arc<[u8]>);

/// How a kind of key signs certificates.
#[derive(Clone, Copy)]
struct Plan {
    /// Of the signature algorithm (RFC 4055 §5, RFC 5758 §3.2, RFC 8410 §3).
    oid: ObjectIdentifier,
    digest: Option<DigestAlgorithm>,
    scheme: SignScheme,
}

impl Signer {
    /// With a key that a vault holds.
    pub fn in_vault(key: Arc<dyn PrivateKey>, description: &KeyDescription) -> Result<Self> {
        // Checked here, since it goes into certificates as it is.
        let public = PublicKey::from_spki(&description.public).map_err(|_| Error::Damaged("the key's public half"))?;
        Ok(Self { plan: plan(key.algorithm())?, key: Key::InVault(key), public: Public(public.spki().into()) })
    }

    /// With a new key.
    pub fn new(key: Arc<crypto::PrivateKey>) -> Result<Self> {
        Ok(Self { plan: plan(key.algorithm())?, public: Public(key.public_key().spki().into()), key: Key::New(key) })
    }

    /// SubjectPublicKeyInfo of the key.
    pub fn spki(&self) -> &[u8] {
        &self.public.0
    }

    /// The content of the signature's BIT STRING.
    pub(super) fn sign(&self, message: &[u8]) -> Result<BitString> {
        let hashed;
        let input = match self.plan.digest {
            None => message,
            Some(algorithm) => {
                hashed = digest::<{ DigestAlgorithm::MAX_LEN }>(algorithm, message);
                &hashed[..algorithm.len()]
            }
        };
        let mut signature = vec![0; self.algorithm().signature_len()];
        let len = match &self.key {
            Key::InVault(key) => key.sign(&self.plan.scheme, input, &mut signature)?,
            Key::New(key) => key.sign(&self.plan.scheme, input, &mut signature)?,
        };
        signature.truncate(len);
        if self.plan.scheme == SignScheme::Ecdsa {
            signature = ecdsa_der(&signature).ok_or(VaultError::Unsupported("a signature of odd length"))?;
        }
        Ok(BitString::from_bytes(&signature)?)
    }

    fn algorithm(&self) -> KeyAlgorithm {
        match &self.key {
            Key::InVault(key) => key.algorithm(),
            Key::New(key) => key.algorithm(),
        }
    }
}

impl Keypair for Signer {
    type VerifyingKey = Public;

    fn verifying_key(&self) -> Public {
        self.public.clone()
    }
}

impl EncodePublicKey for Public {
    fn to_public_key_der(&self) -> spki::Result<Document> {
        Ok(Document::from_der(&self.0)?)
    }
}

impl DynSignatureAlgorithmIdentifier for Signer {
    fn signature_algorithm_identifier(&self) -> spki::Result<AlgorithmIdentifierOwned> {
        // Only RSA's algorithms have parameters, which are NULL (RFC 4055 §5).
        let parameters = matches!(self.plan.scheme, SignScheme::RsaPkcs1Digest(_)).then(Any::null);
        Ok(AlgorithmIdentifierOwned { oid: self.plan.oid, parameters })
    }
}

fn plan(kind: KeyAlgorithm) -> Result<Plan> {
    use DigestAlgorithm::{Sha256, Sha384, Sha512};
    let ecdsa = |oid, digest| Plan { oid, digest: Some(digest), scheme: SignScheme::Ecdsa };
    Ok(match kind {
        KeyAlgorithm::Rsa { .. } => {
            Plan { oid: SHA256_WITH_RSA, digest: Some(Sha256), scheme: SignScheme::RsaPkcs1Digest(Sha256) }
        }
        KeyAlgorithm::Ec(Curve::P256 | Curve::Secp256k1) => ecdsa(ECDSA_WITH_SHA256, Sha256),
        KeyAlgorithm::Ec(Curve::P384) => ecdsa(ECDSA_WITH_SHA384, Sha384),
        KeyAlgorithm::Ec(Curve::P521) => ecdsa(ECDSA_WITH_SHA512, Sha512),
        KeyAlgorithm::Ed25519 => Plan { oid: ED25519, digest: None, scheme: SignScheme::Ed25519 },
        _ => return Err(Error::KeyKind),
    })
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

const SHA256_WITH_RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.11");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
const ECDSA_WITH_SHA384: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.3");
const ECDSA_WITH_SHA512: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.4");
const ED25519: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.101.112");

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
