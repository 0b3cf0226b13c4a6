//! Tests for some integers taken together: `x == 3 or x == 8 or x == 9`, as classes are masked, is one pass over the
//! pixels.
//!
//! Not a process: what `or` makes of tests for equality of one value, and `and` of tests for inequality. It means the
//! same, no-data included: each test of no-data is no-data, and so is what logic makes of them.

use eolith_plan::expr::{Builder, ExprId, Node};
use eolith_plan::function::Function;
use eolith_plan::lanes::kernels;
use eolith_plan::process::{Lowering, Process};
use eolith_plan::types::Type;
use eolith_plan::value::{Fault, Value};

use super::{EQ, NEQ};
use crate::logic::NOT;

/// Whether an integer is in an array of integers.
static AMONG: Function = Function {
    id: "among",
    parameters: &["x", "values"],
    scalar: among,
    result: |_| Type::Bool,
    kernel: Some(kernels::among),
    fold: None,
    simplify: None,
    blanks: None,
};

/// `or` of two tests whether the same integer is one of some.
pub(crate) fn either(builder: &mut Builder, args: &[ExprId]) -> Option<ExprId> {
    let tests = [args[0], args[1]].map(|id| is_one_of(builder, id));
    union(builder, tests)
}

/// `and` of two tests whether the same integer is none of some.
pub(crate) fn neither(builder: &mut Builder, args: &[ExprId]) -> Option<ExprId> {
    let tests = [args[0], args[1]].map(|id| is_none_of(builder, id));
    let union = union(builder, tests)?;
    Some(builder.call(function(&NOT)?, vec![union]))
}

/// An integer and those that it is compared with.
type Test = (ExprId, Vec<Value>);

fn union(builder: &mut Builder, [one, other]: [Option<Test>; 2]) -> Option<ExprId> {
    let ((x, mut values), (other, more)) = (one?, other?);
    if x != other {
        return None;
    }
    for value in more {
        if !values.contains(&value) {
            values.push(value);
        }
    }
    let values = builder.constant(Value::array(values));
    Some(builder.call(&AMONG, vec![x, values]))
}

fn is_one_of(builder: &Builder, id: ExprId) -> Option<Test> {
    let Node::Call { function, args } = builder.node(id) else { return None };
    if **function == AMONG {
        let values = builder.as_const(args[1])?.as_array()?.values.clone();
        return Some((args[0], values));
    }
    if is(function, &EQ) { test(builder, args) } else { None }
}

fn is_none_of(builder: &Builder, id: ExprId) -> Option<Test> {
    let Node::Call { function, args } = builder.node(id) else { return None };
    if is(function, &NOT) {
        return is_one_of(builder, args[0]);
    }
    if is(function, &NEQ) { test(builder, args) } else { None }
}

/// What `eq` or `neq` compares, if it is an integer with a constant one, exactly.
fn test(builder: &Builder, args: &[ExprId]) -> Option<Test> {
    let sides = |x: ExprId, y: ExprId| {
        let value = builder.as_const(y)?;
        let exact = matches!(value, Value::Int(_)) && matches!(builder.ty(x), Type::Int(_));
        exact.then(|| (x, vec![value.clone()]))
    };
    if *builder.as_const(args[2])? != Value::Null {
        return None;
    }
    sides(args[0], args[1]).or_else(|| sides(args[1], args[0]))
}

fn is(function: &Function, process: &Process) -> bool {
    self::function(process).is_some_and(|own| own == function)
}

fn function(process: &Process) -> Option<&'static Function> {
    if let Lowering::Function(function) = process.lowering { Some(function) } else { None }
}

fn among(args: &[Value]) -> Result<Value, Fault> {
    let values = args[1].as_array().map(|array| array.values.as_slice()).unwrap_or_default();
    Ok(match &args[0] {
        Value::Null => Value::Null,
        x => Value::Bool(values.contains(x)),
    })
}

#[cfg(test)]
mod tests {
    use eolith_cube::{DType, Values};
    use eolith_plan::lanes::{self, Lanes, Register};

    use super::*;
    use crate::logic::{AND, OR};

    /// The call of a process with an integer input and a constant.
    fn compared(builder: &mut Builder, process: &Process, constant: i64, turned: bool) -> ExprId {
        let x = builder.input(0, Type::of_dtype(DType::U8));
        let constant = builder.constant(Value::Int(constant));
        let [a, b] = if turned { [constant, x] } else { [x, constant] };
        let (delta, case) = (builder.constant(Value::Null), builder.constant(Value::Bool(true)));
        builder.call(function(process).unwrap(), vec![a, b, delta, case])
    }

    fn joined(process: &Process, test: &Process, constants: &[i64]) -> (Builder, ExprId) {
        let mut builder = Builder::default();
        let tests: Vec<ExprId> = (constants.iter().enumerate())
            .map(|(k, c)| compared(&mut builder, test, *c, k % 2 > 0))
            .collect();
        let all =
            tests.into_iter().reduce(|a, b| builder.call(function(process).unwrap(), vec![a, b]));
        (builder, all.unwrap())
    }

    #[test]
    fn tests_of_one_integer_are_one_test() {
        let (builder, id) = joined(&OR, &EQ, &[3, 8, 8, 300, -1]);
        let Node::Call { function, args } = builder.node(id) else { panic!() };
        assert!(**function == AMONG, "{function:?}");
        let values = [3, 8, 300, -1].map(Value::Int).to_vec();
        assert_eq!(builder.as_const(args[1]), Some(&Value::array(values)));
        let (builder, id) = joined(&AND, &NEQ, &[3, 8, 9]);
        let Node::Call { function, args } = builder.node(id) else { panic!() };
        assert!(is(function, &NOT));
        assert!(
            matches!(builder.node(args[0]), Node::Call { function, .. } if **function == AMONG)
        );
    }

    #[test]
    fn other_logic_stays_as_it_is() {
        for (logic, test) in [(&OR, &NEQ), (&AND, &EQ)] {
            let (builder, id) = joined(logic, test, &[3, 8]);
            let Node::Call { function, .. } = builder.node(id) else { panic!() };
            assert!(is(function, logic));
        }
        // Another value.
        let mut builder = Builder::default();
        let one = compared(&mut builder, &EQ, 3, false);
        let y = builder.input(1, Type::of_dtype(DType::U8));
        let (eight, null) = (builder.constant(Value::Int(8)), builder.constant(Value::Null));
        let case = builder.constant(Value::Bool(true));
        let other = builder.call(function(&EQ).unwrap(), vec![y, eight, null, case]);
        assert_eq!(either(&mut builder, &[one, other]), None);
        // With a tolerance, and a number that may be none of the integers.
        let x = builder.input(0, Type::of_dtype(DType::U8));
        let delta = builder.constant(Value::Float(1.5));
        let near = builder.call(function(&EQ).unwrap(), vec![x, eight, delta, case]);
        assert_eq!(either(&mut builder, &[one, near]), None);
        let float = builder.input(2, Type::F32);
        let other = builder.call(function(&EQ).unwrap(), vec![float, eight, null, case]);
        assert_eq!(either(&mut builder, &[other, other]), None);
    }

    /// One by one as the definitions of `eq`, `neq`, `or` and `and` say.
    #[test]
    fn the_answer_is_that_of_the_tests_one_by_one() {
        let scalar =
            |process: &Process, args: &[Value]| (function(process).unwrap().scalar)(args).unwrap();
        let constants = [3, 8, 300].map(Value::Int);
        let all = Value::array(constants.to_vec());
        for x in (-2..12).map(Value::Int).chain([Value::Int(300), Value::Null]) {
            for (logic, test, inverse) in [(&OR, &EQ, false), (&AND, &NEQ, true)] {
                let tests = constants
                    .iter()
                    .map(|c| scalar(test, &[x.clone(), c.clone(), Value::Null, Value::Bool(true)]));
                let expected = tests.reduce(|a, b| scalar(logic, &[a, b])).unwrap();
                let mut found = among(&[x.clone(), all.clone()]).unwrap();
                if inverse {
                    found = scalar(&NOT, &[found]);
                }
                assert_eq!(found, expected, "{x:?} {logic:?}");
            }
        }
    }

    /// In every type of storage, with constants that it cannot hold, and with no-data.
    #[test]
    fn many_pixels_are_tested_like_one() {
        let pixels: Vec<i64> = (0..1500).map(|i| i * 7 % 13 - 1).collect();
        let valid: Vec<bool> = (0..pixels.len()).map(|i| i % 5 > 0).collect();
        let wanted = [3, -1, 300, 70_000, -70_000].map(Value::Int).to_vec();
        let integers =
            DType::ALL.into_iter().filter(|dtype| matches!(Type::of_dtype(*dtype), Type::Int(_)));
        let mut types = 0;
        for dtype in integers {
            let own = Values::I64(pixels.clone()).cast(dtype);
            let mut builder = Builder::default();
            let x = builder.input(0, Type::of_dtype(dtype));
            let values = builder.constant(Value::array(wanted.clone()));
            let root = builder.call(&AMONG, vec![x, values]);
            let expr = builder.finish(root);
            for validity in [None, Some(valid.clone())] {
                let input = Register::Scalar(Lanes::plain(own.clone(), validity.clone()));
                let found = lanes::evaluate(&expr, vec![input], own.len()).unwrap();
                for lane in 0..own.len() {
                    let ok = validity.as_ref().is_none_or(|valid| valid[lane]);
                    let pixel = Value::of_pixel(ok.then(|| own.get(lane)), false);
                    let expected = among(&[pixel.clone(), Value::array(wanted.clone())]).unwrap();
                    assert_eq!(found.value(lane, own.len()), expected, "{dtype} {pixel:?}");
                }
            }
            types += 1;
        }
        assert_eq!(types, 7);
    }
}
