//! Windows of y and x that lie side by side: gathered as arrays from a block, or row by row while y goes by.

use std::borrow::Cow;
use std::ops::Range;

use eolith_cube::{Block, DType, Element, Region, Values, for_values};

use super::lanewise::{self, Output};
use super::operate::{planes_last, turned};
use crate::expr::{Decomposed, State};
use crate::lanes::stream::Slab;
use crate::op::Coarsen;
use crate::value::Fault;

/// The windows `region` of the result from a block with the box that it holds, in which all of their pixels are.
pub(super) fn run(
    own: &Coarsen,
    (block, have): &(Cow<'_, Block>, Region),
    region: &Region,
    dtype: DType,
) -> Result<Block, Fault> {
    let [y, x] = own.dims;
    let order = planes_last(own.dims, block.shape.len());
    let block = turned(block, &order);
    let gather = Gather::new(own, [&have.0[y], &have.0[x]], region.0[x].clone());
    let shape: Vec<usize> = order.iter().map(|&dim| region.0[dim].len()).collect();
    let mut out = Block::nulls(dtype, shape.clone());
    let mut row = shape;
    let rank = row.len();
    row[rank - 2] = 1;
    let mut start = vec![0; rank];
    for (k, window) in region.0[y].clone().enumerate() {
        let array = gather.rows(&block, window * own.size[0]..(window + 1) * own.size[0]);
        let values = lanewise::reduce(&own.expr, Cow::Owned(array), 0, None, dtype)?;
        start[rank - 2] = k;
        out.paste(&start, &values.reshape(row.clone()));
    }
    let mut back = vec![0; rank];
    order.iter().enumerate().for_each(|(i, &dim)| back[dim] = i);
    Ok(out.into_permuted(&back))
}

/// Folds windows while the rows of y go by.
pub(super) struct Rows<'a> {
    own: &'a Coarsen,
    decomposed: &'a Decomposed,
    /// Type of the source's blocks.
    source: DType,
    /// Rows of the source.
    len: usize,
    /// Columns of the source that come.
    cols: Range<usize>,
    /// The tile's box of the result.
    result: Region,
    /// The window that has begun, its state and how many of its pixels were there.
    open: Option<(usize, State<'a>, usize)>,
}

/// A window (by its number along y) whose rows have gone by.
pub(super) struct Ended<'a> {
    pub(super) window: usize,
    state: State<'a>,
}

impl<'a> Rows<'a> {
    /// `tile` is a box of the source with all columns that are needed and `len` the rows that there are; `result` is
    /// the box of the windows that are wanted.
    pub(super) fn new(
        own: &'a Coarsen,
        decomposed: &'a Decomposed,
        source: DType,
        len: usize,
        tile: &Region,
        result: Region,
    ) -> Rows<'a> {
        let cols = tile.0[own.dims[1]].clone();
        Rows { own, decomposed, source, len, cols, result, open: None }
    }

    /// The next rows: a block of the tile, whose first row is number `first`. Gives the windows that have ended.
    pub(super) fn push(&mut self, block: &Block, first: usize) -> Vec<Ended<'a>> {
        let [y, x] = self.own.dims;
        let n = block.shape[y];
        let block = turned(block, &planes_last(self.own.dims, block.shape.len()));
        let held = first..first + n;
        let gather = Gather::new(self.own, [&held, &self.cols], self.result.0[x].clone());
        let lanes = self.lanes();
        let (size, before) = (self.own.size[0], self.own.before[0]);
        let mut ended = Vec::new();
        for window in self.result.0[y].clone() {
            // Rows are counted from the first one of the first window.
            let whole = window * size..(window + 1) * size;
            let here = whole.start.max(first + before)..whole.end.min(first + n + before);
            if here.is_empty() {
                continue;
            }
            let (_, mut state, mut at) = match self.open.take() {
                Some(open) if open.0 == window => open,
                _ => (window, self.decomposed.start(self.source, lanes), 0),
            };
            let is_last = here.end == self.len + before || here.end == whole.end;
            let end = if is_last { whole.end } else { here.end };
            at = nulls(
                &mut state,
                at,
                (here.start - whole.start) * self.own.size[1],
                lanes,
                self.source,
            );
            let array = gather.rows(&block, here);
            let pixels = array.shape[0];
            let validity = array.validity.as_deref();
            state.push(at, &Slab::packed(&array.values, validity, pixels, lanes));
            at += pixels;
            if is_last {
                nulls(&mut state, at, (end - whole.start) * self.own.size[1], lanes, self.source);
                ended.push(Ended { window, state });
            } else {
                self.open = Some((window, state, at));
            }
        }
        ended
    }

    /// The box and the value of a window that has ended.
    pub(super) fn value(&self, ended: Ended<'_>, dtype: DType) -> Result<(Region, Block), Fault> {
        let [y, _] = self.own.dims;
        let mut at = self.result.clone();
        at.0[y] = ended.window..ended.window + 1;
        let order = planes_last(self.own.dims, at.0.len());
        let shape = order.iter().map(|&dim| at.0[dim].len()).collect();
        let register = ended.state.finish().map_err(|(_, fault)| fault)?;
        let block = Output::of(register, dtype, shape)?;
        let mut back = vec![0; order.len()];
        order.iter().enumerate().for_each(|(i, &dim)| back[dim] = i);
        Ok((at, block.into_permuted(&back).canonical()))
    }

    fn lanes(&self) -> usize {
        let [y, _] = self.own.dims;
        let other = self.result.0.iter().enumerate().filter(|(dim, _)| *dim != y);
        other.map(|(_, range)| range.len()).product()
    }
}

/// Pushes pixels without data until `end`, the number of the next one; gives that.
fn nulls(state: &mut State<'_>, mut at: usize, end: usize, lanes: usize, dtype: DType) -> usize {
    const TOGETHER: usize = 256;
    if at >= end {
        return at;
    }
    let block = Block::nulls(dtype, vec![TOGETHER.min(end - at), lanes]);
    while at < end {
        let n = TOGETHER.min(end - at);
        state.push(at, &Slab::packed(&block.values, block.validity.as_deref(), n, lanes));
        at += n;
    }
    at
}

/// Pixels of windows as arrays.
struct Gather<'a> {
    own: &'a Coarsen,
    /// Rows and columns of the source in the block.
    have: [&'a Range<usize>; 2],
    /// The windows along x.
    windows: Range<usize>,
}

impl<'a> Gather<'a> {
    fn new(own: &'a Coarsen, have: [&'a Range<usize>; 2], windows: Range<usize>) -> Gather<'a> {
        Gather { own, have, windows }
    }

    /// The pixels of some rows of one window along y (counted from the first row of the first window), row by row:
    /// pixels × the other dimensions × the windows along x. The last two dimensions of the block are y and x.
    fn rows(&self, block: &Block, rows: Range<usize>) -> Block {
        let rank = block.shape.len();
        let mut shape = vec![rows.len() * self.own.size[1]];
        shape.extend(&block.shape[..rank - 2]);
        shape.push(self.windows.len());
        let [held_rows, held_cols] = self.have;
        let outside = |range: Range<usize>, before: usize, held: &Range<usize>| {
            range.start < held.start + before || range.end > held.end + before
        };
        let cols = self.windows.start * self.own.size[1]..self.windows.end * self.own.size[1];
        let padded = outside(rows.clone(), self.own.before[0], held_rows)
            || outside(cols, self.own.before[1], held_cols);
        let values: Values =
            for_values!(&block.values, v => Element::wrap(self.taken(v, block, &rows, &shape)));
        let validity = match &block.validity {
            Some(mask) => Some(self.taken(mask, block, &rows, &shape)),
            None if padded => Some(self.taken(&vec![true; block.len()], block, &rows, &shape)),
            None => None,
        };
        Block { shape, values, validity }
    }

    fn taken<T: Copy + Default>(
        &self,
        values: &[T],
        block: &Block,
        rows: &Range<usize>,
        shape: &[usize],
    ) -> Vec<T> {
        let [held_rows, held_cols] = self.have;
        let [before_y, before_x] = self.own.before;
        let width = self.own.size[1];
        let rank = block.shape.len();
        let others: usize = block.shape[..rank - 2].iter().product();
        let lanes = others * self.windows.len();
        let mut out = vec![T::default(); shape.iter().product()];
        for other in 0..others {
            for (i, row) in rows.clone().enumerate() {
                let Some(row) = row.checked_sub(before_y).filter(|row| held_rows.contains(row))
                else {
                    continue;
                };
                let start = (other * held_rows.len() + row - held_rows.start) * held_cols.len();
                let row = &values[start..start + held_cols.len()];
                for (k, window) in self.windows.clone().enumerate() {
                    // Columns of the window that are there.
                    let first = window * width;
                    let from = first.max(held_cols.start + before_x);
                    let to = (first + width).min(held_cols.end + before_x);
                    let lane = other * self.windows.len() + k;
                    for col in from..to {
                        out[(i * width + col - first) * lanes + lane] =
                            row[col - before_x - held_cols.start];
                    }
                }
            }
        }
        out
    }
}
