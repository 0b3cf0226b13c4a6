//! Values of expressions: what a JSON argument, one pixel or one labelled array is.

use std::fmt;
use std::sync::Arc;

use eolith_cube::{Label, Number};
use serde_json::Map;

use crate::expr::Lambda;
use crate::model::Forest;
use crate::model::network::Network;

/// One value. `Null` is no-data, which is different from the number NaN.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    Array(Arc<Array>),
    Object(Arc<Map<String, serde_json::Value>>),
    /// A trained model.
    Model(Arc<Forest>),
    /// A model from an ONNX file.
    Network(Arc<Network>),
    /// A callback; exists only while an expression is evaluated.
    Lambda(Arc<Lambda>),
}

/// An array, with one label an element or none at all.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct Array {
    pub values: Vec<Value>,
    pub labels: Option<Arc<[Label]>>,
}

/// An error of a process: the standard's exception name and our words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    pub code: &'static str,
    pub message: String,
}

impl Fault {
    pub fn new(code: &'static str, message: impl Into<String>) -> Fault {
        Fault { code, message: message.into() }
    }

    /// An argument that the process cannot take.
    pub fn argument(name: &str, message: impl fmt::Display) -> Fault {
        Fault::new("ProcessParameterInvalid", format!("argument `{name}` {message}"))
    }
}

impl Value {
    pub fn text(text: impl Into<Arc<str>>) -> Value {
        Value::Text(text.into())
    }

    pub fn array(values: Vec<Value>) -> Value {
        Value::Array(Arc::new(Array { values, labels: None }))
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// The number as a float; `None` for anything that is not a number.
    pub fn as_f64(&self) -> Option<f64> {
        match self {
            Value::Int(value) => Some(*value as f64),
            Value::Float(value) => Some(*value),
            _ => None,
        }
    }

    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { None }
    }

    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = self { Some(text) } else { None }
    }

    pub fn as_array(&self) -> Option<&Array> {
        if let Value::Array(array) = self { Some(array) } else { None }
    }

    /// What kind of value it is, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "null",
            Value::Bool(_) => "a boolean",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::Array(_) => "an array",
            Value::Object(_) => "an object",
            Value::Model(_) | Value::Network(_) => "a model",
            Value::Lambda(_) => "a callback",
        }
    }

    /// A pixel: booleans where the cube stores booleans, integers where it stores integers.
    pub fn of_pixel(pixel: Option<Number>, is_bool: bool) -> Value {
        match pixel {
            None => Value::Null,
            Some(number) if is_bool => Value::Bool(number.to_f64() != 0.0),
            Some(Number::Int(value)) => {
                i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)
            }
            Some(Number::Float(value)) => Value::Float(value),
        }
    }

    /// The number or boolean as a pixel; `None` for no-data, an error for what no cube can hold.
    pub fn to_pixel(&self) -> Result<Option<Number>, Fault> {
        match self {
            Value::Null => Ok(None),
            Value::Bool(value) => Ok(Some(Number::Int((*value).into()))),
            Value::Int(value) => Ok(Some(Number::Int((*value).into()))),
            Value::Float(value) => Ok(Some(Number::Float(*value))),
            Value::Text(_)
            | Value::Array(_)
            | Value::Object(_)
            | Value::Model(_)
            | Value::Network(_)
            | Value::Lambda(_) => Err(Fault::new(
                "ProcessParameterInvalid",
                format!("the callback returns {}, a cube holds numbers and booleans", self.kind()),
            )),
        }
    }

    pub fn from_json(json: &serde_json::Value) -> Value {
        match json {
            serde_json::Value::Null => Value::Null,
            serde_json::Value::Bool(value) => Value::Bool(*value),
            serde_json::Value::Number(number) => match number.as_i64() {
                Some(value) => Value::Int(value),
                None => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
            },
            serde_json::Value::String(text) => Value::text(text.as_str()),
            serde_json::Value::Array(items) => {
                Value::array(items.iter().map(Value::from_json).collect())
            }
            serde_json::Value::Object(map) => Value::Object(Arc::new(map.clone())),
        }
    }

    /// As JSON; NaN and infinities, which JSON has not, become `null` inside containers' text forms only where
    /// the caller asks (see `engine::sink::json`), so this returns `None` for them.
    pub fn to_json(&self) -> Option<serde_json::Value> {
        Some(match self {
            Value::Null => serde_json::Value::Null,
            Value::Bool(value) => (*value).into(),
            Value::Int(value) => (*value).into(),
            Value::Float(value) => serde_json::Number::from_f64(*value)?.into(),
            Value::Text(text) => (&**text).into(),
            Value::Array(array) => {
                let items: Option<Vec<_>> = array.values.iter().map(Value::to_json).collect();
                items?.into()
            }
            Value::Object(map) => serde_json::Value::Object((**map).clone()),
            Value::Model(model) => model.to_json(),
            Value::Network(_) | Value::Lambda(_) => return None,
        })
    }
}

impl From<Label> for Value {
    fn from(label: Label) -> Value {
        match label {
            Label::Text(text) => Value::Text(text),
            Label::Int(value) => Value::Int(value),
            Label::Float(value) => Value::Float(value),
            Label::Time(time) => Value::Text(time.text),
        }
    }
}
