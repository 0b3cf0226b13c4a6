//! New arrays from values and from other arrays.

use eolith_graph::{Definition, param, schema};
use eolith_plan::lanes::{elements, operand};
use eolith_plan::types::Type;
use eolith_plan::value::{Array, Fault, Value};
use serde_json::json;
use std::sync::Arc;

use crate::arguments::{array, integer, single};

/// Elements that one array may get by repetition.
const MOST_ELEMENTS: usize = 1 << 24;

process! {
    ARRAY_CREATE = "array_create"(data, repeat),
    definition: || Definition::new(
        "array_create",
        "Make an array",
        "Gives the values as an array, the whole list repeated as often as asked for.",
    )
    .category("arrays")
    .param(param("data", "The elements, of any kind.", schema::array_any()).default(json!([])))
    .param(
        param("repeat", "How often the list is repeated.", schema::integer_from(1)).default(json!(1)),
    )
    .returns("The array.", schema::array_any()),
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let times = integer(args, 1, "repeat")?.and_then(|n| usize::try_from(n).ok());
        let times = times.filter(|n| *n > 0).ok_or_else(|| {
            Fault::argument("repeat", "must be an integer greater than zero")
        })?;
        if data.values.len().saturating_mul(times) > MOST_ELEMENTS {
            return Err(Fault::argument("repeat", "makes an array of more than 2^24 elements"));
        }
        let n = data.values.len() * times;
        Ok(Value::array(data.values.iter().cycle().take(n).cloned().collect()))
    },
    result: |types| match types[0] {
        Type::Array(element, len) => {
            let times = single(types[1]).and_then(|n| usize::try_from(n).ok());
            let len = len.zip(times).and_then(|(len, times)| len.checked_mul(times));
            Type::array((**element).clone(), len)
        }
        _ => Type::Any,
    },
    kernel: Some(|call| {
        let times = match call.constant(1)? {
            Value::Int(n) => usize::try_from(*n).map_err(|_| operand::refusal())?,
            _ => return Err(operand::refusal()),
        };
        let n = call.rows(0)?.n;
        if times == 0 || n.saturating_mul(times) > MOST_ELEMENTS {
            return Err(operand::refusal());
        }
        elements::repeat(call, times)
    }),
    simplify: None,
}

process! {
    ARRAY_CONCAT = "array_concat"(array1, array2),
    definition: || Definition::new(
        "array_concat",
        "Join two arrays",
        "Appends the second array to the first. Labels are kept if both arrays have some.",
    )
    .category("arrays")
    .param(param("array1", "The first array.", schema::array_any()))
    .param(param("array2", "The second array.", schema::array_any()))
    .returns("The elements of both arrays.", schema::array_any())
    .throws("ArrayLabelConflict", "Both arrays have an element with the same label."),
    scalar: |args| {
        let (a, b) = (array(args, 0, "array1")?, array(args, 1, "array2")?);
        let labels = match (&a.labels, &b.labels) {
            (Some(first), Some(second)) => {
                if let Some(label) = first.iter().find(|x| second.iter().any(|y| x.same(y))) {
                    return Err(Fault::new(
                        "ArrayLabelConflict",
                        format!("both arrays have the label `{label}`"),
                    ));
                }
                Some(first.iter().chain(second.iter()).cloned().collect())
            }
            _ => None,
        };
        let values = a.values.iter().chain(&b.values).cloned().collect();
        Ok(Value::Array(Arc::new(Array { values, labels })))
    },
    result: |types| match (types[0], types[1]) {
        (Type::Array(a, n), Type::Array(b, m)) => {
            Type::array(a.join(b), n.zip(*m).map(|(n, m)| n + m))
        }
        _ => Type::Any,
    },
    kernel: Some(elements::concat),
    simplify: None,
}
