//! Objects that are no files of their own: references to parts of others, or chunks of a versioned store.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use futures::future::BoxFuture;

use super::StorageError;

/// A folder of objects that is computed. It is read as any other (see [`Location::view`](super::Location::view)), but
/// cannot be listed.
pub trait View: fmt::Debug + Send + Sync {
    /// The bytes of an object, or those of a range of it.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] where there is no such object, and what reading says.
    fn read<'a>(
        &'a self,
        key: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>>;

    /// Size of an object and a token that changes with the content.
    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(u64, String), StorageError>>;
}

/// A range of a part as a range of the file.
pub(crate) fn within(range: Option<Range<u64>>, part: Range<u64>) -> Range<u64> {
    let place = |offset: u64| part.start.saturating_add(offset).min(part.end);
    range.map_or(part.clone(), |range| place(range.start)..place(range.end).max(place(range.start)))
}
