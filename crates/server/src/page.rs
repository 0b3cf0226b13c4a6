//! Parts of lists: `limit` as openEO has it, and where the part begins.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::Value;

use crate::error::ApiError;
use crate::job::Millis;
use crate::links::{escaped, link};
use crate::state::AppState;

/// Which part of a list is wanted: without a limit everything.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Page {
    pub(crate) limit: Option<u32>,
    /// What the link to this part says; only who made it understands it.
    pub(crate) after: Option<String>,
}

impl Page {
    /// One more than is wanted, to know whether something follows.
    pub(crate) fn fetched(&self) -> i64 {
        self.limit.map_or(i64::MAX, |limit| i64::from(limit) + 1)
    }

    /// Cuts the list to what is wanted; gives the link to the rest, where `after` names the last element of this part.
    pub(crate) fn cut<T>(
        &self,
        list: &mut Vec<T>,
        address: &str,
        after: impl Fn(&T) -> String,
    ) -> Option<Value> {
        let limit = self.limit? as usize;
        if list.len() <= limit {
            return None;
        }
        list.truncate(limit);
        let after = after(list.last()?);
        let after = escaped(&after);
        Some(link("next", format!("{address}?limit={limit}&after={after}"), "Next page"))
    }

    /// Where the part begins, of a list by time and id: the last element of the part before.
    pub(crate) fn place(&self) -> Result<(Millis, &str), ApiError> {
        let Some(after) = &self.after else { return Ok((-1, "")) };
        let parts = after.split_once('_');
        let place = parts.and_then(|(time, id)| Some((time.parse().ok()?, id)));
        place.ok_or_else(|| {
            let message = "`after` is not of a link to the next page";
            ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message)
        })
    }
}

impl FromRequestParts<AppState> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &AppState) -> Result<Page, ApiError> {
        let query = axum::extract::Query::<Page>::try_from_uri(&parts.uri);
        match query {
            Ok(axum::extract::Query(page)) if page.limit != Some(0) => Ok(page),
            _ => {
                let message = "`limit` is a whole number of at least 1";
                Err(ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message))
            }
        }
    }
}
