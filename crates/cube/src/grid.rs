//! North-up pixel grids over x and y.

use std::ops::Range;

use thiserror::Error;

use crate::crs::Crs;
use crate::dimension::SpatialAxis;
use crate::label::Regular;
use crate::schema::Schema;

/// A grid of pixels: CRS and evenly spaced pixel *centres* along x and y. A negative y step is north-up.
#[derive(Clone, Debug, PartialEq)]
pub struct Grid {
    pub crs: Crs,
    pub x: Regular,
    pub y: Regular,
}

/// Why a schema has no grid.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum GridError {
    #[error("the cube has no dimension for the spatial axis `{0}`")]
    Missing(&'static str),
    #[error("the labels of dimension `{0}` are not evenly spaced numbers")]
    Irregular(String),
    #[error("the spatial dimensions have no reference system")]
    NoCrs,
}

impl Grid {
    /// From an upper-left corner, pixel sizes (`dy` usually negative) and a size in pixels.
    pub fn from_corner(
        crs: Crs,
        (left, top): (f64, f64),
        (dx, dy): (f64, f64),
        (width, height): (usize, usize),
    ) -> Grid {
        Grid {
            crs,
            x: Regular { start: left + dx / 2.0, step: dx, len: width },
            y: Regular { start: top + dy / 2.0, step: dy, len: height },
        }
    }

    pub(crate) fn of(schema: &Schema) -> Result<Grid, GridError> {
        let axis = |axis: SpatialAxis| {
            let dim = &schema.dims[schema.spatial(axis).ok_or(GridError::Missing(axis.name()))?];
            let regular = dim.labels().and_then(|l| l.regular());
            Ok((dim, regular.ok_or_else(|| GridError::Irregular(dim.name.clone()))?))
        };
        let ((x_dim, x), (y_dim, y)) = (axis(SpatialAxis::X)?, axis(SpatialAxis::Y)?);
        let crs = x_dim.crs().or(y_dim.crs()).ok_or(GridError::NoCrs)?.clone();
        Ok(Grid { crs, x, y })
    }

    /// Outer bounds: west, south, east, north.
    pub fn bounds(&self) -> [f64; 4] {
        let ((x0, x1), (y0, y1)) = (self.x.edges(), self.y.edges());
        [x0.min(x1), y0.min(y1), x0.max(x1), y0.max(y1)]
    }

    /// Rows and columns whose pixel centres lie in a box (west, south, east, north) or on its edge; a millionth of a
    /// step beyond still counts as the edge.
    pub fn pixels_inside(&self, [west, south, east, north]: [f64; 4]) -> [Range<usize>; 2] {
        let inside = |axis: Regular, lo: f64, hi: f64| {
            let index = |place: f64| (place - axis.start) / axis.step;
            let (a, b) = (index(lo), index(hi));
            let whole = |index: f64| index.clamp(0.0, axis.len as f64) as usize;
            let start = whole((a.min(b) - 1e-6).ceil());
            start..whole((a.max(b) + 1e-6).floor() + 1.0).max(start)
        };
        [inside(self.y, south, north), inside(self.x, west, east)]
    }

    /// Whether both have the same pixels in the same places (1e-3 of a pixel at every corner).
    pub fn aligned(&self, other: &Grid) -> bool {
        let close = |a: Regular, b: Regular| {
            let tolerance = 1e-3 * a.step.abs();
            a.len == b.len
                && (a.start - b.start).abs() <= tolerance
                && (a.at(a.len) - b.at(b.len)).abs() <= tolerance
        };
        self.crs == other.crs && close(self.x, other.x) && close(self.y, other.y)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_inside_a_box_have_their_centre_there() {
        let grid = Grid::from_corner(Crs::wgs84(), (10.0, 50.0), (0.5, -0.5), (8, 6));
        assert_eq!(grid.pixels_inside(grid.bounds()), [0..6, 0..8]);
        // Centres on the edge count, from either side.
        assert_eq!(grid.pixels_inside([10.25, 48.75, 11.25, 49.25]), [1..3, 0..3]);
        assert!(grid.pixels_inside([10.3, 0.0, 10.7, 90.0])[1].is_empty());
        for outside in [[0.0, 48.0, 9.9, 49.0], [14.1, 48.0, 20.0, 49.0]] {
            assert!(grid.pixels_inside(outside)[1].is_empty());
        }
    }
}
