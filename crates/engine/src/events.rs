//! What a run reports while it goes on, and how it is stopped.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use eolith_graph::NodePath;
pub use eolith_plan::logical::Level;
use serde_json::Value as Json;

use crate::accounts::Spent;
use crate::session::{Described, Input};
use crate::sink::OutputFile;

/// A step of a run.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Planning is done; this many tasks follow.
    Planned { tasks: usize },
    /// A task is done. `bytes_read` is the sum of its part so far, `cpu` the processor time of the whole run, and
    /// `memory` what its tasks held, in bytes times milliseconds.
    Task { done: usize, tasks: usize, bytes_read: u64, cpu: Duration, memory: u64 },
    /// What will be read.
    Reads(Arc<[Input]>),
    /// The files of one result are complete and in their places; others may follow.
    Completed(Arc<Completed>),
    /// What a part of the run took; of all parts when the run has succeeded.
    Spent(Spent),
    /// All pixels are there, a file is being written.
    Writing { path: String },
    /// Something the user should know: a guess that had to be made, a value that stands for no-data.
    Note(String),
    /// What a process graph wants to be in the log.
    Log(Entry),
}

/// A result that is complete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Completed {
    pub outputs: Vec<OutputFile>,
    /// What STAC says of it, if it is a cube.
    pub resource: Option<Described>,
}

/// An entry of the log about a value.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    pub level: Level,
    /// The label that the user gave it.
    pub code: String,
    pub message: String,
    /// The value, or a summary of it.
    pub data: Json,
    /// The node.
    pub path: NodePath,
}

/// Takes events; called from any thread.
pub type Listener = Arc<dyn Fn(Event) + Send + Sync>;

/// Stops a run: no task starts after [`Cancel::cancel`], and no tile of one that has started.
#[derive(Clone, Debug, Default)]
pub struct Cancel(Arc<AtomicBool>);

impl Cancel {
    pub fn cancel(&self) {
        self.0.store(true, Ordering::Release);
    }

    pub fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}
