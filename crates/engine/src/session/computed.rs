//! Answers that are computed: the pixels, or what is made of them, that the planner has to know.

use std::sync::Arc;
use std::time::Instant;

use eolith_cube::{Block, Region};
use eolith_graph::{Code, Issue, NodePath};
use eolith_plan::logical::{Logical, Root, RootValue};
use eolith_plan::need::{Answer, Need};
use eolith_plan::physical::Physical;
use eolith_plan::subplan::Subplan;
use eolith_plan::{explain, optimize};

use super::{Report, Session, Stage};
use crate::accounts::Work;
use crate::budget::{Budget, Holding};
use crate::events::{Cancel, Event, Listener};
use crate::meter;
use crate::scratch::Scratch;
use crate::sink::Boxes;

/// The part of the memory that one answer may take.
const SHARE: u64 = 8;

/// How answers are computed while a process is planned.
pub(super) struct Computing<'a> {
    pub(super) listener: &'a Listener,
    pub(super) cancel: &'a Cancel,
    /// What the answers of this plan hold until the run ends.
    pub(super) held: Holding,
    /// Bytes that the plans of the answers read.
    pub(super) planned: u64,
    /// What it cost.
    pub(super) report: Report,
}

impl<'a> Computing<'a> {
    pub(super) fn new(
        results: &Budget,
        listener: &'a Listener,
        cancel: &'a Cancel,
    ) -> Computing<'a> {
        let (held, report) = (results.holding(), Report::default());
        Computing { listener, cancel, held, planned: 0, report }
    }
}

impl Session {
    /// Runs a part of the plan and keeps its cubes in memory.
    pub(super) async fn compute(
        &self,
        subplan: &Subplan,
        computing: &mut Computing<'_>,
    ) -> Result<Answer, Vec<Issue>> {
        let path = subplan.path();
        let one = |issue: Issue| vec![issue];
        let bytes = self.checked_size(subplan).map_err(one)?;
        // The answer stays as long as the plan: room for it comes before everything that can wait on disk.
        if !computing.held.grow(bytes) {
            return Err(one(no_room(bytes, path)));
        }
        let started = Instant::now();
        let physical = Physical::new(optimize::optimize(subplan.plan().clone()), &self.options())?;
        let physical = Arc::new(physical);
        computing.planned = self.allowed(&physical, computing.planned).map_err(one)?;
        computing.report.times.plan += started.elapsed();
        let tasks = super::tasks(&physical);
        computing.report.tasks += tasks;
        (computing.listener)(Event::Planned { tasks });
        let started = Instant::now();
        let (listener, cancel) = (computing.listener, computing.cancel);
        let (stored, bytes) = self.stages(&physical, None, listener, cancel).await.map_err(one)?;
        computing.report.bytes_read += bytes;
        let mut blocks: Vec<Block> = Vec::new();
        for part in physical.roots.iter().flatten() {
            let rows = Some(part.partition.shape.clone());
            let result = self.place(&physical, part, rows, None).map_err(one)?;
            let boxes: Arc<dyn Boxes> = Arc::clone(&result) as _;
            let run = self.machine.run(&physical, part, &stored, &boxes, listener, cancel);
            computing.report.bytes_read += run.await.map_err(one)?;
            let shape = &part.partition.shape;
            let block = result.read_block(&Region::whole(shape));
            blocks.push(block.map_err(|e| one(lost(&e.to_string(), &path)))?);
        }
        let (subplan, cancel) = (subplan.clone(), cancel.clone());
        let (tell, told) = tokio::sync::oneshot::channel();
        let accounts = self.machine.accounts.as_ref();
        let meter = accounts.map(|accounts| accounts.meter(Work::Compute, &path));
        self.machine.pool.spawn(move || {
            let _running = meter::enter(meter.as_ref());
            // Nobody waits any more after a cancellation.
            let _ = tell.send(subplan.answer(blocks, &|| cancel.is_cancelled()));
        });
        let answer = told.await.map_err(|_| one(lost("it ended without a value", &path)))?;
        computing.report.times.run += started.elapsed();
        if computing.cancel.is_cancelled() {
            return Err(one(Issue::new(Code::new("Cancelled"), path, "the run was cancelled")));
        }
        answer.map_err(|fault| one(Issue::new(Code::new(fault.code), path, fault.message)))
    }

    /// Counts the outlines of a plan's geometries with what it holds. They are there already: where results of other
    /// runs have taken all room, nothing is gained by refusing this one.
    pub(super) fn hold_outlines(
        &self,
        physical: &Physical,
        computing: &mut Computing<'_>,
    ) -> Result<(), Issue> {
        let (bytes, limit) = (physical.outlines(), self.settings.memory / SHARE);
        if bytes <= limit {
            computing.held.grow(bytes);
            return Ok(());
        }
        let message = format!(
            "the outlines of the geometries have {bytes} bytes on their grids, {limit} bytes are allowed"
        );
        Err(Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, NodePath::default(), message)
            .hint("simplify them, or raise the memory limit"))
    }

    /// The parts that are computed first, and what is known of the rest.
    pub(super) fn explain_open(
        &self,
        needs: &[Need],
        so_far: &Logical,
        stage: Stage,
    ) -> Result<String, Vec<Issue>> {
        let mut text = String::new();
        for subplan in needs.iter().filter_map(Need::subplan) {
            let path = subplan.path();
            let optimized = optimize::optimize(subplan.plan().clone());
            let physical = Physical::new(optimized.clone(), &self.options())?;
            text += &format!("# computed first, for {path}\n");
            text += &match stage {
                Stage::Bound => explain::logical(subplan.plan()),
                Stage::Optimized => explain::logical(&optimized),
                Stage::Physical => explain::physical(&physical),
                Stage::All => {
                    format!("{}\n{}", explain::logical(&optimized), explain::physical(&physical))
                }
            };
            text.push('\n');
        }
        text += &format!("# bound so far; the rest is planned then\n{}", explain::logical(so_far));
        Ok(text)
    }

    /// Bytes of an answer. One that would take too much of the memory is refused before anything is computed.
    fn checked_size(&self, subplan: &Subplan) -> Result<u64, Issue> {
        let plan = subplan.plan();
        let size = |root: &Root| match root.value {
            RootValue::Cube(id) => {
                let schema = plan.schema(id);
                Scratch::bytes(schema, &schema.shape().unwrap_or_default())
            }
            RootValue::Value(_) => 0,
        };
        let bytes = plan.roots.iter().map(size).fold(0, u64::saturating_add);
        let limit = self.settings.memory / SHARE;
        if bytes <= limit {
            return Ok(bytes);
        }
        let message = format!(
            "the plan depends on {bytes} bytes of pixels that must be in memory at once, {limit} bytes are allowed"
        );
        let hint = "reduce the data cube first, or raise the memory limit";
        Err(Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, subplan.path(), message).hint(hint))
    }
}

fn no_room(bytes: u64, path: NodePath) -> Issue {
    let message = format!("no room for {bytes} bytes of pixels that the plan depends on");
    Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, path, message)
        .hint("raise the memory limit, or run fewer processes at a time")
}

fn lost(reason: &str, path: &NodePath) -> Issue {
    let message = format!("what the plan depends on was not computed: {reason}");
    Issue::new(Code::INTERNAL, path.clone(), message)
}
