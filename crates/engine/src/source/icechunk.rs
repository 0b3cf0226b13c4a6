//! Icechunk repositories: recognised, and refused by name.
//!
//! A repository is a folder of snapshots, manifests and chunks from which the `icechunk` crate makes a Zarr store. That
//! crate is not linked (see `docs/design/0020-icechunk.md`); without this module a repository would be "no Zarr store".

use super::SourceError;
use crate::storage::Location;

/// What every repository has: the state of all branches (version 2), or the folder of the branch `main` (version 1).
const MARKS: [&str; 2] = ["repo", "refs/branch.main/ref.json"];

/// What to say of a repository at this place; `None` where there is none, or on a store that cannot be listed.
pub async fn refused(location: &Location) -> Option<SourceError> {
    let folders = location.list().await.ok()??.folders;
    let has = |name: &str| folders.iter().any(|folder| folder == name);
    if !has("snapshots") || !has("manifests") {
        return None;
    }
    for mark in MARKS {
        if location.join(mark).version().await.is_ok() {
            return Some(SourceError::Unsupported {
                href: location.href().to_owned(),
                what:
                    "the format Icechunk (no build reads it yet: export the snapshot to Zarr, or \
                       refer to its chunks with a reference file)"
                        .to_owned(),
            });
        }
    }
    None
}
