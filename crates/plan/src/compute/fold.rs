//! A reduction of one tile while its axis goes by.

use std::sync::Arc;

use eolith_cube::{Block, DType, Region};

use super::Failure;
use super::lanewise::Output;
use super::windows;
use crate::expr::{Decomposed, State};
use crate::lanes::stream::Slab;
use crate::logical::NodeId;
use crate::op::Op;
use crate::physical::Physical;

/// The state of one reduction over the lanes of one tile.
pub(super) struct Folding<'a> {
    node: NodeId,
    decomposed: &'a Decomposed,
    /// The axis in the source.
    along: usize,
    /// Type of the source's blocks.
    source: DType,
    dtype: DType,
    lanes: usize,
    /// The tile's box of the result; along a regrouped axis the groups that are wanted.
    result: Region,
    kind: Kind<'a>,
}

enum Kind<'a> {
    /// All labels to one value.
    All {
        state: State<'a>,
        at: usize,
    },
    Groups {
        groups: &'a [Arc<[usize]>],
        open: Vec<Option<(State<'a>, usize)>>,
        next: usize,
    },
    Windows(windows::Rows<'a>),
}

impl<'a> Folding<'a> {
    /// `tile` is a box of the source with one label along the axis, `result` the box of the whole result.
    pub(super) fn new(
        physical: &'a Physical,
        node: NodeId,
        along: usize,
        tile: &Region,
        result: &Region,
    ) -> Folding<'a> {
        let own = physical.logical.node(node);
        let decomposed = physical.fold(node).expect("invariant: a fold is decomposed");
        let source = physical.logical.schema(own.inputs[0]).dtype();
        let lanes = tile.len();
        let mut box_of_tile = tile.clone();
        let kind = if let Op::Group { groups, .. } = &own.op {
            box_of_tile.0[along] = result.0[along].clone();
            let groups = &groups.as_deref().unwrap_or_default()[result.0[along].clone()];
            Kind::Groups { groups, open: groups.iter().map(|_| None).collect(), next: 0 }
        } else if let Op::Coarsen(coarsen) = &own.op {
            for dim in coarsen.dims {
                box_of_tile.0[dim] = result.0[dim].clone();
            }
            let len = physical.logical.schema(own.inputs[0]).dims[along].len().unwrap_or_default();
            let result = box_of_tile.clone();
            Kind::Windows(windows::Rows::new(coarsen, decomposed, source, len, tile, result))
        } else {
            box_of_tile.0.remove(along);
            Kind::All { state: decomposed.start(source, lanes), at: 0 }
        };
        let dtype = own.schema.dtype();
        Folding { node, decomposed, along, source, dtype, lanes, result: box_of_tile, kind }
    }

    /// The next labels of the axis: a block of the tile, whose first label is number `first`. `deliver` gets what is
    /// finished.
    pub(super) fn push<E: From<Failure>>(
        &mut self,
        block: &Block,
        first: usize,
        deliver: &mut dyn FnMut(&Region, Block) -> Result<(), E>,
    ) -> Result<(), E> {
        if let Kind::Windows(rows) = &mut self.kind {
            for ended in rows.push(block, first) {
                let value = rows.value(ended, self.dtype);
                let (at, block) = value.map_err(|fault| Failure { node: self.node, fault })?;
                deliver(&at, block)?;
            }
            return Ok(());
        }
        let n = block.shape[self.along];
        // Lanes are all dimensions but the axis; it must be the outermost one that has more than one label.
        let outer: usize = block.shape[..self.along].iter().product();
        let turned;
        let block = if outer > 1 && n > 1 {
            let mut order = vec![self.along];
            order.extend((0..block.shape.len()).filter(|d| *d != self.along));
            turned = block.permute(&order);
            &turned
        } else {
            block
        };
        let lanes = self.lanes;
        let rows = |start: usize, n: usize| Slab {
            values: &block.values,
            validity: block.validity.as_deref(),
            n,
            lanes,
            start: start * lanes,
            stride: lanes,
        };
        match &mut self.kind {
            Kind::All { state, at } => {
                state.push(*at, &rows(0, n));
                *at += n;
                Ok(())
            }
            Kind::Groups { groups, open, next } => {
                for (g, group) in groups.iter().enumerate().skip(*next) {
                    let (from, to) = (
                        group.partition_point(|&i| i < first),
                        group.partition_point(|&i| i < first + n),
                    );
                    let mut k = from;
                    while k < to {
                        // Neighbours on the axis are taken together.
                        let mut end = k + 1;
                        while end < to && group[end] == group[end - 1] + 1 {
                            end += 1;
                        }
                        let start = || (self.decomposed.start(self.source, lanes), 0);
                        let (state, at) = open[g].get_or_insert_with(start);
                        state.push(*at, &rows(group[k] - first, end - k));
                        *at += end - k;
                        k = end;
                    }
                    if to == group.len()
                        && let Some((state, _)) = open[g].take()
                    {
                        let at = group_box(&self.result, self.along, g);
                        let (at, block) = ended(self.node, self.dtype, &at, state)?;
                        deliver(&at, block)?;
                    }
                }
                while groups.get(*next).is_some_and(|g| g.last().is_none_or(|&i| i < first + n)) {
                    *next += 1;
                }
                Ok(())
            }
            Kind::Windows(_) => Ok(()),
        }
    }

    /// What is still open when the axis has gone by.
    pub(super) fn finish<E: From<Failure>>(
        self,
        deliver: &mut dyn FnMut(&Region, Block) -> Result<(), E>,
    ) -> Result<(), E> {
        match self.kind {
            Kind::All { state, .. } => {
                let (at, block) = ended(self.node, self.dtype, &self.result, state)?;
                deliver(&at, block)
            }
            Kind::Groups { groups, open, .. } => {
                for ((g, group), state) in groups.iter().enumerate().zip(open) {
                    let state = match state {
                        Some((state, _)) => state,
                        // A group without labels has the value of an empty array.
                        None if group.is_empty() => self.decomposed.start(self.source, self.lanes),
                        None => continue,
                    };
                    let at = group_box(&self.result, self.along, g);
                    let (at, block) = ended(self.node, self.dtype, &at, state)?;
                    deliver(&at, block)?;
                }
                Ok(())
            }
            // Windows end with their last row.
            Kind::Windows(_) => Ok(()),
        }
    }
}

fn group_box(result: &Region, along: usize, group: usize) -> Region {
    let mut at = result.clone();
    let first = result.0[along].start + group;
    at.0[along] = first..first + 1;
    at
}

fn ended(
    node: NodeId,
    dtype: DType,
    at: &Region,
    state: State<'_>,
) -> Result<(Region, Block), Failure> {
    let failed = |fault| Failure { node, fault };
    let register = state.finish().map_err(|(_, fault)| failed(fault))?;
    let block = Output::of(register, dtype, at.shape()).map_err(failed)?;
    Ok((at.clone(), block.canonical()))
}
