//! Point methods with small kernels, many target pixels at a time.
//!
//! Gives the bits of the general way (`lines`, `apply`) in less time. The window is cut into tiles. Of each tile the
//! places are found first; then the source pixels behind them are laid out so that all planes of a pixel lie side by
//! side (`tile`); then, row by row, weights are computed once for all planes (`segment`) and applied. A pixel that is
//! not that simple (a neighbour without data, a kernel over the edge) is computed on its own (`single`).

mod nearest;
mod segment;
mod single;
mod tile;

use std::ops::Range;

use self::segment::{Segment, State};
use self::single::Single;
use self::tile::Tile;
use super::Method;
use super::apply::{Planes, Target};
use super::lines::Rule;
use super::mesh::Mesh;
use super::place::Points;
use super::sample::Real;
use super::taps::{cubic, lanczos, linear, spline};
use crate::dtype::DType;

/// Most rows and columns of target pixels in a tile, a power of two: places and source pixels of a tile are to stay in
/// the second-level cache.
const SIDE: usize = 64;

/// Bytes of source pixels of a tile, about; a tile with more than four times as many is cut up.
const BYTES: usize = 256 << 10;

/// Planes that are worked on together, if there are several.
const LANES: usize = 4;

/// Whether the kernel is small enough, and the block for the indices used here.
pub(super) fn fits(rule: &Rule, planes: &Planes<'_>) -> bool {
    rule.taps().is_some_and(|taps| taps <= 8) && i32::try_from(planes.area()).is_ok()
}

/// Computes a window (rows, columns) of the target grid.
pub(super) fn run(
    method: Method,
    rule: &Rule,
    planes: &Planes<'_>,
    window: [Range<usize>; 2],
    target: &mut Target,
) {
    let job = Job { method, rule, planes, start: [window[0].start, window[1].start] };
    match method {
        Method::Near => nearest::run(rule, planes, window, target),
        Method::Bilinear => job.run(linear, window, target),
        Method::Cubic => job.run(cubic, window, target),
        Method::CubicSpline => job.run(spline, window, target),
        _ => job.run(lanczos, window, target),
    }
}

#[derive(Clone, Copy)]
struct Job<'a> {
    method: Method,
    rule: &'a Rule,
    planes: &'a Planes<'a>,
    /// Row and column of the target grid at which the window starts.
    start: [usize; 2],
}

impl Job<'_> {
    fn run<W>(self, weight: W, window: [Range<usize>; 2], target: &mut Target)
    where
        W: Fn(f64) -> f64 + Copy,
    {
        match self.rule.taps() {
            Some(..=2) => self.typed::<2, W>(weight, window, target),
            Some(3) => self.typed::<3, W>(weight, window, target),
            Some(4) => self.typed::<4, W>(weight, window, target),
            _ => self.typed::<8, W>(weight, window, target),
        }
    }

    fn typed<const N: usize, W>(self, weight: W, window: [Range<usize>; 2], target: &mut Target)
    where
        W: Fn(f64) -> f64 + Copy,
    {
        match (target.dtype(), self.planes.count()) {
            (DType::F32, 1) => Work::<f32, N, 1>::new(self).window(weight, window, target),
            (DType::F32, _) => Work::<f32, N, LANES>::new(self).window(weight, window, target),
            (_, 1) => Work::<f64, N, 1>::new(self).window(weight, window, target),
            _ => Work::<f64, N, LANES>::new(self).window(weight, window, target),
        }
    }
}

/// A job for kernels of `N` × `N` pixels and `L` planes at a time, with the buffers for a tile.
struct Work<'a, R, const N: usize, const L: usize> {
    job: Job<'a>,
    mesh: Mesh,
    line: Points,
    /// Places of the target pixels, row by row.
    points: Points,
    tile: Tile<R, L>,
    segment: Segment<N>,
    results: [[R; L]; SIDE],
    single: Single<'a>,
}

impl<'a, R: Real, const N: usize, const L: usize> Work<'a, R, N, L> {
    fn new(job: Job<'a>) -> Self {
        Work {
            job,
            mesh: Mesh::default(),
            line: Points::default(),
            points: Points::default(),
            tile: Tile::new(N),
            segment: Segment::new(),
            results: [[R::of(0.0); L]; SIDE],
            single: Single::new(job.method, job.rule),
        }
    }

    fn window<W>(mut self, weight: W, [rows, cols]: [Range<usize>; 2], target: &mut Target)
    where
        W: Fn(f64) -> f64 + Copy,
    {
        let side = self.side();
        for rows in cut(rows, side) {
            for cols in cut(cols.clone(), side) {
                self.tile([rows.clone(), cols], weight, target);
            }
        }
    }

    /// Rows and columns of a tile that has not too many source pixels, as far as the grids' steps tell.
    fn side(&self) -> usize {
        let [along, across] = self.job.rule.ratios;
        let pixel = self.job.planes.count() * size_of::<R>();
        let bytes = |side: usize| {
            let side = side as f64;
            (side * along + N as f64) * (side * across + N as f64) * pixel as f64
        };
        let mut side = SIDE;
        while side > 8 && bytes(side) > BYTES as f64 {
            side /= 2;
        }
        side
    }

    fn tile<W>(&mut self, [rows, cols]: [Range<usize>; 2], weight: W, target: &mut Target)
    where
        W: Fn(f64) -> f64 + Copy,
    {
        let Job { rule, planes, .. } = self.job;
        self.points.rows.clear();
        self.points.cols.clear();
        for row in rows.clone() {
            rule.line(&mut self.mesh, row, cols.clone(), &mut self.line);
            self.points.rows.extend_from_slice(&self.line.rows);
            self.points.cols.extend_from_slice(&self.line.cols);
        }
        if rule.places.turns() {
            self.points.cols.iter_mut().for_each(|col| *col = rule.places.wrapped(*col));
        }
        let source = tile::behind(rule, planes, &self.points);
        let area = source[0].len() * source[1].len();
        if area == 0 {
            return;
        }
        if area * planes.count() * size_of::<R>() > 4 * BYTES && rows.len() * cols.len() > 1 {
            for part in halves([rows, cols]) {
                self.tile(part, weight, target);
            }
            return;
        }
        self.tile.fill(planes, source);
        for (k, row) in rows.enumerate() {
            let at = (row - self.job.start[0], cols.start - self.job.start[1]);
            self.row(k * cols.len()..(k + 1) * cols.len(), at, weight, target);
        }
    }

    /// Computes the pixels at some of the places, which are those from `at` (row, column) of the window on.
    fn row<W>(&mut self, places: Range<usize>, at: (usize, usize), weight: W, target: &mut Target)
    where
        W: Fn(f64) -> f64 + Copy,
    {
        let Job { rule, planes, .. } = self.job;
        let n = places.len();
        let [rows, cols] = [&self.points.rows, &self.points.cols].map(|all| &all[places.clone()]);
        let simple = self.segment.fill(rule, [rows, cols], self.tile.window(), weight);
        for plane in 0..planes.count() {
            if plane % L == 0 {
                let (pixels, stride) = self.tile.planes(plane / L);
                segment::apply(&self.segment, pixels, stride, &mut self.results[..n]);
            }
            let Some((values, valid)) = target.stretch::<R>(plane, at, n) else { return };
            let complete = tile::take(&self.results[..n], plane % L, values);
            let mask = planes.mask(plane);
            if simple && (complete || mask.is_none()) {
                valid.fill(true);
                continue;
            }
            for k in 0..n {
                valid[k] = self.segment.states[k] == State::Simple;
                let Some(mask) = mask else { continue };
                if !valid[k] || !values[k].real().is_nan() {
                    continue;
                }
                valid[k] = mask[planes.holding(rows[k], cols[k])];
                if valid[k] && rule.plain {
                    self.segment.states[k] = State::Single;
                } else if valid[k] {
                    let found = self.segment.partial(k, planes, plane, self.tile.window());
                    valid[k] = found.is_some();
                    values[k] = R::of(found.unwrap_or_default());
                }
            }
        }
        let left = self.segment.states[..n].iter().enumerate();
        for (k, _) in left.filter(|(_, state)| **state == State::Single) {
            self.single.pixel(planes, (cols[k], rows[k]), (at.0, at.1 + k), target);
        }
    }
}

/// A range in pieces that end at multiples of `side`.
fn cut(range: Range<usize>, side: usize) -> impl Iterator<Item = Range<usize>> {
    let first = range.start / side;
    (first..range.end.div_ceil(side))
        .map(move |k| (k * side).max(range.start)..((k + 1) * side).min(range.end))
}

/// A box cut in two across its longer side.
fn halves([rows, cols]: [Range<usize>; 2]) -> [[Range<usize>; 2]; 2] {
    if rows.len() > cols.len() {
        let middle = rows.start + rows.len() / 2;
        [[rows.start..middle, cols.clone()], [middle..rows.end, cols]]
    } else {
        let middle = cols.start + cols.len() / 2;
        [[rows.clone(), cols.start..middle], [rows, middle..cols.end]]
    }
}
