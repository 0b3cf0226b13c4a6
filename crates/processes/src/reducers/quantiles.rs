//! Median and quantiles.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::{operand, order};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use super::{Elements, data, definition, ignore_nodata};
use crate::arguments::{Num, flag, of_numbers, single, statistic_of};

process! {
    MEDIAN = "median"(data, ignore_nodata),
    definition: || definition(
        "median",
        "Median",
        "The number in the middle of the sorted array, or the mean of the two in the middle; NaN if one of the \
         numbers is NaN.",
        &["math > statistics", "reducer"],
        "The median; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        if !elements.has_result {
            return Ok(Value::Null);
        }
        let mut numbers: Vec<f64> = elements.valid().map(Num::f64).collect();
        Ok(Value::Float(order::median(&mut numbers)))
    },
    result: |types| of_numbers(types, |element, _| match element {
        // Half of a sum below 2^24 is exact.
        Type::Int(i) if i.narrow && i.lo >= -(1 << 23) && i.hi <= 1 << 23 => Type::F32,
        element => statistic_of(element),
    }),
    kernel: Some(order::median_lanes),
    simplify: None,
}

process! {
    QUANTILES = "quantiles"(data, probabilities, q, ignore_nodata),
    definition: || Definition::new(
        "quantiles",
        "Quantiles",
        "Cut points of the sorted numbers at the given probabilities, interpolated linearly between neighbours \
         (type 7 of Hyndman and Fan). All are NaN if one of the numbers is NaN.",
    )
    .category("math > statistics")
    .param(data())
    .param(
        param(
            "probabilities",
            "Ascending probabilities from 0 to 1, or the number of equally probable intervals to cut into.",
            schema::any_of([
                json!({
                    "title": "List of probabilities",
                    "type": "array",
                    "uniqueItems": true,
                    "items": { "type": "number", "minimum": 0, "maximum": 1 },
                }),
                schema::titled("Number of intervals (q-quantiles)", schema::integer_from(2)),
            ]),
        )
        .optional(),
    )
    .param(
        param("q", "The number of intervals; use `probabilities` instead.", schema::integer_from(2))
            .optional()
            .deprecated(),
    )
    .param(ignore_nodata())
    .returns(
        "A quantile for each probability, or one less than there are intervals; all no-data for an array without \
         values.",
        schema::array_number_or_null(),
    )
    .throws("QuantilesParameterMissing", "Neither `probabilities` nor `q` is given.")
    .throws("QuantilesParameterConflict", "Both `probabilities` and `q` are given.")
    .throws("AscendingProbabilitiesRequired", "The probabilities are not in ascending order."),
    scalar: |args| {
        let probabilities = probabilities(&args[1], &args[2])?;
        let elements = Elements::with(args, flag(args, 3, "ignore_nodata")?)?;
        if !elements.has_result {
            return Ok(Value::array(vec![Value::Null; probabilities.len()]));
        }
        let mut numbers: Vec<f64> = elements.valid().map(Num::f64).collect();
        let mut result = vec![0.0; probabilities.len()];
        order::quantiles(&mut numbers, &probabilities, &mut result);
        Ok(Value::array(result.into_iter().map(Value::Float).collect()))
    },
    result: |types| of_numbers(types, |element, _| {
        let intervals = |ty: &Type| single(ty).and_then(|q| usize::try_from(q - 1).ok());
        let len = match types[1] {
            Type::Array(_, len) => *len,
            Type::Null => intervals(types[2]),
            other => intervals(other),
        };
        Type::array(statistic_of(element), len)
    }),
    kernel: Some(|call| {
        let probabilities = probabilities(call.constant(1)?, call.constant(2)?)
            .map_err(|_| operand::refusal())?;
        order::quantiles_lanes(call, &probabilities, call.flag(3)?)
    }),
    simplify: None,
}

/// Intervals that one call may ask for.
const MOST_INTERVALS: i64 = 1 << 20;

fn probabilities(probabilities: &Value, q: &Value) -> Result<Vec<f64>, Fault> {
    let intervals = |q: i64, name: &str| match q {
        2..=MOST_INTERVALS => Ok((1..q).map(|i| i as f64 / q as f64).collect()),
        _ => Err(Fault::argument(name, format_args!("must be from 2 to 2^20, not `{q}`"))),
    };
    match (probabilities, q) {
        (Value::Null, Value::Null) => {
            Err(Fault::new("QuantilesParameterMissing", "neither `probabilities` nor `q` is given"))
        }
        (Value::Int(q), Value::Null) => intervals(*q, "probabilities"),
        (Value::Null, Value::Int(q)) => intervals(*q, "q"),
        (Value::Array(list), Value::Null) => {
            let numbers: Option<Vec<f64>> = list.values.iter().map(Value::as_f64).collect();
            let numbers = numbers.filter(|list| list.iter().all(|p| (0.0..=1.0).contains(p)));
            let numbers = numbers.ok_or_else(|| {
                Fault::argument("probabilities", "must be an array of numbers from 0 to 1")
            })?;
            if numbers.is_sorted() {
                Ok(numbers)
            } else {
                Err(Fault::new(
                    "AscendingProbabilitiesRequired",
                    "the probabilities are not in ascending order",
                ))
            }
        }
        (_, Value::Null) => {
            Err(Fault::argument("probabilities", "must be an array of numbers or an integer"))
        }
        (Value::Null, _) => Err(Fault::argument("q", "must be an integer")),
        _ => {
            Err(Fault::new("QuantilesParameterConflict", "both `probabilities` and `q` are given"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_exclude_each_other() {
        let list =
            |numbers: &[f64]| Value::array(numbers.iter().copied().map(Value::Float).collect());
        let code = |p: &Value, q: &Value| probabilities(p, q).unwrap_err().code;
        assert_eq!(code(&Value::Null, &Value::Null), "QuantilesParameterMissing");
        assert_eq!(code(&Value::Int(2), &Value::Int(2)), "QuantilesParameterConflict");
        assert_eq!(code(&list(&[0.5, 0.1]), &Value::Null), "AscendingProbabilitiesRequired");
        assert_eq!(code(&list(&[0.5, 1.1]), &Value::Null), "ProcessParameterInvalid");
        assert_eq!(probabilities(&Value::Null, &Value::Int(4)), Ok(vec![0.25, 0.5, 0.75]));
    }
}
