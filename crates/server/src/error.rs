//! The one shape of every error answer: a status, an openEO code, a message and an id that is also in the log.

use std::time::Duration;

use axum::Json;
use axum::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use eolith_graph::{Code, Issue};
use serde_json::json;
use tracing::{error, info};

use crate::auth::random_id;
use crate::store::StoreError;

/// Issues that are spelled out in the message of one error.
const LISTED: usize = 20;

/// An answer that is no success.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    code: Code,
    message: String,
    /// Seconds after which the request may be sent again.
    wait: Option<u64>,
}

impl ApiError {
    /// An error with the status that openEO gives to its code.
    pub(crate) fn new(code: Code, message: impl Into<String>) -> ApiError {
        let status =
            StatusCode::from_u16(code.http_status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        ApiError { status, code, message: message.into(), wait: None }
    }

    /// An error of HTTP that openEO has no code for.
    pub(crate) fn http(
        status: StatusCode,
        code: &'static str,
        message: impl Into<String>,
    ) -> ApiError {
        ApiError { status, code: Code::new(code), message: message.into(), wait: None }
    }

    /// Somebody asks too often.
    pub(crate) fn too_many(wait: Duration) -> ApiError {
        let seconds = (wait.as_secs_f64().ceil() as u64).max(1);
        let message = format!("too many requests: the next one is answered in {seconds} s");
        let error = ApiError::http(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        ApiError { wait: Some(seconds), ..error }
    }

    /// Somebody has that many synchronous requests under way, and may not have more.
    pub(crate) fn too_many_at_once(most: u64) -> ApiError {
        let message = format!(
            "{most} synchronous requests of yours are under way, as many as a user may have at a time\n\
             hint: wait until one has ended, or run batch jobs"
        );
        let error = ApiError::http(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message);
        ApiError { wait: Some(1), ..error }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// Seconds after which the request may be sent again, if that is known.
    pub(crate) fn wait(&self) -> Option<u64> {
        self.wait
    }

    /// Writes it to the log; gives the id that it has there.
    pub(crate) fn noted(&self) -> String {
        let (id, code) = (random_id(), self.code.as_str());
        if self.status == StatusCode::INTERNAL_SERVER_ERROR {
            error!(id, code, message = self.message, "an error was answered");
        } else {
            info!(id, code, message = self.message, "an error was answered");
        }
        id
    }

    /// Whether it has that code.
    pub(crate) fn is(&self, code: &Code) -> bool {
        self.code == *code
    }

    pub(crate) fn internal(message: impl Into<String>) -> ApiError {
        ApiError::new(Code::INTERNAL, message)
    }
}

/// What an issue says beside its code: where, what, and what to do.
pub(crate) fn message(issue: &Issue) -> String {
    let text = issue.to_string();
    let rest = text.strip_prefix(issue.code.as_str()).unwrap_or(&text);
    rest.trim_start_matches(':').trim_start().to_owned()
}

/// The code of the first issue, the messages of all.
impl From<Vec<Issue>> for ApiError {
    fn from(issues: Vec<Issue>) -> ApiError {
        let Some(first) = issues.first() else {
            return ApiError::internal("a request failed without saying why");
        };
        let text = if issues.len() == 1 {
            message(first)
        } else {
            let mut lines = vec![format!("{} problems:", issues.len())];
            lines.extend(issues.iter().take(LISTED).map(|issue| format!("- {issue}")));
            if issues.len() > LISTED {
                lines.push(format!("- and {} more", issues.len() - LISTED));
            }
            lines.join("\n")
        };
        ApiError::new(first.code.clone(), text)
    }
}

/// What the database says is for the log, not for clients.
impl From<StoreError> for ApiError {
    fn from(failure: StoreError) -> ApiError {
        error!(%failure, "the store has failed");
        ApiError::new(
            Code::STORAGE_FAILURE,
            "the server cannot reach what it has stored; try again later",
        )
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (id, code) = (self.noted(), self.code.as_str());
        let body = json!({"id": id, "code": code, "message": self.message, "links": []});
        let mut response = (self.status, Json(body)).into_response();
        if let Some(seconds) = self.wait {
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // Not `Basic`: a browser would open its own dialog over the one of the client.
            let challenge = HeaderValue::from_static("Bearer realm=\"openEO\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use eolith_graph::NodePath;

    use super::*;

    #[test]
    fn the_first_issue_gives_the_code_and_all_are_listed() {
        let issue = |node: &str, code: Code| {
            Issue::new(code, NodePath::node(node), "it is wrong").argument("x").hint("right it")
        };
        let one = ApiError::from(vec![issue("a", Code::COLLECTION_NOT_FOUND)]);
        assert_eq!(one.status, StatusCode::NOT_FOUND);
        assert_eq!(one.message, "at node `a`, argument `x`: it is wrong\nhint: right it");
        let issues = (0..25).map(|i| issue(&format!("n{i}"), Code::PROCESS_UNSUPPORTED));
        let many = ApiError::from(issues.collect::<Vec<_>>());
        assert_eq!(many.status, StatusCode::BAD_REQUEST);
        assert!(many.message.starts_with("25 problems:\n- ProcessUnsupported at node `n0`"));
        assert!(many.message.ends_with("- and 5 more"));
        assert_eq!(ApiError::from(Vec::new()).status, StatusCode::INTERNAL_SERVER_ERROR);
    }

    #[test]
    fn an_issue_without_a_place_is_its_message() {
        let issue = Issue::new(Code::PROCESS_INVALID, NodePath::default(), "not a process");
        assert_eq!(message(&issue), "not a process");
    }
}
