//! One Zarr array: chunk objects in, blocks out.

use std::borrow::Cow;
use std::num::NonZeroU64;
use std::sync::Arc;

use bytes::Bytes;
use eolith_cube::{Block, ChunkGrid, DType, Number, Region, Values};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use zarrs::array::{Array, ArrayBytes, ArrayMetadata, ArrayToBytesCodecTraits, CodecOptions};

use super::metadata::Node;
use super::types::{self, Stored};
use super::{fill, invalid};
use crate::source::{ArrayMeta, ArrayReader, Fetched, SourceError};
use crate::storage::Location;

/// Chunk objects of one request that are asked for at the same time.
const CONCURRENCY: usize = 8;

/// The largest chunk that is decoded, in bytes: beyond it no memory budget could hold it, and allocating it would
/// end the program rather than the request.
const MAX_CHUNK: u64 = 1 << 33;

/// Most texts an array of labels may have.
const MAX_TEXTS: usize = 1 << 24;

/// An array of a store, without a connection of its own.
#[derive(Debug)]
pub(super) struct ZarrArray {
    meta: ArrayMeta,
    stored: Stored,
    /// Codecs, data type, fill value and chunk keys; it has no storage.
    array: Array<()>,
    folder: Location,
    grid: ChunkGrid,
    /// The shape of a decoded chunk; the chunks of `grid` are cut to the array.
    chunk: Vec<NonZeroU64>,
    /// Whether a chunk that is not there has a value (version 2 allows none).
    has_fill: bool,
    version: Option<String>,
}

/// What [`ZarrArray::fetch`] brings: positions of chunks with their objects, `None` for one that is not there.
type Payload = Vec<(Vec<usize>, Option<Bytes>)>;

impl ZarrArray {
    /// From the metadata document; the error is the reason for which the array cannot be read.
    pub(super) fn new(
        root: &Location,
        node: Node,
        version: Option<&str>,
    ) -> Result<ZarrArray, String> {
        let parsed = types::read(node.document, node.attributes)?;
        let shape = sizes(&parsed.shape)?;
        let stored = parsed.stored;
        let has_fill =
            !matches!(&parsed.metadata, ArrayMetadata::V2(v2) if v2.fill_value.is_null());
        let array = Array::new_with_metadata(Arc::new(()), "/", parsed.metadata)
            .map_err(|e| e.to_string())?;
        let chunk = array.chunk_shape(&vec![0; shape.len()]).map_err(|e| e.to_string())?;
        let bytes = (chunk.iter().map(|n| n.get()))
            .try_fold(stored.size() as u64, u64::checked_mul)
            .filter(|&bytes| bytes <= MAX_CHUNK);
        if bytes.is_none() {
            return Err(format!("one chunk has more than {MAX_CHUNK} bytes"));
        }
        let grid = ChunkGrid::new(shape.clone(), chunk.iter().map(|n| n.get() as usize).collect());
        let (dtype, nodata) = match stored {
            Stored::Number { dtype, flag } => {
                let dtype = if flag { DType::Bool } else { dtype };
                let value = parsed.fill_value_v2.as_ref();
                (dtype, fill::nodata(dtype, &parsed.attributes, value).filter(|_| !flag))
            }
            Stored::Time => (DType::I64, Some(Number::Int(i64::MIN.into()))),
            Stored::Utf32 { .. } | Stored::Ascii { .. } | Stored::Variable => (DType::U8, None),
        };
        let meta = ArrayMeta {
            name: node.path.clone(),
            dims: parsed.dims,
            shape,
            chunk: grid.chunk.clone(),
            dtype,
            nodata,
            attributes: parsed.attributes,
        };
        let folder = if node.path.is_empty() { root.clone() } else { root.join(&node.path) };
        let version = version.map(str::to_owned);
        Ok(ZarrArray { meta, stored, array, folder, grid, chunk, has_fill, version })
    }

    async fn objects(&self, region: Region) -> Result<Payload, SourceError> {
        let shape = &self.meta.shape;
        let inside = region.0.len() == shape.len()
            && region.0.iter().zip(shape).all(|(range, &n)| range.end <= n);
        if !inside {
            return Err(self.broken(format_args!("there is no region {region:?} in {shape:?}")));
        }
        futures::stream::iter(self.grid.touching(&region))
            .map(|position| async move {
                let indices: Vec<u64> = position.iter().map(|&p| p as u64).collect();
                let key = self.array.chunk_key(&indices);
                let bytes = self.folder.join(key.as_str()).read_optional().await?;
                Ok((position, bytes))
            })
            .buffered(CONCURRENCY)
            .try_collect()
            .await
    }

    /// The pixels of one whole chunk.
    fn chunk_values(&self, dtype: DType, bytes: &Bytes) -> Result<Values, SourceError> {
        let raw = self.decode_chunk(bytes)?.into_fixed().map_err(|e| self.broken(e))?;
        let elements: u64 = self.chunk.iter().map(|n| n.get()).product();
        let values = Values::from_le_bytes(dtype, &little_endian(raw, dtype.size()))
            .filter(|values| values.len() as u64 == elements);
        values.ok_or_else(|| self.broken("a chunk has not the size it should have"))
    }

    fn decode_chunk<'a>(&self, bytes: &'a Bytes) -> Result<ArrayBytes<'a>, SourceError> {
        // Chunks are decoded side by side by the scheduler, not here.
        let options = CodecOptions::default().with_concurrent_target(1);
        let (data_type, fill) = (self.array.data_type(), self.array.fill_value());
        (self.array.codecs())
            .decode(Cow::Borrowed(bytes), &self.chunk, data_type, fill, &options)
            .map_err(|error| self.broken(error))
    }

    /// Pixels of a chunk that is not there.
    fn absent(&self, dtype: DType, shape: Vec<usize>) -> Result<Block, SourceError> {
        if !self.has_fill {
            return Ok(Block::nulls(dtype, shape));
        }
        let fill = Cow::Borrowed(self.array.fill_value().as_ne_bytes());
        let one = Values::from_le_bytes(dtype, &little_endian(fill, dtype.size()))
            .filter(|values| values.len() == 1)
            .ok_or_else(|| self.broken("the fill value has not the size of the type"))?;
        let from = vec![None; shape.len()];
        Ok(Block::new(vec![], one).broadcast(&shape, &from))
    }

    async fn all_texts(&self) -> Result<Vec<String>, SourceError> {
        let (shape, whole) = (&self.meta.shape, Region::whole(&self.meta.shape));
        if whole.len() > MAX_TEXTS {
            return Err(self.broken(format_args!("more than {MAX_TEXTS} texts")));
        }
        let mut texts: Vec<String> = vec![String::new(); whole.len()];
        for (position, bytes) in self.objects(whole).await? {
            let Some(bytes) = bytes else { continue };
            let decoded = self.decode_chunk(&bytes)?;
            let found = types::texts(self.stored, decoded).map_err(|e| self.broken(e))?;
            let sizes: Vec<usize> = self.chunk.iter().map(|n| n.get() as usize).collect();
            for (i, text) in found.into_iter().enumerate() {
                if let Some(target) = target_index(i, &sizes, &position, shape) {
                    texts[target] = text;
                }
            }
        }
        Ok(texts)
    }

    fn broken(&self, reason: impl std::fmt::Display) -> SourceError {
        invalid(self.folder.href(), reason)
    }
}

impl ArrayReader for ZarrArray {
    fn meta(&self) -> &ArrayMeta {
        &self.meta
    }

    fn fetch(&self, region: Region) -> BoxFuture<'_, Result<Fetched, SourceError>> {
        async move {
            if self.stored.is_text() {
                let what = "texts as pixels".to_owned();
                return Err(SourceError::Unsupported { href: self.folder.href().to_owned(), what });
            }
            let payload = self.objects(region).await?;
            let bytes = payload.iter().flat_map(|(_, bytes)| bytes).map(|b| b.len() as u64).sum();
            Ok(Fetched { bytes, payload: Box::new(payload) })
        }
        .boxed()
    }

    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError> {
        let payload = (fetched.payload.downcast::<Payload>())
            .map_err(|_| self.broken("the bytes were fetched by another reader"))?;
        let dtype = match self.stored {
            Stored::Number { dtype, .. } => dtype,
            Stored::Time => DType::I64,
            Stored::Utf32 { .. } | Stored::Ascii { .. } | Stored::Variable => {
                return Err(self.broken("texts are no pixels"));
            }
        };
        let full: Vec<usize> = self.chunk.iter().map(|n| n.get() as usize).collect();
        let mut block = Block::new(region.shape(), Values::zeros(dtype, region.len()));
        for (position, bytes) in *payload {
            let bounds = self.grid.region_at(&position);
            let Some(wanted) = bounds.intersect(region) else {
                // A box without dimensions or pixels.
                continue;
            };
            let part = match bytes {
                Some(bytes) => {
                    let values = self.chunk_values(dtype, &bytes)?;
                    drop(bytes);
                    if wanted.shape() == full && wanted == *region {
                        block = Block::new(full.clone(), values);
                        continue;
                    }
                    Block::new(full.clone(), values).slice(&wanted.relative_to(&bounds))
                }
                None => self.absent(dtype, wanted.shape())?,
            };
            let start: Vec<usize> =
                wanted.relative_to(region).0.iter().map(|range| range.start).collect();
            block.paste(&start, &part);
        }
        if dtype.is_float() && self.meta.nodata.is_some() {
            // xarray writes one value for missing pixels and takes NaN for another.
            block.mask_value(Number::Float(f64::NAN));
        }
        Ok(block.cast(self.meta.dtype))
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn texts(&self) -> Option<BoxFuture<'_, Result<Vec<String>, SourceError>>> {
        self.stored.is_text().then(|| self.all_texts().boxed())
    }
}

/// Codecs give the byte order of this machine, blocks are read from little-endian bytes.
fn little_endian(bytes: Cow<'_, [u8]>, size: usize) -> Cow<'_, [u8]> {
    if cfg!(target_endian = "little") || size == 1 {
        return bytes;
    }
    let mut bytes = bytes.into_owned();
    bytes.chunks_exact_mut(size).for_each(<[u8]>::reverse);
    Cow::Owned(bytes)
}

/// Flat index in the array of element `i` of the chunk at `position`; `None` beyond the array.
fn target_index(i: usize, chunk: &[usize], position: &[usize], shape: &[usize]) -> Option<usize> {
    let (mut rest, mut index, mut stride) = (i, 0, 1);
    for dim in (0..shape.len()).rev() {
        let at = position[dim] * chunk[dim] + rest % chunk[dim];
        rest /= chunk[dim];
        if at >= shape[dim] {
            return None;
        }
        index += at * stride;
        stride *= shape[dim];
    }
    Some(index)
}

fn sizes(shape: &[u64]) -> Result<Vec<usize>, String> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|&n| usize::try_from(n).ok()).collect();
    let sizes = sizes.ok_or("the shape is too large for this machine")?;
    let elements = sizes.iter().try_fold(1_usize, |product, &n| product.checked_mul(n));
    elements.map(|_| sizes).ok_or_else(|| "the shape is too large for this machine".to_owned())
}
