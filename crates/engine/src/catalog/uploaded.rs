//! Files of a user's workspace that a process graph names, as one cube.
//!
//! They are the user's, not the operator's: nothing that stands in them leads to other files. Reasons name files as the
//! user does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use eolith_cube::Features;
use eolith_plan::need::Format;
use eolith_plan::request::InputFormat;

use super::external::{Unread, features_of, one_cube};
use super::geotiff::{self, Group};
use super::headers::{CubeFile, Headers};
use super::{Data, Listed, ids, walk};
use crate::source::{icechunk, kerchunk};
use crate::storage::{Access, Location, StorageError};

/// A path as the user wrote it, and the file.
pub(super) type File = (String, PathBuf);

/// A document of the user's: what stands in it leads to public addresses and to what lies beside it or below, as from a
/// request.
pub(super) fn location(document: &Path) -> Result<Location, StorageError> {
    let folder = document.parent().unwrap_or(document).display().to_string();
    let access = Arc::new(Access::requests(false, [folder.as_str()]));
    Location::requested(&access, &document.display().to_string())
}

/// The features of all files, one after the other.
pub(super) async fn features(files: &[File], format: InputFormat) -> Result<Features, Unread> {
    let mut all: Option<Features> = None;
    for file in files {
        let read = features_of(&located(file)?, format).await;
        let own = read.map_err(|unread| renamed(unread, files))?;
        let own = own.ok_or_else(|| Unread::Failed(format!("`{}` is gone", file.0)))?;
        match &mut all {
            None => all = Some(own),
            Some(all) if all.crs == own.crs => all.list.extend(own.list),
            Some(all) => {
                return Err(Unread::Unsuitable(format!(
                    "`{}` is in {}, the files before it are in {}: they are no single data cube",
                    file.0, own.crs, all.crs
                )));
            }
        }
    }
    all.ok_or_else(|| Unread::Failed("there is no file to read".to_owned()))
}

/// The cube of all files: one file, a Zarr store, or GeoTIFFs whose names differ in a date.
pub(super) async fn pixels(
    files: &[File],
    format: InputFormat,
    headers: &Headers,
) -> Result<Arc<Listed>, Unread> {
    let made = match format {
        InputFormat::GTiff => tiffs(files, headers).await,
        InputFormat::NetCdf => match files {
            [file] => match located(file) {
                Ok(location) => one_cube(&location, Format::NetCdf, headers).await,
                Err(unread) => return Err(unread),
            },
            _ => Err(several(files)),
        },
        InputFormat::Zarr => zarr(files, headers).await,
        InputFormat::GeoJson
        | InputFormat::Parquet
        | InputFormat::FlatGeobuf
        | InputFormat::GeoPackage => Err(format!("{} holds no pixels", format.name())),
    };
    let made = made.map_err(|reason| renamed(Unread::Unsuitable(reason), files));
    let name = files.first().map(|(name, _)| name.clone()).unwrap_or_default();
    let data = Data::Cube { file: ids::name_of(&name), cube: Box::new(made?) };
    Ok(Arc::new(Listed::new(ids::name_of(&name), name, data)))
}

/// One file, or a series in time.
async fn tiffs(files: &[File], headers: &Headers) -> Result<CubeFile, String> {
    let mut opened = Vec::with_capacity(files.len());
    for (_, path) in files {
        let location = Location::local(path).map_err(|e| e.to_string())?;
        opened.push((location.href().to_owned(), headers.tiff(&location).await?));
    }
    let no_bands = || "it has no bands".to_owned();
    if let [(href, header)] = opened.as_slice() {
        return geotiff::cube(&[(None, href.clone(), Arc::clone(header))]).ok_or_else(no_bands);
    }
    let mut hrefs: Vec<String> = opened.iter().map(|(href, _)| href.clone()).collect();
    hrefs.sort();
    let groups = geotiff::group(&hrefs);
    let [Group::Series { files: series, .. }] = groups.as_slice() else {
        return Err(several(files));
    };
    let of = |wanted: &str| opened.iter().find(|(href, _)| href == wanted);
    let series: Vec<_> = (series.iter())
        .filter_map(|(at, href)| Some((Some(*at), href.clone(), Arc::clone(&of(href)?.1))))
        .collect();
    let first = series.first().map(|(_, _, header)| Arc::clone(header));
    let first = first.ok_or_else(no_bands)?;
    if !series.iter().all(|(_, _, other)| geotiff::alike(&first, other)) {
        return Err(format!("{}; these differ in their grids or bands", several(files)));
    }
    geotiff::cube(&series).ok_or_else(no_bands)
}

/// The store that all files are a part of; one of them has to be its metadata.
async fn zarr(files: &[File], headers: &Headers) -> Result<CubeFile, String> {
    let metadata = |path: &&Path| {
        path.file_name().is_some_and(|name| walk::is_zarr_document(&name.to_string_lossy()))
    };
    let documents = files.iter().map(|(_, path)| path.as_path()).filter(metadata);
    let root = documents
        .filter_map(Path::parent)
        .min_by_key(|folder| folder.components().count())
        .ok_or("a Zarr store is named by its metadata, like `store.zarr/zarr.json`")?;
    if !files.iter().all(|(_, path)| path.starts_with(root)) {
        return Err(several(files));
    }
    let store = Location::local(root).map_err(|e| e.to_string())?;
    if kerchunk::is_named(&store) || icechunk::is_one(&store).await {
        return Err("of the user's own files, stores that refer to others are not read".to_owned());
    }
    one_cube(&store, Format::Zarr, headers).await
}

fn located((name, path): &File) -> Result<Location, Unread> {
    Location::local(path).map_err(|_| Unread::Failed(format!("`{name}` cannot be read")))
}

fn several(files: &[File]) -> String {
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    format!(
        "`{}` are no single data cube: several files are one if they are GeoTIFFs whose names differ in a date only",
        names.join("`, `")
    )
}

/// The reason without the places of files on this machine.
fn renamed(unread: Unread, files: &[File]) -> Unread {
    let plain = |reason: String| {
        files.iter().fold(reason, |reason, (name, path)| {
            let folder = path.parent().map(|folder| folder.display().to_string());
            let reason = reason.replace(&path.display().to_string(), name);
            match folder {
                Some(folder) => reason.replace(&folder, "…"),
                None => reason,
            }
        })
    };
    match unread {
        Unread::Failed(reason) => Unread::Failed(plain(reason)),
        Unread::Unsuitable(reason) => Unread::Unsuitable(plain(reason)),
    }
}
