//! A no-data value in Zarr's metadata.

use eolith_cube::{DType, Number};
use serde_json::{Value, json};

/// Zarr's `fill_value` of an array.
pub(super) fn fill_value(dtype: DType, value: Option<Number>) -> Value {
    match value {
        None if dtype == DType::Bool => json!(false),
        None if dtype.is_float() => json!(0.0),
        None => json!(0),
        Some(Number::Float(value)) if value.is_nan() => json!("NaN"),
        Some(Number::Float(value)) if value.is_infinite() => {
            json!(if value > 0.0 { "Infinity" } else { "-Infinity" })
        }
        Some(value) if dtype.is_float() => json!(value.to_f64()),
        Some(value) => integer(value),
    }
}

/// The attribute `_FillValue`, which xarray writes as base64 of eight bytes for floats.
pub(super) fn fill_attribute(dtype: DType, value: Number) -> Value {
    if dtype.is_float() { base64(&value.to_f64().to_le_bytes()).into() } else { integer(value) }
}

fn integer(value: Number) -> Value {
    let value = match value {
        Number::Int(value) => value,
        Number::Float(value) => value as i128,
    };
    match (i64::try_from(value), u64::try_from(value)) {
        (Ok(value), _) => value.into(),
        (_, Ok(value)) => value.into(),
        _ => 0.into(),
    }
}

/// RFC 4648 base64 with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for group in bytes.chunks(3) {
        let mut bits = [0; 4];
        bits[1..=group.len()].copy_from_slice(group);
        let bits = u32::from_be_bytes(bits);
        for i in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * i)) as usize & 63];
            out.push(if i <= group.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fill_values_as_xarray_writes_them() {
        assert_eq!(fill_attribute(DType::F32, Number::Float(f64::NAN)), "AAAAAAAA+H8=");
        assert_eq!(fill_attribute(DType::F32, Number::Float(1e20_f32.into())), "AAAAgB2vFUQ=");
        assert_eq!(fill_attribute(DType::U8, Number::Int(255)), 255);
        assert_eq!(fill_value(DType::F64, Some(Number::Float(f64::NAN))), "NaN");
    }
}
