//! `GET /credentials/basic`: a token for a user name and a password.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use serde_json::{Value, json};

use crate::app::AppState;
use crate::error::ApiError;

pub(crate) async fn basic(
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Json<Value>, ApiError> {
    let token = state.guard().login(&headers).await?;
    Ok(Json(json!({"access_token": token})))
}
