//! What the interface's algorithms do, in the vault's words: which `alg` makes a signature, and of which bytes; which
//! decrypts; and what none of them does exactly.
//!
//! The service signs digests of one length for each algorithm. What follows from that without a secret is made here: the
//! DigestInfo of PKCS#1 v1.5 around another hash (the padding itself is the service's, `RSNULL`), and the leftmost bits of
//! a digest that ECDSA uses (FIPS 186-5 §6.4.1), to which zeros at the front add nothing.

use std::borrow::Cow;

use crate::config::AzureConfig;
use crate::crypto::{
    CipherScheme, CryptoError, Curve, DigestAlgorithm, Direction, EncryptScheme, KeyAlgorithm, KeyWrapScheme,
    SignScheme,
};
use crate::vault::{Ability, Matter};

/// Which of the services it is, as its host's name or the configuration tells: they differ in what they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Service {
    /// Keys are of the kinds `…-HSM` only, and there is nothing but keys.
    pub hsm: bool,
    /// It has AES keys.
    aes: bool,
    /// It pads what it is given (`RSNULL`).
    bare_pkcs1: bool,
}

/// The hosts of Azure Key Vault, in each of its clouds.
const KEY_VAULTS: [&str; 4] =
    [".vault.azure.net", ".vault.azure.cn", ".vault.usgovcloudapi.net", ".vault.microsoftazure.de"];
/// The hosts of Azure's Managed HSM.
const MANAGED_HSMS: [&str; 3] = [".managedhsm.azure.net", ".managedhsm.azure.cn", ".managedhsm.usgovcloudapi.net"];

impl Service {
    /// The one of a configuration. Whoever is no host of Azure's is taken for a server of ours, which has all.
    pub fn of(config: &AzureConfig) -> Self {
        let host = config.remote.origins[0].host();
        let ends = |suffixes: &[&str]| suffixes.iter().any(|suffix| host.ends_with(suffix));
        Self { hsm: config.is_managed_hsm(), aes: !ends(&KEY_VAULTS), bare_pkcs1: !ends(&MANAGED_HSMS) }
    }

    /// Whether its keys do this.
    pub fn offers(self, ability: &Ability<'_>) -> bool {
        match *ability {
            Ability::Sign(key, scheme) => self.signs(key, scheme),
            Ability::Decrypt(scheme) => decryption(&scheme).is_some(),
            // Where the encryption is a wrap, the right to encrypt would be needed beside the right to wrap.
            Ability::Cipher(scheme, direction, Matter::Bytes) => self.aes && cipher(&scheme, direction).is_some(),
            Ability::Cipher(_, _, Matter::Key) | Ability::KeyWrap(_, Matter::Bytes) => false,
            Ability::KeyWrap(scheme, Matter::Key) => self.aes && key_wrap(&scheme, 256).is_some(),
            Ability::Mac | Ability::Derive | Ability::Messages | Ability::Export => false,
            Ability::Generate(KeyAlgorithm::Rsa { bits }) => matches!(bits, 2048 | 3072 | 4096),
            Ability::Generate(KeyAlgorithm::Ec(_)) => true,
            Ability::Generate(KeyAlgorithm::Aes { .. }) => self.aes,
            Ability::Generate(_) => false,
        }
    }

    fn signs(self, key: KeyAlgorithm, scheme: SignScheme) -> bool {
        match (key, scheme) {
            (KeyAlgorithm::Ec(_), SignScheme::Ecdsa) => true,
            (KeyAlgorithm::Rsa { .. }, SignScheme::RsaPss { digest, mgf, salt_len }) => {
                size(digest).is_some() && mgf == digest && salt_len == digest.len()
            }
            // Without `RSNULL` it depends on what is signed; see `signature`.
            (KeyAlgorithm::Rsa { .. }, SignScheme::RsaPkcs1) => true,
            (KeyAlgorithm::Rsa { .. }, SignScheme::RsaPkcs1Digest(digest)) => {
                size(digest).is_some() || self.bare_pkcs1 && digest.digest_info_prefix().is_ok()
            }
            _ => false,
        }
    }

    /// The algorithm that makes this signature, and the bytes that it is given.
    pub fn signature<'a>(
        self,
        key: KeyAlgorithm,
        scheme: &SignScheme,
        input: &'a [u8],
    ) -> Result<(&'static str, Cow<'a, [u8]>), CryptoError> {
        if !self.signs(key, *scheme) {
            return Err(CryptoError::SchemeMismatch);
        }
        match (key, scheme) {
            (KeyAlgorithm::Ec(curve), _) => ecdsa_digest(curve, input),
            (_, SignScheme::RsaPss { digest, .. }) => {
                let names = [("PS256", 32), ("PS384", 48), ("PS512", 64)];
                let (name, len) = size(*digest).map(|size| names[size]).ok_or(CryptoError::SchemeMismatch)?;
                if input.len() == len { Ok((name, input.into())) } else { Err(CryptoError::InputLength) }
            }
            (_, SignScheme::RsaPkcs1Digest(digest)) => match size(*digest) {
                Some(_) if input.len() != digest.len() => Err(CryptoError::InputLength),
                Some(size) => Ok((RS[size], input.into())),
                None => Ok((BARE, [digest.digest_info_prefix()?, input].concat().into())),
            },
            (_, _) => {
                for (size, digest) in SHA2.iter().enumerate() {
                    let digested = input.strip_prefix(digest.digest_info_prefix()?);
                    if let Some(digested) = digested.filter(|digested| digested.len() == digest.len()) {
                        return Ok((RS[size], digested.into()));
                    }
                }
                if self.bare_pkcs1 { Ok((BARE, input.into())) } else { Err(CryptoError::InputLength) }
            }
        }
    }
}

/// The hashes that the interface has algorithms for.
const SHA2: [DigestAlgorithm; 3] = [DigestAlgorithm::Sha256, DigestAlgorithm::Sha384, DigestAlgorithm::Sha512];
/// PKCS#1 v1.5 over each of them.
const RS: [&str; 3] = ["RS256", "RS384", "RS512"];
/// The padding of PKCS#1 v1.5 around whatever comes.
const BARE: &str = "RSNULL";

/// Which of [`SHA2`] it is.
fn size(digest: DigestAlgorithm) -> Option<usize> {
    SHA2.iter().position(|known| *known == digest)
}

fn ecdsa_digest(curve: Curve, input: &[u8]) -> Result<(&'static str, Cow<'_, [u8]>), CryptoError> {
    let (name, len) = match curve {
        Curve::P256 => ("ES256", 32),
        Curve::Secp256k1 => ("ES256K", 32),
        Curve::P384 => ("ES384", 48),
        // A digest of 512 bits, of a curve of 521: a longer one can't be said.
        Curve::P521 if input.len() > 64 => return Err(CryptoError::InputLength),
        Curve::P521 => ("ES512", 64),
    };
    if input.is_empty() {
        return Err(CryptoError::InputLength);
    }
    Ok(match input.len() {
        longer if longer >= len => (name, input[..len].into()),
        shorter => (name, [&[0; 64][..len - shorter], input].concat().into()),
    })
}

/// The algorithm that decrypts so.
pub fn decryption(scheme: &EncryptScheme<'_>) -> Option<&'static str> {
    match scheme {
        EncryptScheme::RsaPkcs1 => Some("RSA1_5"),
        EncryptScheme::RsaOaep { digest, mgf, label: [] } if digest == mgf => match digest {
            DigestAlgorithm::Sha1 => Some("RSA-OAEP"),
            DigestAlgorithm::Sha256 => Some("RSA-OAEP-256"),
            _ => None,
        },
        EncryptScheme::RsaOaep { .. } | EncryptScheme::RsaRaw => None,
    }
}

/// The end of the algorithm's name for this mode: the key's bits stand before it. AES-GCM's initialisation vector is the
/// service's own where it encrypts, so that a caller's is used to decrypt alone.
pub fn cipher(scheme: &CipherScheme<'_>, direction: Direction) -> Option<&'static str> {
    match scheme {
        CipherScheme::AesCbc { .. } => Some("CBC"),
        CipherScheme::AesCbcPad { .. } => Some("CBCPAD"),
        CipherScheme::AesGcm { iv, tag_len: 16, .. } if iv.len() == 12 && direction == Direction::Decrypt => {
            Some("GCM")
        }
        CipherScheme::AesGcm { .. } | CipherScheme::AesEcb | CipherScheme::AesCtr { .. } => None,
    }
}

/// The algorithm of this key wrap by a key of this size. The names that say no size came with version 7.6, and are taken
/// only where no older one means the same.
pub fn key_wrap(scheme: &KeyWrapScheme, bits: u32) -> Option<&'static str> {
    match (scheme, bits) {
        (KeyWrapScheme::AesKw { iv: None }, 128) => Some("A128KW"),
        (KeyWrapScheme::AesKw { iv: None }, 192) => Some("A192KW"),
        (KeyWrapScheme::AesKw { iv: None }, 256) => Some("A256KW"),
        (KeyWrapScheme::AesKwp { iv: None }, _) => Some("CKM_AES_KEY_WRAP_PAD"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{AzureCredential, Origin};

    fn config(host: &str) -> AzureConfig {
        AzureConfig::at(Origin::parse(&format!("https://{host}")).unwrap(), AzureCredential::Peer)
    }

    fn service(host: &str) -> Service {
        Service::of(&config(host))
    }

    const RSA: KeyAlgorithm = KeyAlgorithm::Rsa { bits: 2048 };

    #[test]
    fn a_digest_info_is_signed_by_its_own_algorithm_and_anything_else_padded_as_it_is() {
        let ours = service("web.vault.localhost:8443");
        let info = [DigestAlgorithm::Sha384.digest_info_prefix().unwrap(), &[7; 48]].concat();
        let signed = |input| ours.signature(RSA, &SignScheme::RsaPkcs1, input).unwrap();
        assert_eq!(signed(&info), ("RS384", Cow::from(&[7; 48][..])));
        assert_eq!(signed(&[7; 36]), ("RSNULL", Cow::from(&[7; 36][..])));
        assert_eq!(signed(&info[1..]).0, "RSNULL");
        let (name, sha1) = ours.signature(RSA, &SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha1), &[7; 20]).unwrap();
        assert_eq!((name, sha1.len()), ("RSNULL", 35));
        let hsm = service("x.managedhsm.azure.net");
        assert!(hsm.signature(RSA, &SignScheme::RsaPkcs1, &[7; 36]).is_err());
        assert!(hsm.signature(RSA, &SignScheme::RsaPkcs1, &info).is_ok());
    }

    #[test]
    fn ecdsa_takes_the_leftmost_bits_and_zeros_add_nothing() {
        let ours = service("web.vault.localhost");
        let signed = |curve, input| ours.signature(KeyAlgorithm::Ec(curve), &SignScheme::Ecdsa, input);
        assert_eq!(signed(Curve::P256, &[1; 64]).unwrap(), ("ES256", Cow::from(&[1; 32][..])));
        let padded = [&[0; 12][..], &[1; 20]].concat();
        assert_eq!(signed(Curve::P256, &[1; 20]).unwrap(), ("ES256", Cow::from(padded)));
        assert_eq!(signed(Curve::P521, &[1; 64]).unwrap().1.len(), 64);
        assert_eq!(signed(Curve::P521, &[1; 66]), Err(CryptoError::InputLength));
        assert_eq!(signed(Curve::P384, &[]), Err(CryptoError::InputLength));
    }

    #[test]
    fn only_a_salt_as_long_as_its_hash_is_offered() {
        let ours = service("web.vault.localhost");
        let pss =
            |digest, mgf, salt_len| ours.offers(&Ability::Sign(RSA, SignScheme::RsaPss { digest, mgf, salt_len }));
        let (sha1, sha256) = (DigestAlgorithm::Sha1, DigestAlgorithm::Sha256);
        assert!(pss(sha256, sha256, 32));
        assert!(!pss(sha256, sha256, 20) && !pss(sha256, sha1, 32) && !pss(sha1, sha1, 20));
    }

    #[test]
    fn services_are_told_by_their_hosts_or_by_the_configuration() {
        let aes = Ability::Generate(KeyAlgorithm::Aes { bits: 256 });
        let sha1 = Ability::Sign(RSA, SignScheme::RsaPkcs1Digest(DigestAlgorithm::Sha1));
        let told = |host| {
            let service = service(host);
            (service.hsm, service.offers(&aes), service.offers(&sha1))
        };
        assert_eq!(told("web.vault.azure.net"), (false, false, true));
        assert_eq!(told("web.managedhsm.azure.net"), (true, true, false));
        assert_eq!(told("web.vault.localhost:8443"), (false, true, true));
        assert_eq!(told("web.managedhsm.localhost:8443"), (true, true, true));
        assert_eq!(told("managedhsm.vault.azure.net"), (false, false, true));
        let named = AzureConfig { managed_hsm: true, ..config("web.keys.example") };
        assert!(Service::of(&named).hsm);
    }

    #[test]
    fn the_services_own_initialisation_vector_lets_gcm_decrypt_alone() {
        let gcm = |iv, tag_len| CipherScheme::AesGcm { iv, aad: &[], tag_len };
        assert_eq!(cipher(&gcm(&[0; 12], 16), Direction::Decrypt), Some("GCM"));
        for (scheme, direction) in [
            (gcm(&[0; 12], 16), Direction::Encrypt),
            (gcm(&[0; 16], 16), Direction::Decrypt),
            (gcm(&[0; 12], 12), Direction::Decrypt),
        ] {
            assert_eq!(cipher(&scheme, direction), None);
        }
    }
}
