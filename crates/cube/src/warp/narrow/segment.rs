//! The weights of the source pixels for a row of a tile, and what they give.

use std::ops::Range;

use multiversion::multiversion;

use super::SIDE;
use crate::for_values;
use crate::warp::apply::{NOTHING, Planes};
use crate::warp::lines::Rule;
use crate::warp::sample::{Real, Sample};
use crate::warp::taps::{NO_WEIGHT, TIE, snapped};

/// What a target pixel takes from its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Nothing.
    None,
    /// All pixels with weight are there.
    Simple,
    /// To be computed on its own.
    Single,
}

/// Up to [`SIDE`] target pixels with kernels of `N` × `N` source pixels.
#[derive(Debug)]
pub(super) struct Segment<const N: usize> {
    pub(super) states: [State; SIDE],
    y: Axis<N>,
    x: Axis<N>,
    /// Where the kernels start in the tile.
    starts: [u32; SIDE],
    /// Sums of all weights of a kernel.
    totals: [f64; SIDE],
}

/// The source pixels along one axis, as `Taps::push_point` finds them.
#[derive(Debug)]
struct Axis<const N: usize> {
    /// The first pixel, counted from the start of the tile; or [`NOWHERE`] or [`BEYOND`].
    firsts: [i32; SIDE],
    /// Those of pixels that are not needed are zero.
    weights: [[f64; SIDE]; N],
    totals: [f64; SIDE],
}

/// The centre of the target pixel is not in the grid.
const NOWHERE: i32 = -1;

/// Not all pixels of the kernel are in the tile.
const BEYOND: i32 = -2;

/// An axis of the source.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Pixels of the grid.
    len: f64,
    /// Pixels of the tile.
    start: f64,
    end: f64,
    /// Radius of the kernel, and the factor by which it is widened.
    reach: f64,
    ratio: f64,
}

impl<const N: usize> Segment<N> {
    pub(super) fn new() -> Segment<N> {
        let axis =
            || Axis { firsts: [NOWHERE; SIDE], weights: [[0.0; SIDE]; N], totals: [0.0; SIDE] };
        Segment {
            states: [State::None; SIDE],
            y: axis(),
            x: axis(),
            starts: [0; SIDE],
            totals: [0.0; SIDE],
        }
    }

    /// Finds the pixels of `window` (rows, columns of the source grid) around places (rows, columns), and says
    /// whether all target pixels are simple.
    pub(super) fn fill<W: Fn(f64) -> f64 + Copy>(
        &mut self,
        rule: &Rule,
        [rows, cols]: [&[f64]; 2],
        window: &[Range<usize>; 2],
        weight: W,
    ) -> bool {
        let lens = rule.places.source_len();
        let reach = rule.kernel.map_or(0.0, |kernel| kernel.reach());
        let extent = |axis: usize| Extent {
            len: lens[axis] as f64,
            start: window[axis].start as f64,
            // A block may be larger than what the grid has.
            end: window[axis].end.min(lens[axis]) as f64,
            reach: reach * rule.ratios[axis],
            ratio: rule.ratios[axis],
        };
        along(rows, extent(0), weight, &mut self.y);
        along(cols, extent(1), weight, &mut self.x);
        let stride = window[1].len() as u32 + N as u32 - 1;
        join(self, rows.len(), stride)
    }

    /// The value of a simple pixel from the source pixels that count; `None` if they weigh nothing.
    pub(super) fn partial(
        &self,
        k: usize,
        planes: &Planes<'_>,
        plane: usize,
        window: &[Range<usize>; 2],
    ) -> Option<f64> {
        let [[top, left], [_, wide]] = planes.place();
        let row = window[0].start - top + self.y.firsts[k] as usize;
        let col = window[1].start - left + self.x.firsts[k] as usize;
        let mask = planes.mask(plane);
        let (mut value, mut weight) = (0.0, 0.0);
        for_values!(planes.values(), source => {
            let source = &source[plane * planes.area()..];
            for (j, y) in self.y.weights.iter().map(|weights| weights[k]).enumerate() {
                let (mut sum, mut weights) = (0.0, 0.0);
                for (i, x) in self.x.weights.iter().map(|weights| weights[k]).enumerate() {
                    let at = (row + j) * wide + col + i;
                    // A pixel without weight may lie outside the plane.
                    if y != 0.0 && x != 0.0 && mask.is_none_or(|mask| mask[at]) {
                        sum += x * source[at].real();
                        weights += x;
                    }
                }
                value += y * sum;
                weight += y * weights;
            }
        });
        (weight > NOTHING).then(|| value / weight)
    }
}

/// The pixels along one axis around places.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn along<const N: usize, W: Fn(f64) -> f64 + Copy>(
    places: &[f64],
    extent: Extent,
    weight: W,
    axis: &mut Axis<N>,
) {
    let Extent { len, start, end, reach, ratio } = extent;
    for (k, &at) in places.iter().enumerate().take(SIDE) {
        let pixel = (at + TIE).floor();
        let inside = pixel >= 0.0 && pixel < len;
        let middle = snapped(at - 0.5);
        let low = (middle - reach).floor() + 1.0;
        let high = (middle + reach).ceil() - 1.0;
        let held = inside && low >= start && high < end && high - low < N as f64;
        let mut weights = [0.0; N];
        for (i, own) in weights.iter_mut().enumerate() {
            let place = low + i as f64;
            *own = weight((place - middle).abs() / ratio);
            *own = if place <= high { *own } else { 0.0 };
        }
        let (mut before, mut after) = (true, true);
        for own in &mut weights {
            before = before && own.abs() < NO_WEIGHT;
            *own = if before { 0.0 } else { *own };
        }
        for own in weights.iter_mut().rev() {
            after = after && own.abs() < NO_WEIGHT;
            *own = if after { 0.0 } else { *own };
        }
        let mut total = 0.0;
        for (line, own) in axis.weights.iter_mut().zip(weights) {
            total += own;
            line[k] = own;
        }
        axis.totals[k] = total;
        let first = (low - start) as i32;
        let missing = if inside { BEYOND } else { NOWHERE };
        axis.firsts[k] = if held { first } else { missing };
    }
}

/// Joins both axes of the first `n` pixels in a tile with rows of `stride`; says whether all are simple.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn join<const N: usize>(segment: &mut Segment<N>, n: usize, stride: u32) -> bool {
    let n = n.min(SIDE);
    let mut all = true;
    for k in 0..n {
        let mut total = 0.0;
        for j in 0..N {
            total += segment.y.weights[j][k] * segment.x.totals[k];
        }
        segment.totals[k] = total;
        let (row, col) = (segment.y.firsts[k], segment.x.firsts[k]);
        let simple = row >= 0 && col >= 0 && total > NOTHING;
        segment.starts[k] = if simple { row as u32 * stride + col as u32 } else { 0 };
        let missing = if row == NOWHERE || col == NOWHERE { State::None } else { State::Single };
        segment.states[k] = if simple { State::Simple } else { missing };
        all &= simple;
    }
    all
}

/// Weighted sums of the pixels of a tile whose rows are `stride` apart: of each row first, then of the rows. What is
/// given for pixels that are not simple means nothing.
#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
pub(super) fn apply<R: Real, const N: usize, const L: usize>(
    segment: &Segment<N>,
    pixels: &[[R; L]],
    stride: usize,
    out: &mut [[R; L]],
) {
    let n = out.len().min(SIDE);
    for k in 0..n {
        let mut values = [0.0; L];
        for j in 0..N {
            let row = &pixels[segment.starts[k] as usize + j * stride..][..N];
            let mut sums = [0.0; L];
            for (pixel, line) in row.iter().zip(&segment.x.weights) {
                for lane in 0..L {
                    sums[lane] += line[k] * pixel[lane].real();
                }
            }
            let weight = segment.y.weights[j][k];
            for lane in 0..L {
                values[lane] += weight * sums[lane];
            }
        }
        for lane in 0..L {
            out[k][lane] = R::of(values[lane] / segment.totals[k]);
        }
    }
}
