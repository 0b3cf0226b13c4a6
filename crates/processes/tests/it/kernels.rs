//! Kernels give, lane by lane and bit by bit, what the scalar definitions give.

use std::cell::Cell;
use std::rc::Rc;

use eolith_cube::{DType, Number, Values};
use eolith_graph::Definitions;
use eolith_plan::expr::{Builder, Expr, ExprId, Node, type_of};
use eolith_plan::function::Function;
use eolith_plan::lanes::{self, KernelCall, Lanes, Register};
use eolith_plan::process::{Lowering, Registry};
use eolith_plan::types::Type;
use eolith_plan::value::Value;
use eolith_processes::registry;
use proptest::prelude::*;

#[derive(Clone, Copy, Debug)]
enum Kind {
    Scalar,
    Array,
    Option,
}

/// A column of pixels of one storage type, drawn from few values so that ties and extremes meet.
pub(super) fn column(
    dtype: DType,
    len: usize,
) -> impl Strategy<Value = (Values, Option<Vec<bool>>)> {
    let number = prop_oneof![
        6 => (-4i64..12).prop_map(|v| Number::Int(v.into())),
        2 => (-40i64..120).prop_map(|v| Number::Float(v as f64 / 8.0)),
        1 => any::<i64>().prop_map(|v| Number::Int(v.into())),
        1 => any::<f64>().prop_map(Number::Float),
        1 => prop_oneof![
            Just(f64::NAN), Just(f64::INFINITY), Just(f64::NEG_INFINITY), Just(-0.0), Just(0.3)
        ].prop_map(Number::Float),
        1 => Just(Number::Int(i64::MIN.into())),
    ];
    let cells = prop::collection::vec((number, 0..6u8), len);
    (cells, any::<bool>()).prop_map(move |(cells, masked)| {
        let mut values = Values::zeros(dtype, cells.len());
        for (i, (number, _)) in cells.iter().enumerate() {
            values.set(i, *number);
        }
        let mask = cells.iter().map(|(_, valid)| *valid > 0).collect();
        (values, masked.then_some(mask))
    })
}

/// Any storage type; mostly booleans where the standard asks for them.
fn dtype(schema: &serde_json::Value) -> impl Strategy<Value = DType> + use<> {
    let types = if schema["type"] == "array" { &schema["items"]["type"] } else { &schema["type"] };
    let booleans = u32::from(*types == serde_json::json!(["boolean", "null"])) * 9;
    prop_oneof![
        1 => prop::sample::select(DType::ALL.to_vec()),
        booleans => Just(DType::Bool),
    ]
}

/// What can be given for a parameter, from its schema: numbers and booleans, arrays, options.
fn kind(schema: &serde_json::Value, name: &str) -> Kind {
    let options = [
        "ignore_nodata",
        "delta",
        "case_sensitive",
        "exclude_max",
        "p",
        "index",
        "label",
        "return_nodata",
        "probabilities",
        "q",
        "repeat",
        "condition",
        "asc",
        "nodata",
        "context",
        "unit",
        "separator",
        "reverse",
    ];
    if options.contains(&name) {
        Kind::Option
    } else if schema["type"] == "array" {
        Kind::Array
    } else {
        Kind::Scalar
    }
}

fn constant(name: &str, id: &str, default: Option<&serde_json::Value>) -> BoxedStrategy<Value> {
    let ints = |list: &[i64]| {
        prop::sample::select(list.iter().map(|i| Value::Int(*i)).collect::<Vec<_>>()).boxed()
    };
    match name {
        "ignore_nodata" | "exclude_max" | "return_nodata" | "case_sensitive" | "asc"
        | "reverse" => any::<bool>().prop_map(Value::Bool).boxed(),
        "nodata" => {
            prop::sample::select(vec![Value::Null, Value::Bool(true), Value::Bool(false)]).boxed()
        }
        "delta" => {
            prop::sample::select(vec![Value::Null, Value::Float(0.5), Value::Int(2)]).boxed()
        }
        "p" if id == "power" => ints(&[-1, 0, 1, 2, 3, 17]),
        "p" if id == "exp" => ints(&[-1, 0, 1]),
        "p" => ints(&[-21, -2, -1, 0, 1, 2, 400]),
        "index" => ints(&[0, 1, 2, 7, -1]),
        "repeat" => ints(&[1, 2, 3]),
        "probabilities" => prop::sample::select(vec![
            Value::Int(4),
            Value::array(vec![Value::Int(0), Value::Float(0.3), Value::Float(0.5), Value::Int(1)]),
        ])
        .boxed(),
        "condition" => prop::sample::select(vec![Value::Null, Value::Bool(true)]).boxed(),
        "unit" => Just(Value::text("day")).boxed(),
        "separator" => Just(Value::text(" ")).boxed(),
        _ => Just(default.map_or(Value::Null, Value::from_json)).boxed(),
    }
}

#[derive(Debug, Clone)]
enum Argument {
    Constant(Value),
    Column(Values, Option<Vec<bool>>),
    Rows(usize, Values, Option<Vec<bool>>),
}

fn argument(
    name: &str,
    id: &str,
    p: &eolith_graph::Parameter,
    lanes: usize,
) -> BoxedStrategy<Argument> {
    let scalar = dtype(&p.schema)
        .prop_flat_map(move |dtype| column(dtype, lanes))
        .prop_map(|(values, mask)| Argument::Column(values, mask));
    // Ranges are mostly constant.
    let range = name.to_lowercase().ends_with("min") || name.to_lowercase().ends_with("max");
    match kind(&p.schema, name) {
        Kind::Option if name == "p" => prop_oneof![
            3 => constant(name, id, p.default.as_ref()).prop_map(Argument::Constant),
            1 => scalar,
        ]
        .boxed(),
        Kind::Option => constant(name, id, p.default.as_ref()).prop_map(Argument::Constant).boxed(),
        Kind::Scalar => prop_oneof![
            if range { 1 } else { 12 } => scalar,
            3 => (-3i64..9).prop_map(|v| Argument::Constant(Value::Int(v))),
            3 => (-3i64..9).prop_map(|v| Argument::Constant(Value::Float(v as f64 / 2.0))),
            1 => prop::sample::select(vec![
                Value::Null, Value::Float(f64::NAN), Value::Float(f64::INFINITY), Value::Bool(true)
            ]).prop_map(Argument::Constant),
        ]
        .boxed(),
        Kind::Array => (dtype(&p.schema), prop_oneof![40 => 0usize..6, 1 => Just(300usize)])
            .prop_flat_map(move |(dtype, n)| (Just(n), column(dtype, n * lanes)))
            .prop_map(|(n, (values, mask))| Argument::Rows(n, values, mask))
            .boxed(),
    }
}

fn call(function: &'static Function) -> impl Strategy<Value = (usize, Vec<Argument>)> {
    let definition = registry().get(function.id).expect("a listed function");
    prop_oneof![Just(1usize), Just(7), Just(19)].prop_flat_map(move |lanes| {
        let arguments: Vec<BoxedStrategy<Argument>> = (definition.parameters.iter())
            .map(|p| argument(&p.name, function.id, p, lanes))
            .collect();
        (Just(lanes), arguments)
    })
}

/// Values with floats as bits; every NaN is the same.
pub(super) fn bits(value: &Value) -> String {
    match value {
        Value::Float(x) if x.is_nan() => "NaN".into(),
        Value::Float(x) => format!("f{:016x} {x}", x.to_bits()),
        Value::Array(array) => {
            format!("{:?} {:?}", array.values.iter().map(bits).collect::<Vec<_>>(), array.labels)
        }
        other => format!("{other:?}"),
    }
}

fn check(
    function: &'static Function,
    lanes: usize,
    arguments: &[Argument],
    taken: &Cell<usize>,
) -> Result<(), TestCaseError> {
    let mut builder = Builder::default();
    let mut inputs = Vec::new();
    let mut args: Vec<ExprId> = Vec::new();
    for argument in arguments {
        let id = match argument {
            Argument::Constant(value) => builder.constant(value.clone()),
            Argument::Column(values, mask) => {
                inputs.push(Register::Scalar(Lanes::plain(values.clone(), mask.clone())));
                builder.input(inputs.len() - 1, Type::of_dtype(values.dtype()))
            }
            Argument::Rows(n, values, mask) => {
                let lanes = Lanes::plain(values.clone(), mask.clone());
                inputs.push(Register::Array { n: *n, lanes, labels: None });
                // Labels that only say how many elements there are.
                builder.axis(inputs.len() - 1, Type::of_dtype(values.dtype()), None)
            }
        };
        args.push(id);
    }
    let root = builder.call(function, args);
    let expr = builder.finish(root);
    taken.set(taken.get() + usize::from(takes_kernel(&expr, &inputs, lanes)));
    let per_lane: Vec<Vec<Value>> =
        (0..lanes).map(|lane| inputs.iter().map(|r| r.value(lane, lanes)).collect()).collect();
    let fast = lanes::evaluate(&expr, inputs.clone(), lanes);
    let slow: Vec<_> = per_lane.iter().map(|inputs| expr.evaluate(inputs)).collect();
    match (fast, slow.iter().position(Result::is_err)) {
        (Err((lane, fault)), first) => {
            prop_assert_eq!(Some(lane), first);
            prop_assert_eq!(Some(&fault), slow[lane].as_ref().err());
        }
        (Ok(_), Some(lane)) => {
            prop_assert!(false, "lane {} should fail: {:?}", lane, slow[lane]);
        }
        (Ok(register), None) => {
            for (lane, slow) in slow.iter().enumerate() {
                let fast = register.value(lane, lanes);
                let slow = slow.as_ref().expect("no fault");
                prop_assert_eq!(bits(&fast), bits(slow), "lane {} of {}", lane, expr.ty());
                prop_assert!(holds(expr.ty(), slow), "{:?} is not a {}", slow, expr.ty());
            }
        }
    }
    Ok(())
}

/// Whether the call, if it is one of inputs and constants, is computed by its kernel.
fn takes_kernel(expr: &Expr, inputs: &[Register], lanes: usize) -> bool {
    let Node::Call { function, args } = &expr.nodes[expr.root.0].node else { return false };
    let registers: Option<Vec<Rc<Register>>> = (args.iter())
        .map(|id| match &expr.nodes[id.0].node {
            Node::Input(k) | Node::Axis(k, _) => Some(Rc::new(inputs[*k].clone())),
            Node::Const(value) => Some(Rc::new(Register::Const(value.clone()))),
            _ => None,
        })
        .collect();
    let types: Vec<&Type> = args.iter().map(|id| &expr.nodes[id.0].ty).collect();
    registers.filter(|_| expr.ty().is_plain()).is_some_and(|args| {
        let call = KernelCall { args: &args, types: &types, out: expr.ty(), lanes };
        function.vectorised(&call).is_some_and(|result| result.is_ok())
    })
}

/// Whether a value is one of a type.
fn holds(ty: &Type, value: &Value) -> bool {
    match (ty, value) {
        (_, Value::Null) | (Type::Any, _) => true,
        (Type::Int(i), Value::Int(value)) => i.lo <= *value && *value <= i.hi,
        (Type::Array(element, len), Value::Array(array)) => {
            len.is_none_or(|n| n == array.values.len())
                && array.values.iter().all(|value| holds(element, value))
        }
        (Type::F32, Value::Float(x)) => x.is_nan() || f64::from(*x as f32) == *x,
        (ty, value) => match type_of(value) {
            Type::Int(_) => false,
            own => own == *ty,
        },
    }
}

#[test]
fn kernels_equal_the_scalar_definitions() {
    let mut failures = Vec::new();
    for id in registry().ids() {
        let Lowering::Function(function) = registry().process(id).unwrap().lowering else {
            continue;
        };
        if function.parameters.is_empty() {
            continue;
        }
        let config = ProptestConfig { cases: 160, failure_persistence: None, ..Default::default() };
        let mut runner = proptest::test_runner::TestRunner::new(config);
        let taken = Cell::new(0);
        let result = runner
            .run(&call(function), |(lanes, arguments)| check(function, lanes, &arguments, &taken));
        if let Err(error) = result {
            failures.push(format!("{id}: {error}"));
        }
        if (function.kernel.is_some() || function.fold.is_some()) && taken.get() < 10 {
            failures.push(format!("{id}: the kernel was taken {} times only", taken.get()));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
