//! How often each of many may do something, counted in bounded memory.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use governor::RateLimiter;
use governor::clock::{Clock, DefaultClock};
use governor::nanos::Nanos;
use governor::state::keyed::ShrinkableKeyedStateStore;
use governor::state::{InMemoryState, NotKeyed, StateStore};

use crate::config::Rate;

/// Those that are counted each by itself; what comes on top of them shares one count.
const MOST: usize = 65_536;

/// How often those are forgotten that have been quiet, while there are too many.
const SWEEP: Duration = Duration::from_secs(1);

/// Counts by a key.
pub(super) struct Throttle<K: Hash + Eq + Clone> {
    limiter: RateLimiter<K, Counts<K>, DefaultClock>,
    most: usize,
    swept: Mutex<Option<Instant>>,
}

/// The counts themselves.
struct Counts<K> {
    each: Mutex<HashMap<K, InMemoryState>>,
    /// Of all those together for whom there was no room when they came.
    others: InMemoryState,
    most: usize,
}

impl<K: Hash + Eq + Clone> Throttle<K> {
    /// Nobody has done anything yet.
    pub(super) fn new(rate: Rate) -> Self {
        Self::of_at_most(rate, MOST)
    }

    fn of_at_most(rate: Rate, most: usize) -> Self {
        let quota = governor::Quota::per_second(rate.per_second).allow_burst(rate.burst);
        let counts = Counts { each: Mutex::default(), others: InMemoryState::default(), most };
        Self { limiter: RateLimiter::new(quota, counts, DefaultClock::default()), most, swept: Mutex::default() }
    }

    /// Counts once. If it is once too often: after how many seconds it may be tried again.
    pub(super) fn count(&self, who: &K) -> Result<(), u32> {
        self.make_room();
        self.limiter.check_key(who).map_err(|refused| {
            let wait = refused.wait_time_from(DefaultClock::default().now());
            u32::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u32::MAX).max(1)
        })
    }

    fn make_room(&self) {
        if self.limiter.len() < self.most {
            return;
        }
        let mut swept = self.swept.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.is_none_or(|at| at.elapsed() >= SWEEP) {
            *swept = Some(Instant::now());
            self.limiter.retain_recent();
        }
    }
}

impl<K: Hash + Eq> Counts<K> {
    // Nothing panics while the lock is held.
    fn each(&self) -> MutexGuard<'_, HashMap<K, InMemoryState>> {
        self.each.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone> StateStore for Counts<K> {
    type Key = K;

    /// Who is counted by itself stays so, however many come after it.
    fn measure_and_replace<T, F, E>(&self, key: &K, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let mut each = self.each();
        let has_room = each.len() < self.most;
        let count = match each.get(key) {
            Some(own) => own,
            None if has_room => &*each.entry(key.clone()).or_default(),
            None => &self.others,
        };
        count.measure_and_replace(&NotKeyed::NonKey, decide)
    }
}

impl<K: Hash + Eq + Clone> ShrinkableKeyedStateStore<K> for Counts<K> {
    fn retain_recent(&self, drop_below: Nanos) {
        // To look and change nothing is to refuse with what was seen.
        let last =
            |count: &InMemoryState| count.measure_and_replace::<(), _, _>(&NotKeyed::NonKey, Err).err().flatten();
        self.each().retain(|_, count| last(count).is_some_and(|last| last > drop_below));
    }

    fn len(&self) -> usize {
        self.each().len()
    }

    fn is_empty(&self) -> bool {
        self.each().is_empty()
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;

    #[test]
    fn who_does_it_too_often_waits_and_nobody_else_does() {
        let throttle = Throttle::new(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(2).unwrap() });
        assert!(throttle.count(&1).is_ok() && throttle.count(&1).is_ok());
        assert_eq!(throttle.count(&1), Err(1));
        assert!(throttle.count(&2).is_ok());
    }

    #[test]
    fn the_count_of_those_that_are_counted_is_bounded() {
        let throttle = Throttle::new(Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::MIN });
        for who in 1..=MOST + 1000 {
            let _ = throttle.count(&who);
        }
        assert!(throttle.limiter.len() <= MOST);
    }

    #[test]
    fn who_is_counted_keeps_its_own_count_when_others_take_the_room() {
        let rate = Rate { per_second: NonZeroU32::MIN, burst: NonZeroU32::new(100).unwrap() };
        let throttle = Throttle::of_at_most(rate, 4);
        for who in 0..4 {
            // As much as keeps it from being quiet soon.
            assert!((0..50).all(|_| throttle.count(&who).is_ok()));
        }
        let refused = (4..204).filter(|who| throttle.count(who).is_err()).count();
        assert!(refused > 50, "{refused}: those without room share one count");
        assert!(throttle.count(&0).is_ok() && throttle.count(&3).is_ok());
    }

    #[test]
    fn who_was_quiet_makes_room() {
        let rate = Rate { per_second: NonZeroU32::new(1000).unwrap(), burst: NonZeroU32::MIN };
        let throttle = Throttle::of_at_most(rate, 4);
        for who in 0..4 {
            let _ = throttle.count(&who);
        }
        std::thread::sleep(Duration::from_millis(20));
        throttle.limiter.retain_recent();
        assert_eq!(throttle.limiter.len(), 0);
    }
}
