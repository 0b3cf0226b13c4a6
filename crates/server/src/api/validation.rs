//! `POST /validation`: all problems of a process that can be found without reading pixels.
//!
//! The body is a process. What is wrong with it is the answer, not an error; only a body that is no JSON is one.

use axum::Json;
use axum::extract::State;
use eolith_graph::Issue;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::body::JsonBody;
use crate::error;

pub(crate) async fn check(State(state): State<AppState>, JsonBody(body): JsonBody) -> Json<Value> {
    let (process, mut issues) = eolith_graph::parse_value(body);
    if let Some(process) = process {
        if issues.is_empty() {
            issues = state.session().validate(&process).await;
        } else {
            issues.extend(eolith_graph::check(&process, state.session().processes().await));
        }
    }
    Json(json!({"errors": issues.iter().map(entry).collect::<Vec<_>>()}))
}

fn entry(issue: &Issue) -> Value {
    json!({"code": issue.code.as_str(), "message": error::message(issue)})
}
