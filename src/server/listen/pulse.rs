//! What a connection is doing and since when, and how long that may take.
//!
//! Requests and the bytes of the connection only note moments here; one timer a connection looks at them now and then. So
//! a request sets no timer of its own, and a connection that hangs is still ended on time: whatever begins right after a
//! look can't be over before the next one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use super::limits::Limits;

/// The state of one connection.
pub(super) struct Pulse {
    limits: Arc<Limits>,
    http2: bool,
    /// What moments are counted from, in milliseconds.
    start: Instant,
    /// No request is in flight since then.
    waiting_since: AtomicU64,
    /// The header's first byte came then; [`NEVER`] between headers. HTTP/1.1 only.
    header_since: AtomicU64,
    /// An answer, or the connection's buffer, last went on then.
    progress: AtomicU64,
    /// The connection takes no bytes of ours just now.
    blocked: AtomicBool,
    requests: AtomicU32,
    answers: AtomicU32,
    /// Requests that the client gave up, less those that it let finish.
    abandoned: AtomicU32,
    /// Bytes since something came of them. HTTP/2 only.
    control_bytes: AtomicU64,
}

/// What a look at a connection says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is over before this moment.
    LookAgain(Instant),
    /// It has had no request for long enough; it may end in order.
    Idle,
    /// It hangs and is cut.
    Cut,
}

const NEVER: u64 = u64::MAX;

impl Pulse {
    pub(super) fn new(limits: Arc<Limits>, http2: bool) -> Arc<Self> {
        Arc::new(Self {
            limits,
            http2,
            start: Instant::now(),
            waiting_since: AtomicU64::new(0),
            header_since: AtomicU64::new(NEVER),
            progress: AtomicU64::new(0),
            blocked: AtomicBool::new(false),
            requests: AtomicU32::new(0),
            answers: AtomicU32::new(0),
            abandoned: AtomicU32::new(0),
            control_bytes: AtomicU64::new(0),
        })
    }

    pub(super) fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Whether more came in vain than is allowed: the next read fails.
    pub(super) fn flooded(&self) -> bool {
        self.http2
            && (self.control_bytes.load(Relaxed) > self.limits.control_bytes
                || self.abandoned.load(Relaxed) > self.limits.resets)
    }

    pub(super) fn has_read(&self, bytes: usize) {
        if self.http2 {
            self.control_bytes.fetch_add(bytes as u64, Relaxed);
        } else if self.requests.load(Relaxed) == 0 && self.header_since.load(Relaxed) == NEVER {
            self.header_since.store(self.now(), Relaxed);
        }
    }

    pub(super) fn has_written(&self) {
        self.progress.store(self.now(), Relaxed);
        self.blocked.store(false, Relaxed);
    }

    /// Everything that was to be written is with the system.
    pub(super) fn has_flushed(&self) {
        self.blocked.store(false, Relaxed);
    }

    pub(super) fn cannot_write(&self) {
        if !self.blocked.swap(true, Relaxed) {
            self.progress.store(self.now(), Relaxed);
        }
    }

    /// Part of a request's body arrived and was read.
    pub(super) fn body_arrived(&self) {
        self.control_bytes.store(0, Relaxed);
    }

    /// A look at the connection.
    pub(super) fn verdict(&self) -> Verdict {
        let now = self.now();
        let mut next = now + millis(self.limits.shortest());
        let mut is_over = |since: u64, limit: Duration| {
            let end = since.saturating_add(millis(limit));
            next = next.min(end);
            end <= now
        };
        let blocked = self.blocked.load(Relaxed);
        if (blocked || self.answers.load(Relaxed) > 0) && is_over(self.progress.load(Relaxed), self.limits.write_stall)
        {
            return Verdict::Cut;
        }
        if self.requests.load(Relaxed) == 0 && !blocked {
            let header_since = self.header_since.load(Relaxed);
            if header_since != NEVER && is_over(header_since, self.limits.header_time) {
                return Verdict::Cut;
            }
            if header_since == NEVER && is_over(self.waiting_since.load(Relaxed), self.limits.idle) {
                return Verdict::Idle;
            }
        }
        Verdict::LookAgain(self.start + Duration::from_millis(next))
    }

    fn now(&self) -> u64 {
        millis(self.start.elapsed())
    }
}

fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}

/// A request in flight, from its header to the end of its answer.
pub(super) struct InFlight {
    pulse: Arc<Pulse>,
    answering: bool,
    finished: bool,
}

impl InFlight {
    pub(super) fn begin(pulse: &Arc<Pulse>) -> Self {
        pulse.requests.fetch_add(1, Relaxed);
        pulse.header_since.store(NEVER, Relaxed);
        pulse.control_bytes.store(0, Relaxed);
        Self { pulse: pulse.clone(), answering: false, finished: false }
    }

    /// The answer's header is there.
    pub(super) fn answer(&mut self) {
        self.answering = true;
        self.pulse.progress.store(self.pulse.now(), Relaxed);
        self.pulse.answers.fetch_add(1, Relaxed);
    }

    /// A part of the answer was taken; `last` if that was all.
    pub(super) fn taken(&mut self, last: bool) {
        self.finished |= last;
        self.pulse.progress.store(self.pulse.now(), Relaxed);
    }

    /// There is nothing to take.
    pub(super) fn has_no_body(&mut self) {
        self.finished = true;
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let pulse = &self.pulse;
        if self.answering {
            pulse.answers.fetch_sub(1, Relaxed);
        }
        // Going to zero and below can't happen at a limit that counts: an update that is lost counts one too few.
        let step = |count: u32| if self.finished { count.checked_sub(1) } else { count.checked_add(1) };
        let _ = pulse.abandoned.fetch_update(Relaxed, Relaxed, step);
        if pulse.requests.fetch_sub(1, Relaxed) == 1 {
            pulse.waiting_since.store(pulse.now(), Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pulse(http2: bool) -> Arc<Pulse> {
        let zero = Duration::ZERO;
        // Whatever may be over is over at once; only what is exempt goes on.
        let limits =
            Limits { header_time: zero, write_stall: zero, resets: 2, control_bytes: 100, ..Limits::default() };
        Pulse::new(Arc::new(limits), http2)
    }

    fn goes_on(pulse: &Pulse) -> bool {
        matches!(pulse.verdict(), Verdict::LookAgain(_))
    }

    #[test]
    fn a_handler_may_take_its_time() {
        let pulse = pulse(false);
        pulse.has_read(1);
        let _request = InFlight::begin(&pulse);
        assert!(goes_on(&pulse));
    }

    #[test]
    fn a_header_that_began_and_an_answer_that_isnt_taken_are_cut() {
        let pulse = pulse(false);
        assert!(goes_on(&pulse));
        pulse.has_read(1);
        assert_eq!(pulse.verdict(), Verdict::Cut);
        let mut request = InFlight::begin(&pulse);
        request.answer();
        assert_eq!(pulse.verdict(), Verdict::Cut);
        drop(request);
        assert!(goes_on(&pulse));
        pulse.cannot_write();
        assert_eq!(pulse.verdict(), Verdict::Cut);
    }

    #[test]
    fn a_ping_on_http2_is_no_header_that_began() {
        let pulse = pulse(true);
        pulse.has_read(17);
        assert!(goes_on(&pulse) && !pulse.flooded());
        pulse.has_read(100);
        assert!(pulse.flooded());
        drop(InFlight::begin(&pulse));
        assert!(!pulse.flooded());
    }

    #[test]
    fn requests_that_finish_make_good_for_those_given_up() {
        let pulse = pulse(true);
        let give_up = || drop(InFlight::begin(&pulse));
        let finish = || InFlight::begin(&pulse).has_no_body();
        for _ in 0..100 {
            give_up();
            finish();
        }
        assert!(!pulse.flooded());
        (0..3).for_each(|_| give_up());
        assert!(pulse.flooded());
    }

    #[test]
    fn a_connection_without_a_request_is_idle_when_its_time_is_over() {
        let limits = Limits { idle: Duration::ZERO, ..Limits::default() };
        let pulse = Pulse::new(Arc::new(limits), false);
        assert_eq!(pulse.verdict(), Verdict::Idle);
        let _request = InFlight::begin(&pulse);
        assert!(goes_on(&pulse));
    }
}
