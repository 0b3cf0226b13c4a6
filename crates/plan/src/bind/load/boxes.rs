//! Bounding boxes over labels: the pixels whose centre lies inside or on the edge, vertically as well.
//!
//! Longitudes that differ by 360 degrees are one place: a box from -10 to 10 also takes pixels at 350, and one whose
//! west is greater than its east goes across the antimeridian. What a *load* takes has the longitudes that were asked
//! for ([`unroll`]); a filter on any other cube keeps labels and order.

use std::sync::Arc;

use eolith_cube::crs::densified_bounds;
use eolith_cube::{
    Axis, Crs, CrsError, Features, Geometry, GeometryError, Labels, Regular, Schema, SpatialAxis,
};

use crate::bind::Problem;
use crate::need::{ArrayDim, Piece};
use crate::op::ScanSource;
use crate::request::BoundingBox;

/// Points along each edge of a box when it is taken to another reference system.
const POINTS_PER_EDGE: usize = 21;

/// What may be added to a longitude.
const TURNS: [f64; 3] = [-360.0, 0.0, 360.0];

/// Narrows x and y to the box, and z where both have it.
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
    let [west, south, east, north] = eastward(bbox, crs)?;
    let turns: &[f64] = if crs.is_geographic() { &TURNS } else { &[0.0] };
    for (dim, lo, hi, turns) in [(x, west, east, turns), (y, south, north, &[0.0])] {
        if let Some(labels) = schema.dims[dim].labels() {
            kept[dim] = Some(between(labels, lo, hi, turns));
        }
    }
    if let (Some([base, height]), Some(z)) = (bbox.vertical, schema.spatial(SpatialAxis::Z))
        && let Some(labels) = schema.dims[z].labels()
    {
        kept[z] = Some(between(labels, base, height, &[0.0]));
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

/// The source with its longitudes in the range that `bbox` asks for, where they are evenly spaced and another turn of
/// the earth brings more of them into the box. An axis all around the earth then starts at the west of the box, so that
/// pixels on both sides of its seam become neighbours.
pub(super) fn unroll(source: ScanSource, bbox: &BoundingBox) -> Result<ScanSource, Problem> {
    let Some(x) = source.schema.spatial(SpatialAxis::X) else { return Ok(source) };
    let dim = &source.schema.dims[x];
    let (Some(crs), Some(axis)) = (dim.crs(), dim.labels().and_then(|labels| labels.regular()))
    else {
        return Ok(source);
    };
    // Pieces on grids of their own find their place whatever the turn.
    if !crs.is_geographic() || axis.step <= 0.0 || source.pieces.iter().any(|p| p.grid.is_some()) {
        return Ok(source);
    }
    let [west, _, east, _] = eastward(bbox, crs)?;
    let tolerance = 1e-6 * axis.step;
    let inside = |turn: f64| {
        (0..axis.len)
            .map(|i| axis.at(i) + turn)
            .filter(|place| (west - tolerance..=east + tolerance).contains(place))
            .count()
    };
    let counts = TURNS.map(inside);
    let best = (0..TURNS.len()).rev().max_by_key(|&i| counts[i]).unwrap_or(1);
    let around = (axis.step * axis.len as f64 - 360.0).abs() <= 1e-3 * axis.step;
    let several = counts.iter().filter(|count| **count > 0).count() > 1;
    let (turn, first) = match (around && several, counts[best] > counts[1]) {
        (true, _) => {
            // The first pixel of the box, and the turn that brings it there.
            let turns = ((west - tolerance - axis.start) / 360.0).floor();
            let from = axis.start + 360.0 * turns;
            let first = ((west - tolerance - from) / axis.step).ceil() as usize;
            if first < axis.len { (360.0 * turns, first) } else { (360.0 * (turns + 1.0), 0) }
        }
        (false, true) => (TURNS[best], 0),
        (false, false) => return Ok(source),
    };
    Ok(rolled(source, x, first, turn))
}

/// The source with `first` as the first index along `dim`, those before it at the end, and labels moved by `turn`.
fn rolled(mut source: ScanSource, dim: usize, first: usize, turn: f64) -> ScanSource {
    let Some(axis) = source.schema.dims[dim].labels().and_then(|labels| labels.regular()) else {
        return source;
    };
    let first = first % axis.len.max(1);
    let labels = Labels::Regular(Regular { start: axis.at(first) + turn, ..axis });
    source.schema.dims[dim].axis = Axis::Known(labels);
    let shifted = |piece: &Piece, from: usize, to: usize, start: usize| {
        let mut piece = piece.clone();
        let own = piece.region.0[dim].clone();
        piece.region.0[dim] = start..start + (to - from);
        for array in &mut piece.dims {
            if let ArrayDim::Along { dim: along, offset } = array
                && *along == dim
            {
                *offset += from - own.start;
            }
        }
        piece
    };
    let mut pieces = Vec::with_capacity(2 * source.pieces.len());
    for piece in &*source.pieces {
        let own = &piece.region.0[dim];
        let east = own.start.max(first)..own.end;
        let west = own.start..own.end.min(first);
        if !east.is_empty() {
            pieces.push(shifted(piece, east.start, east.end, east.start - first));
        }
        if !west.is_empty() {
            pieces.push(shifted(piece, west.start, west.end, west.start + axis.len - first));
        }
    }
    source.pieces = pieces.into();
    source
}

/// As [`bounds_in`], but a box in degrees across the antimeridian has an east above 180.
fn eastward(bbox: &BoundingBox, crs: &Crs) -> Result<[f64; 4], Problem> {
    if bbox.crs == *crs && crs.is_geographic() && bbox.west > bbox.east {
        return Ok([bbox.west, bbox.south, bbox.east + 360.0, bbox.north]);
    }
    bounds_in(bbox, crs)
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

/// The bounds of geometries in another reference system: those of their positions where they are metres.
pub(super) fn bounds_of(features: &Features, crs: &Crs) -> Result<Option<[f64; 4]>, Problem> {
    if crs.is_geographic() {
        return BoundingBox::around(features).map(|own| bounds_in(&own, crs)).transpose();
    }
    let wrong = |e: GeometryError| Problem::new("ProcessParameterInvalid", e.to_string());
    let placed = features.in_crs(crs).map_err(wrong)?;
    let boxes = placed.iter().flatten().filter_map(Geometry::bounds);
    Ok(boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]))
}

fn unplaceable(error: &CrsError) -> Problem {
    Problem::new("ProcessParameterInvalid", format!("the bounding box cannot be placed: {error}"))
}

/// Indices of coordinates that one of `turns` brings into `lo..=hi`; a millionth of a step beyond still counts as the
/// edge.
fn between(labels: &Labels, lo: f64, hi: f64, turns: &[f64]) -> Arc<[usize]> {
    let tolerance = labels.regular().map_or(0.0, |regular| 1e-6 * regular.step.abs());
    let inside = |i: &usize| {
        let place = labels.get(*i).as_f64();
        let near = |v: f64| v >= lo - tolerance && v <= hi + tolerance;
        place.is_some_and(|v| turns.iter().any(|turn| near(v + turn)))
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
