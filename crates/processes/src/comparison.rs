//! Comparisons and tests of values. Types are compared strictly: a number is never equal to a boolean or a text.

pub(crate) mod among;
mod order;
pub(crate) mod test;

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::{KernelCall, Register, kernels, operand};
use eolith_plan::process::Process;
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::{Num, flag, float};

pub(crate) static ALL: &[&Process] = &[
    &EQ,
    &NEQ,
    &order::BETWEEN,
    &order::GT,
    &order::GTE,
    &order::LT,
    &order::LTE,
    &test::IS_INFINITE,
    &test::IS_NAN,
    &test::IS_NODATA,
    &test::IS_VALID,
];

process! {
    EQ = "eq"(x, y, delta, case_sensitive),
    definition: || definition(
        "eq",
        "Equal to",
        "Whether two values are the same, by value and by type. Numbers within `delta` count as the same. \
         NaN is equal to nothing; a no-data operand gives no-data.",
    ),
    scalar: |args| Ok(equal(args)?.map_or(Value::Null, Value::Bool)),
    result: |_| Type::Bool,
    kernel: Some(|call| kernel::<Equal>(call, false, |x, y, delta| {
        x == y || (x - y).abs() <= delta
    })),
    simplify: None,
}

process! {
    NEQ = "neq"(x, y, delta, case_sensitive),
    definition: || definition(
        "neq",
        "Not equal to",
        "Whether two values differ, by value or by type. Numbers within `delta` do not differ. NaN differs \
         from everything; a no-data operand gives no-data.",
    ),
    scalar: |args| Ok(equal(args)?.map_or(Value::Null, |equal| Value::Bool(!equal))),
    result: |_| Type::Bool,
    kernel: Some(|call| kernel::<Unequal>(call, true, |x, y, delta| {
        !(x == y || (x - y).abs() <= delta)
    })),
    simplify: None,
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("texts")
        .category("comparison")
        .param(param("x", "First value.", schema::scalar_or_null()))
        .param(param("y", "Second value.", schema::scalar_or_null()))
        .param(
            param(
                "delta",
                "The greatest difference of two numbers that are still the same; any difference counts if it is \
                 not given.",
                schema::positive_number_or_null(),
            )
            .default(json!(null)),
        )
        .param(
            param("case_sensitive", "Whether the case of letters counts.", schema::boolean())
                .default(json!(true)),
        )
        .returns("The answer; no-data if a value is no-data.", schema::boolean_or_null())
}

fn equal(args: &[Value]) -> Result<Option<bool>, Fault> {
    let delta = float(args, 2, "delta")?;
    let case_sensitive = flag(args, 3, "case_sensitive")?;
    Ok(match (&args[0], &args[1]) {
        (Value::Null, _) | (_, Value::Null) => None,
        (Value::Bool(x), Value::Bool(y)) => Some(x == y),
        (Value::Text(x), Value::Text(y)) => Some(x == y || (!case_sensitive && fold(x) == fold(y))),
        (x, y) => match (Num::of(x), Num::of(y), delta) {
            (Some(Num::Int(x)), Some(Num::Int(y)), None) => Some(x == y),
            (Some(x), Some(y), None) => Some(x.f64() == y.f64()),
            (Some(x), Some(y), Some(delta)) => {
                let (x, y) = (x.f64(), y.f64());
                Some(x == y || (x - y).abs() <= delta)
            }
            _ => Some(false),
        },
    })
}

/// Folds case as Unicode does for caseless matching, by way of the upper case, so that `ß` meets `SS`.
pub(crate) fn fold(text: &str) -> String {
    text.to_uppercase().to_lowercase()
}

struct Equal;

struct Unequal;

impl kernels::Comparison for Equal {
    #[inline]
    fn test<T: PartialOrd>(a: T, b: T) -> bool {
        a == b
    }
}

impl kernels::Comparison for Unequal {
    #[inline]
    fn test<T: PartialOrd>(a: T, b: T) -> bool {
        a != b
    }
}

fn kernel<C: kernels::Comparison>(
    call: &KernelCall<'_>,
    other: bool,
    near: fn(f64, f64, f64) -> bool,
) -> Result<Register, Fault> {
    match call.constant(2)? {
        Value::Null => kernels::compare::<C>(call, other, true),
        value if call.types[..2].iter().all(|ty| ty.is_number()) => {
            let delta = value.as_f64().ok_or_else(operand::refusal)?;
            kernels::zip_as(call, |x: f64, y: f64| near(x, y, delta))
        }
        _ => Err(operand::refusal()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_is_folded_as_in_unicode() {
        assert_eq!(fold("STRASSE"), fold("straße"));
        assert_eq!(fold("Ä"), fold("ä"));
    }
}
