//! Lists of what a user has, and parts of them: `limit` as openEO has it, and where the part begins.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::auth::User;
use crate::error::ApiError;
use crate::job::Millis;
use crate::links::{Links, escaped, link};
use crate::state::AppState;

/// What every list of something that users have needs: who asks, where, and for which part.
#[derive(Debug)]
pub(crate) struct List {
    pub(crate) state: AppState,
    pub(crate) user: User,
    pub(crate) links: Links,
    pub(crate) page: Page,
}

/// Which part of a list is wanted: without a limit everything.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Page {
    pub(crate) limit: Option<u32>,
    /// What the link to this part says; only who made it understands it.
    pub(crate) after: Option<String>,
}

impl List {
    /// The part of a list that begins with `found`, which may have one element more: `path` is where the list is, `name` what
    /// it is called in the answer; `after` names an element, `shown` is what is told of one.
    pub(crate) fn answer<T>(
        &self,
        (path, name, title): (&str, &str, &str),
        mut found: Vec<T>,
        after: impl Fn(&T) -> String,
        shown: impl Fn(&T) -> Value,
    ) -> Json<Value> {
        let address = self.links.to(path);
        let next = self.page.cut(&mut found, &address, after);
        let mut own = vec![link("self", address, title)];
        own.extend(next);
        let shown: Vec<Value> = found.iter().map(shown).collect();
        Json(json!({name: shown, "links": own}))
    }

    /// The same of everything that there is, sorted by what names an element.
    pub(crate) fn answer_of_all<T>(
        &self,
        about: (&str, &str, &str),
        mut all: Vec<T>,
        name: impl Fn(&T) -> &str,
        shown: impl Fn(&T) -> Value,
    ) -> Json<Value> {
        if let Some(after) = &self.page.after {
            all.retain(|one| name(one) > after.as_str());
        }
        self.answer(about, all, |one| name(one).to_owned(), shown)
    }
}

impl FromRequestParts<AppState> for List {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<List, ApiError> {
        let user = User::from_request_parts(parts, state).await?;
        let Ok(links) = Links::from_request_parts(parts, state).await;
        let page = Page::from_request_parts(parts, state).await?;
        Ok(List { state: state.clone(), user, links, page })
    }
}

impl Page {
    /// One more than is wanted, to know whether something follows.
    pub(crate) fn fetched(&self) -> i64 {
        self.limit.map_or(i64::MAX, |limit| i64::from(limit) + 1)
    }

    /// Cuts the list to what is wanted; gives the link to the rest, where `after` names the last element of this part.
    fn cut<T>(
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
