//! Regular chunk grids.

use std::ops::Range;

use crate::region::Region;

/// A regular partition of `shape` into boxes of size `chunk`; the first and the last ones may be cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChunkGrid {
    pub shape: Vec<usize>,
    pub chunk: Vec<usize>,
    /// How far the first box of each dimension is cut short.
    phase: Vec<usize>,
}

impl ChunkGrid {
    /// Chunk sizes of zero count as one; sizes beyond the shape are cut to it.
    pub fn new(shape: Vec<usize>, chunk: Vec<usize>) -> ChunkGrid {
        debug_assert_eq!(shape.len(), chunk.len());
        let chunk = chunk.iter().zip(&shape).map(|(&c, &n)| c.clamp(1, n.max(1))).collect();
        let phase = vec![0; shape.len()];
        ChunkGrid { shape, chunk, phase }
    }

    /// With cuts where those of a larger grid are, in which the shape begins at `origin`. A dimension that is one chunk
    /// is not cut.
    pub fn aligned(shape: Vec<usize>, chunk: Vec<usize>, origin: &[usize]) -> ChunkGrid {
        let grid = ChunkGrid::new(shape, chunk);
        let phase = (origin.iter().zip(&grid.chunk).zip(&grid.shape))
            .map(|((&o, &c), &n)| if c >= n { 0 } else { o % c })
            .collect();
        ChunkGrid { phase, ..grid }
    }

    /// Number of chunks along each dimension.
    pub fn counts(&self) -> Vec<usize> {
        let count = |((&n, &c), &phase): ((&usize, &usize), &usize)| {
            if n == 0 { 0 } else { (n + phase).div_ceil(c) }
        };
        self.shape.iter().zip(&self.chunk).zip(&self.phase).map(count).collect()
    }

    /// Number of chunks.
    pub fn len(&self) -> usize {
        self.counts().iter().product()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The box of chunk `index` (C order).
    pub fn region(&self, mut index: usize) -> Region {
        let counts = self.counts();
        let mut ranges = vec![0..0; counts.len()];
        for dim in (0..counts.len()).rev() {
            ranges[dim] = self.range(dim, index % counts[dim]);
            index /= counts[dim];
        }
        Region(ranges)
    }

    /// Positions of all chunks that touch `region`, in C order.
    pub fn touching(&self, region: &Region) -> Vec<Vec<usize>> {
        if region.is_empty() {
            return Vec::new();
        }
        let mut positions = vec![Vec::with_capacity(self.shape.len())];
        for ((range, &chunk), &phase) in region.0.iter().zip(&self.chunk).zip(&self.phase) {
            let along = (range.start + phase) / chunk..(range.end + phase).div_ceil(chunk);
            positions = (positions.into_iter())
                .flat_map(|prefix| {
                    along.clone().map(move |p| {
                        let mut position = prefix.clone();
                        position.push(p);
                        position
                    })
                })
                .collect();
        }
        positions
    }

    /// The box of the chunk at `position`.
    pub fn region_at(&self, position: &[usize]) -> Region {
        Region(position.iter().enumerate().map(|(dim, &p)| self.range(dim, p)).collect())
    }

    fn range(&self, dim: usize, position: usize) -> Range<usize> {
        let cut =
            |k: usize| (k * self.chunk[dim]).saturating_sub(self.phase[dim]).min(self.shape[dim]);
        cut(position)..cut(position + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_cover_the_shape_once() {
        let grid = ChunkGrid::new(vec![5, 7], vec![2, 3]);
        assert_eq!(grid.counts(), [3, 3]);
        let total: usize = (0..grid.len()).map(|i| grid.region(i).len()).sum();
        assert_eq!(total, 35);
        assert_eq!(grid.region(8), Region(vec![4..5, 6..7]));
        assert_eq!(grid.touching(&Region(vec![1..3, 6..7])), [[0, 2], [1, 2]]);
    }

    #[test]
    fn cuts_lie_on_those_of_a_larger_grid() {
        // It begins 300 pixels into a grid of 1024.
        let grid = ChunkGrid::aligned(vec![3, 2500], vec![1, 1024], &[0, 300]);
        assert_eq!(grid.len(), 9);
        let along: Vec<_> = (0..3).map(|i| grid.region(i).0[1].clone()).collect();
        assert_eq!(along, [0..724, 724..1748, 1748..2500]);
        let total: usize = (0..grid.len()).map(|i| grid.region(i).len()).sum();
        assert_eq!(total, 3 * 2500);
        assert_eq!(grid.touching(&Region(vec![1..2, 723..725])), [[1, 0], [1, 1]]);
        assert_eq!(grid.region_at(&[1, 1]), grid.region(4));
        assert!(ChunkGrid::aligned(vec![0, 5], vec![1, 2], &[0, 0]).is_empty());
        assert_eq!(ChunkGrid::aligned(vec![5], vec![9], &[3]).counts(), [1]);
    }
}
