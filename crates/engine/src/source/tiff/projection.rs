//! User-defined reference systems: GeoKeys to a PROJ string.
//!
//! Covers the methods in real use in Earth observation; anything else is refused by its number. Systems with an
//! EPSG code never come here (see [`super::georef`]).

use super::georef::GeoKeys;

/// A PROJ string, or what is not supported.
pub(super) fn proj_string(keys: &GeoKeys, projected: bool) -> Result<String, String> {
    if let Some(code @ (9101 | 9103..)) = keys.code(ANGULAR_UNITS) {
        return Err(format!("angular unit {code} of a user-defined reference system"));
    }
    let ellipsoid = ellipsoid(keys)?;
    if !projected {
        return Ok(format!("+proj=longlat {ellipsoid} +no_defs"));
    }
    if let Some(zone) = keys.code(PROJECTION).filter(|code| *code != USER_DEFINED) {
        return match zone {
            16001..=16060 => Ok(format!("+proj=utm +zone={} {ellipsoid} +no_defs", zone - 16000)),
            16101..=16160 => {
                Ok(format!("+proj=utm +zone={} +south {ellipsoid} +no_defs", zone - 16100))
            }
            _ => Err(format!("projection {zone} of a user-defined reference system")),
        };
    }
    let unit = match (keys.code(LINEAR_UNITS), keys.number(LINEAR_UNIT_SIZE)) {
        (None | Some(9001), _) => "+units=m".to_owned(),
        (Some(9002), _) => "+units=ft".to_owned(),
        (Some(9003), _) => "+units=us-ft".to_owned(),
        (Some(USER_DEFINED), Some(size)) => format!("+to_meter={size}"),
        (Some(code), _) => return Err(format!("linear unit {code}")),
    };
    Ok(format!("{} {ellipsoid} {unit} +no_defs", method(keys)?))
}

const USER_DEFINED: u32 = 32767;
const ANGULAR_UNITS: u16 = 2054;
const GEOGRAPHIC_TYPE: u16 = 2048;
const DATUM: u16 = 2050;
const ELLIPSOID: u16 = 2056;
const SEMI_MAJOR: u16 = 2057;
const SEMI_MINOR: u16 = 2058;
const INVERSE_FLATTENING: u16 = 2059;
const PROJECTION: u16 = 3074;
const METHOD: u16 = 3075;
const LINEAR_UNITS: u16 = 3076;
const LINEAR_UNIT_SIZE: u16 = 3077;
const PARALLEL_1: u16 = 3078;
const PARALLEL_2: u16 = 3079;
/// Longitudes, latitudes, eastings and northings of the natural, the false origin and the centre: writers do not
/// agree which of them a method takes, so the first that is there counts.
const LONGITUDES: [u16; 4] = [3080, 3084, 3088, 3095];
const LATITUDES: [u16; 3] = [3081, 3085, 3089];
const EASTINGS: [u16; 3] = [3082, 3086, 3090];
const NORTHINGS: [u16; 3] = [3083, 3087, 3091];
const SCALES: [u16; 2] = [3092, 3093];

fn method(keys: &GeoKeys) -> Result<String, String> {
    let first = |names: &[u16], missing: f64| {
        names.iter().find_map(|&key| keys.number(key)).unwrap_or(missing)
    };
    let (lon, lat) = (first(&LONGITUDES, 0.0), first(&LATITUDES, 0.0));
    let origin = format!("+x_0={} +y_0={}", first(&EASTINGS, 0.0), first(&NORTHINGS, 0.0));
    let k = first(&SCALES, 1.0);
    let parallel = |key| {
        keys.number(key).ok_or_else(|| format!("GeoKey {key} is missing: the standard parallel"))
    };
    let code = keys.code(METHOD).ok_or("a user-defined reference system without method")?;
    let text = match code {
        1 => format!("+proj=tmerc +lat_0={lat} +lon_0={lon} +k={k}"),
        7 => match keys.number(PARALLEL_1) {
            Some(parallel) => format!("+proj=merc +lat_ts={parallel} +lon_0={lon}"),
            None => format!("+proj=merc +lon_0={lon} +k={k}"),
        },
        8 => {
            let (one, two) = (parallel(PARALLEL_1)?, parallel(PARALLEL_2)?);
            format!("+proj=lcc +lat_1={one} +lat_2={two} +lat_0={lat} +lon_0={lon}")
        }
        9 => format!("+proj=lcc +lat_1={lat} +lat_0={lat} +lon_0={lon} +k_0={k}"),
        10 => format!("+proj=laea +lat_0={lat} +lon_0={lon}"),
        11 => {
            let (one, two) = (parallel(PARALLEL_1)?, parallel(PARALLEL_2)?);
            format!("+proj=aea +lat_1={one} +lat_2={two} +lat_0={lat} +lon_0={lon}")
        }
        12 => format!("+proj=aeqd +lat_0={lat} +lon_0={lon}"),
        // The latitude of the natural origin is that of true scale; the pole is on its side of the equator.
        15 => {
            let pole = if lat < 0.0 { -90 } else { 90 };
            format!("+proj=stere +lat_0={pole} +lat_ts={lat} +lon_0={lon} +k={k}")
        }
        16 => format!("+proj=sterea +lat_0={lat} +lon_0={lon} +k={k}"),
        17 => {
            let parallel = keys.number(PARALLEL_1).unwrap_or(0.0);
            format!("+proj=eqc +lat_ts={parallel} +lat_0={lat} +lon_0={lon}")
        }
        23 => format!("+proj=robin +lon_0={lon}"),
        24 => format!("+proj=sinu +lon_0={lon}"),
        28 => format!("+proj=cea +lat_ts={} +lon_0={lon}", parallel(PARALLEL_1)?),
        _ => return Err(format!("GeoTIFF projection method {code}")),
    };
    Ok(format!("{text} {origin}"))
}

/// Axes first, since they are exact; then the codes of ellipsoid, datum and geographic system.
fn ellipsoid(keys: &GeoKeys) -> Result<String, String> {
    if let Some(a) = keys.number(SEMI_MAJOR) {
        return Ok(match (keys.number(INVERSE_FLATTENING), keys.number(SEMI_MINOR)) {
            (Some(rf), _) if rf != 0.0 => format!("+a={a} +rf={rf}"),
            (_, Some(b)) if b != a => format!("+a={a} +b={b}"),
            _ => format!("+R={a}"),
        });
    }
    let codes = [GEOGRAPHIC_TYPE, DATUM, ELLIPSOID].map(|key| keys.code(key).unwrap_or(0));
    Ok(match codes {
        [4326, ..] | [_, 6326, _] => "+datum=WGS84",
        [4269, ..] | [_, 6269, _] => "+datum=NAD83",
        [.., 7030] => "+ellps=WGS84",
        [4258, ..] | [_, 6258, _] | [.., 7019] => "+ellps=GRS80",
        [.., 7043] => "+ellps=WGS72",
        [.., 7008] => "+ellps=clrk66",
        [.., 7004] => "+ellps=bessel",
        [.., 7022] => "+ellps=intl",
        [.., 7048] => "+R=6371007",
        _ => {
            return Err(format!(
                "a user-defined reference system on geographic system {}, datum {}, ellipsoid {}",
                codes[0], codes[1], codes[2]
            ));
        }
    }
    .to_owned())
}
