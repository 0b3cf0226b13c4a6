//! `anomaly`: what is left after the normal of the same part of the year is subtracted.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::{Label, Labels};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::Builder;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;

use super::arguments::{call_with_defaults, compatible, only_temporal};
use super::periods::Period;

pub(crate) static ANOMALY: Process = Process { definition, lowering: Lowering::Custom(lower) };

/// Periods with one normal for all labels.
const SINGLE: [&str; 2] = ["climatology-period", "single-period"];

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::temporal()]);
    let periods: Vec<&str> = Period::NAMES.iter().chain(&SINGLE).copied().collect();
    Definition::new(
        "anomaly",
        "Compute anomalies",
        "Subtracts from each value the normal of its part of the year. Which one that is follows from the temporal \
         labels: `2020-153` goes with the normal `153`, `2020-06-01-13` with the hour `13`, years and decades with \
         the same year; instants go with the period they lie in. A single period has one normal for all labels. A \
         label without a normal is an error. The labels stay as they are.",
    )
    .category("climatology")
    .category("cubes")
    .category("math")
    .param(param(
        "data",
        "A data cube with one temporal dimension whose labels are those of `aggregate_temporal_period`, or instants.",
        cube(),
    ))
    .param(param(
        "normals",
        "A data cube with one temporal dimension whose labels are the parts of a year, e.g. from \
         `climatological_normal`. Dimensions that it lacks have the same normal all along.",
        cube(),
    ))
    .param(param("period", "The kind of period of the normals.", schema::one_of(&periods)))
    .returns("A data cube with the differences.", cube())
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, normals) = (call.cube("data")?, call.cube("normals")?);
    let (schema, own) = (call.schema(data), call.schema(normals));
    let (time, own_time) = (only_temporal(&schema, "data")?, only_temporal(&own, "normals")?);
    let name = call.required_text("period")?;
    let (Some(labels), Some(there)) = (schema.dims[time].labels(), own.dims[own_time].labels())
    else {
        return Err(Problem::Blocked);
    };
    let indices = if SINGLE.contains(&&*name) {
        if there.len() != 1 {
            let message = format!("one normal is expected, not {}", there.len());
            return Err(Problem::argument("normals", message));
        }
        vec![0; labels.len()]
    } else {
        let period = Period::from_name(&name)
            .ok_or_else(|| Problem::argument("period", format!("there is no period `{name}`")))?;
        matched(labels, there, period)?
    };
    let mut selection = vec![None; own.dims.len()];
    selection[own_time] = Some(Arc::from(indices));
    let (op, selected) = Op::select(&own, selection);
    let node = call.add_node((op, selected.clone()), vec![normals]);
    let mut dims: Vec<_> = selected.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims[own_time].0 = schema.dims[time].clone();
    let (op, renamed) = Op::relabel(&selected, dims)?;
    let node = call.add_node((op, renamed.clone()), vec![node]);
    compatible(&schema, &renamed, "normals")?;
    let mut builder = Builder::default();
    let x = builder.input(0, Type::of_dtype(schema.dtype()));
    let y = builder.input(1, Type::of_dtype(renamed.dtype()));
    let root = call_with_defaults(&mut builder, "subtract", vec![x, y])?;
    let made = Op::map(&[&schema, &renamed], Arc::new(builder.finish(root)));
    call.try_add(made, vec![data, node])
}

/// For each label of the data the position of its normal.
fn matched(labels: &Labels, normals: &Labels, period: Period) -> Result<Vec<usize>, Problem> {
    let mut there: BTreeMap<String, usize> = BTreeMap::new();
    for (i, label) in normals.iter().enumerate() {
        if there.insert(label.to_string(), i).is_some() {
            let message = format!("the normals have the label `{label}` twice");
            return Err(Problem::argument("normals", message));
        }
    }
    let normal = |label: Label| {
        let text = match &label {
            Label::Time(time) => period.label(period.number(time.instant)),
            other => other.to_string(),
        };
        let (_, part) = period.parse(&text).ok_or_else(|| {
            let message = format!("label `{label}` of the temporal dimension is no such period");
            Problem::argument("data", message)
        })?;
        there.get(part).copied().ok_or_else(|| {
            let labels: Vec<&str> = there.keys().map(String::as_str).take(8).collect();
            Problem::argument("normals", format!("there is no normal `{part}` for label `{label}`"))
                .hint(format!(
                    "normals: {}{}",
                    labels.join(", "),
                    if there.len() > 8 { ", …" } else { "" }
                ))
        })
    };
    labels.iter().map(normal).collect()
}
