//! Processes on dates and times, given as RFC 3339 texts.

mod component;

use eolith_cube::time::Instant;
use eolith_graph::{Definition, param, schema};
use eolith_plan::process::Process;
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span};
use serde_json::json;

use crate::arguments::{flag, integer, text, wrong};

pub(crate) static ALL: &[&Process] = &[
    &DATE_BETWEEN,
    &DATE_DIFFERENCE,
    &component::DATE_GET_COMPONENT,
    &component::DATE_REPLACE_COMPONENT,
    &DATE_SHIFT,
];

const UNITS: [&str; 8] =
    ["millisecond", "second", "minute", "hour", "day", "week", "month", "year"];

process! {
    DATE_SHIFT = "date_shift"(date, value, unit),
    definition: || Definition::new(
        "date_shift",
        "Move a date",
        "Moves a date or a date with a time by a number of units. Months and years end on the last day of the \
         month where the day does not exist; offset and form are kept.",
    )
    .category("date & time")
    .param(param("date", "The date to move.", date_schema()))
    .param(param("value", "How many units, negative for the past.", schema::integer()))
    .param(param("unit", "The unit.", schema::one_of(&UNITS)))
    .returns("The moved date.", date_schema()),
    scalar: |args| {
        let Some(date) = text(args, 0, "date")? else { return Ok(Value::Null) };
        let value = integer(args, 1, "value")?
            .ok_or_else(|| wrong("value", "an integer", &Value::Null))?;
        shift(date, value, unit(args, 2)?).map(Value::text)
    },
    result: |_| Type::Text,
    kernel: None,
    simplify: None,
}

process! {
    DATE_BETWEEN = "date_between"(x, min, max, exclude_max),
    definition: || Definition::new(
        "date_between",
        "Between two dates",
        "Whether a date or time is neither before `min` nor after `max`. Swapped bounds give false.",
    )
    .category("comparison")
    .category("date & time")
    .param(param("x", "The date to test.", moment_schema()))
    .param(param("min", "The lower bound, which belongs to the range.", moment_schema()))
    .param(param("max", "The upper bound.", moment_schema()))
    .param(
        param("exclude_max", "Whether the upper bound is outside of the range.", schema::boolean())
            .default(json!(false)),
    )
    .returns("The answer.", schema::boolean_or_null()),
    scalar: |args| {
        let exclude = flag(args, 3, "exclude_max")?;
        let (x, min, max) = (moment(args, 0, "x")?, moment(args, 1, "min")?, moment(args, 2, "max")?);
        let (Some(x), Some(min), Some(max)) = (x, min, max) else { return Ok(Value::Null) };
        Ok(Value::Bool(min <= x && (x < max || (!exclude && x == max))))
    },
    result: |_| Type::Bool,
    kernel: None,
    simplify: None,
}

process! {
    DATE_DIFFERENCE = "date_difference"(date1, date2, unit),
    definition: || Definition::new(
        "date_difference",
        "Time between two dates",
        "How long after `date1` the second date is, with fractions; negative if it is earlier. A month has 30.436875 \
         days and a year 365.2425, the means of the Gregorian calendar.",
    )
    .experimental()
    .note("`date2` minus `date1`, as the table of signs says.")
    .category("comparison")
    .category("date & time")
    .param(param("date1", "The date to count from.", date_schema()))
    .param(param("date2", "The date to count to.", date_schema()))
    .param(param("unit", "The unit.", schema::one_of(&UNITS)).default(json!("second")))
    .returns("The number of units.", schema::number()),
    scalar: |args| {
        let (Some(a), Some(b)) = (text(args, 0, "date1")?, text(args, 1, "date2")?) else {
            return Ok(Value::Null);
        };
        let micros = i128::from(instant(b, "date2")?.0) - i128::from(instant(a, "date1")?.0);
        let unit = micros_of(unit(args, 2)?);
        let rest = micros % unit;
        Ok(if rest == 0 {
            crate::arguments::exact(micros / unit)
        } else {
            Value::Float(micros as f64 / unit as f64)
        })
    },
    result: |_| Type::Any,
    kernel: None,
    simplify: None,
}

/// A date with an optional time and the offset as it was written.
struct Written<'a> {
    civil: DateTime,
    /// Digits of the fraction of a second; `None` for a date without a time.
    time: Option<&'a str>,
}

fn shift(text: &str, value: i64, unit: &str) -> Result<String, Fault> {
    let written = Written::parse(text).ok_or_else(|| invalid("date", text))?;
    let overflow = || Fault::argument("value", format_args!("moves `{text}` beyond the calendar"));
    let civil = written.civil;
    let moved = match unit {
        "month" => Span::new().try_months(value).ok().and_then(|span| civil.checked_add(span).ok()),
        "year" => Span::new().try_years(value).ok().and_then(|span| civil.checked_add(span).ok()),
        unit => i64::try_from(i128::from(value) * micros_of(unit))
            .ok()
            .and_then(|micros| civil.checked_add(SignedDuration::from_micros(micros)).ok()),
    };
    Ok(written.with(moved.ok_or_else(overflow)?))
}

impl Written<'_> {
    fn parse(text: &str) -> Option<Written<'_>> {
        if let Ok(date) = text.parse::<Date>()
            && text.len() == 10
        {
            return Some(Written { civil: date.to_datetime(Time::midnight()), time: None });
        }
        Instant::parse(text).ok()?;
        // The offset begins at a `Z` or at a sign behind the time.
        let offset = text.get(19..)?.find(['Z', 'z', '+', '-']).map_or(text.len(), |i| i + 19);
        let (civil, offset) = text.split_at(offset);
        // A leap second is read as the second before it.
        let civil = match civil.get(17..19) {
            Some("60") => format!("{}59{}", &civil[..17], &civil[19..]),
            _ => civil.to_owned(),
        };
        Some(Written { civil: civil.parse().ok()?, time: Some(offset) })
    }

    fn with(&self, civil: DateTime) -> String {
        let Some(offset) = self.time else { return civil.date().to_string() };
        let fraction = match civil.subsec_nanosecond() / 1_000_000 {
            0 => String::new(),
            millis => format!(".{millis:03}"),
        };
        format!("{}{fraction}{offset}", civil.strftime("%Y-%m-%dT%H:%M:%S"))
    }
}

/// Microseconds of a unit; means of the Gregorian calendar for months and years.
fn micros_of(unit: &str) -> i128 {
    const SECOND: i128 = 1_000_000;
    const DAY: i128 = 86_400 * SECOND;
    match unit {
        "millisecond" => 1000,
        "minute" => 60 * SECOND,
        "hour" => 3600 * SECOND,
        "day" => DAY,
        "week" => 7 * DAY,
        "month" => 2_629_746 * SECOND,
        "year" => 31_556_952 * SECOND,
        _ => SECOND,
    }
}

fn unit(args: &[Value], k: usize) -> Result<&'static str, Fault> {
    let given = text(args, k, "unit")?;
    UNITS
        .into_iter()
        .find(|unit| given == Some(unit))
        .ok_or_else(|| Fault::argument("unit", format_args!("must be one of {}", UNITS.join(", "))))
}

/// A point in time, or a time of day in microseconds, which come after each other in one order each.
fn moment(args: &[Value], k: usize, name: &str) -> Result<Option<Instant>, Fault> {
    let Some(text) = text(args, k, name)? else { return Ok(None) };
    if text.len() == 8
        && let Ok(time) = text.parse::<Time>()
    {
        let seconds = i64::from(time.hour()) * 3600 + i64::from(time.minute()) * 60;
        return Ok(Some(Instant((seconds + i64::from(time.second())) * 1_000_000)));
    }
    instant(text, name).map(Some)
}

fn instant(text: &str, name: &str) -> Result<Instant, Fault> {
    Instant::parse(text).map_err(|_| invalid(name, text))
}

fn invalid(name: &str, text: &str) -> Fault {
    Fault::argument(name, format_args!("must be an RFC 3339 date or date-time, not `{text}`"))
}

fn date_schema() -> serde_json::Value {
    schema::any_of([schema::date_time(), schema::date()])
}

fn moment_schema() -> serde_json::Value {
    let time = json!({ "type": "string", "subtype": "time", "pattern": "^\\d{2}:\\d{2}:\\d{2}$" });
    schema::any_of([schema::date_time(), schema::date(), time])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offset_and_form_are_kept() {
        let shifted = |date, value, unit| shift(date, value, unit).unwrap();
        assert_eq!(shifted("2020-02-29T00:00:00+02:00", 1, "year"), "2021-02-28T00:00:00+02:00");
        assert_eq!(shifted("2020-01-31", 1, "month"), "2020-02-29");
        assert_eq!(shifted("2018-01-01", 25, "hour"), "2018-01-02");
        assert_eq!(
            shifted("2018-12-31T17:22:45Z", 1150, "millisecond"),
            "2018-12-31T17:22:46.150Z"
        );
        assert!(shift("2018-01-01", i64::MAX, "year").is_err());
        assert!(shift("2018-01-01", i64::MAX, "week").is_err());
    }
}
