//! Who uses a cube while it is bound.

use std::collections::BTreeMap;

use crate::logical::NodeId;

/// How often each node was taken as an argument, and how often by a filter that was folded into it.
#[derive(Debug, Default)]
pub(super) struct Uses {
    counts: BTreeMap<usize, (usize, usize)>,
}

impl Uses {
    pub(super) fn taken(&mut self, node: NodeId) {
        self.counts.entry(node.0).or_default().0 += 1;
    }

    pub(super) fn folded(&mut self, node: NodeId) {
        self.counts.entry(node.0).or_default().1 += 1;
    }

    /// Whether anything but folded filters looks at the node; a node nobody took counts as used.
    pub(super) fn is_used(&self, node: NodeId) -> bool {
        self.counts.get(&node.0).is_none_or(|(taken, folded)| taken > folded)
    }
}
