//! Connections that nobody uses at the moment, the one used last on top.
//!
//! The lock is held for a push or a pop, never while anything is asked of a connection.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::stream::Stream;

/// More than this many are closed when they come back.
const MOST: usize = 128;
/// What nobody used for so long is closed.
const OLDEST: Duration = Duration::from_secs(90);

/// Those to one endpoint.
#[derive(Default)]
pub(super) struct Pool {
    idle: Mutex<Vec<Idle>>,
    generation: AtomicU64,
}

struct Idle {
    stream: Stream,
    since: Instant,
}

impl Pool {
    /// One that was used not longer ago than this, and has been silent since.
    pub(super) fn take(&self, age: Duration) -> Option<Stream> {
        loop {
            let mut idle = self.lock().pop()?;
            if idle.since.elapsed() > age.min(OLDEST) {
                // Those below are older still.
                self.lock().retain(|other| other.since.elapsed() <= OLDEST);
                return None;
            }
            if idle.stream.is_quiet() {
                return Some(idle.stream);
            }
        }
    }

    /// What a connection must be of to come back: one from before [`clear`](Self::clear) doesn't.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Gives one back.
    pub(super) fn put(&self, stream: Stream, generation: u64) {
        let mut idle = self.lock();
        if generation == self.generation() && idle.len() < MOST {
            idle.push(Idle { stream, since: Instant::now() });
        }
    }

    /// Closes all of them, and those in use as soon as their request is done.
    pub(super) fn clear(&self) {
        let mut idle = self.lock();
        self.generation.fetch_add(1, Ordering::AcqRel);
        let closed = std::mem::take(&mut *idle);
        drop(idle);
        drop(closed);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Idle>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
