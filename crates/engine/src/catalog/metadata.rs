//! What the catalogue says of a collection, and how that is written as a STAC Collection for openEO.
//!
//! Everything said here comes from the data or from the document that describes it; what is not known is left out
//! (there are no JSON nulls) or, where the standards demand a value, stands for "no bound": the whole earth, or
//! [`NO_START`] to [`NO_END`]. Links of the API are the server's business.

use eolith_cube::{DType, Number, Variable};
use serde_json::{Map, Value, json};

/// Start of an interval of data that states no time.
pub const NO_START: &str = "0001-01-01T00:00:00Z";
/// End of an interval of data that states no time, or goes on.
pub const NO_END: &str = "9999-01-01T00:00:00Z";

const STAC_VERSION: &str = "1.0.0";
const DATACUBE: &str = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json";

/// The description of a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct CollectionRecord {
    pub id: String,
    pub title: Option<String>,
    /// CommonMark.
    pub description: String,
    /// An SPDX id, or one of the words STAC has for other cases.
    pub license: String,
    pub keywords: Vec<String>,
    /// STAC provider objects.
    pub providers: Vec<Value>,
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub bbox: [f64; 4],
    /// First and last instant as RFC 3339.
    pub interval: [String; 2],
    /// `cube:dimensions`: name and object, in the order of the cube.
    pub dimensions: Vec<(String, Value)>,
    pub summaries: Map<String, Value>,
    /// Whether it consists of items, which can be filtered by their properties.
    pub has_items: bool,
    pub bands: Vec<(String, Variable)>,
    /// STAC links of the source with absolute addresses: licence, citation, more to read.
    pub links: Vec<Value>,
    /// Guesses that were made and what was left out.
    pub notes: Vec<String>,
}

impl CollectionRecord {
    /// A STAC 1.0.0 Collection. `links` holds those of the source only.
    pub fn to_stac_json(&self) -> Value {
        let mut description = self.description.clone();
        for (i, note) in self.notes.iter().enumerate() {
            description.push_str(if i == 0 { "\n\n* " } else { "\n* " });
            description.push_str(note);
        }
        let mut value = json!({
            "stac_version": STAC_VERSION,
            "stac_extensions": [DATACUBE],
            "type": "Collection",
            "id": self.id,
            "title": self.title,
            "description": description,
            "license": self.license,
            "extent": {
                "spatial": {"bbox": [self.bbox]},
                "temporal": {"interval": [self.interval]},
            },
            "cube:dimensions": self.dimensions.iter().cloned().collect::<Map<_, _>>(),
            "summaries": self.summaries,
            "links": self.links,
        });
        if !self.keywords.is_empty() {
            value["keywords"] = json!(self.keywords);
        }
        if !self.providers.is_empty() {
            value["providers"] = json!(self.providers);
        }
        without_nulls(value)
    }

    /// The properties that a filter of items can name, as a JSON Schema: those whose values the collection sums up.
    /// Items may have others.
    pub fn queryables(&self) -> Value {
        let known = self.summaries.iter().filter(|_| self.has_items);
        let known = known.filter_map(|(name, summary)| Some((name.clone(), queryable(summary)?)));
        json!({
            "$schema": "https://json-schema.org/draft/2019-09/schema",
            "type": "object",
            "title": self.title.as_ref().unwrap_or(&self.id),
            "properties": known.collect::<Map<_, _>>(),
            "additionalProperties": self.has_items,
        })
    }
}

/// The schema of the values that a summary stands for; `None` for those that are no single values.
fn queryable(summary: &Value) -> Option<Value> {
    let kind = |value: &Value| match value {
        Value::String(_) => Some("string"),
        Value::Number(_) => Some("number"),
        Value::Bool(_) => Some("boolean"),
        _ => None,
    };
    match summary {
        Value::Array(values) => {
            let first = values.first().and_then(kind)?;
            let alike = values.iter().all(|value| kind(value) == Some(first));
            alike.then(|| json!({"type": first, "enum": values}))
        }
        Value::Object(range) => {
            let (least, most) = (range.get("minimum")?, range.get("maximum")?);
            match (kind(least)?, kind(most)?) {
                ("number", "number") => {
                    Some(json!({"type": "number", "minimum": least, "maximum": most}))
                }
                ("string", "string") => Some(json!({"type": "string"})),
                _ => None,
            }
        }
        _ => None,
    }
}

/// The licence as STAC 1.0 words it: `other` is a word of 1.1, and free text is none.
pub(super) fn license(given: Option<&str>) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-.+_".contains(c);
    match given.map(str::trim) {
        Some(text) if !text.is_empty() && text != "other" && text.chars().all(allowed) => {
            text.to_owned()
        }
        _ => "proprietary".to_owned(),
    }
}

/// Summaries that follow from the bands: `eo:bands` and `raster:bands`.
pub(super) fn band_summaries(bands: &[(String, Variable)], summaries: &mut Map<String, Value>) {
    if bands.is_empty() {
        return;
    }
    let eo = bands.iter().map(|(name, variable)| {
        json!({"name": name, "common_name": variable.common_name,
            "center_wavelength": variable.center_wavelength})
    });
    let raster = bands.iter().map(|(name, variable)| {
        json!({"name": name, "data_type": data_type(variable.dtype),
            "nodata": variable.nodata.map(number), "scale": variable.scale,
            "offset": variable.offset, "unit": variable.unit})
    });
    summaries.insert("eo:bands".to_owned(), eo.collect());
    summaries.insert("raster:bands".to_owned(), raster.collect());
}

/// Without members that are null, at any depth.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.into_iter().filter(|(_, value)| !value.is_null());
            kept.map(|(key, value)| (key, without_nulls(value))).collect()
        }
        Value::Array(list) => {
            list.into_iter().filter(|value| !value.is_null()).map(without_nulls).collect()
        }
        other => other,
    }
}

/// A number, or the word STAC has for it.
pub(crate) fn number(number: Number) -> Value {
    match number {
        Number::Int(value) => match (i64::try_from(value), u64::try_from(value)) {
            (Ok(value), _) => value.into(),
            (_, Ok(value)) => value.into(),
            _ => (value as f64).into(),
        },
        Number::Float(value) if value.is_nan() => "nan".into(),
        Number::Float(value) if value.is_infinite() => {
            if value > 0.0 {
                "inf".into()
            } else {
                "-inf".into()
            }
        }
        Number::Float(value) => value.into(),
    }
}

fn data_type(dtype: DType) -> &'static str {
    if dtype == DType::Bool { "other" } else { dtype.name() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn licences_and_numbers_are_worded_for_stac() {
        assert_eq!(license(Some("CC-BY-4.0")), "CC-BY-4.0");
        assert_eq!(license(Some("other")), "proprietary");
        assert_eq!(license(Some("Freely available")), "proprietary");
        assert_eq!(license(None), "proprietary");
        assert_eq!(number(Number::Float(f64::NAN)), json!("nan"));
        assert_eq!(number(Number::Int(u64::MAX.into())), json!(u64::MAX));
        assert_eq!(
            without_nulls(json!({"a": [null, {"b": null, "c": 1}]})),
            json!({"a": [{"c": 1}]})
        );
    }
}
