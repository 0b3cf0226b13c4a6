//! `climatological_normal`: the mean of a part of the year over a period of years.

use std::sync::Arc;

use eolith_cube::{Label, Labels, Schema};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, Expr};
use eolith_plan::logical::Groups;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use serde_json::json;

use super::arguments::{call_with_defaults, only_temporal};
use super::periods::Period;

pub(crate) static CLIMATOLOGICAL_NORMAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

/// The one normal of all values of the years.
const WHOLE: &str = "climatology-period";

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::temporal()]);
    Definition::new(
        "climatological_normal",
        "Compute climatological normals",
        "Makes the mean of all values of each day, month or season of the year over a number of years. The temporal \
         labels become those of the part of the year: `001` to `365` (the 366th day of leap years takes no part), \
         `01` to `12`, `djf`, `mam`, `jja`, `son`, or `ndjfma`, `mjjaso`, or `climatology-period`. A season counts \
         for the year in which it ends: the one that begins before the first year takes part if the data has all of \
         its months in that year, else it is left out, and the one that begins in the last year never takes part. \
         Temporal labels are instants, or what `aggregate_temporal_period` calls periods of the same kind.",
    )
    .category("cubes")
    .category("climatology")
    .param(param("data", "A data cube with one temporal dimension that spans all of the years.", cube()))
    .param(param(
        "period",
        "The part of the year.",
        schema::one_of(&["day", "month", "season", "tropical-season", WHOLE]),
    ))
    .param(
        param(
            "climatology_period",
            "The first and the last year, both of which take part.",
            json!({
                "type": "array",
                "uniqueItems": true,
                "minItems": 2,
                "maxItems": 2,
                "items": { "type": "integer", "subtype": "year" },
            }),
        )
        .default(json!([1981, 2010])),
    )
    .returns("A data cube with the normals.", cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let dim = only_temporal(&schema, "data")?;
    let name = call.required_text("period")?;
    let parts = Parts::from_name(&name)?;
    let years = years(call)?;
    let groups =
        schema.dims[dim].labels().map(|labels| groups(labels, &parts, years)).transpose()?;
    call.try_add(Op::group(&schema, dim, groups, mean(&schema)?), vec![data])
}

/// `mean(data)`, over values that are there.
fn mean(schema: &Schema) -> Result<Arc<Expr>, Problem> {
    let mut builder = Builder::default();
    let data = builder.axis(0, Type::of_dtype(schema.dtype()), None);
    let root = call_with_defaults(&mut builder, "mean", vec![data])?;
    Ok(Arc::new(builder.finish(root)))
}

fn years(call: &mut Call<'_, '_>) -> Result<[i64; 2], Problem> {
    const NAME: &str = "climatology_period";
    let wrong =
        || Problem::argument(NAME, "the first and the last year are expected, in this order");
    let value = call.constant(NAME)?;
    let years = value.as_array().ok_or_else(wrong)?;
    let year = |value| crate::arguments::Num::of(value).map(crate::arguments::Num::f64);
    let years: Vec<f64> = years.values.iter().filter_map(year).collect();
    match years[..] {
        [first, last] if first <= last && first.fract() == 0.0 && last.fract() == 0.0 => {
            Ok([first as i64, last as i64])
        }
        _ => Err(wrong()),
    }
}

/// The parts of a year that get a normal each.
struct Parts {
    /// `None` for the years as a whole.
    period: Option<Period>,
    labels: Vec<String>,
}

impl Parts {
    fn from_name(name: &str) -> Result<Parts, Problem> {
        let texts = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect();
        let labels = match name {
            "day" => (1..=365).map(|day| format!("{day:03}")).collect(),
            "month" => (1..=12).map(|month| format!("{month:02}")).collect(),
            "season" => texts(&["djf", "mam", "jja", "son"]),
            "tropical-season" => texts(&["ndjfma", "mjjaso"]),
            WHOLE => texts(&[WHOLE]),
            other => {
                return Err(Problem::argument("period", format!("there is no period `{other}`"))
                    .hint("periods: day, month, season, tropical-season, climatology-period"));
            }
        };
        Ok(Parts { period: Period::from_name(name), labels })
    }

    /// The calendar year of a label, the year it counts for and the position of its part of the year, if it has one.
    fn place(&self, label: &Label) -> Result<Place, Problem> {
        let Some(period) = self.period else {
            let year = match label {
                Label::Time(time) => Some(i64::from(time.instant.civil().year())),
                other => Period::Year.parse(&other.to_string()).map(|(year, _)| year),
            };
            let year = year.ok_or_else(|| unplaced(label))?;
            return Ok(Place { year, counts: year, part: Some(0), month: None });
        };
        let (year, text, month) = match label {
            Label::Time(time) => {
                let civil = time.instant.civil();
                let text = period.label(period.number(time.instant));
                (i64::from(civil.year()), text, Some(i64::from(civil.month())))
            }
            other => {
                let text = other.to_string();
                let (year, _) = period.parse(&text).ok_or_else(|| unplaced(label))?;
                (year, text, None)
            }
        };
        let (starts, part) = period.parse(&text).ok_or_else(|| unplaced(label))?;
        let position = self.labels.iter().position(|own| own == part);
        let spans_new_year = matches!(part, "djf" | "ndjfma");
        Ok(Place { year, counts: starts + i64::from(spans_new_year), part: position, month })
    }
}

/// Where a temporal label belongs.
struct Place {
    year: i64,
    /// The year that its period ends in.
    counts: i64,
    part: Option<usize>,
    /// Of an instant.
    month: Option<i64>,
}

fn groups(labels: &Labels, parts: &Parts, [first, last]: [i64; 2]) -> Result<Groups, Problem> {
    let places: Vec<Place> =
        labels.iter().map(|label| parts.place(&label)).collect::<Result<_, _>>()?;
    let (from, to) = (places.iter().map(|p| p.year).min(), places.iter().map(|p| p.year).max());
    if from.is_none_or(|year| year > first) || to.is_none_or(|year| year < last) {
        let has = match (from, to) {
            (Some(from), Some(to)) => format!("from {from} to {to}"),
            _ => "without labels".to_owned(),
        };
        let message = format!("the data must span the years {first} to {last}, it is {has}");
        return Err(Problem::argument("climatology_period", message));
    }
    let before: &[i64] = match parts.period {
        Some(Period::Season) => &[12],
        Some(Period::TropicalSeason) => &[11, 12],
        _ => &[],
    };
    let early = |place: &Place| place.year < first;
    // A period as a label is there as a whole.
    let complete = places.iter().any(|p| early(p) && p.counts == first && p.month.is_none())
        || before.iter().all(|&month| {
            places.iter().any(|place| place.year == first - 1 && place.month == Some(month))
        });
    let mut members: Vec<Vec<usize>> = vec![Vec::new(); parts.labels.len()];
    for (i, place) in places.iter().enumerate() {
        // The first part is the one that begins in the year before.
        let incomplete =
            !complete && !before.is_empty() && place.counts == first && place.part == Some(0);
        if let Some(part) = place.part
            && (first..=last).contains(&place.counts)
            && !incomplete
        {
            members[part].push(i);
        }
    }
    let members = members.into_iter().map(Arc::from).collect();
    Ok((members, Labels::texts(&parts.labels)))
}

fn unplaced(label: &Label) -> Problem {
    let message = format!(
        "label `{label}` of the temporal dimension is neither an instant nor such a period"
    );
    Problem::argument("data", message)
}
