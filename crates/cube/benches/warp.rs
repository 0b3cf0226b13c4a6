//! A million target pixels of three bands from UTM to Web Mercator: `cargo bench -p eolith-cube --bench warp`.

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Block, Crs, DType, Grid, Values};

const SIDE: usize = 1000;

fn main() {
    divan::main();
}

/// Pixels of 20 m, as of 13.7 m on the ground: kernels are widened.
#[divan::bench(args = ["near", "bilinear", "cubic", "average"])]
fn coarser(bencher: Bencher<'_, '_>, method: &str) {
    run(bencher, method, 20.0, false);
}

/// Pixels smaller than those of the source.
#[divan::bench(args = ["near", "bilinear", "cubic", "average"])]
fn finer(bencher: Bencher<'_, '_>, method: &str) {
    run(bencher, method, 12.0, false);
}

#[divan::bench(args = ["near", "bilinear", "cubic", "average"])]
fn with_clouds(bencher: Bencher<'_, '_>, method: &str) {
    run(bencher, method, 20.0, true);
}

fn run(bencher: Bencher<'_, '_>, method: &str, step: f64, clouds: bool) {
    let crs = |code| Crs::epsg(code).expect("a known code");
    let from = Grid::from_corner(crs(32632), (600_000.0, 5_200_000.0), (10.0, -10.0), (2048, 2048));
    let to = Grid::from_corner(crs(3857), (1_152_000.0, 5_930_000.0), (step, -step), (SIDE, SIDE));
    let method = Method::from_name(method).expect("a known method");
    let warp = Warp::new(from, to, method).expect("a known way");
    let len = 3 * 2048 * 2048;
    let numbers = (0..len).map(|i| (i * 7919 % 4096) as f64).collect();
    let mut block = Block::new(vec![3, 2048, 2048], Values::F64(numbers)).cast(DType::U16);
    if clouds {
        block.validity = Some((0..len).map(|i| (i / 40 + i / 2048 / 40) % 3 > 0).collect());
    }
    bencher
        .counter(ItemsCount::new(SIDE * SIDE))
        .bench(|| warp.run(black_box(&block), [0..2048, 0..2048], [0..SIDE, 0..SIDE]));
}
