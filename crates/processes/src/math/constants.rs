//! Constants and the process that passes a value on.

use eolith_graph::{Definition, param, schema};
use eolith_plan::types::Type;
use eolith_plan::value::Value;

process! {
    CONSTANT = "constant"(x),
    definition: || Definition::new(
        "constant",
        "Give a value a name",
        "Passes any value on unchanged, so that other processes can refer to it.",
    )
    .category("math > constants")
    .param(param("x", "Any value.", schema::any()))
    .returns("The same value.", schema::any()),
    scalar: |args| Ok(args[0].clone()),
    result: |types| types[0].clone(),
    kernel: None,
    simplify: Some(|_, args| Some(args[0])),
}

process! {
    E = "e"(),
    definition: || Definition::new("e", "Euler's number", "The base of the natural logarithm.")
        .category("math > constants")
        .category("math > exponential & logarithmic")
        .returns("The number e.", schema::number()),
    scalar: |_| Ok(Value::Float(std::f64::consts::E)),
    result: |_| Type::F64,
    kernel: None,
    simplify: None,
}

process! {
    PI = "pi"(),
    definition: || Definition::new(
        "pi",
        "The number π",
        "The ratio of the circumference of a circle to its diameter.",
    )
    .category("math > constants")
    .category("math > trigonometric")
    .returns("The number π.", schema::number()),
    scalar: |_| Ok(Value::Float(std::f64::consts::PI)),
    result: |_| Type::F64,
    kernel: None,
    simplify: None,
}

process! {
    NAN = "nan"(),
    definition: || Definition::new(
        "nan",
        "Not a number",
        "The value NaN of IEEE 754, which is a number and not no-data.",
    )
    .category("math > constants")
    .experimental()
    .returns("NaN.", schema::any()),
    scalar: |_| Ok(Value::Float(f64::NAN)),
    result: |_| Type::F64,
    kernel: None,
    simplify: None,
}
