//! The operators over blocks: a box of a result from boxes of its inputs.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::{Block, Region};

use super::{Workers, lanewise, merge, nested, reshape, windows, zonal};
use crate::logical::NodeId;
use crate::op::Op;
use crate::physical::Physical;
use crate::value::Fault;

/// The block of `region` of a node from the blocks of its inputs, each with the box it holds.
pub(super) fn run(
    physical: &Physical,
    id: NodeId,
    region: &Region,
    mut inputs: Vec<(Cow<'_, Block>, Region)>,
    workers: &(dyn Workers + Sync),
) -> Result<Block, Fault> {
    let node = physical.logical.node(id);
    let schema = &node.schema;
    let mut first = || inputs.swap_remove(0);
    match &node.op {
        Op::Nested(own) => nested::run(physical, id, own, &inputs, region, workers),
        Op::Parameter(_) => Err(Fault::new("Internal", "a parameter is given to its plan")),
        Op::Scan(_) => Err(Fault::new("Internal", "a scan is read by its source")),
        Op::Pending => Err(Fault::new("Internal", "the cube is not known yet")),
        Op::Literal(cube) => Ok(cube.block.slice(region)),
        Op::Inside(footprint) => Ok(zonal::inside(footprint, region)),
        Op::Burn(own) => Ok(zonal::burnt(own, region)),
        Op::Save(_) => Ok(first().0.into_owned()),
        Op::Select(indices) => {
            let (mut block, own) = first();
            for (dim, indices) in indices.iter().enumerate() {
                if let Some(indices) = indices {
                    let start = own.0[dim].start;
                    let relative: Vec<usize> =
                        indices[region.0[dim].clone()].iter().map(|i| i - start).collect();
                    let all = relative.iter().copied().eq(0..block.shape[dim]);
                    if !all {
                        block = Cow::Owned(block.take(dim, &relative));
                    }
                }
            }
            Ok(block.into_owned())
        }
        Op::Relabel { dims } => Ok(relabel(first().0.into_owned(), dims, region)),
        Op::Map { expr, inputs: alignments } => {
            let shape = region.shape();
            let blocks = (inputs.into_iter().zip(alignments))
                .map(|((block, _), from)| broadcast(block, &shape, from))
                .collect();
            lanewise::map(expr, blocks, shape, schema.dtype())
        }
        Op::Reduce { dim, expr } => {
            let labels = physical.labels(id);
            lanewise::reduce(expr, first().0, *dim, labels, schema.dtype())
        }
        Op::Along { dim, expr } => {
            let labels = physical.labels(id);
            let n = schema.dims[*dim].len().unwrap_or_default();
            let all = lanewise::along(expr, first().0, *dim, labels, n, schema.dtype())?;
            let mut wanted = Region::whole(&all.shape);
            if wanted.0[*dim] == region.0[*dim] {
                return Ok(all);
            }
            wanted.0[*dim] = region.0[*dim].clone();
            Ok(all.slice(&wanted))
        }
        Op::Group { dim, groups, expr } => {
            let labels = physical.labels(id);
            let (block, own) = first();
            let groups = groups.as_deref().unwrap_or_default();
            let mut out = Block::nulls(schema.dtype(), region.shape());
            for (slot, group) in groups[region.0[*dim].clone()].iter().enumerate() {
                let relative: Vec<usize> = group.iter().map(|i| i - own.0[*dim].start).collect();
                let members = block.take(*dim, &relative);
                let labels =
                    labels.as_ref().map(|all| group.iter().map(|&i| all[i].clone()).collect());
                let value =
                    lanewise::reduce(expr, Cow::Owned(members), *dim, labels, schema.dtype())?;
                let mut shape = value.shape.clone();
                shape.insert(*dim, 1);
                let mut start = vec![0; shape.len()];
                start[*dim] = slot;
                out.paste(&start, &value.reshape(shape));
            }
            Ok(out)
        }
        Op::Warp { .. } => {
            let warp = physical.warp(id).expect("invariant: physical planning prepares every warp");
            let (y, x) = crate::physical::spatial(schema);
            Ok(planes([y, x], &first(), region, |block, window, target| {
                warp.run(block, window, target)
            }))
        }
        Op::Window { dims, stencil } => {
            let size = dims.map(|dim| schema.dims[dim].len().unwrap_or_default());
            Ok(planes(*dims, &first(), region, |block, window, target| {
                stencil.run(block, window, target, size)
            }))
        }
        Op::Coarsen(own) => {
            let input = first();
            windows::run(own, &input, region, schema.dtype())
        }
        Op::Reshape(own) => {
            let (block, have) = first();
            Ok(reshape::run(own, block, &have, region))
        }
        Op::Zonal(own) => {
            let (block, have) = first();
            let window = own.dims.map(|dim| have.0[dim].clone());
            let order = planes_last(own.dims, block.shape.len());
            zonal::run(own, &turned(&block, &order), &window, region, schema.dtype())
        }
        Op::Merge(merge) => merge::run(merge, &inputs, region, schema.dtype()),
        Op::Udf(_) => Err(crate::udf::outside()),
    }
}

/// The block repeated to `shape`; not copied where its dimensions of more than one label are those of the result.
pub(super) fn broadcast<'a>(
    block: Cow<'a, Block>,
    shape: &[usize],
    from: &[Option<usize>],
) -> Cow<'a, Block> {
    let wide = (0..shape.len()).filter(|&d| shape[d] != 1).map(|d| from[d]);
    let own = (0..block.shape.len()).filter(|&d| block.shape[d] != 1).map(Some);
    match block {
        block if !wide.eq(own) => Cow::Owned(block.broadcast(shape, from)),
        block if block.shape == shape => block,
        block => Cow::Owned(block.into_owned().reshape(shape.to_vec())),
    }
}

/// Hands a block with y and x (`dims`) as its last dimensions to `f`, with the boxes of source and target in them.
fn planes(
    dims: [usize; 2],
    (block, own): &(Cow<'_, Block>, Region),
    region: &Region,
    f: impl FnOnce(&Block, [Range<usize>; 2], [Range<usize>; 2]) -> Block,
) -> Block {
    let order = planes_last(dims, block.shape.len());
    let mut back = vec![0; order.len()];
    order.iter().enumerate().for_each(|(i, &o)| back[o] = i);
    let of = |region: &Region| dims.map(|dim| region.0[dim].clone());
    f(&turned(block, &order), of(own), of(region)).into_permuted(&back)
}

/// The order of dimensions with y and x (`dims`) at the end.
pub(super) fn planes_last(dims: [usize; 2], rank: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rank).filter(|d| !dims.contains(d)).collect();
    order.extend(dims);
    order
}

/// The block with its dimensions in another order.
pub(super) fn turned<'a>(block: &'a Block, order: &[usize]) -> Cow<'a, Block> {
    if order.is_sorted() { Cow::Borrowed(block) } else { Cow::Owned(block.permute(order)) }
}

fn relabel(block: Block, dims: &[Option<usize>], region: &Region) -> Block {
    let kept: Vec<usize> = dims.iter().flatten().copied().collect();
    let dropped = (0..block.shape.len()).filter(|d| !kept.contains(d));
    let order: Vec<usize> = dropped.chain(kept.iter().copied()).collect();
    block.into_permuted(&order).reshape(region.shape())
}
