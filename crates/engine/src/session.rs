//! The front of the engine: validate, explain and run a process graph, or read a region of its result.
//!
//! A session owns the catalogue, the readers and the CPU pool. The command line, the server and later the wheel all
//! come through here; none of them plans or reads by itself.

mod computed;
mod output;
mod roots;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eolith_cube::{Block, Region, Schema};
use eolith_graph::{Code, Issue, NodePath, Process};
use eolith_plan::explain;
use eolith_plan::logical::Logical;
use eolith_plan::need::{Need, Snapshot};
use eolith_plan::physical::{Options, Part, Physical};
use eolith_plan::planner::{self, Plan, Planned};
use eolith_plan::process::Registry;
use eolith_plan::value::Value;
use eolith_processes::registry;
use tokio::sync::Semaphore;

use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::events::{Cancel, Event, Level, Listener};
use crate::run::{Machine, Stored};
use crate::scratch::Scratch;
use crate::scratch::space::Space;
use crate::sink::{Boxes, OutputFile};
use crate::source::open::Readers;
use crate::workspace::{Nowhere, Workspace};

use computed::Computing;
pub use output::{Target, json_text};

/// Rounds of questions and answers before planning gives up; each round must bring answers, so this is only a net.
const ROUNDS: usize = 1000;

/// Most collections that an error names.
const NAMED: usize = 10;

/// Bytes of a compute thread's stack: one that waits may hold a task for every other thread. Only what is used is real.
const STACK: usize = 8 << 20;

/// All predefined processes.
pub fn processes() -> &'static dyn Registry {
    registry()
}

/// How a session uses the machine.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Bytes tasks and results may hold at a time.
    pub memory: u64,
    pub threads: NonZeroUsize,
    /// Folder for values that do not fit into memory; the system's temporary folder if `None`.
    pub scratch: Option<PathBuf>,
    /// Most bytes of such values at a time; what the folder's file system has left if `None`.
    pub scratch_limit: Option<u64>,
}

/// An engine over a catalogue.
#[derive(Clone, Debug)]
pub struct Session {
    catalog: Arc<Catalog>,
    machine: Machine,
    /// The part of the memory that finished pixels may take. Apart from the tasks' part: if waiting results could take
    /// all of it, no task would ever finish another one.
    results: Budget,
    space: Arc<Space>,
    settings: Settings,
    /// What the log takes.
    log: Level,
    workspace: Arc<dyn Workspace>,
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub outputs: Vec<OutputFile>,
    /// The value of the result node if it is no cube.
    pub value: Option<Value>,
    pub tasks: usize,
    pub bytes_read: u64,
    /// Bytes of the chunks that were decoded meanwhile, by this run and those beside it.
    pub bytes_decoded: u64,
    /// Over the pixels of all roots, however they were computed; of a value that is no cube, over its JSON text.
    pub checksum: u64,
    pub times: Times,
}

/// Where the wall time of a run went. What is none of these is small.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// Waiting for the catalogue: looking through the data, opening what the process names, reading its metadata.
    pub open: Duration,
    /// Checking, binding, optimising and partitioning, without the catalogue's answers.
    pub plan: Duration,
    /// From the plan to all results complete: fetch, decode, compute; and writing, where that goes on meanwhile.
    pub run: Duration,
    /// Encoding and writing files afterwards.
    pub write: Duration,
    /// The checksum of the results that were not written meanwhile.
    pub checksum: Duration,
}

/// What planning came to.
enum PlanState {
    Ready(Box<Plan>),
    /// What is left has to be computed.
    Open {
        needs: Vec<Need>,
        so_far: Logical,
    },
}

/// How far `explain` goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    Bound,
    Optimized,
    Physical,
    All,
}

impl Default for Settings {
    fn default() -> Settings {
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        Settings { memory: 1 << 30, threads, scratch: None, scratch_limit: None }
    }
}

impl Session {
    /// # Errors
    /// The CPU pool cannot be started.
    pub fn new(catalog: Arc<Catalog>, settings: Settings) -> std::io::Result<Session> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(settings.threads.get())
            .thread_name(|i| format!("cpu-{i}"))
            .stack_size(STACK)
            .build()
            .map_err(std::io::Error::other)?;
        let budget = Budget::new(settings.memory - settings.memory / 4);
        // Streams never come back to a chunk: the cache serves tasks that overlap, and is small.
        let readers = Readers::new(Arc::clone(catalog.access()));
        let readers = Arc::new(readers.with_cache(settings.memory / 64, &budget));
        let turns = Arc::new(Semaphore::new(settings.threads.get()));
        let machine = Machine { readers, pool: Arc::new(pool), budget, turns };
        let results = Budget::new(settings.memory / 4);
        let space = Space::new(settings.scratch.clone(), settings.scratch_limit);
        if settings.scratch.is_some() {
            space.clean();
        }
        Ok(Session {
            catalog,
            machine,
            results,
            space: Arc::new(space),
            settings,
            log: Level::Info,
            workspace: Arc::new(Nowhere),
        })
    }

    /// The same, with a log that takes entries of this level and more severe ones; `info` if it is not said.
    #[must_use]
    pub fn logging(self, log: Level) -> Session {
        Session { log, ..self }
    }

    /// The same, for somebody with a workspace.
    #[must_use]
    pub fn with_workspace(self, workspace: Arc<dyn Workspace>) -> Session {
        Session { workspace, ..self }
    }

    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }

    /// A folder of this process below the scratch folder, for files that somebody fetches; it goes with the process.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn folder(&self) -> std::io::Result<PathBuf> {
        self.space.folder()
    }

    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// All predefined processes.
    pub fn processes(&self) -> &'static dyn Registry {
        processes()
    }

    /// All problems that can be found without reading pixels.
    pub async fn validate(&self, process: &Process) -> Vec<Issue> {
        let issues = eolith_graph::check(process, registry());
        if !issues.is_empty() {
            return issues;
        }
        match self.plan(process, &self.options(), None).await {
            Ok(_) => Vec::new(),
            Err(issues) => issues,
        }
    }

    /// The stages of the plan as text. Nothing is computed: where the rest of a plan depends on values of a part of it,
    /// that part is shown, and of the rest what is known without.
    pub async fn explain(&self, process: &Process, stage: Stage) -> Result<String, Vec<Issue>> {
        let plan = match self.checked_plan(process, &self.options(), None).await? {
            PlanState::Ready(plan) => plan,
            PlanState::Open { needs, so_far } => return self.explain_open(&needs, &so_far, stage),
        };
        let bound = || format!("# bound\n{}", explain::logical(&plan.bound));
        let optimized = || format!("# optimised\n{}", explain::logical(&plan.physical.logical));
        let physical = || format!("# physical\n{}", explain::physical(&plan.physical));
        Ok(match stage {
            Stage::Bound => bound(),
            Stage::Optimized => optimized(),
            Stage::Physical => physical(),
            Stage::All => format!("{}\n{}\n{}", bound(), optimized(), physical()),
        })
    }

    /// Runs all roots of a process and writes their files.
    ///
    /// # Errors
    /// All problems of validation at once, or the one that ended the run.
    pub async fn run(
        &self,
        process: &Process,
        target: &Target,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<Report, Vec<Issue>> {
        let outcome = self.run_all(process, target, listener, cancel).await;
        // Chunks are kept for the tasks of a run: what is on disk may be replaced after it.
        self.machine.readers.cache().release(u64::MAX);
        outcome
    }

    async fn run_all(
        &self,
        process: &Process,
        target: &Target,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<Report, Vec<Issue>> {
        let decoded = || self.machine.readers.cache().stats().decoded;
        let decoded_before = decoded();
        let mut computing = Computing::new(&self.results, listener, cancel);
        let plan = self.complete_plan(process, &self.options(), &mut computing).await?;
        let Computing { mut report, held: _held, .. } = computing;
        let files = output::plan(&plan, target).map_err(|issue| vec![issue])?;
        let physical = Arc::new(plan.physical);
        let tasks = tasks(&physical);
        report.tasks += tasks;
        listener(Event::Planned { tasks });
        let one = |issue: Issue| vec![issue];
        let started = Instant::now();
        let (stored, bytes) = self.stages(&physical, listener, cancel).await.map_err(one)?;
        report.bytes_read += bytes;
        report.times.run += started.elapsed();
        self.roots(&physical, (files, target), &stored, &mut report, listener, cancel)
            .await
            .map_err(one)?;
        report.bytes_decoded = decoded() - decoded_before;
        Ok(report)
    }

    /// Computes the values that are kept between tasks; gives them and the bytes read.
    async fn stages(
        &self,
        physical: &Arc<Physical>,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<(Stored, u64), Issue> {
        let (mut stored, mut bytes) = (Stored::default(), 0);
        for part in &physical.stages {
            let result = self.place(physical, part)?;
            let boxes: Arc<dyn Boxes> = Arc::clone(&result) as _;
            bytes += self.machine.run(physical, part, &stored, &boxes, listener, cancel).await?;
            Arc::make_mut(&mut stored).insert(part.node, result);
        }
        Ok((stored, bytes))
    }

    /// The pixels of a box of the result, computed at once and not kept: a tile, a chunk, a preview.
    ///
    /// # Errors
    /// Problems of the process, a result that is no cube, and a box that is not inside it.
    pub async fn region(&self, process: &Process, region: Region) -> Result<Block, Vec<Issue>> {
        let (physical, root) = self.result(process).await?;
        let part = physical.roots[root].as_ref().ok_or_else(no_cube)?;
        let whole = Region::whole(&part.partition.shape);
        if region.0.len() != whole.0.len() || !whole.contains(&region) {
            return Err(invalid("the box is not inside the result"));
        }
        self.machine.region(&physical, part.node, region).await.map_err(|issue| vec![issue])
    }

    /// What the result is, if it is a cube: its dimensions, labels and types.
    ///
    /// # Errors
    /// Problems of the process, and a result that is no cube.
    pub async fn schema(&self, process: &Process) -> Result<Arc<Schema>, Vec<Issue>> {
        let (physical, root) = self.result(process).await?;
        let part = physical.roots[root].as_ref().ok_or_else(no_cube)?;
        Ok(Arc::clone(physical.logical.schema(part.node)))
    }

    /// A plan of the result alone, in one pass, and which root the result is.
    async fn result(&self, process: &Process) -> Result<(Arc<Physical>, usize), Vec<Issue>> {
        let options = Options { stages: false, ..self.options() };
        let (listener, cancel): (Listener, Cancel) = (Arc::new(|_| {}), Cancel::default());
        let mut computing = Computing::new(&self.results, &listener, &cancel);
        let plan = self.complete_plan(process, &options, &mut computing).await?;
        let result = plan.physical.logical.roots.iter().position(|root| root.is_result);
        Ok((Arc::new(plan.physical), result.ok_or_else(no_cube)?))
    }

    /// Plans a process that was not checked yet, and computes what the plan depends on.
    async fn complete_plan(
        &self,
        process: &Process,
        options: &Options,
        computing: &mut Computing<'_>,
    ) -> Result<Plan, Vec<Issue>> {
        match self.checked_plan(process, options, Some(computing)).await? {
            PlanState::Ready(plan) => Ok(*plan),
            PlanState::Open { .. } => {
                Err(vec![unfinished("it depends on values that were not computed")])
            }
        }
    }

    /// Plans a process that was not checked yet.
    async fn checked_plan(
        &self,
        process: &Process,
        options: &Options,
        computing: Option<&mut Computing<'_>>,
    ) -> Result<PlanState, Vec<Issue>> {
        let issues = eolith_graph::check(process, registry());
        if issues.is_empty() { self.plan(process, options, computing).await } else { Err(issues) }
    }

    /// Asks the catalogue, and computes what only pixels answer, until the plan is complete. Without `computing` the
    /// latter stays open.
    async fn plan(
        &self,
        process: &Process,
        options: &Options,
        mut computing: Option<&mut Computing<'_>>,
    ) -> Result<PlanState, Vec<Issue>> {
        let mut snapshot = Snapshot::default();
        let mut times = Times::default();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let planned = planner::plan(process, &BTreeMap::new(), registry(), &snapshot, options);
            times.plan += started.elapsed();
            let (needs, so_far) = match planned {
                Planned::Ready(plan) => {
                    if let Some(computing) = computing {
                        computing.report.times.plan += times.plan;
                        computing.report.times.open += times.open;
                    }
                    return Ok(PlanState::Ready(plan));
                }
                Planned::Issues(issues) => return Err(self.with_collections(issues).await),
                Planned::Needs { needs, so_far } => (needs, so_far),
            };
            let started = Instant::now();
            let (open, asked): (Vec<Need>, Vec<Need>) =
                needs.into_iter().partition(|need| need.subplan().is_some());
            let answered = !asked.is_empty();
            for need in asked {
                let answer = self.catalog.answer(&need, &*self.workspace).await;
                snapshot.insert(need, answer);
            }
            times.open += started.elapsed();
            // What is computed may change with what the catalogue says, so that comes first.
            if answered {
                continue;
            }
            let Some(computing) = computing.as_deref_mut() else {
                return Ok(PlanState::Open { needs: open, so_far });
            };
            for need in open {
                let Some(subplan) = need.subplan() else { continue };
                let answer = self.compute(subplan, computing).await?;
                snapshot.insert(need, answer);
            }
        }
        Err(vec![unfinished(&format!("it has open questions after {ROUNDS} rounds"))])
    }

    /// Says which collections there are where one was not found. Paths of data that cannot be used are in the log: who
    /// asks over HTTP has no business with them.
    async fn with_collections(&self, mut issues: Vec<Issue>) -> Vec<Issue> {
        let unknown =
            |issue: &Issue| issue.code == Code::COLLECTION_NOT_FOUND && issue.hint.is_none();
        if !issues.iter().any(unknown) {
            return issues;
        }
        let mut known = self.catalog.ids().await;
        let more = if known.len() > NAMED { ", …" } else { "" };
        known.truncate(NAMED);
        let hint = if known.is_empty() {
            "there are no collections".to_owned()
        } else {
            format!("collections: {}{more}", known.join(", "))
        };
        for issue in issues.iter_mut().filter(|issue| unknown(issue)) {
            issue.hint = Some(hint.clone());
        }
        issues
    }

    /// A task may hold a share of the ledger, so that all threads and the fetches ahead of them find room.
    fn options(&self) -> Options {
        let share = self.settings.memory / (4 * self.settings.threads.get() as u64);
        let defaults = Options::default();
        Options {
            task_memory: (self.settings.memory / 2).max(1),
            target_bytes: defaults.target_bytes.min(share),
            threads: self.settings.threads.get(),
            scratch: self.space.room(),
            log: self.log,
            ..defaults
        }
    }

    /// A place for the values of a stage or root: memory while there is room, a file otherwise.
    fn place(&self, physical: &Physical, part: &Part) -> Result<Arc<Scratch>, Issue> {
        let schema = Arc::clone(physical.logical.schema(part.node));
        let shape = part.partition.shape.clone();
        let made = match self.results.try_reserve(Scratch::bytes(&schema, &shape)) {
            Some(room) => Ok(Scratch::in_memory(schema, shape, room)),
            None => Scratch::on_disk(schema, shape, &self.space),
        };
        made.map(Arc::new).map_err(|error| {
            let path = physical.logical.node(part.node).path.clone();
            let message = format!("no room for the result: {error}");
            match error.hint() {
                Some(hint) => Issue::new(Code::PROCESS_GRAPH_COMPLEXITY, path, message).hint(hint),
                None => Issue::new(Code::INTERNAL, path, message),
            }
        })
    }
}

/// Tasks of all stages and roots.
fn tasks(physical: &Physical) -> usize {
    let parts = physical.stages.iter().chain(physical.roots.iter().flatten());
    parts.map(|part| part.partition.len()).sum()
}

fn unfinished(why: &str) -> Issue {
    let message = format!("the plan was not complete: {why}");
    Issue::new(Code::INTERNAL, NodePath::default(), message)
}

fn no_cube() -> Vec<Issue> {
    invalid("the result is no data cube")
}

fn invalid(message: &str) -> Vec<Issue> {
    vec![Issue::new(Code::PROCESS_PARAMETER_INVALID, NodePath::default(), message)]
}
