//! `GET /api`: the resources as an OpenAPI document, for clients that look for one. What they take and give is in the
//! documents of openEO and of STAC, which it names.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde_json::{Map, Value, json};

use crate::app::ENDPOINTS;
use crate::links::{Links, Version};

/// As links say it; answers have no parameters in their type.
pub(crate) const OPENAPI: &str = "application/vnd.oai.openapi+json;version=3.0";

pub(crate) async fn show(links: Links) -> Response {
    let kind = OPENAPI.split(';').next().unwrap_or(OPENAPI);
    ([(CONTENT_TYPE, kind)], document(&links.to(""), links.version).to_string()).into_response()
}

fn document(server: &str, version: Version) -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let method = endpoint.method.as_str().to_ascii_lowercase();
        let named = endpoint.path.split(['{', '}']).skip(1).step_by(2).map(|name| {
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        });
        let operation = json!({
            "operationId": format!("{method} {}", endpoint.path),
            "parameters": named.collect::<Vec<_>>(),
            "responses": {"default": {"description": "As the standards say."}},
        });
        let path = paths.entry(endpoint.path).or_insert_with(|| Value::Object(Map::new()));
        path[method] = operation;
    }
    json!({
        "openapi": "3.0.3",
        "info": {
            "title": "openEO API and STAC API",
            "version": version.api_version(),
            "description": "The resources below `/collections` and `/search` are those of the STAC API 1.0.0 \
                (https://api.stacspec.org), all others those of the openEO API (https://api.openeo.org).",
        },
        "servers": [{"url": server}],
        "paths": paths,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resource_is_there_with_its_parameters() {
        let document = document("http://h/openeo/1.2", Version::V1_2);
        let item = &document["paths"]["/collections/{collection_id}/items/{item_id}"]["get"];
        assert_eq!(item["parameters"][1]["name"], "item_id");
        let methods = document["paths"].as_object().unwrap().values();
        let count: usize = methods.map(|path| path.as_object().unwrap().len()).sum();
        assert_eq!(count, ENDPOINTS.len());
    }
}
