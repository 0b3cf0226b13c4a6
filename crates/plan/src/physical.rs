//! The physical plan: how a logical plan is computed piece by piece.
//!
//! The result of each root is cut into boxes, one a task; [`Program`] says in which sweeps the nodes of a task are
//! computed, [`schedule`] over which boxes. All of it follows from the task's number alone, so that a plan of any size
//! is a few numbers and a task can run anywhere. Nothing here depends on the machine: [`Options`] hold all that
//! decides the partition.

mod cells;
mod emitted;
mod memory;
mod outside;
mod partition;
mod program;
mod regions;
pub mod schedule;
mod stages;
mod zones;

use std::sync::Arc;

use eolith_cube::warp::Warp;
use eolith_cube::zonal::Footprint;
use eolith_cube::{ChunkGrid, Label, Region};
use eolith_graph::{Code, Issue};

use crate::expr::Decomposed;
use crate::logical::{Level, Logical, LogicalNode, NodeId, RootValue, label_list};
use crate::op::Op;

pub(crate) use cells::Cells;
use partition::Cut;
use stages::Reading;

pub(crate) use memory::tile as tile_shape;
pub use program::{Feed, Program, Sweep};
pub use regions::input_regions;
pub(crate) use regions::spatial;
pub(crate) use zones::{TOGETHER, ZoneTile, of as zones_of, tiles as zone_tiles};

/// What decides the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Most bytes one task may hold at a time.
    pub task_memory: u64,
    /// Bytes of one task's working set the planner aims at.
    pub target_bytes: u64,
    /// Threads that compute the tiles of a task.
    pub threads: usize,
    /// Whether values may be stored between tasks. A single box is computed without: it would pay for all the others.
    pub stages: bool,
    /// Most bytes of values that may be stored.
    pub scratch: u64,
    /// What the log takes: entries that are less severe are not made.
    pub log: Level,
    /// Bytes that one call of a function of the user's may hold.
    pub udf_memory: u64,
    /// Upper limit of labels along any dimension of tasks, steps and tiles, for tests of many chunkings.
    pub max_extent: Option<usize>,
}

/// A plan that can be run.
#[derive(Debug)]
pub struct Physical {
    pub logical: Logical,
    options: Options,
    /// Of warps: the prepared transformation.
    warps: Vec<Option<Arc<Warp>>>,
    /// Of nested operators: the plans of their cells.
    cells: Vec<Option<Arc<Cells>>>,
    /// Of reductions that can take their axis step by step: how.
    folds: Vec<Option<Arc<Decomposed>>>,
    /// Of operators over an axis: its labels as arrays see them.
    labels: Vec<Option<Arc<[Label]>>>,
    /// Of scans: along which dimensions the indices of the source grow.
    ascending: Vec<Vec<bool>>,
    /// Whether a node is computed by a stage and read from the scratch store.
    stored: Vec<bool>,
    /// Values that are computed before the roots, in this order, and kept in the scratch store while the plan runs.
    pub stages: Vec<Part>,
    /// `None` for values known from the graph alone.
    pub roots: Vec<Option<Part>>,
}

/// How one stage or root is computed.
#[derive(Debug)]
pub struct Part {
    pub node: NodeId,
    /// In which sweeps a task is computed.
    pub program: Arc<Program>,
    /// The tasks: boxes of the result.
    pub partition: ChunkGrid,
    /// Most bytes a task holds.
    pub peak: u64,
    /// Whether tasks are smaller than a decoding unit of the sources, so that each unit is decoded for several tasks.
    pub split: bool,
}

/// What a plan costs, as far as it is known before it runs.
#[derive(Clone, Debug, PartialEq)]
pub struct Cost {
    /// Bytes of the sources in all tasks together, decoded.
    pub decoded: u64,
    /// How often a byte is decoded on average.
    pub times: f64,
    /// Bytes of the values that are stored between tasks, results not counted.
    pub scratch: u64,
    /// Most bytes that a task holds.
    pub peak: u64,
    /// What makes the plan slower than its user may expect.
    pub warnings: Vec<String>,
}

/// What one task computes.
#[derive(Clone, Debug)]
pub struct Task {
    pub node: NodeId,
    pub program: Arc<Program>,
    /// The box of the program's target.
    pub output: Region,
    /// Where the output is the input of a function of the user's: the box of the node that comes out of it.
    pub cell: Option<Region>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            task_memory: 256 << 20,
            target_bytes: 32 << 20,
            threads: 2,
            stages: true,
            scratch: u64::MAX,
            log: Level::Info,
            udf_memory: 128 << 20,
            max_extent: None,
        }
    }
}

impl Physical {
    /// Plans all roots.
    ///
    /// # Errors
    /// Axes that are still pending, grids that cannot be transformed, and tasks that do not fit `task_memory` even
    /// when cut to single pixels, each with the node.
    pub fn new(logical: Logical, options: &Options) -> Result<Physical, Vec<Issue>> {
        Self::storing(logical, options, &[])
    }

    /// Plans all roots, with these nodes stored between tasks whether that pays or not.
    pub fn storing(
        logical: Logical,
        options: &Options,
        wanted: &[NodeId],
    ) -> Result<Physical, Vec<Issue>> {
        let mut physical = Self::prepared(logical, *options)?;
        for id in wanted {
            physical.stored[id.0] = true;
        }
        for (stored, node) in physical.stored.iter_mut().zip(&physical.logical.nodes) {
            *stored |= matches!(node.op, Op::Udf(_));
        }
        if options.stages {
            stages::choose(&mut physical, Physical::reading);
        }
        let stages: Result<Vec<Part>, Issue> =
            physical.needed_stages().into_iter().map(|id| physical.part(id, true)).collect();
        physical.stages = stages.map_err(|issue| vec![issue])?;
        let mut issues = Vec::new();
        for root in &physical.logical.roots {
            let part = match root.value {
                RootValue::Cube(id) => physical.part(id, false).map(Some),
                RootValue::Value(_) => Ok(None),
            };
            match part {
                Ok(part) => physical.roots.push(part),
                Err(issue) => issues.push(issue),
            }
        }
        if issues.is_empty() { Ok(physical) } else { Err(issues) }
    }

    /// What computing any box of any node takes; nothing is partitioned.
    fn prepared(logical: Logical, options: Options) -> Result<Physical, Vec<Issue>> {
        let mut issues = Vec::new();
        let mut cells = Vec::with_capacity(logical.nodes.len());
        let mut warps = Vec::with_capacity(logical.nodes.len());
        for node in &logical.nodes {
            for dim in node.schema.pending() {
                let message = format!("the labels of dimension `{dim}` are not known yet");
                issues.push(Issue::new(Code::INTERNAL, node.path.clone(), message));
            }
            cells.push(match &node.op {
                Op::Nested(nested) => match Cells::new(nested, options) {
                    Ok(cells) => Some(Arc::new(cells)),
                    Err(own) => {
                        issues.extend(own);
                        None
                    }
                },
                _ => None,
            });
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
        let folds = logical.nodes.iter().map(|node| fold(node, &options).map(Arc::new)).collect();
        let labels = (logical.nodes.iter())
            .map(|node| {
                let input = logical.schema(*node.inputs.first()?);
                input.dims[node.op.array_axis()?].labels().map(label_list)
            })
            .collect();
        let ascending = (logical.nodes.iter())
            .map(|node| match &node.op {
                Op::Scan(scan) => (scan.window.iter())
                    .map(|own| own.as_ref().is_none_or(|indices| indices.is_sorted()))
                    .collect(),
                _ => Vec::new(),
            })
            .collect();
        let stored = vec![false; logical.nodes.len()];
        let (stages, roots) = (Vec::new(), Vec::new());
        Ok(Physical {
            logical,
            options,
            warps,
            cells,
            folds,
            labels,
            ascending,
            stored,
            stages,
            roots,
        })
    }

    /// A task of a part.
    pub fn task(&self, part: &Part, index: usize) -> Task {
        let (node, program) = (part.node, Arc::clone(&part.program));
        let region = part.partition.region(index);
        let output = self.target_box(node, &program, &region);
        let cell = outside::is_made(self, part).then_some(region);
        Task { node, program, output, cell }
    }

    /// The task that computes any box of a node's result.
    pub fn task_for(&self, node: NodeId, output: Region) -> Task {
        Task { node, program: Arc::new(Program::new(self, node, false)), output, cell: None }
    }

    /// The most bytes that a task holds at a time.
    pub fn peak(&self, task: &Task) -> u64 {
        memory::peak(self, &task.program, &task.output)
    }

    /// The size of most boxes in which the tasks of a part hand their pixels over.
    pub fn emitted(&self, part: &Part) -> Vec<usize> {
        emitted::shape(self, part)
    }

    /// What the plan costs; `None` if it reads and computes no cube.
    pub fn cost(&self) -> Option<Cost> {
        let parts = || self.stages.iter().chain(self.roots.iter().flatten());
        let peak = parts().map(|part| part.peak).max()?;
        let reading =
            parts().map(|part| Reading::of_part(self, part)).fold(Reading::default(), Reading::and);
        let scratch = self.stages.iter().map(|part| self.stored_bytes(part.node)).sum();
        let times = reading.times(self);
        let mut warnings = Vec::new();
        if times > stages::TOLERATED {
            let why = if reading.split {
                "tasks are smaller than what can be decoded at once"
            } else {
                "tasks overlap"
            };
            warnings.push(format!("sources are decoded {times:.1} times, since {why}"));
        }
        for (i, node) in self.logical.nodes.iter().enumerate() {
            if let Some(text) = slow(&node.op) {
                warnings.push(format!("%{i} is computed one value at a time (it makes {text})"));
            }
        }
        Some(Cost { decoded: reading.decoded as u64, times, scratch, peak, warnings })
    }

    /// Bytes of the outlines that geometries have on the grids of the plan, which it holds as long as it lives.
    pub fn outlines(&self) -> u64 {
        let bytes = |node: &LogicalNode| match &node.op {
            Op::Zonal(own) => own.zones.iter().map(Footprint::bytes).sum(),
            Op::Burn(own) => own.zones.iter().map(Footprint::bytes).sum(),
            Op::Inside(footprint) => footprint.bytes(),
            _ => 0,
        };
        self.logical.nodes.iter().map(bytes).sum::<usize>() as u64
    }

    /// The reducer of a node as a fold, if its axis can be taken step by step.
    pub(crate) fn fold(&self, id: NodeId) -> Option<&Decomposed> {
        self.folds[id.0].as_deref()
    }

    /// Whether a node can take its axis step by step: folds can, and zones, whose pixels come in the order of rows.
    pub(crate) fn steps(&self, id: NodeId) -> bool {
        self.fold(id).is_some() || matches!(self.logical.node(id).op, Op::Zonal(_))
    }

    /// The labels of the axis that a node's expression takes as an array.
    pub(crate) fn labels(&self, id: NodeId) -> Option<Arc<[Label]>> {
        self.labels[id.0].clone()
    }

    /// Along which dimensions of a scan the indices of its source grow.
    fn ascending(&self, id: NodeId) -> &[bool] {
        &self.ascending[id.0]
    }

    /// Whether the values of a node are read from the scratch store instead of being computed.
    pub(crate) fn is_stored(&self, id: NodeId) -> bool {
        self.stored[id.0]
    }

    /// Bytes that the values of a node take in the scratch store, with a byte of validity each.
    fn stored_bytes(&self, id: NodeId) -> u64 {
        let schema = self.logical.schema(id);
        let shape = schema.shape().unwrap_or_default();
        let pixel = schema.dtype().size() as u64 + 1;
        shape.iter().fold(pixel, |bytes, &n| bytes.saturating_mul(n as u64))
    }

    /// The box of a program's target behind a box of a part's node: another one only where the node is a function of the
    /// user's, whose program makes its input.
    pub(crate) fn target_box(&self, node: NodeId, program: &Program, region: &Region) -> Region {
        match &self.logical.node(node).op {
            Op::Udf(_) if program.target != node => self.needs(node, region).swap_remove(0),
            _ => region.clone(),
        }
    }

    fn part(&self, id: NodeId, making: bool) -> Result<Part, Issue> {
        if let (true, Op::Udf(udf)) = (making, &self.logical.node(id).op) {
            return outside::part(self, id, udf);
        }
        let program = Program::new(self, id, making);
        let Cut { tasks: partition, peak, split } = partition::plan(self, &program)?;
        Ok(Part { node: id, program: Arc::new(program), partition, peak, split })
    }

    /// Nodes that are stored and read by a root or another stage, inputs first.
    fn needed_stages(&self) -> Vec<NodeId> {
        let mut needed = vec![false; self.logical.nodes.len()];
        for root in &self.logical.roots {
            if let RootValue::Cube(id) = root.value {
                needed[id.0] = true;
            }
        }
        for i in (0..needed.len()).rev() {
            if needed[i] {
                self.logical.nodes[i].inputs.iter().for_each(|id| needed[id.0] = true);
            }
        }
        (0..needed.len()).filter(|&i| needed[i] && self.stored[i]).map(NodeId).collect()
    }

    /// What all stages and roots read; `None` if a part cannot be planned.
    fn reading(&self) -> Option<Reading> {
        let stages = self.needed_stages().into_iter().map(|id| (id, true));
        let roots = (self.logical.roots.iter()).filter_map(|root| match root.value {
            RootValue::Cube(id) => Some((id, false)),
            RootValue::Value(_) => None,
        });
        let mut reading = Reading::default();
        for (id, making) in stages.chain(roots) {
            let part = self.part(id, making).ok()?;
            reading = reading.and(Reading::of_part(self, &part));
        }
        Some(reading)
    }

    /// The boxes of the inputs that a box of this node's result needs.
    pub(crate) fn needs(&self, id: NodeId, region: &Region) -> Vec<Region> {
        let node = self.logical.node(id);
        let inputs: Vec<_> =
            node.inputs.iter().map(|input| self.logical.schema(*input).as_ref()).collect();
        input_regions(&node.op, &node.schema, &inputs, self.warp(id), region)
    }

    /// The plans of a nested operator's cells.
    pub(crate) fn cells(&self, id: NodeId) -> Option<&Cells> {
        self.cells[id.0].as_deref()
    }

    pub(crate) fn warp(&self, id: NodeId) -> Option<&Warp> {
        self.warps[id.0].as_deref()
    }
}

/// Windows of up to so many rows are gathered on tiles, where they are near each other anyway.
const FEW_ROWS: usize = 32;

/// The type of a value that an operator computes value by value, in the plans of its cells too.
fn slow(op: &Op) -> Option<String> {
    let mut open = vec![op];
    while let Some(op) = open.pop() {
        if let Some(expr) = op.expression().filter(|expr| !expr.is_plain()) {
            return Some(expr.ty().to_string());
        }
        if let Op::Nested(nested) = op {
            let nodes = nested.plans.iter().flat_map(|plan| &plan.logical.nodes);
            open.extend(nodes.map(|node| &node.op));
        }
    }
    None
}

/// The reducer of a node as a fold. Groups must name their labels in order, since the axis goes by once.
fn fold(node: &LogicalNode, options: &Options) -> Option<Decomposed> {
    match &node.op {
        Op::Reduce { expr, .. } => expr.decompose(),
        Op::Zonal(zonal) => zonal.expr.decompose(),
        Op::Group { groups: Some(groups), expr, .. } => {
            let ascending = |group: &Arc<[usize]>| group.windows(2).all(|pair| pair[0] < pair[1]);
            groups.iter().all(ascending).then(|| expr.decompose()).flatten()
        }
        // No row comes where windows have no columns.
        Op::Coarsen(own)
            if own.size[0] > options.max_extent.unwrap_or(FEW_ROWS) && own.size[1] > 0 =>
        {
            own.expr.decompose()
        }
        _ => None,
    }
}
