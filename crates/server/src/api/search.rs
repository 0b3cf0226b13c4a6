//! `GET` and `POST /search`: items of all collections that the client may see.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use eolith_engine::catalog::ItemFile;

use super::item_files;
use crate::auth::Viewer;
use crate::body::JsonBody;
use crate::error::ApiError;
use crate::item_search::{Asked, Place, page};
use crate::links::Links;
use crate::state::AppState;

pub(crate) async fn by_address(
    State(state): State<AppState>,
    viewer: Viewer,
    links: Links,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    answer(&state, &viewer, &links, Asked::of_search(query.as_deref())?).await
}

pub(crate) async fn by_body(
    State(state): State<AppState>,
    viewer: Viewer,
    links: Links,
    JsonBody(body): JsonBody,
) -> Result<Response, ApiError> {
    answer(&state, &viewer, &links, Asked::of_body(&body)?).await
}

async fn answer(
    state: &AppState,
    viewer: &Viewer,
    links: &Links,
    asked: Asked,
) -> Result<Response, ApiError> {
    let addresses = |file: &ItemFile<'_>| item_files::address(state, viewer, links, file);
    let found = state.seen_by(viewer).items(&asked.query, &addresses).await?;
    Ok(page(found, &asked, Place::Search, links))
}
