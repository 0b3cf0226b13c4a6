//! What a value is: no-data, NaN, infinite, valid. These are never no-data themselves.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::kernels;
use eolith_plan::types::Type;
use eolith_plan::value::Value;

process! {
    IS_NODATA = "is_nodata"(x),
    definition: || definition(
        "is_nodata",
        "Is no-data",
        "Whether the value is no-data. NaN is no-data only where the data cube declares it to be.",
    ),
    scalar: |args| Ok(Value::Bool(args[0].is_null())),
    result: |_| Type::Bool,
    kernel: Some(kernels::is_nodata),
    simplify: None,
}

process! {
    IS_VALID = "is_valid"(x),
    definition: || definition(
        "is_valid",
        "Is valid",
        "Whether the value is neither no-data nor NaN nor infinite. Texts, arrays and objects are always valid.",
    ),
    scalar: |args| Ok(Value::Bool(is_valid(&args[0]))),
    result: |_| Type::Bool,
    kernel: Some(|call| kernels::property(call, f64::is_finite, true)),
    simplify: None,
}

process! {
    IS_NAN = "is_nan"(x),
    definition: || definition(
        "is_nan",
        "Is not a number",
        "Whether the value is the number NaN. Values that are not numbers give false.",
    )
    .category("math > constants"),
    scalar: |args| Ok(Value::Bool(matches!(args[0], Value::Float(x) if x.is_nan()))),
    result: |_| Type::Bool,
    kernel: Some(|call| kernels::property(call, f64::is_nan, false)),
    simplify: None,
}

process! {
    IS_INFINITE = "is_infinite"(x),
    definition: || definition(
        "is_infinite",
        "Is infinite",
        "Whether the value is positive or negative infinity.",
    )
    .experimental(),
    scalar: |args| Ok(Value::Bool(matches!(args[0], Value::Float(x) if x.is_infinite()))),
    result: |_| Type::Bool,
    kernel: Some(|call| kernels::property(call, f64::is_infinite, false)),
    simplify: None,
}

/// A finite number, or any other value that is not no-data.
pub(crate) fn is_valid(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Float(x) => x.is_finite(),
        _ => true,
    }
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("comparison")
        .param(param("x", "The value to test.", schema::any()))
        .returns("The answer.", schema::boolean())
}
