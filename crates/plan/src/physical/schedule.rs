//! The schedule of a box: which sweeps of its program run over which boxes, step by step.
//!
//! [`walk`] goes through a program once and tells a [`Visitor`] what happens in which order. The executor computes,
//! the scheduler of the engine learns what to fetch, the planner adds up memory: all from the same walk, so that they
//! cannot disagree.

use std::collections::BTreeMap;
use std::ops::Range;

use eolith_cube::{Kind, Region};

use super::program::{Feed, Program, Sweep};
use super::{Options, Physical};
use crate::logical::NodeId;
use crate::op::Op;

/// What a walk meets. Boxes are in the order of [`Sweep::feeds`]. Who only wants to know what is read implements
/// [`Visitor::step`].
pub trait Visitor {
    type Error;

    /// A sweep begins.
    fn begin(&mut self, sweep: &Sweep, boxes: &[FeedBox]) -> Result<(), Self::Error> {
        let _ = (sweep, boxes);
        Ok(())
    }

    /// One step, which stands for `times` like it: the part of each source, and what is read for it. A part without
    /// pixels is skipped.
    fn step(
        &mut self,
        sweep: &Sweep,
        parts: &[Region],
        reads: &[(NodeId, Region)],
        times: usize,
    ) -> Result<(), Self::Error>;

    /// All steps are done: the reductions of the sweep have their values.
    fn end(&mut self, sweep: &Sweep) -> Result<(), Self::Error> {
        let _ = sweep;
        Ok(())
    }

    /// The values of a nested sweep are not needed any more.
    fn forget(&mut self, sweep: &Sweep) {
        let _ = sweep;
    }
}

/// What a sweep does with one of its feeds.
#[derive(Clone, Debug)]
pub struct FeedBox {
    /// The box of the source that the steps go over.
    pub source: Region,
    /// The box of each reduction that comes out.
    pub results: Vec<Region>,
}

/// How thoroughly a walk goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Steps {
    All,
    /// The first, the one in the middle and the last, which stand for the others.
    Samples,
}

/// Walks through the computation of `output`, a box of the program's target.
pub fn walk<V: Visitor>(
    physical: &Physical,
    program: &Program,
    output: &Region,
    steps: Steps,
    visitor: &mut V,
) -> Result<(), V::Error> {
    let walk = Walk { physical, program, steps };
    let wanted = BTreeMap::from([(program.target, output.clone())]);
    walk.sweep(&program.sweep, &wanted, 1, visitor)
}

/// All reads of a walk in their order, one entry a step.
pub fn reads(
    physical: &Physical,
    program: &Program,
    output: &Region,
) -> Vec<Vec<(NodeId, Region)>> {
    let mut all = Recorder(Vec::new());
    match walk(physical, program, output, Steps::All, &mut all) {
        Ok(()) => all.0,
        Err(never) => match never {},
    }
}

struct Recorder(Vec<Vec<(NodeId, Region)>>);

impl Visitor for Recorder {
    type Error = std::convert::Infallible;

    fn step(
        &mut self,
        _: &Sweep,
        _: &[Region],
        reads: &[(NodeId, Region)],
        _: usize,
    ) -> Result<(), Self::Error> {
        self.0.push(reads.to_vec());
        Ok(())
    }
}

struct Walk<'a> {
    physical: &'a Physical,
    program: &'a Program,
    steps: Steps,
}

/// The box that is wanted of each node.
type Wanted = BTreeMap<NodeId, Region>;

impl Walk<'_> {
    fn sweep<V: Visitor>(
        &self,
        sweep: &Sweep,
        wanted: &Wanted,
        times: usize,
        visitor: &mut V,
    ) -> Result<(), V::Error> {
        let boxes: Vec<Region> =
            sweep.feeds.iter().map(|feed| self.source_box(feed, wanted)).collect();
        if !sweep.before.is_empty() {
            let below = self.below(sweep, &boxes);
            for nested in &sweep.before {
                self.sweep(nested, &below, times, visitor)?;
            }
        }
        let feed_boxes: Vec<FeedBox> = (sweep.feeds.iter().zip(&boxes))
            .map(|(feed, source)| FeedBox {
                source: source.clone(),
                results: (feed.folds.iter())
                    .map(|fold| result_box(self.physical, *fold, source, wanted.get(fold)))
                    .collect(),
            })
            .collect();
        visitor.begin(sweep, &feed_boxes)?;
        let steps = self.ranges(sweep, &boxes);
        for (i, range) in steps.iter().enumerate() {
            let times = times
                * match self.steps {
                    Steps::All => 1,
                    Steps::Samples if i == 0 || i + 1 == steps.len() => 1,
                    Steps::Samples if i == steps.len() / 2 => steps.len() - 2,
                    Steps::Samples => continue,
                };
            let parts: Vec<Region> = (sweep.feeds.iter().zip(&boxes))
                .map(|(feed, whole)| part(feed, whole, range.as_ref()))
                .collect();
            if parts.iter().all(Region::is_empty) {
                continue;
            }
            if !sweep.each.is_empty() {
                let below = self.below(sweep, &parts);
                for nested in &sweep.each {
                    self.sweep(nested, &below, times, visitor)?;
                }
            }
            let reads = self.reads(sweep, &parts);
            visitor.step(sweep, &parts, &reads, times)?;
            for nested in &sweep.each {
                visitor.forget(nested);
            }
        }
        visitor.end(sweep)?;
        for nested in &sweep.before {
            visitor.forget(nested);
        }
        Ok(())
    }

    /// The box of a feed's source behind what is wanted of its reductions, or of the source itself.
    fn source_box(&self, feed: &Feed, wanted: &Wanted) -> Region {
        let of = |fold: &NodeId| {
            let region = wanted.get(fold)?;
            self.physical.needs(*fold, region).into_iter().next()
        };
        let boxes = feed.folds.iter().filter_map(of);
        let hull = boxes.reduce(|a, b| a.hull(&b));
        let own = || wanted.get(&feed.source).cloned();
        let nothing = || Region(vec![0..0; self.physical.logical.schema(feed.source).dims.len()]);
        if feed.folds.is_empty() { own() } else { hull }.unwrap_or_else(nothing)
    }

    /// The boxes that parts of a sweep's sources need of everything below, reductions included.
    fn below(&self, sweep: &Sweep, parts: &[Region]) -> Wanted {
        let mut wanted = Wanted::new();
        let want = |wanted: &mut Wanted, id: NodeId, region: Region| {
            wanted.entry(id).and_modify(|known| *known = known.hull(&region)).or_insert(region);
        };
        for (feed, region) in sweep.feeds.iter().zip(parts) {
            want(&mut wanted, feed.source, region.clone());
        }
        // From the highest node down; whatever is added stands below the node at hand.
        let mut next = wanted.keys().next_back().copied();
        while let Some(id) = next {
            let region = wanted[&id].clone();
            if !region.is_empty() && !self.program.reads_stored(self.physical, id) {
                let inputs = &self.physical.logical.node(id).inputs;
                for (input, need) in inputs.iter().zip(self.physical.needs(id, &region)) {
                    want(&mut wanted, *input, need);
                }
            }
            next = wanted.range(..id).next_back().map(|(id, _)| *id);
        }
        wanted
    }

    /// What a step reads.
    fn reads(&self, sweep: &Sweep, parts: &[Region]) -> Vec<(NodeId, Region)> {
        let mut wanted = Wanted::new();
        for (feed, region) in sweep.feeds.iter().zip(parts) {
            for (id, region) in needed(self.physical, feed, region) {
                wanted.entry(id).and_modify(|known| *known = known.hull(&region)).or_insert(region);
            }
        }
        wanted.into_iter().filter(|(_, region)| !region.is_empty()).collect()
    }

    /// The steps along the axis of the sweep; `None` is everything at once.
    fn ranges(&self, sweep: &Sweep, boxes: &[Region]) -> Vec<Option<Range<usize>>> {
        let along = (sweep.feeds.iter().zip(boxes))
            .filter_map(|(feed, region)| Some((feed, region, region.0[feed.along?].clone())));
        let Some(whole) =
            (along.clone().map(|(_, _, range)| range).filter(|range| !range.is_empty()))
                .reduce(|a, b| a.start.min(b.start)..a.end.max(b.end))
        else {
            return vec![None];
        };
        let (unit, origin) = (along.clone().map(|(feed, _, _)| (feed.unit, feed.origin)))
            .max()
            .map_or((1, 0), |(unit, origin)| (unit.max(1), origin));
        // Steps end where decoding units do, unless they are shorter.
        let end = |start: usize, length: usize| {
            (start + length - (start + origin) % unit.min(length)).min(whole.end)
        };
        let one = Some(whole.start..end(whole.start, unit));
        let parts: Vec<Region> = (sweep.feeds.iter().zip(boxes))
            .map(|(feed, whole)| part(feed, whole, one.as_ref()))
            .collect();
        let bytes: u64 = (self.reads(sweep, &parts).iter())
            .map(|(id, region)| super::memory::read(self.physical, self.program, *id, region))
            .sum();
        let options: &Options = &self.physical.options;
        let reaches =
            along.clone().any(|(feed, _, _)| feed.reaches && is_spatial(self.physical, feed));
        let most = if reaches { options.reaching_bytes() } else { options.step_bytes() };
        let length = |most: u64| unit * (most / bytes.max(1)).clamp(1, 1 << 20) as usize;
        // A step and a rest are one where there is memory: what folds them keeps no state that waits for the rest.
        let both = length((2 * most).min(options.task_memory / 8).max(most));
        let all = end(whole.start, both) == whole.end;
        let mut length = if all { both } else { length(most) };
        if let Some(most) = options.max_extent {
            length = length.min(most.max(1));
        }
        let mut ranges = Vec::new();
        let mut start = whole.start;
        while start < whole.end {
            let end = end(start, length);
            ranges.push(Some(start..end));
            start = end;
        }
        ranges
    }
}

/// The box of every node that is read for a box of a feed's source.
fn needed(physical: &Physical, feed: &Feed, region: &Region) -> Vec<(NodeId, Region)> {
    let mut wanted = Wanted::new();
    wanted.insert(feed.source, region.clone());
    for &id in feed.nodes.iter().rev() {
        let Some(region) = wanted.get(&id).filter(|region| !region.is_empty()).cloned() else {
            continue;
        };
        let inputs = &physical.logical.node(id).inputs;
        for (input, need) in inputs.iter().zip(physical.needs(id, &region)) {
            wanted.entry(*input).and_modify(|known| *known = known.hull(&need)).or_insert(need);
        }
    }
    wanted.retain(|id, _| feed.reads.binary_search(id).is_ok());
    wanted.into_iter().collect()
}

/// Whether the steps of a feed go along x or y, so that what reaches around is read for two of them.
fn is_spatial(physical: &Physical, feed: &Feed) -> bool {
    let dims = &physical.logical.schema(feed.source).dims;
    feed.along.is_some_and(|along| matches!(dims[along].kind, Kind::Spatial { .. }))
}

/// The part of a box that a step takes.
fn part(feed: &Feed, whole: &Region, range: Option<&Range<usize>>) -> Region {
    let mut part = whole.clone();
    if let (Some(along), Some(range)) = (feed.along, range) {
        let own = &whole.0[along];
        let start = own.start.max(range.start);
        part.0[along] = start..own.end.min(range.end).max(start);
    }
    part
}

/// The box of a reduction's result that the steps over `source` give: all of its lanes, and of groups those that are
/// wanted.
fn result_box(
    physical: &Physical,
    fold: NodeId,
    source: &Region,
    wanted: Option<&Region>,
) -> Region {
    let node = physical.logical.node(fold);
    if let Op::Zonal(_) = node.op {
        let nothing = || Region(vec![0..0; node.schema.dims.len()]);
        return wanted.cloned().unwrap_or_else(nothing);
    }
    let dim = node.op.reduced().expect("invariant: a fold is a reduction");
    let mut result = source.clone();
    match &node.op {
        Op::Group { .. } => result.0[dim] = wanted.map_or(0..0, |wanted| wanted.0[dim].clone()),
        Op::Coarsen(own) => {
            for dim in own.dims {
                result.0[dim] = wanted.map_or(0..0, |wanted| wanted.0[dim].clone());
            }
        }
        _ => drop(result.0.remove(dim)),
    }
    result
}
