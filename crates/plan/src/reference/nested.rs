//! Nested operators: cell by cell, pixel by pixel.

use eolith_cube::{Block, DType, Number};

use super::{Pixel, Plain, each};
use crate::compute::Failure;
use crate::nested::{Cell, Nested, Partition};
use crate::op::Op;
use crate::value::Fault;

/// The pixels of the result; what belongs to no cell stays.
pub(super) fn run(
    nested: &Nested,
    inputs: &[&Plain],
    shape: &[usize],
) -> Result<Vec<Pixel>, Fault> {
    let mut pixels = match nested.partition {
        Partition::Windows(_) => vec![None; shape.iter().product()],
        Partition::Areas { .. } => inputs[0].pixels.clone(),
    };
    for i in 0..nested.partition.len() {
        let cell = nested.partition.cell(i);
        let (logical, result) = (&nested.plan(i).logical, nested.plan(i).result());
        let found = super::evaluate(logical, result, |id| -> Result<Block, Failure> {
            let node = logical.node(id);
            let dtype = node.schema.dtype();
            match node.op {
                Op::Parameter(0) => given(&cell, inputs[0], dtype),
                Op::Parameter(k) => Ok(inputs[k].block(dtype)),
                _ => Err(Fault::new("Internal", "the plan of a cell reads parameters only")),
            }
            .map_err(|fault| Failure { node: id, fault })
        });
        let found = Plain::of(&found.map_err(|failure| failure.fault)?);
        each(&cell.core.shape(), |index| {
            let at: Vec<usize> = index.iter().zip(&cell.core.0).map(|(i, r)| i + r.start).collect();
            if belongs(&nested.partition, i, &at) {
                let inside: Vec<usize> = (at.iter().zip(&cell.start))
                    .map(|(&i, &start)| (i as isize - start) as usize)
                    .collect();
                pixels[flat(&at, shape)] = found.at(&inside);
            }
            Ok(None)
        })?;
    }
    Ok(pixels)
}

/// What a cell is given: no-data where it reaches beyond the cube.
fn given(cell: &Cell, input: &Plain, dtype: DType) -> Result<Block, Fault> {
    let pixels = each(&cell.shape, |index| {
        let at: Vec<isize> =
            index.iter().zip(&cell.start).map(|(&i, &start)| i as isize + start).collect();
        let inside = at.iter().zip(&input.shape).all(|(&i, &n)| i >= 0 && i < n as isize);
        let found: Option<Number> = if inside {
            input.at(&at.iter().map(|&i| i as usize).collect::<Vec<_>>())
        } else {
            None
        };
        Ok(found)
    })?;
    Ok(Plain { shape: cell.shape.clone(), pixels, is_bool: false }.block(dtype))
}

fn belongs(partition: &Partition, cell: usize, at: &[usize]) -> bool {
    match partition {
        Partition::Windows(_) => true,
        Partition::Areas { dims: [y, x], areas, .. } => areas[cell].contains(at[*y], at[*x]),
    }
}

fn flat(index: &[usize], shape: &[usize]) -> usize {
    index.iter().zip(shape).fold(0, |flat, (i, n)| flat * n + i)
}
