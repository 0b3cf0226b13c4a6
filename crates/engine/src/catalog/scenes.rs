//! A STAC collection: its items, read when they are needed, and the files' own word where items say too little.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::time::{Instant, Interval};
use eolith_cube::{DType, Grid, Variable};
use eolith_plan::need::{ArrayRef, Format, Scene, SceneAsset, SceneCollection, SceneDimensions};
use futures::stream::{self, StreamExt, TryStreamExt};
use serde_json::Value;
use tokio::sync::OnceCell;
use tracing::warn;

use super::bounds;
use super::headers::Headers;
use super::search::Searched;
use crate::source::SourceError;
use crate::source::stac::{self, Api, BandInfo, Catalog, Collection, Item, ItemBand, ItemScene};
use crate::storage::{Location, StorageError};

/// Items that are read to describe a collection. Larger ones are described by the first of them; no common grid
/// is claimed for those.
const SAMPLE: usize = 1000;
/// Headers that are opened at the same time for one question.
const CONCURRENT: usize = 16;

/// A STAC collection or a single item.
#[derive(Debug)]
pub(super) struct SceneSource {
    pub(super) location: Location,
    pub(super) document: Collection,
    /// The items, where they were given and not to be looked for.
    given: Option<Vec<(Location, Item)>>,
    /// The service that has the items, once it was looked for.
    pub(super) api: OnceCell<Option<Api>>,
    pub(super) searched: Searched,
    sample: OnceCell<Arc<Items>>,
    all: OnceCell<Arc<Items>>,
}

/// Items in the order (time, id).
#[derive(Debug)]
pub(super) struct Items {
    pub(super) scenes: Vec<ItemScene>,
    /// Addresses of all assets, data or not.
    pub(super) files: BTreeSet<String>,
    /// Whether these are all items.
    pub(super) complete: bool,
    /// Items that cannot be read: address and reason.
    pub(super) problems: Vec<(String, String)>,
}

impl SceneSource {
    pub(super) fn new(location: Location, document: Collection) -> SceneSource {
        SceneSource {
            location,
            document,
            given: None,
            api: OnceCell::new(),
            searched: Searched::default(),
            sample: OnceCell::new(),
            all: OnceCell::new(),
        }
    }

    /// A collection that a service listed.
    pub(super) fn with_api(self, api: Option<Api>) -> SceneSource {
        match api {
            Some(api) => SceneSource { api: OnceCell::new_with(Some(Some(api))), ..self },
            None => self,
        }
    }

    /// A collection of one item.
    pub(super) fn of_item(location: Location, item: Item) -> Result<SceneSource, SourceError> {
        let text = |key: &str| item.properties.get(key).cloned().unwrap_or(Value::Null);
        let document = serde_json::json!({
            "id": item.id, "title": text("title"), "description": text("description"),
            "license": text("license"), "providers": text("providers"), "links": [],
        });
        let links = item.links.iter().filter(|link| link.rel == "license").cloned().collect();
        let mut source = Self::around(location.clone(), document, Some(vec![(location, item)]))?;
        source.document.links = links;
        Ok(source)
    }

    /// A collection of the items of one document.
    pub(super) fn of_items(
        location: Location,
        items: Vec<Item>,
    ) -> Result<SceneSource, SourceError> {
        let document = serde_json::json!({"id": "items", "links": []});
        let given = items.into_iter().map(|item| (location.clone(), item)).collect();
        Self::around(location, document, Some(given))
    }

    /// The items of a catalogue without collections.
    pub(super) fn of_catalog(
        location: Location,
        catalog: Catalog,
    ) -> Result<SceneSource, SourceError> {
        let document = serde_json::json!({
            "id": catalog.id, "title": catalog.title, "description": catalog.description, "links": [],
        });
        let mut source = Self::around(location, document, None)?;
        source.document.links = catalog.links;
        Ok(source)
    }

    fn around(
        location: Location,
        document: Value,
        given: Option<Vec<(Location, Item)>>,
    ) -> Result<SceneSource, SourceError> {
        let document = serde_json::from_value(document).map_err(|e| SourceError::Invalid {
            href: location.href().to_owned(),
            format: "STAC document",
            reason: e.to_string(),
        })?;
        Ok(SceneSource { given, ..SceneSource::new(location, document) })
    }

    /// Enough items to describe the collection: all of them, unless they are very many.
    pub(super) async fn sample(&self) -> Result<&Arc<Items>, String> {
        if let Some(all) = self.all.get() {
            return Ok(all);
        }
        let read = || async {
            match self.api().await? {
                Some(api) => self.search_sample(api).await,
                None => self.read(SAMPLE).await,
            }
        };
        self.sample.get_or_try_init(read).await
    }

    pub(super) async fn all(&self) -> Result<&Arc<Items>, String> {
        match self.sample.get() {
            Some(sample) if sample.complete => Ok(sample),
            _ => self.all.get_or_try_init(|| self.read(usize::MAX)).await,
        }
    }

    /// What the collection looks like, from its document and its items.
    pub(super) async fn describe(&self, headers: &Headers) -> Result<SceneCollection, String> {
        let items = self.sample().await?;
        let mut bands = Vec::new();
        for name in self.band_names(items) {
            let own: Vec<&ItemBand> =
                items.scenes.iter().flat_map(|s| &s.bands).filter(|b| b.band == name).collect();
            match own.first() {
                Some(first) => bands.push((name, self.common(&own, first, headers).await?)),
                None if items.complete => {
                    let collection = self.document.id.as_str();
                    warn!(collection, band = name, "no item has this band: left out");
                }
                None => {}
            }
        }
        // Files without a list of bands may have several; their headers know.
        let unlisted = items.scenes.iter().flat_map(|s| &s.bands).find(|b| !b.listed);
        if let Some(band) = unlisted {
            for (name, variable) in self.expand(band, headers).await? {
                if !bands.iter().any(|(known, _)| *known == name) {
                    bands.push((name, variable));
                }
            }
        }
        let (time, bbox) = (self.time(items)?, self.bbox(items)?);
        let grid = items.complete.then(|| common_grid(items)).flatten();
        Ok(SceneCollection { names: self.names(), bands, time, bbox, grid })
    }

    /// Names of the dimensions, the collection's own where it gives them.
    pub(super) fn names(&self) -> SceneDimensions {
        let dims = self.document.fields.get("cube:dimensions").and_then(Value::as_object);
        let find = |kind: &str, axis: Option<&str>, default: &str| {
            let found = dims.into_iter().flatten().find(|(_, dim)| {
                let text = |key: &str| dim.get(key).and_then(Value::as_str);
                text("type") == Some(kind) && (axis.is_none() || text("axis") == axis)
            });
            found.map_or(default, |(name, _)| name.as_str()).to_owned()
        };
        SceneDimensions {
            t: find("temporal", None, "t"),
            bands: find("bands", None, "bands"),
            y: find("spatial", Some("y"), "y"),
            x: find("spatial", Some("x"), "x"),
        }
    }

    async fn read(&self, limit: usize) -> Result<Arc<Items>, String> {
        let (found, failed) = match &self.given {
            Some(given) => (given.clone(), Vec::new()),
            None => stac::items(&self.location, &self.document.links, limit).await,
        };
        let mut problems = Vec::new();
        for (href, error) in failed {
            match error {
                // What cannot be reached now must not be missing from a result.
                SourceError::Storage(StorageError::Address(_) | StorageError::NotFound(_))
                | SourceError::Invalid { .. }
                | SourceError::Changed { .. }
                | SourceError::Unsupported { .. }
                | SourceError::Chunk { .. } => problems.push((href, error.to_string())),
                SourceError::Storage(_) => return Err(error.to_string()),
            }
        }
        let complete = found.len() + problems.len() < limit;
        self.read_items(&found, problems, complete)
    }

    /// What items say, in the order (time, id).
    ///
    /// # Errors
    /// The text of an item that leads to what may not be read.
    pub(super) fn read_items(
        &self,
        found: &[(Location, Item)],
        mut problems: Vec<(String, String)>,
        complete: bool,
    ) -> Result<Arc<Items>, String> {
        let (known, mut files) = (stac::collection_bands(&self.document), BTreeSet::new());
        let mut scenes = Vec::with_capacity(found.len());
        for (location, item) in found {
            let hrefs = item.assets.values().filter_map(|asset| asset.get("href")?.as_str());
            let resolved = hrefs.filter_map(|href| location.relative(href).ok());
            files.extend(resolved.map(|location| location.href().to_owned()));
            match stac::scene(location, item, &known) {
                Ok(scene) => {
                    for note in &scene.notes {
                        warn!(item = location.href(), "{note}");
                    }
                    scenes.push(scene);
                }
                Err(error @ SourceError::Storage(_)) => return Err(error.to_string()),
                Err(error) => problems.push((location.href().to_owned(), error.to_string())),
            }
        }
        for (item, reason) in &problems {
            warn!(item, reason, "an item was left out");
        }
        scenes.sort_by(|a, b| (a.time.instant, &a.id).cmp(&(b.time.instant, &b.id)));
        Ok(Arc::new(Items { scenes, files, complete, problems }))
    }

    /// The collection's order first, then what only items have.
    fn band_names(&self, items: &Items) -> Vec<String> {
        let known = stac::collection_bands(&self.document).into_iter().map(|(name, _)| name);
        let mut names: Vec<String> = known.collect();
        let mut seen: BTreeSet<String> = names.iter().cloned().collect();
        for band in items.scenes.iter().flat_map(|scene| &scene.bands) {
            if seen.insert(band.band.clone()) {
                names.push(band.band.clone());
            }
        }
        names
    }

    async fn expand(
        &self,
        band: &ItemBand,
        headers: &Headers,
    ) -> Result<Vec<(String, Variable)>, String> {
        let assets = self.assets(band, headers).await?;
        Ok(assets.into_iter().map(|asset| (asset.band, asset.variable)).collect())
    }

    /// What all files of a band have in common.
    async fn common(
        &self,
        bands: &[&ItemBand],
        first: &ItemBand,
        headers: &Headers,
    ) -> Result<Variable, String> {
        let mut dtype: Option<DType> = None;
        for band in bands {
            if let Some(own) = band.info.dtype() {
                dtype = Some(dtype.map_or(own, |known| known.common(own)));
            }
        }
        let Some(dtype) = dtype else {
            let own = self
                .assets(first, headers)
                .await?
                .into_iter()
                .find(|asset| asset.band == first.band);
            return own.map(|asset| asset.variable).ok_or_else(|| {
                format!("`{}` does not hold the band `{}`", first.href, first.band)
            });
        };
        let mut variable = first.info.variable(dtype);
        for band in bands {
            let other = band.info.variable(dtype);
            let same = match (variable.nodata, other.nodata) {
                (Some(a), Some(b)) => a.same(b),
                (a, b) => a.is_none() && b.is_none(),
            };
            if !same {
                variable.nodata = None;
            }
            if variable.scale != other.scale || variable.offset != other.offset {
                (variable.scale, variable.offset) = (None, None);
            }
        }
        Ok(variable)
    }

    pub(super) async fn read_scene(
        &self,
        scene: &ItemScene,
        headers: &Headers,
    ) -> Result<Scene, String> {
        let work: Vec<_> = scene.bands.iter().map(|band| self.assets(band, headers)).collect();
        let assets: Vec<Vec<SceneAsset>> =
            stream::iter(work).buffered(CONCURRENT).try_collect().await?;
        let assets = assets.into_iter().flatten().collect();
        Ok(Scene {
            id: scene.id.clone(),
            time: scene.time.clone(),
            bbox: scene.bbox.or_else(|| footprint(scene)),
            address: scene.address.clone(),
            assets,
        })
    }

    /// The band, or the bands where the item does not list them and the file has several.
    async fn assets(&self, band: &ItemBand, headers: &Headers) -> Result<Vec<SceneAsset>, String> {
        let location = match self.location.access() {
            Some(access) => Location::requested(access, &band.href),
            None => Location::resolve("", &band.href),
        };
        let location = location.map_err(|e| e.to_string())?;
        let array = |version: Option<String>, chunk: Option<Vec<usize>>| ArrayRef {
            href: band.href.clone(),
            format: Format::Tiff,
            array: String::new(),
            version,
            chunk,
            requested: location.is_requested(),
        };
        if let (Some(grid), Some(dtype)) = (&band.grid, band.info.dtype()) {
            return Ok(vec![SceneAsset {
                band: band.band.clone(),
                variable: band.info.variable(dtype),
                grid: grid.clone(),
                array: array(None, None),
                plane: band.plane,
            }]);
        }
        let header = headers.tiff(&location).await?;
        let count = header.bands.len();
        let planes = if band.listed { band.plane..band.plane + 1 } else { 0..count };
        let names: Vec<Option<&String>> =
            header.bands.iter().map(|(name, _)| name.as_ref()).collect();
        let named = names.iter().all(Option::is_some)
            && names.iter().collect::<BTreeSet<_>>().len() == names.len();
        let mut out = Vec::new();
        for plane in planes {
            let (own, variable) = header.bands.get(plane).ok_or_else(|| {
                format!("`{}` has {count} bands, its item lists band {}", band.href, plane + 1)
            })?;
            let name = match own {
                _ if band.listed || count == 1 => band.band.clone(),
                Some(name) if named => name.clone(),
                _ => format!("{}_{}", band.band, plane + 1),
            };
            let said = BandInfo {
                nodata: variable.nodata,
                scale: variable.scale,
                offset: variable.offset,
                unit: variable.unit.clone(),
                ..BandInfo::default()
            };
            out.push(SceneAsset {
                band: name,
                variable: band.info.clone().or(&said).variable(header.dtype),
                grid: header.grid.clone(),
                array: array(header.version.clone(), Some(header.chunk.clone())),
                plane,
            });
        }
        Ok(out)
    }

    /// The document's interval, widened to the items. The end is just after the last instant.
    fn time(&self, items: &Items) -> Result<Interval, String> {
        let parse = |text: &Option<String>| {
            text.as_deref()
                .map(Instant::parse)
                .transpose()
                .map_err(|e| format!("`{}` has a wrong temporal extent: {e}", self.location.href()))
        };
        let given = self.document.extent.temporal.interval.first();
        let (start, end) = match given {
            Some([start, end]) => (parse(start)?, parse(end)?),
            None => (
                items.scenes.first().map(|scene| scene.time.instant),
                items.scenes.last().map(|scene| scene.time.instant),
            ),
        };
        let first = items.scenes.first().map(|scene| scene.time.instant);
        let last = items.scenes.last().map(|scene| scene.time.instant);
        let start = start.map(|start| first.map_or(start, |first| start.min(first)));
        let end = end.map(|end| last.map_or(end, |last| end.max(last)));
        Ok(Interval { start, end: end.map(|end| Instant(end.0.saturating_add(1))) })
    }

    fn bbox(&self, items: &Items) -> Result<[f64; 4], String> {
        if let Some(bbox) = self.document.extent.spatial.bbox.first().and_then(|b| bounds::flat(b))
        {
            return Ok(bbox);
        }
        let boxes = items.scenes.iter().filter_map(|s| s.bbox.or_else(|| footprint(s)));
        boxes.reduce(bounds::hull).ok_or_else(|| {
            format!("neither `{}` nor its items say where they are", self.location.href())
        })
    }
}

/// The grid that every file of every item has.
fn common_grid(items: &Items) -> Option<Grid> {
    let mut grids = items.scenes.iter().flat_map(|s| &s.bands).map(|band| band.grid.as_ref());
    let first = grids.next()??;
    grids.all(|grid| grid.is_some_and(|grid| grid.aligned(first))).then(|| first.clone())
}

/// Where an item without a box is, by the grids of its files.
pub(super) fn footprint(scene: &ItemScene) -> Option<[f64; 4]> {
    let grids = scene.bands.iter().filter_map(|band| band.grid.as_ref());
    grids.filter_map(bounds::of_grid).reduce(bounds::hull)
}
