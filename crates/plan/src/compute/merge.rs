//! The aligned union of two blocks, box by box.
//!
//! Along each dimension the labels fall into runs that the first side has, the second, or both. What one side has is
//! copied; where both have pixels along all dimensions they are resolved.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::{Block, DType, Region};

use super::operate::broadcast;
use crate::compute::lanewise;
use crate::op::Merge;
use crate::value::Fault;

pub(super) fn run(
    merge: &Merge,
    inputs: &[(Cow<'_, Block>, Region)],
    region: &Region,
    dtype: DType,
) -> Result<Block, Fault> {
    let shape = region.shape();
    let Some(indices) = &merge.indices else { return Ok(Block::nulls(dtype, shape)) };
    let sides: [Side<'_>; 2] =
        std::array::from_fn(|k| Side::new(merge, &indices[k], k, &inputs[k], region));
    let [a, b] = &sides;
    let both: Vec<Vec<bool>> = (a.has.iter().zip(&b.has))
        .map(|(a, b)| a.iter().zip(b).map(|(a, b)| *a && *b).collect())
        .collect();
    let common = boxes(&both);
    if !common.is_empty() && merge.resolver.is_none() {
        return Err(Fault::new(
            "OverlapResolverMissing",
            "the data cubes overlap, so an overlap resolver is needed",
        ));
    }
    let resolved = |at: &Region| match &merge.resolver {
        Some(expr) => {
            let blocks = sides.iter().map(|side| side.part(at)).collect();
            lanewise::map(expr, blocks, at.shape(), dtype)
        }
        None => Err(Fault::new("Internal", "there is nothing to resolve")),
    };
    if let [only] = common.as_slice()
        && only.shape() == shape
    {
        return resolved(only);
    }
    let mut out = Block::nulls(dtype, shape);
    for side in &sides {
        for at in boxes(&side.has) {
            out.paste(&starts(&at), &side.part(&at));
        }
    }
    for at in &common {
        out.paste(&starts(at), &resolved(at)?);
    }
    Ok(out)
}

/// One input, its labels in the order of the result's.
struct Side<'a> {
    block: Cow<'a, Block>,
    /// For each dimension of the result which of its labels the input has.
    has: Vec<Vec<bool>>,
    /// The input's dimension for each of the result's; `None` where it is repeated.
    dims: &'a [Option<usize>],
}

impl<'a> Side<'a> {
    fn new(
        merge: &'a Merge,
        indices: &[crate::op::LabelMap],
        side: usize,
        (block, own): &'a (Cow<'a, Block>, Region),
        region: &Region,
    ) -> Side<'a> {
        let dims = &merge.dims[side];
        let mut block = Cow::Borrowed(&**block);
        let mut has = Vec::with_capacity(region.0.len());
        for ((dim, map), range) in dims.iter().zip(indices).zip(&region.0) {
            let map = &map[range.clone()];
            has.push(map.iter().map(Option::is_some).collect());
            let Some(dim) = *dim else { continue };
            let start = own.0[dim].start;
            let kept: Vec<usize> = map.iter().flatten().map(|i| i - start).collect();
            if !kept.iter().copied().eq(0..block.shape[dim]) {
                block = Cow::Owned(block.take(dim, &kept));
            }
        }
        Side { block, has, dims }
    }

    /// The pixels of a box of the result all of whose labels the input has.
    fn part(&self, at: &Region) -> Cow<'_, Block> {
        let mut own = Region::whole(&self.block.shape);
        for ((dim, has), range) in self.dims.iter().zip(&self.has).zip(&at.0) {
            if let Some(dim) = *dim {
                let before = has[..range.start].iter().filter(|has| **has).count();
                own.0[dim] = before..before + range.len();
            }
        }
        let part = if own.shape() == self.block.shape {
            Cow::Borrowed(&*self.block)
        } else {
            Cow::Owned(self.block.slice(&own))
        };
        broadcast(part, &at.shape(), self.dims)
    }
}

/// The boxes of runs of flags along each dimension.
fn boxes(flags: &[Vec<bool>]) -> Vec<Region> {
    let mut boxes = vec![Vec::with_capacity(flags.len())];
    for flags in flags {
        let mut runs: Vec<Range<usize>> = Vec::new();
        for i in (0..flags.len()).filter(|&i| flags[i]) {
            match runs.last_mut() {
                Some(run) if run.end == i => run.end += 1,
                _ => runs.push(i..i + 1),
            }
        }
        boxes = (boxes.iter())
            .flat_map(|before| {
                runs.iter().map(move |run| before.iter().chain([run]).cloned().collect())
            })
            .collect();
    }
    boxes.into_iter().map(Region).collect()
}

fn starts(at: &Region) -> Vec<usize> {
    at.0.iter().map(|range| range.start).collect()
}
