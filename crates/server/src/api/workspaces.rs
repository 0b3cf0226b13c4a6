//! `/workspace_providers`, `/workspaces` and `/workspaces/{workspace_id}` (workspaces extension 0.1.0): where
//! `export_workspace` puts results.
//!
//! There is one provider, folders of this server. Buckets are none: they can be read here, not written.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eolith_graph::Code;
use serde_json::{Map, Value, json};

use super::jobs::{IDENTIFIER, no_object};
use crate::auth::User;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::links::Links;
use crate::page::List;
use crate::state::AppState;
use crate::workspaces::{About, Workspaces};

/// The only provider, in any case.
const PROVIDER: &str = "local";
/// What can be said of a workspace, when it is made and later.
const EDITABLE: [&str; 2] = ["title", "description"];
const GIVEN: [&str; 6] = ["title", "description", "intent", "type", "parameters", "quota"];

pub(crate) async fn providers() -> Json<Value> {
    Json(json!({"providers": {PROVIDER: {
        "title": "Folder of the server",
        "description": "A folder that only its owner can export to and load from.",
        "intents": ["create"],
        "parameters": {},
        "links": [],
    }}}))
}

pub(crate) async fn list(list: List) -> Result<Json<Value>, ApiError> {
    let found = blocking(&list.state, &list.user, |own| own.list()).await?;
    let about = ("/workspaces", "workspaces", "Workspaces");
    let shown = |(id, about): &(String, About)| described(id, about);
    Ok(list.answer_of_all(about, found, |(id, _)| id.as_str(), shown))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    user: User,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let Value::Object(mut said) = body else { return Err(no_object()) };
    said.retain(|_, value| !value.is_null());
    match said.get("intent").and_then(Value::as_str) {
        Some("create") => {}
        Some("register") => {
            let message = "workspaces of other providers cannot be registered here: create one";
            return Err(ApiError::new(Code::FEATURE_UNSUPPORTED, message));
        }
        _ => return Err(wrong("`intent` is `create`".to_owned())),
    }
    if let Some(name) = said.keys().find(|name| !GIVEN.contains(&name.as_str())) {
        return Err(wrong(format!("`{name}` is nothing that is said of a workspace")));
    }
    let provider = said.get("type").map_or(Some(PROVIDER), Value::as_str);
    if !provider.is_some_and(|name| name.eq_ignore_ascii_case(PROVIDER)) {
        return Err(wrong(format!("`type` is `{PROVIDER}`, the only provider here")));
    }
    if said.contains_key("quota") {
        let message = "workspaces have no quota of their own here";
        return Err(ApiError::new(Code::FEATURE_UNSUPPORTED, message));
    }
    // R has no other empty object.
    let none = |value: &Value| *value == json!({}) || *value == json!([]);
    if !said.get("parameters").is_none_or(none) {
        return Err(wrong(format!("`parameters`: the provider `{PROVIDER}` has none")));
    }
    let about = changed(About::default(), &said)?;
    let id = blocking(&state, &user, move |own| own.create(&about)).await?;
    let headers = [(header::LOCATION, links.to(&format!("/workspaces/{id}"))), (IDENTIFIER, id)];
    Ok((StatusCode::CREATED, headers).into_response())
}

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let about = found(&state, &user, &id).await?;
    Ok(Json(described(&id, &about)))
}

pub(crate) async fn change(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<StatusCode, ApiError> {
    let about = found(&state, &user, &id).await?;
    let Value::Object(said) = body else { return Err(no_object()) };
    if let Some(name) = said.keys().find(|name| !EDITABLE.contains(&name.as_str())) {
        let message = format!("`{name}` of a workspace cannot be changed");
        return Err(ApiError::new(Code::PROPERTY_NOT_EDITABLE, message));
    }
    let about = changed(about, &said)?;
    blocking(&state, &user, move |own| own.say(&id, &about)).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// With all that is in it.
pub(crate) async fn remove(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    let name = id.clone();
    if blocking(&state, &user, move |own| own.remove(&name)).await? {
        Ok(StatusCode::NO_CONTENT)
    } else {
        Err(unknown(&id))
    }
}

async fn found(state: &AppState, user: &User, id: &str) -> Result<About, ApiError> {
    let name = id.to_owned();
    blocking(state, user, move |own| own.find(&name)).await?.ok_or_else(|| unknown(id))
}

fn unknown(id: &str) -> ApiError {
    let message = format!("there is no workspace `{id}`");
    ApiError::http(StatusCode::NOT_FOUND, "WorkspaceNotFound", message)
}

fn wrong(message: String) -> ApiError {
    ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", message)
}

/// What is said with the title and the description of a request; null takes one away.
fn changed(mut about: About, said: &Map<String, Value>) -> Result<About, ApiError> {
    for (name, own) in [("title", &mut about.title), ("description", &mut about.description)] {
        match said.get(name) {
            None => {}
            Some(Value::Null) => *own = None,
            Some(Value::String(text)) => *own = Some(text.clone()),
            Some(_) => return Err(wrong(format!("`{name}` is a text"))),
        }
    }
    Ok(about)
}

fn described(id: &str, about: &About) -> Value {
    let mut shown = json!({"id": id, "type": PROVIDER, "status": "ready"});
    for (name, text) in [("title", &about.title), ("description", &about.description)] {
        if let Some(text) = text {
            shown[name] = text.as_str().into();
        }
    }
    shown
}

async fn blocking<T: Send + 'static>(
    state: &AppState,
    user: &User,
    work: impl FnOnce(&Workspaces) -> std::io::Result<T> + Send + 'static,
) -> Result<T, ApiError> {
    let own = Workspaces::new(&state.homes().of(&user.id));
    let done = tokio::task::spawn_blocking(move || work(&own)).await;
    let done = done.map_err(|_| ApiError::internal("looking at workspaces ended early"))?;
    done.map_err(|error| {
        tracing::error!(%error, "workspaces cannot be used");
        let message = "the server cannot reach the workspaces; try again later";
        ApiError::new(Code::STORAGE_FAILURE, message)
    })
}
