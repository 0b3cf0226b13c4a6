//! `all` and `any`.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::folds;
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};

use super::ignore_nodata;
use crate::arguments::{array, flag, wrong};

process! {
    ALL_TRUE = "all"(data, ignore_nodata),
    definition: || definition(
        "all",
        "Are all values true",
        "True if no value is false, also for an empty array. If no-data is not ignored, it leaves the answer open \
         unless a value is false.",
    ),
    scalar: |args| fold(args, false),
    result: result,
    kernel: None,
    fold: folds::all,
    simplify: None,
}

process! {
    ANY_TRUE = "any"(data, ignore_nodata),
    definition: || definition(
        "any",
        "Is any value true",
        "True if a value is true, false for an empty array. If no-data is not ignored, it leaves the answer open \
         unless a value is true.",
    ),
    scalar: |args| fold(args, true),
    result: result,
    kernel: None,
    fold: folds::any,
    simplify: None,
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("logic")
        .category("reducer")
        .param(param("data", "The booleans.", schema::array_boolean_or_null()))
        .param(ignore_nodata())
        .returns("The answer; no-data if it is open.", schema::boolean_or_null())
}

/// The wanted value decides; then no-data, if it counts.
fn fold(args: &[Value], wanted: bool) -> Result<Value, Fault> {
    let ignore = flag(args, 1, "ignore_nodata")?;
    let values = &array(args, 0, "data")?.values;
    if let Some(other) = values.iter().find(|v| !matches!(v, Value::Null | Value::Bool(_))) {
        return Err(wrong("data", "an array of booleans", other));
    }
    Ok(if values.contains(&Value::Bool(wanted)) {
        Value::Bool(wanted)
    } else if !ignore && values.contains(&Value::Null) {
        Value::Null
    } else {
        Value::Bool(!wanted)
    })
}

fn result(types: &[&Type]) -> Type {
    match types[0].element() {
        Type::Bool | Type::Null if types[0] != types[0].element() => Type::Bool,
        _ => Type::Any,
    }
}
