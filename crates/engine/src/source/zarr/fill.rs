//! Which value of an array means no-data, following xarray.
//!
//! In version 2 the array's own `fill_value` counts unless it is null; in version 3 only the attributes
//! `_FillValue` and `missing_value` do, where xarray writes floats as base64 of their eight little-endian bytes. Where
//! none of these is there, the attribute `nodata` counts, as rioxarray and odc-geo have it.
//! Float arrays that declare a value have a second one, NaN; in those that declare none NaN is a value.

use eolith_cube::{DType, Number};
use serde_json::{Map, Value};

/// The no-data value; `None` where nothing is declared or it is no value of the type.
pub(super) fn nodata(
    dtype: DType,
    attributes: &Map<String, Value>,
    fill_value_v2: Option<&Value>,
) -> Option<Number> {
    let declared = (attributes.get("_FillValue").or(fill_value_v2))
        .filter(|value| !value.is_null())
        .or_else(|| attributes.get("missing_value"))
        .or_else(|| attributes.get("nodata"))
        .filter(|value| !value.is_null())?;
    let number = number(declared, dtype);
    if number.is_none() {
        tracing::warn!(value = %declared, dtype = dtype.name(), "no-data value is not of the array's type");
    }
    number
}

/// Reads a number of the type: JSON number, `"NaN"`, `"Infinity"`, or base64 of a float's bytes.
pub(super) fn number(value: &Value, dtype: DType) -> Option<Number> {
    let number = match value {
        Value::Bool(flag) => Number::Int((*flag).into()),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Number::Int(int.into()),
            (None, Some(int)) => Number::Int(int.into()),
            (None, None) => Number::Float(number.as_f64()?),
        },
        Value::String(text) => match text.as_str() {
            "NaN" | "nan" => Number::Float(f64::NAN),
            "Infinity" => Number::Float(f64::INFINITY),
            "-Infinity" => Number::Float(f64::NEG_INFINITY),
            text => encoded(text).or_else(|| text.parse().ok().map(Number::Float))?,
        },
        Value::Array(values) if values.len() == 1 => return self::number(&values[0], dtype),
        Value::Array(_) | Value::Object(_) | Value::Null => return None,
    };
    // A decimal text of a 32-bit value is seldom that value exactly.
    let number = match number {
        Number::Float(value) if dtype == DType::F32 => Number::Float(f64::from(value as f32)),
        Number::Int(value) if dtype == DType::F32 => Number::Float(f64::from(value as f32)),
        other => other,
    };
    dtype.holds(number).then_some(number)
}

fn encoded(text: &str) -> Option<Number> {
    let bytes = base64(text)?;
    if let Ok(eight) = <[u8; 8]>::try_from(bytes.as_slice()) {
        return Some(Number::Float(f64::from_le_bytes(eight)));
    }
    let four = <[u8; 4]>::try_from(bytes.as_slice()).ok()?;
    Some(Number::Float(f32::from_le_bytes(four).into()))
}

/// RFC 4648 base64 with padding.
pub(in crate::source) fn base64(text: &str) -> Option<Vec<u8>> {
    if text.is_empty() || !text.len().is_multiple_of(4) {
        return None;
    }
    let data = text.trim_end_matches('=');
    let (mut out, mut bits, mut held) = (Vec::with_capacity(data.len()), 0u32, 0);
    for c in data.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            b'a'..=b'z' => c - b'a' + 26,
            b'0'..=b'9' => c - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        bits = (bits << 6) | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            out.push((bits >> held) as u8);
            bits &= (1 << held) - 1;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn fill_values_in_all_spellings() {
        let f32_of = |value| number(&value, DType::F32).unwrap().to_f64();
        assert!(f32_of(json!("NaN")).is_nan());
        assert!(f32_of(json!("AAAAAAAA+H8=")).is_nan());
        assert_eq!(f32_of(json!("AAAAgB2vFUQ=")), f64::from(1e20_f32));
        assert_eq!(f32_of(json!(1.000_000_020_040_877_3e20)), f64::from(1e20_f32));
        assert_eq!(number(&json!(-9999), DType::I16), Some(Number::Int(-9999)));
        assert_eq!(number(&json!(-9999), DType::U16), None);
        assert_eq!(number(&json!([255]), DType::U8), Some(Number::Int(255)));
    }

    #[test]
    fn nodata_counts_where_nothing_else_does() {
        let found = |attributes: Value, fill: Option<&Value>| {
            nodata(DType::U16, attributes.as_object().unwrap(), fill)
        };
        assert_eq!(found(json!({"nodata": 0}), None), Some(Number::Int(0)));
        assert_eq!(found(json!({"nodata": null}), None), None);
        assert_eq!(found(json!({"nodata": 0, "_FillValue": 9}), None), Some(Number::Int(9)));
        assert_eq!(found(json!({"nodata": 0, "missing_value": 8}), None), Some(Number::Int(8)));
        assert_eq!(found(json!({"nodata": 0}), Some(&json!(7))), Some(Number::Int(7)));
    }

    #[test]
    fn version_2_counts_its_own_fill_value() {
        let none = Map::new();
        assert_eq!(nodata(DType::U8, &none, Some(&json!(0))), Some(Number::Int(0)));
        assert_eq!(nodata(DType::U8, &none, Some(&Value::Null)), None);
        assert_eq!(nodata(DType::U8, &none, None), None);
        let missing = json!({"missing_value": 7}).as_object().cloned().unwrap();
        assert_eq!(nodata(DType::U8, &missing, None), Some(Number::Int(7)));
    }
}
