//! The scheduler of one machine: the tasks of a plan side by side, their bytes fetched ahead.
//!
//! A task's bytes are fetched step by step on the async threads, one step ahead of the computation. The computation
//! goes through the steps on one thread of the CPU pool, and decodes and computes there: pixels that change the core
//! on the way from the codec to the tile cost a quarter of the decoding again
//! ([design/0023](../../../docs/design/0023-a-task-stays-on-its-core.md)). Threads without a task, or whose bytes are
//! still under way, take tiles and chunks of other tasks. A task starts when the ledger has room for its declared
//! peak. Tasks finish in any order and write their boxes; what fails is the lowest task that fails.

mod failure;
mod groups;

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eolith_cube::{Block, Region};
use eolith_graph::{Code, Issue};
use eolith_plan::compute::{self, Context, Failure, Frames, Workers};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::physical::{Part, Physical, Task, schedule};
use futures::future::try_join_all;
use futures::stream::{self, StreamExt};
use rayon::prelude::*;
use tokio::runtime::Handle;
use tokio::sync::mpsc::error::TryRecvError;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tracing::Instrument;

use crate::accounts::{Accounts, Work};
use crate::budget::{Budget, Reservation};
use crate::events::{Cancel, Event, Listener};
use crate::meter::{self, Meter};
use crate::scratch::Scratch;
use crate::sink::Boxes;
use crate::source::frame::Frame;
use crate::source::open::Readers;
use crate::source::scan::{self, Fetch};
use crate::udf::{CellError, Pool};

use failure::{TaskError, issue, of_task};
use groups::Groups;

/// What tasks share.
#[derive(Clone, Debug)]
pub struct Machine {
    pub readers: Arc<Readers>,
    pub pool: Arc<rayon::ThreadPool>,
    pub budget: Budget,
    /// A turn for each thread of the pool. A thread that waits takes up what lies in the pool, on the stack of what it
    /// waits for; without turns that could be every task of every run.
    pub turns: Arc<Semaphore>,
    /// What makes the cells of a stage that is a function of the user's.
    pub outside: Option<Arc<Pool>>,
    /// Where is noted what a run takes.
    pub accounts: Option<Arc<Accounts>>,
}

impl Machine {
    /// Waits for memory of the ledger, which the caches make room for; `None` if there never will be enough.
    pub async fn reserve(&self, bytes: u64) -> Option<Reservation> {
        self.budget.reserve(bytes, |bytes| self.readers.cache().release(bytes)).await
    }

    /// Computes all tasks of a stage or root that `result` has not yet; gives the bytes read.
    pub async fn run(
        &self,
        physical: &Arc<Physical>,
        part: &Part,
        stored: &Stored,
        result: &Arc<dyn Boxes>,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<u64, Issue> {
        let (tasks, started) = (part.partition.len(), Instant::now());
        let mut failed: Option<(usize, TaskError)> = None;
        let mut done = (0..tasks).filter(|&index| result.has(index)).count();
        let mut bytes_read = 0;
        let before = done;
        let told = |done, bytes_read| {
            let (cpu, memory) = (self.cpu(), self.memory());
            listener(Event::Task { done, tasks, bytes_read, cpu, memory });
        };
        if done > 0 {
            told(done, bytes_read);
        }
        let stop = Cancel::default();
        let ahead = self.pool.current_num_threads();
        let path = &physical.logical.node(part.node).path;
        let groups = &Groups::new(path, tasks);
        let mut running = stream::iter((0..tasks).filter(|&index| !result.has(index)))
            .take_while(|_| std::future::ready(!cancel.is_cancelled() && !stop.is_cancelled()))
            .map(|index| {
                let task = self.task(physical, part, index, stored, Arc::clone(result), cancel);
                async move {
                    let span = groups.start(index, |task| result.has(task));
                    let done =
                        |bytes| result.end(index).map_err(TaskError::Scratch).map(|()| bytes);
                    let outcome = task.instrument(span).await.and_then(done);
                    groups.end(index);
                    (index, outcome)
                }
            })
            .buffer_unordered(ahead);
        while let Some((index, outcome)) = running.next().await {
            match outcome {
                Ok(bytes) => {
                    done += 1;
                    bytes_read += bytes;
                    told(done, bytes_read);
                }
                Err(error) => {
                    if failed.as_ref().is_none_or(|(lowest, _)| index < *lowest) {
                        failed = Some((index, error));
                    }
                    // What started may still fail at a lower number; nothing new starts.
                    stop.cancel();
                }
            }
        }
        drop(running);
        if let Some(accounts) = &self.accounts {
            accounts.add(Work::Compute, path, done - before, bytes_read, started.elapsed());
        }
        match failed {
            Some((index, error)) => {
                let task = physical.task(part, index);
                let (node, region) = match &task.cell {
                    Some(cell) => (part.node, cell),
                    None => (task.program.target, &task.output),
                };
                let issue = issue(physical, part.node, error, self.budget.total());
                Err(of_task(issue, [index, tasks], physical.logical.schema(node), region))
            }
            None if cancel.is_cancelled() => {
                Err(Issue::new(Code::new("Cancelled"), path.clone(), "the run was cancelled"))
            }
            None => Ok(bytes_read),
        }
    }

    /// Processor time of the run so far.
    fn cpu(&self) -> Duration {
        self.accounts.as_ref().map(|accounts| accounts.cpu()).unwrap_or_default()
    }

    /// Memory that tasks of the run held so far, in bytes times milliseconds.
    fn memory(&self) -> u64 {
        self.accounts.as_ref().map(|accounts| accounts.memory()).unwrap_or_default()
    }

    /// The pixels of one box of a root's cube, computed at once, and the bytes read for them.
    pub async fn region(
        &self,
        physical: &Arc<Physical>,
        node: NodeId,
        region: Region,
        stored: &Stored,
        cancel: &Cancel,
    ) -> Result<(Block, u64), Issue> {
        let failed = |error| issue(physical, node, error, self.budget.total());
        let task = physical.task_for(node, region);
        let peak = physical.peak(&task);
        let room = self.reserve(peak).await;
        let _room = room.ok_or_else(|| failed(TaskError::Memory(peak)))?;
        self.block(physical, task, stored, cancel).await.map_err(failed)
    }

    /// The pixels of a task in one block, and the bytes read for them.
    async fn block(
        &self,
        physical: &Arc<Physical>,
        task: Task,
        stored: &Stored,
        cancel: &Cancel,
    ) -> Result<(Block, u64), TaskError> {
        let dtype = physical.logical.schema(task.program.target).dtype();
        let block = Arc::new(Mutex::new(Block::nulls(dtype, task.output.shape())));
        let (result, output) = (Arc::clone(&block), task.output.clone());
        let emit = move |region: &Region, block: Block| {
            let start: Vec<usize> = region.relative_to(&output).0.iter().map(|r| r.start).collect();
            result.lock().unwrap_or_else(PoisonError::into_inner).paste(&start, &block);
            Ok(())
        };
        let bytes = self.compute(physical, task, stored, Box::new(emit), cancel).await?;
        let block = std::mem::replace(
            &mut *block.lock().unwrap_or_else(PoisonError::into_inner),
            Block::nulls(dtype, vec![0]),
        );
        Ok((block.canonical(), bytes))
    }

    async fn task(
        &self,
        physical: &Arc<Physical>,
        part: &Part,
        index: usize,
        stored: &Stored,
        result: Arc<dyn Boxes>,
        cancel: &Cancel,
    ) -> Result<u64, TaskError> {
        let _room = self.reserve(part.peak).await.ok_or(TaskError::Memory(part.peak))?;
        let _held = self.accounts.as_ref().map(|accounts| accounts.hold(part.peak));
        result.begin(index).map_err(TaskError::Scratch)?;
        let task = physical.task(part, index);
        if let Some(cell) = &task.cell {
            let pool = self.outside.as_ref().ok_or(TaskError::Lost)?;
            let node = physical.logical.node(part.node);
            let input = physical.logical.schema(*node.inputs.first().ok_or(TaskError::Lost)?);
            let (cell, given) = (cell.clone(), task.output.clone());
            let (block, bytes) = self.block(physical, task, stored, cancel).await?;
            let made = pool.call(input, &given, block, (&node.schema, &cell), cancel).await;
            let made = made.map_err(|error| match error {
                CellError::Fault(fault) => TaskError::Compute(Failure { node: part.node, fault }),
                CellError::Cancelled => TaskError::Cancelled,
            })?;
            result.put(&cell, made).map_err(TaskError::Scratch)?;
            return Ok(bytes);
        }
        let emit = move |region: &Region, block: Block| {
            result.put(region, block).map_err(TaskError::Scratch)
        };
        self.compute(physical, task, stored, Box::new(emit), cancel).await
    }

    /// Computes a task; gives the bytes read.
    async fn compute(
        &self,
        physical: &Arc<Physical>,
        task: Task,
        stored: &Stored,
        emit: Emit,
        cancel: &Cancel,
    ) -> Result<u64, TaskError> {
        let steps = schedule::reads(physical, &task.program, &task.output);
        let (send, receive) = mpsc::channel(1);
        let fetching = async {
            let mut bytes = 0;
            let mut before: Vec<(NodeId, Region)> = Vec::new();
            for step in steps {
                // One step ahead and no more: the declared peak counts one. A closed channel is a computation that
                // ended: its result says why.
                let Ok(place) = send.reserve().await else { break };
                // What the step before had open already stays open.
                let new = step
                    .iter()
                    .filter(|read| !before.contains(read) && !stored.contains_key(&read.0));
                let fetched =
                    try_join_all(new.map(|(id, region)| self.fetch(physical, *id, region))).await;
                let failed = fetched.is_err();
                bytes += fetched.iter().flatten().map(|brought| brought.fetch.bytes).sum::<u64>();
                place.send(fetched);
                if failed {
                    break;
                }
                before = step;
            }
            drop(send);
            bytes
        };
        let mut opener = Opener {
            receive,
            runtime: Handle::current(),
            open: Vec::new(),
            stored: stored.clone(),
            cancel: cancel.clone(),
        };
        let meter = self.meter(Work::Compute, physical, task.node);
        let physical = Arc::clone(physical);
        let computing = async {
            let turn =
                Arc::clone(&self.turns).acquire_owned().await.map_err(|_| TaskError::Lost)?;
            let (tell, told) = oneshot::channel();
            self.pool.spawn(move || {
                let _turn = turn;
                let run = || {
                    let _running = meter::enter(meter.as_ref());
                    let open = &mut |reads: &[(NodeId, Region)]| opener.step(reads);
                    let context = Context { open, emit: &*emit, workers: &Threads };
                    compute::run(&physical, &task.program, &task.output, context)
                };
                // A panic ends the task, not the pool. Nobody waits where the run was dropped.
                let _ = tell.send(catch_unwind(AssertUnwindSafe(run)));
            });
            told.await.map_err(|_| TaskError::Lost)
        };
        let (bytes, outcome) = futures::join!(fetching, computing);
        outcome?.map_err(|_| TaskError::Lost)??;
        Ok(bytes)
    }

    async fn fetch(
        &self,
        physical: &Physical,
        id: NodeId,
        region: &Region,
    ) -> Result<Brought, TaskError> {
        let node = physical.logical.node(id);
        let Op::Scan(scan) = &node.op else { return Err(TaskError::Lost) };
        let (meter, started) = (self.meter(Work::Read, physical, id), Instant::now());
        let fetch = scan::fetch(&self.readers, scan, &node.schema, region);
        let fetch = match meter.clone() {
            Some(meter) => meter.around(fetch).await,
            None => fetch.await,
        };
        let fetch = fetch.map_err(|e| TaskError::Source(id, region.clone(), e))?;
        if let Some(accounts) = &self.accounts {
            accounts.add(Work::Read, &node.path, 1, fetch.bytes, started.elapsed());
        }
        Ok(Brought { id, region: region.clone(), fetch, meter })
    }

    fn meter(&self, work: Work, physical: &Physical, node: NodeId) -> Option<Meter> {
        let path = &physical.logical.node(node).path;
        self.accounts.as_ref().map(|accounts| accounts.meter(work, path))
    }
}

/// The values of stages that are done.
pub type Stored = Arc<BTreeMap<NodeId, Arc<Scratch>>>;

/// Takes the finished boxes of a task.
type Emit = Box<dyn Fn(&Region, Block) -> Result<(), TaskError> + Send + Sync>;

type Fetched = Result<Vec<Brought>, TaskError>;

/// The bytes of a box of a scan.
struct Brought {
    id: NodeId,
    region: Region,
    fetch: Fetch,
    /// Counts the decoding.
    meter: Option<Meter>,
}

/// Decodes what one step reads.
struct Opener {
    receive: mpsc::Receiver<Fetched>,
    runtime: Handle,
    /// What the step before had open.
    open: Vec<(NodeId, Region, Arc<Frame>)>,
    stored: Stored,
    cancel: Cancel,
}

impl Opener {
    fn step(
        &mut self,
        reads: &[(NodeId, Region)],
    ) -> Result<Box<dyn Frames<TaskError>>, TaskError> {
        if self.cancel.is_cancelled() {
            return Err(TaskError::Cancelled);
        }
        let fetched = self.fetched().ok_or(TaskError::Lost)??;
        // Before anything new is decoded, what is not used any more goes.
        self.open.retain(|(id, region, _)| reads.iter().any(|(i, r)| i == id && r == region));
        for Brought { id, region, fetch, meter } in fetched {
            let _running = meter::enter(meter.as_ref());
            let frame = fetch.frame().map_err(|e| TaskError::Source(id, region.clone(), e))?;
            self.open.push((id, region, Arc::new(frame)));
        }
        let (frames, stored) = (self.open.clone(), self.stored.clone());
        Ok(Box::new(Open { frames, stored, cancel: self.cancel.clone() }))
    }

    /// The bytes of the next step; while they are under way this thread works for other tasks.
    fn fetched(&mut self) -> Option<Fetched> {
        /// How long a thread that found nothing to do does not look again.
        const PAUSE: Duration = Duration::from_millis(1);
        loop {
            match self.receive.try_recv() {
                Ok(fetched) => return Some(fetched),
                Err(TryRecvError::Disconnected) => return None,
                Err(TryRecvError::Empty) => {}
            }
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                let next = async { tokio::time::timeout(PAUSE, self.receive.recv()).await };
                if let Ok(fetched) = self.runtime.block_on(next) {
                    return fetched;
                }
            }
        }
    }
}

/// What one step may read.
struct Open {
    frames: Vec<(NodeId, Region, Arc<Frame>)>,
    stored: Stored,
    cancel: Cancel,
}

impl Frames<TaskError> for Open {
    fn read(&self, id: NodeId, region: &Region) -> Result<Block, TaskError> {
        // Tile by tile: a step may be the whole result.
        if self.cancel.is_cancelled() {
            return Err(TaskError::Cancelled);
        }
        if let Some(stored) = self.stored.get(&id) {
            return stored.read_block(region).map_err(TaskError::Scratch);
        }
        let own = self.frames.iter().find(|(own, whole, _)| *own == id && whole.contains(region));
        Ok(own.ok_or(TaskError::Lost)?.2.read(region))
    }
}

/// Loops on the CPU pool, called on one of its threads.
struct Threads;

impl Workers for Threads {
    fn each(&self, n: usize, f: &(dyn Fn(usize) + Sync)) {
        let meter = meter::current();
        (0..n).into_par_iter().for_each_init(|| meter::enter(meter.as_ref()), |_, i| f(i));
    }
}
