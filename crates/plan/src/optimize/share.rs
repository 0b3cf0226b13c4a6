//! Shares equal nodes.
//!
//! ```text
//! %0 Scan s2            %0 Scan s2
//! %1 Scan s2       →    %1 Map [%0, %0]
//! %2 Map [%0, %1]
//! ```
//!
//! Illegal for nodes with an effect: two saves of the same cube are two files.

use crate::logical::{Logical, NodeId, RootValue};
use crate::op::{Op, Scan};

/// Comparing every pair would be quadratic in the number of nodes; equal reads stand close to each other.
const WINDOW: usize = 64;

pub(super) fn apply(logical: Logical) -> Logical {
    let mut shared = Logical::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(logical.nodes.len());
    for mut node in logical.nodes {
        node.inputs.iter_mut().for_each(|id| *id = map[id.0]);
        let recent = shared.nodes.len().saturating_sub(WINDOW);
        let found = shared.nodes[recent..].iter().position(|own| {
            own.inputs == node.inputs && same(&own.op, &node.op) && own.schema == node.schema
        });
        map.push(match found {
            Some(i) => NodeId(recent + i),
            None => shared.push(node),
        });
    }
    shared.roots = logical.roots;
    for root in &mut shared.roots {
        if let RootValue::Cube(id) = &mut root.value {
            *id = map[id.0];
        }
    }
    shared
}

/// Equality that may miss equal operators, never the other way round.
fn same(a: &Op, b: &Op) -> bool {
    match (a, b) {
        (Op::Scan(a), Op::Scan(b)) => same_scan(a, b),
        (Op::Select(a), Op::Select(b)) => a == b,
        (Op::Relabel { dims: a }, Op::Relabel { dims: b }) => a == b,
        (Op::Map { expr: a, inputs: m }, Op::Map { expr: b, inputs: n }) => a == b && m == n,
        (Op::Reduce { dim: d, expr: a }, Op::Reduce { dim: e, expr: b })
        | (Op::Along { dim: d, expr: a }, Op::Along { dim: e, expr: b }) => d == e && a == b,
        (Op::Group { dim: d, groups: g, expr: a }, Op::Group { dim: e, groups: h, expr: b }) => {
            d == e && g == h && a == b
        }
        (Op::Warp { grid: g, method: m }, Op::Warp { grid: h, method: n }) => g == h && m == n,
        (
            Op::Scan(_)
            | Op::Literal(_)
            | Op::Select(_)
            | Op::Relabel { .. }
            | Op::Map { .. }
            | Op::Reduce { .. }
            | Op::Along { .. }
            | Op::Group { .. }
            | Op::Warp { .. }
            | Op::Merge(_)
            | Op::Save(_),
            _,
        ) => false,
    }
}

fn same_scan(a: &Scan, b: &Scan) -> bool {
    a.request == b.request && a.window == b.window
}
