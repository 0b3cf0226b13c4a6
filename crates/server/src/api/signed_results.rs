//! `/signed/{token}`: results of a job for whoever has the link; see [`crate::signed`].
//!
//! Files come with ranges, `HEAD` and entity tags, so that programs can read parts of them where they lie. A store of
//! many files (Zarr) can be opened below its name, and fetched as one archive.

use std::path::{Component, PathBuf};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;
use tower_http::services::ServeFile;

use super::job_results::{self, Wanted, key, media_type};
use super::jobs::unknown;
use super::result::streamed;
use crate::archive::{self, Archive};
use crate::error::ApiError;
use crate::job::{self, Job, ResultFile};
use crate::links::Links;
use crate::signed::Claim;
use crate::state::AppState;

pub(crate) async fn show(
    State(state): State<AppState>,
    links: Links,
    Path(token): Path<String>,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let (job, claim) = claimed(&state, &token).await?;
    job_results::answer(&state, &links, &job, &wanted, Some(claim))
}

pub(crate) async fn item(
    State(state): State<AppState>,
    links: Links,
    Path((token, number)): Path<(String, usize)>,
) -> Result<Response, ApiError> {
    let (job, claim) = claimed(&state, &token).await?;
    let item = job_results::item(&links, token, &job, &claim, number);
    let item = item.ok_or_else(|| ApiError::new(Code::NOT_FOUND, "there is no such item"))?;
    Ok(([(CONTENT_TYPE, "application/geo+json")], Json(item)).into_response())
}

/// The items that the results were made of.
pub(crate) async fn inputs(
    State(state): State<AppState>,
    links: Links,
    Path(token): Path<String>,
) -> Result<Response, ApiError> {
    let (job, _) = claimed(&state, &token).await?;
    let inputs = job_results::inputs(&state, &links, &job).await?;
    let inputs = inputs
        .ok_or_else(|| ApiError::new(Code::NOT_FOUND, "the results were not made of items"))?;
    Ok(([(CONTENT_TYPE, "application/geo+json")], Json(inputs)).into_response())
}

pub(crate) async fn file(
    State(state): State<AppState>,
    Path((token, path)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let (job, _) = claimed(&state, &token).await?;
    let missing = || ApiError::new(Code::NOT_FOUND, format!("there is no file `{path}`"));
    let outcome = job.outcome.as_ref().ok_or_else(missing)?;
    let folder = state.folders().files(&job, outcome.attempt);
    if let Some(file) = outcome.files.iter().find(|file| key(file) == path) {
        if file.is_folder {
            return zipped(folder.join(&file.name), &path, request.method() == Method::HEAD).await;
        }
        return sent(folder.join(&file.name), Some(file), request).await;
    }
    // A part of a store.
    let inside = |file: &&ResultFile| {
        let rest = path.strip_prefix(file.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        file.is_folder && rest.is_some_and(|rest| !rest.is_empty())
    };
    outcome.files.iter().find(inside).ok_or_else(missing)?;
    let relative = PathBuf::from(&path);
    if !relative.components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(missing());
    }
    let whole = folder.join(relative);
    if !whole.is_file() {
        return Err(missing());
    }
    sent(whole, None, request).await
}

/// The job that a link leads to.
async fn claimed(state: &AppState, token: &str) -> Result<(Job, Claim), ApiError> {
    let claim = state.signer().check(token);
    let claim = claim.ok_or_else(|| {
        ApiError::new(Code::PERMISSIONS_INSUFFICIENT, "the link is not one that was made here")
    })?;
    let expired = |why: &str| ApiError::new(Code::RESULT_LINK_EXPIRED, why);
    if claim.expires < job::now() {
        return Err(expired("the link has expired; ask for the results of the job again"));
    }
    let job = state.store().job(&claim.job).await?.ok_or_else(|| unknown(&claim.job))?;
    if job.expired.is_some() {
        return Err(job_results::expired(&job));
    }
    if job.run != claim.run {
        return Err(expired("the job was started again, and these results are gone"));
    }
    Ok((job, claim))
}

/// A file, or the ranges of it that are wanted. What is known of it is its type and its tag.
pub(crate) async fn sent(
    path: PathBuf,
    file: Option<&ResultFile>,
    request: Request,
) -> Result<Response, ApiError> {
    let tag = file.and_then(|file| file.sha256.as_deref()).map(|sha256| format!("\"{sha256}\""));
    let tag = tag.and_then(|tag| HeaderValue::from_str(&tag).ok());
    if let (Some(tag), Some(known)) = (&tag, request.headers().get(IF_NONE_MATCH))
        && known == tag
    {
        let unchanged = StatusCode::NOT_MODIFIED.into_response();
        return Ok(([(ETAG, tag.clone())], unchanged).into_response());
    }
    let served = ServeFile::new(path).try_call(request).await;
    let mut response = served
        .map_err(|error| ApiError::internal(format!("the file cannot be read: {error}")))?
        .map(Body::new);
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        let message = "the file has no such range of bytes";
        let error = ApiError::http(StatusCode::RANGE_NOT_SATISFIABLE, "RangeInvalid", message);
        return Ok(error.into_response());
    }
    let headers = response.headers_mut();
    if let Some(file) = file {
        if let Ok(kind) = HeaderValue::from_str(&media_type(file)) {
            headers.insert(CONTENT_TYPE, kind);
        }
    } else {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
    }
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    Ok(response.into_response())
}

/// A folder as one archive.
async fn zipped(folder: PathBuf, name: &str, head: bool) -> Result<Response, ApiError> {
    let failed = |error: String| ApiError::internal(format!("the files cannot be read: {error}"));
    let list = move || archive::entries(&folder, &folder).map(Archive::zip);
    let archive =
        tokio::task::spawn_blocking(list).await.map_err(|error| failed(error.to_string()))?;
    let archive = archive.map_err(|error| failed(error.to_string()))?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let headers = Response::builder()
        .header(CONTENT_TYPE, "application/zip+zarr")
        .header(CONTENT_LENGTH, archive.length())
        .header(CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    let body = if head { Body::empty() } else { streamed(archive, ()) };
    headers.body(body).map_err(|error| failed(error.to_string()))
}
