//! Which values are stored between tasks instead of being computed again.
//!
//! ```text
//! %2 Reduce t: median [%1]      →     stage %2: tasks along the source's chunks, kept in the scratch store
//! %3 Warp to EPSG:3857 [%2]           root %3: tasks read %2 from there
//! ```
//!
//! Tasks share nothing, so what lies in the margins of two tasks (a warp, a window), and what all tasks need (a mean
//! over the whole area), is computed by each of them. As soon as a plan decodes its sources more than twice, the
//! cheapest of the values at such places is made once, by tasks of its own, and read from the scratch store. Not
//! done where the sources are read directly: the reader keeps decoded chunks.

use std::collections::BTreeMap;

use eolith_cube::Region;

use super::schedule::{FeedBox, Steps, Visitor, walk};
use super::{Partition, Physical, Program, Sweep, memory};
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
    /// The box of each scan that is needed.
    boxes: BTreeMap<NodeId, Region>,
}

impl Reading {
    /// Of one root or stage.
    pub(super) fn of(physical: &Physical, program: &Program, partition: &Partition) -> Reading {
        let n = partition.len();
        let samples = n.min(SAMPLES);
        let mut sampled = 0.0;
        for k in 0..samples {
            let index = if samples == n { k } else { k * (n - 1) / (samples - 1) };
            sampled += Self::of_box(physical, program, &partition.region(index)).decoded;
        }
        let whole = Self::of_box(physical, program, &Region::whole(&partition.shape));
        Reading { decoded: sampled * n as f64 / samples.max(1) as f64, ..whole }
    }

    fn of_box(physical: &Physical, program: &Program, output: &Region) -> Reading {
        let mut counter = Counter { physical, before: Vec::new(), reading: Reading::default() };
        match walk(physical, program, output, Steps::Samples, &mut counter) {
            Ok(()) => counter.reading,
            Err(never) => match never {},
        }
    }

    pub(super) fn and(mut self, other: Reading) -> Reading {
        self.decoded += other.decoded;
        other.boxes.into_iter().for_each(|(id, region)| self.add(id, region));
        self
    }

    /// How often a byte is decoded on average.
    pub(super) fn times(&self, physical: &Physical) -> f64 {
        let once: u64 =
            self.boxes.iter().map(|(id, region)| memory::read(physical, *id, region)).sum();
        if once == 0 { 1.0 } else { self.decoded / once as f64 }
    }

    fn add(&mut self, id: NodeId, region: Region) {
        self.boxes.entry(id).and_modify(|all| *all = all.hull(&region)).or_insert(region);
    }
}

/// Adds up what the steps of a walk decode.
struct Counter<'a> {
    physical: &'a Physical,
    /// What the step before had open.
    before: Vec<(NodeId, Region)>,
    reading: Reading,
}

impl Visitor for Counter<'_> {
    type Error = std::convert::Infallible;

    fn begin(&mut self, _: &Sweep, _: &[FeedBox]) -> Result<(), Self::Error> {
        Ok(())
    }

    fn step(
        &mut self,
        _: &Sweep,
        _: &[Region],
        reads: &[(NodeId, Region)],
        times: usize,
    ) -> Result<(), Self::Error> {
        for (id, region) in reads.iter().filter(|read| !self.before.contains(read)) {
            self.reading.decoded += memory::read(self.physical, *id, region) as f64 * times as f64;
            self.reading.add(*id, region.clone());
        }
        self.before = reads.to_vec();
        Ok(())
    }

    fn end(&mut self, _: &Sweep) -> Result<(), Self::Error> {
        Ok(())
    }

    fn forget(&mut self, _: &Sweep) {}
}

/// Marks nodes to be stored until no source is decoded more than twice or nothing helps.
pub(super) fn choose(physical: &mut Physical, cost: impl Fn(&Physical) -> Option<Reading>) {
    let Some(mut best) = cost(physical) else { return };
    for _ in 0..STORED {
        if best.times(physical) <= TOLERATED + 1e-9 {
            return;
        }
        let mut found: Option<(NodeId, Reading)> = None;
        for id in candidates(physical) {
            physical.stored[id.0] = true;
            let reading = cost(physical);
            physical.stored[id.0] = false;
            if let Some(reading) = reading
                && found.as_ref().is_none_or(|(_, known)| reading.decoded < known.decoded)
            {
                found = Some((id, reading));
            }
        }
        match found {
            Some((id, reading)) if reading.decoded < best.decoded * 0.8 => {
                physical.stored[id.0] = true;
                best = reading;
            }
            _ => return,
        }
    }
}

/// Values at the places where tasks overlap, the last first.
fn candidates(physical: &Physical) -> Vec<NodeId> {
    let nodes = &physical.logical.nodes;
    let mut found: Vec<NodeId> = Vec::new();
    let mut add = |id: NodeId| {
        let plain =
            matches!(nodes[id.0].op, Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Save(_));
        if !plain && !physical.stored[id.0] && !found.contains(&id) {
            found.push(id);
        }
    };
    for (i, node) in nodes.iter().enumerate().rev() {
        match &node.op {
            Op::Warp { .. } | Op::Window { .. } | Op::Zonal(_) | Op::Select(_) | Op::Merge(_) => {
                node.inputs.iter().for_each(|id| add(*id));
            }
            Op::Reduce { .. } | Op::Group { .. } | Op::Along { .. } => add(NodeId(i)),
            Op::Scan(_) | Op::Literal(_) | Op::Inside(_) => {}
            Op::Relabel { .. } | Op::Map { .. } | Op::Save(_) => {}
        }
    }
    let shared = physical.logical.uses();
    found.sort_by_key(|id| (shared[id.0] < 2, std::cmp::Reverse(id.0)));
    found.truncate(TRIED);
    found
}
