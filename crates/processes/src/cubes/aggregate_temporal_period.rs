//! `aggregate_temporal_period`: calendar periods to one value each.

use std::collections::BTreeMap;

use eolith_cube::{Label, Labels};
use eolith_graph::{Code, Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::logical::Groups;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};

use super::periods::Period;

/// More labels than this are a mistake in the period or in the labels.
const MOST: i64 = 10_000_000;

pub(crate) static AGGREGATE_TEMPORAL_PERIOD: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::temporal()]);
    Definition::new(
        "aggregate_temporal_period",
        "Aggregate by calendar periods",
        "Makes one value of all values in a calendar period. The new labels are the names of the periods, without \
         gaps from the first to the last one: `2020-06-01-13` (hour), `2020-153` (day), `2020-23` (week of ISO \
         8601), `2020-16` (dekad), `2020-06` (month), `2020-jja` (season: djf, mam, jja, son), `2020-mjjaso` \
         (tropical season: ndjfma, mjjaso), `2020` (year), `2020` (decade), `2021` (decade-ad). The year of a \
         season is the one in which it starts. The reducer gets an empty array for periods without data.",
    )
    .note("Seasons have the year in which they start; dekads are counted from 01.")
    .category("aggregate")
    .category("climatology")
    .category("cubes")
    .param(param("data", "A data cube.", cube()))
    .param(param("period", "The kind of period.", schema::one_of(&Period::NAMES)))
    .param(param("reducer", "Computes one value from the array `data`.", schema::reducer_callback()))
    .param(super::arguments::temporal_dimension())
    .param(super::arguments::context())
    .returns("A data cube with a label for each period.", cube())
    .throws("TooManyDimensions", "The data cube has several temporal dimensions and none is named.")
    .throws("DimensionNotAvailable", "The data cube has no (such) temporal dimension.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let schema = call.schema(data);
    let name = call.required_text("period")?;
    let period = Period::from_name(&name).ok_or_else(|| {
        Problem::argument("period", format!("there is no period `{name}`"))
            .hint(format!("periods: {}", Period::NAMES.join(", ")))
    })?;
    let dim = super::arguments::temporal(call, &schema)?;
    let input = super::aggregate_temporal::members(&schema);
    let reducer = call.callback("reducer", &[("data", input)])?;
    let groups = schema.dims[dim].labels().map(|labels| groups(labels, period)).transpose()?;
    call.try_add(Op::group(&schema, dim, groups, reducer), vec![data])
}

/// The labels in each period from the first to the last, and the names of the periods.
fn groups(labels: &Labels, period: Period) -> Result<Groups, Problem> {
    let mut members: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
    for (i, label) in labels.iter().enumerate() {
        let Label::Time(time) = &label else {
            return Err(Problem::argument(
                "data",
                format!("label `{label}` of the temporal dimension is not a date or a date-time"),
            ));
        };
        members.entry(period.number(time.instant)).or_default().push(i);
    }
    let (Some((&first, _)), Some((&last, _))) =
        (members.first_key_value(), members.last_key_value())
    else {
        return Ok((Vec::new(), Labels::list([])));
    };
    if last - first >= MOST {
        let message = format!("the labels span {} periods, more than {MOST}", last - first + 1);
        return Err(Problem::Issue {
            code: Code::PROCESS_GRAPH_COMPLEXITY,
            argument: Some("period".to_owned()),
            message,
            hint: Some("use a longer period".to_owned()),
        });
    }
    let groups =
        (first..=last).map(|number| members.remove(&number).unwrap_or_default().into()).collect();
    Ok((groups, Labels::texts((first..=last).map(|number| period.label(number)))))
}
