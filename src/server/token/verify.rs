//! Which tokens count: signed by a key of this server, for its resource and tenant, within their dates, of an identity
//! that is enabled.
//!
//! A signature is checked once and its result kept, by the token's digest, until it is pushed out by others; everything
//! that can change (key, dates, identity) is checked at every request.

use std::sync::Arc;

use jsonwebtoken::{Algorithm, Validation};
use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::{Claims, SigningKeys, signature_only};
use crate::config::Manner;
use crate::server::names::Names;

/// Tokens whose signature is known to be right: how many are expected, and bytes that they may take.
const REMEMBERED: usize = 10_000;
const REMEMBERED_BYTES: u64 = 32 << 20;

/// Longest token; those of others may carry many groups.
pub const MAX_LEN: usize = 16 * 1024;

/// Why a token doesn't count; the text is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Not a token of ours, or changed.
    #[error("the token was not made by this server: get one from the authority that the challenge names")]
    Foreign,
    /// For something else, or of another authority.
    #[error("the token is for another resource, or of another tenant: ask for what the challenge names")]
    WrongAudience,
    /// `exp`.
    #[error("the token has expired: get a new one")]
    Expired,
    /// `nbf`.
    #[error("the token is not valid yet: check the clocks of both machines")]
    NotYetValid,
    /// Deleted or disabled.
    #[error("the token's identity is disabled or deleted")]
    NoIdentity,
    /// The issuer on whose word it was given, or the identity's credential of it, isn't there any more.
    #[error("the token was given on the word of an issuer that counts no longer for this identity: log in anew")]
    NotFederated,
    /// Who it is about is two identities.
    #[error("the token's subject is several identities here: log in as one of them at the token endpoint")]
    Ambiguous,
}

/// A token whose signature was checked.
pub struct Checked {
    kid: String,
    /// What it says.
    pub claims: Claims,
}

/// Tokens count by their size: one that was given on another issuer's word carries groups.
#[derive(Clone)]
struct Bytes;

impl Weighter<[u8; 32], Arc<Checked>> for Bytes {
    fn weight(&self, _: &[u8; 32], checked: &Arc<Checked>) -> u64 {
        let groups = checked.claims.fed.iter().flat_map(|fed| fed.groups.iter().map(|group| group.len() + 48));
        // The other claims are ids and names of this server.
        1024 + groups.sum::<usize>() as u64
    }
}

/// Where a token is shown.
pub struct Place<'a> {
    /// The server's names.
    pub names: &'a Names,
    /// Its tenant.
    pub tenant: &'a str,
    /// Whose token it must be.
    pub audience: Audience,
}

/// What a token is for. One for the one counts at no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// Vaults of this manner.
    Vaults(Manner),
    /// What stands in for Azure's resource manager and directory.
    ResourceManager,
}

/// Checks tokens.
pub struct Verifier {
    seen: Cache<[u8; 32], Arc<Checked>, Bytes>,
    validation: Validation,
}

impl Default for Verifier {
    fn default() -> Self {
        let seen = Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, Bytes);
        Self { seen, validation: signature_only(Algorithm::ES256) }
    }
}

impl Verifier {
    /// Whether the token with this digest is one of ours.
    pub fn knows(&self, digest: &[u8; 32]) -> bool {
        self.seen.get(digest).is_some()
    }

    /// What a token with this digest says, which counts there.
    pub fn verify(
        &self,
        (token, digest): (&str, &[u8; 32]),
        keys: &SigningKeys,
        place: &Place<'_>,
        now: i64,
    ) -> Result<Arc<Checked>, Refusal> {
        let checked = self.checked(token, digest, keys, now)?;
        keys.verifying(&checked.kid, now).ok_or(Refusal::Foreign)?;
        let claims = &checked.claims;
        let Place { names, tenant, audience } = *place;
        let is_meant = match audience {
            Audience::Vaults(manner) => names.is_resource(manner, &claims.aud),
            Audience::ResourceManager => names.is_resource_manager(&claims.aud),
        };
        if claims.tid != tenant || !names.is_issuer(&claims.iss, tenant) || !is_meant {
            return Err(Refusal::WrongAudience);
        }
        if now < claims.nbf {
            return Err(Refusal::NotYetValid);
        }
        if now >= claims.exp {
            return Err(Refusal::Expired);
        }
        Ok(checked)
    }

    fn checked(&self, token: &str, digest: &[u8; 32], keys: &SigningKeys, now: i64) -> Result<Arc<Checked>, Refusal> {
        if let Some(checked) = self.seen.get(digest) {
            return Ok(checked);
        }
        if token.len() > MAX_LEN {
            return Err(Refusal::Foreign);
        }
        let kid = jsonwebtoken::decode_header(token).ok().and_then(|header| header.kid).ok_or(Refusal::Foreign)?;
        let key = keys.verifying(&kid, now).ok_or(Refusal::Foreign)?;
        let decoded = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(|_| Refusal::Foreign)?;
        let checked = Arc::new(Checked { kid, claims: decoded.claims });
        self.seen.insert(*digest, Arc::clone(&checked));
        Ok(checked)
    }
}
