//! Codecs from numbers to numbers: differences, scales and other types.

use std::num::NonZeroU64;
use std::sync::Arc;

use eolith_cube::DType;
use serde_json::Value;
use zarrs::array::{
    ArrayBytes, ArrayCodecTraits, ArrayToArrayCodecTraits, Codec, CodecError, CodecOptions,
    DataType, FillValue, RecommendedConcurrency,
};
use zarrs::metadata::Configuration;
use zarrs::metadata::v3::MetadataV3;
use zarrs::plugin::PluginCreateError;

/// The name of [`Scale`]: numcodecs' codec under a name of its own, because that of `zarrs` goes through 32 bits.
pub(super) const SCALE: &str = "eolith.fixedscaleoffset";

/// Values in memory, their type, and the type they become.
type Types = (DType, DType);

macro_rules! codec {
    ($(#[$doc:meta])* $name:ident, $v3:expr, $v2:expr, $types:expr, $rule:expr) => {
        $(#[$doc])*
        #[derive(Debug)]
        struct $name {
            configuration: Configuration,
            rule: Rule,
            types: Types,
        }

        registered! { $name, $v3, $v2 }

        impl $name {
            fn codec(configuration: Configuration) -> Result<Codec, PluginCreateError> {
                let rule: fn(&Configuration) -> Result<Rule, String> = $rule;
                let rule = rule(&configuration).map_err(PluginCreateError::Other)?;
                let types = types(&configuration, $types).map_err(PluginCreateError::Other)?;
                Ok(Codec::ArrayToArray(Arc::new($name { configuration, rule, types })))
            }
        }

        impl ArrayCodecTraits for $name {
            fn recommended_concurrency(
                &self,
                _shape: &[NonZeroU64],
                _data_type: &DataType,
            ) -> Result<RecommendedConcurrency, CodecError> {
                Ok(RecommendedConcurrency::new_maximum(1))
            }
        }

        impl ArrayToArrayCodecTraits for $name {
            fn into_dyn(self: Arc<Self>) -> Arc<dyn ArrayToArrayCodecTraits> {
                self
            }

            fn encoded_data_type(&self, decoded: &DataType) -> Result<DataType, CodecError> {
                let (stored, wanted) = self.types;
                if *decoded != data_type(wanted)? {
                    return Err(CodecError::UnsupportedDataType(decoded.clone(), $v2.to_owned()));
                }
                data_type(stored)
            }

            /// Nobody asks for it: chunks that are not there are not decoded.
            fn encoded_fill_value(
                &self,
                _decoded: &DataType,
                _fill_value: &FillValue,
            ) -> Result<FillValue, CodecError> {
                Ok(FillValue::from(vec![0; self.types.0.size()]))
            }

            fn encode<'a>(
                &self,
                _bytes: ArrayBytes<'a>,
                _shape: &[NonZeroU64],
                _data_type: &DataType,
                _fill_value: &FillValue,
                _options: &CodecOptions,
            ) -> Result<ArrayBytes<'a>, CodecError> {
                Err(CodecError::Other(format!("{} is read only", $v2)))
            }

            fn decode<'a>(
                &self,
                bytes: ArrayBytes<'a>,
                _shape: &[NonZeroU64],
                _data_type: &DataType,
                _fill_value: &FillValue,
                _options: &CodecOptions,
            ) -> Result<ArrayBytes<'a>, CodecError> {
                Ok(decoded(self.rule, self.types, &bytes.into_fixed()?).into())
            }
        }
    };
}

codec! {
    /// The first number, then the difference of each to the one before it.
    Delta, "numcodecs.delta", "delta", ["astype", "dtype"], |_| Ok(Rule::Sum)
}

codec! {
    /// Numbers that were shifted, scaled and rounded.
    Scale, SCALE, SCALE, ["astype", "dtype"], |configuration| {
        let number = |name: &str| {
            let value = configuration.get(name).and_then(Value::as_f64);
            value.ok_or_else(|| format!("`{name}` of fixedscaleoffset is no number"))
        };
        Ok(Rule::Scale { scale: number("scale")?, offset: number("offset")? })
    }
}

codec! {
    /// Numbers of another type.
    AsType, "numcodecs.astype", "astype", ["encode_dtype", "decode_dtype"], |_| Ok(Rule::Cast)
}

codec! {
    /// Numbers with fewer digits, of another type if that is said.
    Quantize, "numcodecs.quantize", "quantize", ["astype", "dtype"], |_| Ok(Rule::Cast)
}

/// How a stored number becomes a value.
#[derive(Clone, Copy, Debug)]
enum Rule {
    Cast,
    /// With all before it added, in the type of the result.
    Sum,
    /// Divided, then shifted: in 32 bits where it is stored in such floats, else in 64.
    Scale {
        scale: f64,
        offset: f64,
    },
}

/// The stored type, which is the other one if it is not said, and the type of the values.
fn types(configuration: &Configuration, [stored, wanted]: [&str; 2]) -> Result<Types, String> {
    let said = |name: &str| configuration.get(name).and_then(Value::as_str);
    let wanted = said(wanted).ok_or_else(|| format!("a filter has no `{wanted}`"))?;
    let stored = said(stored).unwrap_or(wanted);
    if stored.starts_with('>') && !wanted.starts_with('>') {
        return Err("a filter whose stored numbers have another byte order".to_owned());
    }
    Ok((number(stored)?, number(wanted)?))
}

/// numpy's name of a type: `<u2`, `u2` or `uint16`.
fn number(name: &str) -> Result<DType, String> {
    let found = match name.trim_start_matches(['<', '>', '|', '=']) {
        "u1" => Some(DType::U8),
        "i1" => Some(DType::I8),
        "u2" => Some(DType::U16),
        "i2" => Some(DType::I16),
        "u4" => Some(DType::U32),
        "i4" => Some(DType::I32),
        "u8" => Some(DType::U64),
        "i8" => Some(DType::I64),
        "f4" => Some(DType::F32),
        "f8" => Some(DType::F64),
        name => DType::from_name(name).filter(|dtype| *dtype != DType::Bool),
    };
    found.ok_or_else(|| format!("a filter of numbers of the type `{name}`"))
}

fn data_type(dtype: DType) -> Result<DataType, CodecError> {
    DataType::from_metadata(&MetadataV3::new(dtype.name()))
        .map_err(|error| CodecError::Other(error.to_string()))
}

/// Numbers in the byte order of this machine.
trait Number: Copy {
    const SIZE: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, to: &mut Vec<u8>);
    fn of_int(value: i128) -> Self;
    fn of_float(value: f64) -> Self;
    /// Integers as they are, floats as floats.
    fn value(self) -> Exact;
    fn plus(self, other: Self) -> Self;
    /// `value / scale + offset` in the precision of a stored number.
    fn unscaled(self, scale: f64, offset: f64) -> f64;
}

#[derive(Clone, Copy)]
enum Exact {
    Int(i128),
    Float(f64),
}

macro_rules! number {
    ($type:ty, $exact:ident($as:ty), $plus:expr, $float:ty) => {
        impl Number for $type {
            const SIZE: usize = size_of::<$type>();
            fn read(bytes: &[u8]) -> $type {
                <$type>::from_ne_bytes(bytes.try_into().unwrap_or_default())
            }
            fn write(self, to: &mut Vec<u8>) {
                to.extend_from_slice(&self.to_ne_bytes());
            }
            fn of_int(value: i128) -> $type {
                value as $type
            }
            fn of_float(value: f64) -> $type {
                value as $type
            }
            fn value(self) -> Exact {
                Exact::$exact(self as $as)
            }
            fn plus(self, other: $type) -> $type {
                $plus(self, other)
            }
            fn unscaled(self, scale: f64, offset: f64) -> f64 {
                (self as $float / scale as $float + offset as $float) as f64
            }
        }
    };
}

number! { u8, Int(i128), u8::wrapping_add, f64 }
number! { i8, Int(i128), i8::wrapping_add, f64 }
number! { u16, Int(i128), u16::wrapping_add, f64 }
number! { i16, Int(i128), i16::wrapping_add, f64 }
number! { u32, Int(i128), u32::wrapping_add, f64 }
number! { i32, Int(i128), i32::wrapping_add, f64 }
number! { u64, Int(i128), u64::wrapping_add, f64 }
number! { i64, Int(i128), i64::wrapping_add, f64 }
number! { f32, Float(f64), |a, b| a + b, f32 }
number! { f64, Float(f64), |a, b| a + b, f64 }

macro_rules! with_type {
    ($dtype:expr, $type:ident => $result:expr) => {
        match $dtype {
            DType::Bool | DType::U8 => {
                type $type = u8;
                $result
            }
            DType::I8 => {
                type $type = i8;
                $result
            }
            DType::U16 => {
                type $type = u16;
                $result
            }
            DType::I16 => {
                type $type = i16;
                $result
            }
            DType::U32 => {
                type $type = u32;
                $result
            }
            DType::I32 => {
                type $type = i32;
                $result
            }
            DType::U64 => {
                type $type = u64;
                $result
            }
            DType::I64 => {
                type $type = i64;
                $result
            }
            DType::F32 => {
                type $type = f32;
                $result
            }
            DType::F64 => {
                type $type = f64;
                $result
            }
        }
    };
}

fn decoded(rule: Rule, (stored, wanted): Types, bytes: &[u8]) -> Vec<u8> {
    with_type!(stored, S => with_type!(wanted, W => values::<S, W>(rule, bytes)))
}

fn values<S: Number, W: Number>(rule: Rule, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() / S::SIZE * W::SIZE);
    let stored = bytes.chunks_exact(S::SIZE).map(S::read);
    match rule {
        Rule::Cast => stored.for_each(|own| cast::<S, W>(own).write(&mut out)),
        Rule::Sum => {
            let mut sum: Option<W> = None;
            for own in stored {
                let own = cast::<S, W>(own);
                let next = sum.map_or(own, |before| before.plus(own));
                next.write(&mut out);
                sum = Some(next);
            }
        }
        Rule::Scale { scale, offset } => {
            stored.for_each(|own| W::of_float(own.unscaled(scale, offset)).write(&mut out));
        }
    }
    out
}

fn cast<S: Number, W: Number>(own: S) -> W {
    match own.value() {
        Exact::Int(value) => W::of_int(value),
        Exact::Float(value) => W::of_float(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes<const N: usize, T>(values: &[T], of: impl Fn(&T) -> [u8; N]) -> Vec<u8> {
        values.iter().flat_map(of).collect()
    }

    #[test]
    fn differences_are_summed_in_the_type_of_the_result() {
        let stored = bytes(&[250i16, 10, -20], |n| n.to_ne_bytes());
        assert_eq!(decoded(Rule::Sum, (DType::I16, DType::U8), &stored), [250, 4, 240]);
        // 2^24 + 1 + 1 is 2^24 in single precision, one by one.
        let stored = bytes(&[16_777_216f32, 1.0, 1.0], |n| n.to_ne_bytes());
        let sums = decoded(Rule::Sum, (DType::F32, DType::F32), &stored);
        assert_eq!(sums, bytes(&[16_777_216f32; 3], |n| n.to_ne_bytes()));
        let sums = decoded(Rule::Sum, (DType::F32, DType::F64), &stored);
        assert_eq!(sums, bytes(&[16_777_216f64, 16_777_217.0, 16_777_218.0], |n| n.to_ne_bytes()));
    }

    #[test]
    fn scales_keep_integers_beyond_single_precision() {
        let stored = bytes(&[123_456_789i32], |n| n.to_ne_bytes());
        let rule = Rule::Scale { scale: 100.0, offset: 273.15 };
        let found = decoded(rule, (DType::I32, DType::F64), &stored);
        assert_eq!(found, (123_456_789.0f64 / 100.0 + 273.15).to_ne_bytes());
    }

    #[test]
    fn types_have_names_with_and_without_byte_order() {
        assert_eq!(number("<u2"), Ok(DType::U16));
        assert_eq!(number("uint16"), Ok(DType::U16));
        assert!(number("<c8").is_err() && number("bool").is_err());
        let configuration = |text: &str| {
            Configuration::from(
                serde_json::from_str::<serde_json::Map<String, Value>>(text).unwrap(),
            )
        };
        let names = ["astype", "dtype"];
        let same = types(&configuration(r#"{"dtype": "<f4"}"#), names);
        assert_eq!(same, Ok((DType::F32, DType::F32)));
        assert!(types(&configuration(r#"{"dtype": "<f4", "astype": ">i2"}"#), names).is_err());
        assert!(types(&configuration("{}"), names).is_err());
    }
}
