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
    const EXTENSIONS: [&str; 2] = [
        "https://api.openeo.org/extensions/processing-parameters/0.1.0",
        "https://api.openeo.org/extensions/remote-process-definition/0.1.0",
    ];
    let own: &[&str] = match version {
        Version::V1_2 => &["https://api.openeo.org/1.2.0"],
        Version::V1_3 => {
            &["https://api.openeo.org/1.3.0", "https://api.openeo.org/1.3.0/authentication/jwt"]
        }
    };
    [own, &EXTENSIONS, &[STAC]].concat()
}
