//! The front of the engine: validate, explain and run a process graph, or read a region of its result.
//!
//! A session owns the catalogue, the readers and the CPU pool. The command line, the server and later the wheel all
//! come through here; none of them plans or reads by itself.

mod collections;
mod computed;
mod documents;
mod estimate;
mod expand;
mod exports;
mod inputs;
mod kept;
mod output;
mod planning;
mod resource;
mod roots;
mod stages;
mod statistics;
mod view;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eolith_cube::{Block, Region, Schema};
use eolith_graph::{Code, Issue, NodePath, Process};
use eolith_plan::bind::Argument;
use eolith_plan::explain;
use eolith_plan::physical::{Options, Part, Physical};
use eolith_plan::process::Registry;
use eolith_plan::target::TargetGrid;
use eolith_plan::value::Value;
use eolith_processes::{registry, registry_inside};
use serde_json::Value as Json;
use tokio::sync::{OnceCell, Semaphore};
use tracing::{Instrument, info_span};

use crate::budget::Budget;
use crate::catalog::Catalog;
use crate::events::{Cancel, Event, Level, Listener};
use crate::run::Machine;
use crate::scratch::space::Space;
use crate::sink::OutputFile;
use crate::source::open::Readers;
use crate::udf::{self, Host};
use crate::workspace::{Nowhere, Workspace};

use computed::Computing;
use documents::Documents;
use kept::{Kept, Staging};
use planning::PlanState;

pub use estimate::{Estimate, Share};
pub use inputs::{Input, Origin};
pub(crate) use output::sink_issue;
pub use output::{Target, json_text};
pub use view::{Image, Subject, View};

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
    /// How functions of users are run.
    pub udf: udf::Settings,
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
    /// Values of the parameters that processes declare.
    given: Arc<BTreeMap<String, Argument>>,
    /// What runs functions of users, or why nothing does; found out when somebody wants to know.
    host: Arc<OnceCell<Result<Arc<Host>, String>>>,
    /// Where results are wanted, if not on the grids they come on.
    target: Option<Arc<TargetGrid>>,
    /// Where runs are kept, if they can be taken up again.
    kept: Option<Arc<Path>>,
    /// Most that a run may take.
    share: Share,
    /// Processes that were read from the web.
    documents: Documents,
}

/// A saved cube in STAC. The `href` of an asset is `./` and the name of its file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Described {
    /// An item, or a collection with the assets of all its items.
    pub json: Json,
    /// The items of a collection.
    pub items: Vec<Json>,
}

/// What a run gave.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub outputs: Vec<OutputFile>,
    /// What STAC says of the files, a resource for each cube that was saved.
    pub resources: Vec<Described>,
    /// What was read, with the items that have a part in it.
    pub inputs: Vec<Input>,
    /// The value of the result node if it is no cube.
    pub value: Option<Value>,
    pub tasks: usize,
    /// Tasks that earlier attempts at the same run had finished, see [`Session::kept_in`].
    pub resumed: usize,
    /// How often a task was begun that an attempt had begun before and not finished, in all attempts together.
    pub recomputed: usize,
    /// Attempts at a run that is kept, this one counted; 0 for others.
    pub attempts: usize,
    pub bytes_read: u64,
    /// Processor time of tasks, decoding and writing. That of threads that fetch and of functions of users is not in it.
    pub cpu: Duration,
    /// Memory that tasks had reserved, times how long they had: bytes times milliseconds.
    pub memory: u64,
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
        Settings {
            memory: 1 << 30,
            threads,
            scratch: None,
            scratch_limit: None,
            udf: udf::Settings::default(),
        }
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
        let machine =
            Machine { readers, pool: Arc::new(pool), budget, turns, outside: None, accounts: None };
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
            host: Arc::default(),
            settings,
            log: Level::Info,
            workspace: Arc::new(Nowhere),
            given: Arc::default(),
            target: None,
            kept: None,
            share: Share::default(),
            documents: Documents::default(),
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

    /// The same, for processes with parameters that have these values.
    #[must_use]
    pub fn with_arguments(self, given: BTreeMap<String, Argument>) -> Session {
        Session { given: Arc::new(given), ..self }
    }

    /// The same session with results on another grid: what it explains, runs and reads is the plan with that target. It
    /// shares everything with this one.
    #[must_use]
    pub fn onto(&self, target: TargetGrid) -> Session {
        Session { target: Some(Arc::new(target)), ..self.clone() }
    }

    /// The same, for a run that can be taken up again: what its tasks made stays in `folder` until
    /// [`crate::ledger::discard`] removes it. If the folder holds what an earlier, killed run of the same process left, that
    /// is taken over, and the files are the same bytes; if it holds another run, that is removed and a note says why. When
    /// such a run gives its report, its files are on the disk.
    ///
    /// A folder is for one process and one run at a time. Values that the plan depends on and summaries for the log are
    /// computed in each attempt.
    #[must_use]
    pub fn kept_in(self, folder: PathBuf) -> Session {
        Session { kept: Some(folder.into()), ..self }
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

    /// The predefined processes that can be run here.
    pub async fn processes(&self) -> &'static dyn Registry {
        match self.host().await {
            Ok(_) => registry(),
            Err(_) => registry_inside(),
        }
    }

    /// What runs functions of users.
    ///
    /// # Errors
    /// Why nothing does.
    pub async fn host(&self) -> Result<&Arc<Host>, &str> {
        let open = || async {
            let (settings, space) = (&self.settings.udf, Arc::clone(&self.space));
            let host = Host::open(settings, self.udf_memory(), space).await;
            if let Err(reason) = &host {
                tracing::warn!(reason, "UDFs cannot be run: run_udf is not offered");
            }
            host.map(Arc::new)
        };
        self.host.get_or_init(open).await.as_ref().map_err(String::as_str)
    }

    /// Bytes that a function may take besides its interpreter.
    fn udf_memory(&self) -> u64 {
        self.settings.udf.memory.unwrap_or((self.settings.memory / 8).max(64 << 20))
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
        let metered = self.metered();
        let outcome = metered.run_all(process, target, listener, cancel).await;
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
        let folder = self.own_folder()?;
        let mut computing = Computing::new(&self.results, listener, cancel);
        let options = self.options();
        let planning = self.complete_plan(process, &options, &mut computing);
        let plan = planning.instrument(info_span!("plan")).await?;
        let one = |issue: Issue| vec![issue];
        self.hold_outlines(&plan.physical, &mut computing).map_err(one)?;
        let Computing { mut report, planned, held: _held, .. } = computing;
        self.allowed(&plan.physical, planned).map_err(one)?;
        let staging = folder.as_ref().and_then(|folder| Staging::beside(target, folder.path()));
        let target = staging.as_ref().map_or(target, |staging| &staging.target);
        let files = output::plan(&plan, target).map_err(one)?;
        let (physical, bound) = (Arc::new(plan.physical), plan.bound);
        let kept = folder.map(|folder| Kept::take_up(folder, &physical, &files, staging.clone()));
        let kept = kept.transpose()?;
        let kept = kept.as_ref();
        self.check_exports(&physical.logical, kept).await.map_err(one)?;
        let tasks = tasks(&physical);
        report.tasks += tasks;
        listener(Event::Reads(report.inputs.clone().into()));
        listener(Event::Planned { tasks });
        if let Some(kept) = kept {
            kept.note(listener);
        }
        let started = Instant::now();
        let stages = self.stages(&physical, kept, listener, cancel);
        let (stored, bytes) = stages.instrument(info_span!("stages")).await.map_err(one)?;
        report.bytes_read += bytes;
        report.times.run += started.elapsed();
        self.roots(&physical, (files, target), (&stored, kept), &mut report, listener, cancel)
            .instrument(info_span!("results"))
            .await
            .map_err(one)?;
        if let Some(kept) = kept {
            kept.report(&mut report);
        }
        report.bytes_decoded = decoded() - decoded_before;
        if let Some(accounts) = &self.machine.accounts {
            report.cpu = accounts.cpu();
            report.memory = accounts.memory();
            for spent in accounts.told(&physical, &bound) {
                listener(Event::Spent(spent));
            }
        }
        Ok(report)
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
        let read = self.read(&physical, part, region, &Cancel::default()).await;
        read.map(|(block, _)| block).map_err(|issue| vec![issue])
    }

    /// The pixels of a box, and the bytes read for them.
    async fn read(
        &self,
        physical: &Arc<Physical>,
        part: &Part,
        region: Region,
        cancel: &Cancel,
    ) -> Result<(Block, u64), Issue> {
        let listener: Listener = Arc::new(|_| {});
        // Nothing is kept between tasks but what only a stage can make.
        let (stored, before) = self.stages(physical, None, &listener, cancel).await?;
        let (block, bytes) =
            self.machine.region(physical, part.node, region, &stored, cancel).await?;
        Ok((block, before + bytes))
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
        let options = self.options_of_one();
        let (listener, cancel): (Listener, Cancel) = (Arc::new(|_| {}), Cancel::default());
        let mut computing = Computing::new(&self.results, &listener, &cancel);
        let plan = self.complete_plan(process, &options, &mut computing).await?;
        let root = result(&plan.physical)?;
        Ok((Arc::new(plan.physical), root))
    }

    /// A task may hold a share of the ledger, so that all threads and the fetches ahead of them find room.
    fn options(&self) -> Options {
        let share = self.settings.memory / (4 * self.settings.threads.get() as u64);
        let defaults = Options::default();
        Options {
            task_memory: (self.settings.memory / 2).max(1),
            target_bytes: defaults.target_bytes.min(share),
            threads: self.settings.threads.get(),
            scratch: match &self.kept {
                Some(folder) => self.space.room_of_kept(folder),
                None => self.space.room(),
            },
            log: self.log,
            udf_memory: self.udf_memory().saturating_add(udf::INTERPRETER),
            ..defaults
        }
    }

    /// For a single box: storing values between tasks would pay for all others.
    fn options_of_one(&self) -> Options {
        Options { stages: false, ..self.options() }
    }
}

/// Tasks of all stages and roots.
fn tasks(physical: &Physical) -> usize {
    let parts = physical.stages.iter().chain(physical.roots.iter().flatten());
    parts.map(|part| part.partition.len()).sum()
}

/// Which root is the result.
fn result(physical: &Physical) -> Result<usize, Vec<Issue>> {
    physical.logical.roots.iter().position(|root| root.is_result).ok_or_else(no_cube)
}

fn no_cube() -> Vec<Issue> {
    invalid("the result is no data cube")
}

fn invalid(message: &str) -> Vec<Issue> {
    vec![Issue::new(Code::PROCESS_PARAMETER_INVALID, NodePath::default(), message)]
}
