//! Moments, as people write and read them: RFC 3339, or a date for its first second in UTC.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Seconds since 1970.
pub(super) fn parse(text: &str) -> Result<i64, String> {
    let wrong = || format!("{text:?} is no time: write 2027-01-31 or 2027-01-31T12:00:00Z");
    if let Ok(timestamp) = text.parse::<Timestamp>() {
        return Ok(timestamp.as_second());
    }
    // A time without its zone would parse as a date.
    if text.len() > "2027-01-31".len() {
        return Err(wrong());
    }
    let date: Date = text.parse().map_err(|_| wrong())?;
    Ok(TimeZone::UTC.to_timestamp(date.at(0, 0, 0, 0)).map_err(|_| wrong())?.as_second())
}

/// RFC 3339 in UTC.
pub(super) fn text(seconds: i64) -> String {
    Timestamp::from_second(seconds).map_or_else(|_| format!("{seconds} s"), |timestamp| timestamp.to_string())
}

/// Seconds since 1970.
pub(super) fn now() -> i64 {
    Timestamp::now().as_second()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_rfc_3339_or_a_date() {
        assert_eq!(parse("1970-01-02"), Ok(86400));
        assert_eq!(parse("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(text(86400), "1970-01-02T00:00:00Z");
        for wrong in ["tomorrow", "2027-01-31T12:00:00", "2027-13-01", ""] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
