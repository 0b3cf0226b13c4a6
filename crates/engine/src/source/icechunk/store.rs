//! A snapshot as a folder of objects.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use icechunk_format::format_constants::FileTypeBin;
use icechunk_format::manifest::{
    Checksum, ChunkPayload, Manifest, ManifestRef, SecondsSinceEpoch, VirtualChunkRef,
};
use icechunk_format::serializers::{deserialize_manifest, deserialize_snapshot};
use icechunk_format::snapshot::NodeData;
use icechunk_format::{ChunkIndices, IcechunkFormatErrorKind, ManifestId, NodeId, SnapshotId};
use tokio::sync::OnceCell;

use super::refs::Containers;
use super::{files, invalid};
use crate::source::{SourceError, zarr};
use crate::storage::{Location, StorageError, View, within};

/// Bytes of manifests that are kept; the one that was used last always is.
const KEEP: usize = 64 << 20;
/// Files of virtual chunks that are remembered to be the right ones.
const CHECKED: usize = 100_000;

/// The document of every node.
const DOCUMENT: &str = "zarr.json";

pub(super) struct SnapshotStore {
    repository: Location,
    /// The id of the snapshot, which is the version of every key.
    id: String,
    /// The document of the root, with those of all nodes below it.
    root: Bytes,
    /// By path without slashes at its ends.
    arrays: BTreeMap<String, ChunkTable>,
    /// The manifests used last, the newest at the end.
    manifests: Mutex<Vec<(ManifestId, Arc<Kept>)>>,
    containers: Containers,
    /// Files of virtual chunks that are still those that were referred to.
    checked: Mutex<BTreeSet<(String, Checksum)>>,
}

/// A manifest as soon as one of those who want it has read it.
type Kept = OnceCell<Arc<Manifest>>;

/// Where the chunks of an array are found.
struct ChunkTable {
    node: NodeId,
    manifests: Vec<ManifestRef>,
}

/// What a snapshot has of a node: path, document, and chunks where it is an array.
type Node = (String, String, Option<ChunkTable>);

impl SnapshotStore {
    /// # Errors
    /// What reading says, and [`SourceError::Invalid`] for a snapshot with nothing in it.
    pub(super) async fn open(
        repository: &Location,
        id: SnapshotId,
        containers: Containers,
    ) -> Result<SnapshotStore, SourceError> {
        let file = repository.join(&format!("snapshots/{id}"));
        let nodes = files::read(&file, FileTypeBin::Snapshot, |version, content| {
            let snapshot = deserialize_snapshot(version, content)?;
            let nodes = snapshot.iter().map(|node| {
                let node = node?;
                let path = node.path.to_string().trim_matches('/').to_owned();
                let document = String::from_utf8_lossy(&node.user_data).into_owned();
                let chunks = match node.node_data {
                    NodeData::Array { manifests, .. } => {
                        Some(ChunkTable { node: node.id, manifests })
                    }
                    NodeData::Group => None,
                };
                Ok::<Node, icechunk_format::IcechunkFormatError>((path, document, chunks))
            });
            nodes.collect::<Result<Vec<Node>, _>>()
        });
        let nodes = nodes.await.map_err(|error| lost(&id.to_string(), error))?;
        let bad = |reason: &str| invalid(file.href(), reason);
        let root = nodes.iter().find(|(path, ..)| path.is_empty());
        let (_, root, chunks) = root.ok_or_else(|| bad("there is nothing in this snapshot"))?;
        let root = if chunks.is_some() {
            root.clone()
        } else {
            let below = nodes.iter().filter(|(path, ..)| !path.is_empty());
            let documents = below.map(|(path, document, _)| (path.as_str(), document.as_str()));
            zarr::consolidated(root, documents).ok_or_else(|| bad("the root group is no object"))?
        };
        let arrays = nodes.into_iter().filter_map(|(path, _, chunks)| Some((path, chunks?)));
        Ok(SnapshotStore {
            repository: repository.clone(),
            id: id.to_string(),
            root: root.into(),
            arrays: arrays.collect(),
            manifests: Mutex::default(),
            containers,
            checked: Mutex::default(),
        })
    }

    /// Where the bytes of a key are; `None` where there is no such chunk.
    async fn payload(&self, key: &str) -> Result<Option<ChunkPayload>, StorageError> {
        if key == DOCUMENT {
            return Ok(Some(ChunkPayload::Inline(self.root.clone())));
        }
        let Some((path, indices)) = chunk_of(key) else { return Ok(None) };
        let Some(table) = self.arrays.get(path) else { return Ok(None) };
        let manifest = table.manifests.iter().find(|m| m.extents.contains(&indices.0));
        let Some(manifest) = manifest else { return Ok(None) };
        let found = self.manifest(&manifest.object_id).await?;
        match found.get_chunk_payload(&table.node, &indices) {
            Ok(payload) => Ok(Some(payload)),
            Err(error) => match error.kind {
                IcechunkFormatErrorKind::ChunkCoordinatesNotFound { .. } => Ok(None),
                kind => Err(self.broken(key, kind)),
            },
        }
    }

    /// A manifest, from those that are kept or from storage; many may ask for it at the same time.
    async fn manifest(&self, id: &ManifestId) -> Result<Arc<Manifest>, StorageError> {
        let cell = {
            let mut kept = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
            let cell = match kept.iter().position(|(known, _)| known == id) {
                Some(place) => kept.remove(place).1,
                None => Arc::default(),
            };
            kept.push((id.clone(), Arc::clone(&cell)));
            cell
        };
        let read = async || {
            let file = self.repository.join(&format!("manifests/{id}"));
            let read = files::read(&file, FileTypeBin::Manifest, deserialize_manifest).await;
            Ok::<_, StorageError>(Arc::new(read.map_err(|error| lost(&self.id, error))?))
        };
        let manifest = Arc::clone(cell.get_or_try_init(read).await?);
        let mut kept = self.manifests.lock().unwrap_or_else(PoisonError::into_inner);
        let size = |cell: &Kept| cell.get().map_or(0, |m| m.bytes().len());
        while kept.len() > 1 && kept.iter().map(|(_, cell)| size(cell)).sum::<usize>() > KEEP {
            kept.remove(0);
        }
        Ok(manifest)
    }

    /// The bytes of a part of an object that a key refers to.
    async fn part(
        &self,
        key: &str,
        object: &Location,
        part: Range<u64>,
    ) -> Result<Bytes, StorageError> {
        if part.is_empty() {
            return Ok(Bytes::new());
        }
        let bytes = object.read_range(part.clone()).await.map_err(|error| lost(key, error))?;
        if bytes.len() as u64 != part.end - part.start {
            let reason = format!("`{key}` is said to be at {part:?}, beyond its end");
            return Err(StorageError::Read { href: object.href().to_owned(), reason });
        }
        Ok(bytes)
    }

    /// The file of a virtual chunk, if it may be read and is the one that was referred to.
    async fn outside(&self, key: &str, chunk: &VirtualChunkRef) -> Result<Location, StorageError> {
        let address = match chunk.location.parse_vcc() {
            Some((name, path)) => {
                let prefix = self.containers.get(name).ok_or_else(|| {
                    self.broken(key, format!("there is no container `{name}` of virtual chunks"))
                })?;
                format!("{}/{path}", prefix.trim_end_matches('/'))
            }
            None => chunk.location.url().to_owned(),
        };
        let file = self.repository.referred(&address)?;
        let Some(checksum) = &chunk.checksum else { return Ok(file) };
        let checked = (file.href().to_owned(), checksum.clone());
        if self.checked.lock().unwrap_or_else(PoisonError::into_inner).contains(&checked) {
            return Ok(file);
        }
        let stamp = file.stamp().await.map_err(|error| lost(key, error))?;
        let same = match checksum {
            Checksum::ETag(tag) => stamp.token.trim_matches('"') == tag.0.trim_matches('"'),
            Checksum::LastModified(SecondsSinceEpoch(seconds)) => {
                stamp.modified.is_some_and(|modified| modified <= i64::from(*seconds))
            }
        };
        if !same {
            let (key, file) = (key.to_owned(), crate::storage::shown(file.href()));
            return Err(StorageError::Stale { key, file });
        }
        let mut all = self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= CHECKED {
            all.clear();
        }
        all.insert(checked);
        Ok(file)
    }

    fn broken(&self, key: &str, reason: impl fmt::Display) -> StorageError {
        let href = crate::storage::shown(self.repository.join(key).href());
        StorageError::Read { href, reason: reason.to_string() }
    }
}

impl View for SnapshotStore {
    fn read<'a>(
        &'a self,
        key: &'a str,
        range: Option<Range<u64>>,
    ) -> BoxFuture<'a, Result<Bytes, StorageError>> {
        async move {
            let payload = self.payload(key).await?;
            match payload.ok_or_else(|| StorageError::NotFound(key.to_owned()))? {
                ChunkPayload::Inline(bytes) => {
                    let range = within(range, 0..bytes.len() as u64);
                    Ok(bytes.slice(range.start as usize..range.end as usize))
                }
                ChunkPayload::Ref(chunk) => {
                    let part = range_of(chunk.offset, chunk.length)
                        .ok_or_else(|| self.broken(key, "the chunk ends beyond all files"))?;
                    let object = self.repository.join(&format!("chunks/{}", chunk.id));
                    self.part(key, &object, within(range, part)).await
                }
                ChunkPayload::Virtual(chunk) => {
                    let part = range_of(chunk.offset, chunk.length)
                        .ok_or_else(|| self.broken(key, "the chunk ends beyond all files"))?;
                    let file = self.outside(key, &chunk).await?;
                    self.part(key, &file, within(range, part)).await
                }
                _ => Err(self.broken(key, "the chunk is of a kind that is not known yet")),
            }
        }
        .boxed()
    }

    fn version<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<(u64, String), StorageError>> {
        async move {
            let payload = self.payload(key).await?;
            let payload = payload.ok_or_else(|| StorageError::NotFound(key.to_owned()))?;
            Ok((payload.length(), self.id.clone()))
        }
        .boxed()
    }
}

impl fmt::Debug for SnapshotStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SnapshotStore({}, {} arrays)", self.id, self.arrays.len())
    }
}

/// The array and the place in its grid that a key means: `path/c/0/1`.
fn chunk_of(key: &str) -> Option<(&str, ChunkIndices)> {
    let (mut rest, mut indices) = (key, Vec::new());
    loop {
        let (before, last) = rest.rsplit_once('/').unwrap_or(("", rest));
        if last == "c" {
            indices.reverse();
            return Some((before, ChunkIndices(indices)));
        }
        indices.push(last.parse().ok()?);
        rest = before;
    }
}

fn range_of(offset: u64, length: u64) -> Option<Range<u64>> {
    Some(offset..offset.checked_add(length)?)
}

/// What is referred to and not there is an error: only a key that is missing means an empty chunk.
fn lost(key: &str, error: StorageError) -> StorageError {
    match error {
        StorageError::NotFound(file) => StorageError::Lost { key: key.to_owned(), file },
        other => other,
    }
}
