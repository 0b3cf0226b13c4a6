//! The inner loop: what the rows of a kernel make of source rows, and sums of it.
//!
//! Columns of the kernel that are alike are added before they are weighted, and what rows of the kernel that are alike
//! make of a source row is computed once. It waits until the results that it belongs to have all of their rows.

use multiversion::multiversion;

use super::kernel::Kernel;

/// Results computed together: two of the widest vectors for each weight of a group.
const LANES: usize = 32;

/// What each pattern of a kernel makes of the last source rows, as many as the kernel has.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    kernel: &'a Kernel,
    /// For each source row each pattern's line.
    lines: Vec<f64>,
    width: usize,
}

impl<'a> Sums<'a> {
    /// For lines of at most `width` results.
    pub(super) fn new(kernel: &'a Kernel, width: usize) -> Sums<'a> {
        let lines = vec![0.0; kernel.rows().len() * kernel.patterns() * width];
        Sums { kernel, lines, width }
    }

    /// From here on lines have so many results, not more than at first.
    pub(super) fn narrow(&mut self, width: usize) {
        self.width = width;
    }

    /// Takes source row number `at` with its halo, in the place of the row that is as far back as the kernel is tall.
    pub(super) fn add(&mut self, row: &[f64], at: usize) {
        let start = self.start(at, 0);
        let lines = &mut self.lines[start..start + self.kernel.patterns() * self.width];
        weigh(self.kernel, row, lines, self.width);
    }

    /// Writes results times `factor`, of which source row number `first` is the first.
    pub(super) fn finish(&self, first: usize, factor: f64, out: &mut [f64]) {
        let patterns = self.kernel.rows().iter().enumerate();
        let starts: Vec<usize> =
            patterns.map(|(row, pattern)| self.start(first + row, *pattern)).collect();
        sum(out, &self.lines, &starts, factor);
    }

    fn start(&self, at: usize, pattern: usize) -> usize {
        (at % self.kernel.rows().len() * self.kernel.patterns() + pattern) * self.width
    }
}

/// Adds the lines that begin at `starts`, in this order.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn sum(out: &mut [f64], lines: &[f64], starts: &[usize], factor: f64) {
    let mut k = 0;
    while k + LANES <= out.len() {
        let mut own = [0.0; LANES];
        for &start in starts {
            let line = &lines[start + k..start + k + LANES];
            for lane in 0..LANES {
                own[lane] += line[lane];
            }
        }
        let out = &mut out[k..k + LANES];
        for lane in 0..LANES {
            out[lane] = own[lane] * factor;
        }
        k += LANES;
    }
    for k in k..out.len() {
        let mut own = 0.0;
        for &start in starts {
            own += lines[start + k];
        }
        out[k] = own * factor;
    }
}

/// What each pattern makes of `row`, a line of `width` results each.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
fn weigh(kernel: &Kernel, row: &[f64], lines: &mut [f64], width: usize) {
    let mut first = 0;
    while first < kernel.columns().len() {
        // A few columns at a time, so that the pixels stay in registers.
        first += match kernel.columns().len() - first {
            1 => group::<1>(kernel, first, row, lines, width),
            2 => group::<2>(kernel, first, row, lines, width),
            3 => group::<3>(kernel, first, row, lines, width),
            4 => group::<4>(kernel, first, row, lines, width),
            _ => group::<5>(kernel, first, row, lines, width),
        };
    }
}

/// `N` distinct columns from number `first` on; gives `N`.
// Plain index loops: closures of iterators are not inlined into functions with other target features.
#[expect(clippy::inline_always, reason = "else it would not have the features of its caller")]
#[inline(always)]
fn group<const N: usize>(
    kernel: &Kernel,
    first: usize,
    row: &[f64],
    lines: &mut [f64],
    width: usize,
) -> usize {
    let mut k = 0;
    while k + LANES <= width {
        block::<N, LANES>(kernel, first, row, lines, (k, width));
        k += LANES;
    }
    while k < width {
        block::<N, 1>(kernel, first, row, lines, (k, width));
        k += 1;
    }
    N
}

/// The results `k..k + L`.
#[expect(clippy::inline_always, reason = "else it would not have the features of its caller")]
#[inline(always)]
fn block<const N: usize, const L: usize>(
    kernel: &Kernel,
    first: usize,
    row: &[f64],
    lines: &mut [f64],
    (k, width): (usize, usize),
) {
    let mut pixels = [[0.0; L]; N];
    let columns = &kernel.columns()[first..first + N];
    for i in 0..N {
        pixels[i].copy_from_slice(&row[k + columns[i][0]..][..L]);
        for &column in &columns[i][1..] {
            let more = &row[k + column..][..L];
            for lane in 0..L {
                pixels[i][lane] += more[lane];
            }
        }
    }
    for (pattern, line) in lines.chunks_exact_mut(width).enumerate() {
        let weights = &kernel.weights(pattern)[first..first + N];
        let line = &mut line[k..k + L];
        let mut own = [0.0; L];
        if first > 0 {
            own.copy_from_slice(line);
        }
        for i in 0..N {
            for lane in 0..L {
                own[lane] += weights[i] * pixels[i][lane];
            }
        }
        line.copy_from_slice(&own);
    }
}
