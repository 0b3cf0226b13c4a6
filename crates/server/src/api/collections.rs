//! `GET /collections`, `GET /collections/{collection_id}` and its queryables: the data. All wait until the catalogue is
//! ready.
//!
//! Ids may contain slashes. Everything below `/collections/` therefore comes to [`show`], and what is at the end of the
//! path counts as a part of the id first.

use axum::Json;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use eolith_engine::catalog::CollectionRecord;
use eolith_graph::Code;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::error::ApiError;
use crate::links::{Links, link};
use crate::state::AppState;

/// How the endpoints begin that [`show`] answers besides its own.
pub(crate) const BELOW: &str = "/collections/{collection_id}/";
const QUERYABLES: &str = "/queryables";
const SCHEMA: &str = "application/schema+json";
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
    let records = state.session().collections().await;
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
    links: Links,
    id: Result<Path<String>, PathRejection>,
) -> Result<Response, ApiError> {
    let Ok(Path(id)) = id else {
        let message = "the id of the collection is no text in UTF-8";
        return Err(ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message));
    };
    let Some(record) = state.session().collection(&id).await else {
        if let Some(of) = id.strip_suffix(QUERYABLES)
            && let Some(record) = state.session().collection(of).await
        {
            return Ok(queryables(&record, &links));
        }
        let message = format!("there is no collection `{id}`");
        return Err(ApiError::new(Code::COLLECTION_NOT_FOUND, message));
    };
    Ok(Json(described(&record, &links)).into_response())
}

/// What the items of a collection can be filtered by.
fn queryables(record: &CollectionRecord, links: &Links) -> Response {
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
    let mut about = link("", format!("{}{QUERYABLES}", links.collection(&record.id)), "Queryables");
    about["rel"] = "http://www.opengis.net/def/rel/ogc/1.0/queryables".into();
    about["type"] = SCHEMA.into();
    all.push(about);
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
