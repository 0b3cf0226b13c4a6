//! `GET /conformance`: the specifications that are met.

use axum::Json;
use serde_json::{Value, json};

use crate::links::{Links, Version};

/// Of the STAC API: collections, items, and the search among them.
const STAC: [&str; 9] = [
    "https://api.stacspec.org/v1.0.0/core",
    "https://api.stacspec.org/v1.0.0/collections",
    "https://api.stacspec.org/v1.0.0/ogcapi-features",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#fields",
    "https://api.stacspec.org/v1.0.0/ogcapi-features#sort",
    "https://api.stacspec.org/v1.0.0/item-search",
    "https://api.stacspec.org/v1.0.0/item-search#fields",
    "https://api.stacspec.org/v1.0.0/item-search#sort",
    "https://api.stacspec.org/v1.0.0-rc.3/item-search#filter",
];
const FEATURES: [&str; 4] = [
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/core",
    "http://www.opengis.net/spec/ogcapi-features-1/1.0/conf/geojson",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/filter",
    "http://www.opengis.net/spec/ogcapi-features-3/1.0/conf/features-filter",
];
const CQL2: [&str; 6] = [
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-cql2",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-text",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
    "http://www.opengis.net/spec/cql2/1.0/conf/advanced-comparison-operators",
    "http://www.opengis.net/spec/cql2/1.0/conf/basic-spatial-functions",
    "http://www.opengis.net/spec/cql2/1.0/conf/spatial-functions",
];

pub(crate) async fn show(links: Links) -> Json<Value> {
    Json(json!({"conformsTo": classes(links.version)}))
}

/// The conformance classes of a version. Clients that find the class for JSON Web Tokens send tokens without a
/// prefix; exactly one may be listed.
pub(crate) fn classes(version: Version) -> Vec<&'static str> {
    const EXTENSIONS: [&str; 3] = [
        "https://api.openeo.org/extensions/processing-parameters/0.1.0",
        "https://api.openeo.org/extensions/remote-process-definition/0.1.0",
        "https://api.openeo.org/extensions/workspaces/0.1.0",
    ];
    let own: &[&str] = match version {
        Version::V1_2 => &["https://api.openeo.org/1.2.0"],
        Version::V1_3 => {
            &["https://api.openeo.org/1.3.0", "https://api.openeo.org/1.3.0/authentication/jwt"]
        }
    };
    [own, &EXTENSIONS, &STAC, &FEATURES, &CQL2].concat()
}
