//! Attributes as JSON and as no-data values.

use eolith_cube::{DType, Number};
use netcdf_reader::{NcAttrValue, NcAttribute, NcVariable};
use serde_json::{Map, Value};

/// Attributes by name. One value stands alone, several are a list; NaN and infinities are texts, as in Zarr's
/// metadata. Attributes of user-defined types are left out.
pub(super) fn to_json(attributes: &[NcAttribute]) -> Map<String, Value> {
    let pair = |a: &NcAttribute| json(&a.value).map(|value| (a.name.clone(), value));
    attributes.iter().filter_map(pair).collect()
}

/// Whether `_Unsigned` turns the signedness of an integer type around, and the type that results.
pub(super) fn logical(stored: DType, variable: &NcVariable) -> DType {
    let unsigned = (variable.attribute("_Unsigned")).and_then(|a| a.value.as_string());
    match (unsigned.as_deref().map(str::trim), stored) {
        (Some("true"), DType::I8) => DType::U8,
        (Some("true"), DType::I16) => DType::U16,
        (Some("true"), DType::I32) => DType::U32,
        (Some("true"), DType::I64) => DType::U64,
        (Some("false"), DType::U8) => DType::I8,
        (Some("false"), DType::U16) => DType::I16,
        (Some("false"), DType::U32) => DType::I32,
        (Some("false"), DType::U64) => DType::I64,
        _ => stored,
    }
}

/// Every value declared to mean no-data, `_FillValue` first, as values of `dtype`.
pub(super) fn nodata(variable: &NcVariable, dtype: DType) -> Vec<Number> {
    let mut found: Vec<Number> = Vec::new();
    for name in ["_FillValue", "missing_value"] {
        let Some(attribute) = variable.attribute(name) else { continue };
        for number in numbers(&attribute.value) {
            match fit(number, dtype) {
                Some(number) if !found.iter().any(|own| own.same(number)) => found.push(number),
                Some(_) => {}
                None => tracing::warn!(
                    "`{name}` of variable `{}` is {number}, which {dtype} cannot hold: ignored",
                    variable.name
                ),
            }
        }
    }
    found
}

/// The declared number as a value of the type: integers wrap around the sign (`_Unsigned`), floats round.
fn fit(number: Number, dtype: DType) -> Option<Number> {
    if dtype == DType::F32 {
        return Some(Number::Float(f64::from(number.to_f64() as f32)));
    }
    let whole = match number {
        Number::Float(value) if value.fract() == 0.0 && value.abs() < 2f64.powi(64) => {
            Number::Int(value as i128)
        }
        number => number,
    };
    let range = 1i128 << (8 * dtype.size());
    match (dtype.bounds(), whole) {
        (None, _) => Some(number),
        (Some((0, _)), Number::Int(value)) if value < 0 && value >= -range / 2 => {
            Some(Number::Int(value + range))
        }
        (Some((lo, hi)), Number::Int(value)) if lo < 0 && value > hi && value < range => {
            Some(Number::Int(value - range))
        }
        _ => dtype.holds(whole).then_some(whole),
    }
}

fn numbers(value: &NcAttrValue) -> Vec<Number> {
    fn ints<T: Copy + Into<i128>>(values: &[T]) -> Vec<Number> {
        values.iter().map(|&v| Number::Int(v.into())).collect()
    }
    fn floats<T: Copy + Into<f64>>(values: &[T]) -> Vec<Number> {
        values.iter().map(|&v| Number::Float(v.into())).collect()
    }
    match value {
        NcAttrValue::Bytes(v) => ints(v),
        NcAttrValue::UBytes(v) => ints(v),
        NcAttrValue::Shorts(v) => ints(v),
        NcAttrValue::UShorts(v) => ints(v),
        NcAttrValue::Ints(v) => ints(v),
        NcAttrValue::UInts(v) => ints(v),
        NcAttrValue::Int64s(v) => ints(v),
        NcAttrValue::UInt64s(v) => ints(v),
        NcAttrValue::Floats(v) => floats(v),
        NcAttrValue::Doubles(v) => floats(v),
        NcAttrValue::Chars(_) | NcAttrValue::Strings(_) | NcAttrValue::UserDefined { .. } => {
            Vec::new()
        }
    }
}

fn json(value: &NcAttrValue) -> Option<Value> {
    match value {
        NcAttrValue::Chars(text) => Some(text.trim_end_matches('\0').into()),
        NcAttrValue::Strings(texts) => Some(one_or_list(texts.iter().cloned().map(Value::from))),
        NcAttrValue::UserDefined { .. } => None,
        numeric => Some(one_or_list(numbers(numeric).into_iter().map(|number| match number {
            Number::Int(value) => {
                i64::try_from(value).map_or_else(|_| (value as u64).into(), Value::from)
            }
            Number::Float(value) if value.is_nan() => "NaN".into(),
            Number::Float(f64::INFINITY) => "Infinity".into(),
            Number::Float(f64::NEG_INFINITY) => "-Infinity".into(),
            Number::Float(value) => value.into(),
        }))),
    }
}

fn one_or_list(values: impl Iterator<Item = Value>) -> Value {
    let mut values: Vec<Value> = values.collect();
    if values.len() == 1 { values.swap_remove(0) } else { Value::Array(values) }
}
