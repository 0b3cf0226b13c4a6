//! One Zarr array: chunk objects and shards in, chunks out.

use std::borrow::Cow;
use std::sync::Arc;

use eolith_cube::{Block, ChunkGrid, DType, Number, Region, Values};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use zarrs::array::{Array, ArrayMetadata, FillValue};

use super::codec::Codec;
use super::metadata::Node;
use super::shard::Shards;
use super::types::{self, Stored};
use super::{fill, invalid};
use crate::source::buffers::Buffers;
use crate::source::chunk::{self, Chunk};
use crate::source::encoded::{Encoded, LocalFile, read_ahead};
use crate::source::{ArrayMeta, ArrayReader, Fetched, SourceError};
use crate::storage::{Location, StorageError};

/// Chunk objects of one request that are asked for at the same time.
const CONCURRENCY: usize = 8;

/// The largest chunk that is decoded, in bytes: beyond it no memory budget could hold it, and allocating it would
/// end the program rather than the request.
pub(super) const MAX_CHUNK: u64 = 1 << 33;

/// Most texts an array of labels may have.
const MAX_TEXTS: usize = 1 << 24;

/// An array of a store, without a connection of its own.
#[derive(Debug)]
pub(super) struct ZarrArray {
    meta: ArrayMeta,
    stored: Stored,
    /// Data type, fill value and chunk keys; it has no storage.
    array: Array<()>,
    codec: Codec,
    shards: Option<Shards>,
    folder: Location,
    grid: ChunkGrid,
    /// The value of a chunk that is not there (version 2 allows none).
    fill: Option<FillValue>,
    version: Option<String>,
}

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
        // Of texts there are few: their shards are read whole.
        let shards = (!stored.is_text()).then(|| Shards::of(&array.codecs(), &chunk)).flatten();
        let (chain, chunk) = match &shards {
            Some(shards) => (Arc::clone(&shards.chain), shards.chunk.clone()),
            None => (array.codecs(), chunk.clone()),
        };
        let bytes = (chunk.iter().map(|n| n.get()))
            .try_fold(stored.size() as u64, u64::checked_mul)
            .filter(|&bytes| bytes <= MAX_CHUNK);
        if bytes.is_none() {
            return Err(format!("one chunk has more than {MAX_CHUNK} bytes"));
        }
        let codec = Codec::new(chain, (array.data_type(), array.fill_value()), chunk);
        let grid = ChunkGrid::new(shape.clone(), codec.shape());
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
        let fill = has_fill.then(|| array.fill_value().clone());
        Ok(ZarrArray { meta, stored, array, codec, shards, folder, grid, fill, version })
    }

    /// The object of a chunk, or of a shard.
    fn object(&self, position: &[usize]) -> Location {
        let indices: Vec<u64> = position.iter().map(|&p| p as u64).collect();
        self.folder.join(self.array.chunk_key(&indices).as_str())
    }

    /// The encoded bytes of chunks, in their order.
    async fn encoded(&self, positions: Vec<Vec<usize>>) -> Result<Vec<Encoded>, SourceError> {
        let Some(shards) = &self.shards else {
            return futures::stream::iter(positions)
                .map(|position| async move { whole(&self.object(&position)).await })
                .buffered(CONCURRENCY)
                .try_collect()
                .await;
        };
        let mut by_shard: std::collections::BTreeMap<Vec<usize>, Vec<(usize, usize)>> =
            std::collections::BTreeMap::new();
        for (i, position) in positions.iter().enumerate() {
            let (shard, number) = shards.place(position);
            by_shard.entry(shard).or_default().push((i, number));
        }
        let found: Vec<Vec<(usize, Encoded)>> = futures::stream::iter(by_shard)
            .map(|(shard, wanted)| self.of_shard(shards, shard, wanted))
            .buffered(CONCURRENCY)
            .try_collect()
            .await?;
        let mut encoded = vec![Encoded::Absent; positions.len()];
        for (i, found) in found.into_iter().flatten() {
            encoded[i] = found;
        }
        Ok(encoded)
    }

    /// The chunks of one shard: `wanted` are places in the answer and numbers in the shard.
    async fn of_shard(
        &self,
        shards: &Shards,
        shard: Vec<usize>,
        wanted: Vec<(usize, usize)>,
    ) -> Result<Vec<(usize, Encoded)>, SourceError> {
        let location = self.object(&shard);
        let Some(index) = shards.index(&shard, &location).await? else { return Ok(Vec::new()) };
        let mut ranges = Vec::new();
        for (i, number) in wanted {
            let Some(range) = index.range(number) else { continue };
            let most = 2 * MAX_CHUNK;
            if range.end - range.start > most {
                return Err(invalid(location.href(), "a chunk of a shard is too large"));
            }
            ranges.push((i, range));
        }
        if let Some(before) = &index.file {
            let (now, file) = LocalFile::open(&location)
                .transpose()?
                .ok_or_else(|| invalid(location.href(), "the shard is no local file any more"))?;
            if let Err(changed) = now.same_as(before) {
                shards.forget(&shard);
                return Err(changed);
            }
            let encode = |(i, range): (usize, std::ops::Range<u64>)| {
                read_ahead(&file, &range);
                (i, Encoded::File(Arc::clone(before), range))
            };
            return Ok(ranges.into_iter().map(encode).collect());
        }
        let asked: Vec<_> = ranges.iter().map(|(_, range)| range.clone()).collect();
        let bytes = location.read_ranges(&asked).await?;
        Ok(ranges.into_iter().zip(bytes).map(|((i, _), b)| (i, Encoded::Bytes(b))).collect())
    }

    /// The type of pixels as they are stored.
    fn pixels(&self) -> Result<DType, SourceError> {
        match self.stored {
            Stored::Number { dtype, flag } => Ok(if flag { DType::Bool } else { dtype }),
            Stored::Time => Ok(DType::I64),
            Stored::Utf32 { .. } | Stored::Ascii { .. } | Stored::Variable => {
                let what = "texts as pixels".to_owned();
                Err(SourceError::Unsupported { href: self.folder.href().to_owned(), what })
            }
        }
    }

    /// A chunk that is not there.
    fn absent(&self, dtype: DType, region: Region) -> Result<Chunk, SourceError> {
        let Some(fill) = &self.fill else {
            return Ok(Chunk::constant(region, Values::zeros(dtype, 1), false));
        };
        let bytes = little_endian(Cow::Borrowed(fill.as_ne_bytes()), dtype.size());
        let one = Values::from_le_bytes(dtype, &bytes).filter(|values| values.len() == 1);
        let one = one.ok_or_else(|| self.broken("the fill value has not the size of the type"))?;
        Ok(Chunk::constant(region, one, true))
    }

    async fn all_texts(&self) -> Result<Vec<String>, SourceError> {
        let (shape, whole) = (&self.meta.shape, Region::whole(&self.meta.shape));
        if whole.len() > MAX_TEXTS {
            return Err(self.broken(format_args!("more than {MAX_TEXTS} texts")));
        }
        let mut texts: Vec<String> = vec![String::new(); whole.len()];
        let (positions, sizes) = (self.grid.touching(&whole), self.codec.shape());
        let encoded = self.encoded(positions.clone()).await?;
        for (position, encoded) in positions.into_iter().zip(encoded) {
            let found = encoded.with(|bytes| {
                let named = |reason| invalid(self.file_of(&position).href(), reason);
                let decoded = self.codec.decode(bytes).map_err(named)?;
                types::texts(self.stored, decoded).map_err(named)
            })?;
            for (i, text) in found.into_iter().flatten().enumerate() {
                if let Some(target) = target_index(i, &sizes, &position, shape) {
                    texts[target] = text;
                }
            }
        }
        Ok(texts)
    }

    /// The object that a chunk is in.
    fn file_of(&self, position: &[usize]) -> Location {
        match &self.shards {
            Some(shards) => self.object(&shards.place(position).0),
            None => self.object(position),
        }
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
        async move { chunk::fetch_region(self, &region).await }.boxed()
    }

    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError> {
        chunk::decode_region(self, region, fetched)
    }

    fn fetch_chunks(
        &self,
        positions: Vec<Vec<usize>>,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, SourceError>> {
        async move {
            self.pixels()?;
            let encoded = self.encoded(positions).await?;
            let fetched =
                |encoded: Encoded| Fetched { bytes: encoded.len(), payload: Box::new(encoded) };
            Ok(encoded.into_iter().map(fetched).collect())
        }
        .boxed()
    }

    fn decode_chunk(
        &self,
        position: &[usize],
        fetched: Fetched,
        buffers: &Arc<Buffers>,
    ) -> Result<Chunk, SourceError> {
        let encoded = (fetched.payload.downcast::<Encoded>())
            .map_err(|_| self.broken("the bytes were fetched by another reader"))?;
        let (dtype, region) = (self.pixels()?, self.grid.region_at(position));
        let values = encoded.with(|bytes| {
            let named = |reason| invalid(self.file_of(position).href(), reason);
            self.codec.values(dtype, bytes, buffers).map_err(named)
        })?;
        let Some(values) = values else { return self.absent(dtype, region) };
        let strides = chunk::c_order(&self.codec.shape());
        Ok(Chunk { region, values, strides, mask: None, home: Some(Arc::clone(buffers)) })
    }

    fn also_nodata(&self) -> Option<Number> {
        // xarray writes one value for missing pixels and takes NaN for another.
        let second = self.meta.dtype.is_float() && self.meta.nodata.is_some();
        second.then_some(Number::Float(f64::NAN))
    }

    fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    fn texts(&self) -> Option<BoxFuture<'_, Result<Vec<String>, SourceError>>> {
        self.stored.is_text().then(|| self.all_texts().boxed())
    }
}

/// A chunk that is an object of its own.
async fn whole(location: &Location) -> Result<Encoded, SourceError> {
    match LocalFile::open(location) {
        Some(Ok((found, file))) => {
            let range = found.whole();
            read_ahead(&file, &range);
            Ok(Encoded::File(Arc::new(found), range))
        }
        Some(Err(StorageError::NotFound(_))) => Ok(Encoded::Absent),
        Some(Err(error)) => Err(error.into()),
        None => Ok(location.read_optional().await?.map_or(Encoded::Absent, Encoded::Bytes)),
    }
}

/// Fill values have the byte order of this machine, values are read from little-endian bytes.
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
