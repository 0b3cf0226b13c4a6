//! The inner loop: weighted sums of several lines of results, source row by source row.
//!
//! A source row belongs to as many results below each other as the kernel has rows. It is read once for all of them;
//! every sum still takes its terms in row-major order of the kernel.

use std::ops::Range;

use multiversion::multiversion;

/// Results computed together: two of the widest vectors for each weight of a group.
const LANES: usize = 16;

/// Numbers that are 4096 bytes, and how far lines are to be apart within them: else they would share the few places
/// of the cache next to the core.
const SET: usize = 512;
const APART: usize = 72;

/// Lines of results under way.
#[derive(Debug)]
pub(super) struct Sums {
    values: Vec<f64>,
    lines: usize,
    stride: usize,
    width: usize,
}

impl Sums {
    /// For kernels of `lines` rows and `width` results a line.
    pub(super) fn new(lines: usize, width: usize) -> Sums {
        let stride = width + (SET + APART - width % SET) % SET;
        Sums { values: vec![0.0; lines * stride], lines, stride, width }
    }

    /// Begins line `k` of the results, in the place of the line that was finished before.
    pub(super) fn begin(&mut self, k: usize) {
        self.line(k).fill(0.0);
    }

    /// Adds source row number `at` with its halo to the lines `lines`; it is row `at - k` of the kernel for line `k`.
    pub(super) fn add(&mut self, weights: &[f64], row: &[f64], at: usize, lines: Range<usize>) {
        let cols = row.len() + 1 - self.width;
        let places: Vec<(usize, &[f64])> = lines
            .map(|k| (k % self.lines * self.stride, &weights[(at - k) * cols..][..cols]))
            .collect();
        add(&mut self.values, &places, row, self.width);
    }

    /// Writes line `k` times `factor`.
    pub(super) fn finish(&mut self, k: usize, factor: f64, out: &mut [f64]) {
        scale(out, self.line(k), factor);
    }

    fn line(&mut self, k: usize) -> &mut [f64] {
        let start = k % self.lines * self.stride;
        &mut self.values[start..start + self.width]
    }
}

#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn scale(out: &mut [f64], sums: &[f64], factor: f64) {
    let sums = &sums[..out.len()];
    for k in 0..out.len() {
        out[k] = sums[k] * factor;
    }
}

/// For every place (start of a line in `sums`, weights) adds the weights times the pixels of `row` from each result on.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn add(sums: &mut [f64], places: &[(usize, &[f64])], row: &[f64], width: usize) {
    let cols = places.first().map_or(0, |(_, weights)| weights.len());
    let mut i = 0;
    while i < cols {
        // A few weights at a time, so that the pixels stay in registers.
        i += match cols - i {
            1 => group::<1>(sums, places, i, row, width),
            2 => group::<2>(sums, places, i, row, width),
            3 => group::<3>(sums, places, i, row, width),
            4 => group::<4>(sums, places, i, row, width),
            _ => group::<5>(sums, places, i, row, width),
        };
    }
}

/// The weights from column `first` on, `N` of them; gives `N`.
// Plain index loops: closures of iterators are not inlined into functions with other target features.
#[expect(clippy::inline_always, reason = "else it would not have the features of its caller")]
#[inline(always)]
fn group<const N: usize>(
    sums: &mut [f64],
    places: &[(usize, &[f64])],
    first: usize,
    row: &[f64],
    width: usize,
) -> usize {
    let mut k = 0;
    while k + LANES <= width {
        let mut pixels = [[0.0; LANES]; N];
        for i in 0..N {
            pixels[i].copy_from_slice(&row[first + k + i..first + k + i + LANES]);
        }
        for &(start, weights) in places {
            let weights = &weights[first..first + N];
            let place = &mut sums[start + k..start + k + LANES];
            let mut own = [0.0; LANES];
            own.copy_from_slice(place);
            for i in 0..N {
                for lane in 0..LANES {
                    own[lane] += weights[i] * pixels[i][lane];
                }
            }
            place.copy_from_slice(&own);
        }
        k += LANES;
    }
    for &(start, weights) in places {
        for k in k..width {
            let mut sum = sums[start + k];
            for i in 0..N {
                sum += weights[first + i] * row[first + k + i];
            }
            sums[start + k] = sum;
        }
    }
    N
}
