//! Sources that a process graph names by their address.
//!
//! They are opened when they are asked for, on behalf of the request: what they may lead to is
//! [`crate::storage::access`]'s to say. What was learned is kept for some minutes, so that planning, which asks step by
//! step, reads every document once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eolith_cube::Features;
use eolith_plan::need::Format;
use eolith_plan::request::InputFormat;
use serde_json::{Map, Value};

use super::headers::{CubeFile, Headers};
use super::scenes::SceneSource;
use super::{Data, Listed, geotiff, ids};
use crate::source::SourceError;
use crate::source::stac::{self, Asset, Document};
use crate::source::vector;
use crate::storage::{Access, Location, StorageError};

/// How long what was learned is believed.
const FRESH: Duration = Duration::from_mins(5);
/// Sources that are remembered.
const MOST: usize = 64;
/// Collections that an error names.
const NAMED: usize = 5;

/// The sources of requests.
#[derive(Debug)]
pub(super) struct External {
    pub(super) access: Arc<Access>,
    known: Mutex<BTreeMap<String, (Instant, Arc<Listed>)>>,
}

/// Why a file that a request names by format gives nothing. The texts name the address.
#[derive(Debug)]
pub(super) enum Unread {
    /// It cannot be reached, or may not be.
    Failed(String),
    /// It is not a file of the format.
    Unsuitable(String),
}

impl External {
    pub(super) fn new(access: Access) -> External {
        External { access: Arc::new(access), known: Mutex::default() }
    }

    /// What is at an address; `None` where nothing is. Errors are texts that name it.
    pub(super) async fn listed(
        &self,
        url: &str,
        headers: &Headers,
    ) -> Result<Option<Arc<Listed>>, String> {
        if let Some(listed) = self.known(url) {
            return Ok(Some(listed));
        }
        let Some(data) = self.open(url, headers).await? else { return Ok(None) };
        Ok(Some(self.remember(url.to_owned(), url, data)))
    }

    /// The features of a file; `None` where there is none.
    pub(super) async fn features(
        &self,
        url: &str,
        format: InputFormat,
    ) -> Result<Option<Features>, Unread> {
        features_of(&self.located(url)?, format).await
    }

    /// The cube in a file of pixels; `None` where there is none.
    pub(super) async fn pixels(
        &self,
        url: &str,
        format: InputFormat,
        headers: &Headers,
    ) -> Result<Option<Arc<Listed>>, Unread> {
        let key = format!("{} {url}", format.name());
        if let Some(listed) = self.known(&key) {
            return Ok(Some(listed));
        }
        let location = self.located(url)?;
        // A Zarr store is a folder, of which a server may say nothing.
        if format != InputFormat::Zarr {
            match location.version().await {
                Ok(_) => {}
                Err(StorageError::NotFound(_)) => return Ok(None),
                Err(error) => return Err(Unread::Failed(error.to_string())),
            }
        }
        let cube = match format {
            InputFormat::GTiff => headers.tiff(&location).await.and_then(|header| {
                let files = [(None, location.href().to_owned(), header)];
                geotiff::cube(&files).ok_or_else(|| "it has no bands".to_owned())
            }),
            InputFormat::NetCdf => one_cube(&location, Format::NetCdf, headers).await,
            InputFormat::Zarr => one_cube(&location, Format::Zarr, headers).await,
            InputFormat::GeoJson
            | InputFormat::Parquet
            | InputFormat::FlatGeobuf
            | InputFormat::GeoPackage => Err(format!("{} holds no pixels", format.name())),
        };
        let cube = requested(&location, cube.map_err(Unread::Unsuitable)?);
        let data = Data::Cube { file: ids::name_of(location.href()), cube: Box::new(cube) };
        Ok(Some(self.remember(key, url, data)))
    }

    fn located(&self, url: &str) -> Result<Location, Unread> {
        Location::requested(&self.access, url).map_err(|e| Unread::Failed(e.to_string()))
    }

    fn known(&self, key: &str) -> Option<Arc<Listed>> {
        let known = self.lock();
        let (since, listed) = known.get(key)?;
        (since.elapsed() < FRESH).then(|| Arc::clone(listed))
    }

    fn remember(&self, key: String, url: &str, data: Data) -> Arc<Listed> {
        let listed = Arc::new(Listed::new(ids::name_of(url), url.to_owned(), data));
        let mut known = self.lock();
        known.retain(|_, (since, _)| since.elapsed() < FRESH);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(key, (Instant::now(), Arc::clone(&listed)));
        listed
    }

    async fn open(&self, url: &str, headers: &Headers) -> Result<Option<Data>, String> {
        let text = |error: SourceError| error.to_string();
        let location = Location::requested(&self.access, url).map_err(|e| e.to_string())?;
        let (location, document) = match stac::read(&location).await {
            Ok(read) => read,
            Err(SourceError::Storage(StorageError::NotFound(_))) => return Ok(None),
            Err(error) => return Err(error.to_string()),
        };
        let scenes = |source: SceneSource| Ok(Some(Data::Scenes(Box::new(source))));
        let landing = match document {
            Document::Item(item) => {
                if let Some(cube) = cube(&location, &item.assets, headers).await? {
                    return Ok(Some(cube));
                }
                return scenes(SceneSource::of_item(location, *item).map_err(text)?);
            }
            Document::Collection(collection) => {
                let has_items =
                    collection.links.iter().any(|l| ["item", "items"].contains(&l.rel.as_str()));
                if !has_items
                    && let Some(cube) = cube(&location, &collection.assets, headers).await?
                {
                    return Ok(Some(cube));
                }
                return scenes(SceneSource::new(location, *collection));
            }
            Document::Page { items, .. } => {
                return scenes(SceneSource::of_items(location, items).map_err(text)?);
            }
            Document::Catalog(catalog) => catalog,
        };
        let mut seen = std::collections::BTreeSet::new();
        let start = Document::Catalog(landing.clone());
        let (mut found, problems) = stac::collections(location.clone(), start, &mut seen).await;
        match (found.len(), problems.into_iter().next()) {
            (1, _) => {
                let one = found.swap_remove(0);
                scenes(SceneSource::new(one.location, *one.document).with_api(one.api))
            }
            (0, Some((_, error))) => Err(text(error)),
            (0, None) => scenes(SceneSource::of_catalog(location, landing).map_err(text)?),
            (count, _) => {
                let more = if count > NAMED { ", …" } else { "" };
                let named: Vec<String> = found
                    .iter()
                    .take(NAMED)
                    .map(|one| crate::storage::shown(one.location.href()))
                    .collect();
                Err(format!(
                    "`{}` has {count} collections, one has to be chosen by its own address: {}{more}",
                    crate::storage::shown(url),
                    named.join(", ")
                ))
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, (Instant, Arc<Listed>)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The features of a file; `None` where there is none.
pub(super) async fn features_of(
    location: &Location,
    format: InputFormat,
) -> Result<Option<Features>, Unread> {
    let bytes = match location.read_at_most(vector::MOST_BYTES).await {
        Ok(bytes) => bytes,
        Err(StorageError::NotFound(_)) => return Ok(None),
        Err(error) => return Err(Unread::Failed(error.to_string())),
    };
    let shown = crate::storage::shown(location.href());
    let unsuitable = |reason: String| Unread::Unsuitable(format!("`{shown}`: {reason}"));
    // A reader that panics over a damaged file ends its own task only.
    let read = tokio::task::spawn_blocking(move || vector::read(bytes, format)).await;
    match read {
        Ok(read) => read.map(Some).map_err(|e| unsuitable(e.to_string())),
        Err(_) => Err(unsuitable(format!("it cannot be read as {}", format.name()))),
    }
}

/// The data cube that is an asset: the first Zarr store or NetCDF file with pixels, where there are no GeoTIFFs.
async fn cube(
    location: &Location,
    assets: &Map<String, Value>,
    headers: &Headers,
) -> Result<Option<Data>, String> {
    let mut chosen = None;
    for asset in assets.values() {
        let Ok(asset) = serde_json::from_value::<Asset>(asset.clone()) else { continue };
        let roles = asset.roles.clone().unwrap_or_default();
        if !roles.is_empty() && !roles.iter().any(|role| role == "data") {
            continue;
        }
        let kind = asset.media_type.as_deref().unwrap_or_default().to_ascii_lowercase();
        let path = asset.href.split(['?', '#']).next().unwrap_or_default().trim_end_matches('/');
        let path = path.to_ascii_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| path.ends_with(ending));
        if kind.starts_with("image/tiff") || ends(&[".tif", ".tiff"]) {
            return Ok(None);
        }
        let format = if kind.contains("zarr") || ends(&[".zarr"]) {
            Format::Zarr
        } else if kind.contains("netcdf") || kind.contains("x-hdf5") || ends(&[".nc", ".nc4"]) {
            Format::NetCdf
        } else {
            continue;
        };
        if chosen.is_none() {
            chosen = Some((asset.href, format));
        }
    }
    let Some((href, format)) = chosen else { return Ok(None) };
    let file = location.relative(&href).map_err(|e| e.to_string())?;
    let cube = requested(&file, one_cube(&file, format, headers).await?);
    Ok(Some(Data::Cube { file: ids::name_of(file.href()), cube: Box::new(cube) }))
}

/// The first cube of a file, with a note if there are more.
pub(super) async fn one_cube(
    file: &Location,
    format: Format,
    headers: &Headers,
) -> Result<CubeFile, String> {
    let mut cubes = headers.cubes(file, format).await?.into_iter();
    let mut cube = cubes.next().ok_or_else(|| format!("`{}` has no data cube", file.href()))?;
    let others = cubes.count();
    if others > 0 {
        cube.notes
            .push(format!("{others} more cubes of other dimensions in the file were not used"));
    }
    Ok(cube)
}

/// The cube, whose arrays are read on behalf of the request that named the file.
fn requested(file: &Location, mut cube: CubeFile) -> CubeFile {
    if file.is_requested() {
        cube.pieces = (cube.pieces.iter().cloned())
            .map(|mut piece| {
                piece.array.requested = true;
                piece
            })
            .collect();
    }
    cube
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn fixture(name: &str) -> String {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
        folder.join(name).display().to_string()
    }

    #[tokio::test]
    async fn files_are_read_in_the_format_that_is_named() {
        let external = External::new(Access::operator());
        let (zones, format) = (fixture("zones.parquet"), InputFormat::Parquet);
        let found = external.features(&zones, format).await.unwrap().unwrap();
        assert_eq!(found.list.len(), 3);
        let other = external.features(&zones, InputFormat::GeoJson).await;
        assert!(
            matches!(other, Err(Unread::Unsuitable(reason)) if reason.contains("zones.parquet"))
        );
        let missing = external.features(&fixture("none.fgb"), InputFormat::FlatGeobuf).await;
        assert!(matches!(missing, Ok(None)));
        let headers = Headers::new(crate::catalog::Cache::new(None));
        let pixels = external.pixels(&zones, InputFormat::GTiff, &headers).await;
        assert!(matches!(pixels, Err(Unread::Unsuitable(_))), "{pixels:?}");
        let none = external.pixels(&fixture("none.tif"), InputFormat::GTiff, &headers).await;
        assert!(matches!(none, Ok(None)));
    }

    #[tokio::test]
    async fn requests_may_not_name_files_of_this_machine() {
        let external = External::new(Access::requests(false, []));
        for url in [fixture("zones.fgb"), "https://127.0.0.1/zones.fgb".to_owned()] {
            let found = external.features(&url, InputFormat::FlatGeobuf).await;
            let refused =
                matches!(&found, Err(Unread::Failed(reason)) if reason.contains("may not"));
            assert!(refused, "{found:?}");
            let headers = Headers::new(crate::catalog::Cache::new(None));
            let found = external.pixels(&url, InputFormat::GTiff, &headers).await;
            assert!(matches!(found, Err(Unread::Failed(_))), "{found:?}");
        }
    }
}
