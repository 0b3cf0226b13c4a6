//! Which values are stored between tasks instead of being computed again.
//!
//! ```text
//! %2 Reduce t: median [%1]      →     stage %2: tasks along the source's chunks, kept in the scratch store
//! %3 Warp to EPSG:3857 [%2]           root %3: tasks read %2 from there
//! ```
//!
//! Tasks share nothing, so what lies in the margins of two tasks (a warp, a window), and what all tasks need (a mean
//! over the whole area), is computed by each of them. As soon as a plan decodes its sources more than twice, the
//! cheapest of the values at such places is made once, by tasks of its own, and read from the scratch store.
//!
//! Where that does not help, tasks are smaller than the decoding units of a source for want of memory (a median of
//! many dates of large chunks): the source itself is stored, decoded once. That moves more bytes than any other value,
//! so it has to save more decoding than it writes. The same is done where nothing else fits the memory.

use std::collections::BTreeMap;

use eolith_cube::{ChunkGrid, Region};

use super::schedule::{Steps, Visitor, walk};
use super::{Part, Physical, Program, Sweep, memory};
use crate::logical::NodeId;
use crate::op::Op;

/// Sources may be decoded twice (once for a mean and once for the distance from it).
pub(super) const TOLERATED: f64 = 2.0;

/// Most values that are tried, and most that are stored by these rules.
const TRIED: usize = 16;
const STORED: usize = 4;

/// Tasks whose reads stand for those of all.
const SAMPLES: usize = 9;

/// Bytes that a computation reads.
#[derive(Clone, Debug, Default)]
pub(super) struct Reading {
    /// Decoded in all tasks together.
    pub(super) decoded: f64,
    /// Whether tasks are smaller than decoding units.
    pub(super) split: bool,
    /// The box of each scan that is needed.
    boxes: BTreeMap<NodeId, Region>,
}

impl Reading {
    /// Of one root or stage.
    pub(super) fn of_part(physical: &Physical, part: &Part) -> Reading {
        Reading {
            split: part.split,
            ..Self::of(physical, part.node, &part.program, &part.partition)
        }
    }

    /// Of tasks that are not decided yet.
    pub(super) fn of(
        physical: &Physical,
        node: NodeId,
        program: &Program,
        partition: &ChunkGrid,
    ) -> Reading {
        let reading = |region: &Region| {
            Self::of_box(physical, program, &physical.target_box(node, program, region))
        };
        let n = partition.len();
        let samples = n.min(SAMPLES);
        let mut sampled = 0.0;
        for k in 0..samples {
            let index = if samples == n { k } else { k * (n - 1) / (samples - 1) };
            sampled += reading(&partition.region(index)).decoded;
        }
        let whole = reading(&Region::whole(&partition.shape));
        let decoded = sampled * n as f64 / samples.max(1) as f64;
        Reading { decoded, ..whole }
    }

    fn of_box(physical: &Physical, program: &Program, output: &Region) -> Reading {
        let (before, reading) = (Vec::new(), Reading::default());
        let mut counter = Counter { physical, program, before, reading };
        match walk(physical, program, output, Steps::Samples, &mut counter) {
            Ok(()) => counter.reading,
            Err(never) => match never {},
        }
    }

    pub(super) fn and(mut self, other: Reading) -> Reading {
        self.decoded += other.decoded;
        self.split |= other.split;
        other.boxes.into_iter().for_each(|(id, region)| self.add(id, region));
        self
    }

    /// How often a byte is decoded on average.
    pub(super) fn times(&self, physical: &Physical) -> f64 {
        let once: u64 = (self.boxes.iter())
            .map(|(id, region)| memory::decoded(physical, *id, region, |_| true))
            .sum();
        if once == 0 { 1.0 } else { self.decoded / once as f64 }
    }

    fn add(&mut self, id: NodeId, region: Region) {
        self.boxes.entry(id).and_modify(|all| *all = all.hull(&region)).or_insert(region);
    }
}

/// Adds up what the steps of a walk decode.
struct Counter<'a> {
    physical: &'a Physical,
    program: &'a Program,
    /// What the step before had open.
    before: Vec<(NodeId, Region)>,
    reading: Reading,
}

impl Visitor for Counter<'_> {
    type Error = std::convert::Infallible;

    fn step(
        &mut self,
        _: &Sweep,
        _: &[Region],
        reads: &[(NodeId, Region)],
        times: usize,
    ) -> Result<(), Self::Error> {
        let new = |read: &&(NodeId, Region)| {
            !self.before.contains(read) && !self.program.reads_stored(self.physical, read.0)
        };
        for (id, region) in reads.iter().filter(new) {
            let bytes = memory::read(self.physical, self.program, *id, region);
            self.reading.decoded += bytes as f64 * times as f64;
            self.reading.add(*id, region.clone());
        }
        self.before = reads.to_vec();
        Ok(())
    }
}

/// Marks nodes to be stored until no source is decoded more than twice or nothing helps.
pub(super) fn choose(physical: &mut Physical, cost: impl Fn(&Physical) -> Option<Reading>) {
    let Some(mut best) = cost(physical).or_else(|| all_sources(physical, &cost)) else { return };
    let rules: [fn(&Physical, &Reading) -> Vec<NodeId>; 2] = [overlaps, sources];
    for candidates in rules {
        for _ in 0..STORED {
            if best.times(physical) <= TOLERATED + 1e-9 {
                return;
            }
            let mut found: Option<(NodeId, Reading)> = None;
            for id in candidates(physical, &best) {
                physical.stored[id.0] = true;
                let reading = cost(physical).filter(|_| has_room(physical));
                physical.stored[id.0] = false;
                if let Some(reading) = reading
                    && pays(physical, id, &best, &reading)
                    && found.as_ref().is_none_or(|(_, known)| reading.decoded < known.decoded)
                {
                    found = Some((id, reading));
                }
            }
            let Some((id, reading)) = found else { break };
            physical.stored[id.0] = true;
            best = reading;
        }
    }
}

/// Marks all sources where nothing fits the memory without.
fn all_sources(
    physical: &mut Physical,
    cost: impl Fn(&Physical) -> Option<Reading>,
) -> Option<Reading> {
    let before = physical.stored.clone();
    let nodes = physical.logical.nodes.iter();
    let scans: Vec<bool> = nodes.map(|node| matches!(node.op, Op::Scan(_))).collect();
    physical.stored.iter_mut().zip(&scans).for_each(|(stored, scan)| *stored |= scan);
    let reading = cost(physical).filter(|_| has_room(physical));
    if reading.is_none() {
        physical.stored = before;
    }
    reading
}

/// Whether the scratch store may hold all that is stored.
fn has_room(physical: &Physical) -> bool {
    let stored = physical.needed_stages().into_iter().map(|id| physical.stored_bytes(id));
    stored.fold(0, u64::saturating_add) <= physical.options.scratch
}

/// Whether storing a node saves enough. A byte that is written and read again costs about what one costs that is
/// decoded.
fn pays(physical: &Physical, id: NodeId, before: &Reading, after: &Reading) -> bool {
    let moved = match physical.logical.node(id).op {
        Op::Scan(_) => physical.stored_bytes(id) as f64,
        _ => 0.2 * before.decoded,
    };
    before.decoded - after.decoded > moved
}

/// The sources, where tasks are too small for them.
fn sources(physical: &Physical, now: &Reading) -> Vec<NodeId> {
    let scan = |i: &usize| {
        now.split && !physical.stored[*i] && matches!(physical.logical.nodes[*i].op, Op::Scan(_))
    };
    (0..physical.logical.nodes.len()).filter(scan).take(TRIED).map(NodeId).collect()
}

/// Values at the places where tasks overlap, the last first.
fn overlaps(physical: &Physical, _: &Reading) -> Vec<NodeId> {
    let nodes = &physical.logical.nodes;
    let mut found: Vec<NodeId> = Vec::new();
    let mut add = |id: NodeId| {
        let given = matches!(nodes[id.0].op, Op::Literal(_) | Op::Inside(_) | Op::Burn(_));
        let plain = given || matches!(nodes[id.0].op, Op::Save(_)) || nodes[id.0].op.is_read();
        if !plain && !physical.stored[id.0] && !found.contains(&id) {
            found.push(id);
        }
    };
    for (i, node) in nodes.iter().enumerate().rev() {
        match &node.op {
            Op::Warp { .. } | Op::Window { .. } | Op::Zonal(_) | Op::Select(_) | Op::Merge(_) => {
                node.inputs.iter().for_each(|id| add(*id));
            }
            Op::Reshape(_) => node.inputs.iter().for_each(|id| add(*id)),
            Op::Reduce { .. } | Op::Group { .. } | Op::Along { .. } | Op::Coarsen(_) => {
                add(NodeId(i));
            }
            Op::Nested(_) => {
                add(NodeId(i));
                node.inputs.iter().for_each(|id| add(*id));
            }
            Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) | Op::Udf(_) => {}
            Op::Parameter(_) | Op::Pending => {}
            Op::Relabel { .. } | Op::Map { .. } | Op::Save(_) => {}
        }
    }
    let shared = physical.logical.uses();
    found.sort_by_key(|id| (shared[id.0] < 2, std::cmp::Reverse(id.0)));
    found.truncate(TRIED);
    found
}
