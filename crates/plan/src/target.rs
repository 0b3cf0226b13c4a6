//! The grid on which a result is wanted, and what may be read for it.
//!
//! Resolution is part of a plan: a plan with a target has a warp over its result node. It is no part of a region, which
//! is a box of a plan's result.

use eolith_cube::warp::Method;
use eolith_cube::{Crs, CrsError, Grid};

/// Where a result is wanted.
#[derive(Clone, Debug, PartialEq)]
pub struct TargetGrid {
    pub grid: Grid,
    /// How pixels are brought there.
    pub method: Method,
    pub reading: Reading,
}

/// What may be read for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Native pixels only: the same result as with a `resample_spatial` in the process graph.
    Exact,
    /// Overviews, where nothing but expressions of single pixels lies between a load and a warp.
    Approximate,
}

/// Pixels along each side of a tile.
pub const TILE: usize = 256;

/// Half of the circumference of the sphere of EPSG:3857, metres.
const HALF: f64 = 20_037_508.342_789_244;

/// Deepest level of tiles: pixels of some millimetres.
const DEEPEST: u8 = 30;

impl TargetGrid {
    /// The nearest native pixel of each pixel.
    pub fn exact(grid: Grid) -> TargetGrid {
        TargetGrid { grid, method: Method::Near, reading: Reading::Exact }
    }

    /// The nearest pixel of each pixel, of an overview where that can be.
    pub fn approximate(grid: Grid) -> TargetGrid {
        TargetGrid { grid, method: Method::Near, reading: Reading::Approximate }
    }
}

/// The grid of a tile of a web map: column `x` and row `y` of `2^z`, counted from the north-west, in EPSG:3857. `None`
/// where there is no such tile.
///
/// # Errors
/// The reference system is not in the table of this build.
pub fn tile(z: u8, x: u32, y: u32) -> Result<Option<Grid>, CrsError> {
    tile_of(z, x, y, TILE)
}

/// The same with `pixels` along each side, which is 1 at least.
///
/// # Errors
/// Those of [`tile`].
pub fn tile_of(z: u8, x: u32, y: u32, pixels: usize) -> Result<Option<Grid>, CrsError> {
    let count = 1u64 << z.min(DEEPEST);
    if z > DEEPEST || u64::from(x) >= count || u64::from(y) >= count {
        return Ok(None);
    }
    let side = 2.0 * HALF / count as f64;
    let corner = (f64::from(x) * side - HALF, HALF - f64::from(y) * side);
    let pixel = side / pixels as f64;
    Ok(Some(Grid::from_corner(Crs::epsg(3857)?, corner, (pixel, -pixel), (pixels, pixels))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cut_the_map() {
        let bounds = |z, x, y| tile(z, x, y).unwrap().map(|grid| grid.bounds());
        // Edges are half a pixel from centres: the last bit may differ.
        let is = |found: Option<[f64; 4]>, wanted: [f64; 4]| {
            let pairs = found.into_iter().flatten().zip(wanted);
            assert_eq!(pairs.filter(|(a, b)| (a - b).abs() < 1e-6).count(), 4, "{found:?}");
        };
        is(bounds(0, 0, 0), [-HALF, -HALF, HALF, HALF]);
        is(bounds(1, 1, 0), [0.0, 0.0, HALF, HALF]);
        // 10 m at the equator is level 14: 9.5546 m.
        let pixel = tile(14, 0, 0).unwrap().unwrap().x.step;
        assert!((pixel - 9.554_628_535_647_032).abs() < 1e-9, "{pixel}");
        assert_eq!((bounds(1, 2, 0), bounds(1, 0, 2), bounds(31, 0, 0)), (None, None, None));
    }
}
