//! Linear interpolation of gaps.

use std::sync::Arc;

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::gaps::{self, between};
use eolith_plan::types::Type;
use eolith_plan::value::{Array, Value};

use crate::arguments::{Num, array, of_numbers, wrong};

process! {
    ARRAY_INTERPOLATE_LINEAR = "array_interpolate_linear"(data),
    definition: || Definition::new(
        "array_interpolate_linear",
        "Fill gaps by linear interpolation",
        "Replaces no-data and NaN between two numbers by the line through them, over numeric or temporal labels if \
         the array has some, else over the indices. Gaps at either end stay.",
    )
    .category("arrays")
    .category("math")
    .category("math > interpolation")
    .param(param("data", "The numbers.", schema::array_number_or_null()))
    .returns("The numbers without inner gaps.", schema::array_number_or_null()),
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let mut values = data.values.clone();
        let positions = positions(data.labels.as_deref(), data.values.len());
        let mut last: Option<(usize, f64)> = None;
        for (i, value) in data.values.iter().enumerate() {
            let number = match value {
                Value::Null => continue,
                value => Num::of(value)
                    .ok_or_else(|| wrong("data", "an array of numbers", value))?
                    .f64(),
            };
            if number.is_nan() {
                continue;
            }
            if let Some((start, first)) = last {
                let length = positions[i] - positions[start];
                for k in start + 1..i {
                    let fraction = (positions[k] - positions[start]) / length;
                    values[k] = Value::Float(between(first, number, fraction));
                }
            }
            last = Some((i, number));
        }
        Ok(Value::Array(Arc::new(Array { values, labels: data.labels.clone() })))
    },
    result: |types| of_numbers(types, |element, len| {
        // Interpolated numbers are floats; integers stay what they are where floats do not hold them.
        let element = match element {
            Type::Int(i) if i.lo < -EXACT || i.hi > EXACT => Type::Any,
            Type::Int(_) => Type::F64,
            other => other.clone(),
        };
        Type::array(element, len)
    }),
    kernel: Some(|call| {
        let rows = call.rows(0)?;
        gaps::fill(call, &positions(rows.labels.map(|labels| &**labels), rows.n))
    }),
    simplify: None,
}

/// Integers of this magnitude and below are exact in an `f64`.
const EXACT: i64 = 1 << 53;

/// Positions on the x axis: numbers or times if all labels are such, else indices.
fn positions(labels: Option<&[Label]>, len: usize) -> Vec<f64> {
    let axis = |label: &Label| match label {
        Label::Time(time) => Some(time.instant.0 as f64),
        other => other.as_f64(),
    };
    let of_labels: Option<Vec<f64>> = labels.and_then(|labels| labels.iter().map(axis).collect());
    of_labels.unwrap_or_else(|| (0..len).map(|i| i as f64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_the_axis() {
        let label = |text| Label::Time(eolith_cube::time::TimeLabel::parse(text).unwrap());
        let labels = [label("2020-01-01"), label("2020-01-02"), label("2020-01-05")];
        let positions = positions(Some(&labels), 3);
        assert_eq!((positions[1] - positions[0]) / (positions[2] - positions[0]), 0.25);
    }
}
