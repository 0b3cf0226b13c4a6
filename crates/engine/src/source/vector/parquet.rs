//! GeoParquet 1.0 and 1.1: the primary column holds the geometries as well-known binary, all others are properties.
//!
//! Dates and times become texts, lists of plain values arrays; what is nested deeper (such as the boxes of a covering)
//! and binary columns are left out.

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::{Field, List};
use bytes::Bytes;
use eolith_cube::{Crs, Feature, Features};
use serde_json::{Number, Value as Json, json};

use super::{Count, VectorError, wkb};

/// Most bytes that the columns of a file may have when they are decoded.
const MOST_DECODED: u64 = 1 << 30;

pub(super) fn read(bytes: Bytes) -> Result<Features, VectorError> {
    let reader = SerializedFileReader::new(bytes).map_err(|e| invalid(e.to_string()))?;
    let metadata = reader.metadata();
    let decoded: u64 =
        metadata.row_groups().iter().map(|group| group.total_byte_size().max(0) as u64).sum();
    if decoded > MOST_DECODED {
        let most = MOST_DECODED as usize;
        return Err(VectorError::TooMany { most, what: "bytes when it is decoded" });
    }
    let pairs = metadata.file_metadata().key_value_metadata().into_iter().flatten();
    let geo = pairs.filter(|pair| pair.key == "geo").find_map(|pair| pair.value.clone());
    let geo = geo.ok_or_else(|| {
        invalid(
            "it is a table without geometries: the key `geo` is missing in its metadata".to_owned(),
        )
    })?;
    let geo: Json = serde_json::from_str(&geo)
        .map_err(|e| invalid(format!("the key `geo` is not JSON: {e}")))?;
    let (name, crs) = column(&geo)?;
    let mut count = Count::default();
    let mut list = Vec::new();
    for row in reader.get_row_iter(None).map_err(|e| invalid(e.to_string()))? {
        let row = row.map_err(|e| invalid(format!("row {}: {e}", list.len())))?;
        count.feature()?;
        let mut feature = Feature::default();
        let mut found = false;
        for (column, field) in row.get_column_iter() {
            if *column == name {
                found = true;
                feature.geometry = match field {
                    Field::Null => None,
                    Field::Bytes(bytes) => {
                        Some(wkb::read(bytes.data(), &mut count).map_err(|e| at(list.len(), e))?)
                    }
                    _ => return Err(invalid(format!("column `{name}` is not binary"))),
                };
            } else if let Some(value) = value(field) {
                feature.properties.insert(column.clone(), value);
            }
        }
        if !found {
            return Err(invalid(format!("there is no column `{name}`")));
        }
        list.push(feature);
    }
    Ok(Features { crs, list })
}

fn invalid(reason: String) -> VectorError {
    VectorError::Invalid { format: "GeoParquet", reason }
}

fn at(row: usize, error: VectorError) -> VectorError {
    match error {
        VectorError::Invalid { reason, .. } => invalid(format!("row {row}: {reason}")),
        other => other,
    }
}

/// Name and reference system of the primary column.
fn column(geo: &Json) -> Result<(String, Crs), VectorError> {
    let name = geo["primary_column"].as_str();
    let name = name.ok_or_else(|| invalid("`geo` names no primary column".to_owned()))?;
    let column = &geo["columns"][name];
    match column["encoding"].as_str() {
        Some("WKB") => {}
        Some(other) => {
            let text = format!("geometries in the encoding `{other}` are not read, only WKB");
            return Err(VectorError::Unsupported(text));
        }
        None => return Err(invalid(format!("`geo` does not say how `{name}` is encoded"))),
    }
    let crs = match column.get("crs") {
        None => Crs::wgs84(),
        Some(Json::Null) => {
            return Err(VectorError::Unsupported("it has no reference system".to_owned()));
        }
        Some(crs) => Crs::parse(&crs.to_string())
            .map_err(|e| VectorError::Unsupported(format!("its reference system: {e}")))?,
    };
    Ok((name.to_owned(), crs))
}

/// A value as JSON; `None` for what is left out.
fn value(field: &Field) -> Option<Json> {
    match field {
        Field::ListInternal(list) => Some(elements(list)),
        plain => scalar(plain),
    }
}

fn elements(list: &List) -> Json {
    list.elements().iter().map(|field| scalar(field).unwrap_or_default()).collect()
}

fn scalar(field: &Field) -> Option<Json> {
    let instant = |ns: i128| -> Option<Json> {
        let timestamp = jiff::Timestamp::from_nanosecond(ns).ok()?;
        Some(json!(timestamp.to_string()))
    };
    // Not finite numbers are null, as everywhere in JSON.
    let float = |v: f64| Some(Number::from_f64(v).map_or(Json::Null, Json::Number));
    match field {
        Field::Null => Some(Json::Null),
        Field::Bool(v) => Some(json!(v)),
        Field::Byte(v) => Some(json!(v)),
        Field::Short(v) => Some(json!(v)),
        Field::Int(v) => Some(json!(v)),
        Field::Long(v) => Some(json!(v)),
        Field::UByte(v) => Some(json!(v)),
        Field::UShort(v) => Some(json!(v)),
        Field::UInt(v) => Some(json!(v)),
        Field::ULong(v) => Some(json!(v)),
        Field::Float16(v) => float(v.to_f64()),
        // The shortest text of the 32 bits, not their expansion.
        Field::Float(v) => float(v.to_string().parse().unwrap_or(f64::from(*v))),
        Field::Double(v) => float(*v),
        Field::Str(v) => Some(json!(v)),
        Field::Date(days) => {
            let start = jiff::civil::date(1970, 1, 1);
            let span = jiff::Span::new().try_days(*days).ok()?;
            Some(json!(start.checked_add(span).ok()?.to_string()))
        }
        Field::TimestampMillis(v) => instant(i128::from(*v) * 1_000_000),
        Field::TimestampMicros(v) => instant(i128::from(*v) * 1_000),
        // Decimals, times of day, bytes, structures.
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_that_is_not_read_is_named() {
        let of = |text: &str| column(&serde_json::from_str(text).unwrap()).map(|(name, _)| name);
        let plain = r#"{"primary_column":"g","columns":{"g":{"encoding":"WKB"}}}"#;
        assert_eq!(of(plain).unwrap(), "g");
        for (text, part) in [
            ("{}", "primary column"),
            (r#"{"primary_column":"g","columns":{}}"#, "encoded"),
            (r#"{"primary_column":"g","columns":{"g":{"encoding":"point"}}}"#, "only WKB"),
            (
                r#"{"primary_column":"g","columns":{"g":{"encoding":"WKB","crs":null}}}"#,
                "no reference",
            ),
            (
                r#"{"primary_column":"g","columns":{"g":{"encoding":"WKB","crs":{"a":1}}}}"#,
                "system",
            ),
        ] {
            let error = of(text).unwrap_err().to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
