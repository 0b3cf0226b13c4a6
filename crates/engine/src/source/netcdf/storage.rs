//! Bytes of a file by range, for a library that reads from blocking threads.

use std::cell::Cell;
use std::io;
use std::sync::Arc;

use netcdf_reader::{
    BlockCacheStorage, BytesStorage, DynStorage, FileStorage, RangeRequestStorage, Storage,
    StorageBuffer,
};
use tokio::runtime::Handle;

use crate::source::SourceError;
use crate::storage::{Location, StorageError};

/// Bytes of one request over HTTP, and how many such blocks an open file keeps.
const BLOCK: usize = 512 << 10;
const BLOCKS: usize = 32;

/// The largest file that is fetched whole from a server without range requests.
const WHOLE: u64 = 1 << 30;

thread_local! {
    /// Bytes this thread read. A read of the library stays on the thread that asked for it.
    static READ: Cell<u64> = const { Cell::new(0) };
}

/// Runs `work` and tells how many bytes came from storage for it.
pub(super) fn counted<T>(work: impl FnOnce() -> T) -> (T, u64) {
    READ.set(0);
    let result = work();
    (result, READ.get())
}

/// Local files by positional reads (a memory map would crash if the file shrinks), others by range requests.
/// With the storage comes a token that changes with the content.
pub(super) async fn open(location: &Location) -> Result<(DynStorage, String), SourceError> {
    let (size, version) = location.version().await?;
    if let Some(path) = location.as_local() {
        let file = FileStorage::open(path).map_err(|e| super::error(location.href(), e.into()))?;
        return Ok((Arc::new(Counted(file)), version));
    }
    if let Err(error) = location.read_range(0..size.min(8)).await {
        if !matches!(error, StorageError::Unranged(_)) || size > WHOLE {
            return Err(error.into());
        }
        tracing::warn!(
            "the server of `{}` has no range requests: all {size} bytes are read",
            location.href()
        );
        return Ok((Arc::new(BytesStorage::from_owner(location.read().await?)), version));
    }
    let (location, runtime) = (location.clone(), Handle::current());
    let remote = RangeRequestStorage::new(size, move |offset, len| {
        let end = offset.saturating_add(len as u64);
        let bytes = runtime.block_on(location.read_range(offset..end)).map_err(io::Error::other)?;
        READ.set(READ.get() + bytes.len() as u64);
        Ok(bytes.into())
    });
    Ok((Arc::new(BlockCacheStorage::new(Arc::new(remote), BLOCK, BLOCKS)), version))
}

struct Counted(FileStorage);

impl Storage for Counted {
    fn len(&self) -> u64 {
        self.0.len()
    }

    fn read_range(&self, offset: u64, len: usize) -> hdf5_reader::error::Result<StorageBuffer> {
        READ.set(READ.get() + len as u64);
        self.0.read_range(offset, len)
    }
}
