//! Boxes in degrees: west, south, east, north. West is greater than east across the antimeridian.

use eolith_cube::Grid;
use eolith_cube::crs::{Crs, densified_bounds};
use serde_json::{Value, json};

/// Points of each edge that are moved to degrees.
const POINTS: usize = 21;

/// The longitudes and latitudes a grid covers, if its reference system can be computed.
pub(crate) fn of_grid(grid: &Grid) -> Option<[f64; 4]> {
    of_box(grid.bounds(), &grid.crs)
}

pub(crate) fn of_box(bounds: [f64; 4], crs: &Crs) -> Option<[f64; 4]> {
    let found = densified_bounds(bounds, crs, &Crs::wgs84(), POINTS).ok()?;
    let [west, south, east, north] = found;
    let (south, north) = (south.max(-90.0), north.min(90.0));
    if east - west >= 360.0 {
        // Grids from 0 to 360 degrees and those with half a pixel too many are all around.
        return Some([-180.0, south, 180.0, north]);
    }
    let wrap = |lon: f64| if lon > 180.0 { lon - 360.0 } else { lon };
    Some([wrap(west), south, wrap(east), north])
}

/// A box as GeoJSON; one that crosses the antimeridian is two.
pub(crate) fn outline([west, south, east, north]: [f64; 4]) -> Value {
    let ring = |west: f64, east: f64| {
        json!([[[west, south], [east, south], [east, north], [west, north], [west, south]]])
    };
    if west <= east {
        json!({ "type": "Polygon", "coordinates": ring(west, east) })
    } else {
        json!({ "type": "MultiPolygon", "coordinates": [ring(west, 180.0), ring(-180.0, east)] })
    }
}

/// Without heights, if it has any.
pub(super) fn flat(bbox: &[f64]) -> Option<[f64; 4]> {
    match *bbox {
        [west, south, east, north] | [west, south, _, east, north, _] => {
            Some([west, south, east, north])
        }
        _ => None,
    }
}

/// Whether two boxes have a point in common, edges included.
pub(super) fn touch(a: [f64; 4], b: [f64; 4]) -> bool {
    let latitudes = a[1] <= b[3] && b[1] <= a[3];
    latitudes && parts(a).any(|a| parts(b).any(|b| a[0] <= b[1] && b[0] <= a[1]))
}

/// A box around both; around the whole earth where one of them crosses the antimeridian.
pub(crate) fn hull(a: [f64; 4], b: [f64; 4]) -> [f64; 4] {
    let crosses = a[0] > a[2] || b[0] > b[2];
    let (west, east) = if crosses { (-180.0, 180.0) } else { (a[0].min(b[0]), a[2].max(b[2])) };
    [west, a[1].min(b[1]), east, a[3].max(b[3])]
}

/// West and east of the one or two pieces of a box.
fn parts([west, _, east, _]: [f64; 4]) -> impl Iterator<Item = [f64; 2]> {
    let pieces = if west <= east {
        [Some([west, east]), None]
    } else {
        [Some([west, 180.0]), Some([-180.0, east])]
    };
    pieces.into_iter().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_touch_across_the_antimeridian() {
        let fiji = [177.0, -20.0, -178.0, -12.0];
        assert!(touch(fiji, [-179.0, -18.0, -170.0, -15.0]));
        assert!(touch(fiji, [170.0, -18.0, 177.0, -15.0]));
        assert!(!touch(fiji, [0.0, -18.0, 10.0, -15.0]));
        assert!(!touch(fiji, [178.0, 0.0, 179.0, 1.0]));
        assert_eq!(hull(fiji, [0.0, 0.0, 1.0, 1.0]), [-180.0, -20.0, 180.0, 1.0]);
        assert_eq!(hull([2.0, 0.0, 3.0, 1.0], [0.0, 0.0, 1.0, 4.0]), [0.0, 0.0, 3.0, 4.0]);
    }
}
