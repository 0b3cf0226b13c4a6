//! Reads overviews where pixels are wanted coarser than they are stored, in approximate plans.
//!
//! ```text
//! %0 Scan s2                                  %0 Scan s2, overviews of 8 native pixels
//! %1 Map x*2 [%0]                         →   %1 Map x*2 [%0]
//! %2 Warp near to 90 x 90 m [%1]              %2 Warp near to 90 x 90 m [%1]
//! ```
//!
//! Between a warp and its loads there may be nothing but expressions of single pixels ([`Scale::Pointwise`]); what has
//! neither x nor y there stays what it is. The pixels that are read are never larger than the target's. Illegal for
//! every other operator: a window of three pixels or a count of pixels means native ones. Illegal for a warp that sums,
//! because there are fewer pixels in an overview.
//!
//! All loads below a warp are read in pixels of one lattice, that of the first array which has them: the coarsest that
//! every array with overviews reaches. Other arrays are brought to it with nearest neighbour, from their own coarsest
//! overview that is not coarser, or from native pixels. The rule runs after the selections are in their scans, so that
//! it asks for the overviews of arrays only that are read.

use std::collections::BTreeSet;
use std::ops::Range;
use std::sync::Arc;

use eolith_cube::warp::{Method, Warp};
use eolith_cube::{Grid, Regular, Schema, SpatialAxis};

use crate::logical::{Logical, LogicalNode, NodeId, RootValue, on_grid};
use crate::need::{Answer, ArrayDim, ArrayRef, Level, Need, Piece, Snapshot};
use crate::op::{Op, Scale, Scan, ScanSource};

/// Part of a pixel by which sizes and places may differ and still be the same.
const TOLERANCE: f64 = 1e-3;

/// Target pixels around those that are read whose arrays count as read: the reach of the widest kernel.
const MARGIN: f64 = 4.0;

/// The plan with overviews read where that can be. What has to be known for it goes to `needs`; the warps below which
/// something is open stay as they are.
pub(crate) fn apply(logical: Logical, snapshot: &Snapshot, needs: &mut BTreeSet<Need>) -> Logical {
    let mut logical = logical;
    let mut next = 0;
    while next < logical.nodes.len() {
        let found = below(&logical, next).and_then(|below| {
            let open = below.open(&logical, snapshot);
            if !open.is_empty() {
                needs.extend(open);
                return None;
            }
            below.read(&logical, snapshot)
        });
        next += 1;
        if let Some(coarse) = found {
            let warp = next - 1;
            let before = logical.nodes.len();
            logical = rebuilt(logical, warp, coarse);
            next += logical.nodes.len() - before;
        }
    }
    logical.pruned()
}

/// The nodes between a warp and its loads.
struct Below {
    /// Ascending; all are on `grid`.
    nodes: Vec<usize>,
    grid: Grid,
    /// Pixels of `grid` per pixel of the target, along rows and columns.
    ratios: [f64; 2],
    /// Rows and columns of `grid` that the warp reads.
    wanted: [Range<usize>; 2],
}

/// A node on the coarser grid.
struct Coarse {
    node: usize,
    op: Op,
    schema: Schema,
}

/// What the rule may change below node `i`, if it is a warp to larger pixels.
fn below(logical: &Logical, i: usize) -> Option<Below> {
    let node = &logical.nodes[i];
    let Op::Warp { grid: target, method } = &node.op else { return None };
    if *method == Method::Sum {
        return None;
    }
    let grid = logical.schema(node.inputs[0]).grid().ok()?;
    let ratios = Warp::ratios(&grid, target).ok()?;
    if ratios.iter().any(|ratio| *ratio < 1.0 + TOLERANCE) {
        return None;
    }
    let mut inside = vec![false; i];
    inside[node.inputs[0].0] = true;
    for own in (0..i).rev() {
        if !inside[own] {
            continue;
        }
        let node = &logical.nodes[own];
        if !on_map(&node.schema) {
            inside[own] = false;
            continue;
        }
        let inputs: Vec<&Schema> =
            node.inputs.iter().map(|input| logical.schema(*input).as_ref()).collect();
        let same = node.schema.grid().is_ok_and(|own| own.aligned(&grid));
        if !same || node.op.scale(&inputs, &node.schema) != Scale::Pointwise {
            return None;
        }
        node.inputs.iter().for_each(|input| inside[input.0] = true);
    }
    let nodes = (0..i).filter(|&own| inside[own]).collect();
    let warp = Warp::new(grid.clone(), target.clone(), *method).ok()?;
    let around = |range: Range<usize>, ratio: f64, len: usize| {
        let margin = (MARGIN * ratio).ceil() as usize + 1;
        if range.is_empty() {
            range
        } else {
            range.start.saturating_sub(margin)..(range.end + margin).min(len)
        }
    };
    let [rows, cols] = warp.source_region(0..target.y.len, 0..target.x.len);
    let wanted = [around(rows, ratios[0], grid.y.len), around(cols, ratios[1], grid.x.len)];
    (!wanted.iter().any(Range::is_empty)).then_some(Below { nodes, grid, ratios, wanted })
}

fn on_map(schema: &Schema) -> bool {
    schema.spatial(SpatialAxis::X).is_some() || schema.spatial(SpatialAxis::Y).is_some()
}

impl Below {
    /// Questions that have no answer yet.
    fn open(&self, logical: &Logical, snapshot: &Snapshot) -> Vec<Need> {
        let needs = self.pieces(logical).map(|piece| Need::Levels { array: piece.array.clone() });
        needs.filter(|need| snapshot.get(need).is_none()).collect()
    }

    /// The pieces of all scans that are read.
    fn pieces<'a>(&'a self, logical: &'a Logical) -> impl Iterator<Item = &'a Piece> {
        self.scans(logical).flat_map(|(_, scan, source)| self.read_pieces(scan, source))
    }

    fn scans<'a>(
        &'a self,
        logical: &'a Logical,
    ) -> impl Iterator<Item = (usize, &'a Scan, &'a ScanSource)> {
        self.nodes.iter().filter_map(|&node| match &logical.nodes[node].op {
            Op::Scan(scan) => Some((node, scan, scan.source.as_deref()?)),
            _ => None,
        })
    }

    fn read_pieces<'a>(
        &self,
        scan: &'a Scan,
        source: &'a ScanSource,
    ) -> impl Iterator<Item = &'a Piece> {
        let ranges: Vec<(usize, Option<Range<usize>>)> = [SpatialAxis::Y, SpatialAxis::X]
            .into_iter()
            .zip(&self.wanted)
            .filter_map(|(axis, wanted)| Some((source.schema.spatial(axis)?, wanted)))
            .map(|(dim, wanted)| (dim, behind(scan.window[dim].as_deref(), wanted)))
            .collect();
        source.pieces.iter().filter(move |piece| {
            piece.region.0.iter().enumerate().all(|(dim, own)| {
                match (ranges.iter().find(|(on, _)| *on == dim), &scan.window[dim]) {
                    (Some((_, range)), _) => range
                        .as_ref()
                        .is_none_or(|range| own.start < range.end && range.start < own.end),
                    (None, Some(window)) => window.iter().any(|index| own.contains(index)),
                    (None, None) => true,
                }
            })
        })
    }

    /// The same nodes over overviews; `None` where there are none that help.
    fn read(&self, logical: &Logical, snapshot: &Snapshot) -> Option<Vec<Coarse>> {
        let lattice = self.lattice(logical, snapshot)?;
        let mut coarse = Vec::with_capacity(self.nodes.len());
        for &node in &self.nodes {
            let own = &logical.nodes[node];
            let schema = on_grid(&own.schema, &lattice);
            let op = match &own.op {
                Op::Scan(scan) => Op::Scan(self.scan(scan, &lattice, snapshot)?),
                Op::Merge(merge) => {
                    let mut merge = merge.clone();
                    for (dim, n) in own.schema.dims.iter().enumerate().filter_map(|(dim, own)| {
                        own.is_horizontal().then(|| Some((dim, schema.dims[dim].len()?)))?
                    }) {
                        for maps in merge.indices.as_mut()? {
                            maps[dim] = (0..n).map(Some).collect();
                        }
                    }
                    Op::Merge(merge)
                }
                other => other.clone(),
            };
            coarse.push(Coarse { node, op, schema });
        }
        Some(coarse)
    }

    /// The pixels to read: as large as the overviews of all arrays that have some allow, over the native grid.
    fn lattice(&self, logical: &Logical, snapshot: &Snapshot) -> Option<Grid> {
        let limits =
            [self.grid.y.step.abs() * self.ratios[0], self.grid.x.step.abs() * self.ratios[1]];
        let fits = |level: &&Level| {
            level.grid.crs == self.grid.crs
                && level.grid.y.step.abs() <= limits[0] * (1.0 + TOLERANCE)
                && level.grid.x.step.abs() <= limits[1] * (1.0 + TOLERANCE)
                && level.grid.x.step.abs() > self.grid.x.step.abs() * (1.0 + TOLERANCE)
        };
        let mut chosen: Option<&Grid> = None;
        for piece in self.pieces(logical) {
            let coarsest = levels(snapshot, &piece.array).iter().rfind(fits);
            if let Some(level) = coarsest
                && chosen.is_none_or(|other| finer(&level.grid, other))
            {
                chosen = Some(&level.grid);
            }
        }
        let reference = chosen?;
        let [west, south, east, north] = self.grid.bounds();
        let grid = Grid {
            crs: self.grid.crs.clone(),
            x: covering(reference.x, [west, east], self.grid.x.step),
            y: covering(reference.y, [south, north], self.grid.y.step),
        };
        (grid.x.len > 0 && grid.y.len > 0).then_some(grid)
    }

    /// The scan over a coarser lattice, of the pieces that are read.
    fn scan(&self, scan: &Scan, lattice: &Grid, snapshot: &Snapshot) -> Option<Scan> {
        let source = scan.source.as_deref()?;
        let native = source.schema.grid().ok()?;
        let dims = [SpatialAxis::Y, SpatialAxis::X].map(|axis| source.schema.spatial(axis));
        let [Some(y), Some(x)] = dims else { return None };
        let mut pieces = Vec::new();
        for piece in self.read_pieces(scan, source) {
            let place = Place { native: &native, lattice, dims: [y, x] };
            let coarsest = (levels(snapshot, &piece.array).iter())
                .rfind(|level| level.grid.crs == lattice.crs && !finer(lattice, &level.grid));
            pieces.extend(place.piece(piece, coarsest).ok()?);
        }
        let mut window = scan.window.clone();
        // The lattice covers the pixels of the window already.
        (window[y], window[x]) = (None, None);
        let source = ScanSource { schema: on_grid(&source.schema, lattice), pieces: pieces.into() };
        let level = Some((lattice.x.step / self.grid.x.step).abs());
        Some(Scan { request: scan.request.clone(), source: Some(Arc::new(source)), window, level })
    }
}

/// The array of a piece cannot be brought to the lattice.
struct Unplaced;

/// Where pieces of a cube go in a coarser one.
struct Place<'a> {
    native: &'a Grid,
    lattice: &'a Grid,
    /// Positions of y and x in the cube.
    dims: [usize; 2],
}

impl Place<'_> {
    /// The piece read from a level, or from its native array; no piece where it has no pixel of the lattice.
    fn piece(&self, piece: &Piece, level: Option<&Level>) -> Result<Option<Piece>, Unplaced> {
        let [y, x] = self.dims;
        let axes = self.dims.map(|dim| {
            piece
                .dims
                .iter()
                .position(|own| matches!(own, ArrayDim::Along { dim: d, .. } if *d == dim))
        });
        let [Some(array_y), Some(array_x)] = axes else { return Err(Unplaced) };
        let mut region = piece.region.clone();
        for (dim, native, lattice) in
            [(y, self.native.y, self.lattice.y), (x, self.native.x, self.lattice.x)]
        {
            let (start, end) = native.slice(region.0[dim].start, region.0[dim].len()).edges();
            region.0[dim] = inside(lattice, [start, end]);
            if region.0[dim].is_empty() {
                return Ok(None);
            }
        }
        let own = match level {
            Some(level) => level.grid.clone(),
            None => match &piece.grid {
                Some(grid) => grid.clone(),
                None => self.array_grid(piece, [array_y, array_x]).ok_or(Unplaced)?,
            },
        };
        let array = level.map_or(&piece.array, |level| &level.array).clone();
        let geographic = own.crs.is_geographic();
        let shifts = [
            offset(self.lattice.y, own.y, &region.0[y], false),
            offset(self.lattice.x, own.x, &region.0[x], geographic),
        ];
        let mut dims = piece.dims.clone();
        if let ([Some(rows), Some(cols)], true) = (shifts, own.crs == self.lattice.crs) {
            dims[array_y] = ArrayDim::Along { dim: y, offset: rows };
            dims[array_x] = ArrayDim::Along { dim: x, offset: cols };
            return Ok(Some(Piece { array, region, dims, nodata: piece.nodata, grid: None }));
        }
        if [array_y, array_x] != [dims.len() - 2, dims.len() - 1] {
            return Err(Unplaced);
        }
        dims[array_y] = ArrayDim::Along { dim: y, offset: 0 };
        dims[array_x] = ArrayDim::Along { dim: x, offset: 0 };
        Ok(Some(Piece { array, region, dims, nodata: piece.nodata, grid: Some(own) }))
    }

    /// The grid of an array that lies in the native grid, as far as it is known.
    fn array_grid(&self, piece: &Piece, axes: [usize; 2]) -> Option<Grid> {
        let axis = |array: usize, dim: usize, native: Regular| {
            let ArrayDim::Along { offset, .. } = piece.dims[array] else { return None };
            let range = &piece.region.0[dim];
            let start = native.at(range.start) - offset as f64 * native.step;
            Some(Regular { start, step: native.step, len: offset + range.len() })
        };
        let [y, x] = self.dims;
        Some(Grid {
            crs: self.native.crs.clone(),
            y: axis(axes[0], y, self.native.y)?,
            x: axis(axes[1], x, self.native.x)?,
        })
    }
}

/// What is known of the overviews of an array. Where the question has no answer they are not read.
fn levels<'a>(snapshot: &'a Snapshot, array: &ArrayRef) -> &'a [Level] {
    match snapshot.get(&Need::Levels { array: array.clone() }) {
        Some(Answer::Levels(levels)) => levels,
        _ => &[],
    }
}

fn finer(one: &Grid, other: &Grid) -> bool {
    one.x.step.abs() < other.x.step.abs() * (1.0 - TOLERANCE)
}

/// The source's indices from the first to the last of a range; `None` if the window is none.
fn behind(window: Option<&[usize]>, range: &Range<usize>) -> Option<Range<usize>> {
    let Some(window) = window else { return Some(range.clone()) };
    let part = &window[range.clone()];
    Some(*part.iter().min()?..part.iter().max()? + 1)
}

/// The places of a lattice inside of a span, in the direction of `step`.
fn covering(lattice: Regular, [low, high]: [f64; 2], step: f64) -> Regular {
    let size = lattice.step.abs();
    let first = ((low - lattice.start) / size - 1e-6).ceil();
    let last = ((high - lattice.start) / size + 1e-6).floor();
    let len = (last - first + 1.0).max(0.0) as usize;
    if step > 0.0 {
        Regular { start: lattice.start + first * size, step: size, len }
    } else {
        Regular { start: lattice.start + last * size, step: -size, len }
    }
}

/// The indices whose places lie between two edges, which may be given in any order.
fn inside(axis: Regular, edges: [f64; 2]) -> Range<usize> {
    let [a, b] = edges.map(|edge| (edge - axis.start) / axis.step);
    let whole = |index: f64| index.clamp(0.0, axis.len as f64) as usize;
    let start = whole((a.min(b) - 1e-6).ceil());
    start..whole((a.max(b) + 1e-6).floor() + 1.0).max(start)
}

/// The index in an array of the first pixel of a range of the lattice, if its pixels are the lattice's; `turns` of 360
/// degrees lead to the same place.
fn offset(lattice: Regular, own: Regular, range: &Range<usize>, turns: bool) -> Option<usize> {
    if (own.step - lattice.step).abs() * own.len as f64 > TOLERANCE * lattice.step.abs() {
        return None;
    }
    let turns: &[f64] = if turns { &[0.0, 360.0, -360.0] } else { &[0.0] };
    turns.iter().find_map(|turn| {
        let index = (lattice.at(range.start) + turn - own.start) / own.step;
        let whole = index.round();
        let fits = whole >= 0.0 && whole as usize + range.len() <= own.len;
        (fits && (index - whole).abs() <= TOLERANCE).then_some(whole as usize)
    })
}

/// The plan with copies of some nodes on another grid below a warp. What nobody uses any more is left for pruning.
fn rebuilt(logical: Logical, warp: usize, coarse: Vec<Coarse>) -> Logical {
    let mut plan = Logical::default();
    let (mut map, mut copies) = (Vec::with_capacity(logical.nodes.len()), vec![None; warp]);
    let mut coarse = coarse.into_iter().peekable();
    for (i, mut node) in logical.nodes.into_iter().enumerate() {
        if let Some(Coarse { op, schema, .. }) = coarse.next_if(|next| next.node == i) {
            let input = |id: &NodeId| copies[id.0].unwrap_or(map[id.0]);
            let inputs = node.inputs.iter().map(input).collect();
            let copy =
                LogicalNode { op, inputs, schema: Arc::new(schema), path: node.path.clone() };
            copies[i] = Some(plan.push(copy));
        }
        let of_warp = i == warp;
        node.inputs.iter_mut().for_each(|id| {
            *id = copies.get(id.0).copied().flatten().filter(|_| of_warp).unwrap_or(map[id.0]);
        });
        map.push(plan.push(node));
    }
    plan.roots = logical.roots;
    for root in &mut plan.roots {
        if let RootValue::Cube(id) = &mut root.value {
            *id = map[id.0];
        }
    }
    plan
}

#[cfg(test)]
mod tests;
