//! A client's certificate: its key signs a JWT that the authority checks with the certificate that is registered for the
//! client (RFC 7523 §3; the header's `x5t#S256` says which).

use base64ct::{Base64UrlUnpadded, Encoding};
use serde_json::json;

use super::Denied;
use crate::backend::remote::signer::Signer;
use crate::config::{ClientCertificate, SecretText};
use crate::crypto::{self, Digest, DigestAlgorithm};

/// How long an assertion counts, in seconds: for one request and clocks that differ a little.
const LIVES: u64 = 600;

/// An assertion of this client for the token endpoint.
pub(super) fn signed(certificate: &ClientCertificate, client_id: &str, endpoint: &str) -> Result<SecretText, Denied> {
    let refused = |what: &str| Denied::Refused(format!("`certificate_file` {what}"));
    let signer = Signer::of(certificate).map_err(|problem| refused(&problem))?;
    let internal = |error: crypto::CryptoError| Denied::Invalid(error.to_string());
    let mut thumbprint = [0; 32];
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    digest.update(signer.certificate());
    digest.finish(&mut thumbprint).map_err(internal)?;
    let mut number = [0; 16];
    crypto::random(&mut number).map_err(internal)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let header = json!({
        "alg": signer.algorithm(),
        "typ": "JWT",
        "x5t#S256": Base64UrlUnpadded::encode_string(&thumbprint),
    });
    let claims = json!({
        "aud": endpoint,
        "iss": client_id,
        "sub": client_id,
        "jti": Base64UrlUnpadded::encode_string(&number),
        "iat": now,
        "nbf": now,
        "exp": now + LIVES,
    });
    let encode = |value: &serde_json::Value| Base64UrlUnpadded::encode_string(value.to_string().as_bytes());
    let text = format!("{}.{}", encode(&header), encode(&claims));
    let signature = signer.sign(text.as_bytes()).map_err(|problem| refused(&problem))?;
    Ok(SecretText::new(format!("{text}.{}", Base64UrlUnpadded::encode_string(&signature))))
}
