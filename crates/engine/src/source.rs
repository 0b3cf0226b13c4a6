//! Reading pixels: one module a format, all behind [`ArrayReader`].
//!
//! A reader knows one n-dimensional array in one file (a Zarr array, a NetCDF variable, the bands of a TIFF). What
//! its dimensions *mean* is decided elsewhere (`cf` for arrays with coordinates, `stac` for scenes), and which
//! regions are read is decided by the plan. Fetching is async and does no work on the bytes; decoding is plain
//! CPU work and runs on the CPU pool.

pub mod buffers;
pub mod cache;
pub mod cf;
pub mod chunk;
mod encoded;
pub mod frame;
pub mod icechunk;
pub mod kerchunk;
pub mod netcdf;
pub mod open;
pub mod scan;
pub mod stac;
pub mod tiff;
pub mod vector;
pub mod zarr;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use eolith_cube::{Block, DType, Number, Region};
pub use eolith_plan::request::InputFormat;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, TryStreamExt};
use thiserror::Error;

use self::buffers::Buffers;
use self::chunk::Chunk;
use crate::storage::StorageError;

/// Chunks of one array that are asked for at the same time.
const CONCURRENT: usize = 8;

/// What a file says of one array.
#[derive(Clone, Debug, PartialEq)]
pub struct ArrayMeta {
    /// Path inside the file or group: the variable's name.
    pub name: String,
    /// Dimension names as in the file, in storage order (`y`, `x` invented where a format has none).
    pub dims: Vec<String>,
    pub shape: Vec<usize>,
    /// The unit of decoding, one size a dimension.
    pub chunk: Vec<usize>,
    pub dtype: DType,
    /// The declared no-data or fill value (Zarr's own `fill_value` is not one by itself).
    pub nodata: Option<Number>,
    pub attributes: serde_json::Map<String, serde_json::Value>,
}

/// One array that can be read by region.
pub trait ArrayReader: Send + Sync + fmt::Debug {
    fn meta(&self) -> &ArrayMeta;

    /// Gets the encoded bytes of every chunk that touches `region` (indices of the array).
    fn fetch(&self, region: Region) -> BoxFuture<'_, Result<Fetched, SourceError>>;

    /// Decodes what [`ArrayReader::fetch`] brought for the same `region`: a block of its shape in the array's
    /// dimension order and native type. `nodata` is not applied here; pixels the file itself masks (a TIFF mask,
    /// a chunk that is not there and has no fill value) are invalid.
    fn decode(&self, region: &Region, fetched: Fetched) -> Result<Block, SourceError>;

    /// Gets what [`ArrayReader::decode_chunk`] needs for chunks at these positions of the grid that
    /// [`chunk::grid`] makes of the metadata, in their order.
    fn fetch_chunks(
        &self,
        positions: Vec<Vec<usize>>,
    ) -> BoxFuture<'_, Result<Vec<Fetched>, SourceError>> {
        let grid = chunk::grid(self.meta());
        let fetched = futures::stream::iter(positions)
            .map(move |position| self.fetch(grid.region_at(&position)))
            .buffered(CONCURRENT)
            .try_collect();
        fetched.boxed()
    }

    /// Decodes one chunk, into memory from `buffers` where that can be. It runs on a thread of the CPU pool on which others may wait: it must not wait for, or
    /// share its work with, that pool.
    fn decode_chunk(
        &self,
        position: &[usize],
        fetched: Fetched,
        buffers: &Arc<Buffers>,
    ) -> Result<Chunk, SourceError> {
        let _ = buffers;
        let region = chunk::grid(self.meta()).region_at(position);
        let block = self.decode(&region, fetched)?;
        Chunk::from_block(region, block).ok_or_else(|| SourceError::Invalid {
            href: self.meta().name.clone(),
            format: "array",
            reason: "a chunk has another shape than it should have".to_owned(),
        })
    }

    /// A value that means no-data beside the one of the metadata, and is not applied by `decode_chunk`.
    fn also_nodata(&self) -> Option<Number> {
        None
    }

    /// A token that changes with the content, if it was seen when the file was opened.
    fn version(&self) -> Option<&str> {
        None
    }

    /// All strings of an array of text, in C order of its shape; `None` for an array of numbers.
    ///
    /// An array of text has the nominal type `U8` and cannot be fetched: labels and grid mappings are read
    /// whole.
    fn texts(&self) -> Option<BoxFuture<'_, Result<Vec<String>, SourceError>>> {
        None
    }
}

/// Encoded bytes on their way from `fetch` to `decode`.
pub struct Fetched {
    /// Bytes that came from storage.
    pub bytes: u64,
    /// What the reader needs to decode; private to it.
    pub payload: Box<dyn Any + Send>,
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fetched({} bytes)", self.bytes)
    }
}

/// Why a source cannot be used.
#[derive(Debug, Error)]
pub enum SourceError {
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The file is damaged or not what it claims to be.
    #[error("`{href}` is not a readable {format}: {reason}")]
    Invalid { href: String, format: &'static str, reason: String },
    /// Plan and pixels would not be of the same data.
    #[error("`{href}` has changed since the plan was made")]
    Changed { href: String },
    /// The file is fine, but uses something that is not supported.
    #[error("`{href}` uses {what}, which is not supported")]
    Unsupported { href: String, what: String },
    /// A chunk of a file cannot be decoded.
    #[error("{source} (chunk {position:?} of `{array}`)")]
    Chunk { source: Box<SourceError>, array: String, position: Vec<usize> },
}

impl SourceError {
    /// The path or address of the file.
    pub fn href(&self) -> Option<&str> {
        match self {
            SourceError::Storage(error) => error.href(),
            SourceError::Invalid { href, .. }
            | SourceError::Changed { href }
            | SourceError::Unsupported { href, .. } => Some(href),
            SourceError::Chunk { source, .. } => source.href(),
        }
    }
}
