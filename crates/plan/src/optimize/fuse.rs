//! Fuses element-wise operators into one pass.
//!
//! ```text
//! %0 Scan s2                       %0 Scan s2
//! %1 Reduce bands: a-b [%0]   →    %1 Reduce bands: (a-b)*2 [%0]
//! %2 Map x*2 [%1]
//!
//! %1 Map x*2 [%0]             →    %1 Map (x*2)+1 [%0]
//! %2 Map x+1 [%1]
//! ```
//!
//! Illegal where the inner result has other users, where its stored type is not exactly the expression's type (a
//! rounding would be lost), and where a map repeats the inner result along dimensions it lacks (the inner
//! expression would run once a repetition).

use std::sync::Arc;

use crate::expr::{Builder, Expr, ExprId};
use crate::logical::{Logical, LogicalNode, NodeId};
use crate::op::{Alignment, Op};
use crate::types::Type;

/// Larger expressions are not fused further: their columns would not stay in cache, and composing them again and
/// again would make planning quadratic.
const LARGEST: usize = 256;

pub(super) fn apply(mut logical: Logical) -> Logical {
    let mut uses = logical.uses();
    for i in 0..logical.nodes.len() {
        while let Some((fused, gone)) = fuse(&logical, NodeId(i), &uses) {
            logical.nodes[i] = fused;
            uses[gone.0] -= 1;
            for input in logical.nodes[gone.0].inputs.clone() {
                // The inner node dies with its last use; its inputs are used by the fused node instead.
                debug_assert_eq!(uses[gone.0], 0);
                let times = logical.nodes[i].inputs.iter().filter(|id| **id == input).count();
                uses[input.0] = uses[input.0].max(times);
            }
        }
    }
    logical
}

/// A map with one of its inputs fused in, and that input.
fn fuse(logical: &Logical, id: NodeId, uses: &[usize]) -> Option<(LogicalNode, NodeId)> {
    let node = logical.node(id);
    let Op::Map { expr, inputs: alignments } = &node.op else { return None };
    for (k, input) in node.inputs.iter().enumerate() {
        let inner = logical.node(*input);
        let whole = alignments[k].iter().enumerate().all(|(d, from)| *from == Some(d));
        if uses[input.0] != 1 || !whole || size(&node.op) + size(&inner.op) > LARGEST {
            continue;
        }
        let (op, inputs) = match &inner.op {
            Op::Map { expr: first, inputs: own } if exact(first, inner) => {
                let (composed, inputs, dims) =
                    compose((expr, &node.inputs, alignments), k, (first, &inner.inputs, own));
                (Op::Map { expr: Arc::new(composed), inputs: dims }, inputs)
            }
            Op::Reduce { dim, expr: first } if node.inputs.len() == 1 && exact(first, inner) => {
                let mut builder = Builder::default();
                let axis = copy(&mut builder, first, 0);
                let root = builder.inline(expr, &[axis]);
                (
                    Op::Reduce { dim: *dim, expr: Arc::new(builder.finish(root)) },
                    inner.inputs.clone(),
                )
            }
            _ => continue,
        };
        let fused =
            LogicalNode { op, inputs, schema: Arc::clone(&node.schema), path: node.path.clone() };
        return Some((fused, *input));
    }
    None
}

/// Nodes of the operator's expression.
fn size(op: &Op) -> usize {
    let (Op::Map { expr, .. } | Op::Reduce { expr, .. }) = op else { return 0 };
    expr.nodes.len()
}

/// Whether storing the inner result changes nothing: one type for all bands, the expression's own.
fn exact(expr: &Expr, node: &LogicalNode) -> bool {
    let stored = node.schema.dtype();
    node.schema.variables.iter().all(|v| v.dtype == stored)
        && match expr.ty() {
            Type::Bool | Type::Int(_) | Type::F32 | Type::F64 => expr.ty().dtype() == Some(stored),
            Type::Null | Type::Text | Type::Any | Type::Array(..) => false,
        }
}

type Part<'a> = (&'a Arc<Expr>, &'a [NodeId], &'a [Alignment]);

/// The outer expression with input `k` replaced by the inner one; inner inputs come last.
fn compose(outer: Part<'_>, k: usize, inner: Part<'_>) -> (Expr, Vec<NodeId>, Vec<Alignment>) {
    let mut inputs: Vec<NodeId> = Vec::new();
    let mut dims: Vec<Alignment> = Vec::new();
    let mut builder = Builder::default();
    let mut place = |builder: &mut Builder, id: NodeId, alignment: &Alignment, ty: Type| {
        let known = inputs.iter().zip(&dims).position(|(i, d)| *i == id && d == alignment);
        let slot = known.unwrap_or_else(|| {
            inputs.push(id);
            dims.push(alignment.clone());
            inputs.len() - 1
        });
        builder.input(slot, ty)
    };
    let types = |expr: &Expr, k: usize| {
        expr.nodes
            .iter()
            .find(|typed| matches!(typed.node, crate::expr::Node::Input(own) if own == k))
            .map_or(Type::Null, |typed| typed.ty.clone())
    };
    let (outer_expr, outer_inputs, outer_dims) = outer;
    let (inner_expr, inner_inputs, inner_dims) = inner;
    // The frame of the fused map is its first input, so the inputs in front of `k` keep their place.
    let mut outer_ids: Vec<Option<ExprId>> = vec![None; outer_inputs.len()];
    let mut inner_root = None;
    for (j, id) in outer_inputs.iter().enumerate() {
        if j == k {
            let ids: Vec<ExprId> = (inner_inputs.iter().zip(inner_dims).enumerate())
                .map(|(m, (id, d))| place(&mut builder, *id, d, types(inner_expr, m)))
                .collect();
            inner_root = Some(builder.inline(inner_expr, &ids));
        } else {
            outer_ids[j] = Some(place(&mut builder, *id, &outer_dims[j], types(outer_expr, j)));
        }
    }
    let root = inner_root.expect("invariant: `k` is an input");
    let ids: Vec<ExprId> = outer_ids.into_iter().map(|id| id.unwrap_or(root)).collect();
    let root = builder.inline(outer_expr, &ids);
    (builder.finish(root), inputs, dims)
}

/// Copies an expression whose only inputs are axis `k`.
fn copy(builder: &mut Builder, expr: &Expr, k: usize) -> ExprId {
    let axis = expr.nodes.iter().find_map(|typed| match &typed.node {
        crate::expr::Node::Axis(own, labels) if *own == k => {
            Some((typed.ty.element().clone(), labels.clone()))
        }
        _ => None,
    });
    let input = match axis {
        Some((element, labels)) => builder.axis(k, element, labels),
        None => builder.constant(crate::value::Value::Null),
    };
    builder.inline(expr, &[input])
}

#[cfg(test)]
mod tests {
    use crate::optimize::testing::{Plan, lines, pixels};

    #[test]
    fn maps_join_what_is_below_them() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let reduced = plan.sum_of(data, 0, 1);
        let one = plan.add(reduced, 2.0);
        let two = plan.add(one, 3.0);
        let plan = plan.result(two);
        let before = pixels(&plan);
        let fused = super::apply(plan).pruned();
        assert_eq!(
            lines(&fused),
            "%0 Literal\n\
             %1 Reduce dimension 1: plus(plus(plus(data[0], data[1]), 2), 3) : f64 [%0]\n\
             result %1"
        );
        assert_eq!(pixels(&fused), before);
    }
}
