//! `GET /me`: who asks. There are no plans, budgets or quotas, so they are left out.

use axum::Json;
use serde_json::{Value, json};

use crate::auth::User;

pub(crate) async fn show(user: User) -> Json<Value> {
    Json(json!({"user_id": user.id, "name": user.name.as_ref().unwrap_or(&user.id), "links": []}))
}
