//! Reads arguments: values, cubes and callbacks.

use std::sync::Arc;

use eolith_cube::time::TimeLabel;
use eolith_cube::{
    Block, Crs, DType, Dimension, Features, Kind, Label, Labels, Number, Schema, SpatialAxis,
    Values, Variable,
};
use eolith_plan::bind::Argument;
use eolith_plan::op::Cube;
use eolith_plan::value::{Array, Value};
use serde_json::Value as Json;

/// An argument of a request.
#[derive(Debug)]
pub(super) enum Given {
    Argument(Argument),
    /// A process graph.
    Callback(Json),
}

/// Reads an argument. The error says what is wrong.
pub(super) fn argument(json: &Json) -> Result<Given, String> {
    Ok(match form(json) {
        Some("process") => Given::Callback(json["process_graph"].clone()),
        Some("datacube") => Given::Argument(Argument::Cube(Arc::new(cube(json)?))),
        _ => Given::Argument(Argument::Value(value(json)?)),
    })
}

/// Reads a value.
pub(super) fn value(json: &Json) -> Result<Value, String> {
    let items = |json: &Json| -> Result<Vec<Value>, String> {
        let items = json.as_array().ok_or("`values` is not an array")?;
        items.iter().map(value).collect()
    };
    match (json, form(json)) {
        (Json::Array(_), _) => Ok(Value::array(items(json)?)),
        (_, None) => Ok(Value::from_json(json)),
        (_, Some("nodata")) => Ok(Value::Null),
        (_, Some("number")) => special(json).map(Value::Float),
        (_, Some("datetime")) => Ok(Value::text(text(json)?)),
        (_, Some("labeled-array")) => {
            let values = items(&json["values"])?;
            let labels = json["labels"].as_array().ok_or("`labels` is not an array")?;
            let labels: Vec<Label> =
                labels.iter().map(|json| label(json, false)).collect::<Result<_, _>>()?;
            if labels.len() != values.len() {
                return Err(format!("{} labels for {} values", labels.len(), values.len()));
            }
            Ok(Value::Array(Arc::new(Array { values, labels: Some(labels.into()) })))
        }
        (_, Some(other)) => Err(format!("`{other}` is not possible here")),
    }
}

/// Reads a cube. Numbers without fraction are 32 bits (64 if they need them), others doubles, unless `dtype` says
/// what they are; `bands` may say more of each band (`common_name`, `center_wavelength`, `dtype`, `nodata`).
fn cube(json: &Json) -> Result<Cube, String> {
    let names = json["dims"].as_array().ok_or("`dims` is not an array")?;
    let dims = names.iter().map(|name| {
        let name = name.as_str().ok_or("the name of a dimension is not a text")?;
        dimension(name, &json["dimensions"][name])
    });
    let dims: Vec<Dimension> = dims.collect::<Result<_, String>>()?;
    let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap_or_default()).collect();
    if let Some(given) = json.get("shape").filter(|given| !given.is_null())
        && *given != serde_json::json!(shape)
    {
        return Err(format!("the labels make {shape:?}, `shape` says {given}"));
    }
    let len = shape.iter().try_fold(1usize, |len, n| len.checked_mul(*n)).ok_or("too large")?;
    let pixels = match &json["values"] {
        Json::Null => vec![Value::Null; len],
        Json::Array(items) if items.is_empty() && dims.is_empty() => vec![Value::Null],
        Json::Array(items) => items.iter().map(value).collect::<Result<_, _>>()?,
        _ => return Err("`values` is not an array".to_owned()),
    };
    if pixels.len() != len {
        return Err(format!("{} values for {len} pixels", pixels.len()));
    }
    let dtype = match named_dtype(json)? {
        Some(dtype) => dtype,
        None => narrowest(&pixels)?,
    };
    let mut variable = Variable::new(dtype);
    variable.nodata = number(json.get("nodata"))?;
    let mut schema = Schema::uniform(dims, variable);
    if let Some(bands) = json.get("bands").and_then(Json::as_array) {
        for (variable, json) in schema.variables.iter_mut().zip(bands) {
            variable.common_name = json["common_name"].as_str().map(str::to_owned);
            variable.center_wavelength = json["center_wavelength"].as_f64();
            variable.dtype = named_dtype(json)?.unwrap_or(variable.dtype);
            variable.nodata = number(json.get("nodata"))?.or(variable.nodata);
        }
    }
    let block = block(&schema, shape, &pixels)?;
    Ok(Cube { schema, block })
}

fn block(schema: &Schema, shape: Vec<usize>, pixels: &[Value]) -> Result<Block, String> {
    let mut values = Values::zeros(schema.dtype(), pixels.len());
    let mut validity = vec![true; pixels.len()];
    for (i, pixel) in pixels.iter().enumerate() {
        match pixel.to_pixel().map_err(|fault| fault.message)? {
            Some(number) if schema.dtype().holds(number) || schema.dtype().is_float() => {
                values.set(i, number);
            }
            Some(number) => {
                return Err(format!("`{number}` is not a value of type {}", schema.dtype()));
            }
            None => validity[i] = false,
        }
    }
    let mut block = Block { shape, values, validity: Some(validity) };
    if let Some(nodata) = schema.nodata() {
        block.mask_value(nodata);
    }
    Ok(block.canonical())
}

fn dimension(name: &str, json: &Json) -> Result<Dimension, String> {
    if json["type"] == "geometry" {
        let features = Features::parse(&json["features"])
            .map_err(|e| format!("`features` of dimension `{name}`: {e}"))?;
        let labels = features.labels();
        return Ok(Dimension::new(name, Kind::Geometry(Arc::new(features)), labels));
    }
    let kind = match json["type"].as_str() {
        Some("temporal") => Kind::Temporal,
        Some("bands") => Kind::Bands,
        Some("spatial") => {
            let axis = match json["axis"].as_str().unwrap_or(name) {
                "x" => SpatialAxis::X,
                "y" => SpatialAxis::Y,
                "z" => SpatialAxis::Z,
                other => return Err(format!("there is no spatial axis `{other}`")),
            };
            Kind::Spatial { axis, crs: reference_system(&json["reference_system"])? }
        }
        Some(_) => Kind::Other,
        None => return Err(format!("dimension `{name}` has no type")),
    };
    let labels = json["labels"].as_array().ok_or_else(|| format!("`{name}` has no labels"))?;
    let labels: Vec<Label> =
        labels.iter().map(|json| label(json, kind == Kind::Temporal)).collect::<Result<_, _>>()?;
    Ok(Dimension::new(name, kind, Labels::list(labels)))
}

fn reference_system(json: &Json) -> Result<Option<Crs>, String> {
    let crs = match json {
        Json::Null => return Ok(None),
        Json::Number(number) => Crs::parse(&number.to_string()),
        Json::String(text) => Crs::parse(text),
        // PROJJSON
        other => Crs::parse(&other.to_string()),
    };
    crs.map(Some).map_err(|e| e.to_string())
}

fn label(json: &Json, temporal: bool) -> Result<Label, String> {
    let time = |text: &str| TimeLabel::parse(text).map_or_else(|_| Label::text(text), Label::Time);
    match json {
        Json::String(text) if temporal => Ok(time(text)),
        Json::String(text) => Ok(Label::text(text.as_str())),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(value), _) => Ok(Label::Int(value)),
            (None, Some(value)) => Ok(Label::Float(value)),
            (None, None) => Err(format!("`{number}` is not a label")),
        },
        Json::Object(_) if form(json) == Some("datetime") => text(json).map(time),
        other => Err(format!("`{other}` is not a label")),
    }
}

fn named_dtype(json: &Json) -> Result<Option<DType>, String> {
    let Some(name) = json.get("dtype").and_then(Json::as_str) else { return Ok(None) };
    DType::from_name(name).map(Some).ok_or_else(|| format!("there is no type `{name}`"))
}

fn narrowest(pixels: &[Value]) -> Result<DType, String> {
    let (mut bools, mut floats, mut range) = (false, false, None::<(i64, i64)>);
    for pixel in pixels {
        match pixel {
            Value::Null => {}
            Value::Bool(_) => bools = true,
            Value::Float(_) => floats = true,
            Value::Int(v) => {
                range = Some(range.map_or((*v, *v), |(lo, hi)| (lo.min(*v), hi.max(*v))));
            }
            other => return Err(format!("{} in a data cube", other.kind())),
        }
    }
    if bools && (floats || range.is_some()) {
        return Err("numbers next to booleans".to_owned());
    }
    let small = |(lo, hi): (i64, i64)| i32::try_from(lo).is_ok() && i32::try_from(hi).is_ok();
    Ok(match range {
        _ if bools => DType::Bool,
        Some(range) if !floats && small(range) => DType::I32,
        Some(_) if !floats => DType::I64,
        _ => DType::F64,
    })
}

fn number(json: Option<&Json>) -> Result<Option<Number>, String> {
    let Some(json) = json else { return Ok(None) };
    match value(json)? {
        Value::Null => Ok(None),
        Value::Int(value) => Ok(Some(Number::Int(value.into()))),
        Value::Float(value) => Ok(Some(Number::Float(value))),
        other => Err(format!("the no-data value is {}", other.kind())),
    }
}

/// The reserved key.
fn form(json: &Json) -> Option<&str> {
    json.get("@").and_then(Json::as_str)
}

fn special(json: &Json) -> Result<f64, String> {
    match text(json)? {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        other => Err(format!("`{other}` is not NaN, Infinity or -Infinity")),
    }
}

fn text(json: &Json) -> Result<&str, String> {
    json["value"].as_str().ok_or_else(|| "`value` is not a text".to_owned())
}
