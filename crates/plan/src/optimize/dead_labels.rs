//! Drops labels that a reducer never looks at.
//!
//! ```text
//! %0 Scan s2 [bands: 13]                     %0 Scan s2 [bands: 13]
//! %1 Reduce bands: [3]/[7] [%0]         →    %1 Select bands: 3, 7 [%0]
//!                                            %2 Reduce bands: [0]/[1] [%1]
//! ```
//!
//! The push-down then narrows the scan. Illegal where the reducer uses the array as a whole (a mean over bands):
//! then every label is read.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::expr::{Builder, Expr, ExprId, Node};
use crate::logical::{Logical, LogicalNode, NodeId};
use crate::op::Op;
use crate::types::Type;

pub(super) fn apply(logical: Logical) -> Logical {
    let mut plan = Logical::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(logical.nodes.len());
    for mut node in logical.nodes {
        node.inputs.iter_mut().for_each(|id| *id = map[id.0]);
        if let Op::Reduce { dim, expr } = &node.op
            && let Some(used) = picked(expr)
            && plan.schema(node.inputs[0]).dims[*dim].len().is_some_and(|n| used.len() < n)
        {
            let (dim, renumbered) = (*dim, renumbered(expr, &used));
            let input = plan.schema(node.inputs[0]);
            let mut indices = vec![None; input.dims.len()];
            indices[dim] = Some(Arc::from(used));
            let (op, schema) = Op::select(input, indices);
            let select = LogicalNode {
                op,
                inputs: node.inputs.clone(),
                schema: Arc::new(schema),
                path: node.path.clone(),
            };
            node.inputs = vec![plan.push(select)];
            node.op = Op::Reduce { dim, expr: Arc::new(renumbered) };
        }
        map.push(plan.push(node));
    }
    plan.roots = logical.roots;
    for root in &mut plan.roots {
        if let crate::logical::RootValue::Cube(id) = &mut root.value {
            *id = map[id.0];
        }
    }
    plan
}

/// The indices picked from the axis, sorted; `None` if it is used in any other way or not at all.
fn picked(expr: &Expr) -> Option<Vec<usize>> {
    let is_axis = |id: ExprId| matches!(expr.nodes[id.0].node, Node::Axis(..));
    let mut used = BTreeSet::new();
    for typed in &expr.nodes {
        let mut other = false;
        match &typed.node {
            Node::Pick { array, index } if is_axis(*array) => {
                used.insert(*index);
            }
            node => node.for_args(|id| other |= is_axis(id)),
        }
        if other {
            return None;
        }
    }
    (!is_axis(expr.root) && !used.is_empty()).then(|| used.into_iter().collect())
}

fn renumbered(expr: &Expr, used: &[usize]) -> Expr {
    let mut builder = Builder::default();
    let mut expr = expr.clone();
    for typed in &mut expr.nodes {
        match &mut typed.node {
            Node::Pick { index, .. } => {
                *index = used.binary_search(index).expect("invariant: every picked index is used");
            }
            Node::Axis(_, labels) => {
                let kept =
                    labels.as_ref().map(|all| used.iter().map(|&i| all[i].clone()).collect());
                *labels = kept;
                typed.ty = Type::array(typed.ty.element().clone(), Some(used.len()));
            }
            _ => {}
        }
    }
    let inputs: Vec<ExprId> = (expr.nodes.iter())
        .filter_map(|typed| match &typed.node {
            Node::Axis(k, labels) => {
                Some(builder.axis(*k, typed.ty.element().clone(), labels.clone()))
            }
            _ => None,
        })
        .collect();
    let root = builder.inline(&expr, &inputs);
    builder.finish(root)
}

#[cfg(test)]
mod tests {
    use crate::optimize::testing::{Plan, lines, pixels};

    #[test]
    fn labels_that_are_not_picked_are_not_read() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let reduced = plan.sum_of(data, 3, 1);
        let plan = plan.result(reduced);
        let before = pixels(&plan);
        let narrowed = super::apply(plan);
        assert_eq!(
            lines(&narrowed),
            "%0 Literal\n\
             %1 Select bands: 1 3 [%0]\n\
             %2 Reduce dimension 1: plus(data[1], data[0]) : f64 [%1]\n\
             result %2"
        );
        assert_eq!(pixels(&narrowed), before);
    }
}
