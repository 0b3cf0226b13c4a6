//! The source pixels behind a tile of target pixels, all planes of a pixel side by side.

use std::ops::Range;

use multiversion::multiversion;

use crate::for_values;
use crate::warp::apply::Planes;
use crate::warp::lines::Rule;
use crate::warp::place::Points;
use crate::warp::sample::{Real, Sample};

/// Pixels that do not count are NaN, so that a sum shows whether it met one.
#[derive(Debug)]
pub(super) struct Tile<R, const L: usize> {
    /// For each `L` planes: rows of `stride` pixels. The last planes stand in for those that there are not.
    pixels: Vec<[R; L]>,
    /// Rows and columns of the source grid.
    window: [Range<usize>; 2],
    /// Zeros after the last row and column, so that a kernel may read on where its weights are zero.
    halo: usize,
}

impl<R: Real, const L: usize> Tile<R, L> {
    /// For kernels of `taps` pixels along a side.
    pub(super) fn new(taps: usize) -> Tile<R, L> {
        Tile { pixels: Vec::new(), window: [0..0, 0..0], halo: taps - 1 }
    }

    pub(super) fn window(&self) -> &[Range<usize>; 2] {
        &self.window
    }

    /// Rows of pixels of the planes from `group * L` on, and how far they are apart.
    pub(super) fn planes(&self, group: usize) -> (&[[R; L]], usize) {
        let [rows, stride] = self.size();
        (&self.pixels[group * rows * stride..][..rows * stride], stride)
    }

    fn size(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.window[axis].len() + self.halo)
    }

    /// Takes a window (rows, columns of the source grid) that lies within the planes.
    pub(super) fn fill(&mut self, planes: &Planes<'_>, window: [Range<usize>; 2]) {
        self.window = window;
        let [rows, stride] = self.size();
        let groups = planes.count().div_ceil(L);
        self.pixels.clear();
        self.pixels.resize(groups * rows * stride, [R::of(0.0); L]);
        let [[top, left], [_, wide]] = planes.place();
        let (height, width) = (self.window[0].len(), self.window[1].len());
        for_values!(planes.values(), source => {
            for (k, out) in self.pixels.chunks_exact_mut(stride).enumerate() {
                let (group, row) = (k / rows, k % rows);
                if row >= height {
                    continue;
                }
                let start = (self.window[0].start + row - top) * wide + self.window[1].start - left;
                let plane = |lane: usize| (group * L + lane).min(planes.count() - 1);
                let lanes: [&[_]; L] = std::array::from_fn(|lane| {
                    &source[plane(lane) * planes.area() + start..][..width]
                });
                interleave(lanes, &mut out[..width]);
                for lane in 0..L {
                    if let Some(mask) = planes.mask(plane(lane)) {
                        blank(&mask[start..start + width], lane, &mut out[..width]);
                    }
                }
            }
        });
    }
}

/// The box of the planes that kernels around places may need.
pub(super) fn behind(rule: &Rule, planes: &Planes<'_>, points: &Points) -> [Range<usize>; 2] {
    let [starts, sizes] = planes.place();
    let reach = rule.kernel.map_or(0.0, |kernel| kernel.reach());
    [(0, &points.rows), (1, &points.cols)].map(|(axis, places)| {
        let (low, high) = ends(places);
        let (start, end) = (starts[axis] as f64, (starts[axis] + sizes[axis]) as f64);
        // A pixel more on either side for the rounding of places.
        let reach = reach * rule.ratios[axis] + 1.0;
        let first = (low - 0.5 - reach).floor().clamp(start, end);
        let last = (high - 0.5 + reach).ceil().clamp(start, end);
        first as usize..(last as usize).max(first as usize)
    })
}

/// The least and the largest of places, or infinities the wrong way around; NaN are left out.
fn ends(places: &[f64]) -> (f64, f64) {
    let (mut low, mut high) = ([f64::INFINITY; 8], [f64::NEG_INFINITY; 8]);
    let mut add = |places: &[f64]| {
        for (k, &place) in places.iter().enumerate() {
            low[k] = if place < low[k] { place } else { low[k] };
            high[k] = if place > high[k] { place } else { high[k] };
        }
    };
    let (chunks, rest) = places.as_chunks::<8>();
    for chunk in chunks {
        add(chunk);
    }
    add(rest);
    (
        low.into_iter().fold(f64::INFINITY, f64::min),
        high.into_iter().fold(f64::NEG_INFINITY, f64::max),
    )
}

#[multiversion(targets("x86_64+avx512f+avx512bw+avx512dq+avx512vl", "x86_64+avx2"))]
fn interleave<T: Sample, R: Real, const L: usize>(lanes: [&[T]; L], out: &mut [[R; L]]) {
    let n = out.len();
    let mut own = lanes;
    for lane in 0..L {
        own[lane] = &lanes[lane][..n];
    }
    for k in 0..n {
        for lane in 0..L {
            out[k][lane] = R::of(own[lane][k].real());
        }
    }
}

/// Makes NaN of the pixels of a lane that do not count.
fn blank<R: Real, const L: usize>(mask: &[bool], lane: usize, out: &mut [[R; L]]) {
    if mask.contains(&false) {
        for (out, &valid) in out.iter_mut().zip(mask) {
            out[lane] = if valid { out[lane] } else { R::of(f64::NAN) };
        }
    }
}

/// Copies a lane of pixels; says whether none of them is NaN.
pub(super) fn take<R: Real, const L: usize>(pixels: &[[R; L]], lane: usize, out: &mut [R]) -> bool {
    let mut complete = true;
    for (out, pixel) in out.iter_mut().zip(pixels) {
        *out = pixel[lane];
        complete &= !pixel[lane].real().is_nan();
    }
    complete
}
