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

/// The box in degrees; west is greater than east across the antimeridian.
pub(super) fn degrees(bbox: &BoundingBox) -> Result<[f64; 4], Problem> {
    let wgs84 = Crs::wgs84();
    if bbox.crs == wgs84 {
        return Ok([bbox.west, bbox.south, bbox.east, bbox.north]);
    }
    let [west, south, east, north] = bounds_in(bbox, &wgs84)?;
    Ok([west, south, east, north])
}

/// What two boxes in degrees have in common, around all of it where that is two pieces; `None` where it is nothing.
pub(super) fn overlap(a: [f64; 4], b: [f64; 4]) -> Option<[f64; 4]> {
    let (south, north) = (a[1].max(b[1]), a[3].min(b[3]));
    let unrolled =
        |[west, _, east, _]: [f64; 4]| (west, if west > east { east + 360.0 } else { east });
    let ((aw, ae), (bw, be)) = (unrolled(a), unrolled(b));
    let pieces = [-360.0, 0.0, 360.0].map(|turn| (aw.max(bw + turn), ae.min(be + turn)));
    let mut pieces = pieces.into_iter().filter(|(west, east)| west <= east);
    let (west, east) = pieces.next()?;
    if south > north {
        return None;
    }
    if pieces.next().is_some() {
        return Some([a[0], south, a[2], north]);
    }
    let turn = |lon: f64| if lon > 180.0 { lon - 360.0 } else { lon };
    let crosses = west <= 180.0 && east > 180.0;
    Some([if crosses { west } else { turn(west) }, south, turn(east), north])
}

/// The box in another reference system: the bounds of its edges with points in between.
pub(super) fn bounds_in(bbox: &BoundingBox, crs: &Crs) -> Result<[f64; 4], Problem> {
    let mut bounds = [bbox.west, bbox.south, bbox.east, bbox.north];
    if bbox.crs.is_geographic() && bbox.west > bbox.east && !crs.is_geographic() {
        // A grid in metres knows no antimeridian.
        bounds[2] += 360.0;
    }
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

#[cfg(test)]
mod tests {
    use super::overlap;

    #[test]
    fn boxes_overlap_across_the_antimeridian() {
        let fiji = [177.0, -20.0, -178.0, -12.0];
        assert_eq!(overlap(fiji, [170.0, -18.0, 178.0, 0.0]), Some([177.0, -18.0, 178.0, -12.0]));
        assert_eq!(
            overlap([-179.0, -18.0, -170.0, 0.0], fiji),
            Some([-179.0, -18.0, -178.0, -12.0])
        );
        assert_eq!(overlap(fiji, [178.0, -18.0, -179.0, 0.0]), Some([178.0, -18.0, -179.0, -12.0]));
        assert_eq!(overlap(fiji, [0.0, -18.0, 10.0, 0.0]), None);
        assert_eq!(overlap([0.0, 0.0, 4.0, 4.0], [2.0, 2.0, 9.0, 9.0]), Some([2.0, 2.0, 4.0, 4.0]));
        assert_eq!(overlap([0.0, 0.0, 4.0, 4.0], [2.0, 5.0, 9.0, 9.0]), None);
        // Two pieces: the first box is around them.
        assert_eq!(overlap([-180.0, -30.0, 180.0, 0.0], fiji), Some([-180.0, -20.0, 180.0, -12.0]));
    }
}
