//! `/assets/{token}/{name}`: files of items that are on this machine, for whoever has the link; see [`crate::signed`].
//!
//! Links are made for those who may run processes over the data: without a token items come without such assets. What a
//! link leads to is looked up in its item again, so that a file which a collection does not list any more is gone.

use axum::extract::{Path, Request, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::Response;
use eolith_engine::catalog::ItemFile;
use eolith_engine::storage::Location;
use eolith_graph::Code;

use crate::auth::{User, Viewer};
use crate::error::ApiError;
use crate::job::now;
use crate::links::{Links, escaped};
use crate::sending::{sent, unread};
use crate::signed::AssetClaim;
use crate::state::AppState;

/// The address of a file for a viewer, where the viewer may have one.
pub(crate) fn address(
    state: &AppState,
    viewer: &Viewer,
    links: &Links,
    file: &ItemFile<'_>,
) -> Option<String> {
    let user = viewer.0.as_ref()?.id.clone();
    let asset = [file.collection, file.item, file.key].map(str::to_owned);
    let expires = now() + state.config().links_valid.as_millis() as i64;
    let token = state.signer().sign_asset(&AssetClaim { user, asset, expires });
    let name = file.path.file_name()?.to_str()?;
    Some(links.to(&format!("/assets/{token}/{}", escaped(name))))
}

pub(crate) async fn show(
    State(state): State<AppState>,
    Path((token, name)): Path<(String, String)>,
    request: Request,
) -> Result<Response, ApiError> {
    let claim = state.signer().check_asset(&token).ok_or_else(|| {
        ApiError::new(Code::PERMISSIONS_INSUFFICIENT, "the link is not one that was made here")
    })?;
    if claim.expires < now() {
        let message = "the link has expired; ask for the item again";
        return Err(ApiError::new(Code::RESULT_LINK_EXPIRED, message));
    }
    let viewer = Viewer(Some(User { id: claim.user, name: None }));
    let [collection, item, key] = &claim.asset;
    let found = state.seen_by(&viewer).item_file([collection, item, key]).await?;
    let found = found.filter(|(path, _)| path.file_name().is_some_and(|own| *own == *name));
    let (path, kind) = found.filter(|(path, _)| path.is_file()).ok_or_else(|| {
        let message = format!("the item `{item}` of `{collection}` has no such file any more");
        ApiError::new(Code::NOT_FOUND, message)
    })?;
    let place = Location::local(&path).map_err(|error| unread(&error))?;
    let mut response = sent(&place, None, request).await?;
    if response.status().is_success()
        && let Some(Ok(kind)) = kind.map(|kind| HeaderValue::from_str(&kind))
    {
        response.headers_mut().insert(CONTENT_TYPE, kind);
    }
    Ok(response)
}
