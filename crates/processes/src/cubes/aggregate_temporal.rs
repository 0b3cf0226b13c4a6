//! `aggregate_temporal`: intervals to one value each.

use std::sync::Arc;

use eolith_cube::time::{Instant, Interval};
use eolith_cube::{Kind, Label, Labels, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Input, Problem, Term};
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use serde_json::json;

use super::arguments::{instant, label_of, labels, same_label, temporal, time_problem};

/// Microseconds of a day.
const DAY: i64 = 86_400_000_000;

pub(crate) static AGGREGATE_TEMPORAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::temporal()]);
    let end = || {
        let time =
            json!({ "type": "string", "subtype": "time", "pattern": "^\\d{2}:\\d{2}:\\d{2}$" });
        json!({ "anyOf": [schema::date_time(), schema::date(), time, schema::null()] })
    };
    let interval = json!({
        "type": "array",
        "subtype": "temporal-interval",
        "uniqueItems": true,
        "minItems": 2,
        "maxItems": 2,
        "items": end(),
    });
    Definition::new(
        "aggregate_temporal",
        "Aggregate by intervals",
        "Makes one value of all values in each of the given left-closed intervals, which may overlap. Intervals of \
         times without a date hold for every day and may pass midnight. The reducer gets an empty array for \
         intervals without data. The new labels are `labels` or, without them, the starts of the intervals.",
    )
    .category("cubes")
    .category("aggregate")
    .param(param("data", "A data cube.", cube()))
    .param(param(
        "intervals",
        "Start and end of each interval; null is an open end.",
        json!({
            "type": "array",
            "subtype": "temporal-intervals",
            "minItems": 1,
            "items": interval,
            "examples": [
                [["2015-01-01", "2016-01-01"], ["2016-01-01", "2017-01-01"], ["2017-01-01", "2018-01-01"]],
                [["06:00:00", "18:00:00"], ["18:00:00", "06:00:00"]],
            ],
        }),
    ))
    .param(param("reducer", "Computes one value from the array `data`.", schema::reducer_callback()))
    .param(
        param(
            "labels",
            "A label for each interval; needed if the starts are not distinct.",
            json!({ "type": "array", "uniqueItems": true, "items": { "type": ["number", "string"] } }),
        )
        .default(json!([])),
    )
    .param(super::arguments::temporal_dimension())
    .param(super::arguments::context())
    .returns("A data cube with a label for each interval.", cube())
    .throws("TooManyDimensions", "The data cube has several temporal dimensions and none is named.")
    .throws("DimensionNotAvailable", "The data cube has no (such) temporal dimension.")
    .throws("DistinctDimensionLabelsRequired", "Two intervals would have the same label.")
    .throws("TemporalExtentEmpty", "An interval ends at or before its start.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = temporal(call, &schema)?;
    let spans = spans(call)?;
    let given = labels(call, "labels")?;
    let names = names(&spans, given)?;
    let input = members(&schema);
    let reducer = call.callback("reducer", &[("data", input)])?;
    let groups = match schema.dims[dim].labels() {
        None => None,
        Some(present) => {
            let instants = instants(present)?;
            let inside = |span: &Span| -> Arc<[usize]> {
                (0..instants.len()).filter(|&i| span.contains(instants[i])).collect()
            };
            Some((spans.iter().map(inside).collect(), names))
        }
    };
    call.try_add(Op::group(&schema, dim, groups, reducer), vec![data])
}

/// The members of a group as the array its reducer sees: how many differs from group to group.
pub(super) fn members(schema: &Schema) -> Input {
    Input::Axis(0, Type::of_dtype(schema.dtype()), None)
}

/// One interval.
#[derive(Debug)]
struct Span {
    /// The start as it was written.
    text: Option<Arc<str>>,
    kind: SpanKind,
}

#[derive(Debug)]
enum SpanKind {
    Dates(Interval),
    /// Microseconds since midnight; the end is at or before the start if midnight lies between.
    Times {
        start: i64,
        end: i64,
    },
}

impl Span {
    fn contains(&self, instant: Instant) -> bool {
        match &self.kind {
            SpanKind::Dates(interval) => interval.contains(instant),
            SpanKind::Times { start, end } => {
                let time = instant.0.rem_euclid(DAY);
                if start < end {
                    *start <= time && time < *end
                } else {
                    *start <= time || time < *end
                }
            }
        }
    }
}

fn spans(call: &mut Call<'_, '_>) -> Result<Vec<Span>, Problem> {
    const NAME: &str = "intervals";
    let wrong = || Problem::argument(NAME, "an array of intervals (start and end) is expected");
    let value = call.constant(NAME)?;
    let intervals = value.as_array().filter(|array| !array.values.is_empty()).ok_or_else(wrong)?;
    let span = |value: &Value| {
        let ends = value.as_array().ok_or_else(wrong)?;
        let [start, end] = ends.values.as_slice() else { return Err(wrong()) };
        let text = match start {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        };
        let kind = match (time_of_day(start), time_of_day(end)) {
            (Some(start), Some(end)) if start != end => SpanKind::Times { start, end },
            (Some(_), Some(_)) => {
                return Err(
                    Problem::new("TemporalExtentEmpty", "an interval ends at its start").at(NAME)
                );
            }
            (None, None) => {
                let interval = Interval::new(instant(start, NAME)?, instant(end, NAME)?);
                SpanKind::Dates(interval.map_err(|e| time_problem(&e, NAME))?)
            }
            _ => {
                return Err(Problem::argument(
                    NAME,
                    "an interval has either two dates or two times of the day",
                ));
            }
        };
        Ok(Span { text, kind })
    };
    intervals.values.iter().map(span).collect()
}

/// Microseconds since midnight of `HH:MM:SS`; 24:00:00 is the end of the day.
fn time_of_day(value: &Value) -> Option<i64> {
    let text = value.as_text()?;
    let text = text.strip_suffix('Z').unwrap_or(text);
    let parts: Option<Vec<i64>> = text
        .split(':')
        .map(|part| (part.len() == 2).then(|| part.parse::<u8>().ok().map(i64::from)).flatten())
        .collect();
    let [hours, minutes, seconds] = parts?[..] else { return None };
    let total = (hours * 60 + minutes) * 60 + seconds;
    (minutes < 60 && seconds < 60 && total <= 86_400).then_some(total * 1_000_000)
}

fn names(spans: &[Span], given: Vec<Label>) -> Result<Labels, Problem> {
    if !given.is_empty() && given.len() != spans.len() {
        return Err(Problem::argument(
            "labels",
            format!("{} labels for {} intervals", given.len(), spans.len()),
        ));
    }
    let labels: Vec<Label> = if given.is_empty() {
        let start = |span: &Span| match &span.text {
            Some(text) => Ok(label_of(&Kind::Temporal, Label::Text(text.clone()))),
            None => {
                Err(Problem::argument("labels", "an interval with an open start needs a label"))
            }
        };
        spans.iter().map(start).collect::<Result<_, _>>()?
    } else {
        given.into_iter().map(|label| label_of(&Kind::Temporal, label)).collect()
    };
    let repeated = (labels.iter().enumerate())
        .find(|(i, label)| labels[..*i].iter().any(|own| same_label(own, label)));
    match repeated {
        None => Ok(Labels::list(labels)),
        Some((_, label)) => Err(Problem::new(
            "DistinctDimensionLabelsRequired",
            format!("two intervals would have the label `{label}`"),
        )
        .at("labels")),
    }
}

/// The instants of temporal labels.
pub(super) fn instants(labels: &Labels) -> Result<Vec<Instant>, Problem> {
    let instant = |label: Label| match &label {
        Label::Time(time) => Ok(time.instant),
        _ => Err(Problem::argument(
            "data",
            format!("label `{label}` of the temporal dimension is not a date or a date-time"),
        )),
    };
    labels.iter().map(instant).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value as Json, json};

    use crate::cubes::testing::{call, callback, cube, numbers};

    fn sums(intervals: Json, labels: Json) -> Result<Vec<Option<f64>>, String> {
        let times = ["2020-01-01T05:00:00Z", "2020-01-01T12:00:00Z", "2020-01-02T20:00:00Z"];
        let data = cube(&times, &["a"], 1, 1, vec![1.0, 10.0, 100.0]);
        let sum = callback("sum", json!({ "data": { "from_parameter": "data" } }));
        let arguments = json!({ "intervals": intervals, "labels": labels, "reducer": sum });
        call("aggregate_temporal", arguments, &data).map(|outcome| numbers(&outcome.cube()))
    }

    #[test]
    fn times_of_the_day_hold_for_every_day_and_may_pass_midnight() {
        let found = sums(json!([["06:00:00", "18:00:00"], ["18:00:00", "06:00:00"]]), json!([]));
        assert_eq!(found, Ok(vec![Some(10.0), Some(101.0)]));
        let found = sums(json!([["00:00:00", "24:00:00"]]), json!([]));
        assert_eq!(found, Ok(vec![Some(111.0)]));
    }

    #[test]
    fn intervals_may_be_open_overlap_or_be_empty() {
        let intervals = json!([[null, "2020-01-02"], ["2020-01-01", null], ["2021-01-01", null]]);
        assert_eq!(
            sums(intervals.clone(), json!(["a", "b", 3])),
            Ok(vec![Some(11.0), Some(111.0), None])
        );
        assert_eq!(sums(intervals, json!([])), Err("ProcessParameterInvalid".to_owned()));
    }

    #[test]
    fn labels_must_be_distinct() {
        let twice = json!([["2020-01-01", "2020-01-02"], ["2020-01-01T00:00:00Z", "2020-01-03"]]);
        let distinct = Err("DistinctDimensionLabelsRequired".to_owned());
        assert_eq!(sums(twice.clone(), json!([])), distinct);
        assert_eq!(sums(twice.clone(), json!(["a", "a"])), distinct);
        assert_eq!(sums(twice, json!(["a"])), Err("ProcessParameterInvalid".to_owned()));
        let never = json!([["06:00:00", "06:00:00"]]);
        assert_eq!(sums(never, json!([])), Err("TemporalExtentEmpty".to_owned()));
    }
}
