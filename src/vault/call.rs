//! The call of a program that this thread is in. What it may take is one time, however often a vault is asked in it: a
//! vault that is elsewhere counts from here, and not from each of its requests.

use std::cell::Cell;
use std::time::Instant;

/// A call, until this is dropped. There is no call within a call.
pub struct Call(());

#[derive(Clone, Copy)]
enum Moment {
    /// In no call.
    Outside,
    /// In one in which nobody asked for the time yet: most calls never do, and don't pay for looking at the clock.
    Unasked,
    /// Since then.
    Since(Instant),
}

thread_local! {
    static MOMENT: Cell<Moment> = const { Cell::new(Moment::Outside) };
}

impl Call {
    /// One that begins now.
    #[must_use]
    pub fn begin() -> Self {
        MOMENT.set(Moment::Unasked);
        Self(())
    }

    /// When the one that this thread is in first asked; `None` outside of any.
    pub fn begun() -> Option<Instant> {
        match MOMENT.get() {
            Moment::Outside => None,
            Moment::Since(moment) => Some(moment),
            Moment::Unasked => {
                let now = Instant::now();
                MOMENT.set(Moment::Since(now));
                Some(now)
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        MOMENT.set(Moment::Outside);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_has_one_beginning_and_the_next_another() {
        assert_eq!(Call::begun(), None);
        let call = Call::begin();
        let begun = Call::begun();
        assert!(begun.is_some() && begun == Call::begun());
        std::thread::scope(|scope| scope.spawn(|| assert_eq!(Call::begun(), None)).join().unwrap());
        drop(call);
        assert_eq!(Call::begun(), None);
        let _next = Call::begin();
        assert!(Call::begun() >= begun);
    }
}
