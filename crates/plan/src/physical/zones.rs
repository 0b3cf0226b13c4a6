//! Zones while rows go by: in which tiles each takes its pixels, and what that holds.
//!
//! A zone's array is in row-major order of the grid, so that it can be taken in strips of rows: a sweep steps along y,
//! and of each step a zone takes the rows it has there, piece by piece. What stays is the state of a fold, or the
//! pixels of zones that have begun and not ended where the reducer needs them all at once.

use eolith_cube::zonal::Footprint;
use eolith_cube::{ChunkGrid, DType, Region};

use super::memory::{blocks, corner, positions};
use super::{Feed, Physical};
use crate::logical::NodeId;
use crate::op::{Op, Zonal};

/// Bytes of a state beside those of its lanes.
const STATE: u64 = 512;

/// Pixels of one zone that are reduced together, unless one lane has more.
pub(crate) const TOGETHER: usize = 1 << 21;

/// Some lanes of one zone.
#[derive(Clone, Debug)]
pub(crate) struct ZoneTile {
    pub(crate) zone: usize,
    /// The box of the source: the lanes, and the rows and columns of the zone.
    pub(crate) region: Region,
    /// The box of the result.
    pub(crate) result: Region,
    /// Rows that are computed together.
    pub(crate) rows: usize,
}

/// The zones that a feed folds, and the node of theirs.
pub(crate) fn of<'a>(physical: &'a Physical, feed: &Feed) -> Option<(NodeId, &'a Zonal)> {
    let fold = *feed.folds.first()?;
    match &physical.logical.node(fold).op {
        Op::Zonal(zonal) => Some((fold, zonal)),
        _ => None,
    }
}

/// The tiles of a box of the result, for which the steps go over `source`.
pub(crate) fn tiles(
    physical: &Physical,
    feed: &Feed,
    zonal: &Zonal,
    source: &Region,
    result: &Region,
) -> Vec<ZoneTile> {
    let cut = Cut::new(physical, feed, zonal, source);
    let tiles_of = |zone: usize| {
        let own = &zonal.zones[zone];
        let (size, whole) = (cut.size(own), cut.region(own));
        let mut lanes = whole.clone();
        zonal.dims.iter().for_each(|&d| lanes.0[d] = 0..1);
        let grid = ChunkGrid::new(lanes.shape(), size.clone());
        (0..grid.len()).map(move |i| {
            let mut region = grid.region(i).within(&lanes);
            zonal.dims.iter().for_each(|&d| region.0[d] = whole.0[d].clone());
            let mut at = result.clone();
            for (d, range) in at.0.iter_mut().enumerate() {
                if let Some(own) = zonal.source_dim(d) {
                    *range = region.0[own].clone();
                }
            }
            at.0[zonal.position] = zone..zone + 1;
            ZoneTile { zone, region, result: at, rows: size[zonal.dims[0]] }
        })
    };
    result.0[zonal.position].clone().flat_map(tiles_of).collect()
}

/// Bytes that zones hold.
pub(super) struct Held {
    /// From the first step to the last.
    pub(super) states: u64,
    /// Of one tile that is computed.
    pub(super) tile: u64,
}

/// What folding a box of the result holds.
pub(super) fn held(
    physical: &Physical,
    feed: &Feed,
    (fold, zonal): (NodeId, &Zonal),
    source: &Region,
    result: &Region,
) -> Held {
    let cut = Cut::new(physical, feed, zonal, source);
    let dtype = physical.logical.schema(feed.source).dtype();
    let zones = &zonal.zones[result.0[zonal.position].clone()];
    let lanes = cut.lanes();
    let (mut states, mut at_once, mut tile) = (0, Vec::new(), None::<(usize, &Footprint)>);
    for zone in zones {
        let size = cut.size(zone);
        states += cut.count(&size) as u64 * STATE;
        let pixels = size.iter().product();
        if !zone.is_empty() && tile.is_none_or(|(most, _)| pixels > most) {
            tile = Some((pixels, zone));
        }
        at_once.push(reduced(zone, lanes / cut.count(&size).max(1)) as u64);
    }
    let pixel = dtype.size() as u64 + 1;
    let per_lane = zonal.counts.map_or(0, |_| size_of::<usize>()) as u64;
    states += (lanes * zones.len()) as u64 * per_lane;
    if let Some(own) = physical.fold(fold) {
        states += (lanes * zones.len() * own.bytes_per_lane(dtype)) as u64;
    } else {
        let threads = physical.options.threads.max(1);
        states += begun(zones, threads) as u64 * lanes as u64 * pixel;
        at_once.sort_unstable_by_key(|&pixels| std::cmp::Reverse(pixels));
        let computed: u64 = at_once.iter().take(threads).sum();
        states += computed * zonal.expr.bytes_per_element(dtype) as u64;
    }
    let tile = tile.map_or(0, |(pixels, zone)| {
        let gathered = pixels as u64 * (pixel + DType::F64.size() as u64 + 1);
        blocks(physical, feed, corner(&cut.region(zone), &cut.size(zone))) + gathered
    });
    Held { states, tile }
}

/// Bytes of the arrays where a box of zones is computed at once from a block with all of their pixels.
pub(super) fn gathered(physical: &Physical, id: NodeId, region: &Region) -> u64 {
    let Op::Zonal(zonal) = &physical.logical.node(id).op else { return 0 };
    let zones = &zonal.zones[region.0[zonal.position].clone()];
    let lanes = region.len() / zones.len().max(1);
    let most = zones.iter().map(|zone| reduced(zone, lanes)).max().unwrap_or_default();
    let dtype = physical.logical.schema(physical.logical.node(id).inputs[0]).dtype();
    (most * (dtype.size() + 1 + zonal.expr.bytes_per_element(dtype))) as u64
}

/// Pixels of a zone with so many lanes that are reduced together.
fn reduced(zone: &Footprint, lanes: usize) -> usize {
    zone.len() * (TOGETHER / zone.len().max(1)).clamp(1, lanes.max(1))
}

/// Most pixels of zones that have begun and not ended: those that cross the first row of a step, those that cross its
/// last one, and those that threads are at.
fn begun(zones: &[Footprint], threads: usize) -> usize {
    let mut ends: Vec<(usize, bool, usize)> = (zones.iter())
        .filter(|zone| !zone.is_empty())
        .flat_map(|zone| [(zone.rows.start, true, zone.len()), (zone.rows.end, false, zone.len())])
        .collect();
    // Where one ends and another begins they are not there together.
    ends.sort_unstable();
    let (mut open, mut most) = (0, 0);
    for (_, begins, pixels) in ends {
        open = if begins { open + pixels } else { open - pixels };
        most = most.max(open);
    }
    let all: usize = zones.iter().map(Footprint::len).sum();
    let largest = zones.iter().map(Footprint::len).max().unwrap_or_default();
    (2 * most + threads.max(1) * largest).min(all)
}

/// How the pixels of zones are cut.
struct Cut<'a> {
    feed: &'a Feed,
    zonal: &'a Zonal,
    source: &'a Region,
    /// Positions of a tile.
    wanted: usize,
    most: usize,
}

impl<'a> Cut<'a> {
    fn new(physical: &Physical, feed: &'a Feed, zonal: &'a Zonal, source: &'a Region) -> Cut<'a> {
        let least: Vec<usize> = (source.shape().iter().zip(&feed.grain))
            .map(|(&n, &grain)| n.max(1).min(grain))
            .collect();
        let wanted = positions(physical, feed, &corner(source, &least));
        Cut { feed, zonal, source, wanted, most: physical.options.max_extent.unwrap_or(usize::MAX) }
    }

    /// The box of the source with the pixels of a zone.
    fn region(&self, zone: &Footprint) -> Region {
        let mut region = self.source.clone();
        let own = [zone.rows.clone(), zone.cols.clone()];
        self.zonal.dims.iter().zip(own).for_each(|(&d, range)| region.0[d] = range);
        region
    }

    /// The size of the tiles of a zone: all of its columns, as many rows as fit, then lanes.
    fn size(&self, zone: &Footprint) -> Vec<usize> {
        let [y, x] = self.zonal.dims;
        let grain = |d: usize| if d == y || d == x { 1 } else { self.feed.grain[d] };
        let len = |d: usize| {
            let own = if d == y { zone.rows.len() } else { self.source.0[d].len() };
            own.max(1)
        };
        let mut size: Vec<usize> = (0..self.source.0.len()).map(|d| len(d).min(grain(d))).collect();
        size[x] = zone.cols.len().max(1);
        let mut taken: usize = size.iter().product();
        let lanes = (0..size.len()).rev().filter(|d| *d != y && *d != x);
        for d in std::iter::once(y).chain(lanes) {
            if grain(d) == usize::MAX {
                continue;
            }
            taken /= size[d];
            let most = (self.wanted / taken.max(1)).max(1);
            size[d] = len(d).min((most / grain(d) * grain(d)).max(grain(d))).min(self.most.max(1));
            taken *= size[d];
        }
        size
    }

    /// The lanes of all tiles of a zone.
    fn lanes(&self) -> usize {
        let ranges = self.source.0.iter().enumerate();
        let own = ranges.filter(|(d, _)| !self.zonal.dims.contains(d));
        own.map(|(_, range)| range.len()).product()
    }

    /// How many tiles a zone has whose tiles are this large.
    fn count(&self, size: &[usize]) -> usize {
        let ranges = self.source.0.iter().zip(size).enumerate();
        let own = ranges.filter(|(d, _)| !self.zonal.dims.contains(d));
        own.map(|(_, (range, &n))| range.len().div_ceil(n)).product()
    }
}
