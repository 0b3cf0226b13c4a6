//! Which pixels of a grid belong to a geometry.
//!
//! - **Polygons** have the pixels whose centre lies inside or on the boundary: even-odd over all rings of one polygon,
//!   the union of several.
//! - **Points** have the pixel whose centre is closest: the one they lie in, at an edge that of the higher index.
//! - **Lines** have every pixel they pass through.
//!
//! All is computed in the index space of the whole grid, so that a pixel belongs to a geometry or not whatever part
//! of the grid is looked at. Nothing lies outside of the grid. [`areas`] goes the other way: from pixels to outlines.

mod areas;

use std::ops::Range;

use thiserror::Error;

use crate::geometry::{Geometry, Position, Ring};
use crate::grid::Grid;
use crate::label::Regular;

pub use areas::{Area, areas};

/// Most crossings of outlines with rows of pixels that are worked on for one geometry.
const MOST: usize = 50_000_000;

/// The pixels of one geometry: spans of columns, row by row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Footprint {
    /// The rows and columns that have pixels.
    pub rows: Range<usize>,
    pub cols: Range<usize>,
    /// Where the spans of each row start, and at last their number.
    starts: Vec<usize>,
    spans: Vec<Range<usize>>,
    count: usize,
}

/// A geometry that is too much work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the outline of a geometry crosses rows of pixels more than {MOST} times")]
pub struct TooDetailed;

/// The pixels of a geometry whose positions are in the reference system of the grid.
///
/// # Errors
/// [`TooDetailed`].
pub fn rasterise(geometry: &Geometry, grid: &Grid) -> Result<Footprint, TooDetailed> {
    let parts = geometry.parts();
    let mut found = Found { size: [grid.y.len, grid.x.len], ..Found::default() };
    let place = |&[x, y]: &Position| [index(grid.x, x), index(grid.y, y)];
    for position in &parts.points {
        let [x, y] = place(position);
        found.cells(y, y, x, x)?;
    }
    for line in parts.lines {
        let line: Vec<Position> = line.iter().map(place).collect();
        line.windows(2).try_for_each(|pair| found.segment(pair[0], pair[1]))?;
    }
    for rings in parts.polygons {
        let rings: Vec<Ring> = rings.iter().map(|ring| ring.iter().map(place).collect()).collect();
        found.polygon(&rings)?;
    }
    Ok(found.footprint())
}

/// The rows and columns whose centres lie in the bounding box of all these geometries, or on its edge up to a
/// millionth of a pixel; of points and lines the pixels that they lie in count.
pub fn window(geometries: &[Geometry], grid: &Grid) -> [Range<usize>; 2] {
    let mut reach = [[f64::INFINITY, f64::NEG_INFINITY]; 2];
    let mut take = |[x, y]: Position| {
        for (axis, place) in reach.iter_mut().zip([y, x]) {
            *axis = [axis[0].min(place), axis[1].max(place)];
        }
    };
    let place = |&[x, y]: &Position| [index(grid.x, x), index(grid.y, y)];
    for geometry in geometries {
        let parts = geometry.parts();
        let rings = parts.polygons.into_iter().flatten().flatten();
        rings.map(place).for_each(&mut take);
        let thin = parts.points.iter().chain(parts.lines.into_iter().flatten());
        thin.map(place).map(|at| at.map(|v| (v + 0.5).floor())).for_each(&mut take);
    }
    let [rows, cols] = reach;
    let within = |[low, high]: [f64; 2], len| {
        if low > high { 0..0 } else { clipped((low - 1e-6).ceil(), (high + 1e-6).floor(), len) }
    };
    [within(rows, grid.y.len), within(cols, grid.x.len)]
}

impl Footprint {
    /// Columns of a row of the grid, in order and apart from each other.
    pub fn spans(&self, row: usize) -> &[Range<usize>] {
        if !self.rows.contains(&row) {
            return &[];
        }
        let k = row - self.rows.start;
        &self.spans[self.starts[k]..self.starts[k + 1]]
    }

    /// Number of pixels.
    pub fn len(&self) -> usize {
        self.count
    }

    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Number of pixels in some rows of the grid.
    pub fn pixels(&self, rows: &Range<usize>) -> usize {
        if rows.start <= self.rows.start && self.rows.end <= rows.end {
            return self.count;
        }
        let own = self.rows.start.max(rows.start)..self.rows.end.min(rows.end);
        own.flat_map(|row| self.spans(row)).map(ExactSizeIterator::len).sum()
    }

    /// Bytes it holds on to.
    pub fn bytes(&self) -> usize {
        self.spans.len() * size_of::<Range<usize>>() + self.starts.len() * size_of::<usize>()
    }

    pub fn contains(&self, row: usize, col: usize) -> bool {
        let spans = self.spans(row);
        let next = spans.partition_point(|span| span.end <= col);
        spans.get(next).is_some_and(|span| span.start <= col)
    }

    /// The part in a window of the grid, in the rows and columns of the window.
    #[must_use]
    pub fn within(&self, [rows, cols]: &[Range<usize>; 2]) -> Footprint {
        let mut found = Found { size: [usize::MAX; 2], ..Found::default() };
        for row in rows.start.max(self.rows.start)..rows.end.min(self.rows.end) {
            for span in self.spans(row) {
                let (left, end) = (span.start.max(cols.start), span.end.min(cols.end));
                if left < end {
                    found.spans.push((row - rows.start, left - cols.start, end - cols.start));
                }
            }
        }
        found.footprint()
    }

    /// The pixels that any of several footprints has.
    pub fn union<'a>(footprints: impl IntoIterator<Item = &'a Footprint>) -> Footprint {
        let mut found = Found { size: [usize::MAX; 2], ..Found::default() };
        for own in footprints {
            for row in own.rows.clone() {
                found.spans.extend(own.spans(row).iter().map(|span| (row, span.start, span.end)));
            }
        }
        found.footprint()
    }
}

/// Spans in any order: row, first column, end.
#[derive(Debug, Default)]
struct Found {
    /// Rows and columns of the grid.
    size: [usize; 2],
    spans: Vec<(usize, usize, usize)>,
    /// Row and place of crossings with the outline of the current polygon.
    crossings: Vec<(usize, f64)>,
}

impl Found {
    /// Adds the pixels that the box `top..=bottom`, `left..=right` of index space touches, whose rows are one row.
    fn cells(&mut self, top: f64, bottom: f64, left: f64, right: f64) -> Result<(), TooDetailed> {
        let [height, width] = self.size;
        for row in clipped((top + 0.5).floor(), (bottom + 0.5).floor(), height) {
            let cols = clipped((left + 0.5).floor(), (right + 0.5).floor(), width);
            self.push(row, cols)?;
        }
        Ok(())
    }

    /// Adds the pixels that a segment passes through.
    fn segment(&mut self, a: Position, b: Position) -> Result<(), TooDetailed> {
        let ([xa, ya], [xb, yb]) = if a[1] <= b[1] { (a, b) } else { (b, a) };
        let at = |y: f64| if yb > ya { xa + (y - ya) * ((xb - xa) / (yb - ya)) } else { xa };
        for row in clipped((ya + 0.5).floor(), (yb + 0.5).floor(), self.size[0]) {
            let (top, bottom) = (row as f64 - 0.5, row as f64 + 0.5);
            let first = if ya >= top { xa } else { at(top) };
            let last = if yb <= bottom { xb } else { at(bottom) };
            let middle = row as f64;
            self.cells(middle, middle, first.min(last), first.max(last))?;
        }
        Ok(())
    }

    fn polygon(&mut self, rings: &[Ring]) -> Result<(), TooDetailed> {
        let [height, width] = self.size;
        let centres = |low: f64, high: f64| clipped(low.ceil(), high.floor(), width);
        self.crossings.clear();
        for pair in rings.iter().flat_map(|ring| ring.windows(2)) {
            // From the lower end, so that two polygons with a common edge see the same crossings.
            let low_first = pair[0][1] < pair[1][1];
            let ([xa, ya], [xb, yb]) =
                if low_first { (pair[0], pair[1]) } else { (pair[1], pair[0]) };
            // What lies exactly on a row of centres is on the boundary.
            if ya.fract() == 0.0 {
                for row in clipped(ya, ya, height) {
                    let end = if yb == ya { xb } else { xa };
                    self.push(row, centres(xa.min(end), xa.max(end)))?;
                }
            }
            // The upper end belongs to the next edge.
            let slope = (xb - xa) / (yb - ya);
            for row in clipped(ya.ceil(), yb.ceil() - 1.0, height) {
                self.crossings.push((row, xa + (row as f64 - ya) * slope));
            }
            if self.crossings.len() > MOST {
                return Err(TooDetailed);
            }
        }
        self.crossings.sort_unstable_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)));
        let crossings = std::mem::take(&mut self.crossings);
        for pair in crossings.chunks_exact(2) {
            debug_assert_eq!(
                pair[0].0, pair[1].0,
                "closed rings cross a row an even number of times"
            );
            self.push(pair[0].0, centres(pair[0].1, pair[1].1))?;
        }
        self.crossings = crossings;
        Ok(())
    }

    fn push(&mut self, row: usize, cols: Range<usize>) -> Result<(), TooDetailed> {
        if cols.is_empty() {
            return Ok(());
        }
        self.spans.push((row, cols.start, cols.end));
        if self.spans.len() > MOST { Err(TooDetailed) } else { Ok(()) }
    }

    fn footprint(mut self) -> Footprint {
        self.spans.sort_unstable();
        let (Some(first), Some(last)) = (self.spans.first(), self.spans.last()) else {
            return Footprint::default();
        };
        let rows = first.0..last.0 + 1;
        let left = self.spans.iter().map(|span| span.1).min().unwrap_or_default();
        let right = self.spans.iter().map(|span| span.2).max().unwrap_or_default();
        let mut starts = Vec::with_capacity(rows.len() + 1);
        let mut spans: Vec<Range<usize>> = Vec::new();
        let mut next = self.spans.iter().peekable();
        for row in rows.clone() {
            let start = spans.len();
            starts.push(start);
            while let Some(&(_, left, end)) = next.next_if(|span| span.0 == row) {
                match spans[start..].last_mut() {
                    Some(before) if left <= before.end => before.end = before.end.max(end),
                    _ => spans.push(left..end),
                }
            }
        }
        starts.push(spans.len());
        spans.shrink_to_fit();
        let count = spans.iter().map(ExactSizeIterator::len).sum();
        Footprint { rows, cols: left..right, starts, spans, count }
    }
}

/// Where a coordinate lies among the pixels of an axis: centres are whole numbers.
fn index(axis: Regular, at: f64) -> f64 {
    (at - axis.start) / axis.step
}

/// The indices of `first..=last` below `len`.
fn clipped(first: f64, last: f64, len: usize) -> Range<usize> {
    // Casts saturate, and NaN gives 0 after 0.
    let end = if last >= 0.0 { ((last as usize).saturating_add(1)).min(len) } else { 0 };
    (first.max(0.0) as usize).min(end)..end
}

#[cfg(test)]
mod tests;
