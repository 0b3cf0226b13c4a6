//! Parameters of requests to the issuer, and its errors, as OAuth 2.0 has them (RFC 6749).

use std::collections::BTreeMap;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, HeaderMap};
use axum::response::{IntoResponse, Response};
use serde_json::json;
use url::form_urlencoded;

use crate::auth::basic_credentials;
use crate::error::ApiError;
use crate::state::AppState;
use crate::store::StoreError;

/// Bytes of a form.
const LARGEST: usize = 64 << 10;

/// Names and values; of the body, or of the query if there is none.
#[derive(Debug, Default)]
pub(super) struct Params(BTreeMap<String, String>);

/// Why there is no token.
#[derive(Debug)]
pub(super) enum Refusal {
    /// With a code of OAuth 2.0.
    OAuth(&'static str, &'static str),
    Api(Box<ApiError>),
}

impl Params {
    /// The value; one without characters counts as none.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// # Errors
    /// `invalid_request` without it.
    pub(super) fn need(&self, name: &str) -> Result<&str, Refusal> {
        self.get(name).ok_or(Refusal::OAuth("invalid_request", "a parameter is missing"))
    }

    fn read(text: &[u8]) -> Option<Params> {
        let mut params = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(text) {
            // No parameter may be there twice.
            if params.insert(name.into_owned(), value.into_owned()).is_some() {
                return None;
            }
        }
        Some(Params(params))
    }

    /// The client that asks, with its secret if it has one.
    pub(super) fn client(&self, headers: &HeaderMap) -> Result<(String, Option<String>), Refusal> {
        if let Some(header) = headers.get(AUTHORIZATION) {
            let (id, secret) = basic_credentials(header).map_err(Refusal::from)?;
            let plain = |text: &str| {
                let pair = format!("x={text}");
                form_urlencoded::parse(pair.as_bytes()).next().map(|(_, v)| v.into_owned())
            };
            return Ok((plain(&id).unwrap_or_default(), plain(&secret)));
        }
        let secret = self.get("client_secret").map(str::to_owned);
        Ok((self.need("client_id")?.to_owned(), secret))
    }
}

impl FromRequest<AppState> for Params {
    type Rejection = Refusal;

    async fn from_request(request: Request, _: &AppState) -> Result<Params, Refusal> {
        let wrong = Refusal::OAuth("invalid_request", "the parameters cannot be read");
        if request.method() == axum::http::Method::POST {
            let read = to_bytes(Body::new(request.into_body()), LARGEST).await;
            let Ok(bytes) = read else { return Err(wrong) };
            Params::read(&bytes).ok_or(wrong)
        } else {
            Params::read(request.uri().query().unwrap_or_default().as_bytes()).ok_or(wrong)
        }
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Refusal {
        Refusal::Api(Box::new(error))
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        ApiError::from(error).into()
    }
}

impl From<crate::auth::UserError> for Refusal {
    fn from(error: crate::auth::UserError) -> Refusal {
        ApiError::internal(error.to_string()).into()
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        match self {
            Refusal::OAuth(code, text) => {
                let client = code == "invalid_client";
                let status =
                    if client { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
                let body = Json(json!({"error": code, "error_description": text}));
                (status, [(CACHE_CONTROL, "no-store")], body).into_response()
            }
            Refusal::Api(error) => error.into_response(),
        }
    }
}
