//! The wire form of the conformance vectors: JSON, and objects with the key `@` for what JSON cannot say.

use std::sync::Arc;

use eolith_cube::Label;
use eolith_cube::time::{Instant, TimeLabel};
use eolith_plan::value::{Array, Value};
use serde_json::Value as Json;

/// A value; `None` for callbacks and cubes, which are no values.
pub(crate) fn decode(json: &Json) -> Option<Value> {
    Some(match json {
        Json::Array(items) => Value::array(items.iter().map(decode).collect::<Option<_>>()?),
        Json::Object(map) => match map.get("@").and_then(Json::as_str) {
            None => Value::from_json(json),
            Some("nodata") => Value::Null,
            Some("number") => Value::Float(map["value"].as_str()?.parse().ok()?),
            Some("datetime") => Value::text(map["value"].as_str()?),
            Some("labeled-array") => {
                let values: Option<Vec<Value>> =
                    map["values"].as_array()?.iter().map(decode).collect();
                let labels: Option<Vec<Label>> =
                    map["labels"].as_array()?.iter().map(label).collect();
                Value::Array(Arc::new(Array { values: values?, labels: Some(labels?.into()) }))
            }
            Some(_) => return None,
        },
        other => Value::from_json(other),
    })
}

/// Whether a result is the expected one: numbers within a relative tolerance, instants as such, integers also where
/// a float of the same value is expected, but no float where the expectation is an array index or the like.
pub(crate) fn matches(result: &Value, expected: &Json, delta: f64) -> bool {
    if let Json::Object(map) = expected
        && map.get("@").and_then(Json::as_str) == Some("datetime")
    {
        let instant = |text: &str| Instant::parse(text).ok();
        return match (result.as_text().and_then(instant), map["value"].as_str().and_then(instant)) {
            (Some(a), Some(b)) => a == b,
            _ => false,
        };
    }
    decode(expected).is_some_and(|expected| same(result, &expected, delta))
}

fn same(result: &Value, expected: &Value, delta: f64) -> bool {
    if let (Some(a), Some(b)) = (result.as_f64(), expected.as_f64()) {
        return a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= delta * b.abs().max(1e-3);
    }
    match (result, expected) {
        (Value::Array(a), Value::Array(b)) => {
            a.labels == b.labels
                && a.values.len() == b.values.len()
                && a.values.iter().zip(&b.values).all(|(a, b)| same(a, b, delta))
        }
        (a, b) => a == b,
    }
}

fn label(json: &Json) -> Option<Label> {
    Some(match json {
        Json::Object(map) => Label::Time(TimeLabel::parse(map["value"].as_str()?).ok()?),
        Json::String(text) => Label::text(text.as_str()),
        Json::Number(number) => match number.as_i64() {
            Some(value) => Label::Int(value),
            None => Label::Float(number.as_f64()?),
        },
        _ => return None,
    })
}
