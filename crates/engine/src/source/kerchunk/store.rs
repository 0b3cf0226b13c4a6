//! References as a folder of objects.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;

use super::references::{Reference, References};
use crate::storage::{Location, StorageError, View, within};

pub(super) struct ReferenceStore {
    references: References,
    /// The reference file, where relative addresses start.
    file: Location,
    /// The version of the reference file, which is that of every key.
    version: String,
}

impl ReferenceStore {
    pub(super) fn new(references: References, file: Location, version: String) -> ReferenceStore {
        ReferenceStore { references, file, version }
    }

    fn reference(&self, key: &str) -> Result<&Reference, StorageError> {
        self.references.keys.get(key).ok_or_else(|| StorageError::NotFound(key.to_owned()))
    }
}

impl View for ReferenceStore {
    fn read<'a>(
        &'a self,
        key: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>> {
        async move {
            match self.reference(key)? {
                Reference::Inline(bytes) => {
                    let range = within(range, 0..bytes.len() as u64);
                    Ok(bytes.slice(range.start as usize..range.end as usize))
                }
                Reference::File { url, part } => {
                    let file = self.file.referred(url)?;
                    // A file that is missing is an error: only a key that is missing means an empty chunk.
                    let result = match (part, range) {
                        (Some(part), range) => {
                            let range = within(range, part.clone());
                            if range.is_empty() {
                                return Ok(Bytes::new());
                            }
                            file.read_range(range).await
                        }
                        (None, Some(range)) => file.read_range(range).await,
                        (None, None) => file.read().await,
                    };
                    result.map_err(|error| match error {
                        StorageError::NotFound(file) => {
                            StorageError::Lost { key: key.to_owned(), file }
                        }
                        other => other,
                    })
                }
            }
        }
        .boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(u64, String), StorageError>> {
        async move {
            let size = match self.reference(key)? {
                Reference::Inline(bytes) => bytes.len() as u64,
                Reference::File { part: Some(part), .. } => part.end - part.start,
                Reference::File { url, part: None } => self.file.referred(url)?.version().await?.0,
            };
            Ok((size, self.version.clone()))
        }
        .boxed()
    }
}

impl fmt::Debug for ReferenceStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReferenceStore({} keys)", self.references.keys.len())
    }
}
