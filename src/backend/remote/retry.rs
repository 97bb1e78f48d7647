//! How long a busy server is left alone: as long as it says, else a time that doubles, and always a part of it at random,
//! so that many clients don't come back together.

use std::time::{Duration, SystemTime};

use super::http::Response;
use crate::crypto;

/// The first pause where the server says nothing.
const FIRST: Duration = Duration::from_millis(200);
/// The longest.
const LONGEST: Duration = Duration::from_secs(5);
/// Errors of its own are waited out so often: it may be broken rather than busy.
const PATIENCE: u32 = 3;

/// How long to wait before the request is sent again; `None` if its answer stands.
///
/// `attempt` counts from 0, and `failures` how many of its answers before were errors of its own.
pub(super) fn pause(response: &Response, attempt: u32, failures: u32, may_repeat: bool) -> Option<Duration> {
    let told = response.header("retry-after").and_then(told);
    let again = match response.status {
        429 => true,
        // It did nothing yet, if it says when to come again.
        503 => may_repeat && failures < PATIENCE || told.is_some(),
        500 | 502 | 504 => may_repeat && failures < PATIENCE,
        _ => false,
    };
    again.then(|| pause_of(told, attempt))
}

/// As long as it says, but no shorter than where it says nothing: `0`, or a date that has passed, asks for no rush.
fn pause_of(told: Option<Duration>, attempt: u32) -> Duration {
    match told {
        Some(told) => told.max(doubled(attempt)) + fraction(FIRST),
        None => doubled(attempt),
    }
}

/// The pause before the given attempt, where nobody says how long.
pub(super) fn doubled(attempt: u32) -> Duration {
    let whole = FIRST.saturating_mul(1 << attempt.min(8)).min(LONGEST);
    whole / 2 + fraction(whole / 2)
}

/// Seconds or a date (RFC 9110 §10.2.3).
fn told(text: &str) -> Option<Duration> {
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = httpdate::parse_http_date(text).ok()?;
    Some(date.duration_since(SystemTime::now()).unwrap_or_default())
}

fn fraction(of: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random numbers the pause is the same for all, and nothing worse.
    let _ = crypto::random(&mut random);
    of.mul_f64(f64::from(u16::from_ne_bytes(random)) / f64::from(u16::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_left_alone_for_as_long_as_it_says() {
        assert_eq!(told("7"), Some(Duration::from_secs(7)));
        assert_eq!(told("Thu, 01 Jan 1970 00:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(told("soon"), None);
        assert!(pause_of(Some(Duration::from_secs(7)), 0) >= Duration::from_secs(7));
        assert!(pause_of(Some(Duration::ZERO), 5) >= LONGEST / 2, "it asks to come at once, again and again");
        for attempt in 0..40 {
            assert!(doubled(attempt) <= LONGEST && doubled(attempt) >= FIRST / 2);
        }
    }
}
