//! Items of cubes: a series of images is an item for each instant, everything else one item.

use std::sync::Arc;

use eolith_cube::{Kind, Region};
use eolith_plan::need::{Format, Piece};
use serde_json::{Map, Value, json};

use super::super::headers::CubeFile;
use super::super::metadata::{NO_END, NO_START};
use super::super::{bounds, describe, ids};
use super::published::is_public;
use crate::storage::{Access, Location};

const VERSION: &str = "1.1.0";
const PROJECTION: &str = "https://stac-extensions.github.io/projection/v2.0.0/schema.json";
const DATACUBE: &str = "https://stac-extensions.github.io/datacube/v2.2.0/schema.json";

/// The items of the collection `id`.
pub(super) fn items(id: &str, cube: &CubeFile, access: &Arc<Access>) -> Vec<Value> {
    let one = |own: &str, when: [String; 2], piece: Option<&Piece>| {
        item(id, own, cube, when, piece, access)
    };
    if let Some(series) = series(cube) {
        let named = series.iter().map(|(time, piece)| {
            one(&ids::name_of(&piece.array.href), [time.clone(), time.clone()], Some(piece))
        });
        return named.collect();
    }
    let own = id.rsplit('/').next().unwrap_or(id);
    let when = describe::cube_interval(&cube.schema);
    let when = when.unwrap_or_else(|| [NO_START, NO_END].map(str::to_owned));
    let mut pieces = cube.pieces.iter();
    let first = pieces.next();
    let same = pieces.all(|piece| first.is_some_and(|first| piece.array.href == first.array.href));
    vec![one(own, when, first.filter(|_| same))]
}

/// The images of a series, each with its instant.
fn series(cube: &CubeFile) -> Option<Vec<(String, &Piece)>> {
    let time = cube.schema.dims.first().filter(|dim| dim.kind == Kind::Temporal)?;
    let labels = time.labels().filter(|labels| labels.len() == cube.pieces.len())?;
    let images = cube.pieces.iter().enumerate().map(|(at, piece)| {
        let Region(ranges) = &piece.region;
        let only = piece.array.format == Format::Tiff && ranges.first() == Some(&(at..at + 1));
        let time = labels.get(at).as_time().map(|time| describe::instant_text(time.instant));
        time.filter(|_| only).map(|time| (time, piece))
    });
    images.collect()
}

fn item(
    collection: &str,
    id: &str,
    cube: &CubeFile,
    [start, end]: [String; 2],
    piece: Option<&Piece>,
    access: &Arc<Access>,
) -> Value {
    let mut properties = Map::new();
    if let Some(title) = &cube.title {
        properties.insert("title".to_owned(), title.as_str().into());
    }
    if start == end {
        properties.insert("datetime".to_owned(), start.into());
    } else {
        // The one null that STAC demands: it is no instant.
        properties.insert("datetime".to_owned(), Value::Null);
        properties.insert("start_datetime".to_owned(), start.into());
        properties.insert("end_datetime".to_owned(), end.into());
    }
    let mut extensions = Vec::new();
    if let Some(projection) = describe::projection(&cube.schema, false) {
        properties.extend(projection);
        extensions.push(PROJECTION);
    }
    let is_image = piece.is_some_and(|piece| piece.array.format == Format::Tiff);
    if !is_image {
        properties.insert("cube:dimensions".to_owned(), describe::dimensions(&cube.schema));
        extensions.push(DATACUBE);
    }
    let bbox = describe::cube_bbox(&cube.schema);
    let mut item = json!({
        "type": "Feature",
        "stac_version": VERSION,
        "stac_extensions": extensions,
        "id": id,
        "collection": collection,
        "geometry": bbox.map(bounds::outline),
        "properties": properties,
        "links": [],
        "assets": piece.map_or_else(Map::new, |piece| assets(piece, access)),
    });
    if let Some(bbox) = bbox {
        item["bbox"] = json!(bbox);
    }
    item
}

/// The file, where a client can read it, and where it is on this machine.
fn assets(piece: &Piece, access: &Arc<Access>) -> Map<String, Value> {
    let href = piece.array.href.as_str();
    let kind = match piece.array.format {
        Format::Tiff => "image/tiff; application=geotiff",
        Format::NetCdf => "application/x-netcdf",
        Format::Zarr => return Map::new(),
    };
    // What the operator put behind a question mark may be a secret.
    let place = Location::resolve("", href);
    let is_here = place.is_ok_and(|place| place.as_local().is_some());
    if !is_here && (href.contains('?') || !is_public(href, access)) {
        return Map::new();
    }
    let asset = json!({"href": href, "type": kind, "roles": ["data"]});
    [("data".to_owned(), asset)].into_iter().collect()
}
