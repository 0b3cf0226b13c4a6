//! From an item to the bands in its files.

use std::collections::BTreeMap;

use eolith_cube::Grid;
use eolith_cube::time::TimeLabel;
use serde_json::{Map, Value};

use super::band::{self, BandInfo};
use super::document::{Asset, Collection, Item};
use super::{invalid, projection};
use crate::source::SourceError;
use crate::storage::{Location, StorageError};

/// What an item says of its pixels.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemScene {
    pub id: String,
    /// Address of the document that it stands in.
    pub document: String,
    /// `datetime`, else `start_datetime`.
    pub time: TimeLabel,
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub bbox: Option<[f64; 4]>,
    /// Where others can read the item, as far as it or the process graph says so; without a query, where signatures are.
    pub address: Option<String>,
    /// GeoJSON in degrees.
    pub geometry: Option<Value>,
    /// As in the item, for conditions.
    pub properties: Map<String, Value>,
    /// Bands in the order of the document, each name once.
    pub bands: Vec<ItemBand>,
    /// Assets that were left out and choices that were made.
    pub notes: Vec<String>,
}

/// One band in one file of an item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemBand {
    pub band: String,
    pub href: String,
    pub info: BandInfo,
    /// `None` where the item does not say: the file has to.
    pub grid: Option<Grid>,
    /// Index of the band in the file.
    pub plane: usize,
    /// Whether the asset lists its bands; if not, the file may have more than one.
    pub listed: bool,
}

/// The bands a collection describes, in its order: `cube:dimensions`, then the lists of bands, then
/// `item_assets`. Empty where it says nothing.
pub fn collection_bands(collection: &Collection) -> Vec<(String, BandInfo)> {
    let mut known: Vec<(String, BandInfo)> = Vec::new();
    let mut add = |name: &str, info: &BandInfo| match known.iter_mut().find(|(n, _)| n == name) {
        Some((_, old)) => *old = std::mem::take(old).or(info),
        None => known.push((name.to_owned(), info.clone())),
    };
    for band in cube_bands(&collection.fields) {
        add(band, &BandInfo::default());
    }
    for info in [band::list(&collection.fields), band::list(&collection.summaries)].concat() {
        if let Some(name) = &info.name {
            add(name, &info);
        }
    }
    for (key, asset) in &collection.item_assets {
        let Some(fields) = asset.as_object() else { continue };
        let text = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let roles =
            fields.get("roles").and_then(|roles| serde_json::from_value(roles.clone()).ok());
        if !is_data("", text("type").as_deref(), roles) {
            continue;
        }
        let (common, bands) = (BandInfo::of(fields), band::list(fields));
        for (i, info) in bands.iter().enumerate() {
            add(&band_name(key, bands.len(), i, info), &info.clone().or(&common));
        }
        if bands.is_empty() {
            add(key, &common);
        }
    }
    known
}

/// Reads an item found at `location`. `known` is what its collection says of bands.
///
/// # Errors
/// [`SourceError::Invalid`] for an item without a usable time, [`StorageError::Forbidden`] for pixels that may not be
/// read. Assets that cannot be used are notes.
pub fn scene(
    location: &Location,
    item: &Item,
    known: &[(String, BandInfo)],
) -> Result<ItemScene, SourceError> {
    let text = |key: &str| item.properties.get(key).and_then(Value::as_str);
    let time = text("datetime").or(text("start_datetime")).ok_or_else(|| {
        invalid(
            location.href(),
            format!("item `{}` has neither `datetime` nor `start_datetime`", item.id),
        )
    })?;
    let time = TimeLabel::parse(time).map_err(|e| invalid(location.href(), e))?;
    let mut scene = ItemScene {
        id: item.id.clone(),
        document: location.href().to_owned(),
        time,
        bbox: bbox(item),
        address: address(location, item),
        geometry: item.geometry.clone(),
        properties: item.properties.clone(),
        bands: Vec::new(),
        notes: Vec::new(),
    };
    let mut claims: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    for (key, asset) in &item.assets {
        let asset: Asset = match serde_json::from_value(asset.clone()) {
            Ok(asset) => asset,
            Err(error) => {
                scene.notes.push(format!("asset `{key}` was left out: {error}"));
                continue;
            }
        };
        if !is_data(&asset.href, asset.media_type.as_deref(), asset.roles.clone()) {
            continue;
        }
        let file = match location.relative(&asset.href) {
            Ok(file) => file,
            // An address that may not be read is no oddity of the item.
            Err(error @ StorageError::Forbidden { .. }) => return Err(error.into()),
            Err(error) => {
                scene.notes.push(format!("asset `{key}` was left out: {error}"));
                continue;
            }
        };
        let bands = match asset_bands(&file, key, &asset, &item.properties) {
            Ok(bands) => bands,
            Err(reason) => {
                scene.notes.push(format!("asset `{key}` was left out: {reason}"));
                continue;
            }
        };
        let size = bands.len();
        for mut band in bands {
            if let Some((_, info)) = known.iter().find(|(name, _)| *name == band.band) {
                band.info = band.info.or(info);
            }
            // A band may be in a file of its own and in a composite: the smaller file is taken.
            match claims.get(&band.band) {
                None => {
                    claims.insert(band.band.clone(), (scene.bands.len(), size));
                    scene.bands.push(band);
                }
                Some(&(at, other)) => {
                    scene.notes.push(format!(
                        "band `{}` is in `{}` and in `{}`: the one with fewer bands is used",
                        band.band, scene.bands[at].href, band.href
                    ));
                    if size < other {
                        claims.insert(band.band.clone(), (at, size));
                        scene.bands[at] = band;
                    }
                }
            }
        }
    }
    Ok(scene)
}

fn asset_bands(
    file: &Location,
    key: &str,
    asset: &Asset,
    item: &Map<String, Value>,
) -> Result<Vec<ItemBand>, String> {
    let grid = projection::grid(&asset.fields, item)?;
    let listed = band::list(&asset.fields);
    let mut common = BandInfo::of(&asset.fields);
    common.name = None;
    common = common
        .or(&BandInfo { gsd: item.get("gsd").and_then(Value::as_f64), ..BandInfo::default() });
    let band = |plane: usize, name: String, info: BandInfo| ItemBand {
        band: name,
        href: file.href().to_owned(),
        info,
        grid: grid.clone(),
        plane,
        listed: !listed.is_empty(),
    };
    if listed.is_empty() {
        return Ok(vec![band(0, key.to_owned(), common)]);
    }
    Ok((listed.iter().enumerate())
        .map(|(i, info)| band(i, band_name(key, listed.len(), i, info), info.clone().or(&common)))
        .collect())
}

fn band_name(key: &str, count: usize, index: usize, info: &BandInfo) -> String {
    match &info.name {
        Some(name) => name.clone(),
        None if count == 1 => key.to_owned(),
        None => format!("{key}_{}", index + 1),
    }
}

/// Whether an asset holds pixels to be loaded: a GeoTIFF that is not there for display.
fn is_data(href: &str, media_type: Option<&str>, roles: Option<Vec<String>>) -> bool {
    let path = href.split(['?', '#']).next().unwrap_or_default();
    let extension = path.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase());
    let tiff = match media_type.map(str::to_ascii_lowercase) {
        Some(kind) => kind.starts_with("image/tiff") || kind.starts_with("image/vnd.stac.geotiff"),
        None => matches!(extension.as_deref(), Some("tif" | "tiff")),
    };
    let roles = roles.unwrap_or_default();
    let has = |role: &str| roles.iter().any(|own| own == role);
    tiff && (roles.is_empty() || has("data")) && !has("thumbnail") && !has("overview")
}

fn cube_bands(fields: &Map<String, Value>) -> Vec<&str> {
    let dims = fields.get("cube:dimensions").and_then(Value::as_object);
    let bands = dims
        .into_iter()
        .flat_map(Map::values)
        .filter(|dim| dim.get("type").and_then(Value::as_str) == Some("bands"));
    bands
        .filter_map(|dim| dim.get("values")?.as_array())
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// What the item calls its own address, else where it was found if the process graph led there.
fn address(location: &Location, item: &Item) -> Option<String> {
    let is_web = |href: &&str| href.starts_with("https://") || href.starts_with("http://");
    let own = item.links.iter().find(|link| link.rel == "self").map(|link| link.href.as_str());
    let found = location.is_requested().then(|| location.href());
    let address = own.filter(is_web).or(found.filter(is_web))?;
    address.split(['?', '#']).next().map(str::to_owned)
}

/// The item's box, or that of its geometry.
fn bbox(item: &Item) -> Option<[f64; 4]> {
    if let Some(&[west, south, east, north] | &[west, south, _, east, north, _]) =
        item.bbox.as_deref()
    {
        return Some([west, south, east, north]);
    }
    let mut found = [f64::INFINITY, f64::INFINITY, f64::NEG_INFINITY, f64::NEG_INFINITY];
    let mut open = vec![item.geometry.as_ref()?];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                open.extend(fields.get("coordinates").into_iter().chain(fields.get("geometries")));
            }
            Value::Array(list) => match (list.first(), list.get(1)) {
                (Some(Value::Number(x)), Some(Value::Number(y))) => {
                    let (x, y) = (x.as_f64()?, y.as_f64()?);
                    found = [found[0].min(x), found[1].min(y), found[2].max(x), found[3].max(y)];
                }
                _ => open.extend(list),
            },
            _ => {}
        }
    }
    found[0].is_finite().then_some(found)
}
