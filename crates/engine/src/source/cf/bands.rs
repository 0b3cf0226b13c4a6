//! What each band stores: type, no-data, scale, unit, and what it measures.

use eolith_cube::Variable;
use serde_json::{Map, Value};

use super::{number, text};
use crate::source::ArrayMeta;

/// The common names of the STAC EO extension.
const COMMON_NAMES: [&str; 24] = [
    "pan",
    "coastal",
    "blue",
    "green",
    "green05",
    "yellow",
    "red",
    "rededge",
    "rededge071",
    "rededge075",
    "rededge078",
    "nir",
    "nir08",
    "nir09",
    "cirrus",
    "swir16",
    "swir22",
    "lwir",
    "lwir11",
    "lwir12",
    "ultraviolet",
    "purple",
    "swir12",
    "swir",
];

/// Sentinel-2's bands, by the STAC EO extension.
const SENTINEL_2: [(&str, &str); 13] = [
    ("B01", "coastal"),
    ("B02", "blue"),
    ("B03", "green"),
    ("B04", "red"),
    ("B05", "rededge071"),
    ("B06", "rededge075"),
    ("B07", "rededge078"),
    ("B08", "nir"),
    ("B8A", "nir08"),
    ("B09", "nir09"),
    ("B10", "cirrus"),
    ("B11", "swir16"),
    ("B12", "swir22"),
];

/// One band a variable. From `attributes` of the file common names are guessed.
pub(super) fn of_variables(
    metas: &[&ArrayMeta],
    labels: &[String],
    attributes: Option<&Map<String, Value>>,
    notes: &mut Vec<String>,
) -> Vec<Variable> {
    let mut variables: Vec<Variable> = metas.iter().map(|meta| variable(meta)).collect();
    guess(&mut variables, labels, attributes, notes);
    variables
}

/// One variable whose bands are labels of a dimension: all are stored alike.
pub(super) fn along_dimension(
    meta: &ArrayMeta,
    labels: &[String],
    attributes: Option<&Map<String, Value>>,
    notes: &mut Vec<String>,
) -> Vec<Variable> {
    let mut shared = variable(meta);
    if labels.len() > 1 {
        // What is true of the whole array is true of no single band.
        (shared.common_name, shared.center_wavelength) = (None, None);
    }
    let mut variables = vec![shared; labels.len()];
    guess(&mut variables, labels, attributes, notes);
    variables
}

fn variable(meta: &ArrayMeta) -> Variable {
    let attributes = &meta.attributes;
    let standard = text(attributes, "standard_name").filter(|name| COMMON_NAMES.contains(name));
    let common = ["common_name", "eo:common_name"].iter().find_map(|name| text(attributes, name));
    let wavelength = ["center_wavelength", "eo:center_wavelength"];
    Variable {
        nodata: meta.nodata,
        // The second name is that of files written here, whose readers shall not unpack on their own.
        scale: number(attributes, "scale_factor").or(number(attributes, "scale")),
        offset: number(attributes, "add_offset").or(number(attributes, "offset")),
        unit: text(attributes, "units").or(text(attributes, "unit")).map(str::to_owned),
        common_name: common.or(standard).map(str::to_owned),
        center_wavelength: wavelength.iter().find_map(|name| number(attributes, name)),
        ..Variable::new(meta.dtype)
    }
}

/// Fills in the common names of Sentinel-2's bands, if the file says that it is Sentinel-2.
fn guess(
    variables: &mut [Variable],
    labels: &[String],
    attributes: Option<&Map<String, Value>>,
    notes: &mut Vec<String>,
) {
    let Some(attributes) = attributes else { return };
    let properties = attributes.get("stac_discovery").and_then(|item| item.get("properties"));
    let places = [Some(attributes), properties.and_then(Value::as_object)];
    let names =
        ["title", "summary", "description", "platform", "constellation", "mission", "source"];
    let values = places.into_iter().flatten().flat_map(|own| names.map(|name| text(own, name)));
    let says_so = values.flatten().any(|value| {
        let value = value.to_ascii_lowercase();
        ["sentinel-2", "sentinel 2", "sentinel2"].iter().any(|name| value.contains(name))
    });
    if !says_so {
        return;
    }
    let mut guessed = Vec::new();
    for (variable, label) in variables.iter_mut().zip(labels) {
        let known = SENTINEL_2.iter().find(|(band, _)| label.eq_ignore_ascii_case(band));
        if let (None, Some((_, name))) = (&variable.common_name, known) {
            variable.common_name = Some((*name).to_owned());
            guessed.push(format!("`{label}`"));
        }
    }
    if !guessed.is_empty() {
        notes.push(format!(
            "common names of {} are guessed from the band names, since the file says it is Sentinel-2",
            guessed.join(", ")
        ));
    }
}
