//! Takes arrays apart whose elements a callback computes one by one: no axis has to be there as a whole for that.
//!
//! ```text
//! %1 Along dimension 0: each(data, λ(x + 1)) [%0]   →   %1 Map x + 1 [%0]
//! ```
//!
//! Illegal where the callback looks at the index or the label of its element, where it captures what belongs to the
//! array (its mean), and where the result has other labels.

use std::sync::Arc;

use crate::expr::{Builder, Expr, ExprId, Node};
use crate::logical::Logical;
use crate::op::Op;

pub(super) fn apply(mut logical: Logical) -> Logical {
    for i in 0..logical.nodes.len() {
        let node = &logical.nodes[i];
        let Op::Along { expr, .. } = &node.op else { continue };
        let Some(input) = node.inputs.first() else { continue };
        let dims = node.schema.dims.len();
        if logical.schema(*input).dims != node.schema.dims {
            continue;
        }
        if let Some(expr) = of_element(expr) {
            let alignment = (0..dims).map(Some).collect();
            logical.nodes[i].op = Op::Map { expr: Arc::new(expr), inputs: vec![alignment] };
        }
    }
    logical
}

/// What callbacks, one after the other, make of an element of the only axis.
fn of_element(expr: &Expr) -> Option<Expr> {
    let mut bodies: Vec<(&Expr, Vec<ExprId>)> = Vec::new();
    let mut at = expr.root;
    let mut builder = Builder::default();
    let mut value = loop {
        match &expr.nodes[at.0].node {
            Node::Axis(0, _) => {
                let ty = expr.nodes[at.0].ty.element().clone();
                break builder.input(0, ty);
            }
            Node::Each { array, body, captures } => {
                let looks = |k: usize| body.nodes.iter().any(|own| own.node == Node::Input(k));
                if looks(1) || looks(2) {
                    return None;
                }
                let captures: Option<Vec<ExprId>> = (captures.iter())
                    .map(|id| match &expr.nodes[id.0].node {
                        Node::Const(value) => Some(builder.constant(value.clone())),
                        _ => None,
                    })
                    .collect();
                bodies.push((body, captures?));
                at = *array;
            }
            _ => return None,
        }
    };
    let none = builder.constant(crate::value::Value::Null);
    for (body, captures) in bodies.into_iter().rev() {
        let inputs: Vec<ExprId> = [value, none, none].into_iter().chain(captures).collect();
        value = builder.inline(body, &inputs);
    }
    Some(builder.finish(value))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::expr::{Builder, Expr};
    use crate::op::Op;
    use crate::optimize::testing::{PLUS, Plan, lines, pixels};
    use crate::types::Type;
    use crate::value::Value;

    /// `x + y`, where `y` is input `k` of the callback.
    fn body(k: usize) -> Expr {
        let mut builder = Builder::default();
        let (x, y) = (builder.input(0, Type::F64), builder.input(k, Type::F64));
        let root = builder.call(&PLUS, vec![x, y]);
        builder.finish(root)
    }

    /// `each` twice, the second one adding input `k`: 1 its index, 3 what it captures.
    fn optimized(k: usize) -> (String, bool) {
        let mut plan = Plan::default();
        let data = plan.literal();
        let schema = Arc::clone(plan.0.schema(data));
        let mut builder = Builder::default();
        let axis = builder.axis(0, Type::F64, None);
        let two = builder.constant(Value::Float(2.0));
        let first = builder.each(axis, body(3), vec![two]);
        let second = builder.each(first, body(k), vec![two]);
        let expr = Arc::new(builder.finish(second));
        let target = schema.dims[1].clone();
        let along = plan.push(Op::along(&schema, 1, target, expr).unwrap(), &[data]);
        let plan = plan.result(along);
        let before = pixels(&plan);
        let plan = super::apply(plan).pruned();
        (lines(&plan), pixels(&plan) == before)
    }

    #[test]
    fn callbacks_of_elements_are_maps() {
        let (lines, same) = optimized(3);
        assert_eq!(lines, "%0 Literal\n%1 Map plus(plus(x, 2), 2) : f64 [%0]\nresult %1");
        assert!(same);
    }

    #[test]
    fn callbacks_that_look_at_places_are_not() {
        let (lines, same) = optimized(1);
        assert!(lines.contains("%1 Along dimension 1: each("), "{lines}");
        assert!(same);
    }
}
