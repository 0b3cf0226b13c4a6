//! CF times: `<unit> since <date>` in one of the calendars of the CF conventions (section 4.4).
//!
//! Labels carry the date of the file's own calendar as text. Their instant is:
//! - for `standard`, `proleptic_gregorian` and `julian` the instant itself (before 1582-10-15 `standard` dates are
//!   Julian ones, so text and instant differ there by some days);
//! - for `noleap`, `all_leap` and `360_day`, which name days that never were, midnight-true the same date and time
//!   of the Gregorian calendar, or the last day of that month where it has no such day.

use eolith_cube::time::{Instant, TimeLabel};
use jiff::civil::{Date, Time};

/// Microseconds of a day.
const DAY: i128 = 86_400_000_000;

/// What `units` and `calendar` say.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Units {
    /// Nanoseconds of a unit.
    unit: i128,
    calendar: Calendar,
    /// Day number of the reference date in the calendar, and microseconds after its midnight (UTC).
    day: i64,
    time: i128,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Calendar {
    /// Julian until 1582-10-04, Gregorian from 1582-10-15 on.
    Standard,
    Gregorian,
    Julian,
    NoLeap,
    AllLeap,
    Days360,
}

/// Whether a text looks like units of time.
pub(super) fn is_time(units: &str) -> bool {
    let mut words = units.split_whitespace();
    words.next().is_some_and(|unit| nanoseconds(unit).is_some() || is_calendar_unit(unit))
        && words.next() == Some("since")
}

impl Units {
    /// Reads the attributes `units` and `calendar`; the error is the reason.
    pub(super) fn parse(units: &str, calendar: Option<&str>) -> Result<Units, String> {
        let (unit, date) =
            units.split_once(" since ").ok_or_else(|| format!("`{units}` is no unit of time"))?;
        let unit = nanoseconds(unit.trim()).ok_or_else(|| {
            format!("the length of a `{}` in time units is not fixed", unit.trim())
        })?;
        let calendar = Calendar::parse(calendar.unwrap_or("standard"))?;
        let ((year, month, day), time) =
            reference(date.trim()).ok_or_else(|| format!("`{date}` is no reference date"))?;
        Ok(Units { unit, calendar, day: calendar.number(year, month, day), time })
    }

    /// The label of a whole number of units.
    pub(super) fn of_int(&self, value: i64) -> Option<TimeLabel> {
        self.label((i128::from(value) * self.unit).div_euclid(1000))
    }

    /// The label of a number of units, to the microsecond.
    pub(super) fn of_float(&self, value: f64) -> Option<TimeLabel> {
        let microseconds = (value * (self.unit as f64 / 1000.0)).round();
        (microseconds.abs() < 1e20).then(|| self.label(microseconds as i128))?
    }

    /// Whether labels of this calendar are dates of the Gregorian calendar.
    pub(super) fn is_civil(&self) -> bool {
        matches!(self.calendar, Calendar::Standard | Calendar::Gregorian)
    }

    fn label(&self, since: i128) -> Option<TimeLabel> {
        let since = since + self.time;
        let day = i64::try_from(since.div_euclid(DAY)).ok()?.checked_add(self.day)?;
        let of_day = since.rem_euclid(DAY) as i64;
        let (year, month, day_of_month) = self.calendar.civil(day);
        let date = match self.calendar {
            // The instant of a Julian day is known, whatever the calendar writes.
            Calendar::Standard | Calendar::Julian => {
                let (y, m, d) = Calendar::Gregorian.civil(day);
                new_date(y, m, d)?
            }
            _ => new_date(year, month, day_of_month)?,
        };
        let time = clock(of_day)?;
        let instant = Instant::of_civil(date.to_datetime(time));
        let text = format!(
            "{}{year:04}-{month:02}-{day_of_month:02}T{}Z",
            if year < 0 { "-" } else { "" },
            time.strftime("%H:%M:%S%.f"),
            year = year.abs(),
        );
        Some(TimeLabel { text: text.into(), instant })
    }
}

/// The date, with the day cut to the length of the month.
fn new_date(year: i64, month: i64, day: i64) -> Option<Date> {
    let first = Date::new(i16::try_from(year).ok()?, i8::try_from(month).ok()?, 1).ok()?;
    first.with().day(i8::try_from(day).ok()?.min(first.days_in_month())).build().ok()
}

fn clock(microseconds: i64) -> Option<Time> {
    let seconds = microseconds / 1_000_000;
    let nanos = (microseconds % 1_000_000 * 1000) as i32;
    Time::new((seconds / 3600) as i8, (seconds / 60 % 60) as i8, (seconds % 60) as i8, nanos).ok()
}

fn nanoseconds(unit: &str) -> Option<i128> {
    Some(match unit.to_ascii_lowercase().as_str() {
        "nanosecond" | "nanoseconds" | "ns" => 1,
        "microsecond" | "microseconds" | "us" => 1000,
        "millisecond" | "milliseconds" | "msec" | "msecs" | "ms" => 1_000_000,
        "second" | "seconds" | "sec" | "secs" | "s" => 1_000_000_000,
        "minute" | "minutes" | "min" | "mins" => 60_000_000_000,
        "hour" | "hours" | "hr" | "hrs" | "h" => 3_600_000_000_000,
        "day" | "days" | "d" => DAY * 1000,
        "week" | "weeks" => 7 * DAY * 1000,
        _ => return None,
    })
}

fn is_calendar_unit(unit: &str) -> bool {
    ["month", "months", "year", "years"].contains(&unit.to_ascii_lowercase().as_str())
}

/// `2000-1-1`, `2000-01-01 12:30:05.5`, `2000-01-01T00:00:00Z`, `2000-01-01 00:00:00 +01:00`: the date and the
/// microseconds after its midnight in UTC.
fn reference(text: &str) -> Option<((i64, i64, i64), i128)> {
    let text = text.trim_end_matches("UTC").trim_end_matches(['Z', 'z']).trim();
    let (date, rest) = match text.split_once(['T', 't', ' ']) {
        Some((date, rest)) => (date, rest.trim()),
        None => (text, ""),
    };
    let (sign, date) = date.strip_prefix('-').map_or((1, date), |date| (-1, date));
    let mut parts = date.split('-').map(|part| part.parse::<i64>().ok());
    let year = sign * parts.next()??;
    let month = parts.next().unwrap_or(Some(1))?;
    let day = parts.next().unwrap_or(Some(1))?;
    if parts.next().is_some()
        || !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || year.abs() > 9999
    {
        return None;
    }
    let (clock, offset) = match rest.rfind(['+', '-', ' ']) {
        Some(at) => (rest[..at].trim(), rest[at..].trim()),
        None => (rest, ""),
    };
    let time = clock_microseconds(clock)?;
    let offset = match offset.strip_prefix('-') {
        Some(offset) => -clock_microseconds(offset)?,
        None => clock_microseconds(offset.trim_start_matches('+'))?,
    };
    Some(((year, month, day), time - offset))
}

/// Microseconds of `h:m:s.f`, `h:m`, `h`, `hhmm` or nothing.
fn clock_microseconds(text: &str) -> Option<i128> {
    if text.is_empty() {
        return Some(0);
    }
    if text.len() == 4 && text.bytes().all(|b| b.is_ascii_digit()) {
        return clock_microseconds(&format!("{}:{}", &text[..2], &text[2..]));
    }
    let mut seconds = 0.0;
    for (part, scale) in text.split(':').zip([3600.0, 60.0, 1.0]) {
        let value: f64 = part.trim().parse().ok()?;
        seconds += scale * value;
    }
    (text.split(':').count() <= 3 && (0.0..=86_400.0).contains(&seconds))
        .then_some((seconds * 1e6).round() as i128)
}

impl Calendar {
    fn parse(name: &str) -> Result<Calendar, String> {
        Ok(match name.to_ascii_lowercase().as_str() {
            "standard" | "gregorian" | "" => Calendar::Standard,
            "proleptic_gregorian" | "utc" => Calendar::Gregorian,
            "julian" => Calendar::Julian,
            "noleap" | "365_day" => Calendar::NoLeap,
            "all_leap" | "366_day" => Calendar::AllLeap,
            "360_day" => Calendar::Days360,
            _ => return Err(format!("the calendar `{name}` is not supported")),
        })
    }

    /// A running number of the day: the Julian day number for real calendars, days since year 0 for others.
    fn number(self, year: i64, month: i64, day: i64) -> i64 {
        match self {
            Calendar::Standard if (year, month, day) < (1582, 10, 15) => {
                julian_number(year, month, day)
            }
            Calendar::Standard | Calendar::Gregorian => gregorian_number(year, month, day),
            Calendar::Julian => julian_number(year, month, day),
            Calendar::NoLeap => year * 365 + month_start(&NO_LEAP, month) + day - 1,
            Calendar::AllLeap => year * 366 + month_start(&ALL_LEAP, month) + day - 1,
            Calendar::Days360 => year * 360 + (month - 1) * 30 + day - 1,
        }
    }

    /// Year, month and day of such a number.
    fn civil(self, number: i64) -> (i64, i64, i64) {
        match self {
            // 1582-10-15 is Julian day 2299161.
            Calendar::Standard if number < 2_299_161 => julian_civil(number),
            Calendar::Standard | Calendar::Gregorian => gregorian_civil(number),
            Calendar::Julian => julian_civil(number),
            Calendar::NoLeap => in_months(&NO_LEAP, number.div_euclid(365), number.rem_euclid(365)),
            Calendar::AllLeap => {
                in_months(&ALL_LEAP, number.div_euclid(366), number.rem_euclid(366))
            }
            Calendar::Days360 => {
                let of_year = number.rem_euclid(360);
                (number.div_euclid(360), of_year / 30 + 1, of_year % 30 + 1)
            }
        }
    }
}

const NO_LEAP: [i64; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
const ALL_LEAP: [i64; 12] = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];

fn month_start(lengths: &[i64; 12], month: i64) -> i64 {
    lengths.iter().take(usize::try_from(month - 1).unwrap_or(0)).sum()
}

fn in_months(lengths: &[i64; 12], year: i64, mut day: i64) -> (i64, i64, i64) {
    for (month, &length) in (1..).zip(lengths) {
        if day < length {
            return (year, month, day + 1);
        }
        day -= length;
    }
    (year, 12, lengths[11])
}

/// Days from 0000-03-01 to the first of a month, in years that start in March.
fn march_days(month: i64) -> i64 {
    let from_march = (month + 9) % 12;
    (153 * from_march + 2) / 5
}

/// Julian day numbers of 0000-03-01 in both calendars.
const GREGORIAN_MARCH: i64 = 1_721_120;
const JULIAN_MARCH: i64 = 1_721_118;

fn gregorian_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let leap_days = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    GREGORIAN_MARCH + 365 * year + leap_days + march_days(month) + day - 1
}

fn julian_number(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    JULIAN_MARCH + 365 * year + year.div_euclid(4) + march_days(month) + day - 1
}

fn gregorian_civil(number: i64) -> (i64, i64, i64) {
    let days = number - GREGORIAN_MARCH;
    let (era, of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    from_march(era * 400 + year, of_era - (365 * year + year / 4 - year / 100))
}

fn julian_civil(number: i64) -> (i64, i64, i64) {
    let days = number - JULIAN_MARCH;
    let (cycle, of_cycle) = (days.div_euclid(1461), days.rem_euclid(1461));
    let year = (of_cycle - of_cycle / 1460) / 365;
    from_march(cycle * 4 + year, of_cycle - 365 * year)
}

/// Calendar fields of a day of a year that starts in March.
fn from_march(year: i64, of_year: i64) -> (i64, i64, i64) {
    let from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * from_march + 2) / 5 + 1;
    let month = (from_march + 2) % 12 + 1;
    (if month <= 2 { year + 1 } else { year }, month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(units: &str, calendar: &str, value: f64) -> (String, String) {
        let units = Units::parse(units, Some(calendar)).unwrap();
        let label = units.of_float(value).unwrap();
        (label.text.to_string(), label.instant.to_string())
    }

    fn same(units: &str, calendar: &str, value: f64, expected: &str) {
        let (label, instant) = text(units, calendar, value);
        assert_eq!((label.as_str(), instant.as_str()), (expected, expected));
    }

    #[test]
    fn gregorian_times() {
        same("days since 1950-01-01", "standard", 17_927.0, "1999-01-31T00:00:00Z");
        same("seconds since 1970-01-01", "proleptic_gregorian", 1e9, "2001-09-09T01:46:40Z");
        same("hours since 1900-01-01 00:00:0.0", "gregorian", 1.5, "1900-01-01T01:30:00Z");
        same("days since 2000-01-01T12:00:00Z", "standard", -0.5, "2000-01-01T00:00:00Z");
        same("minutes since 2000-01-01 02:00 +02:00", "standard", 1.0, "2000-01-01T00:01:00Z");
        same("ms since 2000-2-29", "standard", 250.0, "2000-02-29T00:00:00.25Z");
        let ns = Units::parse("nanoseconds since 1970-01-01", None).unwrap();
        let label = ns.of_int(1_436_608_808_000_000_000).unwrap();
        assert_eq!(&*label.text, "2015-07-11T10:00:08Z");
    }

    #[test]
    fn standard_dates_before_1582_are_julian() {
        // cftime: num2date(0, "days since 1-1-1", "standard") is two days before the proleptic date.
        let (label, instant) = text("days since 0001-01-01", "standard", 0.0);
        assert_eq!(label, "0001-01-01T00:00:00Z");
        assert_eq!(instant, "0000-12-30T00:00:00Z");
        same("days since 1-1-1", "standard", 730_121.0, "2000-01-01T00:00:00Z");
        same("days since 1582-10-04", "standard", 1.0, "1582-10-15T00:00:00Z");
        let (label, instant) = text("days since 2000-01-01", "julian", 0.0);
        assert_eq!((&label[..10], &instant[..10]), ("2000-01-01", "2000-01-14"));
    }

    #[test]
    fn calendars_of_models() {
        same("days since 2000-02-28", "noleap", 1.0, "2000-03-01T00:00:00Z");
        same("days since 2001-01-01", "365_day", 365.0, "2002-01-01T00:00:00Z");
        let (label, instant) = text("days since 2001-01-01", "360_day", 59.5);
        assert_eq!(label, "2001-02-30T12:00:00Z");
        assert_eq!(instant, "2001-02-28T12:00:00Z");
        let (label, instant) = text("days since 2001-02-28", "all_leap", 1.0);
        assert_eq!((&label[..10], &instant[..10]), ("2001-02-29", "2001-02-28"));
    }

    #[test]
    fn day_numbers_go_both_ways() {
        for calendar in [Calendar::Standard, Calendar::Gregorian, Calendar::Julian] {
            for number in (-800_000..4_000_000).step_by(97) {
                let (year, month, day) = calendar.civil(number);
                assert_eq!(calendar.number(year, month, day), number);
            }
        }
        assert_eq!(Calendar::Gregorian.number(2000, 1, 1), 2_451_545);
        assert_eq!(Calendar::Julian.number(-4712, 1, 1), 0);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        assert!(Units::parse("months since 2000-01-01", None).is_err());
        assert!(Units::parse("days since yesterday", None).is_err());
        assert!(Units::parse("days since 2000-13-01", None).is_err());
        assert!(Units::parse("days since 2000-01-01", Some("martian")).is_err());
        assert!(!is_time("m") && !is_time("degrees since") && is_time("days since 2000-01-01"));
        let units = Units::parse("days since 2000-01-01", None).unwrap();
        assert!(units.of_float(f64::NAN).is_none() && units.of_float(1e30).is_none());
        assert!(units.of_int(i64::MAX).is_none());
    }
}
