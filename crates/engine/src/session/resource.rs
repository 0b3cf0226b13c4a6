//! STAC resources of saved results: an item for one file, a collection of items for many images.
//!
//! They are made of the schema of what was saved and of the files, never of pixels. What is not known is left out.
//! Results are delivered without them; [`export`] writes them beside the files it copies.

mod export;

use std::path::{Path, PathBuf};

use eolith_cube::time::Instant;
use eolith_cube::{DType, Grid, Kind, Number, Schema, Variable};
use eolith_plan::bind::merge_patch;
use serde_json::{Map, Value as Json, json};

use super::Described;
use crate::catalog::{bounds, describe, metadata};
use crate::sink::{Image, OutputFile};

pub(super) use export::{Copying, ExportError, Place};

pub(super) const VERSION: &str = "1.1.0";
const PROJECTION: &str = "https://stac-extensions.github.io/projection/v2.0.0/schema.json";
const EO: &str = "https://stac-extensions.github.io/eo/v2.0.0/schema.json";
const RASTER: &str = "https://stac-extensions.github.io/raster/v2.0.0/schema.json";
const DATACUBE: &str = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json";

const EARTH: [f64; 4] = [-180.0, -90.0, 180.0, 90.0];

/// The one asset of an item with one file.
const ASSET: &str = "data";

/// A STAC resource and the files behind it.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    /// An item or a collection.
    pub(super) json: Json,
    /// The items of a collection.
    items: Vec<Json>,
    files: Vec<PathBuf>,
}

/// A cube that was saved.
#[derive(Clone, Copy)]
pub(super) struct Saved<'a> {
    pub(super) id: &'a str,
    pub(super) schema: &'a Schema,
    pub(super) files: &'a [OutputFile],
    /// Of the bands of each file, as far as they are known.
    pub(super) statistics: &'a [Vec<Json>],
    /// First and last instant of the data that it was made of.
    pub(super) source: Option<[Instant; 2]>,
    /// This instant, which is the time of what has no other.
    pub(super) now: &'a str,
}

impl Resource {
    pub(super) fn new(saved: &Saved<'_>) -> Resource {
        let files = saved.files.iter().map(|file| file.path.clone()).collect();
        if let [first, _, ..] = saved.files
            && first.image.is_some()
        {
            let items: Vec<Json> = saved.files.iter().map(|file| saved.image(file)).collect();
            return Resource { json: saved.collection(), items, files };
        }
        Resource { json: saved.item(), items: Vec::new(), files }
    }

    /// What others get to know of it.
    pub(super) fn described(&self) -> Described {
        Described { json: self.json.clone(), items: self.items.clone() }
    }

    /// The same with changes to its metadata; the files stay.
    pub(super) fn patched(mut self, changes: &Json) -> Resource {
        merge_patch(&mut self.json, changes);
        self
    }
}

impl Saved<'_> {
    /// All files as one item.
    fn item(&self) -> Json {
        let asset = |file: &OutputFile| {
            let key = if self.files.len() == 1 { ASSET.to_owned() } else { name(&file.path) };
            (key, self.asset(file))
        };
        let assets = self.files.iter().map(asset).collect();
        self.feature(self.id, self.files.first().and_then(|file| file.image.as_ref()), assets)
    }

    /// An image as an item of the collection of all.
    fn image(&self, file: &OutputFile) -> Json {
        let stem = file.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let assets = [(ASSET.to_owned(), self.asset(file))].into_iter().collect();
        let id = stem.unwrap_or_else(|| self.id.to_owned());
        let mut item = self.feature(&id, file.image.as_ref(), assets);
        item["collection"] = self.id.into();
        item
    }

    /// A collection of images.
    fn collection(&self) -> Json {
        let bbox = describe::cube_bbox(self.schema).unwrap_or(EARTH);
        let instant = |at: usize| self.times(None).map(|times| describe::instant_text(times[at]));
        let interval = [0, 1].map(|at| instant(at).unwrap_or_else(|| self.now.to_owned()));
        let assets: Map<String, Json> =
            self.files.iter().map(|file| (name(&file.path), self.asset(file))).collect();
        json!({
            "type": "Collection",
            "stac_version": VERSION,
            "id": self.id,
            "description": format!("{} images of one data cube.", self.files.len()),
            "license": "other",
            "extent": { "spatial": { "bbox": [bbox] }, "temporal": { "interval": [interval] } },
            "cube:dimensions": describe::dimensions(self.schema),
            "stac_extensions": [DATACUBE],
            "links": [],
            "assets": assets,
        })
    }

    fn feature(&self, id: &str, image: Option<&Image>, assets: Map<String, Json>) -> Json {
        let mut properties = Map::new();
        self.say_when(image, &mut properties);
        let mut extensions = Vec::new();
        if let Some(projection) = describe::projection(self.schema, image.is_some()) {
            properties.extend(projection);
            extensions.push(PROJECTION);
        }
        let gridded = self.schema.grid().is_ok();
        if let Some(image) = image {
            let labels = self.labels(image);
            if !labels.is_empty() {
                properties.insert("eolith:labels".to_owned(), labels.into());
            }
        } else if gridded {
            properties.insert("cube:dimensions".to_owned(), describe::dimensions(self.schema));
            extensions.push(DATACUBE);
        }
        let of_bands = |test: fn(&Variable) -> bool| self.schema.variables.iter().any(test);
        let shown = gridded && assets.values().any(|asset| asset["roles"] == json!(["data"]));
        if shown && of_bands(|v| v.common_name.is_some() || v.center_wavelength.is_some()) {
            extensions.push(EO);
        }
        let scaled = of_bands(|v| v.scale.is_some() || v.offset.is_some());
        if self.pixel_size().is_some() || (shown && scaled) {
            extensions.push(RASTER);
        }
        let bbox = describe::cube_bbox(self.schema);
        let mut item = json!({
            "type": "Feature",
            "stac_version": VERSION,
            "stac_extensions": extensions,
            "id": id,
            "geometry": bbox.map(bounds::outline),
            "properties": properties,
            "links": [],
            "assets": assets,
        });
        if let Some(bbox) = bbox {
            item["bbox"] = json!(bbox);
        }
        item
    }

    fn asset(&self, file: &OutputFile) -> Json {
        let picture = file.image.as_ref().is_some_and(|image| image.pixels.is_none());
        let mut asset = json!({
            "href": format!("./{}", name(&file.path)),
            "type": file.media_type,
            "roles": [if picture { "visual" } else { "data" }],
        });
        if let Some(metres) = self.pixel_size() {
            asset["raster:spatial_resolution"] = metres.into();
        }
        // Tables and pictures have no bands.
        if picture || self.schema.grid().is_err() {
            return asset;
        }
        let pixels = file.image.as_ref().and_then(|image| image.pixels);
        let mut bands: Vec<Json> =
            self.schema.variables.iter().map(|variable| band(variable, pixels)).collect();
        let own = self.files.iter().position(|own| own.path == file.path);
        for (band, found) in
            bands.iter_mut().zip(own.and_then(|at| self.statistics.get(at)).into_iter().flatten())
        {
            if !found.is_null() {
                band["statistics"] = found.clone();
            }
        }
        match self.schema.bands().and_then(|at| self.schema.dims[at].labels()) {
            Some(labels) => {
                for (band, label) in bands.iter_mut().zip(labels.iter()) {
                    band["name"] = label.to_string().into();
                }
                asset["bands"] = bands.into();
            }
            None => {
                if let (Some(fields), Some(Json::Object(only))) =
                    (asset.as_object_mut(), bands.pop())
                {
                    fields.extend(only);
                }
            }
        }
        asset
    }

    /// Size of a pixel in metres, the mean of width and height, where these are no angles.
    fn pixel_size(&self) -> Option<f64> {
        let Grid { crs, x, y } = self.schema.grid().ok()?;
        let metres = crs.unit_metres().filter(|_| !crs.is_geographic())?;
        Some(f64::midpoint(x.step.abs(), y.step.abs()) * metres)
    }

    fn say_when(&self, image: Option<&Image>, properties: &mut Map<String, Json>) {
        let mut say = |key: &str, value: Json| properties.insert(key.to_owned(), value);
        match self.times(image) {
            Some([first, last]) if first == last => {
                say("datetime", describe::instant_text(first).into());
            }
            Some([first, last]) => {
                say("datetime", Json::Null);
                say("start_datetime", describe::instant_text(first).into());
                say("end_datetime", describe::instant_text(last).into());
            }
            None => {
                say("datetime", self.now.into());
            }
        }
        say("created", self.now.into());
    }

    /// First and last instant of the whole cube or of an image, else of the data it was made of.
    fn times(&self, image: Option<&Image>) -> Option<[Instant; 2]> {
        let mut all: Option<[Instant; 2]> = None;
        for dim in self.schema.temporal() {
            let Some(labels) = self.schema.dims[dim].labels() else { continue };
            let only = image.and_then(|image| image.fixed.get(dim).copied().flatten());
            for (_, label) in
                labels.iter().enumerate().filter(|(i, _)| only.is_none_or(|n| n == *i))
            {
                let Some(time) = label.as_time() else { continue };
                let [first, last] = all.unwrap_or([time.instant; 2]);
                all = Some([first.min(time.instant), last.max(time.instant)]);
            }
        }
        all.or(self.source)
    }

    /// Labels of an image that are no instants: names of periods, heights.
    fn labels(&self, image: &Image) -> Map<String, Json> {
        let mut labels = Map::new();
        for (dim, at) in self.schema.dims.iter().zip(&image.fixed) {
            let (Some(at), Some(all)) = (at, dim.labels()) else { continue };
            let label = all.get(*at);
            if !(dim.kind == Kind::Temporal && label.as_time().is_some()) {
                labels.insert(dim.name.clone(), describe::label(&label));
            }
        }
        labels
    }
}

/// What is said of a band; types and no-data as in the file, where they are known.
fn band(variable: &Variable, pixels: Option<(DType, Option<Number>)>) -> Json {
    let (dtype, nodata) = pixels.unwrap_or((variable.dtype, None));
    metadata::without_nulls(json!({
        "data_type": if dtype == DType::Bool { "uint8" } else { dtype.name() },
        "nodata": nodata.map(metadata::number),
        "unit": variable.unit,
        "eo:common_name": variable.common_name,
        "eo:center_wavelength": variable.center_wavelength,
        "raster:scale": variable.scale,
        "raster:offset": variable.offset,
    }))
}

fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| "result".to_owned(), |name| name.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests;
