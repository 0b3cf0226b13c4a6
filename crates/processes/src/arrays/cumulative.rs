//! Running sums, products, minima and maxima. No-data stays in its place and is passed over, or ends the run.

use std::sync::Arc;

use eolith_graph::{Definition, param, schema};
use eolith_plan::types::Type;
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
    result: |types| of_numbers(types, growing),
    kernel: None,
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
    result: |types| of_numbers(types, growing),
    kernel: None,
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
    kernel: None,
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
    kernel: None,
    simplify: None,
}

/// Integers may outgrow 64 bits anywhere on the way, so that floats stand next to integers.
fn growing(element: &Type, len: Option<usize>) -> Type {
    Type::array(if let Type::Int(_) = element { Type::Any } else { Type::F64 }, len)
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
