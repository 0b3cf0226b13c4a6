//! Which box of each input a box of a result needs.

use std::ops::Range;

use eolith_cube::warp::Warp;
use eolith_cube::{Region, Schema, SpatialAxis};

use crate::op::{Merge, Op, Reshape};

/// One box an input. Boxes may be larger than what is needed where that is no box (a selection with gaps).
pub fn input_regions(
    op: &Op,
    schema: &Schema,
    inputs: &[&Schema],
    warp: Option<&Warp>,
    region: &Region,
) -> Vec<Region> {
    match op {
        Op::Scan(_) | Op::Literal(_) | Op::Inside(_) | Op::Burn(_) => Vec::new(),
        Op::Parameter(_) | Op::Pending => Vec::new(),
        Op::Save(_) => vec![region.clone()],
        Op::Select(indices) => {
            let ranges = region.0.iter().zip(indices).map(|(range, indices)| match indices {
                None => range.clone(),
                Some(indices) => hull(indices[range.clone()].iter().copied()),
            });
            vec![Region(ranges.collect())]
        }
        Op::Relabel { dims } => vec![through(dims, inputs[0], region, || 0..1)],
        Op::Map { inputs: alignments, .. } => (inputs.iter().zip(alignments))
            .map(|(input, dims)| through(dims, input, region, || 0..1))
            .collect(),
        Op::Reduce { dim, .. } => {
            let mut ranges = region.0.clone();
            ranges.insert(*dim, 0..length(inputs[0], *dim));
            vec![Region(ranges)]
        }
        Op::Along { dim, .. } => {
            let mut ranges = region.0.clone();
            ranges[*dim] = 0..length(inputs[0], *dim);
            vec![Region(ranges)]
        }
        Op::Group { dim, groups, .. } => {
            let mut ranges = region.0.clone();
            let groups = groups.as_deref().unwrap_or_default();
            let members = groups[ranges[*dim].clone()].iter().flat_map(|g| g.iter().copied());
            ranges[*dim] = hull(members);
            vec![Region(ranges)]
        }
        Op::Warp { .. } => {
            let warp = warp.expect("invariant: physical planning prepares every warp");
            let (y, x) = spatial(schema);
            let mut ranges = region.0.clone();
            let [rows, cols] = warp.source_region(ranges[y].clone(), ranges[x].clone());
            ranges[y] = rows;
            ranges[x] = cols;
            vec![Region(ranges)]
        }
        Op::Window { dims, stencil } => {
            let mut ranges = region.0.clone();
            for (axis, &dim) in dims.iter().enumerate() {
                let len = length(inputs[0], dim);
                ranges[dim] = stencil.needed(axis, ranges[dim].clone(), len);
            }
            vec![Region(ranges)]
        }
        Op::Coarsen(own) => {
            let mut ranges = region.0.clone();
            for (axis, &dim) in own.dims.iter().enumerate() {
                ranges[dim] = own.pixels(axis, &ranges[dim], length(inputs[0], dim));
            }
            vec![Region(ranges)]
        }
        Op::Reshape(own) => vec![unshaped(own, region)],
        Op::Zonal(zonal) => {
            let zones = &zonal.zones[region.0[zonal.position].clone()];
            let some = || zones.iter().filter(|zone| !zone.is_empty());
            let boxes = [
                hull(some().flat_map(|zone| [zone.rows.start, zone.rows.end - 1])),
                hull(some().flat_map(|zone| [zone.cols.start, zone.cols.end - 1])),
            ];
            let mut ranges = vec![0..0; inputs[0].dims.len()];
            for (dim, range) in region.0.iter().enumerate() {
                if let Some(source) = zonal.source_dim(dim) {
                    ranges[source] = range.clone();
                }
            }
            zonal.dims.iter().zip(boxes).for_each(|(&dim, own)| ranges[dim] = own);
            vec![Region(ranges)]
        }
        Op::Nested(nested) => {
            let shape = |schema: &Schema| schema.shape().unwrap_or_default();
            let cells = std::iter::once(nested.input(region, &shape(schema)));
            let others = inputs.iter().skip(1).map(|input| Region::whole(&shape(input)));
            cells.chain(others).collect()
        }
        Op::Udf(udf) => vec![udf.needs(inputs[0], region)],
        Op::Merge(merge) => (0..2).map(|side| merged(merge, side, inputs[side], region)).collect(),
    }
}

/// Positions of y and x; a warp exists only where both do.
pub(crate) fn spatial(schema: &Schema) -> (usize, usize) {
    let of = |axis| schema.spatial(axis).expect("invariant: a warp's schema has x and y");
    (of(SpatialAxis::Y), of(SpatialAxis::X))
}

/// The box around the pixels that a box has under the dimensions before.
fn unshaped(own: &Reshape, region: &Region) -> Region {
    let (first, rest) = region.0.split_at(own.first);
    let (reshaped, last) = rest.split_at(own.to.len());
    let mut source: Vec<Range<usize>> = vec![0..0; own.from.len()];
    if reshaped.iter().all(|range| !range.is_empty()) {
        let place = |end: fn(&Range<usize>) -> usize| {
            reshaped.iter().zip(own.to.iter()).fold(0, |place, (r, n)| place * n + end(r))
        };
        let (mut low, mut high) = (place(|r| r.start), place(|r| r.end - 1));
        // Up to the first dimension in which both ends differ it is a point, behind that everything.
        let mut pixels: usize = own.from.iter().product();
        let mut split = false;
        for (range, n) in source.iter_mut().zip(own.from.iter()) {
            pixels /= n;
            *range = if split { 0..*n } else { low / pixels..high / pixels + 1 };
            split |= range.len() > 1;
            (low, high) = (low % pixels, high % pixels);
        }
    }
    Region([first, &source, last].concat())
}

fn merged(merge: &Merge, side: usize, input: &Schema, region: &Region) -> Region {
    let Some(indices) = &merge.indices else { return Region::whole(&vec![0; input.dims.len()]) };
    let mut ranges = vec![0..1; input.dims.len()];
    for ((own, map), range) in merge.dims[side].iter().zip(&indices[side]).zip(&region.0) {
        if let Some(own) = own {
            ranges[*own] = hull(map[range.clone()].iter().flatten().copied());
        }
    }
    Region(ranges)
}

/// The input's box where result dimension `i` is input dimension `dims[i]`.
fn through(
    dims: &[Option<usize>],
    input: &Schema,
    region: &Region,
    other: impl Fn() -> Range<usize>,
) -> Region {
    let mut ranges: Vec<Range<usize>> = (0..input.dims.len()).map(|_| other()).collect();
    for (from, range) in dims.iter().zip(&region.0) {
        if let Some(from) = from {
            ranges[*from] = range.clone();
        }
    }
    Region(ranges)
}

fn hull(indices: impl Iterator<Item = usize>) -> Range<usize> {
    let mut range: Option<Range<usize>> = None;
    for i in indices {
        range = Some(match range {
            None => i..i + 1,
            Some(own) => own.start.min(i)..own.end.max(i + 1),
        });
    }
    range.unwrap_or(0..0)
}

fn length(schema: &Schema, dim: usize) -> usize {
    schema.dims[dim].len().unwrap_or_default()
}
