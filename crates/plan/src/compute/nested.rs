//! Cells of a block, each computed by its own plan.

use std::borrow::Cow;
use std::sync::Mutex;

use eolith_cube::{Block, DType, Region};

use super::{Context, Failure, FirstError, Frames, Serial, Workers, lock, paste};
use crate::logical::NodeId;
use crate::nested::{Cell, Nested, Partition};
use crate::op::Op;
use crate::physical::Physical;
use crate::value::Fault;

/// Blocks with the boxes they hold.
type Inputs<'a> = [(Cow<'a, Block>, Region)];

/// The block of `region` of a nested operator. Windows are computed one after the other, since their tiles run side by
/// side; areas side by side.
pub(super) fn run(
    physical: &Physical,
    id: NodeId,
    nested: &Nested,
    inputs: &Inputs<'_>,
    region: &Region,
    workers: &(dyn Workers + Sync),
) -> Result<Block, Fault> {
    let dtype = physical.logical.schema(id).dtype();
    let cells = nested.partition.touching(region);
    let (out, workers): (Block, &(dyn Workers + Sync)) = match nested.partition {
        Partition::Windows(_) => (Block::nulls(dtype, region.shape()), &Serial),
        Partition::Areas { .. } => {
            let (block, have) = &inputs[0];
            (block.slice(&region.relative_to(have)).cast(dtype), workers)
        }
    };
    let out = Mutex::new(out);
    let first_error = FirstError::default();
    workers.each(cells.len(), &|i| {
        let outcome = cell(physical, id, nested, cells[i], inputs, region, &out);
        first_error.note(i, outcome.map_err(|failure| failure.fault));
    });
    first_error.result()?;
    Ok(out.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner))
}

/// Computes what a box needs of one cell and writes it there.
fn cell(
    physical: &Physical,
    id: NodeId,
    nested: &Nested,
    index: usize,
    inputs: &Inputs<'_>,
    region: &Region,
    out: &Mutex<Block>,
) -> Result<(), Failure> {
    let cell = nested.partition.cell(index);
    let Some(wanted) = cell.core.intersect(region) else { return Ok(()) };
    let cells = physical.cells(id).expect("invariant: physical planning prepares every cell");
    let plan = &cells.plans[nested.cells[index]];
    let given = Given { physical: &plan.physical, cell: &cell, inputs };
    let target = cell.inside(&wanted);
    let emit = |at: &Region, block: Block| {
        // Where the pixels belong in the block of the operator.
        let place: Vec<std::ops::Range<usize>> = (at.0.iter().zip(&wanted.0).zip(&target.0))
            .zip(&region.0)
            .map(|(((at, wanted), target), region)| {
                let start = at.start - target.start + wanted.start - region.start;
                start..start + at.len()
            })
            .collect();
        write(nested, index, out, region, &Region(place), block);
        Ok(())
    };
    let mut open = |_: &[(NodeId, Region)]| Ok(Box::new(given) as Box<dyn Frames<Failure> + '_>);
    let context = Context { open: &mut open, emit: &emit, workers: &Serial };
    super::run(&plan.physical, &plan.program, &target, context)
}

/// Writes finished pixels; of an area only its own.
fn write(
    nested: &Nested,
    index: usize,
    out: &Mutex<Block>,
    region: &Region,
    place: &Region,
    block: Block,
) {
    let Partition::Areas { dims: [y, x], areas, .. } = &nested.partition else {
        paste(out, place, &block);
        return;
    };
    let rows = place.0[*y].clone();
    let mut out = lock(out);
    for row in rows.clone() {
        for span in areas[index].spans(row + region.0[*y].start) {
            let first = region.0[*x].start;
            let (left, end) = (span.start.max(first) - first, span.end.saturating_sub(first));
            let cols = left.max(place.0[*x].start)..end.min(place.0[*x].end);
            if cols.is_empty() {
                continue;
            }
            let mut part = place.clone();
            (part.0[*y], part.0[*x]) = (row..row + 1, cols);
            let start: Vec<usize> = part.0.iter().map(|range| range.start).collect();
            out.paste(&start, &block.slice(&part.relative_to(place)));
        }
    }
}

/// What a plan of a cell reads: pixels of the blocks of the operator's inputs.
#[derive(Clone, Copy)]
struct Given<'a> {
    physical: &'a Physical,
    cell: &'a Cell,
    inputs: &'a Inputs<'a>,
}

impl Frames<Failure> for Given<'_> {
    fn read(&self, id: NodeId, region: &Region) -> Result<Block, Failure> {
        let node = self.physical.logical.node(id);
        let Op::Parameter(k) = node.op else {
            let fault = Fault::new("Internal", "the plan of a cell reads parameters only");
            return Err(Failure { node: id, fault });
        };
        let (block, have) = &self.inputs[k];
        if k > 0 {
            return Ok(block.slice(&region.relative_to(have)));
        }
        Ok(read(block, have, self.cell, region, node.schema.dtype()))
    }
}

/// A box of a cell; no-data beyond the cube.
fn read(block: &Block, have: &Region, cell: &Cell, region: &Region, dtype: DType) -> Block {
    let mut start = Vec::with_capacity(region.0.len());
    let mut inner = Vec::with_capacity(region.0.len());
    for ((range, &first), have) in region.0.iter().zip(&cell.start).zip(&have.0) {
        let at = |i: usize| i as isize + first;
        let own = at(range.start).max(have.start as isize)..at(range.end).min(have.end as isize);
        start.push((own.start - at(range.start)).max(0) as usize);
        let offset = own.start - have.start as isize;
        inner.push(offset as usize..(offset + (own.end - own.start).max(0)) as usize);
    }
    let part = || block.slice(&Region(inner.clone())).cast(dtype);
    let shape = region.shape();
    if inner.iter().map(ExactSizeIterator::len).eq(shape.iter().copied()) {
        return part();
    }
    let mut out = Block::nulls(dtype, shape);
    if !inner.iter().any(std::ops::Range::is_empty) {
        out.paste(&start, &part());
    }
    out
}
