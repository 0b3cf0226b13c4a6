//! The inner loop: weighted sums of one line of results.

use multiversion::multiversion;

use super::rows::Ring;

/// `factor` times the sum of weights times pixels, in row-major order of the kernel, for every place of `out`.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn line(weights: &[f64], factor: f64, ring: &Ring, out: &mut [f64]) {
    let cols = ring.halo + 1;
    out.fill(0.0);
    for (j, weights) in weights.chunks_exact(cols).enumerate().take(ring.rows) {
        let row = ring.row(j);
        let mut i = 0;
        while i < cols {
            // A few weights at a time, so that a sum is loaded and stored once for all of them.
            let (row, weights) = (&row[i..], &weights[i..]);
            i += match weights.len() {
                1 => add::<1>(out, row, weights),
                2 => add::<2>(out, row, weights),
                3 => add::<3>(out, row, weights),
                4 => add::<4>(out, row, weights),
                _ => add::<5>(out, row, weights),
            };
        }
    }
    for sum in out {
        *sum *= factor;
    }
}

/// Adds the first `N` weights times the pixels from each place on, one after the other; gives `N`.
// Plain index loops: closures of iterators are not inlined into functions with other target features.
#[expect(clippy::inline_always, reason = "else it would not have the features of its caller")]
#[inline(always)]
fn add<const N: usize>(sums: &mut [f64], row: &[f64], weights: &[f64]) -> usize {
    let mut own = [0.0; N];
    own.copy_from_slice(&weights[..N]);
    let row = &row[..sums.len() + N - 1];
    for k in 0..sums.len() {
        let mut sum = sums[k];
        for i in 0..N {
            sum += own[i] * row[k + i];
        }
        sums[k] = sum;
    }
    N
}
