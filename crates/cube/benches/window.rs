//! Kernels over a plane of 2048 × 2048 pixels: `cargo bench -p eolith-cube --bench window`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use eolith_cube::window::Stencil;
use eolith_cube::{Block, DType, Values};

const SIDE: usize = 2048;

fn main() {
    divan::main();
}

#[divan::bench(args = [3, 5, 9, 15])]
fn u16(bencher: Bencher<'_, '_>, size: usize) {
    run(bencher, size, DType::U16, false);
}

#[divan::bench]
fn u16_with_nodata(bencher: Bencher<'_, '_>) {
    run(bencher, 5, DType::U16, true);
}

#[divan::bench]
fn f32(bencher: Bencher<'_, '_>) {
    run(bencher, 5, DType::F32, false);
}

fn run(bencher: Bencher<'_, '_>, size: usize, dtype: DType, nodata: bool) {
    let weights = (0..size * size).map(|k| 1.0 / (k as f64 + 3.0)).collect();
    let stencil = Stencil::new(weights, [size, size]).expect("an odd kernel");
    let numbers = (0..SIDE * SIDE).map(|i| (i * 7919 % 4096) as f64).collect();
    let mut block = Block::new(vec![SIDE, SIDE], Values::F64(numbers)).cast(dtype);
    if nodata {
        block.validity = Some((0..SIDE * SIDE).map(|i| i % 17 != 0).collect());
    }
    let all = [0..SIDE, 0..SIDE];
    bencher
        .counter(ItemsCount::new(SIDE * SIDE))
        .bench(|| stencil.run(black_box(&block), all.clone(), all.clone(), [SIDE, SIDE]));
}
