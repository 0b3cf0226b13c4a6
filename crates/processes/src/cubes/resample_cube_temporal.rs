//! `resample_cube_temporal`: onto the instants of another cube.

use std::sync::Arc;

use eolith_cube::time::Instant;
use eolith_cube::{Element, Kind, Labels, Schema, columns, for_values};
use eolith_graph::{Definition, param, schema};
use eolith_plan::bind::{Call, Problem, Term};
use eolith_plan::expr::{Builder, Expr};
use eolith_plan::function::Function;
use eolith_plan::lanes::operand::{Primitive, refusal};
use eolith_plan::lanes::{KernelCall, Lanes, Register};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::Value as Json;

use super::aggregate_temporal::instants;
use super::arguments::call_with_defaults;

pub(crate) static RESAMPLE_CUBE_TEMPORAL: Process =
    Process { definition, lowering: Lowering::Custom(lower) };

/// Microseconds of a day.
const DAY: f64 = 86_400_000_000.0;

fn definition() -> Definition {
    let cube = || schema::cube_with([schema::temporal()]);
    Definition::new(
        "resample_cube_temporal",
        "Resample to the instants of another data cube",
        "Gives the data cube the temporal labels of another one, each with the values of the nearest label it has; \
         of two that are equally near the earlier one. With `valid_within` it is the nearest one with a valid value \
         (neither no-data nor NaN nor infinite), looked for pixel by pixel among the labels less than so many days \
         away and those at the very same instant; where there is none the result has no data.",
    )
    .category("cubes")
    .category("reproject")
    .param(param("data", "A data cube with temporal dimensions.", cube()))
    .param(param("target", "The data cube whose temporal labels are taken.", cube()))
    .param(
        param(
            "dimension",
            "The name of the temporal dimension in both data cubes; null for all that have the same name.",
            schema::string_or_null(),
        )
        .default(Json::Null),
    )
    .param(
        param(
            "valid_within",
            "How many days away a valid value may be; null takes the nearest value, valid or not.",
            schema::number_or_null(),
        )
        .default(Json::Null),
    )
    .returns("A data cube with other temporal labels.", cube())
    .throws("DimensionMismatch", "The data cubes have no temporal dimension of this name, or none in common.")
    .throws("DimensionNotAvailable", "One of the data cubes has no dimension of this name.")
}

fn lower(call: &mut Call<'_, '_>) -> Result<Term, Problem> {
    let (data, target) = (call.cube("data")?, call.cube("target")?);
    let (schema, other) = (call.schema(data), call.schema(target));
    let within = match call.constant("valid_within")? {
        Value::Null => None,
        value => match value.as_f64().filter(|days| *days >= 0.0) {
            Some(days) => Some(days * DAY),
            None => {
                return Err(Problem::argument(
                    "valid_within",
                    "a number of days, not below zero, is expected",
                ));
            }
        },
    };
    let mut node = data;
    for name in names(call, &schema, &other)? {
        let own = call.schema(node);
        let (Some(dim), Some(there)) = (own.position(&name), other.dim(&name)) else {
            return Err(Problem::Blocked);
        };
        let Some(labels) = there.labels() else { return Err(Problem::Blocked) };
        node = resample(call, node, dim, labels, within)?;
    }
    Ok(Term::Cube(node))
}

/// The dimensions to resample.
fn names(call: &mut Call<'_, '_>, data: &Schema, target: &Schema) -> Result<Vec<String>, Problem> {
    let temporal =
        |schema: &Schema, name: &str| schema.dim(name).map(|dim| dim.kind == Kind::Temporal);
    if let Some(name) = call.text("dimension")? {
        return match (temporal(data, &name), temporal(target, &name)) {
            (Some(true), Some(true)) => Ok(vec![name.to_string()]),
            (None, _) | (_, None) => {
                let message = format!("dimension `{name}` does not exist in both data cubes");
                Err(Problem::new("DimensionNotAvailable", message).at("dimension"))
            }
            _ => {
                let message = format!("dimension `{name}` is not temporal in both data cubes");
                Err(Problem::new("DimensionMismatch", message).at("dimension"))
            }
        };
    }
    let names: Vec<String> = (data.temporal().into_iter())
        .map(|dim| data.dims[dim].name.clone())
        .filter(|name| temporal(target, name) == Some(true))
        .collect();
    if names.is_empty() {
        let message = "the data cubes have no temporal dimension of the same name";
        return Err(Problem::new("DimensionMismatch", message));
    }
    Ok(names)
}

fn resample(
    call: &mut Call<'_, '_>,
    node: NodeId,
    dim: usize,
    labels: &Labels,
    within: Option<f64>,
) -> Result<NodeId, Problem> {
    let schema = call.schema(node);
    let Some(present) = schema.dims[dim].labels() else { return Err(Problem::Blocked) };
    let (present, wanted) = (instants(present)?, instants(labels)?);
    let mut renamed = schema.dims[dim].clone();
    renamed.axis = eolith_cube::Axis::Known(labels.clone());
    if let Some(within) = within {
        let candidates = wanted.iter().map(|at| candidates(&present, *at, within)).collect();
        let expr = nearest_valid(&schema, candidates);
        return Ok(call.add_node(Op::along(&schema, dim, renamed, Arc::new(expr))?, vec![node]));
    }
    if present.is_empty() {
        // Nothing is near: the first value of nothing.
        let mut builder = Builder::default();
        let data = builder.axis(0, Type::of_dtype(schema.dtype()), None);
        let root = call_with_defaults(&mut builder, "first", vec![data])?;
        let groups = (vec![Arc::from([]); wanted.len()], labels.clone());
        let made = Op::group(&schema, dim, Some(groups), Arc::new(builder.finish(root)))?;
        return Ok(call.add_node(made, vec![node]));
    }
    let mut selection = vec![None; schema.dims.len()];
    selection[dim] = Some(wanted.iter().filter_map(|at| nearest(&present, *at)).collect());
    let (op, selected) = Op::select(&schema, selection);
    let chosen = call.add_node((op, selected.clone()), vec![node]);
    let mut dims: Vec<_> = selected.dims.iter().cloned().zip((0..).map(Some)).collect();
    dims[dim].0 = renamed;
    Ok(call.add_node(Op::relabel(&selected, dims)?, vec![chosen]))
}

fn distance(a: Instant, b: Instant) -> u64 {
    a.0.abs_diff(b.0)
}

/// The nearest label, the earlier one of two.
fn nearest(present: &[Instant], at: Instant) -> Option<usize> {
    (0..present.len()).min_by_key(|&i| (distance(present[i], at), present[i], i))
}

/// The labels less than `within` microseconds away, the nearest first.
fn candidates(present: &[Instant], at: Instant, within: f64) -> Vec<usize> {
    let near = |i: &usize| {
        let distance = distance(present[*i], at);
        distance == 0 || (distance as f64) < within
    };
    let mut candidates: Vec<usize> = (0..present.len()).filter(near).collect();
    candidates.sort_by_key(|&i| (distance(present[i], at), present[i], i));
    candidates
}

/// For each list of indices the first valid value.
fn nearest_valid(schema: &Schema, candidates: Vec<Vec<usize>>) -> Expr {
    let list = |indices: Vec<usize>| {
        Value::array(indices.into_iter().map(|i| Value::Int(i as i64)).collect())
    };
    let mut builder = Builder::default();
    let data = builder.axis(0, Type::of_dtype(schema.dtype()), None);
    let lists = builder.constant(Value::array(candidates.into_iter().map(list).collect()));
    let root = builder.call(&NEAREST_VALID, vec![data, lists]);
    builder.finish(root)
}

static NEAREST_VALID: Function = Function {
    id: "nearest_valid",
    parameters: &["data", "candidates"],
    scalar: |args| {
        let data = crate::arguments::array(args, 0, "data")?;
        let first = |list: &Vec<usize>| {
            let values = list.iter().filter_map(|i| data.values.get(*i));
            let valid = |value: &&Value| match value {
                Value::Null => false,
                Value::Float(value) => value.is_finite(),
                _ => true,
            };
            values.clone().find(valid).cloned().unwrap_or(Value::Null)
        };
        Ok(Value::array(lists(&args[1])?.iter().map(first).collect()))
    },
    result: |types| Type::array(types[0].element().clone(), types[1].length()),
    kernel: Some(kernel),
    fold: None,
    simplify: None,
    blanks: None,
};

fn lists(value: &Value) -> Result<Vec<Vec<usize>>, Fault> {
    let wrong = || Fault::new("Internal", "lists of indices are expected");
    let index = |value: &Value| match value {
        Value::Int(i) => usize::try_from(*i).map_err(|_| wrong()),
        _ => Err(wrong()),
    };
    let list = |value: &Value| {
        value.as_array().ok_or_else(wrong)?.values.iter().map(index).collect::<Result<Vec<_>, _>>()
    };
    value.as_array().ok_or_else(wrong)?.values.iter().map(list).collect()
}

fn kernel(call: &KernelCall<'_>) -> Result<Register, Fault> {
    let rows = call.rows(0)?;
    let lists = lists(call.constant(1)?)?;
    if lists.iter().flatten().any(|i| *i >= rows.n) {
        return Err(refusal());
    }
    let mut valid = columns::take(lists.len() * call.lanes);
    let values = for_values!(rows.values, v => {
        Element::wrap(first_valid(v, rows.validity, &lists, call.lanes, &mut valid))
    });
    Ok(Register::Array { n: lists.len(), lanes: Lanes::plain(values, Some(valid)), labels: None })
}

/// For each list the first valid value of every lane, which is noted in `valid`.
fn first_valid<T: Primitive>(
    values: &[T],
    validity: Option<&[bool]>,
    lists: &[Vec<usize>],
    lanes: usize,
    valid: &mut [bool],
) -> Vec<T> {
    let mut out = columns::take(lists.len() * lanes);
    for ((list, out), valid) in
        lists.iter().zip(out.chunks_exact_mut(lanes)).zip(valid.chunks_exact_mut(lanes))
    {
        valid.fill(false);
        let mut missing = lanes;
        for row in list {
            if missing == 0 {
                break;
            }
            for lane in 0..lanes {
                let at = row * lanes + lane;
                if !valid[lane] && validity.is_none_or(|mask| mask[at]) && values[at].is_finite() {
                    (out[lane], valid[lane]) = (values[at], true);
                    missing -= 1;
                }
            }
        }
    }
    out
}
