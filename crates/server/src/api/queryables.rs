//! `GET /queryables`: what items of any collection can be filtered by. What a collection has besides is said by its own.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use crate::links::Links;

/// The relation of links to queryables.
pub(crate) const QUERYABLES: &str = "http://www.opengis.net/def/rel/ogc/1.0/queryables";
pub(crate) const SCHEMA: &str = "application/schema+json";

pub(crate) async fn show(links: Links) -> Response {
    let time = |title: &str| json!({"title": title, "type": "string", "format": "date-time"});
    let schema = json!({
        "$schema": "https://json-schema.org/draft/2019-09/schema",
        "$id": links.to("/queryables"),
        "type": "object",
        "title": "Items of all collections",
        "properties": {
            "id": {"title": "Item", "type": "string"},
            "collection": {"title": "Collection", "type": "string"},
            "geometry": {"title": "Place", "$ref": "https://geojson.org/schema/Geometry.json"},
            "datetime": time("Instant"),
            "start_datetime": time("First instant"),
            "end_datetime": time("Last instant"),
        },
        "additionalProperties": true,
    });
    ([(CONTENT_TYPE, SCHEMA)], schema.to_string()).into_response()
}
