//! Arrays with elements or labels added, replaced or removed.

use std::sync::Arc;

use eolith_cube::Label;
use eolith_graph::{Definition, param, schema};
use eolith_plan::types::Type;
use eolith_plan::value::{Array, Fault, Value};
use serde_json::json;

use crate::arguments::{array, integer, wrong};

process! {
    ARRAY_APPEND = "array_append"(data, value, label),
    definition: || Definition::new(
        "array_append",
        "Append an element",
        "Adds an element to the end of an array. In an array with labels it gets the given label, or else its \
         index.",
    )
    .category("arrays")
    .param(param("data", "An array.", schema::array_any()))
    .param(param("value", "The new element, of any kind.", schema::any()))
    .param(
        param(
            "label",
            "The label of the new element, for arrays that have labels.",
            schema::any_of([schema::number(), schema::string(), schema::null()]),
        )
        .default(json!(null)),
    )
    .returns("The array with one more element.", schema::array_any())
    .throws("LabelExists", "The array has an element with this label.")
    .throws("ArrayNotLabeled", "A label is given, but the array has none."),
    scalar: |args| {
        let data = array(args, 0, "data")?;
        let labels = match &data.labels {
            None if args[2].is_null() => None,
            None => {
                let message = "a label is given, but the array has no labels";
                return Err(Fault::new("ArrayNotLabeled", message));
            }
            Some(labels) => {
                let label = match &args[2] {
                    Value::Null => Label::Int(data.values.len() as i64),
                    value => label(value, "label")?,
                };
                if labels.iter().any(|own| own.same(&label)) {
                    return Err(Fault::new(
                        "LabelExists",
                        format!("the array has an element with the label `{label}`"),
                    ));
                }
                Some(labels.iter().cloned().chain([label]).collect())
            }
        };
        let values = data.values.iter().chain([&args[1]]).cloned().collect();
        Ok(Value::Array(Arc::new(Array { values, labels })))
    },
    result: |types| match types[0] {
        Type::Array(element, len) => Type::array(element.join(types[1]), len.map(|n| n + 1)),
        _ => Type::Any,
    },
    kernel: None,
    simplify: None,
}

process! {
    ARRAY_MODIFY = "array_modify"(data, values, index, length),
    definition: || Definition::new(
        "array_modify",
        "Replace, insert or remove elements",
        "Removes `length` elements from `index` on and inserts `values` there. Labels are kept if both arrays have \
         some or one of them is empty.",
    )
    .experimental()
    .category("arrays")
    .param(param("data", "An array.", schema::array_any()))
    .param(param("values", "The elements to insert.", schema::array_any()))
    .param(param("index", "Where, counted from zero.", schema::integer_from(0)))
    .param(
        param("length", "How many elements are removed.", schema::integer_from(0)).default(json!(0)),
    )
    .returns("The changed array.", schema::array_any())
    .throws("ArrayElementNotAvailable", "The index is beyond the end of the array.")
    .throws("ArrayLabelConflict", "Both arrays have an element with the same label."),
    scalar: |args| {
        let (data, new) = (array(args, 0, "data")?, array(args, 1, "values")?);
        let index = natural(args, 2, "index")?;
        if index > data.values.len() {
            return Err(Fault::new(
                "ArrayElementNotAvailable",
                format!("the array has {} elements, index `{index}` is beyond", data.values.len()),
            ));
        }
        let removed = natural(args, 3, "length")?.min(data.values.len() - index);
        let replaced = |own: &[Value], new: &[Value]| {
            [&own[..index], new, &own[index + removed..]].concat()
        };
        let no_labels: &[Label] = &[];
        let labels = match (&data.labels, &new.labels) {
            (Some(own), Some(new)) => Some((&**own, &**new)),
            (Some(own), None) if new.values.is_empty() => Some((&**own, no_labels)),
            (None, Some(new)) if data.values.is_empty() => Some((no_labels, &**new)),
            _ => None,
        };
        if let Some((own, new)) = labels
            && let Some(label) = own.iter().find(|x| new.iter().any(|y| x.same(y)))
        {
            let message = format!("both arrays have the label `{label}`");
            return Err(Fault::new("ArrayLabelConflict", message));
        }
        let labels = labels.map(|(own, new)| {
            [&own[..index], new, &own[index + removed..]].concat().into()
        });
        Ok(Value::Array(Arc::new(Array { values: replaced(&data.values, &new.values), labels })))
    },
    result: |types| match (types[0], types[1]) {
        (Type::Array(a, _), Type::Array(b, _)) => Type::array(a.join(b), None),
        _ => Type::Any,
    },
    kernel: None,
    simplify: None,
}

process! {
    ARRAY_CREATE_LABELED = "array_create_labeled"(data, labels),
    definition: || Definition::new(
        "array_create_labeled",
        "Make an array with labels",
        "Gives each element the label at the same index.",
    )
    .experimental()
    .category("arrays")
    .param(param("data", "The elements, of any kind.", schema::any()))
    .param(param(
        "labels",
        "The labels, all different.",
        json!({ "type": "array", "uniqueItems": true, "items": { "type": ["number", "string"] } }),
    ))
    .returns("The array with labels.", schema::labeled_array())
    .throws("ArrayLengthMismatch", "There are not as many labels as elements."),
    scalar: |args| {
        let (data, labels) = (array(args, 0, "data")?, array(args, 1, "labels")?);
        if data.values.len() != labels.values.len() {
            return Err(Fault::new(
                "ArrayLengthMismatch",
                format!("{} elements, but {} labels", data.values.len(), labels.values.len()),
            ));
        }
        let labels: Result<Vec<Label>, Fault> =
            labels.values.iter().map(|value| label(value, "labels")).collect();
        Ok(Value::Array(Arc::new(Array {
            values: data.values.clone(),
            labels: Some(labels?.into()),
        })))
    },
    result: |types| match types[0] {
        Type::Array(..) => types[0].clone(),
        _ => Type::Any,
    },
    kernel: None,
    simplify: None,
}

fn label(value: &Value, name: &str) -> Result<Label, Fault> {
    match value {
        Value::Text(text) => Ok(Label::text(Arc::clone(text))),
        Value::Int(value) => Ok(Label::Int(*value)),
        Value::Float(value) => Ok(Label::Float(*value)),
        other => Err(wrong(name, "a number or a text", other)),
    }
}

fn natural(args: &[Value], k: usize, name: &str) -> Result<usize, Fault> {
    let value = integer(args, k, name)?.and_then(|n| usize::try_from(n).ok());
    value.ok_or_else(|| Fault::argument(name, "must be an integer not below zero"))
}
