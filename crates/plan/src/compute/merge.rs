//! The aligned union of two blocks.

use std::borrow::Cow;

use eolith_cube::{Block, DType, Region};

use crate::compute::lanewise;
use crate::op::Merge;
use crate::value::Fault;

/// Stands for "this side has no pixel here".
const NONE: usize = usize::MAX;

pub(super) fn run(
    merge: &Merge,
    inputs: &[(Cow<'_, Block>, Region)],
    region: &Region,
    dtype: DType,
) -> Result<Block, Fault> {
    let shape = region.shape();
    let sides: Vec<Vec<usize>> = (0..2)
        .map(|side| positions(merge, side, &inputs[side].0, &inputs[side].1, region))
        .collect();
    let mut out = Block::nulls(dtype, shape);
    let mut both = Vec::new();
    for (i, (&a, &b)) in sides[0].iter().zip(&sides[1]).enumerate() {
        match (a, b) {
            (NONE, NONE) => {}
            (a, NONE) => set(&mut out, i, &inputs[0].0, a),
            (NONE, b) => set(&mut out, i, &inputs[1].0, b),
            (_, _) => both.push(i),
        }
    }
    if !both.is_empty() {
        let expr = merge.resolver.as_ref().ok_or_else(|| {
            Fault::new(
                "OverlapResolverMissing",
                "the data cubes overlap, so an overlap resolver is needed",
            )
        })?;
        let gathered: Vec<Cow<'_, Block>> = (0..2)
            .map(|side| {
                let flat = inputs[side].0.clone().into_owned();
                let len = flat.len();
                let indices: Vec<usize> = both.iter().map(|&i| sides[side][i]).collect();
                Cow::Owned(flat.reshape(vec![len]).take(0, &indices))
            })
            .collect();
        let resolved = lanewise::map(expr, gathered, vec![both.len()], dtype)?;
        for (k, &i) in both.iter().enumerate() {
            set(&mut out, i, &resolved, k);
        }
    }
    Ok(out)
}

fn set(out: &mut Block, index: usize, from: &Block, at: usize) {
    if let Some(number) = from.get(at) {
        out.values.set(index, number);
        if let Some(mask) = &mut out.validity {
            mask[index] = true;
        }
    }
}

/// For every pixel of `region` the flat position in the input's block.
fn positions(
    merge: &Merge,
    side: usize,
    block: &Block,
    own: &Region,
    region: &Region,
) -> Vec<usize> {
    let Some(indices) = &merge.indices else { return vec![NONE; region.len()] };
    let mut stride = vec![1; block.shape.len()];
    for d in (1..block.shape.len()).rev() {
        stride[d - 1] = stride[d] * block.shape[d];
    }
    let mut flat = vec![0];
    for ((dim, map), range) in merge.dims[side].iter().zip(&indices[side]).zip(&region.0) {
        let steps: Vec<usize> = map[range.clone()]
            .iter()
            .map(|index| match (index, dim) {
                (None, _) => NONE,
                (Some(_), None) => 0,
                (Some(i), Some(d)) => (i - own.0[*d].start) * stride[*d],
            })
            .collect();
        flat = (flat.iter())
            .flat_map(|&base| {
                steps
                    .iter()
                    .map(move |&step| if base == NONE || step == NONE { NONE } else { base + step })
            })
            .collect();
    }
    flat
}
