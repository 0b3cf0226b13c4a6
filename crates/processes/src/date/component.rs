//! Parts of dates: reading one and replacing one. Not in a release of the standard yet.

use eolith_graph::{Definition, param, schema};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use jiff::civil::Date;

use super::{Written, date_schema, invalid};
use crate::arguments::{integer, text, wrong};

const READ: [&str; 11] = [
    "millisecond",
    "second",
    "minute",
    "hour",
    "day",
    "day of week",
    "day of year",
    "week",
    "week number",
    "month",
    "year",
];

const REPLACED: [&str; 7] = ["millisecond", "second", "minute", "hour", "day", "month", "year"];

process! {
    DATE_GET_COMPONENT = "date_get_component"(date, component),
    definition: || Definition::new(
        "date_get_component",
        "Get a part of a date",
        "Gives one part of a date as a number, in the offset in which it is written: the year, month or day (of the \
         month), `day of week` from 1 (Monday) to 7, `day of year` from 1, `week` as the number of the seven days \
         counted from the 1st of January, `week number` of ISO 8601, and hour, minute, second and millisecond, which \
         are 0 for a date without a time.",
    )
    .experimental()
    .category("date & time")
    .param(param("date", "The date to read.", date_schema()))
    .param(param("component", "The part.", schema::one_of(&READ)))
    .returns("The part as a number.", schema::number()),
    scalar: |args| {
        let Some(date) = text(args, 0, "date")? else { return Ok(Value::Null) };
        let written = Written::parse(date).ok_or_else(|| invalid("date", date))?;
        let civil = written.civil;
        let number = match component(args, &READ)? {
            "millisecond" => i64::from(civil.subsec_nanosecond() / 1_000_000),
            "second" => i64::from(civil.second()),
            "minute" => i64::from(civil.minute()),
            "hour" => i64::from(civil.hour()),
            "day" => i64::from(civil.day()),
            "day of week" => i64::from(civil.weekday().to_monday_one_offset()),
            "day of year" => i64::from(civil.day_of_year()),
            "week" => i64::from((civil.day_of_year() - 1) / 7 + 1),
            "week number" => i64::from(civil.date().iso_week_date().week()),
            "month" => i64::from(civil.month()),
            _ => i64::from(civil.year()),
        };
        Ok(Value::Int(number))
    },
    result: |_| Type::Any,
    kernel: None,
    simplify: None,
}

process! {
    DATE_REPLACE_COMPONENT = "date_replace_component"(date, component, value),
    definition: || Definition::new(
        "date_replace_component",
        "Replace a part of a date",
        "Gives a date one part of which is another; all others and the offset stay. A value out of bounds becomes \
         the nearest one in bounds, and so does the day where the new month is shorter. A date without a time stays \
         one unless a part of the time is replaced: then it begins at midnight UTC.",
    )
    .experimental()
    .category("date & time")
    .param(param("date", "The date to change.", date_schema()))
    .param(param("component", "The part to replace.", schema::one_of(&REPLACED)))
    .param(param("value", "The new value of the part.", schema::integer()))
    .returns("The changed date.", date_schema()),
    scalar: |args| {
        let Some(date) = text(args, 0, "date")? else { return Ok(Value::Null) };
        let value = integer(args, 2, "value")?
            .ok_or_else(|| wrong("value", "an integer", &Value::Null))?;
        replaced(date, component(args, &REPLACED)?, value).map(Value::text)
    },
    result: |_| Type::Text,
    kernel: None,
    simplify: None,
}

fn replaced(text: &str, component: &str, value: i64) -> Result<String, Fault> {
    let mut written = Written::parse(text).ok_or_else(|| invalid("date", text))?;
    let (date, time) = (written.civil.date(), written.civil.time());
    // Bounds are below 10,000, so that what is clipped fits every type.
    let clip = |least: i64, most: i64| value.clamp(least, most);
    let beyond = |_| invalid("date", text);
    let day_of = |year: i64, month: i64, day: i64| -> Result<Date, Fault> {
        let first = Date::new(year as i16, month as i8, 1).map_err(beyond)?;
        let day = (day as i8).clamp(1, first.days_in_month());
        Date::new(year as i16, month as i8, day).map_err(beyond)
    };
    let (year, month, day) = (date.year().into(), date.month().into(), date.day().into());
    let date = match component {
        "year" => day_of(clip(0, 9999), month, day)?,
        "month" => day_of(year, clip(1, 12), day)?,
        "day" => day_of(year, month, clip(1, 31))?,
        _ => date,
    };
    let time = match component {
        "hour" => time.with().hour(clip(0, 23) as i8),
        "minute" => time.with().minute(clip(0, 59) as i8),
        "second" => time.with().second(clip(0, 59) as i8),
        "millisecond" => time.with().millisecond(clip(0, 999) as i16),
        _ => time.with(),
    };
    if !matches!(component, "year" | "month" | "day") && written.time.is_none() {
        written.time = Some("Z");
    }
    Ok(written.with(date.to_datetime(time.build().map_err(beyond)?)))
}

fn component<'a>(args: &[Value], all: &[&'a str]) -> Result<&'a str, Fault> {
    let given = text(args, 1, "component")?;
    all.iter().copied().find(|name| given == Some(name)).ok_or_else(|| {
        Fault::argument("component", format_args!("must be one of {}", all.join(", ")))
    })
}
