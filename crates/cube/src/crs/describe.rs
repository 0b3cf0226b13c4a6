//! What WKT and PROJJSON say about a reference system, in one shape and in fixed units.
//!
//! `wkt.rs` and `json.rs` fill it, `methods.rs` makes a PROJ string of it.

use super::CrsError;

/// A reference system in words and numbers: degrees, metres, unity.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Description {
    /// EPSG code of the horizontal system itself.
    pub(super) epsg: Option<u32>,
    /// EPSG code of the geographic system below a projected one.
    pub(super) base_epsg: Option<u32>,
    pub(super) name: String,
    /// A PROJ string that the text carries along.
    pub(super) proj4: Option<String>,
    pub(super) datum: String,
    pub(super) semi_major: f64,
    /// Zero for a sphere.
    pub(super) inverse_flattening: f64,
    pub(super) prime_meridian: f64,
    /// Shift to WGS 84 as `+towgs84` spells it, 3 or 7 numbers.
    pub(super) shift: Option<Vec<f64>>,
    /// `None` for a geographic system.
    pub(super) projection: Option<Projection>,
    /// Metres in a unit of x and y of a projected system.
    pub(super) unit_metres: f64,
    /// Degrees in a unit of x and y of a geographic system.
    pub(super) unit_degrees: f64,
    /// Directions of the axes, lower case.
    pub(super) axes: Vec<String>,
}

/// A projection method with its parameters.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Projection {
    pub(super) method: String,
    /// Names as [`plain`] makes them.
    pub(super) parameters: Vec<(String, f64)>,
}

/// A name without case, spaces and punctuation: `Latitude_of_origin` is `latitudeoforigin`.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_alphanumeric()).map(|c| c.to_ascii_lowercase()).collect()
}

/// What the unit of a parameter measures, by the name of the parameter.
pub(super) fn is_length(plain_name: &str) -> bool {
    ["easting", "northing", "height"].iter().any(|part| plain_name.contains(part))
}

/// Radians as degrees, exact for the degree as files spell it.
pub(super) fn degrees(radians: f64) -> f64 {
    if (radians - 1f64.to_radians()).abs() < 1e-15 { 1.0 } else { radians.to_degrees() }
}

/// The shift to WGS 84 that a transformation with these parameters does, in the units of `+towgs84`.
///
/// # Errors
/// [`CrsError::Unsupported`] for methods other than the three usual ones.
pub(super) fn shift(method: &str, parameters: &[(String, f64)]) -> Result<Vec<f64>, CrsError> {
    let value = |name: &str| parameters.iter().find(|(n, _)| n == name).map_or(0.0, |(_, v)| *v);
    let mut shift =
        vec![value("xaxistranslation"), value("yaxistranslation"), value("zaxistranslation")];
    let name = plain(method);
    let sign = if name.starts_with("geocentrictranslations") {
        return Ok(shift);
    } else if name.starts_with("positionvector") {
        1.0
    } else if name.starts_with("coordinateframe") {
        -1.0
    } else {
        return Err(CrsError::unsupported(method, "this datum transformation is not implemented"));
    };
    shift.extend(["xaxisrotation", "yaxisrotation", "zaxisrotation"].map(|n| sign * value(n)));
    // Abridged WKT gives the factor, PROJJSON the difference to one in parts per million.
    let scale = value("scaledifference");
    shift.push(if (scale - 1.0).abs() < 1e-3 { (scale - 1.0) * 1e6 } else { scale });
    Ok(shift)
}
