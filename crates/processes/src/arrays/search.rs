//! Finding elements and labels. Values are compared by type first; no-data, arrays and objects are never found.

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::folds;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::Value;
use serde_json::json;

use super::names;
use crate::arguments::{Num, array, flag};

process! {
    ARRAY_CONTAINS = "array_contains"(data, value),
    definition: || Definition::new(
        "array_contains",
        "Is a value in an array",
        "Whether an array has an element that equals a value. No-data, arrays and objects are never found.",
    )
    .category("arrays")
    .category("comparison")
    .category("reducer")
    .param(param("data", "Elements of any kind.", schema::array_any()))
    .param(param("value", "The value to look for.", schema::scalar_or_null()))
    .returns("Whether the value is there.", schema::boolean()),
    scalar: |args| {
        let values = &array(args, 0, "data")?.values;
        Ok(Value::Bool(values.iter().any(|value| equal(value, &args[1]))))
    },
    result: |_| Type::Bool,
    kernel: None,
    fold: folds::contains,
    simplify: None,
}

process! {
    ARRAY_FIND = "array_find"(data, value, reverse),
    definition: || Definition::new(
        "array_find",
        "Index of a value",
        "The index of the first or last element that equals a value. No-data, arrays and objects are never found.",
    )
    .category("arrays")
    .category("reducer")
    .param(param("data", "Elements of any kind.", schema::array_any()))
    .param(param("value", "The value to look for.", schema::any()))
    .param(
        param("reverse", "Whether the last element is looked for.", schema::boolean())
            .default(json!(false)),
    )
    .returns(
        "The index, counted from zero; no-data if the value is not there.",
        schema::any_of([schema::null(), schema::integer_from(0)]),
    ),
    scalar: |args| {
        let values = &array(args, 0, "data")?.values;
        let matches = |value: &Value| equal(value, &args[1]);
        Ok(index(if flag(args, 2, "reverse")? {
            values.iter().rposition(matches)
        } else {
            values.iter().position(matches)
        }))
    },
    result: index_type,
    kernel: None,
    fold: folds::find,
    simplify: None,
}

process! {
    ARRAY_FIND_LABEL = "array_find_label"(data, label),
    definition: || Definition::new(
        "array_find_label",
        "Index of a label",
        "The index of the element with a label. The number 1 is another label than the text \"1\".",
    )
    .experimental()
    .category("arrays")
    .category("reducer")
    .param(param("data", "An array with labels.", schema::array_any()))
    .param(param("label", "The label to look for.", schema::label()))
    .returns(
        "The index, counted from zero; no-data if there is no such label.",
        schema::any_of([schema::null(), schema::integer_from(0)]),
    ),
    scalar: |args| {
        let labels = array(args, 0, "data")?.labels.as_deref().unwrap_or_default();
        Ok(index(labels.iter().position(|own| names(&args[1], own))))
    },
    result: index_type,
    kernel: None,
    simplify: None,
}

process! {
    ARRAY_LABELS = "array_labels"(data),
    definition: || Definition::new(
        "array_labels",
        "Labels of an array",
        "The labels of an array as an array; the indices for an array without labels.",
    )
    .category("arrays")
    .param(param("data", "An array.", json!({ "type": "array" })))
    .returns("The labels.", schema::array(json!({ "type": ["number", "string"] }))),
    scalar: |args| {
        let data = array(args, 0, "data")?;
        Ok(Value::array(match &data.labels {
            Some(labels) => labels.iter().map(|label: &Label| label.clone().into()).collect(),
            None => (0..data.values.len() as i64).map(Value::Int).collect(),
        }))
    },
    result: |types| Type::array(Type::Any, types[0].length()),
    kernel: None,
    simplify: None,
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Text(a), Value::Text(b)) => a == b,
        (Value::Int(a), Value::Int(b)) => a == b,
        (a, b) => match (Num::of(a), Num::of(b)) {
            (Some(a), Some(b)) => a.f64() == b.f64(),
            _ => false,
        },
    }
}

fn index(position: Option<usize>) -> Value {
    position.map_or(Value::Null, |i| Value::Int(i as i64))
}

fn index_type(types: &[&Type]) -> Type {
    let hi = types[0].length().map_or(1 << 31, |n| n as i64);
    Type::Int(Interval { lo: 0, hi, narrow: false })
}
