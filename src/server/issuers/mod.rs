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

use quick_cache::Weighter;
use quick_cache::sync::Cache;

pub use self::provider::Provider;
pub use self::token::{ForeignToken, MAX_LEN};

use super::clock::Clock;
use crate::config::IssuerConfig;

/// Tokens whose signature is known to be right: how many are expected, and bytes that they may take.
const REMEMBERED: usize = 10_000;
const REMEMBERED_BYTES: u64 = 32 << 20;

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
    /// More than anybody has.
    #[error("the token names more than 64 audiences or 512 groups: have its issuer put less into it")]
    TooMany,
    /// The issuer may have the key by now; it was asked too short a time ago.
    #[error("the token names a key that its issuer may have since it was last asked: try again in {seconds} s")]
    NotSeenYet {
        /// Until it may be asked again.
        seconds: u32,
    },
    /// The issuer's keys aren't known, and can't be fetched now.
    #[error("the token's issuer can't be reached to check it: try again later")]
    Unreachable,
}

impl Refusal {
    /// If nothing can be said for now: after how many seconds it can.
    pub fn retry_after(self) -> Option<u32> {
        match self {
            Self::Unreachable => Some(1),
            Self::NotSeenYet { seconds } => Some(seconds),
            _ => None,
        }
    }
}

/// Tokens count by their size.
#[derive(Clone)]
struct Bytes;

impl Weighter<[u8; 32], Arc<ForeignToken>> for Bytes {
    fn weight(&self, _: &[u8; 32], token: &Arc<ForeignToken>) -> u64 {
        token.weight()
    }
}

/// All issuers of the configuration.
pub struct Issuers {
    providers: Vec<Arc<Provider>>,
    seen: Cache<[u8; 32], Arc<ForeignToken>, Bytes>,
    clock: Clock,
}

impl Issuers {
    /// Those that the configuration names. The text of a failure is a sentence without its end.
    pub fn new(configured: Vec<IssuerConfig>, clock: &Clock) -> Result<Self, String> {
        let of = |config: IssuerConfig| {
            let url = config.url.clone();
            let provider = Provider::new(config, clock.clone());
            provider
                .map(Arc::new)
                .map_err(|problem| format!("the [[issuer]] {url} of the configuration can't be used: {problem}"))
        };
        let providers = configured.into_iter().map(of).collect::<Result<_, _>>()?;
        Ok(Self { providers, seen: Cache::with_weighter(REMEMBERED, REMEMBERED_BYTES, Bytes), clock: clock.clone() })
    }

    /// Fetches everybody's keys, so that the log says at the start who can't be reached.
    pub async fn prepare(&self) {
        for provider in &self.providers {
            provider.prepare().await;
        }
    }

    /// Fetches everybody's keys now, whenever that was done last.
    pub async fn look_again(&self) {
        for provider in &self.providers {
            provider.look_again().await;
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

    /// What a token says that this issuer signed, whose dates are right now. It is remembered if it is meant for us: else others
    /// would be pushed out by what is refused each time.
    pub async fn check(
        &self,
        provider: &Arc<Provider>,
        token: &str,
        digest: &[u8; 32],
        is_meant: impl FnOnce(&ForeignToken) -> bool,
    ) -> Result<Arc<ForeignToken>, Refusal> {
        if let Some(known) = self.seen_before(digest)? {
            return Ok(known);
        }
        let read = Arc::new(token::read(provider, token).await?);
        read.check_dates(self.clock.now())?;
        if is_meant(&read) {
            self.seen.insert(*digest, Arc::clone(&read));
        }
        Ok(read)
    }

    /// The same for a token that was checked before, by a key that its issuer still has, without waiting.
    pub fn seen_before(&self, digest: &[u8; 32]) -> Result<Option<Arc<ForeignToken>>, Refusal> {
        let Some(known) = self.seen.get(digest).filter(|known| known.still_stands()) else { return Ok(None) };
        known.check_dates(self.clock.now())?;
        Ok(Some(known))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use base64ct::{Base64UrlUnpadded, Encoding};
    use jsonwebtoken::{Algorithm, EncodingKey, Header};
    use serde_json::{Value, json};

    use super::keys::KeySet;
    use super::*;

    const NOW: i64 = 1_800_000_000;
    const URL: &str = "http://localhost:1";

    /// An issuer that was asked already, and a signer of its tokens.
    fn scene() -> (Issuers, impl Fn(&Value) -> String) {
        let pair = rcgen::KeyPair::generate().unwrap();
        let part = |range| Base64UrlUnpadded::encode_string(&pair.public_key_raw()[range]);
        let key = json!({ "kty": "EC", "crv": "P-256", "kid": "one", "x": part(1..33), "y": part(33..65) });
        let keys = KeySet::read(json!({ "keys": [key] }).to_string().as_bytes(), &[Algorithm::ES256], NOW).unwrap();
        let config = IssuerConfig {
            url: URL.to_owned(),
            audience: Vec::new(),
            algorithms: vec!["ES256".to_owned()],
            tenant: None,
            ca_file: None,
            groups_claim: Some("groups".to_owned()),
            subject_claim: "sub".to_owned(),
            serve_stale: Duration::ZERO,
        };
        let clock = Clock::standing_at(NOW);
        let mut issuers = Issuers::new(Vec::new(), &clock).unwrap();
        issuers.providers.push(Arc::new(Provider::new(config, clock).unwrap().knowing(keys)));
        let signing = EncodingKey::from_ec_der(&pair.serialize_der());
        let header = Header { kid: Some("one".to_owned()), ..Header::new(Algorithm::ES256) };
        (issuers, move |claims| jsonwebtoken::encode(&header, claims, &signing).unwrap())
    }

    fn check(issuers: &Issuers, token: &str, digest: [u8; 32], is_meant: bool) -> Arc<ForeignToken> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let provider = issuers.named_by(token).unwrap();
        runtime.block_on(issuers.check(provider, token, &digest, |_| is_meant)).unwrap()
    }

    #[test]
    fn a_token_is_remembered_only_if_it_is_meant_for_this_server() {
        let (issuers, sign) = scene();
        let token = sign(&json!({ "iss": URL, "sub": "ada", "aud": "elsewhere", "exp": NOW + 600 }));
        check(&issuers, &token, [1; 32], false);
        assert!(issuers.seen_before(&[1; 32]).unwrap().is_none());
        check(&issuers, &token, [1; 32], true);
        assert!(issuers.seen_before(&[1; 32]).unwrap().is_some());
    }

    #[test]
    fn large_tokens_take_no_more_memory_than_small_ones() {
        let (issuers, sign) = scene();
        let groups = vec!["a group".repeat(2); 512];
        let token = sign(&json!({ "iss": URL, "sub": "ada", "aud": "us", "exp": NOW + 600, "groups": groups }));
        let large = check(&issuers, &token, [0; 32], true);
        assert!(large.weight() > 512 * 14);
        for number in 0..20_000_u64 {
            let mut digest = [1; 32];
            digest[..8].copy_from_slice(&number.to_be_bytes());
            issuers.seen.insert(digest, Arc::clone(&large));
        }
        assert!(issuers.seen.weight() <= REMEMBERED_BYTES);
        assert!((1..2_000).contains(&issuers.seen.len()), "{}", issuers.seen.len());
    }
}
