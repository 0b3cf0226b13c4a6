//! `POST /validation`: all problems of a process that can be found without reading pixels.
//!
//! The body is a process. What is wrong with it is the answer, not an error; only a body that is no JSON is one. Who
//! sends a token can name what is only theirs: stored processes, files, results.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use eolith_graph::{Code, Issue};
use serde_json::{Value, json};

use crate::auth::User;
use crate::body::JsonBody;
use crate::error::{self, ApiError};
use crate::state::AppState;

pub(crate) async fn check(
    State(state): State<AppState>,
    user: Result<User, ApiError>,
    JsonBody(body): JsonBody,
) -> Result<Json<Value>, ApiError> {
    let mut session = state.session().as_ref().clone();
    if let Ok(user) = user {
        session = session.with_workspace(Arc::new(state.places(&user.id, &body).await?));
    }
    let (process, mut issues) = eolith_graph::parse_value(body);
    if let Some(process) = process {
        if issues.is_empty() {
            issues = session.validate(&process).await;
        } else {
            // Stored processes are looked up once the rest is right.
            let more = eolith_graph::check(&process, session.processes().await);
            issues.extend(more.into_iter().filter(|issue| issue.code != Code::PROCESS_UNSUPPORTED));
        }
    }
    Ok(Json(json!({"errors": issues.iter().map(entry).collect::<Vec<_>>()})))
}

fn entry(issue: &Issue) -> Value {
    json!({"code": issue.code.as_str(), "message": error::message(issue)})
}
