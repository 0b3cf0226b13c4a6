//! Writes results: JSON, and objects with the key `@` for what JSON cannot say.
//!
//! | form | meaning |
//! |---|---|
//! | `null` | no-data |
//! | `{"@":"number","value":"NaN"}` | `NaN`, `Infinity`, `-Infinity` |
//! | `{"@":"datetime","value":…}` | a date-time of RFC 3339, and every text label of a temporal dimension |
//! | `{"@":"labeled-array","labels":[…],"values":[…]}` | an array with labels |
//! | `{"@":"datacube","dims":…,"dimensions":…,"shape":…,"values":…,"nodata":…}` | a cube; values in C order |
//!
//! A dimension of type `geometry` has its `features` beside the labels, as GeoJSON with a named `crs` unless they are in
//! degrees. Integers are written without, floats with a fraction.

use eolith_cube::{DType, Dimension, Kind, Label, Number};
use eolith_plan::op::Cube;
use eolith_plan::value::Value;
use serde_json::{Map, Value as Json, json};

use super::Outcome;

/// Writes a result.
pub fn outcome(outcome: &Outcome) -> Json {
    match outcome {
        Outcome::Value(own) => value(own),
        Outcome::Cube(own) => cube(own),
    }
}

/// Writes a value.
pub fn value(own: &Value) -> Json {
    match own {
        Value::Null | Value::Network(_) | Value::Lambda(_) => Json::Null,
        Value::Bool(own) => Json::Bool(*own),
        Value::Int(own) => json!(own),
        Value::Float(own) => float(*own),
        Value::Text(text) if is_date_time(text) => json!({ "@": "datetime", "value": &**text }),
        Value::Text(text) => json!(&**text),
        Value::Object(map) => Json::Object((**map).clone()),
        Value::Model(model) => model.to_json(),
        Value::Array(array) => {
            let values: Vec<Json> = array.values.iter().map(value).collect();
            match &array.labels {
                None => Json::Array(values),
                Some(labels) => {
                    let labels: Vec<Json> = labels.iter().map(|own| label(own, false)).collect();
                    json!({ "@": "labeled-array", "labels": labels, "values": values })
                }
            }
        }
    }
}

/// Writes a cube.
pub fn cube(cube: &Cube) -> Json {
    let mut dimensions = Map::new();
    for dim in &cube.schema.dims {
        dimensions.insert(dim.name.clone(), dimension(dim));
    }
    let is_bool = cube.schema.dtype() == DType::Bool;
    let mut values: Vec<Json> = (0..cube.block.len())
        .map(|i| value(&Value::of_pixel(cube.block.get(i), is_bool)))
        .collect();
    if cube.schema.dims.is_empty() && values == [Json::Null] {
        values.clear();
    }
    let mut json = json!({
        "@": "datacube",
        "dims": cube.schema.dims.iter().map(|dim| dim.name.as_str()).collect::<Vec<_>>(),
        "dimensions": dimensions,
        "shape": cube.block.shape,
        "values": values,
    });
    match cube.schema.nodata() {
        Some(Number::Int(own)) => json["nodata"] = json!(i64::try_from(own).unwrap_or(i64::MAX)),
        Some(Number::Float(own)) => json["nodata"] = float(own),
        None => {}
    }
    json
}

fn dimension(dim: &Dimension) -> Json {
    let temporal = dim.kind == Kind::Temporal;
    let labels: Vec<Json> = dim
        .labels()
        .map(|labels| labels.iter().map(|own| label(&own, temporal)).collect())
        .unwrap_or_default();
    let mut json = json!({ "type": dim.kind.name() });
    if let Kind::Spatial { axis, crs } = &dim.kind {
        json["axis"] = json!(axis.name());
        if let Some(crs) = crs {
            json["reference_system"] = match (crs.code(), crs.text()) {
                (Some(code), _) => json!(format!("EPSG:{code}")),
                (None, Some(text)) => json!(text),
                (None, None) => json!(crs.proj_string()),
            };
        }
    }
    if let Some(features) = dim.features() {
        json["features"] = features.to_json();
    }
    json["labels"] = labels.into();
    json
}

fn label(own: &Label, temporal: bool) -> Json {
    match own {
        Label::Time(time) => json!({ "@": "datetime", "value": &*time.text }),
        Label::Text(text) if temporal => json!({ "@": "datetime", "value": &**text }),
        Label::Text(text) => json!(&**text),
        Label::Int(own) => json!(own),
        Label::Float(own) => float(*own),
    }
}

fn float(own: f64) -> Json {
    let text = if own.is_nan() {
        "NaN"
    } else if own.is_infinite() {
        if own > 0.0 { "Infinity" } else { "-Infinity" }
    } else {
        return json!(own);
    };
    json!({ "@": "number", "value": text })
}

/// Whether a text is a date with time and offset, as processes on dates return them.
fn is_date_time(text: &str) -> bool {
    let bytes = text.as_bytes();
    bytes.len() >= 20 && bytes[10] == b'T' && text.parse::<jiff::Timestamp>().is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_keep_their_kind() {
        assert_eq!(value(&Value::Int(3)).to_string(), "3");
        assert_eq!(value(&Value::Float(3.0)).to_string(), "3.0");
        assert_eq!(value(&Value::Float(f64::NEG_INFINITY))["value"], "-Infinity");
        assert_eq!(value(&Value::text("2020-01-01")), "2020-01-01");
        assert_eq!(value(&Value::text("2020-01-01T00:00:00Z"))["@"], "datetime");
    }
}
