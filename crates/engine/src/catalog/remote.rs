//! Data sets behind an address: by its name, by listing a bucket, else by trying.

use futures::stream::{self, StreamExt};

use super::walk::{self, Kind};
use crate::source::{icechunk, kerchunk, stac};
use crate::storage::{Listing, Location, StorageError, bucket, shown};

/// Folders of a bucket that are listed at the same time, and in all.
const CONCURRENT: usize = 16;
const MOST_FOLDERS: usize = 10_000;
/// Folders below a prefix that are looked into.
const MAX_DEPTH: usize = 32;

/// What an address leads to.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) targets: Vec<(Location, Kind)>,
    /// Address and reason.
    pub(super) problems: Vec<(String, String)>,
}

/// The data sets behind a URL or below a prefix of a bucket.
pub(super) async fn find(address: &str) -> Found {
    let result = async {
        let plain = bucket::configure(address)?;
        Location::resolve("", &plain)
    };
    match result.await {
        Ok(location) if location.as_url().is_some() => single(location).await,
        Ok(location) => below(location).await,
        Err(error) => failed(address, &error),
    }
}

fn failed(address: &str, error: &StorageError) -> Found {
    let problems = vec![(shown(address), error.to_string())];
    Found { problems, ..Found::default() }
}

/// What the end of an address says.
fn by_name(location: &Location) -> Option<Result<(Location, Kind), StorageError>> {
    let path = location.href().split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
    let name = path.rsplit_once('/').map_or(path, |(_, name)| name);
    if walk::is_zarr_document(name) {
        return Some(location.parent().map(|folder| (folder, Kind::Zarr)));
    }
    let extension = name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let kind = match extension.as_deref() {
        Some("zarr") => Some(Kind::Zarr),
        _ if walk::kind_of_name(name).is_some() => walk::kind_of_name(name),
        Some("json" | "geojson") => Some(Kind::Stac),
        _ => None,
    };
    kind.map(|kind| Ok((location.clone(), kind)))
}

/// What a URL leads to: by its name, else by trying.
async fn single(location: Location) -> Found {
    match by_name(&location) {
        Some(Ok((location, Kind::Stac))) if kerchunk::is_one(&location).await => {
            return Found { targets: vec![(location, Kind::Zarr)], problems: Vec::new() };
        }
        Some(Ok(target)) => return Found { targets: vec![target], problems: Vec::new() },
        Some(Err(error)) => return failed(location.href(), &error),
        None => {}
    }
    // A service answers with a document; a store does not, or with a page for people.
    let document = stac::read(&location).await;
    if document.is_ok() {
        return Found { targets: vec![(location, Kind::Stac)], problems: Vec::new() };
    }
    for name in ["zarr.json", ".zmetadata", ".zgroup", ".zarray"] {
        if location.join(name).version().await.is_ok() {
            return Found { targets: vec![(location, Kind::Zarr)], problems: Vec::new() };
        }
    }
    if icechunk::is_one(&location).await {
        return Found { targets: vec![(location, Kind::Zarr)], problems: Vec::new() };
    }
    let reason = document.err().map_or_else(String::new, |error| format!(": {error}"));
    let reason = format!("neither a Zarr store nor a STAC document{reason}");
    Found { targets: Vec::new(), problems: vec![(shown(location.href()), reason)] }
}

/// All data sets below a prefix. Stores are not entered; hidden entries are passed over.
async fn below(root: Location) -> Found {
    if let Some(target) = by_name(&root) {
        return match target {
            Ok(target) => Found { targets: vec![target], problems: Vec::new() },
            Err(error) => failed(root.href(), &error),
        };
    }
    let mut found = Found::default();
    let address = root.href().to_owned();
    // What an `@` in the address means is not in any listing.
    if address.contains('@') && icechunk::is_one(&root).await {
        return Found { targets: vec![(root, Kind::Zarr)], problems: Vec::new() };
    }
    let (mut level, mut folders) = (vec![root], 0);
    for _ in 0..MAX_DEPTH {
        folders += level.len();
        if folders > MOST_FOLDERS {
            let reason = format!("more than {MOST_FOLDERS} folders; name those with data");
            found.problems.push((address.clone(), reason));
            break;
        }
        let listed: Vec<_> = stream::iter(std::mem::take(&mut level))
            .map(|folder| async move { (folder.list().await, folder) })
            .buffered(CONCURRENT)
            .collect()
            .await;
        for (listing, folder) in listed {
            match listing {
                Ok(listing) => enter(folder, listing.unwrap_or_default(), &mut found, &mut level),
                Err(error) => found.problems.push((folder.href().to_owned(), error.to_string())),
            }
        }
        if level.is_empty() {
            break;
        }
    }
    if found.targets.is_empty() && found.problems.is_empty() {
        found.problems.push((address, "no data set was found there".to_owned()));
    }
    found.targets.sort_by(|a, b| a.0.href().cmp(b.0.href()));
    found
}

fn enter(folder: Location, listing: Listing, found: &mut Found, level: &mut Vec<Location>) {
    let named = |name: &str| listing.folders.iter().any(|folder| folder == name);
    if listing.files.iter().any(|name| walk::is_zarr_document(name)) || icechunk::is_named(named) {
        found.targets.push((folder, Kind::Zarr));
        return;
    }
    let visible = |name: &&String| !name.starts_with('.');
    for name in listing.files.iter().filter(visible) {
        if let Some(kind) = walk::kind_of_name(name) {
            found.targets.push((folder.join(name), kind));
        }
    }
    level.extend(listing.folders.iter().filter(visible).map(|name| folder.join(name)));
}
