//! Tokens: who gets one ([`endpoint`], [`request`], [`issue`]), how clients prove who they are with a certificate
//! ([`assertion`], [`seen`]), with which keys tokens are signed ([`signing`]), and which count ([`verify`]).
//!
//! The claims are those of Microsoft Entra ID that Key Vault's clients look at. Dates are checked by the server's clock.

mod assertion;
pub(super) mod endpoint;
mod error;
mod issue;
mod login_limit;
mod request;
mod seen;
mod signing;
mod verify;

use jsonwebtoken::{Algorithm, Validation};
use serde::{Deserialize, Serialize};

use crate::crypto::{Digest, DigestAlgorithm};

pub(super) use endpoint::{OlderAnswer, written};
pub use error::TokenError;
pub use issue::{Issued, Issuer};
pub use login_limit::Logins;
pub use request::{Proof, TokenRequest};
pub use seen::Seen;
pub use signing::{SigningKeys, current as current_key, labels as key_labels};
pub use verify::{Audience, MAX_LEN, Place, Refusal, Verifier};

/// What a token says.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Claims {
    /// The resource it is for.
    pub aud: String,
    /// Who made it.
    pub iss: String,
    /// The tenant.
    pub tid: String,
    /// The identity's object id.
    pub oid: String,
    /// Its client id.
    pub appid: String,
    /// The object id again.
    pub sub: String,
    /// Seconds since 1970.
    pub iat: i64,
    /// Seconds since 1970 before which it doesn't count.
    pub nbf: i64,
    /// Seconds since 1970 from which on it doesn't count.
    pub exp: i64,
    /// `app`.
    pub idtyp: String,
    /// Whose word the identity logged in with, if not its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fed: Option<Federated>,
}

/// On whose word a token was given.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Federated {
    /// The issuer.
    pub iss: String,
    /// Who the identity is there.
    pub sub: String,
    /// The groups that it said.
    #[serde(default)]
    pub groups: Vec<Box<str>>,
}

/// Looks at nothing but a token's signature: what it claims is checked by us, by the server's clock.
pub(super) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

/// SHA-256, by which tokens and assertions are known without being kept.
pub(super) fn digest(bytes: &[u8]) -> [u8; 32] {
    let mut digest = Digest::new(DigestAlgorithm::Sha256);
    digest.update(bytes);
    let mut out = [0; 32];
    // The output has the digest's length.
    let _ = digest.finish(&mut out);
    out
}
