//! Regular chunk grids.

use crate::region::Region;

/// A regular partition of `shape` into boxes of size `chunk` from the origin; the last ones are cut.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ChunkGrid {
    pub shape: Vec<usize>,
    pub chunk: Vec<usize>,
}

impl ChunkGrid {
    /// Chunk sizes of zero count as one; sizes beyond the shape are cut to it.
    pub fn new(shape: Vec<usize>, chunk: Vec<usize>) -> ChunkGrid {
        debug_assert_eq!(shape.len(), chunk.len());
        let chunk = chunk.iter().zip(&shape).map(|(&c, &n)| c.clamp(1, n.max(1))).collect();
        ChunkGrid { shape, chunk }
    }

    /// Number of chunks along each dimension.
    pub fn counts(&self) -> Vec<usize> {
        self.shape.iter().zip(&self.chunk).map(|(&n, &c)| n.div_ceil(c)).collect()
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
            let position = index % counts[dim];
            index /= counts[dim];
            let start = position * self.chunk[dim];
            ranges[dim] = start..(start + self.chunk[dim]).min(self.shape[dim]);
        }
        Region(ranges)
    }

    /// Positions of all chunks that touch `region`, in C order.
    pub fn touching(&self, region: &Region) -> Vec<Vec<usize>> {
        if region.is_empty() {
            return Vec::new();
        }
        let mut positions = vec![Vec::with_capacity(self.shape.len())];
        for (range, &chunk) in region.0.iter().zip(&self.chunk) {
            let along = range.start / chunk..range.end.div_ceil(chunk);
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
        Region(
            (position.iter().zip(&self.chunk).zip(&self.shape))
                .map(|((&p, &c), &n)| (p * c).min(n)..((p + 1) * c).min(n))
                .collect(),
        )
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
}
