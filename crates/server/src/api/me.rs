//! `GET /me`: who asks, and what is limited for the user. What is not limited is left out.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use crate::auth::User;
use crate::error::ApiError;
use crate::prices::{PLAN, credits};
use crate::state::AppState;

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
) -> Result<Json<Value>, ApiError> {
    let name = user.name.as_ref().unwrap_or(&user.id);
    let mut answer = json!({"user_id": user.id, "name": name});
    answer["links"] = state.config().about.links(true).collect();
    if state.accounts().prices().is_some() {
        answer["default_plan"] = PLAN.into();
    }
    if let Some(storage) = state.accounts().storage(&user.id).await? {
        answer["storage"] = json!({"free": storage.free(), "quota": storage.quota});
    }
    if let Some(left) = state.accounts().left(&user.id).await? {
        answer["budget"] = credits(left.max(0));
    }
    Ok(Json(answer))
}
