//! Folds over a stream of rows give, bit by bit, what the whole array and the scalar definitions give.

use std::sync::Arc;

use eolith_cube::{DType, Label, Values};
use eolith_plan::expr::{Builder, Expr, ExprId, State};
use eolith_plan::lanes::stream::Slab;
use eolith_plan::lanes::{self, Lanes, Register};
use eolith_plan::process::{Lowering, Registry};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use eolith_processes::registry;
use proptest::prelude::*;

use crate::kernels::{bits, column};

const FOLDS: [&str; 12] = [
    "all", "any", "extrema", "first", "last", "max", "mean", "min", "product", "sd", "sum",
    "variance",
];

/// Rows of some lanes, and where they are cut.
#[derive(Clone, Debug)]
struct Case {
    lanes: usize,
    n: usize,
    dtype: DType,
    values: Values,
    mask: Option<Vec<bool>>,
    ignore: bool,
    /// Lengths of pieces; the last is repeated. A piece may lack its mask if all of it is valid.
    cuts: Vec<usize>,
    drop_masks: bool,
    labelled: bool,
}

fn case(booleans: bool) -> impl Strategy<Value = Case> {
    let dtype = if booleans {
        Just(DType::Bool).boxed()
    } else {
        prop::sample::select(DType::ALL.to_vec()).boxed()
    };
    let n = prop_oneof![8 => 0usize..9, 2 => 254usize..260, 2 => 500usize..780];
    let lanes = prop_oneof![Just(1usize), Just(3), Just(7)];
    (dtype, n, lanes).prop_flat_map(|(dtype, n, lanes)| {
        let cuts = prop::collection::vec(
            prop_oneof![4 => 1usize..4, 2 => 1usize..300, 1 => Just(256usize)],
            1..5,
        );
        (column(dtype, n * lanes), cuts, any::<[bool; 3]>()).prop_map(
            move |((values, mask), cuts, [ignore, drop_masks, labelled])| Case {
                lanes,
                n,
                dtype,
                values,
                mask,
                ignore,
                cuts,
                drop_masks,
                labelled,
            },
        )
    })
}

fn call(builder: &mut Builder, id: &str, args: &[ExprId]) -> ExprId {
    let Lowering::Function(function) = registry().process(id).expect("a process").lowering else {
        panic!("`{id}` is a function");
    };
    builder.call(function, args.to_vec())
}

fn expression(case: &Case, make: impl Fn(&mut Builder, ExprId, ExprId) -> ExprId) -> Expr {
    let mut builder = Builder::default();
    let labels: Option<Arc<[Label]>> =
        case.labelled.then(|| (0..case.n).map(|i| Label::Int(i as i64)).collect());
    let axis = builder.axis(0, Type::of_dtype(case.dtype), labels);
    let ignore = builder.constant(Value::Bool(case.ignore));
    let root = make(&mut builder, axis, ignore);
    builder.finish(root)
}

/// A fold by its id. `count` has a lowering of its own and is tested beside it.
fn fold(builder: &mut Builder, id: &str, axis: ExprId, ignore: ExprId) -> ExprId {
    call(builder, id, &[axis, ignore])
}

/// Takes all rows, cut as the case says.
fn push(case: &Case, state: &mut State<'_>) {
    let Case { lanes, n, values, mask, .. } = case;
    let (mut first, mut cuts) = (0, case.cuts.iter().cycle());
    while first < *n {
        let len = cuts.next().expect("a cut").min(&(n - first)).to_owned();
        let range = first * lanes..(first + len) * lanes;
        let own = mask
            .as_deref()
            .filter(|mask| !(case.drop_masks && mask[range.clone()].iter().all(|ok| *ok)));
        let start = range.start;
        let slab = Slab { values, validity: own, n: len, lanes: *lanes, start, stride: *lanes };
        state.push(first, &slab);
        first += len;
    }
}

fn check(case: &Case, expr: &Expr) -> Result<(), TestCaseError> {
    let Case { lanes, n, values, mask, .. } = case;
    let decomposed = expr.decompose().expect("it can stream");
    let array =
        Register::Array { n: *n, lanes: Lanes::plain(values.clone(), mask.clone()), labels: None };
    let whole = lanes::evaluate(expr, vec![array.clone()], *lanes);
    let mut state = decomposed.start(case.dtype, *lanes);
    push(case, &mut state);
    let streamed = state.finish();
    for lane in 0..*lanes {
        let slow = expr.evaluate(&[array.value(lane, *lanes)]);
        match (&slow, &whole, &streamed) {
            (Ok(slow), Ok(whole), Ok(streamed)) => {
                prop_assert_eq!(bits(&whole.value(lane, *lanes)), bits(slow), "whole, {}", lane);
                prop_assert_eq!(bits(&streamed.value(lane, *lanes)), bits(slow), "cut, {}", lane);
            }
            (_, Err(whole), Err(streamed)) => prop_assert_eq!(whole, streamed),
            other => prop_assert!(false, "{:?}", other),
        }
    }
    Ok(())
}

fn run(booleans: bool, cases: u32, test: impl Fn(&Case) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases, failure_persistence: None, ..Default::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&case(booleans), |case| test(&case))
        .unwrap();
}

fn plain(case: &Case) -> bool {
    case.dtype != DType::Bool
}

#[test]
fn every_fold_gives_the_same_for_every_cut() {
    for id in FOLDS {
        let logical = ["all", "any"].contains(&id);
        run(logical, 50, |case| {
            if !(logical || plain(case) || ["first", "last"].contains(&id)) {
                return Ok(());
            }
            check(case, &expression(case, |b, axis, ignore| fold(b, id, axis, ignore)))
        });
    }
}

#[test]
fn searches_stream() {
    for (booleans, value) in [
        (false, Value::Int(3)),
        (false, Value::Int(-300)),
        (false, Value::Float(0.5)),
        (false, Value::Float(f64::NAN)),
        (true, Value::Bool(false)),
        (true, Value::Int(1)),
        (true, Value::Null),
    ] {
        run(booleans, 40, |case| {
            if !(booleans || plain(case)) {
                return Ok(());
            }
            check(
                case,
                &expression(case, |b, axis, _| {
                    let value = b.constant(value.clone());
                    call(b, "array_contains", &[axis, value])
                }),
            )?;
            // Whether the last one is looked for.
            check(
                case,
                &expression(case, |b, axis, last| {
                    let value = b.constant(value.clone());
                    call(b, "array_find", &[axis, value, last])
                }),
            )
        });
    }
}

#[test]
fn expressions_of_folds_stream() {
    run(false, 60, |case| {
        if !plain(case) {
            return Ok(());
        }
        check(
            case,
            &expression(case, |b, axis, ignore| {
                let (max, min) = (fold(b, "max", axis, ignore), fold(b, "min", axis, ignore));
                call(b, "subtract", &[max, min])
            }),
        )?;
        check(
            case,
            &expression(case, |b, axis, ignore| {
                let (sum, mean) = (fold(b, "sum", axis, ignore), fold(b, "mean", axis, ignore));
                let quotient = call(b, "divide", &[sum, mean]);
                let pair = fold(b, "extrema", axis, ignore);
                let least = b.pick(pair, 0);
                let first = fold(b, "first", axis, ignore);
                let clipped = call(b, "add", &[least, first]);
                call(b, "add", &[quotient, clipped])
            }),
        )
    });
}

#[test]
fn what_needs_the_whole_array_does_not_stream() {
    let mut builder = Builder::default();
    let axis = builder.axis(0, Type::F32, None);
    let other = builder.axis(1, Type::F32, None);
    let input = builder.input(0, Type::F32);
    let ignore = builder.constant(Value::Bool(true));
    let median = fold(&mut builder, "median", axis, ignore);
    let max = fold(&mut builder, "max", axis, ignore);
    let picked = builder.pick(axis, 0);
    let distance = call(&mut builder, "subtract", &[max, picked]);
    let beyond = call(&mut builder, "subtract", &[max, input]);
    let elsewhere = fold(&mut builder, "max", other, ignore);
    let one = builder.constant(Value::Int(1));
    for root in [axis, median, picked, distance, beyond, elsewhere, one] {
        assert!(builder.finish(root).decompose().is_none(), "{:?}", builder.node(root));
    }
    assert!(builder.finish(max).decompose().is_some());
}

#[test]
fn memory_is_told_before_the_first_row() {
    let bytes = |id: &str, dtype: DType, len: usize| {
        let mut builder = Builder::default();
        let labels = (0..len).map(|i| Label::Int(i as i64)).collect();
        let axis = builder.axis(0, Type::of_dtype(dtype), Some(labels));
        let ignore = builder.constant(Value::Bool(true));
        let root = fold(&mut builder, id, axis, ignore);
        let expr = builder.finish(root);
        expr.decompose().expect("it can stream").bytes_per_lane(dtype)
    };
    // Value, whether there is any, validity of the result.
    assert_eq!(bytes("max", DType::U16, 1000), 2 + 1 + 1);
    // A cell, the count of no-data, the result with its validity; a total where there is more than one cell.
    assert_eq!(bytes("mean", DType::F32, 36), 8 + 4 + 9);
    assert_eq!(bytes("mean", DType::F32, 1000), 8 + 8 + 4 + 9);
}
