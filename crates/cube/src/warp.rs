//! Resampling of pixels from one grid to another.
//!
//! A point of the source grid is given in *index space*: pixel `i` covers `i..i + 1` along its axis, its
//! centre is `i + 0.5`. Every target pixel is computed from the two grids alone, never from the window it is
//! asked for in, so that any chunking gives the same pixels.

mod method;

use std::ops::Range;

pub use method::Method;

use crate::block::Block;
use crate::crs::CrsError;
use crate::dtype::Number;
use crate::grid::Grid;
use crate::label::Regular;

/// Resampling of one grid to another with one method.
#[derive(Clone, Debug)]
pub struct Warp {
    from: Grid,
    to: Grid,
    method: Method,
}

/// Distance in source pixels below which a point lies on a pixel edge.
const TIE: f64 = 1e-8;

impl Warp {
    pub fn new(from: Grid, to: Grid, method: Method) -> Result<Warp, CrsError> {
        Ok(Warp { from, to, method })
    }

    pub fn method(&self) -> Method {
        self.method
    }

    /// Pixels (rows, columns) of the source grid needed for a window (rows, columns) of the target grid; both
    /// ranges are empty if there are none.
    pub fn source_region(&self, rows: Range<usize>, cols: Range<usize>) -> [Range<usize>; 2] {
        let hull = |indices: Vec<Option<usize>>| {
            let low = indices.iter().flatten().min().copied();
            let high = indices.iter().flatten().max().copied();
            low.zip(high).map_or(0..0, |(low, high)| low..high + 1)
        };
        let y = hull(self.nearest(self.to.y, self.from.y, rows));
        let x = hull(self.nearest(self.to.x, self.from.x, cols));
        if y.is_empty() || x.is_empty() { [0..0, 0..0] } else { [y, x] }
    }

    /// Resamples a window (rows, columns) of the target grid. The last two dimensions of `source` are y and x
    /// and cover `source_window`, which is [`Warp::source_region`] of the window or larger; dimensions before
    /// them are kept.
    pub fn run(
        &self,
        source: &Block,
        source_window: [Range<usize>; 2],
        target_window: [Range<usize>; 2],
    ) -> Block {
        let leading = source.shape.len().saturating_sub(2);
        let [rows, cols] = target_window;
        let mut shape = source.shape[..leading].to_vec();
        shape.extend([rows.len(), cols.len()]);
        let within = |indices: Vec<Option<usize>>, window: &Range<usize>| -> Vec<Option<usize>> {
            let inside = |i: usize| window.contains(&i).then(|| i - window.start);
            indices.into_iter().map(|i| i.and_then(inside)).collect()
        };
        let y = within(self.nearest(self.to.y, self.from.y, rows), &source_window[0]);
        let x = within(self.nearest(self.to.x, self.from.x, cols), &source_window[1]);
        let mut out = Block::nulls(self.method.dtype(source.dtype()), shape);
        if out.is_empty() || source.is_empty() {
            return out;
        }
        let taken = source
            .take(leading, &y.iter().map(|i| i.unwrap_or(0)).collect::<Vec<_>>())
            .take(leading + 1, &x.iter().map(|i| i.unwrap_or(0)).collect::<Vec<_>>());
        let mask: Vec<bool> = (0..taken.len())
            .map(|i| {
                let (row, col) = (i / x.len() % y.len(), i % x.len());
                taken.is_valid(i) && y[row].is_some() && x[col].is_some()
            })
            .collect();
        out.values = taken.values.cast(out.dtype());
        out.validity = Some(mask);
        out.canonical()
    }

    /// One target pixel from a closure that gives source pixels (row, column).
    pub fn pixel(
        &self,
        row: usize,
        col: usize,
        source: &dyn Fn(usize, usize) -> Option<Number>,
    ) -> Option<Number> {
        let y = self.nearest(self.to.y, self.from.y, row..row + 1);
        let x = self.nearest(self.to.x, self.from.x, col..col + 1);
        source(y[0]?, x[0]?)
    }

    fn nearest(&self, to: Regular, from: Regular, range: Range<usize>) -> Vec<Option<usize>> {
        let index = |i: usize| {
            let at = ((to.at(i) - from.start) / from.step + 0.5 + TIE).floor();
            (self.from.crs == self.to.crs && at >= 0.0 && at < from.len as f64)
                .then_some(at as usize)
        };
        range.map(index).collect()
    }
}
