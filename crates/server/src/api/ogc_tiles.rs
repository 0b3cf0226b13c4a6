//! `/ogcapi-tiles/{service_id}`: OGC API - Tiles, as far as a map of one result needs it.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::Response;
use eolith_graph::Code;
use serde_json::{Value, json};

use super::tiles::{Parameters, answer, public};
use crate::error::ApiError;
use crate::links::Links;
use crate::service::{Kind, Service};
use crate::state::AppState;

const CONFORMANCE: [&str; 6] = [
    "http://www.opengis.net/spec/ogcapi-common-1/1.0/conf/json",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tileset",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/tilesets-list",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/dataset-tilesets",
    "http://www.opengis.net/spec/ogcapi-tiles-1/1.0/conf/png",
];
const RELATIONS: &str = "http://www.opengis.net/def/rel/ogc/1.0";
const CRS: &str = "http://www.opengis.net/def/crs/EPSG/0/3857";
const DEEPEST: u32 = 22;
/// Half of the circumference of the sphere, metres.
const HALF: f64 = 20_037_508.342_789_244;
/// Metres of a pixel in the scale of a matrix.
const PIXEL: f64 = 0.000_28;

pub(crate) async fn landing(
    State(state): State<AppState>,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    Ok(Json(json!({
        "title": place.service.title(),
        "links": [
            link("self", &place.to(""), "This page"),
            link("conformance", &place.to("/conformance"), "Conformance"),
            link(&format!("{RELATIONS}/conformance"), &place.to("/conformance"), "Conformance"),
            link(&format!("{RELATIONS}/tilesets-map"), &place.to("/map/tiles"), "Map tiles"),
            link(&format!("{RELATIONS}/tiling-schemes"), &place.to("/tileMatrixSets"), "Matrices"),
        ],
    })))
}

pub(crate) async fn conformance(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    public(&state, &id, Kind::OgcTiles).await?;
    Ok(Json(json!({"conformsTo": CONFORMANCE})))
}

pub(crate) async fn tilesets(
    State(state): State<AppState>,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    let own = link("self", &place.to("/map/tiles"), "Tile sets");
    Ok(Json(json!({"links": [own], "tilesets": [place.tileset()]})))
}

pub(crate) async fn tileset(
    State(state): State<AppState>,
    links: Links,
    Path((id, set)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    place.check(&set)?;
    Ok(Json(place.tileset()))
}

/// `/map/tiles/{set}/{matrix}/{row}/{column}`.
pub(crate) async fn tile(
    State(state): State<AppState>,
    links: Links,
    Path([id, set, matrix, row, column]): Path<[String; 5]>,
    parameters: Parameters,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    place.check(&set)?;
    let time = parameters.instant("datetime").or_else(|| parameters.instant("time"));
    answer(&state, place.service, [&matrix, &column, &row], time, &headers).await
}

pub(crate) async fn matrix_sets(
    State(state): State<AppState>,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    let own = link("self", &place.matrices(), "Matrices");
    let mut set = json!({"id": place.set, "title": place.set, "crs": CRS, "links": [own]});
    place.say_uri(&mut set, "uri");
    Ok(Json(json!({"tileMatrixSets": [set]})))
}

pub(crate) async fn matrix_set(
    State(state): State<AppState>,
    links: Links,
    Path((id, set)): Path<(String, String)>,
) -> Result<Json<Value>, ApiError> {
    let place = Site::open(&state, &links, &id).await?;
    place.check(&set)?;
    let side = place.side;
    let matrix = |z: u32| {
        let count = 1_u32 << z;
        let cell = 2.0 * HALF / f64::from(count) / side as f64;
        json!({
            "id": z.to_string(),
            "scaleDenominator": cell / PIXEL,
            "cellSize": cell,
            "cornerOfOrigin": "topLeft",
            "pointOfOrigin": [-HALF, HALF],
            "tileWidth": side,
            "tileHeight": side,
            "matrixWidth": count,
            "matrixHeight": count,
        })
    };
    let matrices: Vec<Value> = (0..=DEEPEST).map(matrix).collect();
    let mut whole = json!({
        "id": place.set,
        "title": place.set,
        "crs": CRS,
        "orderedAxes": ["X", "Y"],
        "tileMatrices": matrices,
    });
    place.say_uri(&mut whole, "uri");
    Ok(Json(whole))
}

/// A service and where it is.
struct Site {
    service: Service,
    url: String,
    side: usize,
    /// The name of its set of matrices.
    set: &'static str,
}

impl Site {
    async fn open(state: &AppState, links: &Links, id: &str) -> Result<Site, ApiError> {
        let service = public(state, id, Kind::OgcTiles).await?;
        let (url, side) = (Kind::OgcTiles.url(links, id), service.style()?.side);
        let set = if side == 256 { "WebMercatorQuad" } else { "WebMercatorQuad512" };
        Ok(Site { service, url, side, set })
    }

    fn to(&self, path: &str) -> String {
        format!("{}{path}", self.url)
    }

    fn matrices(&self) -> String {
        self.to(&format!("/tileMatrixSets/{}", self.set))
    }

    fn check(&self, set: &str) -> Result<(), ApiError> {
        if set == self.set {
            return Ok(());
        }
        let message = format!("there are no tiles in `{set}`, only in `{}`", self.set);
        Err(ApiError::new(Code::NOT_FOUND, message))
    }

    /// The address by which others know the set; the one with larger tiles is nobody else's.
    fn say_uri(&self, of: &mut Value, name: &str) {
        if self.side == 256 {
            let registered = "http://www.opengis.net/def/tilematrixset/OGC/1.0/WebMercatorQuad";
            of[name] = registered.into();
        }
    }

    fn tileset(&self) -> Value {
        let [west, south, east, north] = self.service.about.bounds;
        let own = self.to(&format!("/map/tiles/{}", self.set));
        let mut item =
            link("item", &format!("{own}/{{tileMatrix}}/{{tileRow}}/{{tileCol}}"), "Tiles");
        item["type"] = "image/png".into();
        item["templated"] = true.into();
        let mut set = json!({
            "title": self.service.title(),
            "dataType": "map",
            "crs": CRS,
            "boundingBox": {
                "lowerLeft": [west, south],
                "upperRight": [east, north],
                "crs": "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
            },
            "links": [
                link("self", &own, "This tile set"),
                link(&format!("{RELATIONS}/tiling-scheme"), &self.matrices(), "Matrices"),
                item,
            ],
        });
        self.say_uri(&mut set, "tileMatrixSetURI");
        set
    }
}

fn link(rel: &str, href: &str, title: &str) -> Value {
    crate::links::link(rel, href.to_owned(), title)
}
