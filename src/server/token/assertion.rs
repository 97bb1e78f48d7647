//! Client assertions: a JWT with which a client proves that it has the key of a certificate that is registered for it
//! (RFC 7523, in the form of Entra ID).
//!
//! Nothing that it claims is looked at before its signature is right. Dates may have fractions, as some clients write
//! them, and are checked by the server's clock.

use base64ct::{Base64UrlUnpadded, Encoding};
use jsonwebtoken::Header;
use serde::Deserialize;

use super::seen::{NotUsed, Seen};
use super::{TokenError, digest, signature_only};
use crate::server::identity::{Client, LoginCertificate};
use crate::server::names::Names;

/// Seconds that an assertion may live from now.
const LONGEST: f64 = 24.0 * 3600.0;

/// Seconds that a client's clock may be ahead.
const AHEAD: f64 = 300.0;

/// Longest assertion: it may carry its certificate's chain.
const MAX_LEN: usize = 32 * 1024;

/// What an assertion says.
#[derive(Deserialize)]
struct Claims {
    aud: Audience,
    iss: String,
    sub: String,
    jti: Option<String>,
    exp: f64,
    nbf: Option<f64>,
    iat: Option<f64>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

/// An assertion that is right, and not yet used.
pub struct Proven {
    digest: [u8; 32],
    until: i64,
}

/// What assertions are checked against.
pub struct Checker<'a> {
    /// What this server is called.
    pub names: &'a Names,
    /// Its tenant.
    pub tenant: &'a str,
    /// When it started: an assertion from before may have been used then.
    pub started: i64,
    /// Seconds since 1970.
    pub now: i64,
}

impl Checker<'_> {
    /// Checks an assertion of this client; `None` if it wasn't signed by a certificate of theirs.
    pub fn check(&self, client: &Client, assertion: &str) -> Result<Option<Proven>, TokenError> {
        let Some(claims) = signed_claims(client, assertion, self.now) else { return Ok(None) };
        let now = self.now as f64;
        if claims.iss != claims.sub || !claims.sub.eq_ignore_ascii_case(&client.identity.appid) {
            return Err(wrong("its iss and sub must be the client id"));
        }
        if !claims.aud.any(|audience| self.names.is_token_endpoint(audience, self.tenant)) {
            return Err(wrong("its aud must be the token endpoint"));
        }
        if !(now < claims.exp && claims.exp <= now + LONGEST) {
            return Err(out_of_time("its exp must lie in the next 24 hours"));
        }
        if claims.nbf.into_iter().chain(claims.iat).any(|moment| moment > now + AHEAD) {
            return Err(out_of_time("its nbf or iat lies ahead: check the clocks of both machines"));
        }
        let issued = claims.iat.or(claims.nbf).ok_or_else(|| wrong("it must have an iat or nbf"))?;
        if issued < self.started as f64 {
            return Err(out_of_time("it was issued before the server started: make a new one"));
        }
        let jti = claims.jti.filter(|jti| !jti.is_empty()).ok_or_else(|| wrong("it must have a jti"))?;
        Ok(Some(Proven { digest: digest(jti.as_bytes()), until: claims.exp.ceil() as i64 }))
    }
}

impl Proven {
    /// Uses the assertion, which works once.
    pub fn used(self, seen: &Seen, client: &Client, now: i64) -> Result<(), TokenError> {
        seen.first_use(&client.identity.oid, self.digest, self.until, now).map_err(|not_used| match not_used {
            NotUsed::Before => wrong("it was used before: make a new one for every login"),
            NotUsed::TooMany => TokenError::unavailable("too many assertions of this client are remembered."),
        })
    }
}

impl Audience {
    fn any(&self, is_right: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::One(one) => is_right(one),
            Self::Several(several) => several.iter().any(|one| is_right(one)),
        }
    }
}

fn signed_claims(client: &Client, assertion: &str, now: i64) -> Option<Claims> {
    if assertion.len() > MAX_LEN {
        return None;
    }
    let header = jsonwebtoken::decode_header(assertion).ok()?;
    let named = |certificate: &&LoginCertificate| names(&header, certificate);
    let certificate = client.certificates.iter().find(named)?;
    if !certificate.signs_with(header.alg) || !certificate.is_valid_at(now) {
        return None;
    }
    let decoded = jsonwebtoken::decode::<Claims>(assertion, &certificate.key, &signature_only(header.alg)).ok()?;
    Some(decoded.claims)
}

/// Whether the header names this certificate, by SHA-1 or SHA-256 or both.
fn names(header: &Header, certificate: &LoginCertificate) -> bool {
    let is = |text: &String, digest: &[u8]| {
        // Some clients pad it.
        Base64UrlUnpadded::decode_vec(text.trim_end_matches('=')).is_ok_and(|given| given == digest)
    };
    let sha1 = header.x5t.as_ref().map(|text| is(text, &certificate.sha1));
    let sha256 = header.x5t_s256.as_ref().map(|text| is(text, &certificate.sha256));
    (sha1.is_some() || sha256.is_some()) && sha1 != Some(false) && sha256 != Some(false)
}

fn wrong(what: &str) -> TokenError {
    TokenError::new("invalid_client", 50013, format!("the client assertion is not valid: {what}."))
}

fn out_of_time(what: &str) -> TokenError {
    TokenError::new("invalid_client", 700024, format!("the client assertion is not within its time: {what}."))
}
