//! Sums, products, mean and variance. The order of evaluation is the one of [`accumulate`] everywhere.

use eolith_plan::lanes::accumulate::{
    self, ExactProduct, FloatProduct, FloatSum, Matrix, Moments, Rule, WideSum,
};
use eolith_plan::lanes::folds;
use eolith_plan::lanes::operand::Primitive;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};

use super::{Elements, definition};
use crate::arguments::{exact, of_numbers, statistic_of};

/// Elements that an array of unknown length is taken to have at most.
const MANY: i128 = 1 << 31;

process! {
    SUM = "sum"(data, ignore_nodata),
    definition: || definition(
        "sum",
        "Sum of numbers",
        "Adds up the numbers of an array in the order of their indices. Integers are added exactly.",
        &["math", "reducer"],
        "The sum; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        if !elements.has_result {
            return Ok(Value::Null);
        }
        let validity = elements.validity();
        Ok(match elements.integers() {
            Some(integers) => exact(total::<WideSum, _>(&integers, &validity)),
            None => Value::Float(total::<FloatSum, _>(&elements.floats(), &validity)),
        })
    },
    result: |types| of_numbers(types, |element, len| match element {
        Type::Int(i) => {
            let n = len.map_or(MANY, |n| n as i128);
            let (lo, hi) = (i128::from(i.lo.min(0)) * n, i128::from(i.hi.max(0)) * n);
            match (i64::try_from(lo), i64::try_from(hi)) {
                (Ok(lo), Ok(hi)) => Type::Int(Interval { lo, hi, narrow: false }),
                _ => Type::F64,
            }
        }
        _ => Type::F64,
    }),
    kernel: None,
    fold: folds::sum,
    simplify: None,
}

process! {
    PRODUCT = "product"(data, ignore_nodata),
    definition: || definition(
        "product",
        "Product of numbers",
        "Multiplies the numbers of an array in the order of their indices.",
        &["math", "reducer"],
        "The product; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        if !elements.has_result {
            return Ok(Value::Null);
        }
        let validity = elements.validity();
        Ok(match elements.integers() {
            Some(integers) => {
                let product = total::<ExactProduct, _>(&integers, &validity);
                product.exact.map_or(Value::Float(product.float), Value::Int)
            }
            None => {
                Value::Float(total::<FloatProduct, _>(&elements.floats(), &validity))
            }
        })
    },
    result: |types| of_numbers(types, |element, len| match (element, len) {
        (Type::Int(i), Some(n)) => {
            let magnitude = i128::from(i.lo).abs().max(i128::from(i.hi).abs()).max(1);
            let bound = u32::try_from(n).ok().and_then(|n| magnitude.checked_pow(n));
            match bound.and_then(|bound| i64::try_from(bound).ok()) {
                Some(hi) => {
                    let lo = if i.lo < 0 { -hi } else { 0 };
                    Type::Int(Interval { lo, hi, narrow: false })
                }
                None => Type::F64,
            }
        }
        _ => Type::F64,
    }),
    kernel: None,
    fold: folds::product,
    simplify: None,
}

process! {
    MEAN = "mean"(data, ignore_nodata),
    definition: || definition(
        "mean",
        "Arithmetic mean",
        "The sum of the numbers divided by how many there are.",
        &["math > statistics", "reducer"],
        "The mean; no-data for an array without values.",
    ),
    scalar: |args| {
        let elements = Elements::of(args)?;
        if !elements.has_result {
            return Ok(Value::Null);
        }
        let validity = elements.validity();
        let sum = match elements.integers() {
            Some(integers) => total::<WideSum, _>(&integers, &validity) as f64,
            None => total::<FloatSum, _>(&elements.floats(), &validity),
        };
        Ok(Value::Float(sum / elements.valid().count() as f64))
    },
    result: |types| of_numbers(types, |element, _| statistic_of(element)),
    kernel: None,
    fold: folds::mean,
    simplify: None,
}

process! {
    VARIANCE = "variance"(data, ignore_nodata),
    definition: || definition(
        "variance",
        "Sample variance",
        "The sum of the squared distances from the mean, divided by one less than the number of values. A single \
         value has none: the result is NaN.",
        &["math > statistics", "reducer"],
        "The variance; no-data for an array without values.",
    ),
    scalar: |args| statistic(args, Moments::variance),
    result: |types| of_numbers(types, |element, _| statistic_of(element)),
    kernel: None,
    fold: folds::variance,
    simplify: None,
}

process! {
    SD = "sd"(data, ignore_nodata),
    definition: || definition(
        "sd",
        "Sample standard deviation",
        "The square root of the sample variance. A single value has none: the result is NaN.",
        &["math > statistics", "reducer"],
        "The standard deviation; no-data for an array without values.",
    ),
    scalar: |args| statistic(args, |moments| moments.variance().sqrt()),
    result: |types| of_numbers(types, |element, _| statistic_of(element)),
    kernel: None,
    fold: folds::sd,
    simplify: None,
}

fn statistic(args: &[Value], f: fn(Moments) -> f64) -> Result<Value, Fault> {
    let elements = Elements::of(args)?;
    if !elements.has_result {
        return Ok(Value::Null);
    }
    let moments =
        accumulate::moments(Matrix::lane(&elements.floats(), Some(&elements.validity())))[0];
    Ok(Value::Float(f(moments)))
}

/// The total of one lane.
fn total<R: Rule, P: Primitive>(values: &[P], validity: &[bool]) -> R::Total {
    accumulate::totals::<R, P>(Matrix::lane(values, Some(validity)))[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_added_exactly() {
        let values = vec![Value::Int(i64::MAX), Value::Int(i64::MAX), Value::Int(-i64::MAX)];
        let eolith_plan::process::Lowering::Function(sum) = SUM.lowering else {
            panic!("a function");
        };
        let result = (sum.scalar)(&[Value::array(values), Value::Bool(true)]);
        assert_eq!(result, Ok(Value::Int(i64::MAX)));
    }
}
