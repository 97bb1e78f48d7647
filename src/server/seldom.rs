//! Warnings that could come a thousand times a second.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Lets one of many equal warnings through, with the count of those that were not.
#[derive(Default)]
pub(super) struct Seldom(Mutex<Option<Instant>>, AtomicU64);

impl Seldom {
    /// How often it happened since the last time that this was an answer; `None` if that is only a moment ago.
    pub(super) fn now(&self) -> Option<u64> {
        self.1.fetch_add(1, Ordering::Relaxed);
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|last| last.elapsed() < PAUSE) {
            return None;
        }
        *last = Some(Instant::now());
        Some(self.1.swap(0, Ordering::Relaxed))
    }
}

const PAUSE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_many_warnings_one_is_written_and_the_others_are_counted() {
        let seldom = Seldom::default();
        assert_eq!(seldom.now(), Some(1));
        assert_eq!((seldom.now(), seldom.now()), (None, None));
        *seldom.0.lock().unwrap() = None;
        assert_eq!(seldom.now(), Some(3));
    }
}
