//! The reference system of a file: grid mapping variable, attributes, or longitudes and latitudes.

use eolith_cube::Crs;
use serde_json::{Map, Value};

use super::layout::{self, Layout, Role};
use super::{Entry, number, text};
use crate::source::ArrayMeta;

/// The grid mapping of the data: the one it names, else a variable called as tools call it.
pub(super) fn mapping<'a>(entries: &[Entry<'a>], layout: &Layout) -> Option<&'a ArrayMeta> {
    let first = entries[*layout.variables.first()?].meta;
    let named = text(&first.attributes, "grid_mapping").and_then(|names| {
        // The extended form is `crs: x y`; the first mapping is the one of x and y.
        let name = names.split_whitespace().next()?.trim_end_matches(':');
        layout::resolve(entries, &first.name, name)
    });
    named
        .or_else(|| {
            let usual = ["spatial_ref", "crs"];
            usual.iter().find_map(|name| layout::resolve(entries, &first.name, name))
        })
        .map(|index| entries[index].meta)
}

/// The system of x and y; notes say what was guessed or could not be read.
pub(super) fn find(
    entries: &[Entry<'_>],
    layout: &Layout,
    mapping: Option<&ArrayMeta>,
    attributes: &Map<String, Value>,
    notes: &mut Vec<String>,
) -> Option<Crs> {
    let has = |role: Role| layout.dims.iter().find(|dim| dim.role == role);
    let (Some(x), Some(y)) = (has(Role::X), has(Role::Y)) else { return None };
    let first = layout.variables.first().map(|&i| &entries[i].meta.attributes);
    let places = [mapping.map(|meta| &meta.attributes), first, Some(attributes)];
    let unit = x.coordinate.and_then(|i| text(&entries[i].meta.attributes, "units"));
    for place in places.into_iter().flatten() {
        if let Some(crs) = from_attributes(place, unit, notes) {
            return Some(crs);
        }
    }
    let wgs84 = || Crs::epsg(4326).ok();
    let units = |coordinate: Option<usize>, direction| {
        let units = coordinate.and_then(|i| text(&entries[i].meta.attributes, "units"));
        units.is_some_and(|units| layout::is_degrees(units, direction))
    };
    if units(x.coordinate, 'e') && units(y.coordinate, 'n') {
        return wgs84();
    }
    let is_name = |name: &str, names: &[&str]| names.contains(&name.to_ascii_lowercase().as_str());
    if is_name(&x.name, &["lon", "longitude"]) && is_name(&y.name, &["lat", "latitude"]) {
        notes.push(format!(
            "the reference system is taken to be EPSG:4326, from the names `{}` and `{}` alone",
            x.name, y.name
        ));
        return wgs84();
    }
    // Products of Copernicus EOPF carry a STAC item.
    let item = attributes.get("stac_discovery").and_then(|item| item.get("properties"));
    if let Some(crs) =
        item.and_then(Value::as_object).and_then(|own| from_attributes(own, unit, notes))
    {
        return Some(crs);
    }
    notes.push(format!("no reference system is given for `{}` and `{}`", x.name, y.name));
    None
}

fn from_attributes(
    attributes: &Map<String, Value>,
    unit: Option<&str>,
    notes: &mut Vec<String>,
) -> Option<Crs> {
    let texts = [
        "proj:code",
        "crs_wkt",
        "spatial_ref",
        "proj:wkt2",
        "epsg_code",
        "proj4",
        "proj4_params",
        "proj4text",
        "crs",
    ];
    for name in texts {
        let Some(value) = text(attributes, name).filter(|value| !value.trim().is_empty()) else {
            continue;
        };
        match Crs::parse(value) {
            Ok(crs) => return Some(crs),
            Err(error) => notes.push(format!("attribute `{name}` was not understood: {error}")),
        }
    }
    for name in ["proj:epsg", "epsg", "epsg_code"] {
        let code = number(attributes, name).filter(|code| *code > 0.0 && code.fract() == 0.0);
        match code.map(|code| Crs::epsg(code as u32)) {
            Some(Ok(crs)) => return Some(crs),
            Some(Err(error)) => {
                notes.push(format!("attribute `{name}` was not understood: {error}"));
            }
            None => {}
        }
    }
    if let Some(json) = attributes.get("proj:projjson").filter(|json| json.is_object()) {
        match Crs::parse(&json.to_string()) {
            Ok(crs) => return Some(crs),
            Err(error) => notes.push(format!("`proj:projjson` was not understood: {error}")),
        }
    }
    let Some(proj) = proj_string(attributes, unit) else {
        if let Some(name) = text(attributes, "grid_mapping_name") {
            notes.push(format!("the grid mapping `{name}` is not supported"));
        }
        return None;
    };
    match Crs::parse(&proj) {
        Ok(crs) => Some(crs),
        Err(error) => {
            notes.push(format!("grid mapping was not understood: {error}"));
            None
        }
    }
}

/// The PROJ string of CF's grid mapping parameters (CF conventions, appendix F), for coordinates in `unit`; `None`
/// for mappings that have no counterpart there or lack a parameter, and for angles seen from a satellite.
fn proj_string(attributes: &Map<String, Value>, unit: Option<&str>) -> Option<String> {
    let name = text(attributes, "grid_mapping_name")?;
    let value = |name: &str| number(attributes, name);
    let or_zero = |name: &str| value(name).unwrap_or(0.0);
    let parallels: Vec<f64> = match attributes.get("standard_parallel") {
        Some(Value::Array(values)) => values.iter().filter_map(Value::as_f64).collect(),
        _ => value("standard_parallel").into_iter().collect(),
    };
    let lat_0 = or_zero("latitude_of_projection_origin");
    let lon_0 = || {
        ["longitude_of_central_meridian", "longitude_of_projection_origin"]
            .iter()
            .find_map(|name| value(name))
            .unwrap_or(0.0)
    };
    let mut proj = match name {
        "latitude_longitude" => "+proj=longlat".to_owned(),
        "transverse_mercator" => {
            let k = value("scale_factor_at_central_meridian").unwrap_or(1.0);
            format!("+proj=tmerc +lat_0={lat_0} +lon_0={} +k={k}", lon_0())
        }
        "mercator" => match (parallels.first(), value("scale_factor_at_projection_origin")) {
            (Some(lat_ts), _) => format!("+proj=merc +lon_0={} +lat_ts={lat_ts}", lon_0()),
            (None, k) => format!("+proj=merc +lon_0={} +k={}", lon_0(), k.unwrap_or(1.0)),
        },
        "lambert_conformal_conic" | "albers_conical_equal_area" => {
            let proj = if name.starts_with("lambert") { "lcc" } else { "aea" };
            let lat_1 = parallels.first()?;
            let lat_2 = parallels.get(1).unwrap_or(lat_1);
            format!("+proj={proj} +lat_0={lat_0} +lon_0={} +lat_1={lat_1} +lat_2={lat_2}", lon_0())
        }
        "lambert_azimuthal_equal_area" => format!("+proj=laea +lat_0={lat_0} +lon_0={}", lon_0()),
        "lambert_cylindrical_equal_area" => {
            format!("+proj=cea +lon_0={} +lat_ts={}", lon_0(), parallels.first()?)
        }
        "polar_stereographic" => {
            let lon = value("straight_vertical_longitude_from_pole").unwrap_or_else(lon_0);
            let lat_ts = parallels.first().copied();
            let k = value("scale_factor_at_projection_origin").unwrap_or(1.0);
            match lat_ts {
                Some(lat_ts) => format!("+proj=stere +lat_0={lat_0} +lon_0={lon} +lat_ts={lat_ts}"),
                None => format!("+proj=stere +lat_0={lat_0} +lon_0={lon} +k={k}"),
            }
        }
        "sinusoidal" => format!("+proj=sinu +lon_0={}", lon_0()),
        _ => return None,
    };
    if name != "latitude_longitude" {
        // False origins are in the unit of the coordinates here, in metres there.
        let (unit, metres) = match unit.unwrap_or("m") {
            "km" | "kilometer" | "kilometers" | "kilometre" | "kilometres" => ("km", 1000.0),
            _ => ("m", 1.0),
        };
        let (x_0, y_0) = (or_zero("false_easting") * metres, or_zero("false_northing") * metres);
        proj.push_str(&format!(" +x_0={x_0} +y_0={y_0} +units={unit}"));
    }
    let (a, b, rf) =
        (value("semi_major_axis"), value("semi_minor_axis"), value("inverse_flattening"));
    proj.push_str(&match (value("earth_radius"), a, b, rf) {
        (Some(radius), ..) => format!(" +R={radius}"),
        (None, Some(a), _, Some(rf)) if is_wgs84(a, rf) => " +datum=WGS84".to_owned(),
        (None, Some(a), _, Some(rf)) if rf > 0.0 => format!(" +a={a} +rf={rf}"),
        (None, Some(a), Some(b), _) => format!(" +a={a} +b={b}"),
        (None, Some(a), None, _) => format!(" +R={a}"),
        (None, None, ..) => " +datum=WGS84".to_owned(),
    });
    proj.push_str(" +no_defs");
    Some(if proj == "+proj=longlat +datum=WGS84 +no_defs" { "EPSG:4326".to_owned() } else { proj })
}

fn is_wgs84(a: f64, rf: f64) -> bool {
    a == 6_378_137.0 && (rf - 298.257_223_563).abs() < 1e-8
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn proj(value: Value) -> Option<String> {
        proj_string(value.as_object().unwrap(), None)
    }

    #[test]
    fn grid_mappings_become_proj_strings() {
        assert_eq!(proj(json!({"grid_mapping_name": "latitude_longitude"})).unwrap(), "EPSG:4326");
        let utm = json!({
            "grid_mapping_name": "transverse_mercator", "latitude_of_projection_origin": 0.0,
            "longitude_of_central_meridian": 15.0, "scale_factor_at_central_meridian": 0.9996,
            "false_easting": 500_000.0, "false_northing": 0.0,
            "semi_major_axis": 6_378_137.0, "inverse_flattening": 298.257_223_563,
        });
        assert_eq!(
            proj(utm).unwrap(),
            "+proj=tmerc +lat_0=0 +lon_0=15 +k=0.9996 +x_0=500000 +y_0=0 +units=m +datum=WGS84 +no_defs"
        );
        let cone = json!({
            "grid_mapping_name": "lambert_conformal_conic", "standard_parallel": [25.0, 60.0],
            "latitude_of_projection_origin": 42.5, "longitude_of_central_meridian": -100.0,
            "earth_radius": 6_371_200.0,
        });
        assert_eq!(
            proj(cone).unwrap(),
            "+proj=lcc +lat_0=42.5 +lon_0=-100 +lat_1=25 +lat_2=60 +x_0=0 +y_0=0 +units=m \
             +R=6371200 +no_defs"
        );
        assert_eq!(proj(json!({"grid_mapping_name": "rotated_latitude_longitude"})), None);
    }
}
