//! The inner loop: weighted sums of one line of results.

use multiversion::multiversion;

use super::rows::{LANES, Ring};

/// `factor` times the sum of weights times pixels, in row-major order of the kernel, for every place of `out`.
// Plain index loops: closures of iterators are not inlined into functions with other target features.
#[multiversion(targets("x86_64+avx512f+avx512vl", "x86_64+avx2"))]
pub(super) fn line(weights: &[f64], factor: f64, ring: &Ring, out: &mut [f64]) {
    let cols = ring.halo + 1;
    let mut block = 0;
    while block < out.len() {
        let mut sums = [0.0; LANES];
        for j in 0..ring.rows {
            let row = &ring.row(j)[block..];
            for i in 0..cols {
                let weight = weights[j * cols + i];
                let Some(values) = row[i..].first_chunk::<LANES>() else { break };
                for k in 0..LANES {
                    sums[k] += weight * values[k];
                }
            }
        }
        let len = LANES.min(out.len() - block);
        let out = &mut out[block..block + len];
        for k in 0..len {
            out[k] = sums[k] * factor;
        }
        block += LANES;
    }
}
