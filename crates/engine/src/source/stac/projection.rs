//! The pixel grid that the `proj:` fields describe.
//!
//! Version 1 of the extension has `proj:epsg`, version 2 `proj:code`; both may give WKT or PROJJSON instead. A
//! grid needs a reference system and two of shape, transform and box. Fields of the asset go before those of the
//! item, but never half and half: a shape of the asset is not combined with a transform of the item.

use eolith_cube::{Crs, Grid, Regular};
use serde_json::{Map, Value};

/// The grid of an asset, `None` where too little is said. Errors name the field that cannot be used.
pub(super) fn grid(
    asset: &Map<String, Value>,
    item: &Map<String, Value>,
) -> Result<Option<Grid>, String> {
    let Some(crs) = crs(asset)?.map_or_else(|| crs(item), |found| Ok(Some(found)))? else {
        return Ok(None);
    };
    let own = ["proj:shape", "proj:transform", "proj:bbox"].iter().any(|key| has(asset, key));
    let fields = if own { asset } else { item };
    let (shape, transform) = (shape(fields)?, numbers(fields, "proj:transform")?);
    let bbox = numbers(fields, "proj:bbox")?.map(|values| match values[..] {
        [west, south, east, north] => Ok([west, south, east, north]),
        [west, south, _, east, north, _] => Ok([west, south, east, north]),
        _ => Err(format!("`proj:bbox` has {} numbers", values.len())),
    });
    let (bbox, transform) = (bbox.transpose()?, transform.map(|t| affine(&t)).transpose()?);
    let grid = match (shape, transform, bbox) {
        (Some((height, width)), Some(([left, top], [dx, dy])), _) => {
            Grid::from_corner(crs, (left, top), (dx, dy), (width, height))
        }
        (Some((height, width)), None, Some([west, south, east, north])) => {
            let (dx, dy) = ((east - west) / width as f64, (south - north) / height as f64);
            Grid::from_corner(crs, (west, north), (dx, dy), (width, height))
        }
        (None, Some(([left, top], [dx, dy])), Some([west, south, east, north])) => {
            let size = |extent: f64, step: f64| (extent / step).abs().round() as usize;
            let (width, height) = (size(east - west, dx), size(north - south, dy));
            Grid::from_corner(crs, (left, top), (dx, dy), (width, height))
        }
        _ => return Ok(None),
    };
    let usable = |axis: Regular| axis.len > 0 && axis.step.is_finite() && axis.step != 0.0;
    if usable(grid.x) && usable(grid.y) {
        Ok(Some(grid))
    } else {
        Err("the `proj:` fields describe an empty grid".to_owned())
    }
}

fn crs(fields: &Map<String, Value>) -> Result<Option<Crs>, String> {
    let parse = |text: &str| Crs::parse(text).map_err(|e| e.to_string());
    let given = |key: &str| fields.get(key).filter(|value| !value.is_null());
    if let Some(code) = given("proj:code").and_then(Value::as_str) {
        return parse(code).map(Some);
    }
    if let Some(code) = given("proj:epsg").and_then(Value::as_u64) {
        let code = u32::try_from(code).map_err(|_| format!("`proj:epsg` is {code}"))?;
        return Crs::epsg(code).map(Some).map_err(|e| e.to_string());
    }
    if let Some(text) = given("proj:wkt2").and_then(Value::as_str) {
        return parse(text).map(Some);
    }
    given("proj:projjson").map(|json| parse(&json.to_string())).transpose()
}

fn has(fields: &Map<String, Value>, key: &str) -> bool {
    fields.get(key).is_some_and(|value| !value.is_null())
}

fn numbers(fields: &Map<String, Value>, key: &str) -> Result<Option<Vec<f64>>, String> {
    let Some(value) = fields.get(key).filter(|value| !value.is_null()) else { return Ok(None) };
    let list = value.as_array().and_then(|list| list.iter().map(Value::as_f64).collect());
    list.map(Some).ok_or_else(|| format!("`{key}` is not a list of numbers"))
}

/// Height and width.
fn shape(fields: &Map<String, Value>) -> Result<Option<(usize, usize)>, String> {
    let whole = |value: f64| value >= 1.0 && value <= f64::from(u32::MAX) && value.fract() == 0.0;
    match numbers(fields, "proj:shape")?.as_deref() {
        None => Ok(None),
        Some(&[height, width]) if whole(height) && whole(width) => {
            Ok(Some((height as usize, width as usize)))
        }
        Some(other) => Err(format!("`proj:shape` is {other:?}")),
    }
}

/// Upper-left corner and pixel sizes of a row-major affine matrix of 6 or 9 numbers.
fn affine(matrix: &[f64]) -> Result<([f64; 2], [f64; 2]), String> {
    let (&[dx, row, left, column, dy, top], rest) = matrix
        .split_first_chunk::<6>()
        .ok_or_else(|| format!("`proj:transform` has {} numbers", matrix.len()))?;
    if !(rest.is_empty() || rest == [0.0, 0.0, 1.0]) {
        return Err("`proj:transform` is not affine".to_owned());
    }
    if row != 0.0 || column != 0.0 {
        return Err("`proj:transform` is rotated, which is not supported".to_owned());
    }
    Ok(([left, top], [dx, dy]))
}
