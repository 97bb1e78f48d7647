//! One issuer and its keys, as far as they are known: fetched when a token needs them, again each hour and for a key that
//! isn't known, by one fetch at a time for which only those wait who can't go on without.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwapOption;
use jsonwebtoken::Algorithm;
use tokio::sync::watch;
use tokio::time::timeout;

use super::Refusal;
use super::fetch::Source;
use super::keys::KeySet;
use crate::config::IssuerConfig;
use crate::server::clock::Clock;

/// Seconds for which keys count without a look at the issuer.
const FRESH: i64 = 3600;

/// Seconds between two fetches for keys that aren't known, or after one that failed.
const PAUSE: i64 = 60;

/// The same while no keys are known at all.
const PAUSE_WITHOUT_KEYS: i64 = 5;

/// How long a request waits for a fetch. That ends by itself in a few moments more.
const WAIT: Duration = Duration::from_secs(15);

/// An issuer whose tokens count (an OpenID Provider).
pub struct Provider {
    /// Its address, as it stands in its tokens.
    pub url: Arc<str>,
    /// What of a token of it is looked at, and how.
    pub trust: Trust,
    source: Source,
    serve_stale: i64,
    clock: Clock,
    keys: ArcSwapOption<KeySet>,
    fetching: Mutex<Fetching>,
}

/// What the operator says of an issuer's tokens.
pub struct Trust {
    /// How it may sign.
    pub algorithms: Vec<Algorithm>,
    /// What its tokens must be for to count at a vault directly; empty: the vault's resource.
    pub audience: Vec<String>,
    /// What `tid` must be.
    pub tenant: Option<String>,
    /// The claim that says groups.
    pub groups_claim: Option<String>,
    /// The claim that says who it is.
    pub subject_claim: String,
}

#[derive(Default)]
struct Fetching {
    /// When the last one began, and whether it is why there are no newer keys.
    begun: Option<i64>,
    /// Closed when it is over.
    running: Option<watch::Receiver<()>>,
}

impl Fetching {
    /// When the last one began, and from when on another may.
    fn next(&self, pause: i64) -> Option<(i64, i64)> {
        self.begun.map(|begun| (begun, begun.saturating_add(pause)))
    }
}

/// Whether a fetch waits for its time.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Haste {
    InTurn,
    AtOnce,
}

impl Provider {
    /// Nothing is fetched yet.
    pub fn new(config: IssuerConfig, clock: Clock) -> Result<Self, String> {
        let algorithms =
            config.algorithms.iter().map(|name| name.parse().map_err(|_| format!("{name} is no algorithm")));
        Ok(Self {
            source: Source::new(&config.url, config.ca_file)?,
            url: config.url.into(),
            trust: Trust {
                algorithms: algorithms.collect::<Result<_, _>>()?,
                audience: config.audience,
                tenant: config.tenant,
                groups_claim: config.groups_claim,
                subject_claim: config.subject_claim,
            },
            serve_stale: i64::try_from(config.serve_stale.as_secs()).unwrap_or(i64::MAX),
            clock,
            keys: ArcSwapOption::empty(),
            fetching: Mutex::default(),
        })
    }

    /// As if it had been asked already.
    #[cfg(test)]
    pub(super) fn knowing(self, keys: KeySet) -> Self {
        self.keys.store(Some(Arc::new(keys)));
        self
    }

    /// Whether this very key is still one of the issuer's, as far as is known without waiting.
    pub fn still_has(self: &Arc<Self>, fingerprint: &[u8; 32]) -> bool {
        self.standing().is_some_and(|keys| keys.has(fingerprint))
    }

    /// The issuer's keys, with this one among them. That it doesn't have it is said only by what was fetched since: it may be
    /// newer than what is known.
    pub async fn keys_with(self: &Arc<Self>, kid: &str, algorithm: Algorithm) -> Result<Arc<KeySet>, Refusal> {
        let came = self.clock.now();
        let has_it = |keys: &Arc<KeySet>| keys.find(kid, algorithm).is_some();
        if let Some(keys) = self.standing().filter(has_it) {
            return Ok(keys);
        }
        if let Some(mut running) = self.fetch(Haste::InTurn) {
            // Closed, not changed: either way it is over, or takes too long.
            let _ = timeout(WAIT, running.changed()).await;
        }
        match self.standing().ok_or(Refusal::Unreachable)? {
            keys if has_it(&keys) => Ok(keys),
            keys if keys.fetched >= came => Err(Refusal::UnknownKey),
            _ => Err(Refusal::NotSeenYet { seconds: self.until_next_fetch() }),
        }
    }

    /// Fetches the keys, and waits for them: to say at the start what is wrong.
    pub async fn prepare(self: &Arc<Self>) {
        if let Some(mut running) = self.fetch(Haste::InTurn) {
            let _ = running.changed().await;
        }
    }

    /// Fetches the keys though it may be too soon, once what runs already is over: that may have read what was there before.
    pub async fn look_again(self: &Arc<Self>) {
        self.prepare().await;
        if let Some(mut running) = self.fetch(Haste::AtOnce) {
            let _ = running.changed().await;
        }
    }

    /// The keys that count now; those that should be looked at again are, meanwhile.
    fn standing(self: &Arc<Self>) -> Option<Arc<KeySet>> {
        let keys = self.keys.load_full()?;
        let age = self.clock.now().saturating_sub(keys.fetched);
        if age > FRESH {
            drop(self.fetch(Haste::InTurn));
        }
        (age <= FRESH.saturating_add(self.serve_stale)).then_some(keys)
    }

    /// Begins a fetch, unless one runs, for whose end the answer waits, or it is too soon.
    fn fetch(self: &Arc<Self>, haste: Haste) -> Option<watch::Receiver<()>> {
        let now = self.clock.now();
        let mut fetching = self.fetching.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = &fetching.running {
            return Some(running.clone());
        }
        if haste == Haste::InTurn
            && fetching.next(self.pause()).is_some_and(|(begun, next)| (begun..next).contains(&now))
        {
            return None;
        }
        let (over, running) = watch::channel(());
        *fetching = Fetching { begun: Some(now), running: Some(running.clone()) };
        let provider = Arc::clone(self);
        // On its own: who asked for it may be gone before it is over.
        tokio::task::spawn_blocking(move || {
            // Also if it panics: the next one may begin, and nobody waits for ever.
            let _over = Over { provider: &provider, _over: over };
            provider.fetch_now(now);
        });
        Some(running)
    }

    fn pause(&self) -> i64 {
        if self.keys.load().is_some() { PAUSE } else { PAUSE_WITHOUT_KEYS }
    }

    /// Seconds after which a fetch may begin; not less than one.
    fn until_next_fetch(&self) -> u32 {
        let next = self.fetching.lock().unwrap_or_else(PoisonError::into_inner).next(self.pause());
        let seconds = next.map_or(0, |(_, next)| next.saturating_sub(self.clock.now()));
        u32::try_from(seconds.clamp(1, PAUSE)).unwrap_or(1)
    }

    fn fetch_now(&self, now: i64) {
        match self.source.keys(&self.trust.algorithms, now) {
            Ok(keys) => {
                tracing::debug!("fetched the keys of the issuer {}", self.url);
                self.keys.store(Some(Arc::new(keys)));
            }
            Err(problem) => {
                let until = match self.keys.load_full() {
                    Some(keys) => {
                        let left = keys.fetched.saturating_add(FRESH).saturating_add(self.serve_stale) - now;
                        format!("those it had count for {} h more", left.max(0) / 3600)
                    }
                    None => "its tokens don't count until then".to_owned(),
                };
                tracing::warn!("the keys of the issuer {} can't be fetched, {until}: {problem}", self.url);
            }
        }
    }
}

/// The end of a fetch.
struct Over<'a> {
    provider: &'a Provider,
    _over: watch::Sender<()>,
}

impl Drop for Over<'_> {
    fn drop(&mut self) {
        self.provider.fetching.lock().unwrap_or_else(PoisonError::into_inner).running = None;
    }
}
