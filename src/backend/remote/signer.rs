//! Signatures with the key of a client's certificate, for who proves itself with more than TLS.

use std::sync::Arc;

use rustls::SignatureScheme;
use rustls::pki_types::CertificateDer;
use rustls::sign::SigningKey;

use super::tls;
use crate::config::ClientCertificate;
use crate::sys::fork::Section;

/// A certificate and its key.
pub struct Signer {
    certificate: CertificateDer<'static>,
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
}

/// The schemes that JOSE has too, the best first (RFC 7518 §3.1).
const SCHEMES: [(SignatureScheme, &str); 5] = [
    (SignatureScheme::RSA_PSS_SHA256, "PS256"),
    (SignatureScheme::ECDSA_NISTP256_SHA256, "ES256"),
    (SignatureScheme::ECDSA_NISTP384_SHA384, "ES384"),
    (SignatureScheme::ECDSA_NISTP521_SHA512, "ES512"),
    (SignatureScheme::RSA_PKCS1_SHA256, "RS256"),
];

impl Signer {
    /// From PEM. An error says what is wrong with the file.
    pub fn of(certificate: &ClientCertificate) -> Result<Self, String> {
        let pair = tls::parsed(certificate).ok_or("holds no certificate with its key in PEM")?;
        let pair = pair.map_err(|error| format!("holds a key that can't be used: {error}"))?;
        let offered: Vec<SignatureScheme> = SCHEMES.iter().map(|(scheme, _)| *scheme).collect();
        let signer =
            pair.key.choose_scheme(&offered).ok_or("holds a key of a kind that isn't used for this: RSA or P-256")?;
        let scheme = signer.scheme();
        let certificate = pair.cert.into_iter().next().ok_or("holds no certificate")?;
        Ok(Self { certificate, key: pair.key, scheme })
    }

    /// The certificate, in DER.
    pub fn certificate(&self) -> &[u8] {
        &self.certificate
    }

    /// JOSE's name of the algorithm.
    pub fn algorithm(&self) -> &'static str {
        SCHEMES.iter().find(|(scheme, _)| *scheme == self.scheme).map_or("RS256", |(_, name)| name)
    }

    /// The signature of a message, in JOSE's form.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, String> {
        let _section = Section::enter();
        let signer = self.key.choose_scheme(&[self.scheme]).ok_or("holds a key that can't sign")?;
        let signature = signer.sign(message).map_err(|error| format!("holds a key that doesn't sign: {error}"))?;
        let coordinate = match self.scheme {
            SignatureScheme::ECDSA_NISTP256_SHA256 => 32,
            SignatureScheme::ECDSA_NISTP384_SHA384 => 48,
            SignatureScheme::ECDSA_NISTP521_SHA512 => 66,
            _ => return Ok(signature),
        };
        two_numbers(&signature, coordinate).ok_or_else(|| "holds a key whose signature isn't one".to_owned())
    }
}

/// A DER sequence of two numbers as JOSE writes them, one behind the other in a fixed length (RFC 7518 §3.4).
fn two_numbers(signature: &[u8], len: usize) -> Option<Vec<u8>> {
    use der::asn1::UintRef;
    use der::{Decode, Reader};
    let mut reader = der::SliceReader::new(signature).ok()?;
    let both = reader.sequence(|inner| Ok::<_, der::Error>([UintRef::decode(inner)?, UintRef::decode(inner)?])).ok()?;
    let mut joined = vec![0; 2 * len];
    for (number, place) in both.iter().zip(joined.chunks_exact_mut(len)) {
        let bytes = number.as_bytes();
        place.get_mut(len.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    }
    Some(joined)
}
