//! Pushes selections towards the scans.
//!
//! ```text
//! %0 Scan s2                      %0 Scan s2 [t: 3 of 12]
//! %1 Map x*2 [%0]            →    %1 Map x*2 [%0]
//! %2 Select t: 3 of 12 [%1]
//! ```
//!
//! Into a merge it goes as narrower lists of labels. Illegal through an operator for which a dimension is not
//! selectable (a group along that dimension, a warp along x and y), and where the operator's result has other users:
//! they need all of it. Only what is *read* gets smaller: the labels of the selection's result are what they were.

use std::sync::Arc;

use crate::logical::{Logical, LogicalNode, NodeId};
use crate::op::Op;

type Indices = Vec<Option<Arc<[usize]>>>;

pub(super) fn apply(mut logical: Logical) -> Logical {
    while let Some(next) = step(&mut logical) {
        logical = next.pruned();
    }
    logical
}

/// Moves selections into the sources below them, and the first one that can go through an operator through it; the
/// plan that gives has new nodes and is looked at again.
fn step(logical: &mut Logical) -> Option<Logical> {
    let mut uses = logical.uses();
    // From the last node to the first: a selection that moved below its input is met again on the way.
    for i in (0..logical.nodes.len()).rev() {
        let Op::Select(indices) = &logical.nodes[i].op else { continue };
        let indices = indices.clone();
        let below = logical.nodes[i].inputs[0];
        if uses[below.0] != 1 {
            continue;
        }
        if let Some(node) = into_source(logical, below, &indices) {
            logical.nodes[below.0] = node;
            skip(logical, i, below);
            uses[below.0] = uses[i];
        } else if let Some(moved) = through(logical, below, &indices) {
            return Some(rebuilt(std::mem::take(logical), i, below, moved));
        }
    }
    None
}

/// A scan, a merge or another selection that keeps less.
fn into_source(logical: &Logical, below: NodeId, indices: &Indices) -> Option<LogicalNode> {
    let node = logical.node(below);
    let narrow = |window: &Indices| -> Indices {
        (window.iter().zip(indices))
            .map(|(own, new)| match (own, new) {
                (own, None) => own.clone(),
                (None, Some(new)) => Some(Arc::clone(new)),
                (Some(own), Some(new)) => Some(new.iter().map(|&i| own[i]).collect()),
            })
            .collect()
    };
    let op = match &node.op {
        Op::Scan(scan) => {
            let mut scan = scan.clone();
            scan.window = narrow(&scan.window);
            Op::Scan(scan)
        }
        Op::Select(own) => Op::Select(narrow(own)),
        Op::Merge(merge) => {
            let mut merge = merge.clone();
            for maps in merge.indices.as_mut()? {
                for (map, indices) in maps.iter_mut().zip(indices) {
                    if let Some(indices) = indices {
                        *map = indices.iter().map(|&i| map[i]).collect();
                    }
                }
            }
            Op::Merge(merge)
        }
        _ => return None,
    };
    let schema = Arc::new(Op::select(&node.schema, indices.clone()).1);
    Some(LogicalNode { op, inputs: node.inputs.clone(), schema, path: node.path.clone() })
}

/// The selections of an operator's inputs that together are this selection of its result.
fn through(logical: &Logical, below: NodeId, indices: &Indices) -> Option<Vec<Indices>> {
    let node = logical.node(below);
    let chosen = indices.iter().enumerate().filter(|(_, i)| i.is_some());
    if chosen.clone().next().is_none()
        || !chosen.clone().all(|(d, _)| node.op.selectable(d, &node.schema))
    {
        return None;
    }
    let inputs = node.inputs.iter().map(|input| logical.schema(*input).dims.len());
    let by_dims = |dims: &[Option<usize>], n: usize| -> Option<Indices> {
        let mut own: Indices = vec![None; n];
        for (from, indices) in dims.iter().zip(indices) {
            match (from, indices) {
                (Some(from), Some(_)) => own[*from].clone_from(indices),
                // A new dimension has one label; a selection may only repeat or drop it, which is no selection of
                // the input.
                (None, Some(indices))
                    if matches!(node.op, Op::Relabel { .. }) && **indices != [0] =>
                {
                    return None;
                }
                _ => {}
            }
        }
        Some(own)
    };
    match &node.op {
        Op::Map { inputs: alignments, .. } => {
            inputs.zip(alignments).map(|(n, dims)| by_dims(dims, n)).collect()
        }
        Op::Relabel { dims } => inputs.map(|n| by_dims(dims, n)).collect(),
        Op::Reduce { dim, .. } => {
            let mut own = indices.clone();
            own.insert(*dim, None);
            Some(vec![own])
        }
        Op::Along { .. }
        | Op::Group { .. }
        | Op::Warp { .. }
        | Op::Window { .. }
        | Op::Coarsen(_) => Some(vec![indices.clone()]),
        Op::Reshape(reshape) => {
            let mut own: Indices = vec![None; logical.schema(node.inputs[0]).dims.len()];
            for (dim, indices) in indices.iter().enumerate() {
                if let Some(source) = reshape.source_dim(dim) {
                    own[source].clone_from(indices);
                }
            }
            Some(vec![own])
        }
        Op::Zonal(zonal) => {
            let mut own: Indices = vec![None; logical.schema(node.inputs[0]).dims.len()];
            for (dim, indices) in indices.iter().enumerate() {
                if let Some(source) = zonal.source_dim(dim) {
                    own[source].clone_from(indices);
                }
            }
            Some(vec![own])
        }
        Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => None,
        Op::Parameter(_) | Op::Pending => None,
        Op::Select(_) | Op::Merge(_) | Op::Nested(_) | Op::Udf(_) | Op::Save(_) => None,
    }
}

/// The plan with the selection `select` of `below` replaced by selections of its inputs.
fn rebuilt(logical: Logical, select: usize, below: NodeId, moved: Vec<Indices>) -> Logical {
    let mut plan = Logical::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(logical.nodes.len());
    for (i, mut node) in logical.nodes.into_iter().enumerate() {
        node.inputs.iter_mut().for_each(|id| *id = map[id.0]);
        if i == below.0 {
            for (input, indices) in node.inputs.iter_mut().zip(&moved) {
                if indices.iter().any(Option::is_some) {
                    let (op, schema) = Op::select(plan.schema(*input), indices.clone());
                    let path = node.path.clone();
                    *input = plan.push(LogicalNode {
                        op,
                        inputs: vec![*input],
                        schema: Arc::new(schema),
                        path,
                    });
                }
            }
        }
        if i == select {
            // The operator below now gives what the selection gave.
            let schema = Arc::clone(&node.schema);
            plan.nodes[map[below.0].0].schema = schema;
            map.push(map[below.0]);
        } else {
            map.push(plan.push(node));
        }
    }
    plan.roots = logical.roots;
    for root in &mut plan.roots {
        if let crate::logical::RootValue::Cube(id) = &mut root.value {
            *id = map[id.0];
        }
    }
    plan
}

/// Lets the users of node `i` use `below` in its place.
fn skip(logical: &mut Logical, i: usize, below: NodeId) {
    let instead = |id: &mut NodeId| {
        if id.0 == i {
            *id = below;
        }
    };
    for node in &mut logical.nodes {
        node.inputs.iter_mut().for_each(instead);
    }
    for root in &mut logical.roots {
        if let crate::logical::RootValue::Cube(id) = &mut root.value {
            instead(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::optimize::testing::{Plan, lines, pixels};

    #[test]
    fn a_selection_moves_below_element_wise_operators() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let mapped = plan.add(data, 2.0);
        let reduced = plan.sum_of(mapped, 0, 3);
        let selected = plan.select(reduced, 0, &[2, 0]);
        let plan = plan.result(selected);
        let before = pixels(&plan);
        let pushed = super::apply(plan).pruned();
        assert_eq!(
            lines(&pushed),
            "%0 Literal\n\
             %1 Select t: 2 0 [%0]\n\
             %2 Map plus(x, 2) : f64 [%1]\n\
             %3 Reduce dimension 1: plus(data[0], data[3]) : f64 [%2]\n\
             result %3"
        );
        assert_eq!(pixels(&pushed), before);
    }

    #[test]
    fn selections_of_selections_become_one() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let first = plan.select(data, 1, &[3, 1, 0]);
        let second = plan.select(first, 1, &[2, 0]);
        let plan = plan.result(second);
        let before = pixels(&plan);
        let pushed = super::apply(plan).pruned();
        assert_eq!(lines(&pushed), "%0 Literal\n%1 Select bands: 0 3 [%0]\nresult %1");
        assert_eq!(pixels(&pushed), before);
    }

    #[test]
    fn a_merge_keeps_fewer_labels() {
        let mut plan = Plan::default();
        let (one, two) = (plan.literal(), plan.literal());
        let merged = plan.merge(one, two);
        let selected = plan.select(merged, 0, &[2, 1]);
        let plan = plan.result(selected);
        let before = pixels(&plan);
        let pushed = super::apply(plan).pruned();
        assert_eq!(
            lines(&pushed),
            "%0 Literal\n%1 Literal\n%2 Merge overlap plus(x, y) : f64 [%0, %1]\nresult %2"
        );
        assert_eq!(pixels(&pushed), before);
    }

    #[test]
    fn what_others_use_stays_whole() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let mapped = plan.add(data, 2.0);
        let selected = plan.select(mapped, 0, &[1]);
        let mut plan = plan.result(selected);
        plan.roots.push(crate::logical::Root {
            value: crate::logical::RootValue::Cube(mapped),
            path: eolith_graph::NodePath::default(),
            is_result: false,
            effect: None,
        });
        let before = lines(&plan);
        assert_eq!(lines(&super::apply(plan).pruned()), before);
    }
}
