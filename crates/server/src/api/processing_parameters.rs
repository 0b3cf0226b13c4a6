//! `GET /processing_parameters`: what may stand beside the process in a request, of what the standard leaves open.
//!
//! Everything else is kept and shown again, and changes nothing.

use axum::Json;
use serde_json::{Value, json};

pub(crate) async fn list() -> Json<Value> {
    let level = json!({
        "name": "log_level",
        "description": "The least severe entries that the log keeps.",
        "optional": true,
        "default": "info",
        "schema": {"type": "string", "enum": ["debug", "info", "warning", "error"]},
    });
    Json(json!({
        "create_job_parameters": [level],
        "create_service_parameters": [level],
        "create_synchronous_parameters": [level],
    }))
}
