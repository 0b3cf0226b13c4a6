//! Icechunk repositories: Zarr stores with versions. A snapshot of one is a store whose chunks lie elsewhere.
//!
//! ```text
//! refs   a branch, a tag or nothing  →  the id of a snapshot
//! files  snapshots, manifests and the state of a repository: header, Zstandard, FlatBuffers
//! store  a snapshot as a folder of objects, below the Zarr reader, which knows nothing of it
//! ```
//! An address is that of the repository, which means its branch `main`, or `REPOSITORY@NAME`: a branch, a tag or the id
//! of a snapshot; `REPOSITORY@branch.NAME` and `REPOSITORY@tag.NAME` where both exist. A store of that very name comes
//! first. Chunks are files of the repository, bytes inside a manifest, or parts of other files (virtual chunks), which are
//! read under the rules for addresses in documents ([`crate::storage::access`]). The format is that of the crate
//! `icechunk-format`; all requests are made by [`crate::storage`] ([design/0020](../../../../docs/design/0020-icechunk.md)).
//! Nothing is written, and the history is not looked at.

mod files;
mod refs;
mod store;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::source::SourceError;
use crate::storage::{Location, shown};
use refs::Refs;
use store::SnapshotStore;

/// Files one of which every repository has: the state of all branches (version 2), or the branch `main` (version 1).
const STATE: &str = "repo";
const MAIN: &str = "refs/branch.main/ref.json";

/// The snapshot that an address means, as a Zarr store; `None` where there is no repository.
///
/// # Errors
/// [`SourceError::Invalid`] for a name that the repository does not have, [`SourceError::Storage`] for what is damaged.
pub async fn open(location: &Location) -> Result<Option<Location>, SourceError> {
    let Some((repository, name)) = find(location).await else { return Ok(None) };
    let refs = Refs::read(&repository).await?;
    let id = refs.resolve(name.as_deref()).await?;
    let store = SnapshotStore::open(&repository, id, refs.containers()).await?;
    Ok(Some(Location::view(Arc::new(store), location)))
}

/// The id of the snapshot that an address means; `None` where there is no repository.
///
/// # Errors
/// As [`open`].
pub async fn version(location: &Location) -> Result<Option<String>, SourceError> {
    let Some((repository, name)) = find(location).await else { return Ok(None) };
    let refs = Refs::read(&repository).await?;
    Ok(Some(refs.resolve(name.as_deref()).await?.to_string()))
}

/// Whether there is a repository at an address, whatever its state.
pub async fn is_one(location: &Location) -> bool {
    find(location).await.is_some()
}

/// Whether a folder with these folders in it may be a repository.
pub fn is_named(has: impl Fn(&str) -> bool) -> bool {
    has("snapshots") && (has("manifests") || has("transactions"))
}

/// The repository that an address leads to, and what follows the `@`.
async fn find(location: &Location) -> Option<(Location, Option<String>)> {
    if is_repository(location).await {
        return Some((location.clone(), None));
    }
    let path = location.href().split(['?', '#']).next()?.trim_end_matches('/');
    let last = path.rsplit('/').next()?;
    for (at, _) in last.rmatch_indices('@') {
        let (folder, name) = (&last[..at], &last[at + 1..]);
        if folder.is_empty() || name.is_empty() {
            continue;
        }
        let repository = location.parent().ok()?.join(folder);
        if is_repository(&repository).await {
            return Some((repository, Some(name.to_owned())));
        }
    }
    None
}

async fn is_repository(location: &Location) -> bool {
    for mark in [STATE, MAIN] {
        let file = location.join(mark);
        if file.version().await.is_err() {
            continue;
        }
        match location.list().await {
            Ok(Some(listing)) => {
                if is_named(|name| listing.folders.iter().any(|folder| folder == name)) {
                    return true;
                }
            }
            // Some servers answer to any address.
            _ => return files::is_one(&file, mark == STATE).await,
        }
    }
    false
}

fn invalid(href: &str, reason: impl fmt::Display) -> SourceError {
    let (href, format) = (shown(href), "Icechunk repository");
    SourceError::Invalid { href, format, reason: reason.to_string() }
}

/// An error of the format's crate without its word on where in the code it happened, which is not for users.
fn plain(reason: &str) -> &str {
    reason.split("\n\ncontext:").next().unwrap_or_default().trim()
}
