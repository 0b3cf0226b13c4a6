//! Resampling of pixels from one grid to another, with the methods of `gdalwarp`.
//!
//! A point of the source grid is given in *index space*: pixel `i` covers `i..i + 1` along its axis, its
//! centre is `i + 0.5`. Every target pixel is computed from the two grids alone, never from the window it is
//! asked for in, so that any chunking gives the same pixels. Between reference systems a place is within 0.01
//! source pixels of its true transformation; for pixels of some metres the error is below 1e-6 (see
//! `warp/mesh.rs`).
//!
//! **Valid pixels** are those that are neither no-data nor NaN nor infinite (`is_valid()` of openEO). Others
//! take no part; only `near` passes NaN and infinities on as they are. Outside the source grid there is
//! nothing. A source in longitudes is looked at on either side of the antimeridian, but no kernel or
//! footprint reaches across the seam of a source grid.
//!
//! **Point methods** (`near`, `bilinear`, `cubic`, `cubicspline`, `lanczos`) look at the source around the
//! centre of the target pixel. The result is no-data if the centre lies in a source pixel that is not valid
//! or outside the grid; a centre within 1e-8 of an edge lies in the pixel of the higher index. Kernels are
//! separable, their weights are divided by their sum over the valid pixels; a sum of weights below 1e-6
//! gives no-data. Where target pixels are larger than source pixels the kernel is widened by that ratio, one
//! for the whole grid (see [`Warp::new`]). A cubic kernel that is not widened becomes bilinear where one of
//! its pixels is missing.
//!
//! **Footprint methods** (all others) look at the source pixels that the target pixel touches; between
//! systems, that the box around its four transformed corners touches. `average`, `rms`, `sum` and `mode`
//! weight each with the touched part of it; `sum` also with the part of the box that the pixel covers, so
//! that totals are kept. Of equally weighty modes the first in row-major order is taken. `min`, `max` and
//! the quantiles have no weights, and a quantile is one of the values: number `ceil(q * n)` of `n` in
//! order. A pixel with a corner that has no image is no-data.
//!
//! Differences to `gdalwarp` (3.10): it finds the widening of kernels for each piece of the target anew; it takes
//! the box of a footprint from two corners; before 3.11 it counts touched pixels for `mode`; a cubic kernel
//! there becomes bilinear also where a missing pixel has no weight. `tests/warp_gdal.rs` compares the rest.

mod apply;
mod asked;
mod hull;
mod lines;
mod mesh;
mod method;
mod narrow;
mod pixel;
mod place;
mod sample;
mod taps;

use std::ops::Range;
use std::sync::Arc;

pub use method::Method;

use self::apply::{Planes, Target};
use self::asked::Asked;
use self::lines::{Lines, Rule};
use self::place::Places;
use self::taps::Kernel;
use crate::block::Block;
use crate::crs::CrsError;
use crate::dtype::Number;
use crate::grid::Grid;

/// Resampling of one grid to another with one method.
#[derive(Clone, Debug)]
pub struct Warp {
    method: Method,
    rule: Rule,
    asked: Arc<Asked>,
}

impl Warp {
    /// Source pixels per target pixel, by which kernels are widened, are counted along the source's rows and
    /// columns: as the ratio of the steps where both grids have the same system, else as the median over up
    /// to 81 places. A ratio within 0.05 of a whole number is that number, one below 1 is 1.
    ///
    /// # Errors
    /// [`CrsError`] if there is no way between the systems.
    pub fn new(from: Grid, to: Grid, method: Method) -> Result<Warp, CrsError> {
        let places = Places::new(&from, &to)?;
        let kernel = Kernel::of(method);
        let ratios = match method {
            Method::Bilinear | Method::Cubic | Method::CubicSpline | Method::Lanczos => {
                places.ratios(&from, &to)?.map(widening)
            }
            _ => [1.0; 2],
        };
        let plain = method == Method::Cubic && ratios == [1.0; 2];
        Ok(Warp { method, rule: Rule { places, kernel, ratios, plain }, asked: Arc::default() })
    }

    pub fn method(&self) -> Method {
        self.method
    }

    /// Source pixels per target pixel along rows and columns, unrounded and counted as for [`Warp::new`]; 1 where the
    /// grids do not meet.
    ///
    /// # Errors
    /// [`CrsError`] if there is no way between the systems.
    pub fn ratios(from: &Grid, to: &Grid) -> Result<[f64; 2], CrsError> {
        Places::new(from, to)?.ratios(from, to)
    }

    /// Pixels (rows, columns) of the source grid needed for a window (rows, columns) of the target grid, and maybe a
    /// few around them; both ranges are empty if there are none.
    pub fn source_region(&self, rows: Range<usize>, cols: Range<usize>) -> [Range<usize>; 2] {
        self.asked.get([rows, cols], |[rows, cols]| {
            hull::source_region(&self.rule, rows.clone(), cols.clone())
        })
    }

    /// Resamples a window (rows, columns) of the target grid. The last two dimensions of `source` are y and x
    /// and start at the start of `source_window` (rows, columns of the source grid), which is
    /// [`Warp::source_region`] of the window or larger; dimensions before them are kept. A pixel that needs
    /// more than the block has is no-data.
    pub fn run(
        &self,
        source: &Block,
        source_window: [Range<usize>; 2],
        target_window: [Range<usize>; 2],
    ) -> Block {
        let [rows, cols] = target_window;
        let leading = source.shape.len().saturating_sub(2);
        let mut shape = source.shape[..leading].to_vec();
        shape.extend([rows.len(), cols.len()]);
        let dtype = self.method.dtype(source.dtype());
        if source.shape.len() < 2 || source.is_empty() || shape.contains(&0) {
            return Block::nulls(dtype, shape);
        }
        let planes = Planes::new(source, source_window.map(|range| range.start), self.method);
        let mut target = Target::new(dtype, &planes, rows.len(), cols.len());
        if narrow::fits(&self.rule, &planes) {
            narrow::run(self.method, &self.rule, &planes, [rows, cols], &mut target);
            return target.finish(shape);
        }
        let mut lines = Lines::new(&self.rule, rows.clone(), cols);
        for row in 0..rows.len() {
            if let Some(taps) = lines.next() {
                target.fill(self.method, &planes, row, taps);
            }
        }
        target.finish(shape)
    }

    /// One target pixel from a closure that gives source pixels (row, column); slow. Computed values are not
    /// yet rounded to the storage type of the result.
    pub fn pixel(
        &self,
        row: usize,
        col: usize,
        source: &dyn Fn(usize, usize) -> Option<Number>,
    ) -> Option<Number> {
        let mut lines = Lines::new(&self.rule, row..row + 1, col..col + 1);
        lines.next().and_then(|taps| pixel::pixel(self.method, taps, source))
    }
}

fn widening(ratio: f64) -> f64 {
    let ratio = if ratio.is_finite() { ratio.max(1.0) } else { 1.0 };
    if (ratio - ratio.round()).abs() < 0.05 { ratio.round() } else { ratio }
}
