//! Computing a box of a result: the executor.
//!
//! [`run`] walks through the program of a node (see [`crate::physical::Program`]) and computes tile by tile. It is
//! synchronous and pure: pixels of scans come from [`Frames`] that the caller opens step by step, finished pixels go to
//! the caller box by box, and parallel loops are the caller's [`Workers`]. The reference evaluator computes the same in
//! another way and shares none of this.

mod fold;
mod lanewise;
mod merge;
mod nested;
mod operate;
mod reshape;
mod tile;
mod windows;
mod zonal;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use eolith_cube::{Block, ChunkGrid, Region};

use crate::logical::NodeId;
use crate::op::Zonal;
use crate::physical::schedule::{FeedBox, Steps, Visitor, walk};
use crate::physical::{Feed, Part, Physical, Program, Sweep, tile_shape, zone_tiles, zones_of};
use crate::value::Fault;

use fold::Folding;
pub(crate) use lanewise::TILE;
use zonal::Zone;

/// A fault and the node where it happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Failure {
    pub node: NodeId,
    pub fault: Fault,
}

/// Pixels that are read: decoded chunks of scans and stored results.
pub trait Frames<E>: Sync {
    /// The pixels of a box of a scan's (or stored node's) own schema, inside a box that was opened, in the schema's
    /// type.
    fn read(&self, id: NodeId, region: &Region) -> Result<Block, E>;
}

/// Runs independent parts of a loop, maybe side by side.
pub trait Workers {
    /// Calls `f` once for each of `0..n`.
    fn each(&self, n: usize, f: &(dyn Fn(usize) + Sync));
}

/// One after the other.
#[derive(Clone, Copy, Debug)]
pub struct Serial;

impl Workers for Serial {
    fn each(&self, n: usize, f: &(dyn Fn(usize) + Sync)) {
        (0..n).for_each(f);
    }
}

/// Opens the boxes that a step reads.
pub type Open<'f, E> = dyn FnMut(&[(NodeId, Region)]) -> Result<Box<dyn Frames<E> + 'f>, E> + 'f;

/// What the executor asks of its caller.
pub struct Context<'a, 'f, E> {
    /// Opens what one step reads, step by step in the order of [`crate::physical::schedule::reads`].
    pub open: &'a mut Open<'f, E>,
    /// Takes finished pixels: boxes that do not overlap and together are the output, in any order.
    pub emit: &'a (dyn Fn(&Region, Block) -> Result<(), E> + Sync),
    pub workers: &'a (dyn Workers + Sync),
}

/// Computes `output`, a box of the program's target.
///
/// # Errors
/// Those of the caller, and the fault of the first tile of the first step that has one.
pub fn run<'a, E: From<Failure> + Send>(
    physical: &'a Physical,
    program: &Program,
    output: &Region,
    context: Context<'a, '_, E>,
) -> Result<(), E> {
    if output.is_empty() {
        return Ok(());
    }
    let mut executor = Executor {
        physical,
        target: program.target,
        context,
        held: BTreeMap::new(),
        running: Vec::new(),
    };
    walk(physical, program, output, Steps::All, &mut executor)
}

/// The whole cube of a root, task by task on this thread; `scan` gives the pixels of a box of a scan. For small cubes
/// and for tests.
pub fn run_root<E: From<Failure> + Send>(
    physical: &Physical,
    part: &Part,
    mut scan: impl FnMut(NodeId, &Region) -> Result<Block, E>,
) -> Result<Block, E> {
    let mut stored: BTreeMap<NodeId, Block> = BTreeMap::new();
    for stage in &physical.stages {
        let block = run_part(physical, stage, &stored, &mut scan)?;
        stored.insert(stage.node, block);
    }
    run_part(physical, part, &stored, &mut scan)
}

fn run_part<E: From<Failure> + Send>(
    physical: &Physical,
    part: &Part,
    stored: &BTreeMap<NodeId, Block>,
    scan: &mut impl FnMut(NodeId, &Region) -> Result<Block, E>,
) -> Result<Block, E> {
    let dtype = physical.logical.schema(part.node).dtype();
    let result = Mutex::new(Block::nulls(dtype, part.partition.shape.clone()));
    let emit = |region: &Region, block: Block| {
        paste(&result, region, &block);
        Ok(())
    };
    let mut open = |reads: &[(NodeId, Region)]| -> Result<Box<dyn Frames<E>>, E> {
        let read = |(id, region): &(NodeId, Region)| match stored.get(id) {
            Some(block) => Ok((*id, region.clone(), block.slice(region))),
            None => Ok((*id, region.clone(), scan(*id, region)?)),
        };
        let blocks: Result<Vec<_>, E> = reads.iter().map(read).collect();
        Ok(Box::new(Whole(blocks?)))
    };
    for index in 0..part.partition.len() {
        let task = physical.task(part, index);
        if task.cell.is_some() {
            return Err(Failure { node: part.node, fault: crate::udf::outside() }.into());
        }
        let context = Context { open: &mut open, emit: &emit, workers: &Serial };
        run(physical, &task.program, &task.output, context)?;
    }
    Ok(result.into_inner().unwrap_or_else(PoisonError::into_inner).canonical())
}

/// Blocks of whole boxes.
struct Whole(Vec<(NodeId, Region, Block)>);

impl<E> Frames<E> for Whole {
    fn read(&self, id: NodeId, region: &Region) -> Result<Block, E> {
        let found = self.0.iter().find(|(own, whole, _)| *own == id && whole.contains(region));
        let (_, whole, block) = found.expect("invariant: what is read was opened");
        Ok(block.slice(&region.relative_to(whole)))
    }
}

struct Executor<'a, 'f, E> {
    physical: &'a Physical,
    target: NodeId,
    context: Context<'a, 'f, E>,
    /// Values of reductions that sweeps under way use.
    held: Held,
    /// The sweeps under way, innermost last.
    running: Vec<Vec<Running<'a>>>,
}

/// Boxes of nodes with their pixels.
type Held = BTreeMap<NodeId, (Region, Block)>;

/// A feed under way.
struct Running<'a> {
    /// The lanes of its folds.
    tiles: Vec<Tile<'a>>,
    /// What comes out of each fold; `None` where it goes to the caller.
    results: Vec<Option<(Region, Mutex<Block>)>>,
}

/// Some lanes of a feed that is folded.
struct Tile<'a> {
    /// What it takes of the steps.
    region: Region,
    /// Labels of the axis that are computed together.
    together: usize,
    state: Mutex<State<'a>>,
}

enum State<'a> {
    /// One for each fold.
    Lanes(Vec<Folding<'a>>),
    Zone(NodeId, Zone<'a>),
}

impl<E> std::fmt::Debug for Context<'_, '_, E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Context")
    }
}

impl<E: From<Failure> + Send> Visitor for Executor<'_, '_, E> {
    type Error = E;

    fn begin(&mut self, sweep: &Sweep, boxes: &[FeedBox]) -> Result<(), E> {
        let running =
            sweep.feeds.iter().zip(boxes).map(|(feed, own)| self.start(feed, own)).collect();
        self.running.push(running);
        Ok(())
    }

    fn step(
        &mut self,
        sweep: &Sweep,
        parts: &[Region],
        reads: &[(NodeId, Region)],
        _: usize,
    ) -> Result<(), E> {
        let frames = (self.context.open)(reads)?;
        let running = self.running.last().expect("invariant: a step belongs to a sweep");
        let (emit, physical) = (self.context.emit, self.physical);
        let workers = self.context.workers;
        let tiles =
            tile::Tiles { physical: self.physical, held: &self.held, frames: &*frames, workers };
        for ((feed, part), own) in sweep.feeds.iter().zip(parts).zip(running) {
            if part.is_empty() {
                continue;
            }
            let first_error = FirstError::default();
            if feed.folds.is_empty() {
                let grid = tile_grid(physical, feed, part);
                self.context.workers.each(grid.len(), &|i| {
                    let region = grid.region(i).within(part);
                    let made = tiles.compute(feed, &region);
                    first_error.note(i, made.and_then(|block| emit(&region, block.canonical())));
                });
            } else {
                let along = feed.along.expect("invariant: folds have an axis");
                self.context.workers.each(own.tiles.len(), &|i| {
                    let tile = &own.tiles[i];
                    let outcome = tile.strips(along, &part.0[along]).try_for_each(|region| {
                        let block = tiles.compute(feed, &region)?;
                        let first = region.0[along].start;
                        let pushed = lock(&tile.state).push(&block, first, &mut |k, at, block| {
                            deliver(emit, own.results[k].as_ref(), at, block)
                        });
                        block.recycle();
                        pushed
                    });
                    first_error.note(i, outcome);
                });
            }
            first_error.result()?;
        }
        Ok(())
    }

    fn end(&mut self, sweep: &Sweep) -> Result<(), E> {
        let running = self.running.pop().expect("invariant: a sweep that ends has begun");
        let emit = self.context.emit;
        for (feed, mut own) in sweep.feeds.iter().zip(running) {
            let first_error = FirstError::default();
            let tiles: Vec<_> = own.tiles.drain(..).map(|tile| Mutex::new(Some(tile))).collect();
            self.context.workers.each(tiles.len(), &|i| {
                let Some(tile) = lock(&tiles[i]).take() else { return };
                let state = tile.state.into_inner().unwrap_or_else(PoisonError::into_inner);
                let outcome = state
                    .finish(&mut |k, at, block| deliver(emit, own.results[k].as_ref(), at, block));
                first_error.note(i, outcome);
            });
            first_error.result()?;
            for (fold, result) in feed.folds.iter().zip(own.results) {
                if let Some((region, block)) = result {
                    let block = block.into_inner().unwrap_or_else(PoisonError::into_inner);
                    self.held.insert(*fold, (region, block.canonical()));
                }
            }
        }
        Ok(())
    }

    fn forget(&mut self, sweep: &Sweep) {
        for fold in sweep.feeds.iter().flat_map(|feed| &feed.folds) {
            self.held.remove(fold);
        }
    }
}

impl<'a, E: From<Failure> + Send> Executor<'a, '_, E> {
    fn start(&self, feed: &Feed, own: &FeedBox) -> Running<'a> {
        let Some(along) = feed.along.filter(|_| !feed.folds.is_empty()) else {
            return Running { tiles: Vec::new(), results: Vec::new() };
        };
        let physical = self.physical;
        let tiles = if let Some(zones) = zones_of(physical, feed) {
            self.zones(feed, zones, own)
        } else {
            let mut lanes = own.source.clone();
            lanes.0[along] = 0..1;
            let grid = tile_grid(physical, feed, &lanes);
            let tile = |i: usize| {
                let mut region = grid.region(i).within(&lanes);
                let folding = |(fold, result): (&NodeId, &Region)| {
                    Folding::new(physical, *fold, along, &region, result)
                };
                let foldings = feed.folds.iter().zip(&own.results).map(folding).collect();
                region.0[along] = own.source.0[along].clone();
                Tile { region, together: usize::MAX, state: State::Lanes(foldings).into() }
            };
            (0..grid.len()).map(tile).collect()
        };
        let results = (feed.folds.iter().zip(&own.results))
            .map(|(fold, region)| {
                (*fold != self.target).then(|| {
                    let dtype = self.physical.logical.schema(*fold).dtype();
                    (region.clone(), Mutex::new(Block::nulls(dtype, region.shape())))
                })
            })
            .collect();
        Running { tiles, results }
    }

    /// The tiles of zones.
    fn zones(
        &self,
        feed: &Feed,
        (fold, zonal): (NodeId, &'a Zonal),
        own: &FeedBox,
    ) -> Vec<Tile<'a>> {
        let logical = &self.physical.logical;
        let dtypes = [feed.source, fold].map(|id| logical.schema(id).dtype());
        let decomposed = self.physical.fold(fold);
        let tiles = zone_tiles(self.physical, feed, zonal, &own.source, &own.results[0]);
        (tiles.into_iter())
            .map(|tile| {
                let zone = Zone::new(zonal, decomposed, &tile, dtypes);
                let state = State::Zone(fold, zone).into();
                Tile { region: tile.region, together: tile.rows, state }
            })
            .collect()
    }
}

impl Tile<'_> {
    /// What it takes of a step, in the order of the axis.
    fn strips(&self, along: usize, step: &Range<usize>) -> impl Iterator<Item = Region> {
        let own = &self.region.0[along];
        let (start, end) = (own.start.max(step.start), own.end.min(step.end));
        let together = self.together.max(1);
        let mut next = start;
        std::iter::from_fn(move || {
            let mut region = self.region.clone();
            region.0[along] = next..end.min(next.saturating_add(together));
            next = region.0[along].end;
            (!region.0[along].is_empty()).then_some(region)
        })
    }
}

/// Takes what comes out of a fold, by the number of the fold.
type Deliver<'d, E> = dyn FnMut(usize, &Region, Block) -> Result<(), E> + 'd;

impl State<'_> {
    /// The next labels of the axis, the first of which is number `first`.
    fn push<E: From<Failure>>(
        &mut self,
        block: &Block,
        first: usize,
        deliver: &mut Deliver<'_, E>,
    ) -> Result<(), E> {
        match self {
            State::Lanes(foldings) => {
                foldings.iter_mut().enumerate().try_for_each(|(k, folding)| {
                    folding.push(block, first, &mut |at, block| deliver(k, at, block))
                })
            }
            State::Zone(node, zone) => {
                let made = zone.push(block, first);
                match made.map_err(|fault| Failure { node: *node, fault })? {
                    Some((at, block)) => deliver(0, &at, block),
                    None => Ok(()),
                }
            }
        }
    }

    /// What is still open when the axis has gone by.
    fn finish<E: From<Failure>>(self, deliver: &mut Deliver<'_, E>) -> Result<(), E> {
        match self {
            State::Lanes(foldings) => {
                foldings.into_iter().enumerate().try_for_each(|(k, folding)| {
                    folding.finish(&mut |at, block| deliver(k, at, block))
                })
            }
            State::Zone(node, mut zone) => {
                match zone.end().map_err(|fault| Failure { node, fault })? {
                    Some((at, block)) => deliver(0, &at, block),
                    None => Ok(()),
                }
            }
        }
    }
}

/// The tiles of a part of a feed's source, cut where cells of nested operators are.
fn tile_grid(physical: &Physical, feed: &Feed, part: &Region) -> ChunkGrid {
    let origin = part.0.iter().zip(&feed.grain);
    let origin: Vec<usize> =
        origin.map(|(range, &grain)| if grain > 1 { range.start } else { 0 }).collect();
    ChunkGrid::aligned(part.shape(), tile_shape(physical, feed, part), &origin)
}

/// Hands finished pixels of a reduction to whom they belong.
fn deliver<E>(
    emit: &(dyn Fn(&Region, Block) -> Result<(), E> + Sync),
    result: Option<&(Region, Mutex<Block>)>,
    at: &Region,
    block: Block,
) -> Result<(), E> {
    match result {
        None => emit(at, block),
        Some((whole, own)) => {
            paste(own, &at.relative_to(whole), &block);
            Ok(())
        }
    }
}

/// The error of the lowest number.
struct FirstError<E>(Mutex<Option<(usize, E)>>);

impl<E> Default for FirstError<E> {
    fn default() -> FirstError<E> {
        FirstError(Mutex::new(None))
    }
}

impl<E> FirstError<E> {
    fn note(&self, number: usize, outcome: Result<(), E>) {
        let Err(error) = outcome else { return };
        let mut first = lock(&self.0);
        if first.as_ref().is_none_or(|(lowest, _)| number < *lowest) {
            *first = Some((number, error));
        }
    }

    fn result(self) -> Result<(), E> {
        match self.0.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some((_, error)) => Err(error),
            None => Ok(()),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn paste(result: &Mutex<Block>, at: &Region, block: &Block) {
    let start: Vec<usize> = at.0.iter().map(|range| range.start).collect();
    lock(result).paste(&start, block);
}
