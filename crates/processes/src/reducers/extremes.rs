//! Least and greatest numbers.

use eolith_graph::{Definition, schema};
use eolith_plan::lanes::folds;
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use serde_json::json;

use super::{Elements, data, definition, ignore_nodata};
use crate::arguments::{Num, of_numbers};

process! {
    MIN = "min"(data, ignore_nodata),
    definition: || definition(
        "min",
        "Least number",
        "The least number of an array; NaN if one of them is NaN.",
        &["math", "math > statistics", "reducer"],
        "The minimum; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        Ok(if elements.has_result { extreme(&elements, less) } else { Value::Null })
    },
    result: |types| of_numbers(types, |element, _| element.clone()),
    kernel: None,
    fold: folds::min,
    simplify: None,
}

process! {
    MAX = "max"(data, ignore_nodata),
    definition: || definition(
        "max",
        "Greatest number",
        "The greatest number of an array; NaN if one of them is NaN.",
        &["math", "math > statistics", "reducer"],
        "The maximum; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        Ok(if elements.has_result { extreme(&elements, greater) } else { Value::Null })
    },
    result: |types| of_numbers(types, |element, _| element.clone()),
    kernel: None,
    fold: folds::max,
    simplify: None,
}

process! {
    EXTREMA = "extrema"(data, ignore_nodata),
    definition: || Definition::new(
        "extrema",
        "Least and greatest number",
        "The minimum and the maximum of an array, in this order.",
    )
    .category("math > statistics")
    .param(data())
    .param(ignore_nodata())
    .returns(
        "Minimum and maximum; both no-data for an array without values.",
        schema::any_of([pair("number"), pair("null")]),
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        Ok(Value::array(if elements.has_result {
            vec![extreme(&elements, less), extreme(&elements, greater)]
        } else {
            vec![Value::Null; 2]
        }))
    },
    result: |types| of_numbers(types, |element, _| Type::array(element.clone(), Some(2))),
    kernel: None,
    fold: folds::extrema,
    simplify: None,
}

fn pair(ty: &str) -> serde_json::Value {
    json!({ "type": "array", "minItems": 2, "maxItems": 2, "items": { "type": ty } })
}

/// The first number that no other is better than; NaN is better than all.
fn extreme(elements: &Elements, better: fn(Num, Num) -> bool) -> Value {
    let best = elements.valid().reduce(
        |best, x| {
            if better(x, best) || x.f64().is_nan() { x } else { best }
        },
    );
    best.map_or(Value::Null, Value::from)
}

fn less(a: Num, b: Num) -> bool {
    if let (Num::Int(a), Num::Int(b)) = (a, b) { a < b } else { a.f64() < b.f64() }
}

fn greater(a: Num, b: Num) -> bool {
    less(b, a)
}
