//! Labels of a dimension from its coordinate array.

use eolith_cube::time::TimeLabel;
use eolith_cube::{DType, Label, Labels, Number, Regular, Values};

use serde_json::{Map, Value};

use super::layout::{LayoutDim, Role};
use super::{Coordinate, text, time};
use crate::source::ArrayMeta;

/// The labels of a dimension that has a coordinate array.
pub(super) fn read(
    dim: &LayoutDim,
    meta: &ArrayMeta,
    given: &Coordinate,
    notes: &mut Vec<String>,
) -> Labels {
    match (dim.role, given) {
        (Role::T, Coordinate::Numbers(values)) => match times(meta, values, notes) {
            Ok(labels) => labels,
            Err(reason) => {
                notes.push(format!(
                    "dimension `{}` is kept as numbers and is not temporal: {reason}",
                    dim.name
                ));
                numbers(values)
            }
        },
        (Role::T, Coordinate::Texts(texts)) => {
            let times: Result<Vec<TimeLabel>, _> =
                texts.iter().map(|text| TimeLabel::parse(text)).collect();
            match times {
                Ok(times) => Labels::list(times.into_iter().map(Label::Time)),
                Err(error) => {
                    notes.push(format!("dimension `{}` is not temporal: {error}", dim.name));
                    all_texts(texts)
                }
            }
        }
        (_, Coordinate::Texts(texts)) => all_texts(texts),
        (Role::Bands, Coordinate::Numbers(values)) => {
            let labels = (0..values.len()).map(|i| match values.get(i) {
                Number::Int(value) => Label::text(value.to_string()),
                Number::Float(value) => Label::text(value.to_string()),
            });
            Labels::list(labels)
        }
        (Role::X | Role::Y | Role::Z, Coordinate::Numbers(values)) => spatial(dim, values, notes),
        (Role::Other, Coordinate::Numbers(values)) => numbers(values),
    }
}

/// The labels of a dimension without coordinates: from a transformation among `attributes` (those of the grid mapping,
/// the variable and its groups), else `0, 1, 2, …`.
pub(super) fn without_coordinate(
    dim: &LayoutDim,
    attributes: &[&Map<String, Value>],
    notes: &mut Vec<String>,
) -> Labels {
    if let Some(regular) = attributes.iter().find_map(|own| from_transform(dim, own)) {
        return Labels::Regular(regular);
    }
    notes.push(format!("dimension `{}` has no coordinates and is numbered from 0", dim.name));
    match dim.role {
        Role::Bands => Labels::texts((0..dim.len).map(|i| i.to_string())),
        _ => Labels::enumerated(dim.len),
    }
}

/// Says how longitudes beyond 180 degrees are taken.
pub(super) fn note_longitudes(labels: &Labels, notes: &mut Vec<String>) {
    let largest = labels.iter().filter_map(|label| label.as_f64()).fold(f64::MIN, f64::max);
    if largest > 180.0 + 1e-6 {
        notes.push(format!(
            "longitudes run up to {largest} degrees: extents in -180 to 180 are understood, and a cube that is loaded \
             with one has the longitudes that were asked for"
        ));
    }
}

/// Six numbers of a transformation: GDAL's (left, pixel width, rotation, top, rotation, pixel height), or those of an
/// affine matrix in rows (the conventions `spatial:` of Zarr and `proj:` of STAC).
fn from_transform(dim: &LayoutDim, attributes: &Map<String, Value>) -> Option<Regular> {
    let numbers = |name: &str| -> Option<Vec<f64>> {
        Some(match attributes.get(name)? {
            Value::Array(values) => values.iter().filter_map(Value::as_f64).collect(),
            value => value.as_str()?.split_whitespace().filter_map(|n| n.parse().ok()).collect(),
        })
    };
    let affine = ["spatial:transform", "proj:transform"].iter().find_map(|name| numbers(name));
    let gdal = numbers("GeoTransform");
    let (left, dx, top, dy) = match (gdal.as_deref(), affine.as_deref()) {
        (Some(&[left, dx, 0.0, top, 0.0, dy]), _) => (left, dx, top, dy),
        (_, Some(&[dx, 0.0, left, 0.0, dy, top])) => (left, dx, top, dy),
        (_, Some(&[dx, 0.0, left, 0.0, dy, top, 0.0, 0.0, 1.0])) => (left, dx, top, dy),
        _ => return None,
    };
    let (edge, step) = match dim.role {
        Role::X => (left, dx),
        Role::Y => (top, dy),
        Role::Z | Role::T | Role::Bands | Role::Other => return None,
    };
    let nodes = text(attributes, "spatial:registration") == Some("node");
    let start = if nodes { edge } else { edge + step / 2.0 };
    (step != 0.0).then_some(Regular { start, step, len: dim.len })
}

fn times(meta: &ArrayMeta, values: &Values, notes: &mut Vec<String>) -> Result<Labels, String> {
    let units = text(&meta.attributes, "units").ok_or("its coordinate has no `units`")?;
    let units = time::Units::parse(units, text(&meta.attributes, "calendar"))?;
    let label = |i: usize| {
        let value = values.get(i);
        let label = match value {
            Number::Int(value) => i64::try_from(value).ok().and_then(|v| units.of_int(v)),
            Number::Float(value) => units.of_float(value),
        };
        label.map(Label::Time).ok_or_else(|| format!("`{value:?}` at {i} is no time"))
    };
    let labels: Vec<Label> = (0..values.len()).map(label).collect::<Result<_, String>>()?;
    if !units.is_civil() {
        notes.push(format!(
            "dates of `{}` are of the calendar `{}`: filters compare the same date of the Gregorian \
             calendar (`julian`: the same instant), or the last day of the month where there is none",
            meta.name,
            text(&meta.attributes, "calendar").unwrap_or("standard"),
        ));
    }
    Ok(Labels::list(labels))
}

fn spatial(dim: &LayoutDim, values: &Values, notes: &mut Vec<String>) -> Labels {
    let exact: Vec<f64> = (0..values.len()).map(|i| values.get(i).to_f64()).collect();
    if let Some(regular) = Regular::detect(&exact) {
        return Labels::Regular(regular);
    }
    if values.dtype() == DType::F32
        && let Some(regular) = from_single_precision(&exact)
    {
        notes.push(format!(
            "coordinates of `{}` are evenly spaced within the precision of 32-bit floats and were taken as such",
            dim.name
        ));
        return Labels::Regular(regular);
    }
    if exact.len() > 1 && dim.role != Role::Z {
        notes.push(format!("coordinates of `{}` are not evenly spaced", dim.name));
    }
    numbers(values)
}

/// Evenly spaced numbers that were rounded to 32 bits.
fn from_single_precision(values: &[f64]) -> Option<Regular> {
    // What people wrote: 0.1 rather than 0.10000000149.
    let decimal: Vec<f64> =
        values.iter().filter_map(|&v| (v as f32).to_string().parse().ok()).collect();
    if let Some(regular) = Regular::detect(&decimal) {
        return Some(regular);
    }
    let (&first, &last) = (decimal.first()?, decimal.last()?);
    let step = (last - first) / (decimal.len() as f64 - 1.0);
    let regular = Regular { start: first, step, len: decimal.len() };
    let largest = decimal.iter().fold(0.0_f64, |largest, v| largest.max(v.abs()));
    let tolerance = 2.0 * f64::from(f32::EPSILON) * largest;
    let even = decimal.iter().enumerate().all(|(i, v)| (regular.at(i) - v).abs() <= tolerance);
    // Steps that drown in the rounding say nothing.
    (decimal.len() > 2 && step.is_finite() && step.abs() > 20.0 * tolerance && even)
        .then_some(regular)
}

fn numbers(values: &Values) -> Labels {
    let label = |i: usize| match values.get(i) {
        Number::Int(value) => match i64::try_from(value) {
            Ok(value) => Label::Int(value),
            Err(_) => Label::Float(value as f64),
        },
        Number::Float(value) => Label::Float(value),
    };
    Labels::list((0..values.len()).map(label))
}

fn all_texts(texts: &[String]) -> Labels {
    Labels::list(texts.iter().map(|text| Label::text(text.as_str())))
}
