//! Memory of a box: what computing it holds at a time.
//!
//! Counted: the decoded source chunks of a step, what was fetched for the next one, the state of reductions that are
//! folded, results that are held for later sweeps, and the tiles under way. Not counted: results that wait for their
//! sink (the scratch store has a budget of its own), and the buffer of each thread for the chunk of a local file that it
//! decodes.

use std::collections::BTreeMap;

use eolith_cube::{Kind, Region};

use super::program::{Feed, Program, Sweep};
use super::schedule::{FeedBox, Steps, Visitor, walk};
use super::{Options, Physical, zones};
use crate::logical::NodeId;
use crate::need::{ArrayDim, Piece};
use crate::nested::Partition;
use crate::op::{Op, Scan, ScanSource};

/// Decoding unit assumed for files that were not opened yet.
pub(super) const USUAL_TILE: usize = 512;

/// Bytes of all blocks of one tile, of which a third is in use at a time: that stays in the second-level cache. Smaller
/// tiles of long series read short runs of many chunks, and wait for memory at the start of each; they are for little
/// memory, of which they must leave most to the chunks.
const TILE_BYTES: std::ops::RangeInclusive<u64> = 1 << 19..=3 << 19;

/// Positions of a tile, at least (so that a tile's own costs are small beside those of its pixels) and at most.
const POSITIONS: std::ops::RangeInclusive<usize> = 1 << 10..=crate::compute::TILE;

/// Positions of a tile where operators look around: more, so that margins are small beside it.
const REACHING: usize = 64 << 10;

/// Longest run of such a tile along x.
const REACHING_WIDTH: usize = 512;

/// Most bytes that computing a box of the program's target holds at a time.
pub(super) fn peak(physical: &Physical, program: &Program, output: &Region) -> u64 {
    let mut peak = Peak {
        physical,
        program,
        live: 0,
        most: 0,
        states: Vec::new(),
        held: BTreeMap::new(),
        before: Vec::new(),
        open: 0,
    };
    match walk(physical, program, output, Steps::Samples, &mut peak) {
        Ok(()) => peak.most,
        Err(never) => match never {},
    }
}

/// Bytes that a program decodes for a box of a scan, in whole decoding units; nothing for what is stored already.
pub(super) fn read(physical: &Physical, program: &Program, id: NodeId, region: &Region) -> u64 {
    if program.reads_stored(physical, id) { 0 } else { decoded(physical, id, region, |_| true) }
}

/// Bytes that wait between fetching and decoding for a box of a scan. How well they are compressed is not known: they
/// count like the decoded ones.
fn waiting(physical: &Physical, program: &Program, id: NodeId, region: &Region) -> u64 {
    let stored = program.reads_stored(physical, id);
    if stored { 0 } else { decoded(physical, id, region, |piece| piece.array.waits()) }
}

/// Bytes of the decoding units of a scan's pieces in a box.
pub(super) fn decoded(
    physical: &Physical,
    id: NodeId,
    region: &Region,
    counts: impl Fn(&Piece) -> bool,
) -> u64 {
    let node = physical.logical.node(id);
    let Op::Scan(scan) = &node.op else { return 0 };
    let Some(source) = &scan.source else { return 0 };
    let window = window(scan, physical.ascending(id), region);
    let pieces = source
        .pieces
        .iter()
        .filter(|piece| counts(piece))
        .filter_map(|piece| piece.region.intersect(&window).map(|r| (piece, r)));
    pieces.map(|(piece, part)| units(source, piece, &part)).sum()
}

/// Length of the decoding unit of what node `id` reads along one of its axes.
pub(super) fn unit(physical: &Physical, id: NodeId, axis: usize) -> Option<usize> {
    let Op::Scan(scan) = &physical.logical.node(id).op else { return None };
    source_chunks(scan).get(axis).copied().filter(|&n| n > 0)
}

/// Index in its decoding unit of the first label that node `id` reads along one of its axes.
pub(super) fn origin(physical: &Physical, id: NodeId, axis: usize) -> usize {
    match &physical.logical.node(id).op {
        Op::Scan(scan) => super::partition::first_index(scan, axis),
        _ => 0,
    }
}

/// The largest decoding unit of a scan's pieces along each of its dimensions.
pub(super) fn source_chunks(scan: &Scan) -> Vec<usize> {
    let mut chunks = vec![0; scan.window.len()];
    let Some(source) = &scan.source else { return chunks };
    for piece in source.pieces.iter() {
        for (i, dim) in piece.dims.iter().enumerate() {
            if let ArrayDim::Along { dim, .. } = dim {
                chunks[*dim] = chunks[*dim].max(decoding_unit(piece, i));
            }
        }
    }
    chunks
}

/// The size of a tile of `region`, a box of a feed's source: whole along axes that must not be cut, else rows of x, then
/// of y, then of the others. The axis of the steps counts as one label.
pub(crate) fn tile(physical: &Physical, feed: &Feed, region: &Region) -> Vec<usize> {
    let dims = &physical.logical.schema(feed.source).dims;
    let shape = region.shape();
    let mut tile: Vec<usize> =
        shape.iter().zip(&feed.grain).map(|(&n, &grain)| n.max(1).min(grain)).collect();
    if let Some(along) = feed.along.filter(|&d| !feed.is_whole(d)) {
        tile[along] = 1;
    }
    let mut size: usize = tile.iter().product();
    let wanted = positions(physical, feed, &corner(region, &tile));
    let open = |d: &usize| !feed.is_whole(*d) && Some(*d) != feed.along;
    let spatial = |d: usize| matches!(dims[d].kind, Kind::Spatial { .. });
    // x and y first, whichever comes last in memory before the other.
    let mut order: Vec<usize> = (0..shape.len()).rev().filter(open).collect();
    order.sort_by_key(|&d| !spatial(d));
    for (rank, d) in order.into_iter().enumerate() {
        size /= tile[d];
        let mut most = (wanted / size.max(1)).max(1);
        if feed.reaches && rank == 0 {
            most = most.min(REACHING_WIDTH);
        }
        // A zone needs its own pixels only.
        if feed.reaches && matches!(dims[d].kind, Kind::Geometry(_)) {
            most = 1;
        }
        let grain = feed.grain[d];
        tile[d] = shape[d].clamp(1, (most / grain * grain).max(grain));
        size *= tile[d];
    }
    if let Some(most) = physical.options.max_extent {
        let cut = |(n, grain): (&mut usize, &usize)| {
            if *grain != usize::MAX {
                *n = (*n).min(most.max(1));
            }
        };
        tile.iter_mut().zip(&feed.grain).for_each(cut);
    }
    tile
}

/// Positions of a tile of a feed; `least` is the smallest that there can be.
pub(super) fn positions(physical: &Physical, feed: &Feed, least: &Region) -> usize {
    if feed.reaches {
        return REACHING;
    }
    let bytes = blocks(physical, feed, least.clone()) / least.len().max(1) as u64;
    let most = (physical.options.target_bytes / 8).clamp(*TILE_BYTES.start(), *TILE_BYTES.end());
    ((most / bytes.max(1)) as usize).clamp(*POSITIONS.start(), *POSITIONS.end())
}

/// Length of an array's decoding unit along its dimension `i`; of files that were not opened a usual tile of the last
/// two dimensions.
fn decoding_unit(piece: &Piece, i: usize) -> usize {
    let usual = if i + 2 >= piece.dims.len() { USUAL_TILE } else { 1 };
    piece.array.chunk.as_ref().map_or(usual, |chunk| chunk[i])
}

/// The hull of the source indices behind a box of a scan; `ascending` says along which dimensions they grow.
fn window(scan: &Scan, ascending: &[bool], region: &Region) -> Region {
    let hull = |indices: &[usize], ascending: bool| {
        let ends = if ascending {
            (indices.first(), indices.last())
        } else {
            (indices.iter().min(), indices.iter().max())
        };
        match ends {
            (Some(&first), Some(&last)) => first..last + 1,
            _ => 0..0,
        }
    };
    Region(
        (region.0.iter().zip(&scan.window).zip(ascending))
            .map(|((range, window), &ascending)| match window {
                None => range.clone(),
                Some(indices) => hull(&indices[range.clone()], ascending),
            })
            .collect(),
    )
}

/// Bytes of one piece's decoding units that touch a part of the cube.
fn units(source: &ScanSource, piece: &Piece, part: &Region) -> u64 {
    let bands = source.schema.bands();
    let dtype = match bands {
        Some(bands) => {
            (source.schema.variables.get(part.0[bands].clone()).unwrap_or_default().iter())
                .map(|v| v.dtype.size())
                .max()
                .unwrap_or(1)
        }
        None => source.schema.dtype().size(),
    };
    if piece.grid.is_some() {
        // Brought to the cube's grid as a whole, with a mask, beside its own pixels.
        return part.len() as u64 * (2 * dtype as u64 + 1);
    }
    let mut pixels = 1_u64;
    for (i, dim) in piece.dims.iter().enumerate() {
        let unit = decoding_unit(piece, i).max(1);
        let n = match dim {
            ArrayDim::Fixed(_) => unit,
            ArrayDim::Along { dim, offset } => {
                let own = &part.0[*dim];
                let first = own.start - piece.region.0[*dim].start + offset;
                let units = (first + own.len()).div_ceil(unit) - first / unit;
                // The last unit may be cut by the edge of the array.
                (units * unit).min(piece.region.0[*dim].len() + offset + unit)
            }
        };
        pixels = pixels.saturating_mul(n as u64);
    }
    pixels.saturating_mul(dtype as u64)
}

/// Adds up what is live during a walk.
struct Peak<'a> {
    physical: &'a Physical,
    program: &'a Program,
    live: u64,
    most: u64,
    /// Of the sweeps under way: bytes of their states, and of a tile of zones.
    states: Vec<(u64, u64)>,
    /// Bytes of what is held.
    held: BTreeMap<NodeId, u64>,
    /// What the step before reads, and the bytes of its chunks and tiles: the next one is fetched meanwhile.
    before: Vec<(NodeId, Region)>,
    open: u64,
}

impl Visitor for Peak<'_> {
    type Error = std::convert::Infallible;

    fn begin(&mut self, sweep: &Sweep, boxes: &[FeedBox]) -> Result<(), Self::Error> {
        let (mut states, mut results, mut tile) = (0, 0, 0);
        for (feed, own) in sweep.feeds.iter().zip(boxes) {
            if let Some(fold) = zones::of(self.physical, feed) {
                let held = zones::held(self.physical, feed, fold, &own.source, &own.results[0]);
                states += held.states;
                tile = tile.max(held.tile);
            }
            for (fold, result) in feed.folds.iter().zip(&own.results) {
                let dtype = self.physical.logical.schema(*fold).dtype();
                let bytes = result.len() as u64 * (dtype.size() as u64 + 1);
                self.held.insert(*fold, bytes);
                results += bytes;
                if matches!(self.physical.logical.node(*fold).op, Op::Zonal(_)) {
                    continue;
                }
                let lanes = lanes(&self.physical.logical.node(*fold).op, result);
                let per_lane = self.physical.fold(*fold).map_or(0, |fold| {
                    fold.bytes_per_lane(self.physical.logical.schema(feed.source).dtype())
                });
                let open = open_at_once(&self.physical.logical.node(*fold).op, result);
                states += (lanes * per_lane * open) as u64;
            }
        }
        self.states.push((states, tile));
        // Results take shape while the states are there: groups end one after the other.
        self.live += states + results;
        self.most = self.most.max(self.live);
        Ok(())
    }

    fn step(
        &mut self,
        sweep: &Sweep,
        parts: &[Region],
        reads: &[(NodeId, Region)],
        _: usize,
    ) -> Result<(), Self::Error> {
        let (physical, program) = (self.physical, self.program);
        let frames: u64 =
            reads.iter().map(|(id, region)| read(physical, program, *id, region)).sum();
        let of_zones = self.states.last().map_or(0, |(_, tile)| *tile);
        let tiles = (sweep.feeds.iter().zip(parts))
            .filter(|(feed, _)| zones::of(physical, feed).is_none())
            .map(|(feed, part)| tile_bytes(physical, feed, part))
            .fold(of_zones, u64::max);
        let threads = self.physical.options.threads.max(1) as u64;
        let fetched = reads.iter().filter(|read| !self.before.contains(read));
        let waits: u64 = fetched.map(|(id, region)| waiting(physical, program, *id, region)).sum();
        self.most = self.most.max(self.live + self.open + waits);
        self.before = reads.to_vec();
        self.open = frames + tiles * threads;
        self.most = self.most.max(self.live + self.open);
        Ok(())
    }

    fn end(&mut self, _: &Sweep) -> Result<(), Self::Error> {
        self.live -= self.states.pop().unwrap_or_default().0;
        Ok(())
    }

    fn forget(&mut self, sweep: &Sweep) {
        for fold in sweep.feeds.iter().flat_map(|feed| &feed.folds) {
            self.live -= self.held.remove(fold).unwrap_or_default();
        }
    }
}

/// The lanes of a reduction whose result has this box.
fn lanes(op: &Op, result: &Region) -> usize {
    let regrouped = match op {
        Op::Group { dim, .. } => Some(*dim),
        Op::Coarsen(own) => Some(own.dims[0]),
        _ => None,
    };
    result.len() / regrouped.map_or(1, |dim| result.0[dim].len()).max(1)
}

/// How many states of a reduction exist at a time: one, or the most groups that have begun and not ended (all months of
/// a mean over years). `result` is the box of the result.
fn open_at_once(op: &Op, result: &Region) -> usize {
    let Op::Group { dim, groups, .. } = op else { return 1 };
    let groups = &groups.as_deref().unwrap_or_default()[result.0[*dim].clone()];
    let mut ends: Vec<(usize, bool)> = (groups.iter())
        .filter_map(|group| Some([(*group.first()?, true), (*group.last()? + 1, false)]))
        .flatten()
        .collect();
    // Where one group ends and another begins the ended one is gone.
    ends.sort_unstable();
    let (mut open, mut most) = (0_usize, 1);
    for (_, begins) in ends {
        open = if begins { open + 1 } else { open.saturating_sub(1) };
        most = most.max(open);
    }
    most
}

/// Bytes of all blocks of one tile of a part.
fn tile_bytes(physical: &Physical, feed: &Feed, part: &Region) -> u64 {
    let mut shape = tile(physical, feed, part);
    if let Some(along) = feed.along {
        shape[along] = part.0[along].len();
    }
    blocks(physical, feed, corner(part, &shape))
}

/// The box of this size at the beginning of another.
pub(super) fn corner(region: &Region, shape: &[usize]) -> Region {
    Region(
        (region.0.iter().zip(shape))
            .map(|(range, &n)| range.start..(range.start + n).min(range.end))
            .collect(),
    )
}

/// Bytes of all blocks that a box of a feed's source takes.
pub(super) fn blocks(physical: &Physical, feed: &Feed, region: Region) -> u64 {
    let mut wanted = BTreeMap::from([(feed.source, region)]);
    let mut bytes = 0;
    let mut next = Some(feed.source);
    while let Some(id) = next {
        let region = wanted[&id].clone();
        bytes += region.len() as u64 * (physical.logical.schema(id).dtype().size() as u64 + 1);
        if feed.computes(id) && !region.is_empty() {
            bytes += nested(physical, id, &region) + zones::gathered(physical, id, &region);
            let inputs = &physical.logical.node(id).inputs;
            for (input, need) in inputs.iter().zip(physical.needs(id, &region)) {
                wanted.entry(*input).and_modify(|all| *all = all.hull(&need)).or_insert(need);
            }
        }
        next = wanted.range(..id).next_back().map(|(id, _)| *id);
    }
    bytes
}

/// Bytes that the cells take which a nested operator computes at a time.
fn nested(physical: &Physical, id: NodeId, region: &Region) -> u64 {
    let (Op::Nested(nested), Some(cells)) = (&physical.logical.node(id).op, physical.cells(id))
    else {
        return 0;
    };
    let together = match nested.partition {
        Partition::Windows(_) => 1,
        Partition::Areas { .. } => physical.options.threads.max(1) as u64,
    };
    cells.bytes(nested, region).saturating_mul(together)
}

impl Options {
    /// Bytes of decoded chunks that one step aims at.
    pub(super) fn step_bytes(&self) -> u64 {
        self.target_bytes / 4
    }

    /// The same where steps overlap: the longer they are the less is decoded twice.
    pub(super) fn reaching_bytes(&self) -> u64 {
        self.step_bytes().max(self.task_memory / 8)
    }
}
