//! What the scalar definitions read from their arguments, and the type rules that many of them share.

use eolith_plan::types::Type;
use eolith_plan::value::{Array, Fault, Value};

/// A number as it came: integers are kept exact as long as possible.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Num {
    Int(i64),
    Float(f64),
}

impl Num {
    pub(crate) fn f64(self) -> f64 {
        match self {
            Num::Int(value) => value as f64,
            Num::Float(value) => value,
        }
    }

    pub(crate) fn of(value: &Value) -> Option<Num> {
        match value {
            Value::Int(value) => Some(Num::Int(*value)),
            Value::Float(value) => Some(Num::Float(*value)),
            _ => None,
        }
    }
}

impl From<Num> for Value {
    fn from(num: Num) -> Value {
        match num {
            Num::Int(value) => Value::Int(value),
            Num::Float(value) => Value::Float(value),
        }
    }
}

/// A number; `None` for no-data.
pub(crate) fn number(args: &[Value], k: usize, name: &str) -> Result<Option<Num>, Fault> {
    match &args[k] {
        Value::Null => Ok(None),
        value => Num::of(value).map(Some).ok_or_else(|| wrong(name, "a number", value)),
    }
}

/// A number as a float; `None` for no-data.
pub(crate) fn float(args: &[Value], k: usize, name: &str) -> Result<Option<f64>, Fault> {
    Ok(number(args, k, name)?.map(Num::f64))
}

/// An integer; `None` for no-data.
pub(crate) fn integer(args: &[Value], k: usize, name: &str) -> Result<Option<i64>, Fault> {
    match number(args, k, name)? {
        None => Ok(None),
        Some(Num::Int(value)) => Ok(Some(value)),
        Some(Num::Float(value)) if value.fract() == 0.0 && value.abs() < 9e15 => {
            Ok(Some(value as i64))
        }
        Some(Num::Float(value)) => {
            Err(Fault::argument(name, format_args!("must be an integer, not `{value}`")))
        }
    }
}

/// A boolean; `None` for no-data.
pub(crate) fn boolean(args: &[Value], k: usize, name: &str) -> Result<Option<bool>, Fault> {
    match &args[k] {
        Value::Null => Ok(None),
        Value::Bool(value) => Ok(Some(*value)),
        value => Err(wrong(name, "a boolean", value)),
    }
}

/// An option that is on or off.
pub(crate) fn flag(args: &[Value], k: usize, name: &str) -> Result<bool, Fault> {
    boolean(args, k, name)?.ok_or_else(|| wrong(name, "a boolean", &Value::Null))
}

/// A text; `None` for no-data.
pub(crate) fn text<'a>(args: &'a [Value], k: usize, name: &str) -> Result<Option<&'a str>, Fault> {
    match &args[k] {
        Value::Null => Ok(None),
        Value::Text(text) => Ok(Some(text)),
        value => Err(wrong(name, "a text", value)),
    }
}

pub(crate) fn array<'a>(args: &'a [Value], k: usize, name: &str) -> Result<&'a Array, Fault> {
    args[k].as_array().ok_or_else(|| wrong(name, "an array", &args[k]))
}

/// An argument of the wrong kind.
pub(crate) fn wrong(name: &str, wanted: &str, value: &Value) -> Fault {
    Fault::argument(name, format_args!("must be {wanted}, not {}", value.kind()))
}

/// A whole number as an integer where 64 bits hold it; NaN and infinities stay floats.
pub(crate) fn whole(value: f64) -> Value {
    if value.is_finite() && value.abs() < 9.2e18 {
        Value::Int(value as i64)
    } else {
        Value::Float(value)
    }
}

/// An exact result of integers: an integer if 64 bits hold it, else the nearest float.
pub(crate) fn exact(value: i128) -> Value {
    i64::try_from(value).map_or(Value::Float(value as f64), Value::Int)
}

/// `f64` if all arguments are numbers.
pub(crate) fn double(types: &[&Type]) -> Type {
    if types.iter().all(|ty| ty.is_number()) { Type::F64 } else { Type::Any }
}

/// The float type of the first argument, see [`Type::float_of`].
pub(crate) fn float_of_first(types: &[&Type]) -> Type {
    Type::float_of(&types[..1])
}

/// The type `ty` if the first argument is an array of numbers.
pub(crate) fn of_numbers(types: &[&Type], ty: impl FnOnce(&Type, Option<usize>) -> Type) -> Type {
    match types[0] {
        Type::Array(element, len) if element.is_number() => ty(element, *len),
        _ => Type::Any,
    }
}

/// The type of a mean, a spread or a quantile of numbers of this type: computed in `f64`, and rounded once at the end
/// where the numbers are `f32`.
pub(crate) fn statistic_of(element: &Type) -> Type {
    if *element == Type::F32 { Type::F32 } else { Type::F64 }
}

/// The integer a type stands for, if it is only one.
pub(crate) fn single(ty: &Type) -> Option<i64> {
    match ty {
        Type::Int(i) if i.lo == i.hi => Some(i.lo),
        _ => None,
    }
}
