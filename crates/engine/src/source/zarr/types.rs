//! Data types and dimension names of a metadata document, in what is left for `zarrs` to read.
//!
//! Two types are rewritten so that the codecs can be run: times of version 2 (`<M8[ns]`) are read as 64-bit
//! integers with the `units` that belong to them, and byte texts (`|S4`) as raw bytes.

use eolith_cube::DType;
use serde_json::{Map, Value};
use zarrs::array::{ArrayBytes, ArrayMetadata, ArrayMetadataV2, ArrayMetadataV3};

use super::metadata::Document;
use super::numcodecs;

/// How the elements of an array are stored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Stored {
    /// `flag`: bytes that stand for booleans, as xarray writes them.
    Number { dtype: DType, flag: bool },
    /// 64-bit integers since 1970, the smallest one is no time.
    Time,
    /// UTF-32 padded with zeros, `size` bytes each.
    Utf32 { size: usize },
    /// One byte a character, padded with zeros.
    Ascii { size: usize },
    /// UTF-8 of any length.
    Variable,
}

/// A document that was understood.
pub(super) struct Parsed {
    pub(super) metadata: ArrayMetadata,
    pub(super) stored: Stored,
    pub(super) shape: Vec<u64>,
    pub(super) dims: Vec<String>,
    pub(super) attributes: Map<String, Value>,
    /// `fill_value` of version 2 where it is not null.
    pub(super) fill_value_v2: Option<Value>,
}

impl Stored {
    pub(super) fn is_text(self) -> bool {
        matches!(self, Stored::Utf32 { .. } | Stored::Ascii { .. } | Stored::Variable)
    }

    /// Bytes of an element, one where that is not fixed.
    pub(super) fn size(self) -> usize {
        match self {
            Stored::Number { dtype, .. } => dtype.size(),
            Stored::Time => 8,
            Stored::Utf32 { size } | Stored::Ascii { size } => size,
            Stored::Variable => 1,
        }
    }
}

/// Reads the document of an array.
pub(super) fn read(document: Document, attributes: Map<String, Value>) -> Result<Parsed, String> {
    match document {
        Document::V2(document) => read_v2(document, attributes),
        Document::V3(document) => read_v3(document, attributes),
    }
}

/// The texts in a decoded chunk.
pub(super) fn texts(stored: Stored, bytes: ArrayBytes<'_>) -> Result<Vec<String>, String> {
    let trimmed = |text: &str| text.trim_end_matches('\0').to_owned();
    match stored {
        Stored::Utf32 { size } => {
            let bytes = bytes.into_fixed().map_err(|e| e.to_string())?;
            let text = |element: &[u8]| -> String {
                let code = |c: &[u8]| c.try_into().map_or(0, u32::from_ne_bytes);
                let text: String = (element.chunks_exact(4))
                    .map(|c| char::from_u32(code(c)).unwrap_or(char::REPLACEMENT_CHARACTER))
                    .collect();
                trimmed(&text)
            };
            Ok(bytes.chunks_exact(size).map(text).collect())
        }
        Stored::Ascii { size } => {
            let bytes = bytes.into_fixed().map_err(|e| e.to_string())?;
            let text = |element: &[u8]| trimmed(&String::from_utf8_lossy(element));
            Ok(bytes.chunks_exact(size).map(text).collect())
        }
        Stored::Variable => {
            let bytes = bytes.into_variable().map_err(|e| e.to_string())?;
            let (bytes, offsets) = bytes.into_parts();
            let text = |pair: &[usize]| {
                let text = bytes.get(pair[0]..pair[1]).ok_or("text beyond the end of the chunk")?;
                Ok(String::from_utf8_lossy(text).into_owned())
            };
            offsets.windows(2).map(text).collect()
        }
        Stored::Number { .. } | Stored::Time => Err("numbers are no texts".to_owned()),
    }
}

fn read_v2(mut document: Value, mut attributes: Map<String, Value>) -> Result<Parsed, String> {
    let dtype =
        (document.get("dtype").and_then(Value::as_str)).ok_or("its type is structured")?.to_owned();
    let mut stored = stored_v2(&dtype)?;
    let order = dtype.chars().next().filter(|c| "<>".contains(*c)).unwrap_or('|');
    match stored {
        Stored::Time => {
            document["dtype"] = format!("{order}i8").into();
            document["fill_value"] = Value::Null;
            let unit = dtype.split_once('[').map_or("", |(_, rest)| rest.trim_end_matches(']'));
            time_attributes(&mut attributes, unit, &dtype[1..2])?;
        }
        Stored::Ascii { size } => {
            document["dtype"] = format!("|V{size}").into();
            document["fill_value"] = vec![0; size].into();
        }
        Stored::Utf32 { .. } | Stored::Variable => {
            if !document.get("fill_value").is_some_and(Value::is_string) {
                document["fill_value"] = "".into();
            }
        }
        Stored::Number { dtype, ref mut flag } => *flag = is_flag(dtype, &attributes),
    }
    numcodecs::version_2(&mut document);
    let fill_value_v2 = (document.get("fill_value").filter(|value| !value.is_null())).cloned();
    let metadata: ArrayMetadataV2 =
        serde_json::from_value(document).map_err(|error| format!("metadata: {error}"))?;
    let shape = metadata.shape.clone();
    if metadata.chunks.len() != shape.len() {
        return Err("`chunks` and `shape` have different lengths".to_owned());
    }
    let dims = dims(attributes.get("_ARRAY_DIMENSIONS"), shape.len())?;
    attributes.remove("_ARRAY_DIMENSIONS");
    let metadata = ArrayMetadata::V2(metadata);
    Ok(Parsed { metadata, stored, shape, dims, attributes, fill_value_v2 })
}

fn read_v3(mut document: Value, mut attributes: Map<String, Value>) -> Result<Parsed, String> {
    let grid = &document["chunk_grid"];
    if grid.get("name").and_then(Value::as_str) != Some("regular") {
        return Err("its chunks are not regular".to_owned());
    }
    let kind = &document["data_type"];
    let name = kind.as_str().or_else(|| kind.get("name").and_then(Value::as_str));
    let name = name.ok_or("`data_type` has no name")?;
    let configuration = kind.get("configuration").cloned().unwrap_or(Value::Null);
    let stored = match name {
        "string" | "variable_length_utf8" => Stored::Variable,
        "fixed_length_utf32" => {
            let size = configuration.get("length_bytes").and_then(Value::as_u64);
            Stored::Utf32 { size: text_size(size)? }
        }
        "numpy.datetime64" | "numpy.timedelta64" => {
            if configuration.get("scale_factor").and_then(Value::as_u64).unwrap_or(1) != 1 {
                return Err("times in steps of several units are not supported".to_owned());
            }
            let unit = configuration.get("unit").and_then(Value::as_str).unwrap_or("");
            let kind = if name == "numpy.datetime64" { "M" } else { "m" };
            time_attributes(&mut attributes, unit, kind)?;
            Stored::Time
        }
        name => {
            let dtype = DType::from_name(name).ok_or_else(|| unsupported(name))?;
            Stored::Number { dtype, flag: is_flag(dtype, &attributes) }
        }
    };
    numcodecs::version_3(&mut document);
    let metadata: ArrayMetadataV3 =
        serde_json::from_value(document).map_err(|error| format!("metadata: {error}"))?;
    let shape = metadata.shape.clone();
    let named = metadata.dimension_names.as_ref();
    let names = named.map(|names| names.iter().cloned().map(Value::from).collect());
    let dims = dims(names.as_ref().or(attributes.get("_ARRAY_DIMENSIONS")), shape.len())?;
    let metadata = ArrayMetadata::V3(metadata);
    Ok(Parsed { metadata, stored, shape, dims, attributes, fill_value_v2: None })
}

fn stored_v2(dtype: &str) -> Result<Stored, String> {
    let number = |dtype| Ok(Stored::Number { dtype, flag: false });
    let plain = dtype.strip_prefix(['<', '>', '|']).ok_or_else(|| unsupported(dtype))?;
    match plain {
        "b1" => number(DType::Bool),
        "u1" => number(DType::U8),
        "i1" => number(DType::I8),
        "u2" => number(DType::U16),
        "i2" => number(DType::I16),
        "u4" => number(DType::U32),
        "i4" => number(DType::I32),
        "u8" => number(DType::U64),
        "i8" => number(DType::I64),
        "f4" => number(DType::F32),
        "f8" => number(DType::F64),
        "O" => Ok(Stored::Variable),
        _ if plain.starts_with("M8[") || plain.starts_with("m8[") => Ok(Stored::Time),
        _ => match plain.split_at_checked(1) {
            Some(("U", n)) => {
                let size = n.parse::<u64>().ok().and_then(|n| n.checked_mul(4));
                Ok(Stored::Utf32 { size: text_size(size)? })
            }
            Some(("S", n)) => Ok(Stored::Ascii { size: text_size(n.parse().ok())? }),
            _ => Err(unsupported(dtype)),
        },
    }
}

fn text_size(size: Option<u64>) -> Result<usize, String> {
    size.filter(|size| (1..=1 << 20).contains(size))
        .map(|size| size as usize)
        .ok_or_else(|| "its texts have no valid length".to_owned())
}

fn unsupported(name: &str) -> String {
    format!("the type `{name}` is not supported")
}

/// CF units for numpy's unit of a time (`M`) or duration (`m`).
fn time_attributes(
    attributes: &mut Map<String, Value>,
    unit: &str,
    kind: &str,
) -> Result<(), String> {
    let name = match unit {
        "W" => "weeks",
        "D" => "days",
        "h" => "hours",
        "m" => "minutes",
        "s" => "seconds",
        "ms" => "milliseconds",
        "us" | "μs" => "microseconds",
        "ns" => "nanoseconds",
        _ => return Err(format!("times in `{unit}` are not supported")),
    };
    let units = if kind == "M" { format!("{name} since 1970-01-01") } else { name.to_owned() };
    attributes.insert("units".to_owned(), units.into());
    if kind == "M" {
        attributes.insert("calendar".to_owned(), "proleptic_gregorian".into());
    }
    Ok(())
}

/// xarray stores booleans as bytes and says so in an attribute.
fn is_flag(dtype: DType, attributes: &Map<String, Value>) -> bool {
    dtype.size() == 1
        && dtype.is_integer()
        && attributes.get("dtype").and_then(Value::as_str) == Some("bool")
}

fn dims(names: Option<&Value>, n: usize) -> Result<Vec<String>, String> {
    let Some(names) = names.and_then(Value::as_array) else {
        return Ok((0..n).map(|i| format!("dim_{i}")).collect());
    };
    if names.len() != n {
        return Err(format!("{} dimension names for {n} dimensions", names.len()));
    }
    let name = |(i, name): (usize, &Value)| {
        name.as_str().map_or_else(|| format!("dim_{i}"), str::to_owned)
    };
    Ok(names.iter().enumerate().map(name).collect())
}
