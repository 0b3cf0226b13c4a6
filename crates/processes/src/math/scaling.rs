//! Clipping, linear scaling and the normalised difference.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::kernels;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::{Num, double, float, number};

process! {
    CLIP = "clip"(x, min, max),
    definition: || Definition::new(
        "clip",
        "Limit a number to a range",
        "Replaces numbers below `min` by `min` and numbers above `max` by `max`. NaN in any argument gives NaN, \
         no-data stays no-data.",
    )
    .category("math")
    .param(param("x", "A number.", schema::number_or_null()))
    .param(param("min", "The lower bound.", schema::number()))
    .param(param("max", "The upper bound.", schema::number()))
    .returns("The number within the bounds.", schema::number_or_null())
    .throws("MinMaxSwapped", "The lower bound is above the upper bound."),
    scalar: |args| {
        let (x, min, max) = (number(args, 0, "x")?, number(args, 1, "min")?, number(args, 2, "max")?);
        let (Some(x), Some(min), Some(max)) = (x, min, max) else { return Ok(Value::Null) };
        if let (Num::Int(x), Num::Int(min), Num::Int(max)) = (x, min, max) {
            return if min > max { Err(swapped()) } else { Ok(Value::Int(x.max(min).min(max))) };
        }
        if min.f64() > max.f64() {
            return Err(swapped());
        }
        if [x, min, max].iter().any(|v| v.f64().is_nan()) {
            return Ok(Value::Float(f64::NAN));
        }
        let low = if x.f64() < min.f64() { min } else { x };
        Ok(if low.f64() > max.f64() { max } else { low }.into())
    },
    result: |types| match (types[0], types[1], types[2]) {
        (Type::Int(x), Type::Int(min), Type::Int(max)) => Type::Int(Interval {
            lo: x.lo.max(min.lo).min(max.lo),
            hi: x.hi.max(min.hi).min(max.hi),
            narrow: x.narrow && min.narrow && max.narrow,
        }),
        _ => Type::float_of(types),
    },
    kernel: Some(kernels::clip),
    simplify: None,
}

process! {
    LINEAR_SCALE_RANGE = "linear_scale_range"(x, inputMin, inputMax, outputMin, outputMax),
    definition: || Definition::new(
        "linear_scale_range",
        "Map a range of numbers to another one",
        "Limits `x` to the input range and maps this range linearly to the output range. Either range may run \
         downwards. No-data stays no-data.",
    )
    .category("math")
    .param(param("x", "A number.", schema::number_or_null()))
    .param(param("inputMin", "Start of the input range.", schema::number()))
    .param(param("inputMax", "End of the input range.", schema::number()))
    .param(param("outputMin", "Start of the output range.", schema::number()).default(json!(0)))
    .param(param("outputMax", "End of the output range.", schema::number()).default(json!(1)))
    .returns("The scaled number.", schema::number_or_null()),
    scalar: |args| {
        let names = ["x", "inputMin", "inputMax", "outputMin", "outputMax"];
        let mut numbers = [0.0; 5];
        for (k, name) in names.into_iter().enumerate() {
            match float(args, k, name)? {
                Some(value) => numbers[k] = value,
                None => return Ok(Value::Null),
            }
        }
        let [x, from, to, low, high] = numbers;
        Ok(Value::Float(scale(x, [from, to], [low, high])))
    },
    result: double,
    kernel: Some(|call| {
        let mut range = [0.0; 4];
        for (k, bound) in range.iter_mut().enumerate() {
            match call.constant(k + 1)? {
                Value::Null => return Ok(eolith_plan::lanes::operand::null()),
                value => {
                    *bound = value.as_f64().ok_or_else(eolith_plan::lanes::operand::refusal)?;
                }
            }
        }
        let [from, to, low, high] = range;
        kernels::unary(call, |x| scale(x, [from, to], [low, high]))
    }),
    simplify: None,
}

process! {
    NORMALIZED_DIFFERENCE = "normalized_difference"(x, y),
    definition: || Definition::new(
        "normalized_difference",
        "Normalised difference",
        "The difference of two numbers divided by their sum: `(x - y) / (x + y)`.",
    )
    .category("math > indices")
    .category("vegetation indices")
    .param(param("x", "Number of the first band.", schema::number()))
    .param(param("y", "Number of the second band.", schema::number()))
    .returns(
        "The normalised difference, from -1 to 1 if both numbers are positive.",
        json!({ "type": "number", "minimum": -1, "maximum": 1 }),
    ),
    scalar: |args| {
        let (Some(x), Some(y)) = (float(args, 0, "x")?, float(args, 1, "y")?) else {
            return Ok(Value::Null);
        };
        Ok(Value::Float((x - y) / (x + y)))
    },
    result: Type::float_of,
    kernel: Some(|call| match call.types {
        // Sums and differences of narrow integers are exact in `f32`.
        [Type::Int(a), Type::Int(b)] if small(a) && small(b) && *call.out == Type::F32 => {
            kernels::zip_as(call, |x: f32, y: f32| (x - y) / (x + y))
        }
        _ => kernels::binary(call, |x, y| (x - y) / (x + y)),
    }),
    simplify: None,
}

fn swapped() -> Fault {
    Fault::new("MinMaxSwapped", "`min` is greater than `max`")
}

fn small(interval: &Interval) -> bool {
    interval.lo >= -(1 << 22) && interval.hi <= 1 << 22
}

fn scale(x: f64, [from, to]: [f64; 2], [low, high]: [f64; 2]) -> f64 {
    let (least, greatest) = if from > to { (to, from) } else { (from, to) };
    let raised = if x < least { least } else { x };
    let clipped = if raised > greatest { greatest } else { raised };
    (clipped - from) / (to - from) * (high - low) + low
}
