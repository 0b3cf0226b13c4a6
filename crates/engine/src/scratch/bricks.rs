//! Where the pixels of a result lie in its store: brick after brick, each in C order.
//!
//! A brick is what the reader of the result reads at once. Writers bring other boxes; with bricks neither side moves
//! a few pixels at a time, which a file pays for dearly. A single brick is plain C order.

use eolith_cube::{ChunkGrid, Region};

use crate::place::runs;

#[derive(Debug)]
pub(super) struct Bricks(ChunkGrid);

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
        Bricks(ChunkGrid::new(shape.to_vec(), brick))
    }

    pub(super) fn shape(&self) -> &[usize] {
        &self.0.shape
    }

    /// The pixels of a box, brick by brick.
    pub(super) fn pieces(&self, region: &Region) -> impl Iterator<Item = Piece> {
        self.0.touching(region).into_iter().filter_map(|position| {
            let brick = self.0.region_at(&position);
            let region = brick.intersect(region)?;
            let start = self.start(&brick);
            let mut runs = runs(&brick.shape(), &region.relative_to(&brick));
            for (offset, _, _) in &mut runs {
                *offset += start;
            }
            Some(Piece { region, runs })
        })
    }

    /// Pixels of all bricks before this one: those before it along the first dimension, of the same along that those
    /// before it along the second one, and so on.
    fn start(&self, brick: &Region) -> usize {
        let (mut start, mut same) = (0, 1);
        let mut rest: usize = self.0.shape.iter().product();
        for (range, n) in brick.0.iter().zip(&self.0.shape) {
            rest /= n;
            start += same * range.start * rest;
            same *= range.len();
        }
        start
    }
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
        for brick in [vec![3, 5, 7], vec![2, 2, 3], vec![1, 5, 2], vec![3, 1, 7]] {
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
    fn a_brick_is_one_run() {
        let bricks = Bricks::new(&[4, 6], vec![4, 3]);
        let pieces: Vec<Piece> = bricks.pieces(&Region(vec![0..4, 3..6])).collect();
        assert_eq!(pieces.len(), 1);
        assert_eq!(pieces[0].runs, [(12, 0, 12)]);
    }
}
