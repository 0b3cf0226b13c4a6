//! `GET /udf_runtimes`: the languages of functions of users.

use axum::Json;
use axum::extract::State;
use eolith_graph::Code;
use serde_json::{Map, Value, json};

use crate::error::ApiError;
use crate::state::AppState;

/// Listed in the capabilities only where functions can be run.
pub(crate) const PATH: &str = "/udf_runtimes";

pub(crate) async fn list(State(state): State<AppState>) -> Result<Json<Value>, ApiError> {
    let Ok(host) = state.session().host().await else {
        return Err(ApiError::new(Code::FEATURE_UNSUPPORTED, "UDFs cannot be run on this server"));
    };
    let runtime = host.runtime();
    let libraries: Map<String, Value> = (runtime.libraries.iter())
        .map(|(name, version)| (name.clone(), json!({"version": version})))
        .collect();
    let versions: Map<String, Value> = (runtime.versions.iter())
        .map(|version| (version.clone(), json!({"libraries": libraries})))
        .collect();
    let mut runtimes = Map::new();
    runtimes.insert(
        runtime.name.to_owned(),
        json!({
            "title": "Python",
            "description": "Functions with the signatures of the `openeo.udf` package, in a sandbox without network.",
            "type": "language",
            "default": runtime.versions.first(),
            "versions": versions,
        }),
    );
    Ok(Json(runtimes.into()))
}
