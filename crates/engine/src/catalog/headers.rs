//! Opening files for what they say of themselves, each once while it does not change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::UNIX_EPOCH;

use eolith_cube::{DType, Grid, Regular, Schema, Variable};
use eolith_plan::need::{Content, Format, Level, Piece};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

use super::cache::Cache;
use super::stored::{StoredCube, StoredFile, StoredTiff};
use crate::source::{SourceError, cf, icechunk, kerchunk, netcdf, tiff, zarr};
use crate::storage::{Location, StorageError};

/// Files that are opened at the same time.
const CONCURRENT: usize = 16;

/// What a TIFF says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct TiffHeader {
    pub(super) grid: Grid,
    pub(super) dtype: DType,
    /// The unit of decoding: bands, rows, columns.
    pub(super) chunk: Vec<usize>,
    pub(super) bands: Vec<(Option<String>, Variable)>,
    /// Grids and units of decoding of the overviews, largest first.
    pub(super) overviews: Vec<(Grid, Vec<usize>)>,
    pub(super) attributes: Map<String, Value>,
    pub(super) version: Option<String>,
}

/// What a Zarr store or a NetCDF file says of itself.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct CubeFile {
    /// Tells it from other cubes of the same file; empty for the first.
    pub(super) name: String,
    pub(super) schema: Schema,
    pub(super) pieces: Arc<[Piece]>,
    pub(super) title: Option<String>,
    pub(super) description: Option<String>,
    pub(super) attributes: Map<String, Value>,
    pub(super) notes: Vec<String>,
    /// Overviews by the name of their array, finest first.
    pub(super) levels: BTreeMap<String, Vec<Level>>,
}

/// Opens files, through the cache.
#[derive(Debug)]
pub(super) struct Headers {
    cache: Cache,
    limit: Semaphore,
    opened: AtomicUsize,
}

impl Headers {
    pub(super) fn new(cache: Cache) -> Headers {
        Headers { cache, limit: Semaphore::new(CONCURRENT), opened: AtomicUsize::new(0) }
    }

    /// How many files were opened because the cache did not know them.
    pub(super) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// Takes up what an earlier run learned.
    pub(super) async fn load(self: &Arc<Self>) {
        let headers = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || headers.cache.load()).await {
            tracing::warn!(%error, "the catalogue's cache could not be read");
        }
    }

    /// Keeps what is new for the next run.
    pub(super) async fn save(self: &Arc<Self>) {
        let headers = Arc::clone(self);
        if let Err(error) = tokio::task::spawn_blocking(move || headers.cache.save()).await {
            tracing::warn!(%error, "the catalogue's cache could not be written");
        }
    }

    /// The header of a TIFF. Errors are texts that name the file.
    pub(super) async fn tiff(&self, location: &Location) -> Result<Arc<TiffHeader>, String> {
        let version = location.version().await.map_err(|e| e.to_string())?.1;
        match self.cache.get(location.href(), &version) {
            Some(StoredFile::Tiff(stored)) => {
                if let Some(header) = stored.read() {
                    return Ok(Arc::new(header));
                }
            }
            Some(StoredFile::Broken(reason)) => return Err(reason),
            Some(StoredFile::Cubes(_)) | None => {}
        }
        let result = self.open(tiff::open(location)).await;
        let file = self.checked(location, Some(&version), result)?;
        let meta = file.reader.meta();
        let band = |band: tiff::TiffBand| {
            let variable = Variable {
                nodata: band.nodata,
                scale: band.scale,
                offset: band.offset,
                unit: band.unit,
                ..Variable::new(meta.dtype)
            };
            (band.name, variable)
        };
        let grid = file.grid;
        let header = TiffHeader {
            grid: grid.clone(),
            dtype: meta.dtype,
            chunk: meta.chunk.clone(),
            overviews: (file.overviews.iter())
                .map(|level| (level_grid(&grid, &level.meta().shape), level.meta().chunk.clone()))
                .collect(),
            bands: file.bands.into_iter().map(band).collect(),
            attributes: meta.attributes.clone(),
            version: Some(version.clone()),
        };
        self.cache.put(
            location.href(),
            &version,
            StoredFile::Tiff(Box::new(StoredTiff::of(&header))),
        );
        Ok(Arc::new(header))
    }

    /// The cubes in a Zarr store or a NetCDF file, at least one. Errors are texts that name the file.
    pub(super) async fn cubes(
        &self,
        location: &Location,
        format: Format,
    ) -> Result<Vec<CubeFile>, String> {
        let version = match format {
            Format::Zarr if !kerchunk::is_named(location) => zarr_version(location).await,
            Format::Zarr | Format::NetCdf | Format::Tiff => {
                location.version().await.map(|(_, token)| Some(token)).map_err(SourceError::from)
            }
        };
        let version = version.map_err(|e| e.to_string())?;
        let known = version.as_deref().and_then(|token| self.cache.get(location.href(), token));
        match known {
            Some(StoredFile::Cubes(stored)) => {
                let cubes: Option<Vec<CubeFile>> = stored.iter().map(StoredCube::read).collect();
                if let Some(cubes) = cubes.filter(|cubes| !cubes.is_empty()) {
                    return Ok(cubes);
                }
            }
            Some(StoredFile::Broken(reason)) => return Err(reason),
            Some(StoredFile::Tiff(_)) | None => {}
        }
        let result = self.open(open_cubes(location, format)).await;
        let cubes = self.checked(location, version.as_deref(), result)?;
        if let Some(token) = &version {
            let stored = cubes.iter().map(StoredCube::of).collect();
            self.cache.put(location.href(), token, StoredFile::Cubes(stored));
        }
        Ok(cubes)
    }

    async fn open<T>(
        &self,
        work: impl Future<Output = Result<T, SourceError>>,
    ) -> Result<T, SourceError> {
        let _permit = self.limit.acquire().await;
        self.opened.fetch_add(1, Ordering::Relaxed);
        work.await
    }

    /// Remembers files that are broken, but not those that could not be reached.
    fn checked<T>(
        &self,
        location: &Location,
        version: Option<&str>,
        result: Result<T, SourceError>,
    ) -> Result<T, String> {
        result.map_err(|error| {
            let text = error.to_string();
            if let (Some(version), false) = (version, matches!(error, SourceError::Storage(_))) {
                self.cache.put(location.href(), version, StoredFile::Broken(text.clone()));
            }
            text
        })
    }
}

/// The grid of an overview (bands, rows, columns): the extent of the image in fewer pixels, which need not be a whole
/// number of native ones.
fn level_grid(grid: &Grid, shape: &[usize]) -> Grid {
    let axis = |native: Regular, len: usize| {
        let step = native.step * native.len as f64 / len.max(1) as f64;
        Regular { start: native.start + (step - native.step) / 2.0, step, len }
    };
    Grid { crs: grid.crs.clone(), y: axis(grid.y, shape[1]), x: axis(grid.x, shape[2]) }
}

async fn open_cubes(location: &Location, format: Format) -> Result<Vec<CubeFile>, SourceError> {
    let (arrays, root, groups, mut notes) = match format {
        Format::Zarr => {
            let group = zarr::open_group(location).await?;
            (group.arrays, group.attributes, group.groups, group.notes)
        }
        Format::NetCdf | Format::Tiff => {
            let (arrays, attributes) = netcdf::open(location).await?;
            (arrays, attributes, BTreeMap::new(), Vec::new())
        }
    };
    if arrays.is_empty() && !notes.is_empty() {
        let (href, what) = (location.href().to_owned(), notes.swap_remove(0));
        return Err(SourceError::Invalid { href, format: format.name(), reason: what });
    }
    let attributes = cf::Attributes { root: &root, groups: &groups };
    let cubes = cf::describe_all(&arrays, attributes, location.href(), format).await?;
    let read = |cube: cf::Cube| match cube.content {
        Content::Cube { schema, pieces } => {
            // What was left out of the file is said once.
            let mut all = std::mem::take(&mut notes);
            all.extend(cube.notes.notes);
            Ok(CubeFile {
                name: cube.name,
                schema,
                pieces,
                title: cube.notes.title,
                description: cube.notes.description,
                attributes: cube.notes.attributes,
                notes: all,
                levels: cube.levels,
            })
        }
        Content::Scenes(_) => Err(SourceError::Unsupported {
            href: location.href().to_owned(),
            what: "scenes inside a file".to_owned(),
        }),
    };
    cubes.into_iter().map(read).collect()
}

/// A token of a store: of all metadata documents at its root and one level below where it is local, of the root
/// document elsewhere, the snapshot of an Icechunk repository. `None` where there is nothing to ask.
async fn zarr_version(location: &Location) -> Result<Option<String>, SourceError> {
    const DOCUMENTS: [&str; 5] = ["zarr.json", ".zmetadata", ".zgroup", ".zarray", ".zattrs"];
    let Some(root) = location.as_local().map(ToOwned::to_owned) else {
        for name in &DOCUMENTS[..2] {
            match location.join(name).version().await {
                Ok((_, token)) => return Ok(Some(token)),
                Err(StorageError::NotFound(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        return icechunk::version(location).await;
    };
    let stamp = move || {
        let mut folders = vec![root.clone()];
        let entries = std::fs::read_dir(&root).into_iter().flatten().flatten();
        folders.extend(entries.map(|entry| entry.path()));
        folders.sort();
        let (mut hash, mut any) = (xxhash_rust::xxh3::Xxh3::new(), false);
        for path in folders.iter().flat_map(|f| DOCUMENTS.map(|name| f.join(name))) {
            let Ok(meta) = std::fs::metadata(&path) else { continue };
            let modified = meta.modified().ok().and_then(|t| t.duration_since(UNIX_EPOCH).ok());
            any = true;
            hash.update(path.as_os_str().as_encoded_bytes());
            hash.update(&modified.map_or(0, |t| t.as_nanos()).to_le_bytes());
            hash.update(&meta.len().to_le_bytes());
        }
        any.then(|| format!("{:016x}", hash.digest()))
    };
    match tokio::task::spawn_blocking(stamp).await.ok().flatten() {
        Some(token) => Ok(Some(token)),
        None => icechunk::version(location).await,
    }
}
