//! `GET /service_types`: what secondary web services there are, and how they can be configured.

use axum::Json;
use serde_json::{Map, Value, json};

use super::file_formats;
use crate::error::ApiError;
use crate::service::{Kind, settings};

pub(crate) async fn list() -> Result<Json<Value>, ApiError> {
    let configuration = file_formats::parameters("services", &settings())?;
    let kind = |kind: Kind| {
        let (description, about) = match kind {
            Kind::Xyz => (
                "Tiles in EPSG:3857 at `{z}/{x}/{y}` of the address. Of several instants the last is shown, or the one \
                 that `time` in the query says.",
                "https://wiki.openstreetmap.org/wiki/Raster_tile_providers",
            ),
            Kind::Wmts => (
                "Version 1.0.0 with one layer in the matrix set `EPSG:3857`, by key-value pairs and by paths; with a \
                 dimension `TIME` where there are several instants.",
                "https://www.ogc.org/standards/wmts",
            ),
            Kind::OgcTiles => (
                "Map tiles in `WebMercatorQuad`. Of several instants the last is shown, or the one that `datetime` in \
                 the query says.",
                "https://www.ogc.org/standards/ogcapi-tiles",
            ),
        };
        let value = json!({
            "title": kind.title(),
            "description": description,
            "configuration": configuration,
            "process_parameters": [],
            "links": [{"rel": "about", "href": about, "title": kind.title()}],
        });
        (kind.name().to_owned(), value)
    };
    Ok(Json(Kind::ALL.into_iter().map(kind).collect::<Map<_, _>>().into()))
}
