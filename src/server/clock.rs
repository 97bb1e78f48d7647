//! What time it is, for everything in which a date decides: tokens, retention, validity of secrets.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// The machine's clock, or one that a test sets.
#[derive(Clone, Debug, Default)]
pub struct Clock(Option<Arc<AtomicI64>>);

impl Clock {
    /// The machine's.
    pub fn system() -> Self {
        Self(None)
    }

    /// One that stands still until it is [`set`](Self::set); seconds since 1970.
    pub fn standing_at(now: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(now))))
    }

    /// Seconds since 1970.
    pub fn now(&self) -> i64 {
        match &self.0 {
            Some(set) => set.load(Ordering::Acquire),
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() as i64),
        }
    }

    /// Sets a clock that stands; the machine's stays as it is.
    pub fn set(&self, now: i64) {
        if let Some(clock) = &self.0 {
            clock.store(now, Ordering::Release);
        }
    }
}
