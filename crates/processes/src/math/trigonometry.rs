//! Trigonometric and hyperbolic functions, in radians and double precision. No-data stays no-data, arguments outside
//! of the domain give NaN.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::kernels;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::{double, float};

process! {
    ARCCOS = "arccos"(x),
    definition: || definition(
        ["arccos", "Inverse cosine", "The angle in radians whose cosine is `x`; NaN outside of [-1, 1]."],
        schema::number_or_null_between(-1, 1),
        "An angle in radians.",
        schema::number_or_null_from(0),
    ),
    scalar: |args| unary(args, libm::acos),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::acos)),
    simplify: None,
}

process! {
    ARCOSH = "arcosh"(x),
    definition: || definition(
        ["arcosh", "Inverse hyperbolic cosine", "The number whose hyperbolic cosine is `x`; NaN below 1."],
        schema::number_or_null(),
        "The inverse hyperbolic cosine.",
        schema::number_or_null_from(0),
    ),
    scalar: |args| unary(args, libm::acosh),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::acosh)),
    simplify: None,
}

process! {
    ARCSIN = "arcsin"(x),
    definition: || definition(
        ["arcsin", "Inverse sine", "The angle in radians whose sine is `x`; NaN outside of [-1, 1]."],
        schema::number_or_null_between(-1, 1),
        "An angle in radians.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, libm::asin),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::asin)),
    simplify: None,
}

process! {
    ARCTAN = "arctan"(x),
    definition: || definition(
        ["arctan", "Inverse tangent", "The angle in radians whose tangent is `x`."],
        schema::number_or_null(),
        "An angle in radians.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, libm::atan),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::atan)),
    simplify: None,
}

process! {
    ARSINH = "arsinh"(x),
    definition: || definition(
        ["arsinh", "Inverse hyperbolic sine", "The number whose hyperbolic sine is `x`."],
        schema::number_or_null(),
        "The inverse hyperbolic sine.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, libm::asinh),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::asinh)),
    simplify: None,
}

process! {
    ARTANH = "artanh"(x),
    definition: || definition(
        ["artanh", "Inverse hyperbolic tangent", "The number whose hyperbolic tangent is `x`; infinite for 1 and -1, NaN outside of [-1, 1]."],
        open_interval(),
        "The inverse hyperbolic tangent.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, inverse_tanh),
    result: double,
    kernel: Some(|call| kernels::unary(call, inverse_tanh)),
    simplify: None,
}

process! {
    COS = "cos"(x),
    definition: || definition(
        ["cos", "Cosine", "The cosine of an angle in radians."],
        schema::number_or_null(),
        "The cosine.",
        schema::number_or_null_between(-1, 1),
    ),
    scalar: |args| unary(args, libm::cos),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::cos)),
    simplify: None,
}

process! {
    COSH = "cosh"(x),
    definition: || definition(
        ["cosh", "Hyperbolic cosine", "The hyperbolic cosine of a number."],
        schema::number_or_null(),
        "The hyperbolic cosine.",
        schema::number_or_null_from(1),
    ),
    scalar: |args| unary(args, libm::cosh),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::cosh)),
    simplify: None,
}

process! {
    SIN = "sin"(x),
    definition: || definition(
        ["sin", "Sine", "The sine of an angle in radians."],
        schema::number_or_null(),
        "The sine.",
        schema::number_or_null_between(-1, 1),
    ),
    scalar: |args| unary(args, libm::sin),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::sin)),
    simplify: None,
}

process! {
    SINH = "sinh"(x),
    definition: || definition(
        ["sinh", "Hyperbolic sine", "The hyperbolic sine of a number."],
        schema::number_or_null(),
        "The hyperbolic sine.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, libm::sinh),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::sinh)),
    simplify: None,
}

process! {
    TAN = "tan"(x),
    definition: || definition(
        ["tan", "Tangent", "The tangent of an angle in radians."],
        schema::number_or_null(),
        "The tangent.",
        schema::number_or_null(),
    ),
    scalar: |args| unary(args, libm::tan),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::tan)),
    simplify: None,
}

process! {
    TANH = "tanh"(x),
    definition: || definition(
        ["tanh", "Hyperbolic tangent", "The hyperbolic tangent of a number."],
        schema::number_or_null(),
        "The hyperbolic tangent.",
        open_interval(),
    ),
    scalar: |args| unary(args, libm::tanh),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::tanh)),
    simplify: None,
}

process! {
    ARCTAN2 = "arctan2"(y, x),
    definition: || Definition::new(
        "arctan2",
        "Inverse tangent of two numbers",
        "The angle in radians between the x-axis and the point (`x`, `y`), from -π to π.",
    )
    .category("math > trigonometric")
    .param(param("y", "The opposite leg.", schema::number_or_null()))
    .param(param("x", "The adjacent leg.", schema::number_or_null()))
    .returns("An angle in radians.", schema::number_or_null()),
    scalar: |args| {
        let (Some(y), Some(x)) = (float(args, 0, "y")?, float(args, 1, "x")?) else {
            return Ok(Value::Null);
        };
        Ok(Value::Float(libm::atan2(y, x)))
    },
    result: double,
    kernel: Some(|call| kernels::binary(call, libm::atan2)),
    simplify: None,
}

fn definition(
    [id, summary, description]: [&'static str; 3],
    x: serde_json::Value,
    returns: &'static str,
    result: serde_json::Value,
) -> Definition {
    Definition::new(id, summary, description)
        .category("math > trigonometric")
        .param(param("x", "A number.", x))
        .returns(returns, result)
}

fn open_interval() -> serde_json::Value {
    json!({ "type": ["number", "null"], "minimumExclusive": -1, "maximumExclusive": 1 })
}

fn unary(args: &[Value], f: fn(f64) -> f64) -> Result<Value, Fault> {
    Ok(float(args, 0, "x")?.map_or(Value::Null, |x| Value::Float(f(x))))
}

/// Infinite at the ends of the domain, NaN outside.
fn inverse_tanh(x: f64) -> f64 {
    if x.abs() == 1.0 {
        f64::INFINITY * x
    } else if x.abs() > 1.0 {
        f64::NAN
    } else {
        libm::atanh(x)
    }
}
