//! `/files` and `/files/{path}`: what users upload, for `load_uploaded_files` and `run_udf`.

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use eolith_engine::storage::Location;
use eolith_graph::Code;
use futures::StreamExt;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::auth::User;
use crate::error::ApiError;
use crate::files::{Files, FilesError, UserFile};
use crate::job::instant;
use crate::page::List;
use crate::sending::{sent, unread};
use crate::state::AppState;

/// Bytes of one file.
const MOST_BYTES: u64 = 50 << 30;
/// Parts that wait for the disk.
const PARTS_AHEAD: usize = 8;

/// The path of a request, as it was meant.
type FilePath = Result<Path<String>, PathRejection>;

pub(crate) async fn list(list: List) -> Result<Json<Value>, ApiError> {
    let files = files(&list.state, &list.user);
    let found = blocking(move || Ok(files.list()?)).await?;
    let about = ("/files", "files", "Files");
    Ok(list.answer_of_all(about, found, |file| file.path.as_str(), described))
}

/// The bytes of a file, or a range of them.
pub(crate) async fn download(
    State(state): State<AppState>,
    user: User,
    path: FilePath,
    request: Request,
) -> Result<Response, ApiError> {
    let (files, path) = (files(&state, &user), valid(path)?);
    let place = blocking(move || files.find(&path)).await?;
    let place = Location::local(&place).map_err(|error| unread(&error))?;
    sent(&place, None, request).await
}

/// Takes the body as the content of a file.
pub(crate) async fn upload(
    State(state): State<AppState>,
    user: User,
    path: FilePath,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Value>, ApiError> {
    let (files, path) = (files(&state, &user), valid(path)?);
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > MOST_BYTES) {
        return Err(FilesError::TooLarge(MOST_BYTES).into());
    }
    let (of_path, name) = (files.clone(), path.clone());
    let replaced = blocking(move || of_path.size(&name)).await?;
    let free = room(&state, &user, replaced).await?;
    if let Some(free) = free.filter(|free| length.is_some_and(|length| length > *free)) {
        return Err(FilesError::NoRoom(free).into());
    }
    let (parts, mut written) = mpsc::channel::<Bytes>(PARTS_AHEAD);
    let writing = tokio::task::spawn_blocking(move || {
        let mut upload = files.begin(&path, MOST_BYTES, free)?;
        while let Some(part) = written.blocking_recv() {
            if part.is_empty() {
                return upload.finish().map(Some);
            }
            upload.write(&part)?;
        }
        // The client is gone: nothing stays.
        Ok::<_, FilesError>(None)
    });
    let mut stream = body.into_data_stream();
    let mut broken = None;
    while let Some(part) = stream.next().await {
        match part {
            Ok(part) if part.is_empty() => {}
            // Who writes has ended, with an error.
            Ok(part) => {
                if parts.send(part).await.is_err() {
                    break;
                }
            }
            Err(error) => {
                broken = Some(error);
                break;
            }
        }
    }
    // Others of the same user may have stored something meanwhile; what was sent is counted already.
    if broken.is_none()
        && let Some(storage) = state.accounts().storage(&user.id).await?
        && storage.used > storage.quota + replaced
    {
        return Err(FilesError::NoRoom(0).into());
    }
    if broken.is_none() {
        // The empty part says that this was all.
        let _ = parts.send(Bytes::new()).await;
    }
    drop(parts);
    let written = writing.await.map_err(|_| ApiError::internal("the file was not written"))??;
    match (written, broken) {
        (Some(file), _) => Ok(Json(described(&file))),
        (None, broken) => {
            let reason = broken.map_or_else(String::new, |error| format!(": {error}"));
            let message = format!("the body ended before its time{reason}");
            Err(ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", message))
        }
    }
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    user: User,
    path: FilePath,
) -> Result<StatusCode, ApiError> {
    let (files, path) = (files(&state, &user), valid(path)?);
    blocking(move || files.remove(&path)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Bytes that are free for a file in the place of one with so many, if that is limited.
async fn room(state: &AppState, user: &User, replaced: u64) -> Result<Option<u64>, ApiError> {
    let storage = state.accounts().storage(&user.id).await?;
    Ok(storage.map(|storage| (storage.quota + replaced).saturating_sub(storage.used)))
}

fn files(state: &AppState, user: &User) -> Files {
    Files::new(state.homes().of(&user.id))
}

fn valid(path: FilePath) -> Result<String, ApiError> {
    path.map(|Path(path)| path).map_err(|_| {
        ApiError::new(Code::FILE_PATH_INVALID, "the path of the file is no text in UTF-8")
    })
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, FilesError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = tokio::task::spawn_blocking(work).await;
    Ok(done.map_err(|_| ApiError::internal("the files could not be reached"))??)
}

fn described(file: &UserFile) -> Value {
    json!({"path": file.path, "size": file.size, "modified": instant(file.modified)})
}

impl From<FilesError> for ApiError {
    fn from(error: FilesError) -> ApiError {
        let code = match &error {
            FilesError::Path(..) => Code::FILE_PATH_INVALID,
            FilesError::Missing(_) => Code::FILE_NOT_FOUND,
            FilesError::Folder(_) => Code::FILE_OPERATION_UNSUPPORTED,
            FilesError::TooLarge(_) => Code::FILE_SIZE_EXCEEDED,
            FilesError::NoRoom(_) => Code::STORAGE_QUOTA_EXCEEDED,
            FilesError::Disk(failure) => {
                tracing::error!(%failure, "a file of a user cannot be read or written");
                let message = "the server cannot reach its disk; try again later";
                return ApiError::new(Code::STORAGE_FAILURE, message);
            }
        };
        ApiError::new(code, error.to_string())
    }
}
