//! `/jobs` and `/jobs/{job_id}`: batch jobs as their owner sees them.
//!
//! What was sent is kept as it is, with properties that mean nothing here, and shown again without nulls: a job may be
//! created with a process that cannot run yet.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;
use serde_json::{Map, Value};

use crate::auth::{User, random_id};
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::job::{self, Change, Job, Millis, Refusal, Status, instant};
use crate::links::{Links, link};
use crate::page::List;
use crate::places::JOB;
use crate::prices::{PLAN, Prices, credits};
use crate::queue;
use crate::results::promptly;
use crate::state::AppState;
use crate::store::Changed;

pub(crate) const IDENTIFIER: HeaderName = HeaderName::from_static("openeo-identifier");

/// How many jobs of all users start before a queued one, counting itself. The standard has no word for it.
const POSITION: &str = "queue_position";
/// When a running job ends if it goes on as it did. The standard has no word for it.
const END: &str = "expected_end";
/// Milliseconds after which what was done says something of the rest.
const TELLING: Millis = 2000;

/// What only the server may say of a job.
const OURS: [&str; 13] = [
    "id",
    "status",
    "progress",
    "created",
    "updated",
    "costs",
    "usage",
    "links",
    "queued",
    "started",
    "unpublished",
    POSITION,
    END,
];
/// What a list shows of a job.
const LISTED: [&str; 15] = [
    "id",
    "title",
    "description",
    "status",
    "progress",
    "created",
    "updated",
    "plan",
    "costs",
    "budget",
    "usage",
    "log_level",
    "queued",
    "started",
    "unpublished",
];

pub(crate) async fn list(list: List) -> Result<Json<Value>, ApiError> {
    let List { state, user, page, .. } = &list;
    let jobs = state.store().jobs(&user.id, page.place()?, page.fetched()).await?;
    let shown = |job: &Job| {
        let mut fields = described(job);
        fields.retain(|name, _| LISTED.contains(&name.as_str()));
        fields.into()
    };
    let after = |job: &Job| format!("{}_{}", job.created, job.id);
    Ok(list.answer(("/jobs", "jobs", "Jobs"), jobs, after, shown))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    user: User,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let request = request(body, state.accounts().prices())?;
    let id = format!("{JOB}{}", random_id());
    let job = Job::new(id, user.id, request, job::now());
    state.store().add_job(&job).await?;
    let address = links.to(&format!("/jobs/{}", job.id));
    let headers = [(header::LOCATION, address), (IDENTIFIER, job.id)];
    Ok((StatusCode::CREATED, headers).into_response())
}

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let job = owned(&state, &user, &id).await?;
    let mut fields = described(&job);
    if job.status == Status::Queued {
        let before = state.store().queued_before(&job).await?;
        fields.insert(POSITION.to_owned(), (before + 1).into());
    }
    if let Some(end) = expected_end(&job, job::now()) {
        fields.insert(END.to_owned(), instant(end).into());
    }
    let at = |path: &str| links.to(&format!("/jobs/{id}{path}"));
    let mut own = vec![link("self", at(""), "This job"), link("monitor", at("/logs"), "Log")];
    if job.status == Status::Finished && job.outcome.is_some() {
        own.push(link("result", at("/results"), "Results"));
    }
    fields.insert("links".to_owned(), own.into());
    Ok(Json(fields.into()))
}

pub(crate) async fn change(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<StatusCode, ApiError> {
    owned(&state, &user, &id).await?;
    let Value::Object(fields) = body else { return Err(no_object()) };
    if let Some(name) = OURS.iter().find(|name| fields.contains_key(**name)) {
        let message = format!("`{name}` of a job cannot be changed");
        return Err(ApiError::new(Code::PROPERTY_NOT_EDITABLE, message));
    }
    if let Some(process) = fields.get("process") {
        has_graph(process)?;
    }
    checked_billing(&fields, state.accounts().prices())?;
    match state.store().change_job(&id, Change::Edit(fields), job::now()).await? {
        Changed::Done(_) => Ok(StatusCode::NO_CONTENT),
        Changed::Refused(Refusal::Locked, job) => {
            let status = job.status.name();
            let message = format!("the job is {status} and cannot be changed until it has ended");
            Err(ApiError::new(Code::JOB_LOCKED, message))
        }
        Changed::Refused(refusal, _) => Err(ApiError::internal(format!("refused: {refusal:?}"))),
        Changed::Gone => Err(unknown(&id)),
    }
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let home = owned(&state, &user, &id).await?.outcome.map(|outcome| outcome.home);
    if !state.store().remove_job(&user.id, &id).await? {
        return Err(unknown(&id));
    }
    state.queue().cancel(&id);
    // What is left because a run is writing still goes with the next sweep.
    let results = state.results().clone();
    promptly(async move {
        if let Err(error) = results.remove(&id, home.as_ref()).await {
            tracing::warn!(job = id, %error, "the files of a job are not removed yet");
        }
    })
    .await;
    Ok(StatusCode::NO_CONTENT)
}

/// The job, if it is one of the user's. Those of others do not exist.
pub(crate) async fn owned(state: &AppState, user: &User, id: &str) -> Result<Job, ApiError> {
    let job = state.store().job(id).await?;
    job.filter(|job| job.user == user.id).ok_or_else(|| unknown(id))
}

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new(Code::JOB_NOT_FOUND, format!("there is no job `{id}`"))
}

/// When a job that runs will have ended, from its progress so far.
fn expected_end(job: &Job, now: Millis) -> Option<Millis> {
    let started = job.started.filter(|_| job.status == Status::Running)?;
    let passed = now - started;
    let telling = passed >= TELLING && job.progress >= 1.0;
    telling.then(|| started + (passed as f64 * 100.0 / job.progress) as Millis)
}

/// The fields of a job, without links.
fn described(job: &Job) -> Map<String, Value> {
    let mut fields = Map::new();
    fields.insert("id".to_owned(), job.id.clone().into());
    for (name, value) in &job.request {
        if !value.is_null() {
            fields.insert(name.clone(), without_nulls(value.clone()));
        }
    }
    let mut say = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    say("status", job.status.name().into());
    say("created", instant(job.created).into());
    say("updated", instant(job.updated).into());
    if let Some(queued) = job.queued {
        say("queued", instant(queued).into());
    }
    if let Some(started) = job.started {
        say("started", instant(started).into());
    }
    if let Some(expired) = job.expired {
        say("unpublished", instant(expired).into());
    }
    if job.run > 0 {
        say("progress", job.progress.into());
        say("costs", credits(job.usage.costs));
        say("usage", queue::shown(&job.usage));
    }
    fields
}

/// The body of a request for a job.
fn request(body: Value, prices: Option<&Prices>) -> Result<Map<String, Value>, ApiError> {
    let Value::Object(mut fields) = body else { return Err(no_object()) };
    for name in OURS {
        fields.shift_remove(name);
    }
    has_graph(fields.get("process").unwrap_or(&Value::Null))?;
    checked_billing(&fields, prices)?;
    Ok(fields)
}

/// Whether the plan of a request is the one that there is, and its budget an amount. Where nothing costs anything, any
/// plan will do.
pub(crate) fn checked_billing(
    fields: &Map<String, Value>,
    prices: Option<&Prices>,
) -> Result<(), ApiError> {
    let plan = fields.get("plan").filter(|plan| prices.is_some() && !plan.is_null());
    if let Some(plan) = plan
        && !plan.as_str().is_some_and(|plan| plan.eq_ignore_ascii_case(PLAN))
    {
        let message = format!("{plan} is no billing plan; there is `{PLAN}`");
        return Err(ApiError::new(Code::BILLING_PLAN_INVALID, message));
    }
    match fields.get("budget") {
        Some(budget)
            if !(budget.is_null() || budget.as_f64().is_some_and(|budget| budget >= 0.0)) =>
        {
            let message = "`budget` is a number of at least 0";
            Err(ApiError::new(Code::BUDGET_INVALID, message))
        }
        _ => Ok(()),
    }
}

/// Whether something is a process: everything else is found out when it runs.
pub(crate) fn has_graph(process: &Value) -> Result<(), ApiError> {
    match process.get("process_graph") {
        Some(Value::Object(_)) => Ok(()),
        Some(Value::Null) | None => {
            let message = "the request has no `process` with a `process_graph`";
            Err(ApiError::new(Code::PROCESS_GRAPH_MISSING, message))
        }
        Some(_) => {
            let message = "`process_graph` is an object of nodes";
            Err(ApiError::new(Code::PROCESS_GRAPH_INVALID, message))
        }
    }
}

/// Clients and the validators of the standard stumble over fields that are null.
pub(crate) fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .into_iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| (name, without_nulls(value)))
            .collect::<Map<_, _>>()
            .into(),
        Value::Array(values) => values.into_iter().map(without_nulls).collect(),
        value => value,
    }
}

pub(crate) fn no_object() -> ApiError {
    ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", "the body is a JSON object")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_running_job_ends_when_its_pace_says() {
        let mut job = Job::new("j".to_owned(), "ada".to_owned(), Map::new(), 1000);
        (job.started, job.progress) = (Some(10_000), 25.0);
        assert_eq!(expected_end(&job, 20_000), None, "it does not run");
        job.status = Status::Running;
        assert_eq!(expected_end(&job, 20_000), Some(50_000));
        assert_eq!(expected_end(&job, 11_000), None, "too early to tell");
        job.progress = 0.0;
        assert_eq!(expected_end(&job, 20_000), None);
    }
}
