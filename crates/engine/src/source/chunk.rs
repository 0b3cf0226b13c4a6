//! Decoded chunks: the pixels of one decoding unit of an array, as its codec left them.

use std::sync::Arc;

use eolith_cube::{Block, ChunkGrid, Region, Values, for_values};

use super::buffers::Buffers;
use super::{ArrayMeta, ArrayReader, Fetched, SourceError, frame};

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
    /// Where the memory of the values goes in the end.
    pub home: Option<Arc<Buffers>>,
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
        Some(Chunk { region, values: block.values, strides, mask, home: None })
    }

    /// One value everywhere, or no valid pixel at all.
    pub fn constant(region: Region, value: Values, valid: bool) -> Chunk {
        let strides = vec![0; region.0.len()];
        let mask = (!valid).then(|| Mask { valid: vec![false], strides: strides.clone() });
        Chunk { region, values: value, strides, mask, home: None }
    }

    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        let values = for_values!(&self.values, v => size_of_val(v.as_slice()));
        (values + self.mask.as_ref().map_or(0, |mask| mask.valid.len())) as u64
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Some(home) = self.home.take() {
            home.put(std::mem::replace(&mut self.values, Values::U8(Vec::new())));
        }
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

/// [`ArrayReader::fetch`] for a reader that fetches by chunk.
pub(super) async fn fetch_region<R: ArrayReader + ?Sized>(
    reader: &R,
    region: &Region,
) -> Result<Fetched, SourceError> {
    inside(reader, region)?;
    let chunks = reader.fetch_chunks(grid(reader.meta()).touching(region)).await?;
    let bytes = chunks.iter().map(|chunk| chunk.bytes).sum();
    Ok(Fetched { bytes, payload: Box::new(chunks) })
}

/// [`ArrayReader::decode`] for what [`fetch_region`] brought.
pub(super) fn decode_region<R: ArrayReader + ?Sized>(
    reader: &R,
    region: &Region,
    fetched: Fetched,
) -> Result<Block, SourceError> {
    inside(reader, region)?;
    let meta = reader.meta();
    if region.is_empty() {
        return Ok(Block::new(region.shape(), Values::zeros(meta.dtype, 0)));
    }
    let other = |_| invalid(reader, "the bytes were fetched by another reader".to_owned());
    let fetched = fetched.payload.downcast::<Vec<Fetched>>().map_err(other)?;
    let grid = grid(meta);
    let buffers = Arc::new(Buffers::none());
    let held: Result<Vec<Arc<Chunk>>, SourceError> = (grid.touching(region).iter().zip(*fetched))
        .map(|(position, fetched)| reader.decode_chunk(position, fetched, &buffers).map(Arc::new))
        .collect();
    let along = region.0.iter().zip(&grid.chunk);
    let wanted = along.map(|(range, &n)| (range.start / n..range.end.div_ceil(n)).collect());
    let chunks = Chunks { wanted: wanted.collect(), unit: grid.chunk, held: held? };
    Ok(frame::block(meta.dtype, region, reader.also_nodata().into_iter().collect(), chunks))
}

fn inside<R: ArrayReader + ?Sized>(reader: &R, region: &Region) -> Result<(), SourceError> {
    let shape = &reader.meta().shape;
    let fits = region.0.len() == shape.len()
        && region.0.iter().zip(shape).all(|(range, &n)| range.start <= range.end && range.end <= n);
    if fits {
        return Ok(());
    }
    Err(invalid(reader, format!("there is no region {region:?} in {shape:?}")))
}

fn invalid<R: ArrayReader + ?Sized>(reader: &R, reason: String) -> SourceError {
    SourceError::Invalid { href: reader.meta().name.clone(), format: "array", reason }
}

/// C-order strides of `shape`, in elements.
pub(super) fn c_order(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for i in (1..shape.len()).rev() {
        strides[i - 1] = strides[i] * shape[i];
    }
    strides
}
