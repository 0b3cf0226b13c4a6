//! The physical plan: how a logical plan is computed piece by piece.
//!
//! The result of each root is cut into boxes, one a task. What a task reads and computes in every node follows
//! from the task's number alone ([`Physical::task`]), so that a plan of any size is a few numbers and a task can
//! run anywhere. Nothing here depends on the machine: [`Options`] hold all that decides the partition.

mod partition;
mod regions;

use std::sync::Arc;

use eolith_cube::warp::Warp;
use eolith_cube::{ChunkGrid, Region};
use eolith_graph::{Code, Issue};

use crate::logical::{Logical, NodeId, RootValue};
use crate::op::Op;

pub use regions::input_regions;
pub(crate) use regions::spatial;

/// What decides the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes one task may hold at a time.
    pub task_memory: u64,
    /// Bytes of one task's working set the planner aims at.
    pub target_bytes: u64,
    /// Upper limit of labels along any dimension of a task's result, for tests of many chunkings.
    pub max_extent: Option<usize>,
}

/// A plan that can be run.
#[derive(Debug)]
pub struct Physical {
    pub logical: Logical,
    /// Of warps: the prepared transformation.
    warps: Vec<Option<Arc<Warp>>>,
    pub roots: Vec<PhysicalRoot>,
}

/// How one root is computed; values known from the graph alone need no tasks.
#[derive(Debug)]
pub struct PhysicalRoot {
    pub node: Option<NodeId>,
    /// The tasks: boxes of the root's result.
    pub partition: ChunkGrid,
    /// Most bytes a task holds.
    pub peak: u64,
}

/// What one task computes: for each node the box that is needed, if any.
#[derive(Debug)]
pub struct Task {
    pub output: Region,
    pub regions: Vec<Option<Region>>,
}

impl Default for Options {
    fn default() -> Options {
        Options { task_memory: 256 << 20, target_bytes: 32 << 20, max_extent: None }
    }
}

impl Physical {
    /// Plans all roots.
    ///
    /// # Errors
    /// Axes that are still pending, grids that cannot be transformed, and tasks that do not fit `task_memory` even
    /// when cut to single pixels, each with the node.
    pub fn new(logical: Logical, options: &Options) -> Result<Physical, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut warps = Vec::with_capacity(logical.nodes.len());
        for node in &logical.nodes {
            for dim in node.schema.pending() {
                let message = format!("the labels of dimension `{dim}` are not known yet");
                issues.push(Issue::new(Code::INTERNAL, node.path.clone(), message));
            }
            warps.push(match &node.op {
                Op::Warp { grid, method } => {
                    let from = logical.schema(node.inputs[0]).grid();
                    let warp = from.map_err(|e| e.to_string()).and_then(|from| {
                        Warp::new(from, grid.clone(), *method).map_err(|e| e.to_string())
                    });
                    match warp {
                        Ok(warp) => Some(Arc::new(warp)),
                        Err(reason) => {
                            let code = Code::PROCESS_PARAMETER_INVALID;
                            issues.push(Issue::new(code, node.path.clone(), reason));
                            None
                        }
                    }
                }
                _ => None,
            });
        }
        if !issues.is_empty() {
            return Err(issues);
        }
        let mut physical = Physical { logical, warps, roots: Vec::new() };
        for i in 0..physical.logical.roots.len() {
            match partition::plan(&physical, i, options) {
                Ok(root) => physical.roots.push(root),
                Err(issue) => issues.push(issue),
            }
        }
        if issues.is_empty() { Ok(physical) } else { Err(issues) }
    }

    /// The boxes that task `index` of root `root` needs in every node.
    pub fn task(&self, root: usize, index: usize) -> Task {
        let root = &self.roots[root];
        self.task_for(root.node, root.partition.region(index))
    }

    /// The boxes needed for any box of a node's result.
    pub fn task_for(&self, node: Option<NodeId>, output: Region) -> Task {
        let mut regions: Vec<Option<Region>> = vec![None; self.logical.nodes.len()];
        let Some(target) = node else { return Task { output, regions } };
        regions[target.0] = Some(output.clone());
        for i in (0..=target.0).rev() {
            // Nothing of a node is needed where a merge has only pixels of the other side; then nothing of its
            // inputs is either.
            let Some(region) = regions[i].clone().filter(|region| !region.is_empty()) else {
                continue;
            };
            let node = &self.logical.nodes[i];
            for (input, needed) in node.inputs.iter().zip(self.needs(NodeId(i), &region)) {
                let known = &mut regions[input.0];
                *known = Some(match known.take() {
                    Some(other) => other.hull(&needed),
                    None => needed,
                });
            }
        }
        Task { output, regions }
    }

    /// The most bytes that computing a box of a node's result holds at a time.
    pub fn peak(&self, node: NodeId, output: Region) -> u64 {
        partition::task_peak(self, node, output)
    }

    /// The boxes of the inputs that a box of this node's result needs.
    pub(crate) fn needs(&self, id: NodeId, region: &Region) -> Vec<Region> {
        let node = self.logical.node(id);
        let inputs: Vec<_> =
            node.inputs.iter().map(|input| self.logical.schema(*input).as_ref()).collect();
        input_regions(&node.op, &node.schema, &inputs, self.warp(id), region)
    }

    pub(crate) fn warp(&self, id: NodeId) -> Option<&Warp> {
        self.warps[id.0].as_deref()
    }

    /// The node of a root.
    pub(crate) fn root_node(&self, root: usize) -> Option<NodeId> {
        match self.logical.roots[root].value {
            RootValue::Cube(id) => Some(id),
            RootValue::Value(_) => None,
        }
    }
}
