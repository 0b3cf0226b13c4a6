//! Files as answers: whole, or the range that is wanted, from the disk or from an object store.
//!
//! What comes from an object store goes through this server piece by piece: clients get no address of it, and a slow one
//! holds some megabytes and no connection to the store. Several ranges at a time are refused in either case.

use std::io;
use std::ops::Range;
use std::path::Path;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use eolith_engine::storage::{Location, StorageError};
use eolith_graph::Code;
use futures::{Stream, StreamExt, TryStreamExt, stream};
use tower_http::services::ServeFile;
use tracing::error;

use crate::api::job_results::media_type;
use crate::error::ApiError;
use crate::job::ResultFile;

/// Bytes that are asked of an object store at a time.
const PIECE: u64 = 2 << 20;
/// Pieces that are asked for while a client takes another one.
const AHEAD: usize = 2;

/// A file, or the range of it that is wanted. What is known of it is its size, its type and its tag.
pub(crate) async fn sent(
    place: &Location,
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
    let mut response = if let Some(path) = place.as_local() {
        of_disk(path, request).await?
    } else {
        let (head, _) = request.into_parts();
        of_store(place, file.map(|file| file.size), tag.as_ref(), &head).await?
    };
    if response.status() == StatusCode::RANGE_NOT_SATISFIABLE {
        let message = "the file has no such range of bytes";
        let error = ApiError::http(StatusCode::RANGE_NOT_SATISFIABLE, "RangeInvalid", message);
        return Ok(error.into_response());
    }
    let headers = response.headers_mut();
    let kind = file.and_then(|file| HeaderValue::from_str(&media_type(file)).ok());
    let unknown = HeaderValue::from_static("application/octet-stream");
    headers.insert(CONTENT_TYPE, kind.unwrap_or(unknown));
    if let Some(tag) = tag {
        headers.insert(ETAG, tag);
    }
    Ok(response)
}

/// What the store of a file says is for the log, not for clients.
pub(crate) fn unread(failure: &StorageError) -> ApiError {
    if matches!(failure, StorageError::NotFound(_)) {
        error!(%failure, "a file that should be there is not");
        return ApiError::new(Code::NOT_FOUND, "there is no such file (any more)");
    }
    error!(%failure, "a file cannot be read");
    ApiError::new(
        Code::STORAGE_FAILURE,
        "the server cannot reach what it has stored; try again later",
    )
}

/// The bytes of a range, piece by piece.
pub(crate) fn pieces(
    place: Location,
    range: Range<u64>,
) -> impl Stream<Item = Result<Bytes, StorageError>> + Send + 'static {
    let starts = (range.start..range.end).step_by(PIECE as usize);
    let read = move |start: u64| {
        let (place, end) = (place.clone(), (start + PIECE).min(range.end));
        async move { place.read_range(start..end).await }
    };
    stream::iter(starts).map(read).buffered(AHEAD)
}

async fn of_disk(path: &Path, request: Request) -> Result<Response, ApiError> {
    let served = ServeFile::new(path).try_call(request).await;
    let failed = |error| ApiError::internal(format!("the file cannot be read: {error}"));
    Ok(served.map_err(failed)?.map(Body::new))
}

async fn of_store(
    place: &Location,
    size: Option<u64>,
    tag: Option<&HeaderValue>,
    head: &Parts,
) -> Result<Response, ApiError> {
    let size = match size {
        Some(size) => size,
        None => match place.stamp().await {
            Ok(stamp) => stamp.size,
            // Programs that open stores look for what need not be there.
            Err(StorageError::NotFound(_)) => {
                return Err(ApiError::new(Code::NOT_FOUND, "there is no such file"));
            }
            Err(error) => return Err(unread(&error)),
        },
    };
    let (status, range) = match wanted(&head.headers, size, tag) {
        Wanted::Whole => (StatusCode::OK, 0..size),
        Wanted::Part(range) => (StatusCode::PARTIAL_CONTENT, range),
        Wanted::Nothing => return Ok(StatusCode::RANGE_NOT_SATISFIABLE.into_response()),
    };
    let mut answer = Response::builder()
        .status(status)
        .header(ACCEPT_RANGES, "bytes")
        .header(CONTENT_LENGTH, range.end - range.start);
    if status == StatusCode::PARTIAL_CONTENT {
        let said = format!("bytes {}-{}/{size}", range.start, range.end - 1);
        answer = answer.header(CONTENT_RANGE, said);
    }
    let body = if head.method == Method::HEAD {
        Body::empty()
    } else {
        // A store that is away is told as long as something can be told.
        let mut rest = Box::pin(pieces(place.clone(), range));
        let first = rest.next().await.transpose().map_err(|error| unread(&error))?;
        let first = stream::iter(first.map(Ok));
        let all = first.chain(rest).map_err(|failure| {
            error!(%failure, "a file was not sent completely");
            // The client sees that something is missing.
            io::Error::other("the file cannot be read")
        });
        Body::from_stream(all)
    };
    answer.body(body).map_err(|error| ApiError::internal(error.to_string()))
}

/// What a request asks for.
#[derive(Debug, PartialEq, Eq)]
enum Wanted {
    Whole,
    Part(Range<u64>),
    /// A range that is not there, or several.
    Nothing,
}

/// The range that a request names (RFC 9110, 14.2). Without a meaning it counts as none.
fn wanted(headers: &HeaderMap, size: u64, tag: Option<&HeaderValue>) -> Wanted {
    let Some(text) = headers.get(RANGE).and_then(|value| value.to_str().ok()) else {
        return Wanted::Whole;
    };
    if headers.get(IF_RANGE).is_some_and(|known| Some(known) != tag) {
        return Wanted::Whole;
    }
    let Some(ranges) = text.trim().strip_prefix("bytes=") else { return Wanted::Whole };
    if ranges.contains(',') {
        return Wanted::Nothing;
    }
    let Some((first, last)) = ranges.trim().split_once('-') else { return Wanted::Whole };
    let number = |text: &str| text.parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(size),
        (Some(first), None) if last.is_empty() => first..size,
        (None, Some(length)) if first.is_empty() => size - length.min(size)..size,
        _ => return Wanted::Whole,
    };
    if range.is_empty() { Wanted::Nothing } else { Wanted::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_those_of_http() {
        let of = |range: &str, more: &[(_, &'static str)]| {
            let mut headers = HeaderMap::new();
            headers.insert(RANGE, HeaderValue::from_str(range).unwrap());
            for (name, value) in more {
                headers.insert(name, HeaderValue::from_static(value));
            }
            wanted(&headers, 100, Some(&HeaderValue::from_static("\"a\"")))
        };
        for (text, range) in [
            ("bytes=0-0", 0..1),
            ("bytes=10-19", 10..20),
            ("bytes=90-", 90..100),
            ("bytes=90-1000", 90..100),
            ("bytes=-5", 95..100),
            ("bytes=-500", 0..100),
        ] {
            assert_eq!(of(text, &[]), Wanted::Part(range), "{text}");
        }
        for text in ["bytes=100-", "bytes=200-300", "bytes=-0", "bytes=0-1,5-6"] {
            assert_eq!(of(text, &[]), Wanted::Nothing, "{text}");
        }
        for text in ["bytes=5-3", "bytes=a-b", "bytes=", "items=0-1", "bytes=-"] {
            assert_eq!(of(text, &[]), Wanted::Whole, "{text}");
        }
        assert_eq!(of("bytes=0-0", &[(IF_RANGE, "\"a\"")]), Wanted::Part(0..1));
        assert_eq!(of("bytes=0-0", &[(IF_RANGE, "\"b\"")]), Wanted::Whole);
        assert_eq!(wanted(&HeaderMap::new(), 100, None), Wanted::Whole);
    }
}
