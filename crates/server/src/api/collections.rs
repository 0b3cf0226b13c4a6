//! `GET /collections`, `GET /collections/{collection_id}`, its queryables and items: the data. All wait until the catalogue is
//! ready. Who sends a token sees the own collections, too.
//!
//! Ids may contain slashes. Everything below `/collections/` therefore comes to [`show`], and what is at the end of the
//! path counts as a part of the id first.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, RawQuery, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use eolith_engine::catalog::{Addresses, CollectionRecord, ItemFile};
use eolith_graph::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use super::queryables::{self, SCHEMA};
use super::{item_files, items};
use crate::auth::Viewer;
use crate::error::ApiError;
use crate::item_search::GEOJSON;
use crate::links::{Links, link};
use crate::state::AppState;

/// How the endpoints begin that [`show`] answers besides its own.
pub(crate) const BELOW: &str = "/collections/{collection_id}/";
const QUERYABLES: &str = "/queryables";
const ITEMS: &str = "/items";
/// What is said of a single collection only.
const DETAILS: [&str; 3] = ["cube:dimensions", "stac_extensions", "summaries"];

/// A part of the list. `offset` is ours, it is found in links only.
#[derive(Debug, Deserialize)]
pub(crate) struct Page {
    limit: Option<usize>,
    #[serde(default)]
    offset: usize,
}

pub(crate) async fn list(
    State(state): State<AppState>,
    viewer: Viewer,
    links: Links,
    page: Result<Query<Page>, QueryRejection>,
) -> Result<Json<Value>, ApiError> {
    let wrong = || {
        let message = "`limit` is a number of collections, 1 or more";
        ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message)
    };
    let Query(Page { limit, offset }) = page.map_err(|_| wrong())?;
    if limit == Some(0) {
        return Err(wrong());
    }
    let records = state.seen_by(&viewer).collections().await;
    let end = limit.map_or(records.len(), |limit| offset.saturating_add(limit).min(records.len()));
    let shown = records.get(offset..end).unwrap_or_default();
    let collections: Vec<Value> = shown
        .iter()
        .map(|record| {
            let mut value = described(record, &links);
            if let Value::Object(fields) = &mut value {
                fields.retain(|name, _| !DETAILS.contains(&name.as_str()));
            }
            value
        })
        .collect();
    let address = links.to("/collections");
    let mut own = vec![
        link("self", address.clone(), "Collections"),
        link("root", links.root(links.version), "Capabilities"),
    ];
    if let Some(limit) = limit {
        let part = |offset: usize| format!("{address}?limit={limit}&offset={offset}");
        if end < records.len() {
            own.push(link("next", part(end), "Next collections"));
        }
        if offset > 0 {
            own.push(link("prev", part(offset.saturating_sub(limit)), "Previous collections"));
        }
    }
    Ok(Json(json!({"collections": collections, "links": own})))
}

pub(crate) async fn show(
    State(state): State<AppState>,
    viewer: Viewer,
    links: Links,
    path: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    let Ok(Path(path)) = path else {
        let message = "the id of the collection is no text in UTF-8";
        return Err(ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message));
    };
    let session = state.seen_by(&viewer);
    let addresses = |file: &ItemFile<'_>| item_files::address(&state, &viewer, &links, file);
    let shown = (&links, &addresses as &Addresses<'_>);
    if let Some(record) = session.collection(&path).await {
        return Ok(Json(described(&record, &links)).into_response());
    }
    if let Some(id) = path.strip_suffix(QUERYABLES)
        && let Some(record) = session.collection(id).await
    {
        return Ok(filtered_by(&record, &links));
    }
    if let Some(id) = path.strip_suffix(ITEMS)
        && session.collection(id).await.is_some()
    {
        return items::list(&session, shown, id, query.as_deref()).await;
    }
    for (at, between) in path.rmatch_indices("/items/") {
        let (id, item) = (&path[..at], &path[at + between.len()..]);
        if session.collection(id).await.is_some() {
            return items::show(&session, shown, id, item).await;
        }
    }
    let message = format!("there is no collection `{path}`");
    Err(ApiError::new(Code::COLLECTION_NOT_FOUND, message))
}

/// What the items of a collection can be filtered by.
fn filtered_by(record: &CollectionRecord, links: &Links) -> Response {
    let mut schema = record.queryables();
    schema["$id"] = format!("{}{QUERYABLES}", links.collection(&record.id)).into();
    ([(CONTENT_TYPE, SCHEMA)], schema.to_string()).into_response()
}

/// A STAC Collection with the links of the API before those of the data.
fn described(record: &CollectionRecord, links: &Links) -> Value {
    let mut value = record.to_stac_json();
    let title = record.title.as_deref().unwrap_or(&record.id);
    let root = links.root(links.version);
    let mut all = vec![
        link("self", links.collection(&record.id), title),
        link("root", root.clone(), "Capabilities"),
        link("parent", root, "Capabilities"),
    ];
    let mut about = link(
        queryables::QUERYABLES,
        format!("{}{QUERYABLES}", links.collection(&record.id)),
        "Queryables",
    );
    about["type"] = SCHEMA.into();
    all.push(about);
    let mut own = link("items", links.items(&record.id), "Items");
    own["type"] = GEOJSON.into();
    all.push(own);
    if let Some(Value::Array(given)) = value.get_mut("links") {
        all.append(given);
    }
    value["links"] = all.into();
    // Lists are shown by title and keywords, so there are always some.
    if value.get("title").is_none() {
        value["title"] = title.into();
    }
    if value.get("keywords").is_none() {
        value["keywords"] = json!([]);
    }
    value
}
