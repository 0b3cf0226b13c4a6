//! Small plans for the tests of the rules, written by hand since this crate knows no process.

use std::sync::Arc;

use eolith_cube::{Block, DType, Dimension, Kind, Labels, Schema, Values, Variable};
use eolith_graph::NodePath;

use crate::expr::{Builder, Expr, ExprId};
use crate::function::Function;
use crate::logical::{Logical, LogicalNode, NodeId, Root, RootValue};
use crate::op::{Cube, Op};
use crate::types::Type;
use crate::value::Value;

/// `x + y` in f64.
pub(super) static PLUS: Function = Function {
    id: "plus",
    parameters: &["x", "y"],
    scalar: |args| {
        Ok(match (args[0].as_f64(), args[1].as_f64()) {
            (Some(x), Some(y)) => Value::Float(x + y),
            _ => Value::Null,
        })
    },
    result: |_| Type::F64,
    kernel: None,
    fold: None,
    simplify: None,
    blanks: None,
};

/// A plan that grows node by node.
#[derive(Default)]
pub(super) struct Plan(pub(super) Logical);

impl Plan {
    /// A cube `(t: 3, bands: a b c d)` of 12 pixels.
    pub(super) fn literal(&mut self) -> NodeId {
        let dims = vec![
            Dimension::new("t", Kind::Other, Labels::enumerated(3)),
            Dimension::new("bands", Kind::Bands, Labels::texts(["a", "b", "c", "d"])),
        ];
        let schema = Schema::uniform(dims, Variable::new(DType::F64));
        let block = Block::new(vec![3, 4], Values::F64((0..12).map(f64::from).collect()));
        self.push(Op::literal(Arc::new(Cube { schema, block })), &[])
    }

    pub(super) fn push(&mut self, (op, schema): (Op, Schema), inputs: &[NodeId]) -> NodeId {
        let (inputs, schema) = (inputs.to_vec(), Arc::new(schema));
        self.0.push(LogicalNode { op, inputs, schema, path: NodePath::default() })
    }

    /// `x + number` over a cube.
    pub(super) fn add(&mut self, input: NodeId, number: f64) -> NodeId {
        let expr = expression(|b| {
            let x = b.input(0, Type::F64);
            let y = b.constant(Value::Float(number));
            b.call(&PLUS, vec![x, y])
        });
        let made = Op::map(&[self.0.schema(input)], expr).unwrap();
        self.push(made, &[input])
    }

    /// The sum of two bands.
    pub(super) fn sum_of(&mut self, input: NodeId, first: usize, second: usize) -> NodeId {
        let schema = Arc::clone(self.0.schema(input));
        let labels = crate::logical::label_list(schema.dims[1].labels().unwrap());
        let expr = expression(|b| {
            let axis = b.axis(0, Type::F64, Some(labels));
            let (x, y) = (b.pick(axis, first), b.pick(axis, second));
            b.call(&PLUS, vec![x, y])
        });
        self.push(Op::reduce(&schema, 1, expr).unwrap(), &[input])
    }

    /// The sum of two cubes.
    pub(super) fn merge(&mut self, one: NodeId, two: NodeId) -> NodeId {
        let expr = expression(|b| {
            let (x, y) = (b.input(0, Type::F64), b.input(1, Type::F64));
            b.call(&PLUS, vec![x, y])
        });
        let schemas = [self.0.schema(one).as_ref(), self.0.schema(two).as_ref()];
        let made = Op::merge(schemas, Some(expr)).unwrap();
        self.push(made, &[one, two])
    }

    /// Some labels of `t`.
    pub(super) fn select(&mut self, input: NodeId, dim: usize, indices: &[usize]) -> NodeId {
        let schema = Arc::clone(self.0.schema(input));
        let mut kept = vec![None; schema.dims.len()];
        kept[dim] = Some(Arc::from(indices));
        self.push(Op::select(&schema, kept), &[input])
    }

    /// The plan with this node as its result.
    pub(super) fn result(mut self, node: NodeId) -> Logical {
        self.0.roots.push(Root {
            value: RootValue::Cube(node),
            path: NodePath::default(),
            is_result: true,
            effect: None,
        });
        self.0
    }
}

/// The operators of a plan, a line each, without schemas.
pub(super) fn lines(plan: &Logical) -> String {
    crate::explain::logical(plan)
        .lines()
        .filter(|line| !line.starts_with(' '))
        .collect::<Vec<_>>()
        .join("\n")
}

/// What the reference makes of a plan.
pub(super) fn pixels(plan: &Logical) -> Block {
    let RootValue::Cube(id) = plan.roots[0].value else { panic!("the result is a cube") };
    crate::reference::evaluate(plan, id, |_| -> Result<Block, crate::compute::Failure> {
        unreachable!("these plans have no scans")
    })
    .unwrap()
}

fn expression(build: impl FnOnce(&mut Builder) -> ExprId) -> Arc<Expr> {
    let mut builder = Builder::default();
    let root = build(&mut builder);
    Arc::new(builder.finish(root))
}
