//! `/services` and `/services/{service_id}`: secondary web services as their owner sees them.
//!
//! A process is bound when its service is made or changed: one that cannot be shown on a map is refused then.

use std::sync::Arc;

use axum::Json;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use eolith_engine::events::Level;
use eolith_engine::map::Map as Shown;
use eolith_graph::Code;
use serde_json::{Map, Value, json};

use super::job_logs::Part;
use super::jobs::{IDENTIFIER, checked_billing, has_graph, no_object, without_nulls};
use super::wmts::LAYER;
use crate::auth::{User, random_id};
use crate::body::JsonBody;
use crate::entries;
use crate::error::ApiError;
use crate::job::{instant, now};
use crate::links::Links;
use crate::maps;
use crate::page::List;
use crate::prices::Prices;
use crate::service::{Kind, SERVICE, Service};
use crate::state::AppState;
use crate::store::{Kept, StoreError};

/// What only the server may say of a service.
const OURS: [&str; 7] = ["id", "url", "type", "created", "attributes", "costs", "usage"];
/// What a list does not show.
const LARGE: [&str; 3] = ["process", "configuration", "attributes"];
/// How often a change is tried again when somebody else was faster.
const TRIES: usize = 10;

pub(crate) async fn list(list: List) -> Result<Json<Value>, ApiError> {
    let List { state, user, links, page } = &list;
    let services = state.store().services(&user.id, page.place()?, page.fetched()).await?;
    let shown = |service: &Service| {
        let mut fields = described(service, links);
        fields.retain(|name, value| {
            !LARGE.contains(&name.as_str()) && !value.is_array() && !value.is_object()
        });
        fields.into()
    };
    let after = |service: &Service| format!("{}_{}", service.created, service.id);
    Ok(list.answer(("/services", "services", "Services"), services, after, shown))
}

pub(crate) async fn create(
    State(state): State<AppState>,
    user: User,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    let Value::Object(mut request) = body else { return Err(no_object()) };
    let kind = request.get("type").cloned().unwrap_or_default();
    let kind = kind.as_str().and_then(Kind::from_name).ok_or_else(|| {
        let names = Kind::ALL.map(Kind::name).join(", ");
        let message = format!("`type` is {kind}; services here are {names}");
        ApiError::new(Code::SERVICE_UNSUPPORTED, message)
    })?;
    request.retain(|name, value| !OURS.contains(&name.as_str()) && !value.is_null());
    has_graph(request.get("process").unwrap_or(&Value::Null))?;
    check(&request, state.accounts().prices())?;
    let mut service = Service {
        id: format!("{SERVICE}{}", random_id()),
        user: user.id,
        created: now(),
        revision: 0,
        kind,
        request,
        about: crate::service::About::default(),
    };
    let map = bound(&state, &mut service).await?;
    state.store().add_service(&service).await?;
    let mut said = vec![entries::entry(Level::Info, "the service was created", json!({}))];
    said.extend(maps::remarks(&map));
    maps::log(&state, &service, said).await?;
    state.maps().put(&service, map);
    let address = links.to(&format!("/services/{}", service.id));
    let headers = [(header::LOCATION, address), (IDENTIFIER, service.id)];
    Ok((StatusCode::CREATED, headers).into_response())
}

pub(crate) async fn show(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
) -> Result<Json<Value>, ApiError> {
    let service = owned(&state, &user, &id).await?.service;
    Ok(Json(described(&service, &links).into()))
}

pub(crate) async fn change(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
    JsonBody(body): JsonBody,
) -> Result<StatusCode, ApiError> {
    let mut before = owned(&state, &user, &id).await?;
    let Value::Object(fields) = body else { return Err(no_object()) };
    if let Some(name) = OURS.iter().find(|name| fields.contains_key(**name)) {
        let message = format!("`{name}` of a service cannot be changed");
        return Err(ApiError::new(Code::PROPERTY_NOT_EDITABLE, message));
    }
    if let Some(process) = fields.get("process") {
        has_graph(process)?;
    }
    check(&fields, state.accounts().prices())?;
    let redrawn = fields.contains_key("process") || fields.contains_key("configuration");
    for _ in 0..TRIES {
        let mut service = before.service.clone();
        service.revision += 1;
        service.request.extend(fields.clone());
        service.request.retain(|_, value| !value.is_null());
        let mut said = vec![entries::entry(Level::Info, "the service was changed", json!({}))];
        let map = if redrawn { Some(bound(&state, &mut service).await?) } else { None };
        if state.store().change_service(&before, &service).await? {
            if let Some(map) = map {
                said.extend(maps::remarks(&map));
                state.maps().put(&service, map);
            }
            maps::log(&state, &service, said).await?;
            return Ok(StatusCode::NO_CONTENT);
        }
        before = owned(&state, &user, &id).await?;
    }
    Err(StoreError::Contention(id).into())
}

pub(crate) async fn remove(
    State(state): State<AppState>,
    user: User,
    Path(id): Path<String>,
) -> Result<StatusCode, ApiError> {
    if !state.store().remove_service(&user.id, &id).await? {
        return Err(unknown(&id));
    }
    state.maps().forget(&id);
    Ok(StatusCode::NO_CONTENT)
}

pub(crate) async fn logs(
    State(state): State<AppState>,
    user: User,
    links: Links,
    Path(id): Path<String>,
    part: Result<Query<Part>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let service = owned(&state, &user, &id).await?.service;
    let address = links.to(&format!("/services/{id}/logs"));
    let read = |after, severity, limit| async move {
        state.store().logs(&id, after, severity, limit).await
    };
    Part::read(part)?.answer(&links, &address, service.log_level(), read).await
}

pub(crate) fn unknown(id: &str) -> ApiError {
    ApiError::new(Code::SERVICE_NOT_FOUND, format!("there is no service `{id}`"))
}

/// The service, if it is one of the user's. Those of others do not exist.
async fn owned(state: &AppState, user: &User, id: &str) -> Result<Kept, ApiError> {
    let kept = state.store().service(id).await?;
    kept.filter(|kept| kept.service.user == user.id).ok_or_else(|| unknown(id))
}

/// The map of a service, which says what it is.
async fn bound(state: &AppState, service: &mut Service) -> Result<Arc<Shown>, ApiError> {
    let map = maps::open(state, &service.user, service.process(), service.style()?).await?;
    service.about = maps::about(&map);
    Ok(map)
}

/// What can be wrong with a request besides its process.
fn check(fields: &Map<String, Value>, prices: Option<&Prices>) -> Result<(), ApiError> {
    checked_billing(fields, prices)?;
    let wrong =
        |message| Err(ApiError::http(StatusCode::BAD_REQUEST, "RequestBodyInvalid", message));
    match fields.get("enabled") {
        None | Some(Value::Null | Value::Bool(_)) => {}
        Some(_) => return wrong("`enabled` is true or false"),
    }
    match fields.get("configuration") {
        None | Some(Value::Null | Value::Object(_)) => Ok(()),
        // R has no other empty object.
        Some(Value::Array(values)) if values.is_empty() => Ok(()),
        Some(_) => wrong("`configuration` is an object"),
    }
}

fn described(service: &Service, links: &Links) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut say = |name: &str, value: Value| fields.insert(name.to_owned(), value);
    say("id", service.id.clone().into());
    for (name, value) in &service.request {
        say(name, without_nulls(value.clone()));
    }
    say("url", service.kind.url(links, &service.id).into());
    say("type", service.kind.name().into());
    say("enabled", service.is_enabled().into());
    say("configuration", without_nulls(service.configuration().into()));
    say("created", instant(service.created).into());
    let mut attributes = json!({"bounds": service.about.bounds});
    if service.kind == Kind::Wmts {
        attributes["layers"] = json!([LAYER]);
    }
    if !service.about.times.is_empty() {
        attributes["times"] = json!(service.about.times);
    }
    say("attributes", attributes);
    fields
}
