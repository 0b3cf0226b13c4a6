//! Rounding. NaN and infinities stay what they are, except for `int`.

use eolith_graph::{Definition, param, schema};
use eolith_plan::expr::{Builder, ExprId};
use eolith_plan::lanes::{kernels, operand};
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::Value;
use serde_json::json;

use crate::arguments::{Num, exact, float_of_first, integer, number, single, whole};

process! {
    CEIL = "ceil"(x),
    definition: || definition(
        "ceil",
        "Round up",
        "The least integer that is not below `x`. No-data stays no-data.",
        &["math > rounding"],
    ),
    scalar: |args| Ok(match number(args, 0, "x")? {
        None => Value::Null,
        Some(Num::Int(x)) => Value::Int(x),
        Some(Num::Float(x)) => whole(x.ceil()),
    }),
    result: whole_type,
    kernel: Some(|call| kernels::unary(call, |x| x.ceil() + 0.0)),
    simplify: Some(keep_integers),
}

process! {
    FLOOR = "floor"(x),
    definition: || definition(
        "floor",
        "Round down",
        "The greatest integer that is not above `x`. No-data stays no-data.",
        &["math > rounding"],
    ),
    scalar: |args| Ok(match number(args, 0, "x")? {
        None => Value::Null,
        Some(Num::Int(x)) => Value::Int(x),
        Some(Num::Float(x)) => whole(x.floor()),
    }),
    result: whole_type,
    kernel: Some(|call| kernels::unary(call, |x| x.floor() + 0.0)),
    simplify: Some(keep_integers),
}

process! {
    INT = "int"(x),
    definition: || definition(
        "int",
        "Integer part",
        "Cuts off the digits after the decimal point. NaN has no integer part and gives no-data.",
        &["math", "math > rounding"],
    ),
    scalar: |args| Ok(match number(args, 0, "x")? {
        None => Value::Null,
        Some(Num::Int(x)) => Value::Int(x),
        Some(Num::Float(x)) if x.is_nan() => Value::Null,
        Some(Num::Float(x)) => whole(x.trunc()),
    }),
    result: whole_type,
    kernel: Some(kernels::truncate),
    simplify: Some(keep_integers),
}

process! {
    ROUND = "round"(x, p),
    definition: || Definition::new(
        "round",
        "Round to a precision",
        "Rounds `x` to `p` digits after the decimal point, halves to the even neighbour. Negative values of `p` \
         round to tens, hundreds and so on. No-data stays no-data.",
    )
    .note("Ties are those of the decimal number as it is written: 0.35 to one place is 0.4.")
    .category("math > rounding")
    .param(param("x", "A number.", schema::number_or_null()))
    .param(
        param("p", "Digits after the decimal point, negative for those before it.", schema::integer())
            .default(json!(0)),
    )
    .returns("The rounded number.", schema::number_or_null()),
    scalar: |args| {
        let (Some(x), Some(p)) = (number(args, 0, "x")?, integer(args, 1, "p")?) else {
            return Ok(Value::Null);
        };
        Ok(match x {
            Num::Int(x) => exact(round_int(x.into(), p)),
            Num::Float(x) if p <= 0 => whole(round(x, p)),
            Num::Float(x) => Value::Float(round(x, p)),
        })
    },
    result: |types| match types[0] {
        Type::Int(x) => match single(types[1]) {
            Some(p) if p >= 0 => types[0].clone(),
            Some(p) => {
                let (lo, hi) = (round_int(x.lo.into(), p), round_int(x.hi.into(), p));
                match (i64::try_from(lo), i64::try_from(hi)) {
                    (Ok(lo), Ok(hi)) => Type::Int(Interval { lo, hi, narrow: false }),
                    _ => Type::F64,
                }
            }
            None => Type::Any,
        },
        Type::F32 | Type::F64 | Type::Null if types[1].is_number() => float_of_first(types),
        _ => Type::Any,
    },
    kernel: Some(|call| {
        let Value::Int(p) = *call.constant(1)? else { return Err(operand::refusal()) };
        if matches!(call.out, Type::F64) && matches!(call.types[0], Type::Int(_)) {
            return Err(operand::refusal());
        }
        kernels::unary_exact(call, |x| round_int(x.into(), p) as i64, |x| round(x, p))
    }),
    simplify: None,
}

fn definition(
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    categories: &[&'static str],
) -> Definition {
    let mut definition = Definition::new(id, summary, description);
    definition.categories = categories.to_vec();
    definition
        .param(param("x", "A number.", schema::number_or_null()))
        .returns("The rounded number.", schema::integer_or_null())
}

/// Whole numbers, in the type the number came in: infinities and NaN are no integers.
fn whole_type(types: &[&Type]) -> Type {
    if let Type::Int(_) = types[0] { types[0].clone() } else { float_of_first(types) }
}

/// Integers are rounded already.
fn keep_integers(builder: &mut Builder, args: &[ExprId]) -> Option<ExprId> {
    matches!(builder.ty(args[0]), Type::Int(_)).then_some(args[0])
}

/// Decimal scaling, rounding of halves to even, scaling back. Numbers whose scaled form is not finite have no
/// digits that far behind the point.
fn round(x: f64, p: i64) -> f64 {
    let power = libm::pow(10.0, p.unsigned_abs() as f64);
    if p >= 0 {
        let scaled = x * power;
        if scaled.is_finite() { libm::rint(scaled) / power + 0.0 } else { x }
    } else if power.is_finite() || !x.is_finite() {
        let scaled = if x.is_finite() { libm::rint(x / power) * power } else { x };
        scaled + 0.0
    } else {
        0.0
    }
}

fn round_int(x: i128, p: i64) -> i128 {
    let digits = u32::try_from(p.min(0).unsigned_abs()).unwrap_or(u32::MAX);
    if digits == 0 {
        return x;
    }
    // Beyond 64 bits everything is nearer to zero than to the next power of ten.
    if digits > 19 {
        return 0;
    }
    let power = 10i128.pow(digits);
    let (quotient, rest) = (x.div_euclid(power), x.rem_euclid(power));
    let up = rest * 2 > power || (rest * 2 == power && quotient % 2 != 0);
    (quotient + i128::from(up)) * power
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves_go_to_the_even_neighbour() {
        assert_eq!(round(2.5, 0), 2.0);
        assert_eq!(round(-3.5, 0), -4.0);
        assert_eq!(round(0.35, 1), 0.4);
        assert_eq!(round_int(1250, -2), 1200);
        assert_eq!(round_int(-1250, -2), -1200);
        assert_eq!(round_int(1350, -2), 1400);
    }

    #[test]
    fn extreme_precisions_lose_nothing() {
        assert_eq!(round(1.5, 400), 1.5);
        assert_eq!(round(1.5, -400), 0.0);
        assert_eq!(round(f64::INFINITY, -400), f64::INFINITY);
        assert_eq!(round_int(i64::MAX.into(), -30), 0);
    }
}
