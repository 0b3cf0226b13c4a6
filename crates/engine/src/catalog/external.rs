//! Sources that a process graph names by their address.
//!
//! They are opened when they are asked for, on behalf of the request: what they may lead to is
//! [`crate::storage::access`]'s to say. What was learned is kept for some minutes, so that planning, which asks step by
//! step, reads every document once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eolith_plan::need::Format;
use serde_json::{Map, Value};

use super::headers::Headers;
use super::scenes::SceneSource;
use super::{Data, Listed, ids};
use crate::source::SourceError;
use crate::source::stac::{self, Asset, Document};
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
        if let Some((since, listed)) = self.lock().get(url)
            && since.elapsed() < FRESH
        {
            return Ok(Some(Arc::clone(listed)));
        }
        let Some(data) = self.open(url, headers).await? else { return Ok(None) };
        let listed = Arc::new(Listed::new(ids::name_of(url), url.to_owned(), data));
        let mut known = self.lock();
        known.retain(|_, (since, _)| since.elapsed() < FRESH);
        if known.len() >= MOST {
            known.clear();
        }
        known.insert(url.to_owned(), (Instant::now(), Arc::clone(&listed)));
        Ok(Some(listed))
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
    let mut cubes = headers.cubes(&file, format).await?.into_iter();
    let mut cube = cubes.next().ok_or_else(|| format!("`{}` has no data cube", file.href()))?;
    let others = cubes.count();
    if others > 0 {
        cube.notes
            .push(format!("{others} more cubes of other dimensions in the file were not used"));
    }
    if file.is_requested() {
        cube.pieces = (cube.pieces.iter().cloned())
            .map(|mut piece| {
                piece.array.requested = true;
                piece
            })
            .collect();
    }
    Ok(Some(Data::Cube { file: ids::name_of(file.href()), cube: Box::new(cube) }))
}
