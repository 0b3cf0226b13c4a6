//! Whether a result is the expected one.
//!
//! Numbers within a relative tolerance, whether they are written with a fraction or not (`exp(0)` is 1.0, and the
//! vectors say 1); NaN and infinities exactly; no-data of a cube is `null` or the no-data value that its own side
//! declares; labels as instants where they are some; features of geometries where the vector says them.

use eolith_cube::time::Instant;
use serde_json::{Value as Json, json};

/// `None` if the answer is right, else what differs.
pub(crate) fn difference(found: &Json, expected: &Json, delta: f64) -> Option<String> {
    match (form(found), form(expected)) {
        (Some("datacube"), Some("datacube")) => cubes(found, expected, delta),
        _ => value(found, expected, delta)
            .then_some(())
            .map_or_else(|| Some(format!("found {found}, expected {expected}")), |()| None),
    }
}

fn cubes(found: &Json, expected: &Json, delta: f64) -> Option<String> {
    for key in ["dims", "shape"] {
        if found[key] != expected[key] {
            return Some(format!("{key}: found {}, expected {}", found[key], expected[key]));
        }
    }
    for name in expected["dims"].as_array().into_iter().flatten().filter_map(Json::as_str) {
        let (own, wanted) = (&found["dimensions"][name], &expected["dimensions"][name]);
        for key in ["type", "axis", "reference_system"] {
            if own.get(key) != wanted.get(key) {
                return Some(format!("{name}.{key}: found {}, expected {}", own[key], wanted[key]));
            }
        }
        let differs = |features| !value(&own["features"], features, delta);
        if let Some(features) = wanted.get("features").filter(|features| differs(features)) {
            return Some(format!(
                "{name}.features: found {}, expected {features}",
                own["features"]
            ));
        }
        if !value(&own["labels"], &wanted["labels"], 1e-12) {
            let (own, wanted) = (&own["labels"], &wanted["labels"]);
            return Some(format!("{name}.labels: found {own}, expected {wanted}"));
        }
    }
    let wanted = expected["values"].as_array()?;
    let own = found["values"].as_array().cloned().unwrap_or_default();
    if wanted.len() != own.len() && !(wanted.len() <= 1 && own.len() <= 1) {
        return Some(format!("found {} values, expected {}", own.len(), wanted.len()));
    }
    let missing = |pixel: &Json, cube: &Json| {
        pixel.is_null()
            || form(pixel) == Some("nodata")
            || cube.get("nodata").is_some_and(|nodata| value(pixel, nodata, 0.0))
    };
    let wrong = own.iter().zip(wanted).position(|(own, wanted)| {
        match (missing(own, found), missing(wanted, expected)) {
            (true, true) => false,
            (false, false) => !numbers(own, wanted, delta),
            _ => true,
        }
    })?;
    Some(format!("value {wrong}: found {}, expected {}", own[wrong], wanted[wrong]))
}

fn value(found: &Json, expected: &Json, delta: f64) -> bool {
    match (found, expected) {
        (Json::Null, _) | (_, Json::Null) => is_null(found) && is_null(expected),
        (Json::Number(_), Json::Number(_)) => numbers(found, expected, delta),
        (Json::Array(own), Json::Array(wanted)) => {
            own.len() == wanted.len()
                && own.iter().zip(wanted).all(|(own, wanted)| value(own, wanted, delta))
        }
        (Json::Object(_), Json::Object(wanted))
            if ["Polygon", "MultiPolygon"]
                .iter()
                .any(|kind| wanted.get("type") == Some(&json!(kind)))
                && found["type"] == expected["type"] =>
        {
            value(&rings(&found["coordinates"]), &rings(&expected["coordinates"]), delta)
        }
        (Json::Object(own), Json::Object(wanted))
            if form(found).is_none() && form(expected).is_none() =>
        {
            own.len() == wanted.len()
                && wanted
                    .iter()
                    .all(|(key, wanted)| own.get(key).is_some_and(|own| value(own, wanted, delta)))
        }
        _ => match (form(found), form(expected)) {
            (Some("datetime"), Some("datetime")) => times(&found["value"], &expected["value"]),
            (Some("labeled-array"), Some("labeled-array")) => {
                value(&found["labels"], &expected["labels"], 0.0)
                    && value(&found["values"], &expected["values"], delta)
            }
            _ => found == expected,
        },
    }
}

/// Rings in one order: each from its lowest position on, counter-clockwise, and sorted. A ring that is the boundary on
/// the outside says so by its place in its polygon, which is kept.
fn rings(coordinates: &Json) -> Json {
    let Some(items) = coordinates.as_array() else { return coordinates.clone() };
    let position =
        |json: &Json| -> Option<[f64; 2]> { Some([json[0].as_f64()?, json[1].as_f64()?]) };
    let ring: Option<Vec<[f64; 2]>> = items.iter().map(position).collect();
    let Some(mut ring) = ring.filter(|ring| ring.len() > 1) else {
        let mut inside: Vec<Json> = items.iter().map(rings).collect();
        let polygon = inside.first().is_some_and(|ring| ring[0][0].is_number());
        inside[usize::from(polygon)..].sort_by_key(|ring| ring.to_string());
        return inside.into();
    };
    ring.pop();
    let n = ring.len();
    let area: f64 =
        (0..n).map(|i| ring[i][0] * ring[(i + 1) % n][1] - ring[(i + 1) % n][0] * ring[i][1]).sum();
    if area < 0.0 {
        ring.reverse();
    }
    let key = |p: &[f64; 2]| p.map(|v| (v * 1e4).round() as i64);
    let first = (0..n).min_by_key(|&i| key(&ring[i])).unwrap_or_default();
    ring.rotate_left(first);
    json!(ring)
}

fn numbers(found: &Json, expected: &Json, delta: f64) -> bool {
    match (found.as_f64(), expected.as_f64()) {
        (Some(a), Some(b)) => a == b || (a - b).abs() <= delta * b.abs().max(1e-3),
        _ => found == expected,
    }
}

fn times(found: &Json, expected: &Json) -> bool {
    let instant = |json: &Json| json.as_str().and_then(|text| Instant::parse(text).ok());
    found == expected || (instant(found).is_some() && instant(found) == instant(expected))
}

fn is_null(json: &Json) -> bool {
    json.is_null() || form(json) == Some("nodata")
}

fn form(json: &Json) -> Option<&str> {
    json.get("@").and_then(Json::as_str)
}
