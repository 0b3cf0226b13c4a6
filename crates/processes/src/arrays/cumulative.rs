//! Running sums, products, minima and maxima. No-data stays in its place and is passed over, or ends the run.

use std::sync::Arc;

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::running;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Array, Fault, Value};
use serde_json::json;

use crate::arguments::{Num, array, exact, flag, of_numbers, wrong};

process! {
    CUMSUM = "cumsum"(data, ignore_nodata),
    definition: || definition(
        "cumsum",
        "Running sum",
        "Each element is the sum of all elements up to it.",
    ),
    scalar: |args| run(args, |a, b| match (a, b) {
        (Num::Int(a), Num::Int(b)) => exact(i128::from(a) + i128::from(b)),
        _ => Value::Float(a.f64() + b.f64()),
    }),
    result: |types| of_numbers(types, |element, len| {
        // Every sum on the way lies between that of the negative and that of the positive elements.
        bounded(element, len, |i, n| {
            let n = i128::try_from(n).ok()?;
            Some((i128::from(i.lo.min(0)) * n, i128::from(i.hi.max(0)) * n))
        })
    }),
    kernel: Some(running::sum),
    simplify: None,
}

process! {
    CUMPRODUCT = "cumproduct"(data, ignore_nodata),
    definition: || definition(
        "cumproduct",
        "Running product",
        "Each element is the product of all elements up to it.",
    ),
    scalar: |args| run(args, |a, b| match (a, b) {
        (Num::Int(a), Num::Int(b)) => exact(i128::from(a) * i128::from(b)),
        _ => Value::Float(a.f64() * b.f64()),
    }),
    result: |types| of_numbers(types, |element, len| {
        bounded(element, len, |i, n| {
            let magnitude = i128::from(i.lo).abs().max(i128::from(i.hi).abs()).max(1);
            let hi = magnitude.checked_pow(u32::try_from(n).ok()?)?;
            Some((if i.lo < 0 { -hi } else { 0 }, hi))
        })
    }),
    kernel: Some(running::product),
    simplify: None,
}

process! {
    CUMMIN = "cummin"(data, ignore_nodata),
    definition: || definition(
        "cummin",
        "Running minimum",
        "Each element is the least of all elements up to it.",
    ),
    scalar: |args| run(args, |a, b| if less(b, a) || b.f64().is_nan() { b } else { a }.into()),
    result: |types| of_numbers(types, |_, _| types[0].clone()),
    kernel: Some(running::min),
    simplify: None,
}

process! {
    CUMMAX = "cummax"(data, ignore_nodata),
    definition: || definition(
        "cummax",
        "Running maximum",
        "Each element is the greatest of all elements up to it.",
    ),
    scalar: |args| run(args, |a, b| if less(a, b) || b.f64().is_nan() { b } else { a }.into()),
    result: |types| of_numbers(types, |_, _| types[0].clone()),
    kernel: Some(running::max),
    simplify: None,
}

/// Integers where 64 bits hold all that may come, else floats.
fn bounded(
    element: &Type,
    len: Option<usize>,
    bounds: impl Fn(Interval, usize) -> Option<(i128, i128)>,
) -> Type {
    let whole = match (element, len) {
        (Type::Int(i), Some(n)) => bounds(*i, n).and_then(|(lo, hi)| {
            let (lo, hi) = (lo.try_into().ok()?, hi.try_into().ok()?);
            Some(Type::Int(Interval { lo, hi, narrow: false }))
        }),
        _ => None,
    };
    Type::array(whole.unwrap_or(Type::F64), len)
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .experimental()
        .category("math > cumulative")
        .param(param("data", "The numbers.", schema::array_number_or_null()))
        .param(
            param(
                "ignore_nodata",
                "Whether no-data is passed over; if not, everything after it is no-data.",
                schema::boolean(),
            )
            .default(json!(true)),
        )
        .returns("As many numbers as there are elements.", schema::array_number_or_null())
}

fn run(args: &[Value], step: fn(Num, Num) -> Value) -> Result<Value, Fault> {
    let data = array(args, 0, "data")?;
    let ignore = flag(args, 1, "ignore_nodata")?;
    let mut state: Option<Num> = None;
    let mut ended = false;
    let mut values = Vec::with_capacity(data.values.len());
    for value in &data.values {
        if value.is_null() {
            ended |= !ignore;
            values.push(Value::Null);
            continue;
        }
        let x = Num::of(value).ok_or_else(|| wrong("data", "an array of numbers", value))?;
        if ended {
            values.push(Value::Null);
            continue;
        }
        let next = state.map_or(Value::from(x), |state| step(state, x));
        state = Num::of(&next);
        values.push(next);
    }
    Ok(Value::Array(Arc::new(Array { values, labels: data.labels.clone() })))
}

fn less(a: Num, b: Num) -> bool {
    if let (Num::Int(a), Num::Int(b)) = (a, b) { a < b } else { a.f64() < b.f64() }
}
