//! What a tile of pixels costs: `cargo bench -p eolith-processes --bench lanes`. Figures are per tile of 4096 lanes.

use divan::Bencher;
use divan::counter::ItemsCount;
use eolith_cube::{DType, Number, Values};
use eolith_plan::expr::{Builder, Expr, ExprId};
use eolith_plan::lanes::{self, Lanes, Register};
use eolith_plan::process::{Lowering, Registry};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use eolith_processes::registry;

/// As many as the executor takes at once.
const TILE: usize = 4096;

fn main() {
    divan::main();
}

#[divan::bench(args = [DType::U16, DType::F32])]
fn normalized_difference(bencher: Bencher<'_, '_>, dtype: DType) {
    let mut builder = Builder::default();
    let (x, y) = (builder.input(0, Type::of_dtype(dtype)), builder.input(1, Type::of_dtype(dtype)));
    let root = call(&mut builder, "normalized_difference", &[x, y]);
    let inputs = [1, 2].map(|seed| Register::Scalar(column(dtype, TILE, seed, true)));
    run(bencher, &builder.finish(root), &inputs);
}

/// Classes of a scene that are masked: a chain of `eq` and `or`.
#[divan::bench]
fn mask(bencher: Bencher<'_, '_>) {
    let mut builder = Builder::default();
    let x = builder.input(0, Type::of_dtype(DType::U8));
    let pixel = builder.input(1, Type::of_dtype(DType::U16));
    let (no, yes) = (builder.constant(Value::Null), builder.constant(Value::Bool(true)));
    let mut any = None;
    for class in [3, 8, 9, 10] {
        let class = builder.constant(Value::Int(class));
        let is = call(&mut builder, "eq", &[x, class, no, yes]);
        any = Some(any.map_or(is, |any| call(&mut builder, "or", &[any, is])));
    }
    let root = builder.if_(any.unwrap_or(no), no, pixel);
    let inputs = [column(DType::U8, TILE, 1, true), column(DType::U16, TILE, 2, true)];
    run(bencher, &builder.finish(root), &inputs.map(Register::Scalar));
}

/// Reducers of 36 elements; the figure is per pixel of the result.
#[divan::bench(args = ["max", "mean", "sd", "first", "median"], consts = [true, false])]
fn reduce_u16<const MASKED: bool>(bencher: Bencher<'_, '_>, id: &str) {
    reduce(bencher, id, DType::U16, 36, MASKED);
}

#[divan::bench(args = ["max", "mean", "sd", "median"])]
fn reduce_f32(bencher: Bencher<'_, '_>, id: &str) {
    reduce(bencher, id, DType::F32, 36, true);
}

#[divan::bench(args = [8, 36, 64, 128, 140])]
fn median_f64(bencher: Bencher<'_, '_>, n: usize) {
    reduce(bencher, "median", DType::F64, n, true);
}

#[divan::bench(args = [8, 64, 128, 140])]
fn median_f32(bencher: Bencher<'_, '_>, n: usize) {
    reduce(bencher, "median", DType::F32, n, true);
}

/// NDVI of two elements of an array, as a band dimension is reduced.
#[divan::bench]
fn ndvi_of_bands(bencher: Bencher<'_, '_>) {
    let mut builder = Builder::default();
    let labels = (0..4).map(eolith_cube::Label::Int).collect();
    let axis = builder.axis(0, Type::of_dtype(DType::U16), Some(labels));
    let (x, y) = (builder.pick(axis, 3), builder.pick(axis, 2));
    let root = call(&mut builder, "normalized_difference", &[x, y]);
    let array =
        Register::Array { n: 4, lanes: column(DType::U16, 4 * TILE, 1, true), labels: None };
    run(bencher, &builder.finish(root), &[array]);
}

fn reduce(bencher: Bencher<'_, '_>, id: &str, dtype: DType, n: usize, masked: bool) {
    let mut builder = Builder::default();
    let axis = builder.axis(0, Type::of_dtype(dtype), None);
    let ignore = builder.constant(Value::Bool(true));
    let root = call(&mut builder, id, &[axis, ignore]);
    let lanes = column(dtype, n * TILE, 3, masked);
    run(bencher, &builder.finish(root), &[Register::Array { n, lanes, labels: None }]);
}

fn run(bencher: Bencher<'_, '_>, expr: &Expr, inputs: &[Register]) {
    bencher
        .counter(ItemsCount::new(TILE))
        .with_inputs(|| inputs.to_vec())
        .bench_local_values(|inputs| lanes::evaluate(expr, inputs, TILE).map_err(|(lane, _)| lane));
}

fn call(builder: &mut Builder, id: &str, args: &[ExprId]) -> ExprId {
    let lowering = registry().process(id).map(|process| &process.lowering);
    let Some(Lowering::Function(function)) = lowering else { panic!("`{id}` is no function") };
    builder.call(function, args.to_vec())
}

/// Reproducible noise, a third of it no-data.
fn column(dtype: DType, len: usize, seed: u64, masked: bool) -> Lanes {
    let mut state = seed;
    let mut next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state >> 33
    };
    let mut values = Values::zeros(dtype, len);
    for i in 0..len {
        let number = (next() % if dtype == DType::U8 { 11 } else { 4000 }) as f64;
        let number = if dtype.is_float() { number / 4000.0 } else { number };
        values.set(i, Number::Float(number));
    }
    let validity = masked.then(|| (0..len).map(|_| !next().is_multiple_of(3)).collect());
    Lanes::plain(values, validity)
}
