//! Reference files as kerchunk and VirtualiZarr write them: a Zarr store whose chunks are parts of other files.
//!
//! ```text
//! references  JSON of version 0 or 1  →  key → bytes | part of a file
//! store       the same as an object store, below the Zarr reader, which knows nothing of it
//! ```
//! Parts may be of local files and of files behind URLs; addresses that are not absolute are relative to the reference
//! file. A reference file from elsewhere never leads to local files. Whether the files behind the references are still
//! those that were referred to is not checked: their formats have no token for it. References in Parquet files are
//! refused by name.

mod references;
mod store;

use std::path::Path;
use std::sync::Arc;

use crate::source::SourceError;
use crate::storage::Location;
use references::References;
use store::ReferenceStore;

/// The longest reference file that is read.
const MAX_BYTES: u64 = 256 << 20;

/// How much of a document is looked at to tell what it is.
const HEAD: u64 = 4096;

/// Whether the name is that of a reference file, where a Zarr store is expected.
pub fn is_named(location: &Location) -> bool {
    let name = Path::new(location.href().trim_end_matches('/'));
    let json = name.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("json"));
    json && !location.as_local().is_some_and(|path| path.is_dir())
}

/// Whether a JSON document is a reference file, by its beginning. `false` where it cannot be read.
pub async fn is_one(location: &Location) -> bool {
    let head = match location.read_range(0..HEAD).await {
        Ok(head) => head,
        // Servers without range requests.
        Err(_) => match location.read().await {
            Ok(all) => all.slice(..all.len().min(HEAD as usize)),
            Err(_) => return false,
        },
    };
    let text = String::from_utf8_lossy(&head);
    let says = |words: &[&str]| words.iter().any(|word| text.contains(word));
    says(&["\"refs\"", ".zgroup\"", ".zattrs\"", ".zarray\"", ".zmetadata\"", "zarr.json\""])
        && !says(&["\"stac_version\""])
}

/// The store that a reference file describes.
///
/// # Errors
/// [`SourceError::Storage`] where the file cannot be read, [`SourceError::Invalid`] where it is no reference file,
/// [`SourceError::Unsupported`] for generated references and templates with arguments.
pub async fn open(location: &Location) -> Result<Location, SourceError> {
    let href = location.href().to_owned();
    let (size, version) = location.version().await?;
    if size > MAX_BYTES {
        let what = format!("{size} bytes of references in one file");
        return Err(SourceError::Unsupported { href, what });
    }
    let bytes = location.read().await?;
    let read = tokio::task::spawn_blocking({
        let href = href.clone();
        move || References::parse(&href, &bytes)
    });
    let references = read.await.map_err(|error| invalid(&href, error))??;
    let store = ReferenceStore::new(references, location.clone(), version);
    Ok(Location::view(Arc::new(store), location))
}

fn invalid(href: &str, reason: impl std::fmt::Display) -> SourceError {
    let (href, format) = (href.to_owned(), "reference file");
    SourceError::Invalid { href, format, reason: reason.to_string() }
}

#[cfg(test)]
mod tests;
