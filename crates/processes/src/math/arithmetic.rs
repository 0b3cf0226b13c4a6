//! Basic arithmetic. Integers stay integers; where 64 bits do not hold a result it is the nearest float.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::kernels;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};

use crate::arguments::{Num, exact, number};

process! {
    ADD = "add"(x, y),
    definition: || binary(
        "add",
        "Sum of two numbers",
        "Adds `y` to `x`. Follows IEEE 754; a no-data operand gives no-data.",
        ["First summand.", "Second summand."],
        "The sum.",
    ),
    scalar: |args| arithmetic(args, |x, y| x + y, |x, y| x + y),
    result: |types| Type::arithmetic(types[0], types[1], |x, y| {
        (wide(x.lo) + wide(y.lo), wide(x.hi) + wide(y.hi))
    }),
    kernel: Some(|call| kernels::arithmetic(
        call,
        i64::wrapping_add,
        |x, y| x + y,
        |x, y| x + y,
        |x, y| x + y,
    )),
    simplify: None,
}

process! {
    SUBTRACT = "subtract"(x, y),
    definition: || binary(
        "subtract",
        "Difference of two numbers",
        "Subtracts `y` from `x`. Follows IEEE 754; a no-data operand gives no-data.",
        ["Number to subtract from.", "Number that is subtracted."],
        "The difference.",
    ),
    scalar: |args| arithmetic(args, |x, y| x - y, |x, y| x - y),
    result: |types| Type::arithmetic(types[0], types[1], |x, y| {
        (wide(x.lo) - wide(y.hi), wide(x.hi) - wide(y.lo))
    }),
    kernel: Some(|call| kernels::arithmetic(
        call,
        i64::wrapping_sub,
        |x, y| x - y,
        |x, y| x - y,
        |x, y| x - y,
    )),
    simplify: None,
}

process! {
    MULTIPLY = "multiply"(x, y),
    definition: || binary(
        "multiply",
        "Product of two numbers",
        "Multiplies `x` by `y`. Follows IEEE 754; a no-data operand gives no-data.",
        ["First factor.", "Second factor."],
        "The product.",
    )
    .throws("MultiplicandMissing", "Two numbers are needed for a multiplication."),
    scalar: |args| arithmetic(args, |x, y| x * y, |x, y| x * y),
    result: |types| Type::arithmetic(types[0], types[1], |x, y| {
        let corners =
            [x.lo, x.hi].into_iter().flat_map(|a| [wide(a) * wide(y.lo), wide(a) * wide(y.hi)]);
        corners.fold((i128::MAX, i128::MIN), |(lo, hi), c| (lo.min(c), hi.max(c)))
    }),
    kernel: Some(|call| kernels::arithmetic(
        call,
        i64::wrapping_mul,
        |x, y| x * y,
        |x, y| x * y,
        |x, y| x * y,
    )),
    simplify: None,
}

process! {
    DIVIDE = "divide"(x, y),
    definition: || binary(
        "divide",
        "Quotient of two numbers",
        "Divides `x` by `y`. A divisor of zero gives an infinity with the sign of `x`, or NaN if `x` is zero \
         too. A no-data operand gives no-data.",
        ["Dividend.", "Divisor."],
        "The quotient.",
    )
    .throws("DivisionByZero", "The divisor is zero and infinity cannot be represented."),
    scalar: |args| {
        let (Some(x), Some(y)) = (number(args, 0, "x")?, number(args, 1, "y")?) else {
            return Ok(Value::Null);
        };
        Ok(Value::Float(quotient(x.f64(), y.f64())))
    },
    result: Type::float_of,
    kernel: Some(|call| kernels::quotient(call, |x, y| x / (y + 0.0), quotient)),
    simplify: None,
}

process! {
    MOD = "mod"(x, y),
    definition: || binary(
        "mod",
        "Remainder of a division",
        "The remainder of `x` divided by `y`; it has the sign of `y`. A divisor of zero gives an infinity with \
         the sign of `x`, or NaN if `x` is zero too. A no-data operand gives no-data.",
        ["Dividend.", "Divisor."],
        "The remainder.",
    )
    .throws("DivisionByZero", "The divisor is zero and infinity cannot be represented."),
    scalar: |args| {
        let (Some(x), Some(y)) = (number(args, 0, "x")?, number(args, 1, "y")?) else {
            return Ok(Value::Null);
        };
        Ok(match (x, y) {
            (Num::Int(x), Num::Int(y)) if y != 0 => Value::Int(remainder_int(x, y)),
            _ => Value::Float(remainder(x.f64(), y.f64())),
        })
    },
    result: |types| match (types[0], types[1]) {
        (Type::Int(x), Type::Int(y)) if y.lo > 0 || y.hi < 0 => Type::Int(Interval {
            lo: if y.lo < 0 { y.lo + 1 } else { 0 },
            hi: if y.hi > 0 { y.hi - 1 } else { 0 },
            narrow: x.narrow && y.narrow,
        }),
        // 64-bit integers with a divisor that may be zero: the exact remainder or an infinity.
        (Type::Int(_), Type::Int(_)) => Type::F64,
        _ => Type::float_of(types),
    },
    kernel: Some(|call| match (call.out, call.types) {
        (Type::Int(_), _) => kernels::zip_as(call, remainder_int),
        (_, [Type::Int(_), Type::Int(_)]) => kernels::zip_as(call, |x: i64, y: i64| {
            if y == 0 { remainder(x as f64, 0.0) } else { remainder_int(x, y) as f64 }
        }),
        _ => kernels::binary(call, remainder),
    }),
    simplify: None,
}

process! {
    ABSOLUTE = "absolute"(x),
    definition: || Definition::new(
        "absolute",
        "Absolute value",
        "The number without its sign. No-data stays no-data.",
    )
    .category("math")
    .param(param("x", "A number.", schema::number_or_null()))
    .returns("The absolute value.", schema::number_or_null_from(0)),
    scalar: |args| Ok(match number(args, 0, "x")? {
        None => Value::Null,
        Some(Num::Int(x)) => exact(wide(x).abs()),
        Some(Num::Float(x)) => Value::Float(x.abs()),
    }),
    result: |types| match types[0] {
        Type::Int(x) => {
            let magnitude = wide(x.lo).abs().max(wide(x.hi).abs());
            let least = if x.lo > 0 {
                x.lo
            } else if x.hi < 0 {
                x.hi.saturating_neg()
            } else {
                0
            };
            i64::try_from(magnitude).map_or(Type::F64, |hi| {
                Type::Int(Interval { lo: least, hi, narrow: x.narrow })
            })
        }
        _ => Type::float_of(types),
    },
    kernel: Some(|call| kernels::unary_exact(call, i64::wrapping_abs, f64::abs)),
    simplify: None,
}

process! {
    SGN = "sgn"(x),
    definition: || Definition::new(
        "sgn",
        "Sign of a number",
        "-1 for negative numbers, 1 for positive ones, 0 for zero and NaN for NaN. No-data stays no-data.",
    )
    .category("math")
    .param(param("x", "A number.", schema::number_or_null()))
    .returns(
        "The sign.",
        serde_json::json!({ "type": ["number", "null"], "enum": [-1, 0, 1, null] }),
    ),
    scalar: |args| Ok(match number(args, 0, "x")? {
        None => Value::Null,
        Some(Num::Int(x)) => Value::Int(x.signum()),
        Some(Num::Float(x)) => crate::arguments::whole(sign(x)),
    }),
    result: |types| match types[0] {
        Type::Int(x) => {
            Type::Int(Interval { lo: x.lo.signum(), hi: x.hi.signum(), narrow: x.narrow })
        }
        _ => Type::float_of(types),
    },
    kernel: Some(|call| kernels::unary_exact(call, i64::signum, sign)),
    simplify: None,
}

fn binary(
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    [x, y]: [&'static str; 2],
    returns: &'static str,
) -> Definition {
    Definition::new(id, summary, description)
        .category("math")
        .param(param("x", x, schema::number_or_null()))
        .param(param("y", y, schema::number_or_null()))
        .returns(returns, schema::number_or_null())
}

fn arithmetic(
    args: &[Value],
    int: fn(i128, i128) -> i128,
    float: fn(f64, f64) -> f64,
) -> Result<Value, Fault> {
    let (Some(x), Some(y)) = (number(args, 0, "x")?, number(args, 1, "y")?) else {
        return Ok(Value::Null);
    };
    Ok(match (x, y) {
        (Num::Int(x), Num::Int(y)) => exact(int(x.into(), y.into())),
        _ => Value::Float(float(x.f64(), y.f64())),
    })
}

/// A negative zero counts as zero, so that only `x` decides the sign of infinity.
fn quotient(x: f64, y: f64) -> f64 {
    x / (y + 0.0)
}

/// The remainder of the floored division.
fn remainder(x: f64, y: f64) -> f64 {
    if y == 0.0 {
        return x / 0.0;
    }
    // Exact in every implementation, so that there is no platform to depend on.
    let rest = x % y;
    let floored = if rest != 0.0 && (rest < 0.0) != (y < 0.0) { rest + y } else { rest };
    floored + 0.0
}

fn remainder_int(x: i64, y: i64) -> i64 {
    let rest = x.checked_rem(y).unwrap_or(0);
    if rest != 0 && (rest < 0) != (y < 0) { rest + y } else { rest }
}

fn sign(x: f64) -> f64 {
    if x > 0.0 {
        1.0
    } else if x < 0.0 {
        -1.0
    } else if x == 0.0 {
        0.0
    } else {
        f64::NAN
    }
}

fn wide(value: i64) -> i128 {
    value.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remainders_have_the_sign_of_the_divisor() {
        assert_eq!(remainder_int(-27, 5), 3);
        assert_eq!(remainder_int(27, -5), -3);
        assert_eq!(remainder_int(i64::MIN, -1), 0);
        assert_eq!(remainder(2.0, f64::NEG_INFINITY), f64::NEG_INFINITY);
        assert_eq!(remainder(-3.0, 0.0), f64::NEG_INFINITY);
    }

    #[test]
    fn integers_beyond_64_bits_become_floats() {
        let sum = arithmetic(&[Value::Int(i64::MAX), Value::Int(1)], |x, y| x + y, |x, y| x + y);
        assert_eq!(sum, Ok(Value::Float(9_223_372_036_854_775_808.0)));
    }

    #[test]
    fn a_negative_zero_divides_like_zero() {
        assert_eq!(quotient(1.0, -0.0), f64::INFINITY);
    }
}
