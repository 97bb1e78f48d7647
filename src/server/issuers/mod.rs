//! Issuers of tokens beside this server's own authority, by OpenID Connect discovery: Entra ID, Keycloak, Kubernetes, GitHub.
//!
//! A token's key is looked up among the keys of the issuer that it names, and nowhere else, so that no issuer speaks for
//! another one. A signature is checked once and its result kept, by the token's digest; what can change (the issuer's keys,
//! dates, identities and groups) is checked at every request.

mod fetch;
mod keys;
mod provider;
mod token;

use std::sync::Arc;

use quick_cache::sync::Cache;

pub use self::provider::Provider;
pub use self::token::{ForeignToken, MAX_LEN};

use super::clock::Clock;
use crate::config::IssuerConfig;

/// Tokens whose signature is known to be right.
const REMEMBERED: usize = 10_000;

/// Why a token of another issuer doesn't count; the text is for the caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Longer than anybody's.
    #[error("the token is longer than {MAX_LEN} bytes: have its issuer put less into it")]
    TooLong,
    /// Not a token, or signed in another way than its issuer may.
    #[error("the token is malformed, or signed in a way that isn't allowed its issuer here")]
    Malformed,
    /// The issuer doesn't have the key.
    #[error("the token names a key that its issuer doesn't have: get a new one")]
    UnknownKey,
    /// Changed, or signed by another key of that name.
    #[error("the token's signature is wrong")]
    Signature,
    /// `exp`, the subject, or another claim that must be there isn't, or isn't what it must be.
    #[error("the token lacks a claim that it must have: exp, aud, and who it is for")]
    Claims,
    /// `tid`.
    #[error("the token is of another tenant of its issuer")]
    Tenant,
    /// For something else.
    #[error("the token is for something else: have its issuer make one for what the challenge names")]
    Audience,
    /// `exp`.
    #[error("the token has expired: get a new one")]
    Expired,
    /// `nbf` or `iat`.
    #[error("the token is not valid yet: check the clocks of both machines")]
    NotYetValid,
    /// `exp` lies too far ahead.
    #[error("the token is valid for more than a day: have its issuer make shorter ones")]
    TooLasting,
    /// The issuer's keys aren't known, and can't be fetched now.
    #[error("the token's issuer can't be reached to check it: try again later")]
    Unreachable,
}

/// All issuers of the configuration.
pub struct Issuers {
    providers: Vec<Arc<Provider>>,
    seen: Cache<[u8; 32], Arc<ForeignToken>>,
    clock: Clock,
}

impl Issuers {
    /// Those that the configuration names. The text of a failure is a sentence without its end.
    pub fn new(configured: Vec<IssuerConfig>, clock: &Clock) -> Result<Self, String> {
        let of = |config: IssuerConfig| {
            let url = config.url.clone();
            let provider = Provider::new(config, clock.clone());
            provider.map(Arc::new).map_err(|problem| format!("the issuer {url} can't be used: {problem}"))
        };
        let providers = configured.into_iter().map(of).collect::<Result<_, _>>()?;
        Ok(Self { providers, seen: Cache::new(REMEMBERED), clock: clock.clone() })
    }

    /// Fetches everybody's keys, so that the log says at the start who can't be reached.
    pub async fn prepare(&self) {
        for provider in &self.providers {
            provider.prepare().await;
        }
    }

    /// Whether tokens of this issuer count.
    pub fn has(&self, url: &str) -> bool {
        self.providers.iter().any(|provider| &*provider.url == url)
    }

    /// Whose token this says it is. Nothing is proven by that.
    pub fn named_by(&self, token: &str) -> Option<&Arc<Provider>> {
        if self.providers.is_empty() || token.len() > MAX_LEN {
            return None;
        }
        let url = token::issuer_named(token)?;
        self.providers.iter().find(|provider| *provider.url == *url)
    }

    /// What a token says that this issuer signed, whose dates are right now.
    pub async fn check(
        &self,
        provider: &Arc<Provider>,
        token: &str,
        digest: &[u8; 32],
    ) -> Result<Arc<ForeignToken>, Refusal> {
        if let Some(known) = self.seen_before(digest)? {
            return Ok(known);
        }
        let read = Arc::new(token::read(provider, token).await?);
        read.check_dates(self.clock.now())?;
        self.seen.insert(*digest, Arc::clone(&read));
        Ok(read)
    }

    /// The same for a token that was checked before, by a key that its issuer still has, without waiting.
    pub fn seen_before(&self, digest: &[u8; 32]) -> Result<Option<Arc<ForeignToken>>, Refusal> {
        let Some(known) = self.seen.get(digest).filter(|known| known.still_stands()) else { return Ok(None) };
        known.check_dates(self.clock.now())?;
        Ok(Some(known))
    }
}
