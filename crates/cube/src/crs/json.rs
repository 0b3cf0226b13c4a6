//! PROJJSON reference systems, as far as they decide coordinates.
//!
//! The same picks as in `wkt.rs`, from another notation.

use serde_json::Value;

use super::CrsError;
use super::describe::{Description, Projection, degrees, is_length, plain, shift};

/// Reads `text` as PROJJSON.
///
/// # Errors
/// [`CrsError::Malformed`], and [`CrsError::Unsupported`] for systems that are not geographic or projected.
pub(super) fn describe(text: &str) -> Result<Description, CrsError> {
    let root: Value = serde_json::from_str(text)
        .map_err(|e| CrsError::malformed(text, format!("it is no JSON: {e}").to_lowercase()))?;
    let mut node = &root;
    let mut bound = None;
    // JSON of limited depth ends this loop.
    loop {
        node = match node["type"].as_str() {
            Some("CompoundCRS") => &node["components"][0],
            Some("BoundCRS") => {
                bound = Some(node);
                &node["source_crs"]
            }
            _ => break,
        };
    }
    let mut found = match node["type"].as_str() {
        Some("ProjectedCRS") => projected(node, text)?,
        Some("GeographicCRS" | "GeodeticCRS") => geographic(node, text)?,
        Some(other) => {
            return Err(CrsError::unsupported(
                other,
                "only geographic and projected systems are read",
            ));
        }
        None => return Err(CrsError::malformed(text, "it has no `type`")),
    };
    if let Some(bound) = bound {
        let target = &bound["target_crs"];
        if epsg(target) != Some(4326) && plain(&name(target)) != "wgs84" {
            return Err(CrsError::unsupported("BoundCRS", "its target is not WGS 84"));
        }
        let step = &bound["transformation"];
        found.shift = Some(shift(&name(&step["method"]), &parameters(step, |_, value, _| value))?);
    }
    Ok(found)
}

fn geographic(node: &Value, text: &str) -> Result<Description, CrsError> {
    let missing = |what: &str| CrsError::malformed(text, format!("it has no {what}"));
    let system = &node["coordinate_system"];
    if system["subtype"].as_str().is_some_and(|kind| kind != "ellipsoidal") {
        return Err(CrsError::unsupported(
            name(node),
            "only geographic and projected systems are read",
        ));
    }
    let datum = [&node["datum"], &node["datum_ensemble"]]
        .into_iter()
        .find(|d| d.is_object())
        .ok_or_else(|| missing("datum"))?;
    let ellipsoid = &datum["ellipsoid"];
    let radius = measure(&ellipsoid["radius"]);
    let semi_major = radius
        .or_else(|| measure(&ellipsoid["semi_major_axis"]))
        .ok_or_else(|| missing("semi-major axis"))?;
    let stated = radius.map(|_| 0.0).or_else(|| ellipsoid["inverse_flattening"].as_f64());
    let inverse_flattening = match (stated, measure(&ellipsoid["semi_minor_axis"])) {
        (Some(inverse), _) => inverse,
        (None, Some(minor)) if minor < semi_major => semi_major / (semi_major - minor),
        (None, Some(_)) => 0.0,
        (None, None) => return Err(missing("flattening")),
    };
    let meridian = &datum["prime_meridian"]["longitude"];
    let meridian_degrees = meridian
        .as_f64()
        .or_else(|| Some(meridian["value"].as_f64()? * angle(&meridian["unit"])))
        .unwrap_or(0.0);
    Ok(Description {
        epsg: epsg(node),
        name: name(node),
        datum: name(datum),
        semi_major,
        inverse_flattening,
        prime_meridian: meridian_degrees,
        unit_degrees: angle(&system["axis"][0]["unit"]),
        axes: directions(system),
        ..Description::default()
    })
}

fn projected(node: &Value, text: &str) -> Result<Description, CrsError> {
    let below = geographic(&node["base_crs"], text)?;
    let conversion = &node["conversion"];
    let system = &node["coordinate_system"];
    let method = name(&conversion["method"]);
    if method.is_empty() {
        return Err(CrsError::malformed(text, "it has no projection method"));
    }
    let parameters = parameters(conversion, |name, value, unit| {
        if is_length(name) {
            value * length(unit)
        } else if name.contains("scale") {
            value
        } else {
            value * angle(unit)
        }
    });
    Ok(Description {
        epsg: epsg(node),
        base_epsg: below.epsg,
        name: name(node),
        projection: Some(Projection { method, parameters }),
        unit_metres: length(&system["axis"][0]["unit"]),
        axes: directions(system),
        ..below
    })
}

fn parameters(node: &Value, convert: impl Fn(&str, f64, &Value) -> f64) -> Vec<(String, f64)> {
    let list = node["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    list.iter()
        .filter_map(|p| {
            let name = plain(p["name"].as_str()?);
            let value = convert(&name, p["value"].as_f64()?, &p["unit"]);
            Some((name, value))
        })
        .collect()
}

fn name(node: &Value) -> String {
    node["name"].as_str().unwrap_or_default().to_owned()
}

fn epsg(node: &Value) -> Option<u32> {
    let ids = node["ids"].as_array().map(Vec::as_slice).unwrap_or_default();
    ids.iter().chain([&node["id"]]).find_map(|id| {
        let code = &id["code"];
        let number = code.as_u64().or_else(|| code.as_str()?.parse().ok())?;
        (id["authority"] == "EPSG").then(|| u32::try_from(number).ok())?
    })
}

fn directions(system: &Value) -> Vec<String> {
    let axes = system["axis"].as_array().map(Vec::as_slice).unwrap_or_default();
    axes.iter().filter_map(|axis| axis["direction"].as_str()).map(str::to_ascii_lowercase).collect()
}

/// Metres in a unit.
fn length(unit: &Value) -> f64 {
    unit["conversion_factor"].as_f64().unwrap_or(1.0)
}

/// Degrees in a unit.
fn angle(unit: &Value) -> f64 {
    unit["conversion_factor"].as_f64().map_or(1.0, degrees)
}

/// A length that is a number of metres, or a value with a unit.
fn measure(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| Some(value["value"].as_f64()? * length(&value["unit"])))
}
