//! Sorting of numbers and dates. Ties keep their order, also when the order is descending.

use std::cmp::Ordering;

use eolith_cube::time::Instant;
use eolith_graph::{Definition, Parameter, param, schema};
use eolith_plan::lanes::permute;
use eolith_plan::types::{Interval, Type};
use eolith_plan::value::{Fault, Value};
use serde_json::json;

use crate::arguments::{Num, array, boolean, flag, wrong};

process! {
    ORDER = "order"(data, asc, nodata),
    definition: || Definition::new(
        "order",
        "Order of the elements",
        "The indices of the elements in the order in which the elements are sorted. Equal elements keep their \
         order.",
    )
    .note("Equal elements keep their order, descending too.")
    .category("arrays")
    .category("sorting")
    .param(data())
    .param(asc())
    .param(nodata())
    .returns("Indices, counted from zero.", schema::array(schema::integer_from(0))),
    scalar: |args| {
        let order = order(args)?.into_iter().map(|i| Value::Int(i as i64)).collect();
        Ok(Value::array(order))
    },
    result: |types| match types[0] {
        Type::Array(_, len) => {
            let hi = len.map_or(1 << 31, |n| n as i64);
            Type::array(Type::Int(Interval { lo: 0, hi, narrow: false }), kept(*len, types[2]))
        }
        _ => Type::Any,
    },
    kernel: Some(permute::order),
    simplify: None,
}

process! {
    SORT = "sort"(data, asc, nodata),
    definition: || Definition::new(
        "sort",
        "Sort an array",
        "The elements in ascending or descending order. Equal elements keep their order.",
    )
    .note("Equal elements keep their order, descending too.")
    .category("arrays")
    .category("sorting")
    .param(data())
    .param(asc())
    .param(nodata())
    .returns("The sorted elements.", sortable()),
    scalar: |args| {
        let values = &array(args, 0, "data")?.values;
        Ok(Value::array(order(args)?.into_iter().map(|i| values[i].clone()).collect()))
    },
    result: |types| match types[0] {
        Type::Array(element, len) => Type::array((**element).clone(), kept(*len, types[2])),
        _ => Type::Any,
    },
    kernel: Some(permute::sort),
    simplify: None,
}

process! {
    REARRANGE = "rearrange"(data, order),
    definition: || Definition::new(
        "rearrange",
        "Rearrange an array",
        "Gives the elements at the given indices, in the order of these indices.",
    )
    .category("arrays")
    .category("sorting")
    .param(param("data", "Elements of any kind.", schema::array_any()))
    .param(param(
        "order",
        "Indices, counted from zero, as `order` gives them.",
        schema::array(schema::integer_from(0)),
    ))
    .returns("The elements in the new order.", schema::array_any()),
    scalar: |args| {
        let values = &array(args, 0, "data")?.values;
        let element = |index: &Value| {
            let found = match index {
                Value::Int(i) => usize::try_from(*i).ok().and_then(|i| values.get(i)),
                Value::Float(x) if x.fract() == 0.0 && *x >= 0.0 => values.get(*x as usize),
                _ => None,
            };
            found.cloned().ok_or_else(|| {
                Fault::argument("order", format_args!(
                    "must hold indices below {}, not {}",
                    values.len(),
                    index.to_json().map_or_else(|| index.kind().to_owned(), |json| format!("`{json}`")),
                ))
            })
        };
        let order = &array(args, 1, "order")?.values;
        Ok(Value::array(order.iter().map(element).collect::<Result<_, Fault>>()?))
    },
    result: |types| match types[0] {
        Type::Array(element, _) => Type::array((**element).clone(), types[1].length()),
        _ => Type::Any,
    },
    kernel: Some(permute::rearrange),
    simplify: None,
}

/// How many elements are left: all of them if no-data is moved to an end, whichever it is.
fn kept(len: Option<usize>, nodata: &Type) -> Option<usize> {
    len.filter(|_| *nodata == Type::Bool)
}

/// What is sorted: numbers, or dates and times by their instant.
#[derive(Clone, Copy)]
enum Key {
    Number(Num),
    Time(Instant),
}

fn order(args: &[Value]) -> Result<Vec<usize>, Fault> {
    let values = &array(args, 0, "data")?.values;
    let ascending = flag(args, 1, "asc")?;
    let nodata_last = boolean(args, 2, "nodata")?;
    let mut keys: Vec<(usize, Key)> = Vec::with_capacity(values.len());
    let mut empty = Vec::new();
    for (i, value) in values.iter().enumerate() {
        match value {
            Value::Null => empty.push(i),
            value => keys.push((i, key(value)?)),
        }
    }
    keys.sort_by(|(_, a), (_, b)| if ascending { compare(*a, *b) } else { compare(*b, *a) });
    let sorted = keys.into_iter().map(|(i, _)| i);
    Ok(match nodata_last {
        None => sorted.collect(),
        Some(true) => sorted.chain(empty).collect(),
        Some(false) => empty.into_iter().chain(sorted).collect(),
    })
}

fn key(value: &Value) -> Result<Key, Fault> {
    let time = |text: &str| Instant::parse(text).map(Key::Time).ok();
    let key = Num::of(value).map(Key::Number).or_else(|| value.as_text().and_then(time));
    key.ok_or_else(|| wrong("data", "an array of numbers or dates", value))
}

/// Numbers before times, NaN after all other numbers.
fn compare(a: Key, b: Key) -> Ordering {
    match (a, b) {
        (Key::Number(Num::Int(a)), Key::Number(Num::Int(b))) => a.cmp(&b),
        (Key::Number(a), Key::Number(b)) => {
            let (a, b) = (a.f64(), b.f64());
            a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
        }
        (Key::Time(a), Key::Time(b)) => a.cmp(&b),
        (Key::Number(_), Key::Time(_)) => Ordering::Less,
        (Key::Time(_), Key::Number(_)) => Ordering::Greater,
    }
}

fn sortable() -> serde_json::Value {
    schema::array(json!({
        "anyOf": [schema::number(), schema::null(), schema::date_time(), schema::date()],
    }))
}

fn data() -> Parameter {
    param("data", "Numbers or dates.", sortable())
}

fn asc() -> Parameter {
    param("asc", "Whether the order is ascending.", schema::boolean()).default(json!(true))
}

fn nodata() -> Parameter {
    param(
        "nodata",
        "Where no-data goes: true puts it at the end, false at the start, null leaves it out.",
        schema::boolean_or_null(),
    )
    .default(json!(null))
}
