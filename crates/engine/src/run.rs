//! The scheduler of one machine: the tasks of a plan on the CPU pool, their bytes fetched ahead.
//!
//! Fetching is async and overlaps with decoding and computing of other tasks; both are CPU work and run on the pool,
//! never on the async threads. A task starts when the ledger has room for its declared peak. Tasks finish in any
//! order and write their box; what fails is the lowest task that fails.

use std::sync::Arc;

use eolith_cube::{Block, Region};
use eolith_graph::{Code, Issue};
use eolith_plan::compute::{self, Failure};
use eolith_plan::logical::NodeId;
use eolith_plan::op::Op;
use eolith_plan::physical::{Physical, Task};
use futures::stream::{self, StreamExt};
use tokio::sync::oneshot;

use crate::budget::Budget;
use crate::events::{Cancel, Event, Listener};
use crate::scratch::Scratch;
use crate::source::open::Readers;
use crate::source::{SourceError, scan};

/// What tasks share.
#[derive(Clone, Debug)]
pub struct Machine {
    pub readers: Arc<Readers>,
    pub pool: Arc<rayon::ThreadPool>,
    pub budget: Budget,
}

/// Why a task failed.
#[derive(Debug)]
enum TaskError {
    Source(NodeId, SourceError),
    Compute(Failure),
    Memory(u64),
    Scratch(std::io::Error),
    Lost,
}

impl From<Failure> for TaskError {
    fn from(failure: Failure) -> TaskError {
        TaskError::Compute(failure)
    }
}

impl Machine {
    /// Computes all tasks of a root into `result`; gives the bytes read.
    pub async fn run(
        &self,
        physical: &Arc<Physical>,
        root: usize,
        result: &Arc<Scratch>,
        listener: &Listener,
        cancel: &Cancel,
    ) -> Result<u64, Issue> {
        let tasks = physical.roots[root].partition.len();
        let mut failed: Option<(usize, TaskError)> = None;
        let (mut done, mut bytes_read) = (0, 0);
        // Twice the threads: one set computes while the next is fetched. Memory is the ledger's business.
        let ahead = self.pool.current_num_threads() * 2;
        let mut running = stream::iter(0..tasks)
            .take_while(|_| std::future::ready(!cancel.is_cancelled()))
            .map(|index| {
                let task = self.clone().task(Arc::clone(physical), root, index, Arc::clone(result));
                async move { (index, task.await) }
            })
            .buffer_unordered(ahead);
        while let Some((index, outcome)) = running.next().await {
            match outcome {
                Ok(bytes) => {
                    done += 1;
                    bytes_read += bytes;
                    listener(Event::Task { done, tasks, bytes_read });
                }
                Err(error) => {
                    if failed.as_ref().is_none_or(|(lowest, _)| index < *lowest) {
                        failed = Some((index, error));
                    }
                    // What started may still fail at a lower number; nothing new starts.
                    cancel.cancel();
                }
            }
        }
        drop(running);
        match failed {
            Some((_, error)) => Err(issue(physical, root, error, self.budget.total())),
            None if cancel.is_cancelled() => Err(Issue::new(
                Code::new("Cancelled"),
                physical.logical.roots[root].path.clone(),
                "the run was cancelled",
            )),
            None => Ok(bytes_read),
        }
    }

    /// The pixels of one box of a root's cube, computed at once.
    pub async fn region(
        &self,
        physical: &Arc<Physical>,
        root: usize,
        node: NodeId,
        region: Region,
    ) -> Result<Block, Issue> {
        let failed = |error| issue(physical, root, error, self.budget.total());
        let peak = physical.peak(node, region.clone());
        let room = self.budget.reserve(peak).await;
        let _room = room.ok_or_else(|| failed(TaskError::Memory(peak)))?;
        let task = physical.task_for(Some(node), region);
        let (block, _) = self.compute(Arc::clone(physical), node, task).await.map_err(failed)?;
        Ok(block)
    }

    async fn task(
        self,
        physical: Arc<Physical>,
        root: usize,
        index: usize,
        result: Arc<Scratch>,
    ) -> Result<u64, TaskError> {
        let peak = physical.roots[root].peak;
        let _room = self.budget.reserve(peak).await.ok_or(TaskError::Memory(peak))?;
        let Some(node) = physical.roots[root].node else { return Ok(0) };
        let task = physical.task(root, index);
        let region = task.output.clone();
        let (block, bytes) = self.compute(physical, node, task).await?;
        result.write(&region, &block).map_err(TaskError::Scratch)?;
        Ok(bytes)
    }

    async fn compute(
        &self,
        physical: Arc<Physical>,
        node: NodeId,
        task: Task,
    ) -> Result<(Block, u64), TaskError> {
        let mut fetched = std::collections::BTreeMap::new();
        let mut bytes = 0;
        for (i, own) in physical.logical.nodes.iter().enumerate() {
            if let (Op::Scan(scan), Some(region)) = (&own.op, &task.regions[i]) {
                let id = NodeId(i);
                let fetch = scan::fetch(&self.readers, scan, &own.schema, region)
                    .await
                    .map_err(|e| TaskError::Source(id, e))?;
                bytes += fetch.bytes;
                fetched.insert(id, fetch);
            }
        }
        let (send, receive) = oneshot::channel();
        self.pool.spawn(move || {
            let block = compute::run_task(&physical, node, &task, |id, _| {
                let fetch = fetched.remove(&id).ok_or(TaskError::Lost)?;
                fetch.decode().map_err(|e| TaskError::Source(id, e))
            });
            // Nobody waits any more after a cancellation.
            let _ = send.send(block);
        });
        let block = receive.await.map_err(|_| TaskError::Lost)??;
        Ok((block, bytes))
    }
}

fn issue(physical: &Physical, root: usize, error: TaskError, budget: u64) -> Issue {
    let path = |id: NodeId| physical.logical.node(id).path.clone();
    let root_path = physical.logical.roots[root].path.clone();
    match error {
        TaskError::Compute(failure) => {
            Issue::new(Code::new(failure.fault.code), path(failure.node), failure.fault.message)
        }
        TaskError::Source(id, error) => Issue::new(Code::INTERNAL, path(id), error.to_string()),
        TaskError::Memory(peak) => Issue::new(
            Code::PROCESS_GRAPH_COMPLEXITY,
            root_path,
            format!("a task needs {peak} bytes, the memory limit is {budget}"),
        )
        .hint("raise the memory limit"),
        TaskError::Scratch(error) => {
            Issue::new(Code::INTERNAL, root_path, format!("cannot keep the result: {error}"))
        }
        TaskError::Lost => Issue::new(Code::INTERNAL, root_path, "a task ended without a result"),
    }
}
