//! One vault's endpoints: which of them is asked, over which connection, and how often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::budget::Budget;
pub use super::connect::Endpoint;
use super::error::{Failure, Step};
use super::http::{self, Deadlines, Response, Unanswered};
use super::pool::Pool;
use super::resolve::Resolver;
use super::retry;
use super::stream::{Stopped, Stream};
use super::tls::Trust;
use crate::config::RemoteConfig;

/// What is sent. Nothing of it is kept.
#[derive(Clone, Copy)]
pub struct Request<'a> {
    /// `GET`, `POST`, …
    pub method: &'static str,
    /// Path and query.
    pub target: &'a str,
    /// Besides those that every request has.
    pub headers: &'a [(&'a str, &'a str)],
    /// A token.
    pub bearer: Option<&'a str>,
    /// Its media type and the body.
    pub body: Option<(&'a str, &'a [u8])>,
}

/// Whether a request may reach the vault twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// It changes nothing, or the same thing again: reading, signing, decrypting.
    Safe,
    /// It makes, changes or deletes something: it is sent again only if it surely didn't arrive.
    Never,
}

/// So long a request on a kept connection may stay unacknowledged, where it may be sent again on a new one.
const SILENCE: Duration = Duration::from_secs(3);
/// A request that may be sent only once goes over a connection that was alive a moment ago.
const ALIVE: Duration = Duration::from_secs(5);
/// An endpoint that failed is passed over for this long, and longer each time.
const DOWN: Duration = Duration::from_secs(2);
const DOWN_AT_MOST: Duration = Duration::from_secs(60);
/// Trying whether it is back takes no longer, where another one serves.
const PROBE: Duration = Duration::from_secs(1);
/// A vault with one endpoint that was just there is tried again for so long: it may be starting anew.
const RESTART: Duration = Duration::from_millis(1500);

/// A vault's endpoints, as one process reaches them.
pub struct Client {
    endpoints: Vec<Place>,
    trust: Arc<Trust>,
    resolver: Arc<Resolver>,
    /// What is sent and not acknowledged for so long is lost.
    patience: Duration,
    begun: Instant,
}

struct Place {
    endpoint: Endpoint,
    pool: Pool,
    /// Milliseconds since [`Client::begun`] before which it isn't asked first.
    down_until: AtomicU64,
    failures: AtomicU32,
}

impl Client {
    /// Of a vault's own addresses.
    pub fn of_vault(config: &RemoteConfig, resolver: &Arc<Resolver>) -> Self {
        let way = |origin| Endpoint::of(origin, config.socket.clone(), config.proxy.clone());
        let endpoints = config.origins.iter().map(way).collect();
        Self::new(endpoints, Arc::new(Trust::of_vault(config)), Arc::clone(resolver), config.timeout)
    }

    /// Of these endpoints; `timeout` is what a call takes at most.
    pub fn new(endpoints: Vec<Endpoint>, trust: Arc<Trust>, resolver: Arc<Resolver>, timeout: Duration) -> Self {
        let endpoints = endpoints.into_iter().map(Place::of).collect();
        let patience = (timeout / 4).clamp(Duration::from_millis(250), SILENCE);
        Self { endpoints, trust, resolver, patience, begun: Instant::now() }
    }

    /// The same in a forked child, with connections of its own. Takes no lock and touches none of this one's connections.
    pub fn in_forked_child(&self, resolver: &Arc<Resolver>) -> Self {
        Self {
            endpoints: self.endpoints.iter().map(|place| Place::of(place.endpoint.clone())).collect(),
            trust: Arc::new(self.trust.in_forked_child()),
            resolver: Arc::clone(resolver),
            patience: self.patience,
            begun: Instant::now(),
        }
    }

    /// Closes every connection; one in use when its request is done.
    pub fn close(&self) {
        self.endpoints.iter().for_each(|place| place.pool.clear());
    }

    /// Sends a request once to each endpoint, by a new connection and within a budget of its own: for who examines the way.
    pub fn at_each(
        &self,
        request: &Request<'_>,
        budget: impl Fn() -> Budget,
    ) -> Vec<(String, Result<Response, Failure>)> {
        let ask = |place: &Place| {
            let budget = budget();
            let bytes = http::encoded(request, &place.endpoint.authority);
            let generation = place.pool.generation();
            let stream = place.endpoint.open(&self.trust, &self.resolver, self.patience, &budget)?;
            exchange(place, stream, generation, &bytes, Deadlines::at(budget.end()))
        };
        self.endpoints.iter().map(|place| (place.endpoint.name.clone(), ask(place))).collect()
    }

    /// Sends a request until something else than "busy" is answered, or the budget doesn't allow for another try.
    pub fn send(&self, request: &Request<'_>, repeat: Repeat, budget: &Budget) -> Result<Response, Failure> {
        let (mut attempt, mut failures) = (0, 0);
        loop {
            let response = self.at_any(request, repeat, budget)?;
            match retry::pause(&response, attempt, failures, repeat == Repeat::Safe) {
                Some(pause) if pause < budget.left() => std::thread::sleep(pause),
                _ => return Ok(response),
            }
            attempt += 1;
            failures += u32::from(response.status >= 500);
        }
    }

    /// Sends it to one endpoint after the other until one answers.
    fn at_any(&self, request: &Request<'_>, repeat: Repeat, budget: &Budget) -> Result<Response, Failure> {
        let fresh_failure = self.endpoints.iter().all(|place| place.failures.load(Ordering::Relaxed) == 0);
        let restart = budget.at_most(RESTART);
        let mut round = 0;
        loop {
            let failure = match self.once_at_each(request, repeat, budget) {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            let may_repeat = repeat == Repeat::Safe || !failure.sent;
            let pause = retry::doubled(round);
            if !(fresh_failure && may_repeat && failure.may_pass) || pause >= restart.left() {
                return Err(failure);
            }
            std::thread::sleep(pause);
            round += 1;
        }
    }

    fn once_at_each(&self, request: &Request<'_>, repeat: Repeat, budget: &Budget) -> Result<Response, Failure> {
        let order = self.order();
        let mut refusal = None;
        let mut failure = None;
        for (tried, (place, is_probe)) in order.iter().enumerate() {
            let mut share = budget.share(order.len() - tried);
            if *is_probe {
                share = share.at_most(PROBE);
            }
            match self.at(place, request, repeat, &share) {
                // Another one may be well.
                Ok(response) if matches!(response.status, 502..=504) && repeat == Repeat::Safe => {
                    self.is_down(place);
                    refusal = Some(response);
                }
                Ok(response) => {
                    place.failures.store(0, Ordering::Relaxed);
                    place.down_until.store(0, Ordering::Relaxed);
                    return Ok(response);
                }
                Err(failed) => {
                    self.is_down(place);
                    let is_last_word = failed.sent && repeat == Repeat::Never;
                    failure = Some(failed);
                    if is_last_word {
                        break;
                    }
                }
            }
        }
        match (refusal, failure) {
            (Some(response), _) => Ok(response),
            (None, Some(failure)) => Err(failure),
            (None, None) => Err(Failure::at(Step::Http, "", "no address is configured")),
        }
    }

    /// The endpoints that are well in the configuration's order, then the others. One whose time is over is tried first by
    /// one thread, and by the others only when it answered.
    fn order(&self) -> Vec<(&Place, bool)> {
        if let [only] = self.endpoints.as_slice() {
            return vec![(only, false)];
        }
        let now = self.now();
        let (mut well, mut down) = (Vec::new(), Vec::new());
        for place in &self.endpoints {
            let until = place.down_until.load(Ordering::Relaxed);
            if until == 0 {
                well.push((place, false));
                continue;
            }
            let next = now + place.pause().as_millis() as u64;
            let claimed = until <= now
                && place.down_until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok();
            if claimed { well.push((place, true)) } else { down.push((place, false)) }
        }
        // With nothing else to ask, nothing is a mere trial.
        if down.len() + well.iter().filter(|(_, is_probe)| *is_probe).count() == self.endpoints.len() {
            well.iter_mut().for_each(|(_, is_probe)| *is_probe = false);
        }
        well.append(&mut down);
        well
    }

    fn now(&self) -> u64 {
        // Never 0, which says that an endpoint is well.
        1 + self.begun.elapsed().as_millis() as u64
    }

    fn is_down(&self, place: &Place) {
        place.failures.fetch_add(1, Ordering::Relaxed);
        place.down_until.store(self.now() + place.pause().as_millis() as u64, Ordering::Relaxed);
    }

    /// Sends it over a kept connection, and over a new one if there is none or it turns out to be dead.
    fn at(&self, place: &Place, request: &Request<'_>, repeat: Repeat, budget: &Budget) -> Result<Response, Failure> {
        let bytes = http::encoded(request, &place.endpoint.authority);
        let safe = repeat == Repeat::Safe;
        let generation = place.pool.generation();
        if let Some(stream) = place.pool.take(if safe { Duration::MAX } else { ALIVE }) {
            let may_be_lost = safe && place.endpoint.is_over_a_network();
            let deadlines = if may_be_lost { on_kept(budget) } else { Deadlines::at(budget.end()) };
            match exchange(place, stream, generation, &bytes, deadlines) {
                Err(failure) if !budget.is_spent() && (safe || !failure.sent) => {
                    // Those beside it are as dead, unless it was silent only.
                    if !failure.timed_out {
                        place.pool.clear();
                    }
                }
                outcome => return outcome,
            }
        }
        let generation = place.pool.generation();
        let stream = place.endpoint.open(&self.trust, &self.resolver, self.patience, budget)?;
        exchange(place, stream, generation, &bytes, Deadlines::at(budget.end()))
    }
}

/// How long an answer on a kept connection is waited for before the request is sent again on a new one. A server that has
/// acknowledged it may be at work, and a second request would only add to that; but something between may have
/// acknowledged it and forgotten the server, and so a third of the time is left.
fn on_kept(budget: &Budget) -> Deadlines {
    let third = budget.share(3);
    Deadlines { first: third.at_most(SILENCE).end(), patient: third.end() + third.left(), last: budget.end() }
}

fn exchange(
    place: &Place,
    mut stream: Stream,
    generation: u64,
    bytes: &[u8],
    deadlines: Deadlines,
) -> Result<Response, Failure> {
    let name = &place.endpoint.name;
    let stopped = |stopped: Stopped, what: &str| match stopped {
        Stopped::TimedOut => Failure::timed_out(Step::Http, name),
        other => Failure::at(Step::Http, name, format!("{what} ({other})")),
    };
    let sent = stream.send(bytes, deadlines.last);
    sent.map_err(|error| stopped(error, "the request couldn't be sent").after_sending())?;
    match http::answer(&mut stream, deadlines) {
        Ok(response) => {
            if response.stays_open {
                place.pool.put(stream, generation);
            }
            Ok(response)
        }
        Err(Unanswered::Malformed(what)) => Err(Failure::at(Step::Http, name, what)
            .advise("check that this is the vault's address, and what lies between")
            .after_sending()),
        Err(Unanswered::Stopped(error, begun)) => {
            let what = if begun { "its answer broke off" } else { "the connection ended without an answer" };
            Err(stopped(error, what).after_sending())
        }
    }
}

impl Place {
    fn of(endpoint: Endpoint) -> Self {
        Self { endpoint, pool: Pool::default(), down_until: AtomicU64::new(0), failures: AtomicU32::new(0) }
    }

    fn pause(&self) -> Duration {
        DOWN.saturating_mul(1 << self.failures.load(Ordering::Relaxed).min(5)).min(DOWN_AT_MOST)
    }
}
