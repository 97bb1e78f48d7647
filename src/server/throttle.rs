//! How often each of many may do something, counted in bounded memory.

use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use governor::clock::{Clock, DefaultClock};
use governor::{DefaultKeyedRateLimiter, RateLimiter};

use crate::config::Rate;

/// Those that are counted each by itself; what comes on top of them shares one count.
const MOST: usize = 65_536;

/// How often those are forgotten that have been quiet, while there are too many.
const SWEEP: Duration = Duration::from_secs(1);

/// Counts by a key.
pub(super) struct Throttle<K: Hash + Eq + Clone> {
    limiter: DefaultKeyedRateLimiter<K>,
    /// As whom those count for whom there is no room.
    others: K,
    swept: Mutex<Option<Instant>>,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// Nobody has done anything yet.
    pub(super) fn new(rate: Rate, others: K) -> Self {
        let quota = governor::Quota::per_second(rate.per_second).allow_burst(rate.burst);
        Self { limiter: RateLimiter::keyed(quota), others, swept: Mutex::default() }
    }

    /// Counts once. If it is once too often: after how many seconds it may be tried again.
    pub(super) fn count(&self, who: &K) -> Result<(), u32> {
        let who = if self.has_room() { who } else { &self.others };
        self.limiter.check_key(who).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
        })
    }

    fn has_room(&self) -> bool {
        if self.limiter.len() < MOST {
            return true;
        }
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            *swept = Some(Instant::now());
            self.limiter.retain_recent();
        }
        self.limiter.len() < MOST
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn who_does_it_too_often_waits_and_nobody_else_does() {
        let throttle = Throttle::new(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() }, 0);
        assert!(throttle.count(&1).is_ok() && throttle.count(&1).is_ok());
        assert_eq!(throttle.count(&1), Err(1));
        assert!(throttle.count(&2).is_ok());
    }

    #[test]
    fn the_count_of_those_that_are_counted_is_bounded() {
        let throttle = Throttle::new(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN }, 0);
        for who in 1..=MOST + 1000 {
            let _ = throttle.count(&who);
        }
        assert!(throttle.limiter.len() <= MOST + 1);
    }
}
