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

/// Comparing every pair would be quadratic in the number of nodes; equal reads stand close to each other.
const WINDOW: usize = 64;

pub(super) fn apply(logical: Logical) -> Logical {
    let mut shared = Logical::default();
    let mut map: Vec<NodeId> = Vec::with_capacity(logical.nodes.len());
    for mut node in logical.nodes {
        node.inputs.iter_mut().for_each(|id| *id = map[id.0]);
        let recent = shared.nodes.len().saturating_sub(WINDOW);
        let found = shared.nodes[recent..].iter().position(|own| {
            own.inputs == node.inputs && own.op.same(&node.op) && own.schema == node.schema
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

#[cfg(test)]
mod tests {
    use crate::optimize::testing::{Plan, lines, pixels};

    #[test]
    fn equal_nodes_become_one() {
        let mut plan = Plan::default();
        let data = plan.literal();
        let (one, two) = (plan.select(data, 0, &[1]), plan.select(data, 0, &[1]));
        let (one, two) = (plan.add(one, 2.0), plan.add(two, 3.0));
        let both = {
            let expr = match &plan.0.node(one).op {
                crate::op::Op::Map { expr, .. } => std::sync::Arc::clone(expr),
                other => panic!("{other:?}"),
            };
            let schemas = [one, two].map(|id| std::sync::Arc::clone(plan.0.schema(id)));
            let made = crate::op::Op::map(&[&schemas[0], &schemas[1]], expr).unwrap();
            plan.push(made, &[one, two])
        };
        let plan = plan.result(both);
        let before = pixels(&plan);
        let shared = super::apply(plan).pruned();
        assert_eq!(
            lines(&shared),
            "%0 Literal\n\
             %1 Select t: 1..2 [%0]\n\
             %2 Map plus(x, 2) : f64 [%1]\n\
             %3 Map plus(x, 3) : f64 [%1]\n\
             %4 Map plus(x, 2) : f64 [%2, %3]\n\
             result %4"
        );
        assert_eq!(pixels(&shared), before);
    }
}
