//! PROJ strings for systems that carry no EPSG id: a projection method, its parameters, an ellipsoid.
//!
//! Only methods that earth-observation files use are mapped. A parameter that the mapping does not consume is
//! an error: it would change coordinates unseen. So is a datum whose relation to WGS 84 is not stated.

use super::describe::{Description, Projection, plain};
use super::{CrsError, table};

/// Datums on the ellipsoid of WGS 84 that PROJ nevertheless shifts by a metre or so.
const SHIFTED: [&str; 5] = ["harn", "highaccuracy", "csrs", "nsrs2007", "cors96"];

/// The PROJ string of `found`.
///
/// # Errors
/// [`CrsError::Unsupported`] naming the method, parameter or datum; a refusal of the EPSG system below.
pub(super) fn proj_string(found: &Description) -> Result<String, CrsError> {
    let mut words = match &found.projection {
        None => {
            if (found.unit_degrees - 1.0).abs() > 1e-12 {
                return Err(CrsError::unsupported(&found.name, "its angles are not in degrees"));
            }
            vec!["+proj=longlat".to_owned()]
        }
        Some(projection) => projected(found, projection)?,
    };
    let polar = words.iter().any(|w| w == "+proj=stere" || w == "+proj=laea");
    if found.axes.iter().any(|axis| axis == "west" || (axis == "south" && !polar)) {
        return Err(CrsError::unsupported(&found.name, "its axes do not point east and north"));
    }
    if words.iter().any(|w| w.starts_with("+R=")) {
        return Ok(words.join(" "));
    }
    words.extend(datum(found)?);
    Ok(words.join(" "))
}

/// Ellipsoid, prime meridian and shift to WGS 84.
fn datum(found: &Description) -> Result<Vec<String>, CrsError> {
    let base = if found.projection.is_some() { found.base_epsg } else { found.epsg };
    if found.shift.is_none()
        && let Some(entry) = base.and_then(table::find)
    {
        let text = entry.proj_string()?;
        return Ok(text
            .split(' ')
            .filter(|w| !w.starts_with("+proj="))
            .map(str::to_owned)
            .collect());
    }
    let (a, inverse) = (found.semi_major, found.inverse_flattening);
    if !(a.is_finite() && a > 0.0 && (inverse == 0.0 || inverse > 1.0)) {
        return Err(CrsError::malformed(&found.name, "its ellipsoid has no sensible size"));
    }
    let mut words = if inverse == 0.0 {
        vec![format!("+R={a}")]
    } else {
        vec![format!("+a={a}"), format!("+rf={inverse}")]
    };
    if found.prime_meridian != 0.0 {
        words.push(format!("+pm={}", found.prime_meridian));
    }
    let name = plain(&found.datum);
    let unspecified =
        ["unknown", "notspecified", "dunknown", "dnotspecified", "undefined", "unnamed"];
    if let Some(shift) = &found.shift {
        let numbers: Vec<String> = shift.iter().map(f64::to_string).collect();
        words.push(format!("+towgs84={}", numbers.join(",")));
    } else if inverse == 0.0 || unspecified.iter().any(|start| name.starts_with(start)) {
        // As in PROJ: longitude and latitude are taken as those of WGS 84.
    } else if (a - 6_378_137.0).abs() < 0.1
        && (inverse - 298.257).abs() < 0.001
        && !SHIFTED.iter().any(|part| name.contains(part))
    {
        words.push("+towgs84=0,0,0".to_owned());
    } else {
        let name = if found.datum.is_empty() { &found.name } else { &found.datum };
        return Err(CrsError::unsupported(name, "no shift between this datum and WGS 84 is known"));
    }
    Ok(words)
}

/// Parameters of a projection, taken one by one.
struct Taken<'a> {
    projection: &'a Projection,
    used: Vec<&'static str>,
}

const LAT_0: &[&str] = &[
    "latitudeoforigin",
    "latitudeofnaturalorigin",
    "latitudeoffalseorigin",
    "latitudeofcenter",
    "latitudeofcentre",
    "latitudeofprojectioncentre",
    "centralparallel",
];
const LON_0: &[&str] = &[
    "centralmeridian",
    "longitudeofnaturalorigin",
    "longitudeoffalseorigin",
    "longitudeofcenter",
    "longitudeofcentre",
    "longitudeofprojectioncentre",
    "longitudeoforigin",
    "straightverticallongitudefrompole",
];
const LAT_1: &[&str] =
    &["standardparallel1", "latitudeof1ststandardparallel", "latitudeofstandardparallel"];
const LAT_2: &[&str] = &["standardparallel2", "latitudeof2ndstandardparallel"];
const SCALE: &[&str] = &["scalefactor", "scalefactoratnaturalorigin"];
const X_0: &[&str] = &["falseeasting", "eastingatfalseorigin"];
const Y_0: &[&str] = &["falsenorthing", "northingatfalseorigin"];
const HEIGHT: &[&str] = &["satelliteheight", "height"];

impl Taken<'_> {
    fn maybe(&mut self, names: &[&'static str]) -> Option<f64> {
        self.used.extend_from_slice(names);
        self.projection
            .parameters
            .iter()
            .find(|(name, _)| names.contains(&name.as_str()))
            .map(|(_, v)| *v)
    }

    fn or_zero(&mut self, names: &[&'static str]) -> f64 {
        self.maybe(names).unwrap_or(0.0)
    }
}

fn projected(found: &Description, projection: &Projection) -> Result<Vec<String>, CrsError> {
    let mut take = Taken { projection, used: Vec::new() };
    let method = plain(&projection.method);
    let sphere = found.inverse_flattening == 0.0;
    let (lon_0, lat_0) = (take.or_zero(LON_0), take.or_zero(LAT_0));
    let scale = take.maybe(SCALE).unwrap_or(1.0);
    let (x_0, y_0) = (take.or_zero(X_0), take.or_zero(Y_0));
    let mut words: Vec<(&str, f64)> = vec![("lon_0", lon_0)];
    let name = match method.as_str() {
        "transversemercator" | "gausskruger" => {
            words.extend([("lat_0", lat_0), ("k", scale)]);
            "tmerc"
        }
        "lambertconicconformal1sp" | "lambertconformalconic1sp" => {
            words.extend([("lat_0", lat_0), ("lat_1", lat_0), ("k_0", scale)]);
            "lcc"
        }
        "lambertconicconformal2sp" | "lambertconformalconic2sp" | "lambertconformalconic" => {
            let lat_1 = take.maybe(LAT_1).unwrap_or(lat_0);
            let lat_2 = take.maybe(LAT_2).unwrap_or(lat_1);
            words.extend([("lat_0", lat_0), ("lat_1", lat_1), ("lat_2", lat_2), ("k_0", scale)]);
            "lcc"
        }
        "lambertazimuthalequalarea" | "lambertazimuthalequalareaspherical" => {
            words.push(("lat_0", lat_0));
            "laea"
        }
        "azimuthalequidistant" => {
            words.push(("lat_0", lat_0));
            "aeqd"
        }
        "albersequalarea" | "albersconicequalarea" | "albers" => {
            words.extend([
                ("lat_0", lat_0),
                ("lat_1", take.or_zero(LAT_1)),
                ("lat_2", take.or_zero(LAT_2)),
            ]);
            "aea"
        }
        "polarstereographic"
        | "polarstereographicvarianta"
        | "polarstereographicvariantb"
        | "stereographicnorthpole"
        | "stereographicsouthpole" => {
            let true_scale = take.maybe(LAT_1).unwrap_or(lat_0);
            words.push(("lat_0", if true_scale < 0.0 { -90.0 } else { 90.0 }));
            if true_scale.abs() == 90.0 {
                words.push(("k", scale));
            } else if scale == 1.0 {
                words.push(("lat_ts", true_scale));
            } else {
                return Err(CrsError::unsupported(
                    &projection.method,
                    "it has both a parallel and a scale",
                ));
            }
            "stere"
        }
        "stereographic" => {
            words.extend([("lat_0", lat_0), ("k", scale)]);
            "stere"
        }
        "obliquestereographic" | "doublestereographic" => {
            words.extend([("lat_0", lat_0), ("k", scale)]);
            "sterea"
        }
        "mercator1sp" | "mercatorvarianta" | "mercator2sp" | "mercatorvariantb" | "mercator"
            if lat_0 == 0.0 =>
        {
            match take.maybe(LAT_1) {
                Some(lat_ts) => words.push(("lat_ts", lat_ts)),
                None => words.push(("k", scale)),
            }
            "merc"
        }
        "popularvisualisationpseudomercator" | "mercatorauxiliarysphere" if lat_0 == 0.0 => {
            take.used.extend(["standardparallel1", "auxiliaryspheretype"]);
            words.push(("R", found.semi_major));
            "merc"
        }
        "sinusoidal" => "sinu",
        "equidistantcylindrical"
        | "equidistantcylindricalspherical"
        | "equirectangular"
        | "platecarree" => {
            // The radius of the spherical form on an ellipsoid is not agreed upon; `eqc` refuses it.
            words.extend([("lat_0", lat_0), ("lat_ts", take.or_zero(LAT_1))]);
            "eqc"
        }
        "geostationarysatellite"
        | "geostationarysatellitesweepy"
        | "geostationarysatellitesweepx" => {
            words.push(("h", take.or_zero(HEIGHT)));
            "geos"
        }
        "behrmann" => {
            words.push(("lat_ts", take.maybe(LAT_1).unwrap_or(30.0)));
            "cea"
        }
        "cylindricalequalarea"
        | "lambertcylindricalequalarea"
        | "lambertcylindricalequalareaspherical" => {
            words.push(("lat_ts", take.or_zero(LAT_1)));
            "cea"
        }
        _ => {
            let reason = "this projection method is not implemented";
            return Err(CrsError::unsupported(&projection.method, reason));
        }
    };
    if method.ends_with("spherical") && !sphere {
        return Err(CrsError::unsupported(&projection.method, "it needs a sphere"));
    }
    if let Some((unknown, _)) =
        projection.parameters.iter().find(|(n, _)| !take.used.contains(&n.as_str()))
    {
        let reason = format!("parameter `{unknown}` is not understood");
        return Err(CrsError::unsupported(&projection.method, reason));
    }
    if !["tmerc", "lcc", "stere", "sterea", "merc"].contains(&name) && scale != 1.0 {
        return Err(CrsError::unsupported(&projection.method, "a scale factor is not understood"));
    }
    words.extend([("x_0", x_0), ("y_0", y_0)]);
    let mut text = vec![format!("+proj={name}")];
    text.extend(words.iter().map(|(key, value)| format!("+{key}={value}")));
    if method.ends_with("sweepx") {
        text.push("+sweep=x".to_owned());
    }
    if found.unit_metres != 1.0 {
        text.push(format!("+to_meter={}", found.unit_metres));
    }
    Ok(text)
}
