//! Weighted sums over a window that moves over x and y: convolution with a kernel, without flipping it.
//!
//! A result is `factor * (r0 + r1 + …)` with one sum for each row of the kernel, `r = w0 * s0 + w1 * s1 + …`. Columns
//! of the kernel that are alike (equal bits in all rows, as left and right of most kernels) are taken together: `s` is
//! the sum of their pixels. All sums go from left to right and from top to bottom, in double precision and without
//! contraction, so that a result has one value whatever computes it. Pixels that are no-data, NaN or infinite stand for
//! [`Stencil::replacement`]; booleans are 0 and 1. Beyond the edges of the *grid* (never of a block) the [`Border`]
//! decides. A window has no results without data.

mod kernel;
mod rows;
mod sum;

use std::fmt;
use std::ops::Range;

use crate::block::Block;
use crate::columns;
use crate::dtype::Number;
use crate::for_values;
use crate::values::Values;

use self::kernel::Kernel;
use self::rows::{Pixel, Source};
use self::sum::Sums;

/// Columns of results that are computed before the next ones: their sums stay in the cache next to the core.
const STRIP: usize = 128;

/// What a kernel sees beyond the edges of a grid; the letters are those of openEO's `apply_kernel`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Border {
    /// `nnnn|abcd|nnnn`
    Constant(f64),
    /// `aaaa|abcd|dddd`
    Replicate,
    /// `dcba|abcd|dcba`
    Reflect,
    /// `dcb|abcd|cba`
    ReflectPixel,
    /// `abcd|abcd|abcd`
    Wrap,
}

/// A kernel with its rules.
#[derive(Clone, Debug, PartialEq)]
pub struct Stencil {
    kernel: Kernel,
    pub factor: f64,
    pub border: Border,
    /// Stands for pixels that are no-data, NaN or infinite; finite.
    pub replacement: f64,
}

impl Stencil {
    /// A kernel of `size` (rows, columns), both odd, with its weights in row-major order; `None` if they do not fit.
    pub fn new(weights: &[f64], size: [usize; 2]) -> Option<Stencil> {
        let odd = size.iter().all(|n| n % 2 == 1);
        let fits = size[0].checked_mul(size[1]) == Some(weights.len());
        (odd && fits).then(|| Stencil {
            kernel: Kernel::new(weights, size),
            factor: 1.0,
            border: Border::Constant(0.0),
            replacement: 0.0,
        })
    }

    /// Rows and columns of the kernel.
    pub fn size(&self) -> [usize; 2] {
        self.kernel.size()
    }

    /// Rows and columns around a pixel that its result needs.
    pub fn halo(&self) -> [usize; 2] {
        self.size().map(|n| n / 2)
    }

    /// The pixels along one axis of `len` pixels that results at `range` need.
    pub fn needed(&self, axis: usize, range: Range<usize>, len: usize) -> Range<usize> {
        if range.is_empty() || len == 0 {
            return 0..0;
        }
        let halo = self.halo()[axis];
        let (start, end) = (range.start.saturating_sub(halo), (range.end + halo).min(len));
        let before = (range.start as i64 - halo as i64)..0;
        let after = len as i64..(range.end + halo) as i64;
        before
            .chain(after)
            .filter_map(|i| self.border.source(i, len))
            .fold(start..end, |hull, i| hull.start.min(i)..hull.end.max(i + 1))
    }

    /// Results for `target` (rows, columns) of a grid of `size` pixels. The last two dimensions of `source` are y
    /// and x and start at the start of `window`, which holds what [`Stencil::needed`] says; dimensions before them
    /// are kept. The result is `F64` and valid everywhere.
    pub fn run(
        &self,
        source: &Block,
        window: [Range<usize>; 2],
        target: [Range<usize>; 2],
        size: [usize; 2],
    ) -> Block {
        let leading = source.shape.len().saturating_sub(2);
        let mut shape = source.shape[..leading].to_vec();
        shape.extend(target.iter().map(ExactSizeIterator::len));
        let mut out = columns::take(shape.iter().product());
        let area = target[0].len() * target[1].len();
        if area > 0 && !source.is_empty() {
            let plane = window[0].len() * window[1].len();
            for_values!(&source.values, v => {
                for (k, out) in out.chunks_exact_mut(area).enumerate() {
                    let part = k * plane..(k + 1) * plane;
                    let mask = source.validity.as_ref().map(|mask| &mask[part.clone()]);
                    let source = Source::new(&v[part], mask, &window, target[1].clone(), size);
                    self.plane(&source, target[0].clone(), out);
                }
            });
        } else {
            out.fill(0.0);
        }
        Block { shape, values: Values::F64(out), validity: None }
    }

    /// One result from a closure that gives pixels (row, column) of a grid of `size`; slow.
    pub fn pixel(
        &self,
        row: usize,
        col: usize,
        size: [usize; 2],
        source: &dyn Fn(usize, usize) -> Option<Number>,
    ) -> f64 {
        let [tall, wide] = self.halo();
        let pixel = |y: usize, x: usize| {
            let y = (row + y) as i64 - tall as i64;
            let x = (col + x) as i64 - wide as i64;
            match (self.border.source(y, size[0]), self.border.source(x, size[1])) {
                (Some(y), Some(x)) => {
                    let number = source(y, x).map(Number::to_f64);
                    number.filter(|v| v.is_finite()).unwrap_or(self.replacement)
                }
                _ => self.border.constant(),
            }
        };
        let mut sum = 0.0;
        for (y, pattern) in self.kernel.rows().iter().enumerate() {
            let mut own = 0.0;
            for (alike, weight) in self.kernel.columns().iter().zip(self.kernel.weights(*pattern)) {
                let pixels = alike.iter().map(|x| pixel(y, *x));
                own += weight * pixels.reduce(|sum, pixel| sum + pixel).unwrap_or_default();
            }
            sum += own;
        }
        sum * self.factor
    }

    /// All results of a plane, strip by strip of its columns.
    fn plane<T: Pixel>(&self, source: &Source<'_, T>, rows: Range<usize>, out: &mut [f64]) {
        let cols = source.target();
        let most = STRIP.min(cols.len());
        let mut row = vec![0.0; most + self.size()[1] - 1];
        let mut sums = Sums::new(&self.kernel, most);
        for start in cols.clone().step_by(STRIP) {
            let strip = start..cols.end.min(start + STRIP);
            sums.narrow(strip.len());
            let row = &mut row[..strip.len() + self.size()[1] - 1];
            let own = source.strip(strip.clone());
            let place = |line: usize| {
                let first = line * cols.len() + start - cols.start;
                first..first + strip.len()
            };
            self.strip(&own, rows.clone(), row, &mut sums, place, out);
        }
    }

    /// The results of a strip, source row by source row; `place` says where a line of them lies in `out`.
    fn strip<T: Pixel>(
        &self,
        source: &Source<'_, T>,
        rows: Range<usize>,
        row: &mut [f64],
        sums: &mut Sums<'_>,
        place: impl Fn(usize) -> Range<usize>,
        out: &mut [f64],
    ) {
        let tall = self.size()[0];
        let first = rows.start as i64 - (tall / 2) as i64;
        for at in 0..rows.len() + tall - 1 {
            source.read(self, first + at as i64, row);
            sums.add(row, at);
            if let Some(line) = (at + 1).checked_sub(tall) {
                sums.finish(line, self.factor, &mut out[place(line)]);
            }
        }
    }
}

impl fmt::Display for Border {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Border::Constant(value) => write!(f, "{value}"),
            Border::Replicate => f.write_str("replicate"),
            Border::Reflect => f.write_str("reflect"),
            Border::ReflectPixel => f.write_str("reflect_pixel"),
            Border::Wrap => f.write_str("wrap"),
        }
    }
}

impl Border {
    /// The inverse of the text of a border that is no constant.
    pub fn from_name(name: &str) -> Option<Border> {
        let all = [Border::Replicate, Border::Reflect, Border::ReflectPixel, Border::Wrap];
        all.into_iter().find(|border| border.to_string() == name)
    }

    /// The pixel seen at index `at` of an axis with `len` pixels; `None`: the constant.
    fn source(self, at: i64, len: usize) -> Option<usize> {
        let n = len as i64;
        if (0..n).contains(&at) {
            return Some(at as usize);
        }
        if n == 0 {
            return None;
        }
        let index = match self {
            Border::Constant(_) => return None,
            Border::Replicate => at.clamp(0, n - 1),
            Border::Wrap => at.rem_euclid(n),
            Border::Reflect => {
                let at = at.rem_euclid(2 * n);
                at.min(2 * n - 1 - at)
            }
            Border::ReflectPixel => {
                let period = (2 * n - 2).max(1);
                let at = at.rem_euclid(period);
                at.min(period - at)
            }
        };
        Some(index as usize)
    }

    fn constant(self) -> f64 {
        if let Border::Constant(value) = self { value } else { 0.0 }
    }
}
