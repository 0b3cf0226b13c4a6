//! From what a user named to a list of data sets.
//!
//! ```text
//! entries ─ walk ─► candidates ─┬─ STAC documents ─► collections ─► files they refer to
//!                               ├─ Zarr, NetCDF   ─► cubes               │
//!                               └─ GeoTIFFs  ◄── without those ──────────┘ ─► cubes, series
//!                                                                   all ─ ids ─► Index
//! ```
//! The order of everything is that of the addresses, never that of the work.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use eolith_plan::need::Format;
use futures::stream::{self, StreamExt};
use tracing::{info, warn};

use super::foreign;
use super::geotiff::{self, Group};
use super::headers::{CubeFile, Headers};
use super::ids::{self, Wish};
use super::scenes::SceneSource;
use super::walk::{self, Kind};
use super::{Data, Entry, Index, Listed, Problem, remote};
use crate::source::stac::{self, Document};
use crate::source::{SourceError, icechunk, kerchunk};
use crate::storage::Location;

/// Data sets that are opened at the same time.
const CONCURRENT: usize = 16;

/// Something to open.
#[derive(Clone, Debug)]
struct Target {
    /// Index of the entry that led here.
    entry: usize,
    location: Location,
    kind: Kind,
}

/// A data set.
struct Found {
    entry: usize,
    href: String,
    name: String,
    parent: Option<String>,
    data: Data,
}

/// Looks at everything the entries name.
pub(super) async fn scan(entries: &[Entry], headers: &Arc<Headers>) -> Index {
    let mut problems = Vec::new();
    let mut targets = Vec::new();
    // What a user gave an id goes first: found again below another entry, it is not listed twice.
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&i| entries[i].id.is_none());
    for entry in order {
        targets.append(&mut find(entry, &entries[entry].path, &mut problems).await);
    }
    let mut seen = BTreeSet::new();
    targets.retain(|target| seen.insert(target.location.href().to_owned()));

    let of = |kind: Kind| -> Vec<&Target> {
        targets.iter().filter(|target| target.kind == kind).collect()
    };
    let mut found = stac_collections(of(Kind::Stac), &mut problems).await;
    let tiffs = of(Kind::Tiff);
    let referenced =
        if tiffs.is_empty() { BTreeSet::new() } else { referenced(&found, &mut problems).await };
    let cubes = targets.iter().filter_map(|target| match target.kind {
        Kind::Zarr => Some((target, Format::Zarr)),
        Kind::NetCdf => Some((target, Format::NetCdf)),
        Kind::Stac | Kind::Tiff => None,
    });
    let work: Vec<_> =
        cubes
            .map(|(target, format)| async move {
                (target, headers.cubes(&target.location, format).await)
            })
            .collect();
    let opened: Vec<_> = stream::iter(work).buffered(CONCURRENT).collect().await;
    for (target, result) in opened {
        let href = target.location.href();
        match result {
            Ok(cubes) => found.extend(cubes.into_iter().map(|cube| {
                let (name, parent) = (ids::name_of(href), ids::parent_of(href));
                Found::cube(target.entry, href, name, parent, cube)
            })),
            Err(reason) => problems.push(Problem { path: href.to_owned(), reason }),
        }
    }
    let plain: Vec<&Target> =
        tiffs.into_iter().filter(|t| !referenced.contains(t.location.href())).collect();
    found.append(&mut geotiffs(&plain, headers, &mut problems).await);
    index(entries, found, problems)
}

impl Found {
    fn cube(
        entry: usize,
        href: &str,
        name: String,
        parent: Option<String>,
        cube: CubeFile,
    ) -> Found {
        let file = href.trim_end_matches('/').rsplit('/').next().unwrap_or(href).to_owned();
        for note in &cube.notes {
            info!(file = href, "{note}");
        }
        let data = Data::Cube { file, cube: Box::new(cube) };
        Found { entry, href: href.to_owned(), name, parent, data }
    }
}

/// The candidates below a path or behind a URL.
async fn find(entry: usize, path: &str, problems: &mut Vec<Problem>) -> Vec<Target> {
    let mut problem = |path: &str, reason: String| {
        problems.push(Problem { path: path.to_owned(), reason });
        Vec::new()
    };
    if path.contains("://") && !path.starts_with("file://") {
        let found = remote::find(path).await;
        for (path, reason) in found.problems {
            problem(&path, reason);
        }
        let target = |(location, kind)| Target { entry, location, kind };
        return found.targets.into_iter().map(target).collect();
    }
    let path = path.strip_prefix("file://").unwrap_or(path);
    let root = match std::path::absolute(path) {
        Ok(root) => root,
        Err(error) => return problem(path, error.to_string()),
    };
    let name = root.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let single = |path: &Path, kind: Kind| {
        Location::local(path).map(|location| vec![Target { entry, location, kind }])
    };
    let meta = match tokio::fs::metadata(&root).await {
        Ok(meta) => meta,
        // A version of a repository is no path.
        Err(error) => match Location::local(&root) {
            Ok(location) if name.contains('@') && icechunk::is_one(&location).await => {
                return vec![Target { entry, location, kind: Kind::Zarr }];
            }
            _ => return problem(path, error.to_string()),
        },
    };
    if !meta.is_dir() {
        let folder = root.parent().unwrap_or(Path::new("/"));
        let result = match walk::kind_of_name(&name) {
            Some(kind) => single(&root, kind),
            None if walk::is_zarr_document(&name) => single(folder, Kind::Zarr),
            None if name.to_ascii_lowercase().ends_with(".json") => {
                let references = match Location::local(&root) {
                    Ok(location) => kerchunk::is_one(&location).await,
                    Err(_) => false,
                };
                single(&root, if references { Kind::Zarr } else { Kind::Stac })
            }
            None => {
                let known = match Location::local(&root) {
                    Ok(location) => foreign::by_content(&location).await,
                    Err(_) => None,
                };
                let reason = known.or_else(|| foreign::by_name(&name));
                let plain = "not a GeoTIFF, NetCDF, Zarr or STAC file by its name";
                return problem(path, reason.unwrap_or(plain).to_owned());
            }
        };
        return result.unwrap_or_else(|error| problem(path, error.to_string()));
    }
    let walked = tokio::task::spawn_blocking(move || walk::walk(&root)).await;
    let walked = match walked {
        Ok(walked) => walked,
        Err(error) => return problem(path, error.to_string()),
    };
    for (path, reason) in walked.problems {
        problem(&path.display().to_string(), reason);
    }
    let mut targets = Vec::with_capacity(walked.candidates.len());
    for candidate in walked.candidates {
        match single(&candidate.path, candidate.kind) {
            Ok(mut target) => targets.append(&mut target),
            Err(error) => drop(problem(&candidate.path.display().to_string(), error.to_string())),
        }
    }
    if targets.is_empty() {
        problem(path, "no data set was found there".to_owned());
    }
    targets
}

async fn stac_collections(mut targets: Vec<&Target>, problems: &mut Vec<Problem>) -> Vec<Found> {
    // A catalogue above others leads to them, so that it goes before them.
    let rank = |target: &Target| {
        let href = target.location.href();
        (!href.to_ascii_lowercase().ends_with("catalog.json"), href.matches('/').count())
    };
    targets.sort_by_key(|target| (target.entry, rank(target)));
    let (mut found, mut seen) = (Vec::new(), BTreeSet::new());
    for target in targets {
        let href = target.location.href();
        if seen.contains(href) {
            continue;
        }
        let broken =
            |error: SourceError| Problem { path: href.to_owned(), reason: error.to_string() };
        let (location, document) = match stac::read(&target.location).await {
            Ok((location, Document::Item(item))) => {
                let (name, parent) = (ids::clean(&item.id), ids::parent_of(href));
                match SceneSource::of_item(location, *item) {
                    Ok(source) => {
                        let data = Data::Scenes(Box::new(source));
                        let (entry, href) = (target.entry, href.to_owned());
                        found.push(Found { entry, href, name, parent, data });
                    }
                    Err(error) => problems.push(broken(error)),
                }
                continue;
            }
            Ok((_, Document::Page { .. })) => {
                let reason = "a page of items is not a collection".to_owned();
                problems.push(Problem { path: href.to_owned(), reason });
                continue;
            }
            Ok(read) => read,
            Err(error) => {
                problems.push(broken(error));
                continue;
            }
        };
        let (collections, failed) = stac::collections(location, document, &mut seen).await;
        let failed = failed.into_iter();
        problems.extend(failed.map(|(path, e)| Problem { path, reason: e.to_string() }));
        for one in collections {
            let href = one.location.href().to_owned();
            let folder = href.rsplit_once('/').map(|(folder, _)| folder);
            let parent = match one.parent.as_deref() {
                Some(parent) => ids::parent_of(parent),
                None => folder.and_then(ids::parent_of),
            };
            let name = ids::clean(&one.document.id);
            let source = SceneSource::new(one.location, *one.document).with_api(one.api);
            let data = Data::Scenes(Box::new(source));
            found.push(Found { entry: target.entry, href, name, parent, data });
        }
    }
    found
}

/// The files that local items refer to; those are not data sets of their own.
async fn referenced(found: &[Found], problems: &mut Vec<Problem>) -> BTreeSet<String> {
    let mut files = BTreeSet::new();
    for one in found {
        let Data::Scenes(source) = &one.data else { continue };
        // What cannot be listed holds no files that were found on their own.
        if source.location.as_url().is_some() {
            continue;
        }
        match source.sample().await {
            Ok(items) => {
                files.extend(items.files.iter().cloned());
                let broken = items.problems.iter().cloned();
                problems.extend(broken.map(|(path, reason)| Problem { path, reason }));
            }
            Err(reason) => problems.push(Problem { path: one.href.clone(), reason }),
        }
    }
    files
}

async fn geotiffs(
    targets: &[&Target],
    headers: &Arc<Headers>,
    problems: &mut Vec<Problem>,
) -> Vec<Found> {
    let work: Vec<_> = (targets.iter())
        .map(|target| async move { (*target, headers.tiff(&target.location).await) })
        .collect();
    let opened: Vec<_> = stream::iter(work).buffered(CONCURRENT).collect().await;
    let (mut known, mut usable) = (BTreeMap::new(), BTreeMap::<usize, Vec<String>>::new());
    for (target, result) in opened {
        let href = target.location.href().to_owned();
        match result {
            Ok(header) => {
                usable.entry(target.entry).or_default().push(href.clone());
                known.insert(href, header);
            }
            Err(reason) => problems.push(Problem { path: href, reason }),
        }
    }
    let mut found = Vec::new();
    for (entry, mut hrefs) in usable {
        hrefs.sort();
        let mut singles = Vec::new();
        for group in geotiff::group(&hrefs) {
            let (name, files) = match group {
                Group::Single(href) => {
                    singles.push(href);
                    continue;
                }
                Group::Series { name, files } => (name, files),
            };
            let files: Vec<_> = (files.into_iter())
                .filter_map(|(at, href)| {
                    Some((Some(at), href.clone(), Arc::clone(known.get(&href)?)))
                })
                .collect();
            let Some((_, first, header)) = files.first() else { continue };
            if files.iter().all(|(_, _, other)| geotiff::alike(header, other)) {
                let folder = first.rsplit_once('/').map_or("", |(folder, _)| folder);
                if let Some(cube) = geotiff::cube(&files) {
                    let parent = ids::parent_of(first);
                    let name = ids::clean(&name);
                    info!(
                        folder,
                        name,
                        files = files.len(),
                        "files with a date in their names are one collection"
                    );
                    found.push(Found::cube(entry, first, name, parent, cube));
                }
            } else {
                warn!(
                    first,
                    "a series by its names has different grids or bands: every file is a collection"
                );
                singles.extend(files.into_iter().map(|(_, href, _)| href));
            }
        }
        for href in singles {
            let Some(header) = known.get(&href) else { continue };
            let (name, parent) = (ids::name_of(&href), ids::parent_of(&href));
            if let Some(cube) = geotiff::cube(&[(None, href.clone(), Arc::clone(header))]) {
                found.push(Found::cube(entry, &href, name, parent, cube));
            }
        }
    }
    found
}

fn index(entries: &[Entry], mut found: Vec<Found>, mut problems: Vec<Problem>) -> Index {
    found.sort_by(|a, b| a.href.cmp(&b.href));
    let mut files = BTreeMap::<usize, BTreeSet<&str>>::new();
    for one in &found {
        files.entry(one.entry).or_default().insert(&one.href);
    }
    let wishes: Vec<Wish> = (found.iter())
        .map(|one| Wish {
            name: one.name.clone(),
            parent: one.parent.clone(),
            prefix: entries[one.entry].id.as_deref().map(ids::clean).filter(|id| !id.is_empty()),
            part: match &one.data {
                Data::Cube { cube, .. } => ids::clean(&cube.name),
                Data::Scenes(_) => String::new(),
            },
            alone: files.get(&one.entry).is_some_and(|files| files.len() == 1),
        })
        .collect();
    let ids = ids::assign(&wishes);
    let listed = found
        .into_iter()
        .zip(ids)
        .map(|(one, id)| (id.clone(), Arc::new(Listed::new(id, one.href, one.data))));
    problems.sort();
    problems.dedup();
    for problem in &problems {
        warn!(path = problem.path, reason = problem.reason, "a data set cannot be used");
    }
    Index { listed: listed.collect(), problems }
}
