//! The optimiser: ordered rules, one a file, that change how much is read and computed and never what comes out.
//!
//! Rules ask operators for properties and never for process names. After each rule the schemas of all roots must be
//! what they were; the test of soundness is that every rule's result equals the reference evaluator's.
//!
//! Constants are folded while expressions are built (`crate::expr::Builder`), before any of these rules.

mod dead_labels;
mod elements;
mod fuse;
mod overviews;
mod pushdown;
mod share;
#[cfg(test)]
mod testing;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::logical::{Logical, RootValue};
use crate::need::{Need, Snapshot};
use crate::nested::Nested;
use crate::op::Op;

/// A rule: its name in `explain` and in assertions, and what it does.
type Rule = (&'static str, fn(Logical) -> Logical);

/// In this order: sharing first, so that later rules see each sub-plan once; arrays taken apart, since selections pass
/// a map; dead labels make selections that the push-down then moves to the scans; fusion last, over what is left
/// between them.
const RULES: [Rule; 5] = [
    ("share equal nodes", share::apply),
    ("take arrays element by element", elements::apply),
    ("drop labels nobody reads", dead_labels::apply),
    ("push selections down", pushdown::apply),
    ("fuse element-wise operators", fuse::apply),
];

/// Applies all rules.
pub fn optimize(logical: Logical) -> Logical {
    let mut logical = cells(logical);
    for (name, rule) in RULES {
        let before = schemas(&logical);
        logical = rule(logical).pruned();
        debug_assert!(before == schemas(&logical), "rule `{name}` changed a schema");
    }
    logical
}

/// Applies all rules to the plans of cells.
fn cells(mut logical: Logical) -> Logical {
    for node in &mut logical.nodes {
        if let Op::Nested(nested) = &node.op {
            let mut nested = Nested::clone(nested);
            for plan in &mut nested.plans {
                plan.logical = optimize(std::mem::take(&mut plan.logical));
            }
            node.op = Op::Nested(Arc::new(nested));
        }
    }
    logical
}

/// Reads overviews in an approximate plan: the one rule that changes what comes out, and so none of [`RULES`]. It runs
/// after them. Gives what has to be known for it.
pub fn approximate(logical: Logical, snapshot: &Snapshot) -> (Logical, BTreeSet<Need>) {
    let before = schemas(&logical);
    let mut needs = BTreeSet::new();
    let logical = overviews::apply(logical, snapshot, &mut needs);
    debug_assert!(before == schemas(&logical), "overviews changed a schema");
    (logical, needs)
}

fn schemas(logical: &Logical) -> Vec<Option<std::sync::Arc<eolith_cube::Schema>>> {
    let schema = |root: &crate::logical::Root| match &root.value {
        RootValue::Cube(id) => Some(std::sync::Arc::clone(logical.schema(*id))),
        RootValue::Value(_) => None,
    };
    logical.roots.iter().map(schema).collect()
}
