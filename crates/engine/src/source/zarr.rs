//! Zarr stores of version 2 and 3: which arrays there are, and reading them by chunk.
//!
//! ```text
//! metadata  zarr.json | .zmetadata | .zgroup + .zarray   →  Node: path, metadata, attributes
//! array     Node  →  ZarrArray: an ArrayReader by chunk
//! codec     from the encoded bytes of a chunk to its values
//! shard     where the chunks of a shard are
//! types     data types and dimension names of a document
//! fill      which value of an array means no-data
//! ```
//! A reference file (see [`super::kerchunk`]) and a snapshot of an Icechunk repository (see [`super::icechunk`]) are opened
//! as the stores that they describe.
//! Metadata, data types, chunk keys and the codecs without a faster way are those of the `zarrs` crate. A chunk
//! object is one request; of a shard the index and the chunks that are wanted are read. What the dimensions mean is
//! decided in [`super::cf`].

mod array;
mod codec;
mod fill;
mod metadata;
mod numcodecs;
mod probe;
mod shard;
#[cfg(test)]
mod tests;
mod types;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Map, Value};

use super::{ArrayReader, SourceError, icechunk, kerchunk};
use crate::storage::Location;
use array::ZarrArray;
pub(super) use fill::base64;
pub(super) use metadata::consolidated;

/// An opened store.
#[derive(Debug)]
pub struct Group {
    /// Sorted by name. Arrays that cannot be read are not here but in the notes.
    pub arrays: Vec<Arc<dyn ArrayReader>>,
    /// Attributes of the root.
    pub attributes: Map<String, Value>,
    /// Attributes of the groups below it, by path.
    pub groups: BTreeMap<String, Map<String, Value>>,
    pub notes: Vec<String>,
}

/// The arrays of a store: a group with its sub-groups, or one array as root (whose name is then empty).
///
/// Fails if there is no Zarr metadata at `location`, or none that can be found: of a store that cannot list its
/// objects (HTTP) and has no consolidated metadata, only arrays of usual names are found.
pub async fn open(location: &Location) -> Result<Vec<Arc<dyn ArrayReader>>, SourceError> {
    Ok(open_group(location).await?.arrays)
}

/// As [`open`], with the attributes of the root and what was left out.
pub async fn open_group(location: &Location) -> Result<Group, SourceError> {
    let mut view = None;
    if kerchunk::is_named(location) {
        view = Some(kerchunk::open(location).await?);
    }
    let found = match metadata::discover(view.as_ref().unwrap_or(location)).await {
        Ok(found) => found,
        Err(error @ SourceError::Invalid { .. }) if view.is_none() => {
            let Some(opened) = icechunk::open(location).await? else { return Err(error) };
            metadata::discover(view.insert(opened)).await?
        }
        Err(error) => return Err(error),
    };
    let location = view.as_ref().unwrap_or(location);
    let notes = found.note.into_iter().collect();
    let (attributes, groups) = (found.attributes, found.groups);
    let mut group = Group { arrays: Vec::new(), attributes, groups, notes };
    for node in found.arrays {
        let name = node.path.clone();
        match ZarrArray::new(location, node, found.version.as_deref()) {
            Ok(array) => group.arrays.push(Arc::new(array)),
            Err(reason) => {
                tracing::warn!(store = location.href(), array = name, reason, "array left out");
                group.notes.push(format!("array `{name}` was left out: {reason}"));
            }
        }
    }
    group.arrays.sort_by(|a, b| a.meta().name.cmp(&b.meta().name));
    Ok(group)
}

fn invalid(href: &str, reason: impl std::fmt::Display) -> SourceError {
    SourceError::Invalid { href: href.to_owned(), format: "Zarr store", reason: reason.to_string() }
}
