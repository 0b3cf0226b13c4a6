//! Powers, roots, exponential function and logarithms. Outside of their domain the result is NaN.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::kernels;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::Value;
use serde_json::json;

use crate::arguments::{Num, double, float, number, single};

process! {
    EXP = "exp"(p),
    definition: || Definition::new(
        "exp",
        "Exponential function",
        "Raises e to the power of `p`. No-data stays no-data.",
    )
    .category("math > exponential & logarithmic")
    .param(param("p", "The exponent.", schema::number_or_null()))
    .returns("The power of e.", json!({ "type": ["number", "null"], "minimumExclusive": 0 })),
    scalar: |args| Ok(float(args, 0, "p")?.map_or(Value::Null, |p| Value::Float(libm::exp(p)))),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::exp)),
    simplify: None,
}

process! {
    LN = "ln"(x),
    definition: || Definition::new(
        "ln",
        "Natural logarithm",
        "The logarithm to the base e: negative infinity for zero, NaN for negative numbers.",
    )
    .category("math > exponential & logarithmic")
    .param(param("x", "A number.", schema::number_or_null_from(0)))
    .returns("The logarithm.", schema::number_or_null()),
    scalar: |args| Ok(float(args, 0, "x")?.map_or(Value::Null, |x| Value::Float(libm::log(x)))),
    result: double,
    kernel: Some(|call| kernels::unary(call, libm::log)),
    simplify: None,
}

process! {
    LOG = "log"(x, base),
    definition: || Definition::new(
        "log",
        "Logarithm to a base",
        "The logarithm of `x` to the given base: negative infinity for zero, NaN for negative numbers.",
    )
    .category("math > exponential & logarithmic")
    .param(param("x", "A number.", schema::number_or_null_from(0)))
    .param(param("base", "The base.", schema::number_or_null()))
    .returns("The logarithm.", schema::number_or_null()),
    scalar: |args| {
        let (Some(x), Some(base)) = (float(args, 0, "x")?, float(args, 1, "base")?) else {
            return Ok(Value::Null);
        };
        Ok(Value::Float(logarithm(x, base)))
    },
    result: double,
    kernel: Some(|call| kernels::binary(call, logarithm)),
    simplify: None,
}

process! {
    SQRT = "sqrt"(x),
    definition: || Definition::new(
        "sqrt",
        "Square root",
        "The square root; NaN for negative numbers. No-data stays no-data.",
    )
    .category("math")
    .category("math > exponential & logarithmic")
    .param(param("x", "A number.", schema::number_or_null()))
    .returns("The square root.", schema::number_or_null()),
    scalar: |args| Ok(float(args, 0, "x")?.map_or(Value::Null, |x| Value::Float(x.sqrt()))),
    result: Type::float_of,
    kernel: Some(|call| kernels::unary(call, f64::sqrt)),
    simplify: None,
}

process! {
    POWER = "power"(base, p),
    definition: || Definition::new(
        "power",
        "Power of a number",
        "Raises `base` to the power of `p`. Follows IEEE 754; a no-data operand gives no-data.",
    )
    .category("math")
    .category("math > exponential & logarithmic")
    .param(param("base", "The base.", schema::number_or_null()))
    .param(param("p", "The exponent.", schema::number_or_null()))
    .returns("The power.", schema::number_or_null()),
    scalar: |args| {
        let (Some(base), Some(p)) = (number(args, 0, "base")?, number(args, 1, "p")?) else {
            return Ok(Value::Null);
        };
        Ok(match (base, p) {
            (Num::Int(base), Num::Int(p)) => {
                power_int(base, p).map_or(Value::Float(power(base as f64, p as f64)), Value::Int)
            }
            _ => Value::Float(power(base.f64(), p.f64())),
        })
    },
    result: |types| match (types[0], types[1]) {
        (Type::Int(base), p @ Type::Int(_)) => {
            let bounds = single(p).and_then(|p| {
                Some((power_int(base.lo, p)?, power_int(base.hi, p)?, p % 2 == 0))
            });
            match bounds {
                Some((a, b, even)) => Type::Int(Interval {
                    lo: if even && base.lo < 0 && base.hi > 0 { 0 } else { a.min(b) },
                    hi: a.max(b),
                    narrow: false,
                }),
                None => Type::F64,
            }
        }
        _ => double(types),
    },
    kernel: Some(|call| match (call.out, call.types) {
        (Type::Int(_), _) => {
            kernels::zip_as(call, |base: i64, p: i64| power_int(base, p).unwrap_or(0))
        }
        (_, [Type::Int(_), Type::Int(_)]) => kernels::zip_as(call, |base: i64, p: i64| {
            power_int(base, p).map_or_else(|| power(base as f64, p as f64), |power| power as f64)
        }),
        _ => kernels::binary(call, power),
    }),
    simplify: None,
}

/// Exact for powers of 2 and 10 with the logarithms made for these bases.
fn logarithm(x: f64, base: f64) -> f64 {
    if base == 10.0 {
        libm::log10(x)
    } else if base == 2.0 {
        libm::log2(x)
    } else {
        libm::log(x) / libm::log(base)
    }
}

/// Squares, the most frequent power by far, are one multiplication.
fn power(base: f64, p: f64) -> f64 {
    if p == 2.0 { base * base } else { libm::pow(base, p) }
}

/// The exact power, if it is an integer of 64 bits.
fn power_int(base: i64, p: i64) -> Option<i64> {
    base.checked_pow(u32::try_from(p).ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_of_round_numbers_are_exact() {
        assert_eq!(logarithm(1000.0, 10.0), 3.0);
        assert_eq!(logarithm(1024.0, 2.0), 10.0);
    }

    #[test]
    fn the_type_of_a_power_bounds_its_values() {
        let eolith_plan::process::Lowering::Function(function) = POWER.lowering else {
            panic!("a function");
        };
        let base = Type::Int(Interval { lo: -3, hi: 2, narrow: true });
        let of = |p: i64| (function.result)(&[&base, &Type::int(p)]);
        let int = |lo, hi| Type::Int(Interval { lo, hi, narrow: false });
        assert_eq!(of(2), int(0, 9));
        assert_eq!(of(3), int(-27, 8));
        assert_eq!(of(0), int(0, 1));
        assert_eq!(of(-1), Type::F64);
        assert_eq!(of(100), Type::F64);
    }
}
