//! Processes that make one value (or a few) of an array.
//!
//! No-data is skipped unless `ignore_nodata` is false; then any no-data makes the result no-data. An array without
//! values gives no-data. NaN is a value and wins.

mod count;
mod ends;
mod extremes;
mod logic;
mod quantiles;
mod sums;

use eolith_graph::{Definition, Parameter, param, schema};
use eolith_plan::process::Process;
use eolith_plan::value::{Fault, Value};
use serde_json::json;

pub(crate) use count::FUNCTION as COUNT_OF;

use crate::arguments::{Num, array, flag, wrong};

pub(crate) static ALL: &[&Process] = &[
    &count::COUNT,
    &ends::FIRST,
    &ends::LAST,
    &extremes::EXTREMA,
    &extremes::MAX,
    &extremes::MIN,
    &logic::ALL_TRUE,
    &logic::ANY_TRUE,
    &quantiles::MEDIAN,
    &quantiles::QUANTILES,
    &sums::MEAN,
    &sums::PRODUCT,
    &sums::SD,
    &sums::SUM,
    &sums::VARIANCE,
];

/// The definition of a process from numbers to one number.
fn definition(
    id: &'static str,
    summary: &'static str,
    description: &'static str,
    categories: &[&'static str],
    returns: &'static str,
) -> Definition {
    let mut definition = Definition::new(id, summary, description);
    definition.categories = categories.to_vec();
    definition.param(data()).param(ignore_nodata()).returns(returns, schema::number_or_null())
}

fn data() -> Parameter {
    param("data", "The numbers.", schema::array_number_or_null())
}

fn ignore_nodata() -> Parameter {
    param(
        "ignore_nodata",
        "Whether no-data is skipped; if not, any no-data decides the result.",
        schema::boolean(),
    )
    .default(json!(true))
}

/// The elements of the argument `data` by their index, and whether there is a result.
struct Elements {
    numbers: Vec<Option<Num>>,
    has_result: bool,
}

impl Elements {
    fn of(args: &[Value]) -> Result<Elements, Fault> {
        Elements::with(args, flag(args, 1, "ignore_nodata")?)
    }

    fn with(args: &[Value], ignore: bool) -> Result<Elements, Fault> {
        let numbers: Result<Vec<Option<Num>>, Fault> = (array(args, 0, "data")?.values.iter())
            .map(|value| match value {
                Value::Null => Ok(None),
                value => Num::of(value)
                    .map(Some)
                    .ok_or_else(|| wrong("data", "an array of numbers", value)),
            })
            .collect();
        let numbers = numbers?;
        let valid = numbers.iter().filter(|n| n.is_some()).count();
        let has_result = valid > 0 && (ignore || valid == numbers.len());
        Ok(Elements { numbers, has_result })
    }

    /// The integers, if all numbers are integers; no-data is 0.
    fn integers(&self) -> Option<Vec<i64>> {
        let integer = |number: &Option<Num>| match number {
            None => Some(0),
            Some(Num::Int(value)) => Some(*value),
            Some(Num::Float(_)) => None,
        };
        self.numbers.iter().map(integer).collect()
    }

    fn floats(&self) -> Vec<f64> {
        self.numbers.iter().map(|number| number.map_or(0.0, Num::f64)).collect()
    }

    fn validity(&self) -> Vec<bool> {
        self.numbers.iter().map(Option::is_some).collect()
    }

    /// The numbers without no-data.
    fn valid(&self) -> impl Iterator<Item = Num> + '_ {
        self.numbers.iter().flatten().copied()
    }
}
