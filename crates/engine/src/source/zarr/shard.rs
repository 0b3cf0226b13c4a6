//! Shards: objects that hold many chunks, with an index of where each of them is.
//!
//! The index is read once; from then on a chunk is a range of bytes of its shard. Shards whose codecs wrap the index
//! or nest another level are read whole, as one chunk.

use std::collections::HashMap;
use std::num::NonZeroU64;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use serde_json::Value;
use zarrs::array::{
    ArrayToBytesCodecTraits, BytesRepresentation, CodecChain, CodecMetadataOptions, CodecOptions,
    FillValue, data_type,
};

use crate::source::SourceError;
use crate::source::encoded::LocalFile;
use crate::storage::{Location, StorageError};

/// Bytes of indices that are kept for one array.
const KEEP: usize = 16 << 20;

/// How the shards of an array are made.
#[derive(Debug)]
pub(super) struct Shards {
    /// The shape of an inner chunk, and the codecs of one.
    pub(super) chunk: Vec<NonZeroU64>,
    pub(super) chain: Arc<CodecChain>,
    /// Inner chunks of a shard along each dimension.
    counts: Vec<NonZeroU64>,
    index_chain: CodecChain,
    index_size: u64,
    at_end: bool,
    read: Mutex<HashMap<Vec<usize>, Arc<Index>>>,
}

/// Where the chunks of one shard are; `None` for a chunk that is not there.
#[derive(Debug)]
pub(super) struct Index {
    /// In C order.
    chunks: Vec<Option<Range<u64>>>,
    /// The shard as it was, where it is a local file.
    pub(super) file: Option<Arc<LocalFile>>,
}

impl Shards {
    /// `None` for codecs that are no plain shards.
    pub(super) fn of(chain: &CodecChain, shard: &[NonZeroU64]) -> Option<Shards> {
        if !chain.array_to_array_codecs().is_empty() || !chain.bytes_to_bytes_codecs().is_empty() {
            return None;
        }
        let metadatas = chain.create_metadatas(&CodecMetadataOptions::default());
        let codec = metadatas.first().filter(|codec| codec.name() == "sharding_indexed")?;
        let configuration = serde_json::to_value(codec).ok()?["configuration"].take();
        let chunk: Vec<NonZeroU64> =
            serde_json::from_value(configuration["chunk_shape"].clone()).ok()?;
        if chunk.len() != shard.len()
            || shard.iter().zip(&chunk).any(|(s, c)| s.get() % c.get() != 0)
        {
            return None;
        }
        let chain_of = |name: &str| {
            let codecs: Vec<_> = serde_json::from_value(configuration[name].clone()).ok()?;
            CodecChain::from_metadata(&codecs).ok()
        };
        let (inner, index_chain) = (chain_of("codecs")?, chain_of("index_codecs")?);
        let nested = inner.create_metadatas(&CodecMetadataOptions::default());
        if nested.iter().any(|codec| codec.name() == "sharding_indexed") {
            return None;
        }
        let counts: Vec<NonZeroU64> = shard
            .iter()
            .zip(&chunk)
            .filter_map(|(s, c)| NonZeroU64::new(s.get() / c.get()))
            .collect();
        let at_end = configuration.get("index_location").and_then(Value::as_str) != Some("start");
        let mut shards = Shards {
            chunk,
            chain: Arc::new(inner),
            counts,
            index_chain,
            index_size: 0,
            at_end,
            read: Mutex::default(),
        };
        let (shape, data_type, fill) = shards.index_type();
        match shards.index_chain.encoded_representation(&shape, &data_type, &fill).ok()? {
            BytesRepresentation::FixedSize(size) if size as usize <= KEEP => {
                shards.index_size = size;
            }
            _ => return None,
        }
        Some(shards)
    }

    /// The shard that a chunk is in, and its number there.
    pub(super) fn place(&self, position: &[usize]) -> (Vec<usize>, usize) {
        let counts = || self.counts.iter().map(|n| n.get() as usize);
        let shard = position.iter().zip(counts()).map(|(p, n)| p / n).collect();
        let number = position.iter().zip(counts()).fold(0, |number, (p, n)| number * n + p % n);
        (shard, number)
    }

    /// The index of a shard; `None` where there is no shard.
    pub(super) async fn index(
        &self,
        shard: &[usize],
        location: &Location,
    ) -> Result<Option<Arc<Index>>, SourceError> {
        let known = self.lock().get(shard).cloned();
        if let Some(index) = known {
            return Ok(Some(index));
        }
        let (bytes, file) = match LocalFile::open(location) {
            Some(Err(StorageError::NotFound(_))) => return Ok(None),
            Some(Err(error)) => return Err(error.into()),
            Some(Ok((file, _))) => {
                let whole = file.whole();
                let start = if self.at_end { whole.end.saturating_sub(self.index_size) } else { 0 };
                let mut bytes = vec![0; self.index_size.min(whole.end - start) as usize];
                file.read(start, &mut bytes)?;
                (bytes.into(), Some(Arc::new(file)))
            }
            None => match self.fetch(location).await {
                Ok(bytes) => (bytes, None),
                Err(StorageError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(error.into()),
            },
        };
        let chunks = self.parse(&bytes).map_err(|reason| {
            super::invalid(location.href(), format_args!("the index of the shard: {reason}"))
        })?;
        let index = Arc::new(Index { chunks, file });
        let mut known = self.lock();
        if (known.len() + 1).saturating_mul(self.index_size as usize) > KEEP {
            known.clear();
        }
        known.insert(shard.to_vec(), Arc::clone(&index));
        Ok(Some(index))
    }

    /// Forgets the index of a shard.
    pub(super) fn forget(&self, shard: &[usize]) {
        self.lock().remove(shard);
    }

    /// The bytes of the index of a remote shard.
    async fn fetch(&self, location: &Location) -> Result<Bytes, StorageError> {
        let size = self.index_size;
        if !self.at_end {
            return location.read_range(0..size).await;
        }
        let (length, _) = location.version().await?;
        location.read_range(length.saturating_sub(size)..length).await
    }

    /// An offset and a length for every chunk, all ones where there is none.
    fn parse(&self, bytes: &[u8]) -> Result<Vec<Option<Range<u64>>>, String> {
        if bytes.len() as u64 != self.index_size {
            return Err(format!("it has {} bytes instead of {}", bytes.len(), self.index_size));
        }
        let (shape, data_type, fill) = self.index_type();
        let options = CodecOptions::default().with_concurrent_target(1);
        let decoded = (self.index_chain)
            .decode(bytes.into(), &shape, &data_type, &fill, &options)
            .and_then(|bytes| Ok(bytes.into_fixed()?))
            .map_err(|error| error.to_string())?;
        let number = |bytes: &[u8]| {
            bytes.try_into().map(u64::from_ne_bytes).map_err(|_| "it is cut".to_owned())
        };
        let entry = |pair: &[u8]| {
            let (offset, length) = (number(&pair[..8])?, number(&pair[8..])?);
            if offset == u64::MAX && length == u64::MAX {
                return Ok(None);
            }
            let end = offset.checked_add(length).ok_or("a chunk ends beyond all files")?;
            Ok(Some(offset..end))
        };
        decoded.chunks_exact(16).map(entry).collect()
    }

    fn index_type(&self) -> (Vec<NonZeroU64>, zarrs::array::DataType, FillValue) {
        let two = NonZeroU64::MIN.saturating_add(1);
        let shape = self.counts.iter().copied().chain([two]).collect();
        (shape, data_type::uint64(), FillValue::from(u64::MAX))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Vec<usize>, Arc<Index>>> {
        self.read.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Index {
    /// The bytes of a chunk.
    pub(super) fn range(&self, number: usize) -> Option<Range<u64>> {
        self.chunks.get(number).cloned().flatten()
    }
}
