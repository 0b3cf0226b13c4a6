//! What is said of one band, wherever a version of STAC says it.
//!
//! 1.0 has two parallel lists in an asset, `eo:bands` (names, wavelengths) and `raster:bands` (types, no-data,
//! scale); 1.1 has one, `bands`, whose fields may stand once in the asset instead. A later source fills gaps of an
//! earlier one and never overrides it.

use eolith_cube::{DType, Number, Variable};
use serde_json::{Map, Value};

/// What is known of a band. `None` is "not said".
#[derive(Clone, Debug, Default, PartialEq)]
pub struct BandInfo {
    pub name: Option<String>,
    /// As in the document; a type that cannot be read (`cint16`) is an error only when the band is used.
    pub data_type: Option<String>,
    pub nodata: Option<Number>,
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub unit: Option<String>,
    pub common_name: Option<String>,
    /// Micrometres.
    pub center_wavelength: Option<f64>,
    /// Metres.
    pub gsd: Option<f64>,
}

impl BandInfo {
    /// From the fields of a band object, or of an asset whose fields hold for all its bands.
    pub fn of(fields: &Map<String, Value>) -> BandInfo {
        let text = |keys: &[&str]| {
            keys.iter().find_map(|key| fields.get(*key)?.as_str()).map(str::to_owned)
        };
        let float = |keys: &[&str]| keys.iter().find_map(|key| fields.get(*key)?.as_f64());
        BandInfo {
            name: text(&["name"]).filter(|name| !name.is_empty()),
            data_type: text(&["data_type"]),
            nodata: fields.get("nodata").and_then(number),
            scale: float(&["raster:scale", "scale"]),
            offset: float(&["raster:offset", "offset"]),
            unit: text(&["unit"]),
            common_name: text(&["eo:common_name", "common_name"]),
            center_wavelength: float(&["eo:center_wavelength", "center_wavelength"]),
            gsd: float(&["gsd", "raster:spatial_resolution", "spatial_resolution"]),
        }
    }

    /// Takes over what `self` does not know.
    #[must_use]
    pub fn or(self, other: &BandInfo) -> BandInfo {
        BandInfo {
            name: self.name.or_else(|| other.name.clone()),
            data_type: self.data_type.or_else(|| other.data_type.clone()),
            nodata: self.nodata.or(other.nodata),
            scale: self.scale.or(other.scale),
            offset: self.offset.or(other.offset),
            unit: self.unit.or_else(|| other.unit.clone()),
            common_name: self.common_name.or_else(|| other.common_name.clone()),
            center_wavelength: self.center_wavelength.or(other.center_wavelength),
            gsd: self.gsd.or(other.gsd),
        }
    }

    /// The type, if it is said and can be read.
    pub fn dtype(&self) -> Option<DType> {
        self.data_type.as_deref().and_then(DType::from_name)
    }

    /// As the description of stored pixels of `dtype`. A no-data value that `dtype` does not have is dropped:
    /// no pixel can be equal to it.
    pub fn variable(&self, dtype: DType) -> Variable {
        let nodata = self.nodata.filter(|value| dtype.holds(*value)).map(|value| match value {
            Number::Float(float) if !dtype.is_float() => Number::Int(float as i128),
            Number::Int(int) if dtype.is_float() => Number::Float(int as f64),
            same => same,
        });
        Variable {
            nodata,
            scale: self.scale,
            offset: self.offset,
            unit: self.unit.clone(),
            common_name: self.common_name.clone(),
            center_wavelength: self.center_wavelength,
            ..Variable::new(dtype)
        }
    }
}

/// A JSON number, or one of the words STAC uses for those JSON does not have.
pub fn number(value: &Value) -> Option<Number> {
    match value {
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(int), _) => Some(Number::Int(int.into())),
            (None, Some(int)) => Some(Number::Int(int.into())),
            (None, None) => number.as_f64().map(Number::Float),
        },
        Value::String(text) => match text.to_ascii_lowercase().as_str() {
            "nan" => Some(Number::Float(f64::NAN)),
            "inf" => Some(Number::Float(f64::INFINITY)),
            "-inf" => Some(Number::Float(f64::NEG_INFINITY)),
            other => other.parse().ok().map(Number::Float),
        },
        _ => None,
    }
}

/// The bands of an asset (or of a collection), in order; empty where none are listed.
pub(super) fn list(fields: &Map<String, Value>) -> Vec<BandInfo> {
    let lists = ["bands", "eo:bands", "raster:bands"].map(|key| {
        let list = fields.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        list.iter().map(|band| band.as_object().map(BandInfo::of).unwrap_or_default())
    });
    let mut bands: Vec<BandInfo> = Vec::new();
    for list in lists {
        for (i, band) in list.enumerate() {
            match bands.get_mut(i) {
                Some(known) => *known = std::mem::take(known).or(&band),
                None => bands.push(band),
            }
        }
    }
    bands
}
