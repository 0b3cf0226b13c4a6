//! Bounding boxes over labels: the pixels whose centre lies inside or on the edge.

use std::sync::Arc;

use eolith_cube::crs::densified_bounds;
use eolith_cube::{Crs, CrsError, Labels, Schema, SpatialAxis};

use crate::bind::Problem;
use crate::request::BoundingBox;

/// Points along each edge of a box when it is taken to another reference system.
const POINTS_PER_EDGE: usize = 21;

/// Narrows x and y to the box.
pub(super) fn select(
    schema: &Schema,
    bbox: &BoundingBox,
    kept: &mut [Option<Arc<[usize]>>],
) -> Result<(), Problem> {
    let missing = || {
        Problem::new("DimensionNotAvailable", "the data cube has no spatial dimensions to filter")
    };
    let x = schema.spatial(SpatialAxis::X).ok_or_else(missing)?;
    let y = schema.spatial(SpatialAxis::Y).ok_or_else(missing)?;
    let crs = schema.dims[x].crs().or(schema.dims[y].crs()).ok_or_else(|| {
        Problem::new(
            "ProcessParameterInvalid",
            "the spatial dimensions of the data cube have no reference system, so no bounding box can be placed on them",
        )
    })?;
    let [west, south, east, north] = bounds_in(bbox, crs)?;
    for (dim, lo, hi) in [(x, west, east), (y, south, north)] {
        if let Some(labels) = schema.dims[dim].labels() {
            kept[dim] = Some(between(labels, lo, hi));
        }
    }
    Ok(())
}

/// The box in another reference system: the bounds of its edges with points in between.
pub(super) fn bounds_in(bbox: &BoundingBox, crs: &Crs) -> Result<[f64; 4], Problem> {
    let bounds = [bbox.west, bbox.south, bbox.east, bbox.north];
    if bbox.crs == *crs {
        if bbox.west > bbox.east {
            return Err(Problem::new(
                "ProcessParameterInvalid",
                "a bounding box that crosses the antimeridian cannot be taken out of a grid in degrees",
            )
            .hint("load both sides of the antimeridian on their own and merge them"));
        }
        return Ok(bounds);
    }
    densified_bounds(bounds, &bbox.crs, crs, POINTS_PER_EDGE).map_err(|e| unplaceable(&e))
}

fn unplaceable(error: &CrsError) -> Problem {
    Problem::new("ProcessParameterInvalid", format!("the bounding box cannot be placed: {error}"))
}

/// Indices of coordinates in `lo..=hi`; a millionth of a step beyond still counts as the edge.
fn between(labels: &Labels, lo: f64, hi: f64) -> Arc<[usize]> {
    let tolerance = labels.regular().map_or(0.0, |regular| 1e-6 * regular.step.abs());
    let inside = |i: &usize| {
        labels.get(*i).as_f64().is_some_and(|v| v >= lo - tolerance && v <= hi + tolerance)
    };
    (0..labels.len()).filter(inside).collect()
}
