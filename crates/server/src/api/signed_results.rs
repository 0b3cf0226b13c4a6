//! `/signed/{token}`: results of a job for whoever has the link; see [`crate::signed`].
//!
//! Files come with ranges, `HEAD` and entity tags, so that programs can read parts of them where they lie. A store of
//! many files (Zarr) can be opened below its name, and fetched as one archive.

use std::path::{Component, PathBuf};

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, Query, Request, State};
use axum::http::Method;
use axum::http::header::{CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};
use eolith_engine::storage::Location;
use eolith_graph::Code;

use super::job_results::{self, Wanted, key};
use super::jobs::unknown;
use super::result::streamed;
use crate::archive;
use crate::error::ApiError;
use crate::job::{self, Job, ResultFile};
use crate::links::Links;
use crate::sending::{sent, unread};
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
    let folder = state.results().files(&job, outcome).map_err(|error| unread(&error))?;
    if let Some(file) = outcome.files.iter().find(|file| key(file) == path) {
        let place = folder.join(&file.name);
        if file.is_folder {
            return zipped(&place, &path, request.method() == Method::HEAD).await;
        }
        return sent(&place, Some(file), request).await;
    }
    // A part of a store.
    let inside = |file: &&ResultFile| {
        let rest = path.strip_prefix(file.name.as_str()).and_then(|rest| rest.strip_prefix('/'));
        file.is_folder && rest.is_some_and(|rest| !rest.is_empty())
    };
    outcome.files.iter().find(inside).ok_or_else(missing)?;
    if !PathBuf::from(&path).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(missing());
    }
    let part = folder.join(&path);
    if part.as_local().is_some_and(|part| !part.is_file()) {
        return Err(missing());
    }
    sent(&part, None, request).await
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

/// A folder as one archive.
async fn zipped(folder: &Location, name: &str, head: bool) -> Result<Response, ApiError> {
    let archive = archive::of_folder(folder).await.map_err(|error| unread(&error))?;
    let name = name.rsplit('/').next().unwrap_or(name);
    let headers = Response::builder()
        .header(CONTENT_TYPE, "application/zip+zarr")
        .header(CONTENT_LENGTH, archive.length())
        .header(CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""));
    let body = if head { Body::empty() } else { streamed(archive, ()) };
    let failed = |error| ApiError::internal(format!("the files cannot be sent: {error}"));
    headers.body(body).map_err(failed)
}
