//! Decoded chunks: the pixels of one decoding unit of an array, as its codec left them.

use std::sync::Arc;

use eolith_cube::{Block, ChunkGrid, Region, Values, for_values};

use super::ArrayMeta;

/// The pixels of one decoding unit in the array's native type.
///
/// Dimensions may lie in memory in any order (a TIFF interleaves its bands) and a chunk of one value needs one
/// element: the strides say so.
#[derive(Debug)]
pub struct Chunk {
    /// The box of the array that it holds.
    pub region: Region,
    pub values: Values,
    /// Elements of `values` between neighbours along each dimension of the array.
    pub strides: Vec<usize>,
    /// What the file itself hides; most files hide by value.
    pub mask: Option<Mask>,
}

/// One flag a pixel, `true` = valid, with strides of its own.
#[derive(Debug)]
pub struct Mask {
    pub valid: Vec<bool>,
    pub strides: Vec<usize>,
}

impl Chunk {
    /// A chunk in C order; `None` where the block has not the shape of the region.
    pub fn from_block(region: Region, block: Block) -> Option<Chunk> {
        if block.shape != region.shape() {
            return None;
        }
        let strides = c_order(&block.shape);
        let mask = block.validity.map(|valid| Mask { valid, strides: strides.clone() });
        Some(Chunk { region, values: block.values, strides, mask })
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let values = for_values!(&self.values, v => size_of_val(v.as_slice()));
        (values + self.mask.as_ref().map_or(0, |mask| mask.valid.len())) as u64
    }
}

/// Chunks of one array inside a box: along each dimension the wanted numbers, ascending.
#[derive(Debug)]
pub(super) struct Chunks {
    /// The decoding unit.
    pub(super) unit: Vec<usize>,
    /// Numbers of chunks along each dimension of the array.
    pub(super) wanted: Vec<Vec<usize>>,
    /// In C order over `wanted`.
    pub(super) held: Vec<Arc<Chunk>>,
}

impl Chunks {
    /// Positions of all wanted chunks, in C order.
    pub(super) fn positions(wanted: &[Vec<usize>]) -> Vec<Vec<usize>> {
        let mut positions = vec![Vec::with_capacity(wanted.len())];
        for along in wanted {
            positions = (positions.into_iter())
                .flat_map(|prefix: Vec<usize>| {
                    along.iter().map(move |&number| {
                        let mut position = prefix.clone();
                        position.push(number);
                        position
                    })
                })
                .collect();
        }
        positions
    }
}

/// How an array is cut into chunks.
pub fn grid(meta: &ArrayMeta) -> ChunkGrid {
    ChunkGrid::new(meta.shape.clone(), meta.chunk.clone())
}

/// C-order strides of `shape`, in elements.
pub(super) fn c_order(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}
