//! Bodies of requests: JSON up to a limit, with our errors.
//!
//! The content type is not looked at: what is JSON is taken as such.

use axum::body::Body;
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::CONTENT_LENGTH;
use futures::StreamExt;
use serde_json::Value;

use crate::error::ApiError;
use crate::state::AppState;

/// A body above the limit is read on up to this many times the limit: a client that is still sending when the
/// connection is closed does not see the answer.
const PATIENCE: usize = 4;

/// A body that is JSON.
#[derive(Debug)]
pub(crate) struct JsonBody(pub(crate) Value);

impl FromRequest<AppState> for JsonBody {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &AppState) -> Result<JsonBody, ApiError> {
        let limit = state.config().body_limit;
        let bytes = read(request, limit).await?;
        serde_json::from_slice(&bytes).map(JsonBody).map_err(|error| {
            let message = if bytes.is_empty() {
                "the request has no body: JSON is needed".to_owned()
            } else {
                format!("the body is not JSON: {error}")
            };
            ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", message)
        })
    }
}

async fn read(request: Request, limit: usize) -> Result<Vec<u8>, ApiError> {
    let declared = request.headers().get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    let declared = declared.and_then(|length| length.parse::<usize>().ok()).unwrap_or(0);
    let most = limit.saturating_mul(PATIENCE);
    if declared > most {
        return Err(too_large(limit));
    }
    let mut stream = Body::into_data_stream(request.into_body());
    let mut bytes = Vec::with_capacity(declared.min(limit));
    let mut seen = 0_usize;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|error| {
            let message = format!("the body ended before its time: {error}");
            ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", message)
        })?;
        seen = seen.saturating_add(chunk.len());
        if seen > most {
            break;
        }
        if seen <= limit {
            bytes.extend_from_slice(&chunk);
        }
    }
    if seen > limit { Err(too_large(limit)) } else { Ok(bytes) }
}

fn too_large(limit: usize) -> ApiError {
    let message = format!("the body is larger than the {limit} bytes that are allowed");
    ApiError::http(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge", message)
}
