//! One tile: the operators between what is read or held and the source of a feed.

use std::borrow::Cow;

use eolith_cube::{Block, Region};

use super::{Failure, Frames, Held, Workers, operate};
use crate::logical::NodeId;
use crate::physical::{Feed, Physical};

/// Where the tiles of a step get their pixels.
pub(super) struct Tiles<'a, E> {
    pub(super) physical: &'a Physical,
    pub(super) held: &'a Held,
    pub(super) frames: &'a dyn Frames<E>,
    pub(super) workers: &'a (dyn Workers + Sync),
}

impl<E: From<Failure>> Tiles<'_, E> {
    /// The block of a box of the feed's source.
    pub(super) fn compute(&self, feed: &Feed, region: &Region) -> Result<Block, E> {
        if region.is_empty() {
            let dtype = self.physical.logical.schema(feed.source).dtype();
            return Ok(Block::nulls(dtype, region.shape()));
        }
        let Some(last) = feed.nodes.len().checked_sub(1) else {
            return self.outside(feed.source, region);
        };
        let mut regions: Vec<Option<Region>> = vec![None; feed.nodes.len()];
        regions[last] = Some(region.clone());
        let mut needs: Vec<Vec<Region>> = vec![Vec::new(); feed.nodes.len()];
        let mut last_use = vec![last; feed.nodes.len()];
        for k in (0..=last).rev() {
            // Nothing of a node is needed where a merge has only pixels of the other side.
            let Some(region) = regions[k].clone().filter(|region| !region.is_empty()) else {
                continue;
            };
            let id = feed.nodes[k];
            let needed = self.physical.needs(id, &region);
            for (input, need) in self.physical.logical.node(id).inputs.iter().zip(&needed) {
                if let Ok(j) = feed.nodes.binary_search(input) {
                    if regions[j].is_none() {
                        last_use[j] = k;
                    }
                    regions[j] = Some(match regions[j].take() {
                        Some(other) => other.hull(need),
                        None => need.clone(),
                    });
                }
            }
            needs[k] = needed;
        }
        let mut done: Vec<Option<Block>> = vec![None; feed.nodes.len()];
        for k in 0..=last {
            let Some(region) = &regions[k] else { continue };
            let id = feed.nodes[k];
            done[k] = Some(if region.is_empty() {
                let dtype = self.physical.logical.schema(id).dtype();
                Block::nulls(dtype, region.shape())
            } else {
                let inputs = &self.physical.logical.node(id).inputs;
                // What nobody needs afterwards is given away.
                let last = |j: usize, input: &NodeId| {
                    last_use[j] == k && inputs.iter().filter(|other| *other == input).count() == 1
                };
                let given: Vec<Option<Block>> = (inputs.iter())
                    .map(|input| {
                        let j = feed.nodes.binary_search(input).ok()?;
                        if last(j, input) { done[j].take() } else { None }
                    })
                    .collect();
                let inputs = self.inputs(feed, id, &needs[k], given, &regions, &done)?;
                self.operate(id, region, inputs)?
            });
            for input in &self.physical.logical.node(id).inputs {
                if let Ok(j) = feed.nodes.binary_search(input)
                    && last_use[j] == k
                    && let Some(block) = done[j].take()
                {
                    block.recycle();
                }
            }
        }
        Ok(done[last].take().expect("invariant: the source is computed last"))
    }

    /// The blocks that a node needs: given away, lent, or from outside of the feed.
    fn inputs<'b>(
        &self,
        feed: &Feed,
        id: NodeId,
        needs: &[Region],
        given: Vec<Option<Block>>,
        regions: &[Option<Region>],
        done: &'b [Option<Block>],
    ) -> Result<Vec<(Cow<'b, Block>, Region)>, E> {
        let node = self.physical.logical.node(id);
        let mut inputs = Vec::with_capacity(needs.len());
        for ((input, need), given) in node.inputs.iter().zip(needs).zip(given) {
            let block = match feed.nodes.binary_search(input) {
                Ok(j) => {
                    let block = given.map(Cow::Owned).or(done[j].as_ref().map(Cow::Borrowed));
                    let block = block.expect("invariant: inputs come first");
                    let have = regions[j].as_ref().expect("invariant: an input has a region");
                    if have == need { block } else { Cow::Owned(slice(&block, have, need)) }
                }
                Err(_) => Cow::Owned(self.outside(*input, need)?),
            };
            inputs.push((block, need.clone()));
        }
        Ok(inputs)
    }

    fn operate(
        &self,
        id: NodeId,
        region: &Region,
        inputs: Vec<(Cow<'_, Block>, Region)>,
    ) -> Result<Block, E> {
        let made = operate::run(self.physical, id, region, inputs, self.workers)
            .map_err(|fault| Failure { node: id, fault })?;
        // What lies under the mask is nobody's business before pixels leave their tile.
        Ok(made.cast(self.physical.logical.schema(id).dtype()))
    }

    /// Pixels of a node that the feed does not compute.
    fn outside(&self, id: NodeId, region: &Region) -> Result<Block, E> {
        if region.is_empty() {
            let dtype = self.physical.logical.schema(id).dtype();
            return Ok(Block::nulls(dtype, region.shape()));
        }
        if let Some((have, block)) = self.held.get(&id) {
            return Ok(slice(block, have, region));
        }
        debug_assert!(
            self.physical.logical.node(id).op.is_read() || self.physical.is_stored(id),
            "what is neither computed nor held is read"
        );
        self.frames.read(id, region)
    }
}

/// The part `need` of a block that holds `have`.
fn slice(block: &Block, have: &Region, need: &Region) -> Block {
    if need.is_empty() {
        return Block::nulls(block.dtype(), need.shape());
    }
    block.slice(&need.relative_to(have))
}
