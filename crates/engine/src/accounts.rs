//! What a run took, by the parts in which it was done.
//!
//! The nodes of a process graph are fused: a task reads, decodes and computes many of them on tiles that never leave the
//! cache, and no clock is read in between. What can be told apart is reading (with decoding) for each source, computing for each stage
//! and root of the plan, and writing for each result; which nodes a part computes is known from its program.
//! Memory is counted for the whole run.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use eolith_graph::NodePath;
use eolith_plan::logical::{Logical, NodeId};
use eolith_plan::physical::{Part, Physical, Sweep};

use crate::meter::Meter;

/// A kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Work {
    /// Fetching and decoding a source.
    Read,
    /// Computing a stage or a root.
    Compute,
    /// Encoding and writing the files of a result, with the checksum.
    Write,
}

/// What a part of a run took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Spent {
    pub work: Work,
    /// The node whose values it gave.
    pub path: NodePath,
    /// All nodes that it did; what each of them took is not known.
    pub nodes: Vec<NodePath>,
    /// Tasks, or reads, or results.
    pub count: usize,
    pub bytes: u64,
    /// Of processors; not of those that fetch.
    pub cpu: Duration,
    /// That passed. Of reads, which go on side by side, the sum of all.
    pub time: Duration,
}

/// The accounts of a run.
#[derive(Debug, Default)]
pub struct Accounts {
    parts: Mutex<BTreeMap<(Work, NodePath), Account>>,
    /// Bytes times milliseconds.
    memory: AtomicU64,
}

/// Memory that a run holds, until this is dropped.
#[derive(Debug)]
pub struct Held {
    accounts: Arc<Accounts>,
    bytes: u64,
    since: Instant,
}

#[derive(Clone, Debug, Default)]
struct Account {
    meter: Meter,
    count: usize,
    bytes: u64,
    time: Duration,
}

impl Accounts {
    /// The meter of a part.
    pub fn meter(&self, work: Work, path: &NodePath) -> Meter {
        self.lock().entry((work, path.clone())).or_default().meter.clone()
    }

    pub fn add(&self, work: Work, path: &NodePath, count: usize, bytes: u64, time: Duration) {
        let mut accounts = self.lock();
        let account = accounts.entry((work, path.clone())).or_default();
        account.count += count;
        account.bytes += bytes;
        account.time += time;
    }

    /// Processor time of all parts so far.
    pub fn cpu(&self) -> Duration {
        self.lock().values().map(|account| account.meter.time()).sum()
    }

    /// Notes memory that is held from now on.
    pub fn hold(self: &Arc<Self>, bytes: u64) -> Held {
        Held { accounts: Arc::clone(self), bytes, since: Instant::now() }
    }

    /// Memory that tasks held, times how long they did: bytes times milliseconds. What they hold now is not in it.
    pub fn memory(&self) -> u64 {
        self.memory.load(Ordering::Relaxed)
    }

    /// All accounts; `bound` is the plan before nodes were fused.
    pub fn told(&self, physical: &Physical, bound: &Logical) -> Vec<Spent> {
        let nodes = nodes(physical, bound);
        let accounts = self.lock();
        let told = accounts.iter().map(|((work, path), account)| {
            let own = nodes.get(&(*work, path.clone()));
            Spent {
                work: *work,
                path: path.clone(),
                nodes: own
                    .map_or_else(|| vec![path.clone()], |nodes| nodes.iter().cloned().collect()),
                count: account.count,
                bytes: account.bytes,
                cpu: account.meter.time(),
                time: account.time,
            }
        });
        told.collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<(Work, NodePath), Account>> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let held = u128::from(self.bytes) * self.since.elapsed().as_micros() / 1000;
        let held = u64::try_from(held).unwrap_or(u64::MAX);
        self.accounts.memory.fetch_add(held, Ordering::Relaxed);
    }
}

/// Parts by their kind and node.
type Parts = BTreeSet<(Work, NodePath)>;

/// The nodes of each part. A node that is in no program any more was made a part of those that use it.
fn nodes(physical: &Physical, bound: &Logical) -> BTreeMap<(Work, NodePath), BTreeSet<NodePath>> {
    let logical = &physical.logical;
    let mut parts: BTreeMap<&NodePath, Parts> = BTreeMap::new();
    let path = |id: eolith_plan::logical::NodeId| &logical.node(id).path;
    for part in physical.stages.iter().chain(physical.roots.iter().flatten()) {
        let own = (Work::Compute, path(part.node).clone());
        for id in computed(part) {
            parts.entry(path(id)).or_default().insert(own.clone());
        }
    }
    for node in logical.nodes.iter().filter(|node| node.op.is_read()) {
        let own = (Work::Read, node.path.clone());
        parts.entry(&node.path).or_default().insert(own);
    }
    // What uses a node comes after it.
    for (at, node) in bound.nodes.iter().enumerate().rev() {
        if parts.contains_key(&node.path) {
            continue;
        }
        let users = bound.nodes[at..].iter().filter(|user| user.inputs.iter().any(|id| id.0 == at));
        let of_users: Parts =
            users.filter_map(|user| parts.get(&user.path)).flatten().cloned().collect();
        parts.insert(&node.path, of_users);
    }
    let mut nodes: BTreeMap<(Work, NodePath), BTreeSet<NodePath>> = BTreeMap::new();
    for (node, parts) in parts {
        for part in parts {
            nodes.entry(part).or_default().insert(node.clone());
        }
    }
    nodes
}

/// The nodes that a part computes.
fn computed(part: &Part) -> Vec<NodeId> {
    let mut found = vec![part.node];
    let mut open: Vec<&Sweep> = vec![&part.program.sweep];
    while let Some(sweep) = open.pop() {
        open.extend(sweep.before.iter().chain(&sweep.each));
        for feed in &sweep.feeds {
            found.extend(feed.nodes.iter().chain(&feed.folds));
        }
    }
    found
}
