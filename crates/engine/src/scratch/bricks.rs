//! Where the pixels of a result lie in its store: brick after brick, each in C order.
//!
//! A brick is what the reader of the result reads at once, or where nobody reads it, what its writers bring at once:
//! then those of a task lie side by side. With bricks nobody moves a few pixels at a time, which a file pays for dearly.
//! A single brick is plain C order.

use eolith_cube::{ChunkGrid, Region};

use crate::place::runs;

#[derive(Debug)]
pub(super) struct Bricks {
    /// Boxes whose bricks begin with their first pixel.
    tasks: ChunkGrid,
    brick: Vec<usize>,
}

/// The part of a box that lies in one brick.
#[derive(Debug)]
pub(super) struct Piece {
    /// In the indices of the whole.
    pub(super) region: Region,
    /// Contiguous runs: offset in the store, offset in the part, length.
    pub(super) runs: Vec<(usize, usize, usize)>,
}

impl Bricks {
    /// One brick.
    pub(super) fn whole(shape: &[usize]) -> Bricks {
        Bricks::new(shape, shape.to_vec())
    }

    /// `brick` in the dimensions of `shape`.
    pub(super) fn new(shape: &[usize], brick: Vec<usize>) -> Bricks {
        Bricks { tasks: ChunkGrid::new(shape.to_vec(), shape.to_vec()), brick }
    }

    /// For tasks that bring boxes of the size `brick`: plain C order where such a box is one run in it.
    pub(super) fn brought(tasks: &ChunkGrid, brick: Vec<usize>) -> Bricks {
        let corner =
            Region((brick.iter().zip(&tasks.shape)).map(|(&brick, &n)| 0..brick.min(n)).collect());
        if runs(&tasks.shape, &corner).len() < 2 {
            return Bricks::whole(&tasks.shape);
        }
        Bricks { tasks: tasks.clone(), brick }
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.tasks.shape
    }

    /// The pixels of a box, brick by brick.
    pub(super) fn pieces(&self, region: &Region) -> impl Iterator<Item = Piece> {
        self.tasks.touching(region).into_iter().flat_map(move |position| {
            let task = self.tasks.region_at(&position);
            let first = start(self.shape(), &task);
            let bricks = ChunkGrid::new(task.shape(), self.brick.clone());
            let inside = task.intersect(region).map(|region| region.relative_to(&task));
            let touched = inside.map_or_else(Vec::new, |inside| bricks.touching(&inside));
            touched.into_iter().filter_map(move |position| {
                let own = bricks.region_at(&position);
                let first = first + start(&bricks.shape, &own);
                let brick = own.within(&task);
                let region = brick.intersect(region)?;
                let mut runs = runs(&brick.shape(), &region.relative_to(&brick));
                for (offset, _, _) in &mut runs {
                    *offset += first;
                }
                Some(Piece { region, runs })
            })
        })
    }
}

/// Pixels of all boxes of a partition before this one: those before it along the first dimension, of the same along that
/// those before it along the second one, and so on.
fn start(shape: &[usize], own: &Region) -> usize {
    let (mut start, mut same) = (0, 1);
    let mut rest: usize = shape.iter().product();
    for (range, n) in own.0.iter().zip(shape) {
        rest /= n;
        start += same * range.start * rest;
        same *= range.len();
    }
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxes(shape: &[usize]) -> Vec<Region> {
        let grid = ChunkGrid::new(shape.to_vec(), vec![2, 3, 4]);
        (0..grid.len()).map(|i| grid.region(i)).collect()
    }

    #[test]
    fn every_pixel_has_a_place_of_its_own() {
        let shape = [3, 5, 7];
        for brick in [shape.to_vec(), vec![2, 2, 3], vec![1, 5, 2], vec![3, 1, 7]] {
            let bricks = Bricks::new(&shape, brick);
            let mut seen = vec![0; 105];
            for box_of in boxes(&shape) {
                let mut pixels = 0;
                for piece in bricks.pieces(&box_of) {
                    let mut at = 0;
                    for (offset, own, run) in piece.runs {
                        assert_eq!(own, at);
                        at += run;
                        seen[offset..offset + run].iter_mut().for_each(|n| *n += 1);
                    }
                    assert_eq!(at, piece.region.len());
                    pixels += at;
                }
                assert_eq!(pixels, box_of.len());
            }
            assert!(seen.iter().all(|&n| n == 1));
        }
    }

    #[test]
    fn boxes_of_tasks_are_runs() {
        let tasks = ChunkGrid::aligned(vec![3, 10, 8], vec![3, 5, 4], &[0, 1, 0]);
        let bricks = Bricks::brought(&tasks, vec![3, 2, 4]);
        let mut seen = vec![0; 240];
        for task in (0..tasks.len()).map(|i| tasks.region(i)) {
            let tiles = ChunkGrid::new(task.shape(), vec![3, 2, 4]);
            for tile in (0..tiles.len()).map(|i| tiles.region(i).within(&task)) {
                let pieces: Vec<Piece> = bricks.pieces(&tile).collect();
                assert_eq!(pieces.len(), 1, "{tile:?}");
                assert_eq!((&pieces[0].region, pieces[0].runs.len()), (&tile, 1));
                let (first, _, run) = pieces[0].runs[0];
                seen[first..first + run].iter_mut().for_each(|n| *n += 1);
            }
        }
        assert!(seen.iter().all(|&n| n == 1));
        let whole = Region(vec![0..3, 4..6, 3..5]);
        assert_eq!(bricks.pieces(&whole).map(|piece| piece.region.len()).sum::<usize>(), 12);
        // Whole rows of the last plane are one run as they are.
        let rows = Bricks::brought(&tasks, vec![1, 2, 8]);
        assert_eq!(rows.pieces(&Region::whole(&[3, 10, 8])).count(), 1);
    }

    #[test]
    fn a_brick_is_one_run() {
        let bricks = Bricks::new(&[4, 6], vec![4, 3]);
        let pieces: Vec<Piece> = bricks.pieces(&Region(vec![0..4, 3..6])).collect();
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].runs, [(12, 0, 12)]);
    }
}
