//! How large the chunks of an array are, and how it is cut into them.

use std::collections::BTreeMap;
use std::ops::Range;

use eolith_cube::{Block, ChunkGrid, Number, Values};

use super::Layout;
use crate::sink::{Options, SinkError, file};

/// The chunks of all arrays of a file, and how they are read and encoded: every piece is a chunk of some bands.
pub(in crate::sink) struct Pieces {
    pub(in crate::sink) grid: ChunkGrid,
    bands: usize,
    bands_at_once: usize,
}

impl Pieces {
    /// `chunk` in the dimensions of the file. Bands that lie beside each other in the result are read at once.
    pub(in crate::sink) fn new(layout: &Layout, chunk: Vec<usize>) -> Pieces {
        let bands = layout.outputs.len();
        let bands_at_once = if layout.interleaved() { bands.max(1) } else { 1 };
        Pieces { grid: ChunkGrid::new(layout.shape(), chunk), bands, bands_at_once }
    }

    pub(in crate::sink) fn len(&self) -> usize {
        self.grid.len() * self.bands.div_ceil(self.bands_at_once)
    }

    /// The chunk and the bands of piece `n`: chunk by chunk in C order.
    pub(in crate::sink) fn piece(&self, n: usize) -> (usize, Range<usize>) {
        let groups = self.bands.div_ceil(self.bands_at_once);
        let first = n % groups * self.bands_at_once;
        (n / groups, first..(first + self.bands_at_once).min(self.bands))
    }

    /// Pixels of the largest piece.
    pub(in crate::sink) fn pixels(&self) -> u64 {
        let chunk = self.grid.chunk.iter().fold(1, |n: u64, &len| n.saturating_mul(len as u64));
        chunk.saturating_mul(self.bands_at_once as u64)
    }
}

/// The block at the start of a whole chunk of `fill` (zero without one).
pub(in crate::sink) fn whole(block: Block, chunk: &[usize], fill: Option<Number>) -> Block {
    if block.shape == chunk {
        return block;
    }
    let mut value = Values::zeros(block.dtype(), 1);
    if let Some(fill) = fill {
        value.set(0, fill);
    }
    let mut whole = Block::new(vec![], value).broadcast(chunk, &vec![None; chunk.len()]);
    whole.paste(&vec![0; chunk.len()], &block);
    whole
}

/// The sizes that the option `name` gives to dimensions, an object of names and numbers.
pub(in crate::sink) fn sizes(
    options: &Options,
    format: &'static str,
    name: &str,
    layout: &Layout,
) -> Result<Option<Vec<Option<usize>>>, SinkError> {
    let Some(value) = options.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let refuse = |reason: String| file::refuse(format, name, reason);
    let object =
        value.as_object().ok_or_else(|| refuse(format!("{value} is no object of dimensions")))?;
    let mut wanted: BTreeMap<&str, usize> = BTreeMap::new();
    for (dim, size) in object {
        let size = size.as_u64().filter(|size| *size > 0).and_then(|n| usize::try_from(n).ok());
        let size =
            size.ok_or_else(|| refuse(format!("the size of `{dim}` is no number from 1")))?;
        wanted.insert(dim, size);
    }
    let sizes: Vec<Option<usize>> =
        layout.dims.iter().map(|dim| wanted.remove(dim.name.as_str())).collect();
    if let Some(dim) = wanted.keys().next() {
        let known: Vec<&str> = layout.dims.iter().map(|dim| dim.name.as_str()).collect();
        return Err(refuse(format!("there is no dimension `{dim}` (known: {})", known.join(", "))));
    }
    Ok(Some(sizes))
}

/// Chunks of the sizes that are given; the other dimensions share the room that is left.
pub(in crate::sink) fn with_sizes(
    given: &[Option<usize>],
    shape: &[usize],
    edges: &[bool],
    room: usize,
) -> Vec<usize> {
    let size = |i: usize| given[i].map(|n| n.min(shape[i]));
    let taken = (0..shape.len()).filter_map(size).fold(1, usize::saturating_mul);
    let open: Vec<usize> = (0..shape.len()).filter(|&i| given[i].is_none()).collect();
    let (open_shape, open_edges): (Vec<usize>, Vec<bool>) =
        open.iter().map(|&i| (shape[i], edges[i])).unzip();
    let mut rest = chunk(&open_shape, &open_edges, room / taken.max(1)).into_iter();
    (0..shape.len()).map(|i| size(i).or_else(|| rest.next()).unwrap_or(1)).collect()
}

/// A chunk of at most `room` pixels: square over the `edges` (x and y), and what is left of the room for the other
/// dimensions, the last one first. Along a dimension all chunks are about equal, so that little of the last one is
/// empty.
pub(in crate::sink) fn chunk(shape: &[usize], edges: &[bool], room: usize) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut left = room.max(1);
    let flat: Vec<usize> = (0..shape.len()).filter(|&i| edges[i]).collect();
    // The short side first: what it leaves, the long one may have.
    let mut by_length = flat.clone();
    by_length.sort_by_key(|&i| shape[i]);
    for (done, &i) in by_length.iter().enumerate() {
        let sides = by_length.len() - done;
        let side = if sides == 2 { left.isqrt() } else { left };
        chunk[i] = even(shape[i], side);
        left = (left / chunk[i]).max(1);
    }
    for i in (0..shape.len()).rev().filter(|i| !edges[*i]) {
        chunk[i] = even(shape[i], left);
        left = (left / chunk[i]).max(1);
    }
    chunk
}

/// The size of as few equal parts of `len` as are no longer than `most`.
fn even(len: usize, most: usize) -> usize {
    len.div_ceil(len.div_ceil(most.max(1)).max(1)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_square_and_full() {
        let edges = [false, true, true];
        assert_eq!(chunk(&[10, 5000, 5000], &edges, 1 << 20), [1, 1000, 1000]);
        assert_eq!(chunk(&[68, 101, 100], &edges, 1 << 20), [68, 101, 100]);
        assert_eq!(chunk(&[1000, 101, 100], &edges, 1 << 20), [100, 101, 100]);
        assert_eq!(chunk(&[3, 10, 1 << 20], &edges, 1 << 20), [1, 10, 95_326]);
        assert_eq!(chunk(&[7], &[false], 4), [4]);
        assert_eq!(chunk(&[36, 1024, 1024], &edges, 1 << 19), [1, 512, 1024]);
        let given = [Some(36), None, Some(5000)];
        assert_eq!(with_sizes(&given, &[36, 1024, 1024], &edges, 1 << 20), [36, 28, 1024]);
        assert_eq!(chunk(&[], &[], 4), [0_usize; 0]);
    }
}
