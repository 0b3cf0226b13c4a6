//! `POST` and `DELETE /jobs/{job_id}/results`, `GET /jobs/{job_id}/estimate`: starting, stopping, and what it would take.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::jobs::{owned, unknown};
use crate::app::AppState;
use crate::auth::User;
use crate::error::ApiError;
use crate::job::{self, Change};
use crate::store::Changed;

/// Queues the job; its earlier results and log go. One that is queued or running stays as it is.
pub(crate) async fn start(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    owned(&state, &user, &id).await?;
    match state.store().change_job(&id, Change::Start, job::now()).await? {
        Changed::Done(job) => {
            if job.run > 1 {
                state.store().remove_logs_until(&id, job.attempt).await?;
                let folders = state.folders().clone();
                let tidied = tokio::task::spawn_blocking(move || folders.tidy(&job)).await;
                if let Ok(Err(error)) = tidied {
                    tracing::warn!(%error, "the earlier results of a job are not removed yet");
                }
            }
            state.queue().wake();
            Ok(StatusCode::ACCEPTED)
        }
        Changed::Refused(..) => Ok(StatusCode::ACCEPTED),
        Changed::Gone => Err(unknown(&id)),
    }
}

/// Stops the job if it is queued or running; everything else stays as it is.
pub(crate) async fn stop(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    owned(&state, &user, &id).await?;
    match state.store().change_job(&id, Change::Cancel, job::now()).await? {
        Changed::Done(_) => {
            state.queue().cancel(&id);
            Ok(StatusCode::NO_CONTENT)
        }
        Changed::Refused(..) => Ok(StatusCode::NO_CONTENT),
        Changed::Gone => Err(unknown(&id)),
    }
}

/// What the job would take. Nothing costs anything here; a size is known where the plan of the process is.
pub(crate) async fn estimate(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let job = owned(&state, &user, &id).await?;
    let mut answer = json!({"costs": 0, "downloads_included": 1000});
    let given = job.request.get("process").cloned().unwrap_or_default();
    let places = state.places(&user.id, &given).await?;
    let session = state.session().as_ref().clone().with_workspace(Arc::new(places));
    if let (Some(process), issues) = eolith_graph::parse_value(given)
        && issues.is_empty()
        && let Ok(Some(estimate)) = session.estimate(&process).await
    {
        answer["size"] = estimate.result_bytes.into();
        answer["duration"] = duration(estimate.bytes_read).into();
    }
    Ok(Json(answer))
}

/// ISO 8601. Reading and decoding is most of the work: 200 MB a second is what two cores do.
fn duration(bytes_read: u64) -> String {
    const BYTES_A_SECOND: u64 = 200_000_000;
    format!("PT{}S", bytes_read.div_ceil(BYTES_A_SECOND).max(1))
}
