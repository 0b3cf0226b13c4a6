//! First and last element, of any kind.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::folds;
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};

use super::ignore_nodata;
use crate::arguments::{array, flag};

process! {
    FIRST = "first"(data, ignore_nodata),
    definition: || definition(
        "first",
        "First element",
        "The first element of an array, of those that are not no-data unless `ignore_nodata` is false.",
    ),
    scalar: |args| end(args, |values| values.first(), |values| {
        values.iter().find(|value| !value.is_null())
    }),
    result: element,
    kernel: None,
    fold: folds::first,
    simplify: None,
}

process! {
    LAST = "last"(data, ignore_nodata),
    definition: || definition(
        "last",
        "Last element",
        "The last element of an array, of those that are not no-data unless `ignore_nodata` is false.",
    ),
    scalar: |args| end(args, |values| values.last(), |values| {
        values.iter().rfind(|value| !value.is_null())
    }),
    result: element,
    kernel: None,
    fold: folds::last,
    simplify: None,
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("arrays")
        .category("reducer")
        .param(param("data", "Elements of any kind.", schema::array_any()))
        .param(ignore_nodata())
        .returns("The element; no-data if there is none.", schema::any())
}

fn end(
    args: &[Value],
    any: fn(&[Value]) -> Option<&Value>,
    valid: fn(&[Value]) -> Option<&Value>,
) -> Result<Value, Fault> {
    let values = &array(args, 0, "data")?.values;
    let found = if flag(args, 1, "ignore_nodata")? { valid(values) } else { any(values) };
    Ok(found.cloned().unwrap_or(Value::Null))
}

/// The type of the elements of the first argument.
fn element(types: &[&Type]) -> Type {
    if let Type::Array(element, _) = types[0] { (**element).clone() } else { Type::Any }
}
