//! `GET /conformance`: the specifications that are met.

use axum::Json;
use serde_json::{Value, json};

use crate::links::{Links, Version};

pub(crate) async fn show(links: Links) -> Json<Value> {
    Json(json!({"conformsTo": classes(links.version)}))
}

/// The conformance classes of a version. Clients that find the class for JSON Web Tokens send tokens without a
/// prefix; exactly one may be listed.
pub(crate) fn classes(version: Version) -> Vec<&'static str> {
    const STAC: &str = "https://api.stacspec.org/v1.0.0/collections";
    match version {
        Version::V1_2 => vec!["https://api.openeo.org/1.2.0", STAC],
        Version::V1_3 => vec![
            "https://api.openeo.org/1.3.0",
            "https://api.openeo.org/1.3.0/authentication/jwt",
            STAC,
        ],
    }
}
