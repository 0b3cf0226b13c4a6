//! `filter_temporal`: the labels inside an interval.

use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Filter, Problem, Term};
use eolith_plan::process::{Lowering, Process};
use serde_json::Value as Json;

pub(crate) static FILTER_TEMPORAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

fn definition() -> Definition {
    Definition::new(
        "filter_temporal",
        "Filter by a temporal interval",
        "Keeps the labels of temporal dimensions that lie inside a left-closed interval: the start is part of it, \
         the end is not.",
    )
    .category("cubes")
    .category("filter")
    .param(param("data", "A data cube.", schema::cube_with([schema::temporal()])))
    .param(param(
        "extent",
        "Start and end of the interval, one of which may be null if it is open.",
        schema::temporal_interval(),
    ))
    .param(
        param(
            "dimension",
            "The name of the temporal dimension; null for all temporal dimensions.",
            schema::string_or_null(),
        )
        .default(Json::Null),
    )
    .returns("A data cube with fewer (or the same) temporal labels.", schema::cube_with([schema::temporal()]))
    .throws("DimensionNotAvailable", "The data cube has no (such) temporal dimension.")
    .throws("TemporalExtentEmpty", "The interval ends at or before its start.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let data = call.cube("data")?;
    let interval = super::arguments::interval(call, "extent")?
        .ok_or_else(|| Problem::argument("extent", "an interval is expected, not null"))?;
    let dimension = call.text("dimension")?.map(|name| name.to_string());
    call.filter(data, &Filter::Time(interval, dimension))
}
