//! Order of numbers. Anything that is not a number, texts and dates included, gives `false`.

#![expect(
    clippy::needless_bitwise_bool,
    reason = "branches would keep the loops over lanes from being vectorised"
)]

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::{kernels, operand};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use serde_json::json;

use crate::arguments::{Num, flag};

macro_rules! order_process {
    ($name:ident, $id:literal, $operator:tt, $summary:literal, $words:literal, $kernel:ident) => {
        struct $kernel;

        impl kernels::Comparison for $kernel {
            #[inline]
            fn test<T: PartialOrd>(a: T, b: T) -> bool {
                a $operator b
            }
        }

        process! {
            $name = $id(x, y),
            definition: || definition(
                $id,
                $summary,
                concat!(
                    "Whether the number `x` is ",
                    $words,
                    " the number `y`. NaN and everything that is no number give false, a no-data operand gives \
                     no-data."
                ),
            ),
            scalar: |args| Ok(match (&args[0], &args[1]) {
                (Value::Null, _) | (_, Value::Null) => Value::Null,
                (x, y) => Value::Bool(match (Num::of(x), Num::of(y)) {
                    (Some(Num::Int(x)), Some(Num::Int(y))) => x $operator y,
                    (Some(x), Some(y)) => x.f64() $operator y.f64(),
                    _ => false,
                }),
            }),
            result: |_| Type::Bool,
            kernel: Some(|call| kernels::compare::<$kernel>(call, false, false)),
            simplify: None,
        }
    };
}

order_process!(GT, "gt", >, "Greater than", "greater than", Greater);
order_process!(GTE, "gte", >=, "Greater than or equal to", "greater than or equal to", GreaterOrEqual);
order_process!(LT, "lt", <, "Less than", "less than", Less);
order_process!(LTE, "lte", <=, "Less than or equal to", "less than or equal to", LessOrEqual);

process! {
    BETWEEN = "between"(x, min, max, exclude_max),
    definition: || Definition::new(
        "between",
        "Between two numbers",
        "Whether the number `x` is neither below `min` nor above `max`. Swapped bounds and everything that is no \
         number give false, no-data stays no-data.",
    )
    .category("comparison")
    .param(param("x", "The value to test.", schema::any()))
    .param(param("min", "The lower bound, which belongs to the range.", schema::number()))
    .param(param("max", "The upper bound.", schema::number()))
    .param(
        param("exclude_max", "Whether the upper bound is outside of the range.", schema::boolean())
            .default(json!(false)),
    )
    .returns("The answer; no-data if `x` is no-data.", schema::boolean_or_null()),
    scalar: |args| {
        let exclude = flag(args, 3, "exclude_max")?;
        if args[..3].iter().any(Value::is_null) {
            return Ok(Value::Null);
        }
        let numbers = (Num::of(&args[0]), Num::of(&args[1]), Num::of(&args[2]));
        let (Some(x), Some(min), Some(max)) = numbers else { return Ok(Value::Bool(false)) };
        Ok(Value::Bool(match (x, min, max) {
            (Num::Int(x), Num::Int(min), Num::Int(max)) => {
                min <= x && (x < max || (!exclude && x == max))
            }
            _ => inside(x.f64(), [min.f64(), max.f64()], exclude),
        }))
    },
    result: |_| Type::Bool,
    kernel: Some(|call| {
        let exclude = call.flag(3)?;
        let types = &call.types[..3];
        if !types.iter().all(|ty| ty.is_number()) {
            return Err(operand::refusal());
        }
        if types.iter().all(|ty| matches!(ty, Type::Int(_))) {
            return kernels::ternary(call, |x: i64, min, max| {
                (min <= x) & ((x < max) | (!exclude & (x == max)))
            });
        }
        kernels::ternary(call, |x: f64, min, max| inside(x, [min, max], exclude))
    }),
    simplify: None,
}

fn definition(id: &'static str, summary: &'static str, description: &'static str) -> Definition {
    Definition::new(id, summary, description)
        .category("comparison")
        .param(param("x", "First number.", schema::scalar_or_null()))
        .param(param("y", "Second number.", schema::scalar_or_null()))
        .returns("The answer; no-data if a value is no-data.", schema::boolean_or_null())
}

fn inside(x: f64, [min, max]: [f64; 2], exclude: bool) -> bool {
    min <= x && (x < max || (!exclude && x == max))
}
