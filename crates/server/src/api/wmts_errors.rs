//! Errors of the Web Map Tile Service: exception reports of OWS Common 1.1 (OGC 06-121r3), with the codes and the status
//! that WMTS 1.0.0 (OGC 07-057r7) gives them.

use axum::http::StatusCode;
use axum::http::header::{CONTENT_TYPE, RETRY_AFTER};
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;

use super::wmts::escaped;
use crate::error::ApiError;

/// Why there is no tile, and no document.
#[derive(Debug)]
pub(crate) enum Exception {
    /// A parameter is not there.
    Missing(&'static str),
    /// A parameter says something else than the capabilities.
    Invalid { name: &'static str, message: String },
    /// There is no such operation.
    Operation(String),
    /// There is no such tile.
    Outside(ApiError),
    /// What the protocol has no code for.
    Other(ApiError),
}

impl Exception {
    pub(super) fn invalid(name: &'static str, given: &str, known: &str) -> Exception {
        let message = format!("`{name}` is {given:?}, it can be {known}");
        Exception::Invalid { name, message }
    }

    pub(super) fn operation(given: &str) -> Exception {
        let message = format!("`request` is {given:?}, it can be GetCapabilities, GetTile");
        Exception::Operation(message)
    }

    /// What went wrong with a tile that was asked for by numbers of a matrix.
    pub(super) fn of_tile(error: ApiError) -> Exception {
        if error.is(&Code::NOT_FOUND) { Exception::Outside(error) } else { Exception::Other(error) }
    }

    /// Status, code, what the code is about, and the message.
    fn parts(&self) -> (StatusCode, &'static str, &str, String) {
        const BAD: StatusCode = StatusCode::BAD_REQUEST;
        match self {
            Exception::Missing(name) => {
                (BAD, "MissingParameterValue", name, format!("`{name}` is missing"))
            }
            Exception::Invalid { name, message } => {
                (BAD, "InvalidParameterValue", name, message.clone())
            }
            Exception::Operation(message) => {
                (StatusCode::NOT_IMPLEMENTED, "OperationNotSupported", "request", message.clone())
            }
            Exception::Outside(error) => (BAD, "TileOutOfRange", "", error.message().to_owned()),
            Exception::Other(error) => {
                (error.status(), "NoApplicableCode", "", error.message().to_owned())
            }
        }
    }
}

impl From<ApiError> for Exception {
    fn from(error: ApiError) -> Exception {
        Exception::Other(error)
    }
}

impl IntoResponse for Exception {
    fn into_response(self) -> Response {
        let (status, code, about, message) = self.parts();
        let locator = match about {
            "" => String::new(),
            about => format!(r#" locator="{about}""#),
        };
        let (id, wait) = match &self {
            Exception::Outside(error) | Exception::Other(error) => (error.noted(), error.wait()),
            _ => (ApiError::http(status, code, message.clone()).noted(), None),
        };
        let xml = format!(
            r#"<?xml version="1.0" encoding="UTF-8"?>
<ows:ExceptionReport xmlns:ows="http://www.opengis.net/ows/1.1" version="1.1.0" xml:lang="en">
<ows:Exception exceptionCode="{code}"{locator}><ows:ExceptionText>{} (id {id})</ows:ExceptionText></ows:Exception>
</ows:ExceptionReport>
"#,
            escaped(&message)
        );
        let mut response = (status, [(CONTENT_TYPE, "application/xml")], xml).into_response();
        if let Some(seconds) = wait {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}
