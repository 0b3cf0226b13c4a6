//! Instants, time labels and left-closed intervals.
//!
//! Texts are kept as they came, since openEO users see their own labels again; comparisons use instants. This
//! module knows the proleptic Gregorian calendar only: other calendars are decoded by the sources.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use thiserror::Error;

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub i64);

/// A temporal label: the text the user sees and the instant it stands for.
#[derive(Clone, Debug, PartialEq)]
pub struct TimeLabel {
    pub text: Arc<str>,
    pub instant: Instant,
}

/// A left-closed interval; an open end is `None`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Interval {
    pub start: Option<Instant>,
    pub end: Option<Instant>,
}

/// What is wrong with a temporal text or interval.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TimeError {
    #[error("`{0}` is neither an RFC 3339 date nor a date-time")]
    Text(String),
    /// openEO: `TemporalExtentEmpty`.
    #[error("the temporal extent ends at or before its start")]
    Empty,
    #[error("both ends of the temporal extent are open")]
    Unbounded,
}

impl Instant {
    /// Reads an RFC 3339 date-time (any offset; a missing one means UTC) or a date (midnight UTC).
    pub fn parse(text: &str) -> Result<Instant, TimeError> {
        let trimmed = text.trim();
        if let Ok(timestamp) = trimmed.parse::<Timestamp>() {
            return Ok(Instant(timestamp.as_microsecond()));
        }
        let civil = trimmed.parse::<DateTime>().or_else(|_| {
            trimmed.parse::<Date>().map(|date| date.to_datetime(jiff::civil::Time::midnight()))
        });
        civil.map(Instant::of_civil).map_err(|_| TimeError::Text(text.to_owned()))
    }

    /// A civil date-time taken as UTC.
    pub fn of_civil(civil: DateTime) -> Instant {
        let epoch = Date::constant(1970, 1, 1);
        let days = i64::from(epoch.until(civil.date()).map_or(0, |span| span.get_days()));
        let time = civil.time();
        let seconds = ((days * 24 + i64::from(time.hour())) * 60 + i64::from(time.minute())) * 60
            + i64::from(time.second());
        Instant(seconds * 1_000_000 + i64::from(time.subsec_nanosecond()) / 1000)
    }

    /// The UTC calendar fields.
    pub fn civil(self) -> DateTime {
        Timestamp::from_microsecond(self.0)
            .map_or(DateTime::MAX, |timestamp| jiff::tz::TimeZone::UTC.to_datetime(timestamp))
    }
}

impl fmt::Display for Instant {
    /// RFC 3339 in UTC, seconds resolution unless there are fractions.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match Timestamp::from_microsecond(self.0) {
            Ok(timestamp) => write!(f, "{timestamp}"),
            Err(_) => write!(f, "{} µs since 1970", self.0),
        }
    }
}

impl TimeLabel {
    pub fn of(instant: Instant) -> TimeLabel {
        TimeLabel { text: instant.to_string().into(), instant }
    }

    /// Reads a label and keeps its text.
    pub fn parse(text: &str) -> Result<TimeLabel, TimeError> {
        Ok(TimeLabel { text: text.into(), instant: Instant::parse(text)? })
    }
}

impl Interval {
    /// Checks that the interval is not empty and has at least one end.
    pub fn new(start: Option<Instant>, end: Option<Instant>) -> Result<Interval, TimeError> {
        match (start, end) {
            (None, None) => Err(TimeError::Unbounded),
            (Some(start), Some(end)) if end <= start => Err(TimeError::Empty),
            _ => Ok(Interval { start, end }),
        }
    }

    pub fn contains(&self, instant: Instant) -> bool {
        self.start.is_none_or(|start| start <= instant) && self.end.is_none_or(|end| instant < end)
    }

    /// The common part; `None` where it is empty.
    pub fn intersect(&self, other: &Interval) -> Option<Interval> {
        let start = self.start.max(other.start);
        let end = match (self.end, other.end) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
        match (start, end) {
            (Some(start), Some(end)) if end <= start => None,
            _ => Some(Interval { start, end }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_become_instants() {
        let noon = Instant::parse("2020-06-01T12:00:00Z").unwrap();
        assert_eq!(Instant::parse("2020-06-01T14:00:00+02:00").unwrap(), noon);
        assert_eq!(Instant::parse("2020-06-01T12:00:00").unwrap(), noon);
        assert_eq!(noon.to_string(), "2020-06-01T12:00:00Z");
        assert_eq!(Instant::parse("1969-12-31").unwrap(), Instant(-86_400_000_000));
        assert_eq!(Instant::parse("2020-06-01").unwrap().civil().hour(), 0);
        assert!(Instant::parse("first of June").is_err());
    }

    #[test]
    fn intervals_are_left_closed() {
        let day = |d: i64| Some(Instant(d));
        let interval = Interval::new(day(1), day(3)).unwrap();
        assert!(interval.contains(Instant(1)) && !interval.contains(Instant(3)));
        assert_eq!(Interval::new(day(3), day(3)), Err(TimeError::Empty));
        assert_eq!(Interval::new(None, None), Err(TimeError::Unbounded));
    }
}
