//! The life of a token: fetched once, shared by all threads, renewed ahead of its end.
//!
//! While a token lives, nobody waits long: when its last part begins, one thread renews it within a part of its own call,
//! and the others go on with the old one. Without a token one thread fetches and the others wait for what comes of it, a
//! refusal too, each no longer than its own budget.

use std::io;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;

use super::budget::Budget;
use super::own_text::OwnText;

/// What is shown with each request.
pub struct Token {
    text: Arc<OwnText>,
    renew_at: Instant,
    ends_at: Instant,
    /// When it couldn't be renewed, the next try is so much later.
    again: Duration,
}

/// One token at a time; `E` is why there is none.
pub struct TokenKeeper<E> {
    current: ArcSwapOption<Token>,
    flight: Mutex<Flight<E>>,
    landed: Condvar,
}

struct Flight<E> {
    under_way: bool,
    /// How many have ended.
    number: u64,
    /// What the last one came to, if it was nothing.
    failure: Option<E>,
}

/// It is renewed when this much is left of it, or half of it if that is less.
const AHEAD: Duration = Duration::from_secs(300);
/// The first pause after it couldn't be renewed; each further one is twice as long.
const AGAIN: Duration = Duration::from_secs(20);
/// Renewing what still lives takes no longer, and no more than a third of the call's time: the rest is for what was asked.
const RENEWING: Duration = Duration::from_secs(3);
/// A service that says nothing of the end means this.
const USUAL: Duration = Duration::from_secs(600);

impl Token {
    /// One that lives for so long from now. Fails as [`OwnText::new`] does.
    pub fn new(text: &str, lives: Option<Duration>) -> io::Result<Self> {
        let now = Instant::now();
        // Nobody gives one for a year; what can't be added to a moment is one.
        let lives = lives.unwrap_or(USUAL).min(Duration::from_secs(31_536_000));
        let ahead = AHEAD.min(lives / 2);
        let text = Arc::new(OwnText::new(text)?);
        Ok(Self { text, renew_at: now + (lives - ahead), ends_at: now + lives, again: AGAIN })
    }

    /// The token; `None` in a process that was forked off since.
    pub fn expose(&self) -> Option<&str> {
        self.text.expose()
    }

    fn is_alive(&self) -> bool {
        Instant::now() < self.ends_at
    }

    fn is_fresh(&self) -> bool {
        Instant::now() < self.renew_at
    }

    /// The same, to be renewed later.
    fn put_off(&self) -> Self {
        let (renew_at, again) = (Instant::now() + self.again, 2 * self.again);
        Self { text: Arc::clone(&self.text), renew_at, ends_at: self.ends_at, again }
    }
}

impl<E> Default for TokenKeeper<E> {
    fn default() -> Self {
        Self {
            current: ArcSwapOption::empty(),
            flight: Mutex::new(Flight { under_way: false, number: 0, failure: None }),
            landed: Condvar::new(),
        }
    }
}

impl<E: Clone> TokenKeeper<E> {
    /// The token, fetched with `fetch` if there is none or its end is near, in the time that it is given; `late` is the error
    /// when the budget is spent with waiting.
    pub fn get(
        &self,
        budget: &Budget,
        fetch: impl FnOnce(&Budget) -> Result<Token, E>,
        late: impl FnOnce() -> E,
    ) -> Result<Arc<Token>, E> {
        let present = self.current.load_full().filter(|token| token.is_alive());
        match present {
            Some(token) if token.is_fresh() => Ok(token),
            Some(token) => Ok(self.renewed(token, &budget.share(3).at_most(RENEWING), fetch)),
            None => self.fetched(budget, fetch, late),
        }
    }

    /// Forgets this one, which was refused; another that came meanwhile stays.
    pub fn refused(&self, token: &Arc<Token>) {
        let held = self.current.load_full();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(held, token)) {
            self.current.compare_and_swap(&held, None);
        }
    }

    /// Keeps this one from now on.
    pub fn keep(&self, token: Token) -> Arc<Token> {
        let token = Arc::new(token);
        self.current.store(Some(Arc::clone(&token)));
        token
    }

    /// Forgets whatever there is.
    pub fn forget(&self) {
        self.current.store(None);
    }

    fn renewed(&self, old: Arc<Token>, budget: &Budget, fetch: impl FnOnce(&Budget) -> Result<Token, E>) -> Arc<Token> {
        {
            let mut flight = self.flight();
            let is_newest = self.current.load().as_ref().is_some_and(|newest| Arc::ptr_eq(newest, &old));
            if flight.under_way || !is_newest {
                return old;
            }
            flight.under_way = true;
        }
        let landing = Landing { keeper: self, failure: None };
        let token = self.keep(fetch(budget).unwrap_or_else(|_| old.put_off()));
        drop(landing);
        token
    }

    fn fetched(
        &self,
        budget: &Budget,
        fetch: impl FnOnce(&Budget) -> Result<Token, E>,
        late: impl FnOnce() -> E,
    ) -> Result<Arc<Token>, E> {
        let mut flight = self.flight();
        let begun = flight.number;
        while flight.under_way {
            let (woken, _) = self.landed.wait_timeout(flight, budget.left()).unwrap_or_else(PoisonError::into_inner);
            flight = woken;
            if flight.under_way && budget.is_spent() {
                return Err(late());
            }
        }
        if let Some(token) = self.current.load_full().filter(|token| token.is_alive()) {
            return Ok(token);
        }
        // Who waited for a fetch hears what came of it, and doesn't ask in vain once more.
        if flight.number != begun
            && let Some(failure) = &flight.failure
        {
            return Err(failure.clone());
        }
        flight.under_way = true;
        drop(flight);
        let mut landing = Landing { keeper: self, failure: None };
        match fetch(budget) {
            Ok(token) => Ok(self.keep(token)),
            Err(error) => {
                landing.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn flight(&self) -> MutexGuard<'_, Flight<E>> {
        self.flight.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Ends a fetch whatever becomes of it, a panic too.
struct Landing<'a, E> {
    keeper: &'a TokenKeeper<E>,
    failure: Option<E>,
}

impl<E> Drop for Landing<'_, E> {
    fn drop(&mut self) {
        let mut flight = self.keeper.flight.lock().unwrap_or_else(PoisonError::into_inner);
        flight.under_way = false;
        flight.number += 1;
        flight.failure = self.failure.take();
        drop(flight);
        self.keeper.landed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    type Keeper = TokenKeeper<&'static str>;

    fn token(text: &str, lives: u64) -> Token {
        Token::new(text, Some(Duration::from_secs(lives))).unwrap()
    }

    fn budget() -> Budget {
        Budget::of(Duration::from_secs(20))
    }

    fn get(keeper: &Keeper, fetch: impl FnOnce() -> Result<Token, &'static str>) -> Result<String, &'static str> {
        keeper.get(&budget(), |_| fetch(), || "late").map(|token| token.expose().unwrap().to_owned())
    }

    #[test]
    fn many_threads_without_a_token_fetch_it_once() {
        let (keeper, fetched, together) = (Keeper::default(), AtomicUsize::new(0), Barrier::new(8));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    together.wait();
                    let fetch = || {
                        fetched.fetch_add(1, Ordering::SeqCst);
                        std::thread::sleep(Duration::from_millis(50));
                        Ok(token("a", 3600))
                    };
                    assert_eq!(get(&keeper, fetch).unwrap(), "a");
                });
            }
        });
        assert_eq!(fetched.load(Ordering::SeqCst), 1);
    }

    #[test]
    fn one_thread_renews_and_the_others_do_not_wait() {
        let keeper = Keeper::default();
        let mut ending = token("old", 3600);
        ending.renew_at = Instant::now();
        keeper.keep(ending);
        let (inside, go_on) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            let renewing = scope.spawn(|| {
                get(&keeper, || {
                    inside.wait();
                    go_on.wait();
                    Ok(token("new", 3600))
                })
            });
            inside.wait();
            assert_eq!(get(&keeper, || panic!("one renews")).unwrap(), "old");
            go_on.wait();
            assert_eq!(renewing.join().unwrap().unwrap(), "new");
        });
        assert_eq!(get(&keeper, || panic!("it is new")).unwrap(), "new");
    }

    #[test]
    fn a_token_that_can_not_be_renewed_serves_to_its_end() {
        let keeper = Keeper::default();
        let mut ending = token("old", 3600);
        ending.renew_at = Instant::now();
        keeper.keep(ending);
        assert_eq!(get(&keeper, || Err("down")).unwrap(), "old");
        assert_eq!(get(&keeper, || panic!("not again at once")).unwrap(), "old");
        let mut ended = token("ended", 3600);
        ended.ends_at = Instant::now();
        keeper.keep(ended);
        assert_eq!(get(&keeper, || Err("down")), Err("down"));
    }

    #[test]
    fn renewing_in_vain_takes_a_part_of_the_call_and_is_tried_again_ever_later() {
        let keeper = Keeper::default();
        let mut ending = token("old", 3600);
        ending.renew_at = Instant::now();
        keeper.keep(ending);
        let whole = Budget::of(Duration::from_millis(300));
        let silent = |part: &Budget| {
            assert!(part.left() <= Duration::from_millis(100));
            Err("it says nothing")
        };
        let first = keeper.get(&whole, silent, || "late").unwrap();
        let second = first.put_off();
        assert!(second.renew_at > first.renew_at + AGAIN / 2 && second.again == 4 * AGAIN);
    }

    #[test]
    fn a_refused_token_is_forgotten_but_not_one_that_came_meanwhile() {
        let keeper = Keeper::default();
        let old = keeper.keep(token("old", 3600));
        keeper.keep(token("new", 3600));
        keeper.refused(&old);
        assert_eq!(get(&keeper, || Err("none")).unwrap(), "new");
        let new = keeper.get(&budget(), |_| Err("none"), || "late").unwrap();
        keeper.refused(&new);
        assert_eq!(get(&keeper, || Err("none")), Err("none"));
    }

    #[test]
    fn who_waits_for_a_token_waits_no_longer_than_its_call_may_take() {
        let keeper = Keeper::default();
        let (inside, go_on) = (Barrier::new(2), Barrier::new(2));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _ = get(&keeper, || {
                    inside.wait();
                    go_on.wait();
                    Err("refused")
                });
            });
            inside.wait();
            let short = Budget::of(Duration::from_millis(30));
            let waited = keeper.get(&short, |_| Ok(token("x", 1)), || "late").map(|_| ());
            assert_eq!(waited, Err("late"));
            go_on.wait();
        });
    }
}
