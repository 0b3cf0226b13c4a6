//! Kernels over a plane of 128 × 512 pixels: `cargo bench -p eolith-cube --bench window`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use eolith_cube::window::Stencil;
use eolith_cube::{Block, DType, Values};

/// As large as tiles are, so that fresh memory is not what is measured.
const SIZE: [usize; 2] = [128, 512];

fn main() {
    divan::main();
}

#[divan::bench(args = [3, 5, 9, 15])]
fn u16(bencher: Bencher<'_, '_>, size: usize) {
    run(bencher, &uneven(size), DType::U16, false);
}

/// The same weights left and right, above and below.
#[divan::bench(args = [3, 5, 9, 15])]
fn u16_gaussian(bencher: Bencher<'_, '_>, size: usize) {
    let bell = |k: usize| (-(k as f64 - (size / 2) as f64).powi(2) / 2.0).exp();
    let weights: Vec<f64> = (0..size * size).map(|k| bell(k / size) * bell(k % size)).collect();
    run(bencher, &weights, DType::U16, false);
}

#[divan::bench]
fn u16_with_nodata(bencher: Bencher<'_, '_>) {
    run(bencher, &uneven(5), DType::U16, true);
}

#[divan::bench]
fn f32(bencher: Bencher<'_, '_>) {
    run(bencher, &uneven(5), DType::F32, false);
}

fn uneven(size: usize) -> Vec<f64> {
    (0..size * size).map(|k| 1.0 / (k as f64 + 3.0)).collect()
}

fn run(bencher: Bencher<'_, '_>, weights: &[f64], dtype: DType, nodata: bool) {
    let size = weights.len().isqrt();
    let stencil = Stencil::new(weights, [size, size]).expect("an odd kernel");
    let numbers = (0..SIZE[0] * SIZE[1]).map(|i| (i * 7919 % 4096) as f64).collect();
    let mut block = Block::new(SIZE.to_vec(), Values::F64(numbers)).cast(dtype);
    if nodata {
        block.validity = Some((0..SIZE[0] * SIZE[1]).map(|i| i % 17 != 0).collect());
    }
    let all = SIZE.map(|n| 0..n);
    bencher
        .counter(ItemsCount::new(SIZE[0] * SIZE[1]))
        .bench(|| stencil.run(black_box(&block), all.clone(), all.clone(), SIZE).recycle());
}
