//! `GET /collections/{collection_id}/items` and one of them, for [`super::collections`], which knows where an id ends.

use axum::response::Response;
use eolith_engine::catalog::Addresses;
use eolith_engine::session::Session;
use eolith_graph::Code;

use crate::error::ApiError;
use crate::item_search::{Asked, Place, feature, page};
use crate::links::Links;

pub(super) async fn list(
    session: &Session,
    (links, addresses): (&Links, &Addresses<'_>),
    collection: &str,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let asked = Asked::of_collection(collection, query)?;
    let found = session.items(&asked.query, addresses).await?;
    Ok(page(found, &asked, Place::Collection(collection), links))
}

pub(super) async fn show(
    session: &Session,
    (links, addresses): (&Links, &Addresses<'_>),
    collection: &str,
    id: &str,
) -> Result<Response, ApiError> {
    let item = session.item(collection, id, addresses).await?.ok_or_else(|| {
        let message = format!("there is no item `{id}` in the collection `{collection}`");
        ApiError::new(Code::NOT_FOUND, message)
    })?;
    Ok(feature(item, links))
}
