//! The time that one call may take, over everything that it does.

use std::time::{Duration, Instant};

/// A moment at which a call ends, whatever it has come to.
#[derive(Clone, Copy, Debug)]
pub struct Budget {
    end: Instant,
}

impl Budget {
    /// One that begins now.
    pub fn of(time: Duration) -> Self {
        // A year is as good as what can't be added.
        let now = Instant::now();
        Self { end: now.checked_add(time).unwrap_or(now + Duration::from_secs(31_536_000)) }
    }

    /// What is left.
    pub fn left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    /// Whether nothing is.
    pub fn is_spent(&self) -> bool {
        self.left().is_zero()
    }

    /// When it ends.
    pub fn end(&self) -> Instant {
        self.end
    }

    /// One part of what is left, where so many equal ones are still to come.
    pub fn share(&self, parts: usize) -> Self {
        let parts = u32::try_from(parts.max(1)).unwrap_or(u32::MAX);
        self.at_most(self.left() / parts)
    }

    /// The same, but no longer than this from now.
    pub fn at_most(&self, time: Duration) -> Self {
        Self { end: self.end.min(Self::of(time).end) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_part_never_outlives_the_whole() {
        let whole = Budget::of(Duration::from_secs(100));
        assert!(whole.share(4).left() <= Duration::from_secs(25));
        assert!(whole.share(0).end() <= whole.end());
        assert!(whole.at_most(Duration::from_secs(900)).end() <= whole.end());
        assert!(Budget::of(Duration::ZERO).is_spent());
        assert!(!Budget::of(Duration::MAX).is_spent());
    }
}
