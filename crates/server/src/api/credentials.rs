//! `GET /credentials/basic`: a token for a user name and a password; `GET /credentials/oidc`: who else gives tokens.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::links::{Links, Version};
use crate::rates::Caller;
use crate::state::AppState;

pub(crate) const BASIC: &str = "/credentials/basic";
pub(crate) const OIDC: &str = "/credentials/oidc";

pub(crate) async fn basic(
    State(state): State<AppState>,
    Caller(caller): Caller,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let token = state.guard().login(&caller, &headers).await?;
    Ok(Json(json!({"access_token": token})))
}

pub(crate) async fn oidc(
    State(state): State<AppState>,
    links: Links,
) -> Result<Json<Value>, ApiError> {
    let providers = state.guard().providers(&links);
    if providers.is_empty() {
        let message = "this server has no providers of OpenID Connect";
        return Err(ApiError::new(eolith_graph::Code::FEATURE_UNSUPPORTED, message));
    }
    let modern = links.version == Version::V1_3;
    let shown: Vec<Value> = providers.iter().map(|provider| provider.to_json(modern)).collect();
    Ok(Json(json!({"providers": shown})))
}
