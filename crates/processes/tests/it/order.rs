//! Median and quantiles of arrays of any length, in sorting networks and beyond them, against the definitions.

use eolith_cube::DType;
use eolith_plan::expr::{Builder, ExprId};
use eolith_plan::lanes::{self, Lanes, Register};
use eolith_plan::process::{Lowering, Registry};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use eolith_processes::registry;
use proptest::prelude::*;

use crate::kernels::{bits, column};

fn call(builder: &mut Builder, id: &str, args: &[ExprId]) -> ExprId {
    let Lowering::Function(function) = registry().process(id).expect("a process").lowering else {
        panic!("`{id}` is a function");
    };
    builder.call(function, args.to_vec())
}

#[test]
fn order_statistics_equal_the_scalar_definitions() {
    let types: Vec<DType> = DType::ALL.into_iter().filter(|t| *t != DType::Bool).collect();
    let n = prop_oneof![4 => 0usize..40, 1 => 40usize..140];
    let lanes = prop_oneof![4 => 1usize..9, 1 => Just(70usize), 1 => Just(259usize)];
    let cases = (prop::sample::select(types), n, lanes).prop_flat_map(|(dtype, n, lanes)| {
        (Just((n, lanes)), column(dtype, n * lanes), any::<bool>())
    });
    let config = ProptestConfig { cases: 120, failure_persistence: None, ..Default::default() };
    proptest::test_runner::TestRunner::new(config)
        .run(&cases, |((n, lanes), (values, mask), ignore)| {
            let mut builder = Builder::default();
            let axis = builder.axis(0, Type::of_dtype(values.dtype()), None);
            let ignore = builder.constant(Value::Bool(ignore));
            let none = builder.constant(Value::Null);
            let list = builder.constant(Value::array(vec![
                Value::Int(0),
                Value::Float(0.1),
                Value::Float(0.5),
                Value::Int(1),
            ]));
            let median = call(&mut builder, "median", &[axis, ignore]);
            let quantiles = call(&mut builder, "quantiles", &[axis, list, none, ignore]);
            let array = Register::Array { n, lanes: Lanes::plain(values, mask), labels: None };
            for root in [median, quantiles] {
                let expr = builder.finish(root);
                let fast = lanes::evaluate(&expr, vec![array.clone()], lanes).unwrap();
                for lane in 0..lanes {
                    let slow = expr.evaluate(&[array.value(lane, lanes)]).unwrap();
                    prop_assert_eq!(bits(&fast.value(lane, lanes)), bits(&slow), "lane {}", lane);
                }
            }
            Ok(())
        })
        .unwrap();
}
