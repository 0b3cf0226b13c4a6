//! `POST` and `DELETE /jobs/{job_id}/results`, `GET /jobs/{job_id}/estimate`: starting, stopping, and what it would take.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use eolith_graph::Code;
use serde_json::{Value, json};

use super::jobs::{owned, unknown};
use crate::accounts::Storage;
use crate::auth::User;
use crate::error::ApiError;
use crate::job::{self, Change, Millis, Usage, instant};
use crate::prices::credits;
use crate::results::promptly;
use crate::state::AppState;
use crate::store::Changed;

/// Results may be fetched as often as one likes. The field has no number for that: null breaks validators of the standard,
/// and without it a client cannot print the estimate.
const DOWNLOADS: u32 = 1000;
/// How long an estimate holds: prices and data change.
const VALID: Millis = 24 * 60 * 60 * 1000;
/// Cubes of 100 GB were read at 130 (medians of masked bands) to 330 MB (NDVI and maximum) a second on two cores.
const BYTES_A_SECOND: u64 = 200_000_000;

/// Queues the job; its earlier results and log go. One that is queued or running stays as it is.
pub(crate) async fn start(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let job = owned(&state, &user, &id).await?;
    if !job.is_active()
        && let Some(storage) = state.accounts().storage(&user.id).await?
    {
        // The earlier results go when it starts.
        let used = storage.used.saturating_sub(job.bytes());
        if let Some(issue) = (Storage { used, ..storage }).refuse(0) {
            return Err(vec![issue].into());
        }
    }
    if !job.is_active()
        && let Some(issue) = state.accounts().unpaid(&user.id).await?
    {
        return Err(vec![issue].into());
    }
    let home = job.outcome.map(|outcome| outcome.home);
    match state.store().change_job(&id, Change::Start, job::now()).await? {
        Changed::Done(job) => {
            if job.run > 1 {
                state.store().remove_logs_until(&id, job.attempt).await?;
                let results = state.results().clone();
                promptly(async move {
                    if let Err(error) = results.tidy(&job, home.as_ref()).await {
                        let id = &job.id;
                        tracing::warn!(id, %error, "earlier results of a job are not removed yet");
                    }
                })
                .await;
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

/// What the job would take. Size and costs are known where the plan of the process is: for pixels before compression, so
/// that they are rather too high. Where it is not, the costs are what the job can cost at most.
pub(crate) async fn estimate(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let job = owned(&state, &user, &id).await?;
    let expires = instant(job::now() + VALID);
    let mut answer = json!({"downloads_included": DOWNLOADS, "expires": expires});
    let given = job.request.get("process").cloned().unwrap_or_default();
    let places = state.places(&user.id, &given).await?;
    let session = state.session().as_ref().clone().with_workspace(Arc::new(places));
    let known = match eolith_graph::parse_value(given) {
        (Some(process), issues) if issues.is_empty() => session.estimate(&process).await,
        (_, issues) => Err(issues),
    };
    if let Ok(Some(estimate)) = known {
        answer["size"] = estimate.result_bytes.into();
        let seconds = seconds(estimate.bytes_read);
        answer["duration"] = format!("PT{seconds}S").into();
        let duration = seconds as i64 * 1000;
        let usage = Usage { duration, bytes_read: estimate.bytes_read, ..Usage::default() };
        answer["costs"] = credits(state.accounts().costs(&usage, estimate.result_bytes));
    } else if state.accounts().prices().is_none() {
        answer["costs"] = 0.into();
    } else {
        // A process that cannot run has no price; any other one stops where the job or its owner cannot pay.
        known?;
        let left = state.accounts().left(&user.id).await?;
        let most = job.budget().into_iter().chain(left).min().ok_or_else(|| {
            let message = "what the process takes depends on values that only its run computes\n\
                hint: with a `budget` the job costs no more than that";
            ApiError::new(Code::ESTIMATE_COMPLEXITY, message)
        })?;
        answer["costs"] = credits(most.max(0));
    }
    Ok(Json(answer))
}

/// Rough: nothing is known of the work but how much is decoded.
fn seconds(bytes_read: u64) -> u64 {
    bytes_read.div_ceil(BYTES_A_SECOND).max(1)
}
