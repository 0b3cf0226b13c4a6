//! The georeference of a cube as GeoTIFF tags (OGC 19-008r4): by EPSG code, else by method and parameters.

use std::collections::{BTreeMap, BTreeSet};

use eolith_cube::{Crs, Schema};

use super::layout::Tag;

/// Pixel scale, tie point and GeoKeys; north-up, pixels are areas. The error says what cannot be expressed.
pub(super) fn tags(schema: &Schema) -> Result<Vec<Tag>, String> {
    let grid = schema.grid().map_err(|error| error.to_string())?;
    let [west, _, _, north] = grid.bounds();
    let (dx, dy) = (grid.x.step.abs(), grid.y.step.abs());
    let keys = match grid.crs.code() {
        Some(code) => {
            let code = u16::try_from(code).map_err(|_| format!("EPSG:{code} has no GeoKey"))?;
            by_code(&grid.crs, code)
        }
        None => by_parameters(&grid.crs)?,
    };
    let mut tags = vec![
        Tag::doubles(33550, &[dx, dy, 0.0]),
        Tag::doubles(33922, &[0.0, 0.0, 0.0, west, north, 0.0]),
    ];
    tags.extend(keys.tags());
    Ok(tags)
}

const USER_DEFINED: u16 = 32767;

#[derive(Default)]
struct Keys {
    codes: BTreeMap<u16, u16>,
    numbers: BTreeMap<u16, f64>,
}

impl Keys {
    fn new(geographic: bool) -> Keys {
        let mut keys = Keys::default();
        // Model type, and pixels as areas.
        keys.codes.extend([(1024, if geographic { 2 } else { 1 }), (1025, 1)]);
        keys
    }

    fn tags(&self) -> Vec<Tag> {
        let ids: BTreeSet<u16> = self.codes.keys().chain(self.numbers.keys()).copied().collect();
        let (mut words, mut doubles) = (vec![1, 1, 0, ids.len() as u16], Vec::new());
        for id in ids {
            match (self.codes.get(&id), self.numbers.get(&id)) {
                (Some(&code), _) => words.extend([id, 0, 1, code]),
                (None, Some(&number)) => {
                    words.extend([id, 34736, 1, doubles.len() as u16]);
                    doubles.push(number);
                }
                (None, None) => {}
            }
        }
        let mut tags = vec![Tag::shorts(34735, &words)];
        if !doubles.is_empty() {
            tags.push(Tag::doubles(34736, &doubles));
        }
        tags
    }
}

fn by_code(crs: &Crs, code: u16) -> Keys {
    let mut keys = Keys::new(crs.is_geographic());
    keys.codes.insert(if crs.is_geographic() { 2048 } else { 3072 }, code);
    keys
}

fn by_parameters(crs: &Crs) -> Result<Keys, String> {
    let text = crs.proj_string();
    let refused =
        |what: &str| format!("GeoTIFF cannot express {what} of the reference system `{text}`");
    let parameters: BTreeMap<&str, &str> = text
        .split_whitespace()
        .map(|word| word.trim_start_matches('+'))
        .map(|word| word.split_once('=').unwrap_or((word, "")))
        .collect();
    let mut used = BTreeSet::from(["proj", "no_defs", "type", "wktext"]);
    let mut take = |name: &'static str| {
        used.insert(name);
        parameters.get(name).copied()
    };
    let mut keys = Keys::new(crs.is_geographic());
    ellipsoid(&mut keys, &mut take).ok_or_else(|| refused("the ellipsoid"))?;
    if !crs.is_geographic() {
        keys.codes.extend([(3072, USER_DEFINED), (3074, USER_DEFINED)]);
        let unit = match (take("units"), take("to_meter")) {
            (None | Some("m"), None | Some("1")) => 9001,
            (Some("ft"), None) => 9002,
            (Some("us-ft"), None) => 9003,
            _ => return Err(refused("the unit")),
        };
        keys.codes.insert(3076, unit);
        let name = parameters.get("proj").copied().unwrap_or_default();
        method(&mut keys, name, &mut take).ok_or_else(|| refused("the projection"))?;
    }
    match parameters.keys().find(|name| !used.contains(**name)) {
        Some(unknown) => Err(refused(&format!("`{unknown}`"))),
        None => Ok(keys),
    }
}

fn ellipsoid<'a>(
    keys: &mut Keys,
    take: &mut impl FnMut(&'static str) -> Option<&'a str>,
) -> Option<()> {
    let mut number = |name| take(name).map(|text| text.parse::<f64>().ok());
    let (radius, a, b, rf) = (number("R"), number("a"), number("b"), number("rf"));
    if let Some(a) = radius.or(a) {
        let a = a?;
        keys.codes.extend([(2048, USER_DEFINED), (2050, USER_DEFINED), (2056, USER_DEFINED)]);
        keys.numbers.insert(2057, a);
        match (rf, b) {
            (Some(rf), _) => keys.numbers.insert(2059, rf?),
            (None, b) => keys.numbers.insert(2058, b.unwrap_or(Some(a))?),
        };
        return Some(());
    }
    match (take("datum"), take("ellps")) {
        (Some("WGS84"), _) => keys.codes.insert(2048, 4326),
        (Some("NAD83"), _) => keys.codes.insert(2048, 4269),
        (None, Some(name)) => {
            let code = match name {
                "WGS84" => 7030,
                "GRS80" => 7019,
                "WGS72" => 7043,
                "clrk66" => 7008,
                "bessel" => 7004,
                "intl" => 7022,
                _ => return None,
            };
            keys.codes.extend([(2048, USER_DEFINED), (2050, USER_DEFINED)]);
            keys.codes.insert(2056, code)
        }
        _ => return None,
    };
    Some(())
}

fn method<'a>(
    keys: &mut Keys,
    name: &str,
    take: &mut impl FnMut(&'static str) -> Option<&'a str>,
) -> Option<()> {
    if name == "utm" {
        let zone: f64 = take("zone")?.parse().ok()?;
        let northing = if take("south").is_some() { 1e7 } else { 0.0 };
        keys.codes.insert(3075, 1);
        let (lon, k) = (zone * 6.0 - 183.0, 0.9996);
        keys.numbers.extend([(3080, lon), (3081, 0.0), (3082, 5e5), (3083, northing), (3092, k)]);
        return Some(());
    }
    let conic_1 = name == "lcc" && take("lat_2").is_none();
    // Method, and the keys of lon_0, lat_0, first and second parallel, scale; 0 where it has none.
    let (code, [lon, lat, one, two, scale]) = match name {
        "tmerc" => (1, [3080, 3081, 0, 0, 3092]),
        "merc" => (7, [3080, 0, 3078, 0, 3092]),
        "lcc" if conic_1 => (9, [3080, 3081, 0, 0, 3092]),
        "lcc" => (8, [3084, 3085, 3078, 3079, 0]),
        "laea" => (10, [3088, 3089, 0, 0, 0]),
        "aea" => (11, [3080, 3081, 3078, 3079, 0]),
        "aeqd" => (12, [3088, 3089, 0, 0, 0]),
        "stere" => (15, [3095, 0, 3081, 0, 3092]),
        "sterea" => (16, [3080, 3081, 0, 0, 3092]),
        "eqc" => (17, [3088, 3089, 3078, 0, 0]),
        "robin" => (23, [3088, 0, 0, 0, 0]),
        "sinu" => (24, [3088, 0, 0, 0, 0]),
        "cea" => (28, [3080, 0, 3078, 0, 0]),
        _ => return None,
    };
    keys.codes.insert(3075, code);
    let mut number = |name: &'static str| take(name).map(|text| text.parse::<f64>().ok());
    let lat_0 = number("lat_0");
    let parallel = number("lat_ts").or(number("lat_1"));
    let k = number("k").or(number("k_0"));
    let false_origin = if code == 8 { [3086, 3087] } else { [3082, 3083] };
    let values = [
        (lon, number("lon_0"), 0.0),
        (lat, lat_0, 0.0),
        (two, number("lat_2"), 0.0),
        (false_origin[0], number("x_0"), 0.0),
        (false_origin[1], number("y_0"), 0.0),
    ];
    for (key, value, missing) in values {
        if key != 0 {
            keys.numbers.insert(key, value.unwrap_or(Some(missing))?);
        }
    }
    if code == 15 {
        // Only the polar aspect: the latitude of true scale takes the place of that of the origin.
        let pole = lat_0??;
        if pole.abs() != 90.0 {
            return None;
        }
        keys.numbers.insert(one, parallel.unwrap_or(Some(pole))?);
    } else if one != 0
        && let Some(value) = parallel
    {
        keys.numbers.insert(one, value?);
    } else if matches!(code, 8 | 11) {
        return None;
    }
    if scale != 0 && !(code == 7 && parallel.is_some()) {
        keys.numbers.insert(scale, k.unwrap_or(Some(1.0))?);
    }
    Some(())
}
