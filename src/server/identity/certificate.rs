//! Certificates with which identities log in: what is read of them once, so that a login only compares and verifies.

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::{Algorithm, DecodingKey};
use spki::ObjectIdentifier;
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};
use x509_cert::time::Time;

use crate::crypto::{Digest, DigestAlgorithm};

const RSA: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113549.1.1.1");
const EC: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.2.1");
const P256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.3.1.7");

/// Length of a P-256 point that isn't compressed.
const POINT_LEN: usize = 65;

/// Shortest modulus of an RSA key, in bytes.
const RSA_MIN: usize = 256;

/// A certificate whose key may sign assertions.
#[derive(Clone)]
pub struct LoginCertificate {
    /// SHA-1 of the certificate, `x5t`.
    pub sha1: [u8; 20],
    /// SHA-256 of the certificate, `x5t#S256`.
    pub sha256: [u8; 32],
    /// Whom it names, as text.
    pub subject: String,
    /// Seconds since 1970 before which it doesn't count.
    pub not_before: i64,
    /// Seconds since 1970 after which it doesn't count.
    pub not_after: i64,
    /// Its key.
    pub key: DecodingKey,
    algorithms: &'static [Algorithm],
}

impl LoginCertificate {
    /// Reads a certificate in DER. What it can't be used for is said in a sentence.
    pub fn read(der: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|error| format!("this is no certificate: {error}"))?;
        let body = certificate.tbs_certificate();
        let (key, algorithms) = key(body.subject_public_key_info().to_der().map_err(|error| error.to_string())?)?;
        let mut read = Self {
            sha1: [0; 20],
            sha256: [0; 32],
            subject: body.subject().to_string(),
            not_before: seconds(body.validity().not_before),
            not_after: seconds(body.validity().not_after),
            key,
            algorithms,
        };
        digest(DigestAlgorithm::Sha1, der, &mut read.sha1);
        digest(DigestAlgorithm::Sha256, der, &mut read.sha256);
        Ok(read)
    }

    /// As it lies in a record; `None` if it can't be used.
    pub fn stored(text: &str) -> Option<Self> {
        Self::read(&Base64UrlUnpadded::decode_vec(text).ok()?).ok()
    }

    /// Whether its key signs in this way.
    pub fn signs_with(&self, algorithm: Algorithm) -> bool {
        self.algorithms.contains(&algorithm)
    }

    /// Whether it is within its dates.
    pub fn is_valid_at(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }

    /// SHA-1 of the certificate in hexadecimal digits, as certificates are called at Entra ID.
    pub fn thumbprint(&self) -> String {
        self.sha1.iter().map(|byte| format!("{byte:02X}")).collect()
    }
}

fn key(spki: Vec<u8>) -> Result<(DecodingKey, &'static [Algorithm]), String> {
    let wrong = || "its key can't sign assertions here: RSA from 2048 bits and P-256 can".to_owned();
    let spki = spki::SubjectPublicKeyInfoRef::try_from(&*spki).map_err(|_| wrong())?;
    let bits = spki.subject_public_key.as_bytes().ok_or_else(wrong)?;
    if spki.algorithm.oid == RSA {
        // RFC 8017 §A.1.1: a sequence of modulus and exponent, and what is around them.
        return match bits.len() > RSA_MIN {
            true => Ok((DecodingKey::from_rsa_der(bits), &[Algorithm::RS256, Algorithm::PS256])),
            false => Err(wrong()),
        };
    }
    let curve = spki.algorithm.parameters_oid().map_err(|_| wrong())?;
    if spki.algorithm.oid == EC && curve == P256 && bits.len() == POINT_LEN {
        return Ok((DecodingKey::from_ec_der(bits), &[Algorithm::ES256]));
    }
    Err(wrong())
}

fn seconds(time: Time) -> i64 {
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

fn digest(algorithm: DigestAlgorithm, bytes: &[u8], out: &mut [u8]) {
    let mut digest = Digest::new(algorithm);
    digest.update(bytes);
    // The output has the digest's length.
    let _ = digest.finish(out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(algorithm: &'static rcgen::SignatureAlgorithm) -> Vec<u8> {
        let key = rcgen::KeyPair::generate_for(algorithm).unwrap();
        rcgen::CertificateParams::default().self_signed(&key).unwrap().der().to_vec()
    }

    #[test]
    fn a_key_signs_in_the_ways_of_its_kind_alone() {
        let ec = LoginCertificate::read(&certificate(&rcgen::PKCS_ECDSA_P256_SHA256)).unwrap();
        let rsa = LoginCertificate::read(&certificate(&rcgen::PKCS_RSA_SHA256)).unwrap();
        for (algorithm, by) in [(Algorithm::ES256, &ec), (Algorithm::RS256, &rsa), (Algorithm::PS256, &rsa)] {
            assert!(by.signs_with(algorithm), "{algorithm:?}");
        }
        for (algorithm, by) in [(Algorithm::RS256, &ec), (Algorithm::HS256, &ec), (Algorithm::ES256, &rsa)] {
            assert!(!by.signs_with(algorithm), "{algorithm:?}");
        }
        assert_eq!(rsa.thumbprint().len(), 40);
    }

    #[test]
    fn keys_of_other_kinds_and_other_bytes_are_refused_with_a_sentence() {
        for algorithm in [&rcgen::PKCS_ED25519, &rcgen::PKCS_ECDSA_P384_SHA384] {
            assert!(LoginCertificate::read(&certificate(algorithm)).err().unwrap().contains("P-256"));
        }
        assert!(LoginCertificate::read(b"no").err().unwrap().contains("no certificate"));
    }
}
