//! In which boxes the pixels of a part leave its tasks: those of tiles.

use eolith_cube::Region;

use super::schedule::{FeedBox, Steps, Visitor, walk};
use super::{Part, Physical, Sweep, outside, tile_shape};
use crate::logical::NodeId;
use crate::op::Op;

/// The size of most boxes that the tasks of a part hand over.
pub(super) fn shape(physical: &Physical, part: &Part) -> Vec<usize> {
    let task = part.partition.region(0);
    let mut first = First { physical, target: part.node, shape: None };
    if !outside::is_made(physical, part) && !task.is_empty() {
        match walk(physical, &part.program, &task, Steps::Samples, &mut first) {
            Ok(()) => {}
            Err(never) => match never {},
        }
    }
    let whole = task.shape();
    let fits = |shape: &Vec<usize>| shape.len() == whole.len();
    first.shape.filter(fits).unwrap_or(whole)
}

/// The tiles of the target in the first step that makes it.
struct First<'a> {
    physical: &'a Physical,
    target: NodeId,
    shape: Option<Vec<usize>>,
}

impl Visitor for First<'_> {
    type Error = std::convert::Infallible;

    fn begin(&mut self, sweep: &Sweep, boxes: &[FeedBox]) -> Result<(), Self::Error> {
        for (feed, own) in sweep.feeds.iter().zip(boxes) {
            let Some(along) = feed.along.filter(|_| feed.folds.contains(&self.target)) else {
                continue;
            };
            let mut lanes = own.source.clone();
            lanes.0[along] = 0..1;
            let mut tile = tile_shape(self.physical, feed, &lanes);
            match self.physical.logical.node(self.target).op {
                Op::Reduce { .. } => drop(tile.remove(along)),
                // One group ends after the other.
                Op::Group { .. } => tile[along] = 1,
                _ => continue,
            }
            self.shape.get_or_insert(tile);
        }
        Ok(())
    }

    fn step(
        &mut self,
        sweep: &Sweep,
        parts: &[Region],
        _: &[(NodeId, Region)],
        _: usize,
    ) -> Result<(), Self::Error> {
        for (feed, part) in sweep.feeds.iter().zip(parts) {
            if feed.folds.is_empty() && feed.source == self.target && !part.is_empty() {
                self.shape.get_or_insert_with(|| tile_shape(self.physical, feed, part));
            }
        }
        Ok(())
    }
}
