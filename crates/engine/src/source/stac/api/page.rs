//! One page of a search, as the service gives it, for whoever passes it on.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::document::{self, Link};
use super::{Api, Request, Search, Way, follow};
use crate::source::SourceError;
use crate::source::stac::invalid;
use crate::storage::{Location, StorageError, shown};

/// Items as the service gives them, each with the address that its own start from.
#[derive(Debug)]
pub struct RawPage {
    pub items: Vec<(Location, Value)>,
    pub next: Option<Next>,
}

/// Where the next page of a search is. It goes through the hands of clients: only pages of the search itself are read.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Next {
    href: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    body: Option<Value>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    headers: BTreeMap<String, String>,
}

impl Api {
    /// The first page of a search, or the one that another page says. A condition that the service refuses is left out:
    /// the caller has to test what comes.
    ///
    /// # Errors
    /// What the service or the network says, and a page that is none of the search.
    pub async fn page(&self, search: &Search, next: Option<&Next>) -> Result<RawPage, SourceError> {
        let Some(next) = next else {
            if let (Way::Items(items), [id]) = (&self.way, search.ids.as_slice()) {
                // What is no name of a single part of a path is no item's.
                if [".", "..", ""].contains(&id.as_str()) || id.contains(['/', '?', '#', '%']) {
                    return Ok(RawPage { items: Vec::new(), next: None });
                }
                return single(&items.join(id)).await;
            }
            return match self.read(self.first(search, search.bbox)?).await {
                Err(SourceError::Storage(StorageError::Status { status, text, .. }))
                    if search.filter.is_some() && (400..500).contains(&status) =>
                {
                    tracing::warn!(status, text, "the service refuses the condition");
                    let plain = Search { filter: None, ..search.clone() };
                    self.read(self.first(&plain, search.bbox)?).await
                }
                page => page,
            };
        };
        let location = self.location().relative(&next.href)?;
        if !self.leads(next) {
            return Err(invalid(&shown(location.href()), "that is no page of the search"));
        }
        let (body, headers) = (next.body.clone(), next.headers.clone());
        self.read(Request { location, body, headers }).await
    }

    /// Whether a page is one of the search, whatever is asked there.
    pub fn leads(&self, next: &Next) -> bool {
        let Ok(location) = self.location().relative(&next.href) else { return false };
        match (self.location().as_url(), location.as_url()) {
            (Some(own), Some(url)) => own.origin() == url.origin() && own.path() == url.path(),
            _ => false,
        }
    }

    async fn read(&self, request: Request) -> Result<RawPage, SourceError> {
        let href = shown(request.location.href());
        let (at, bytes) = match &request.body {
            Some(body) => request.location.ask(body, &request.headers).await?,
            None => request.location.read_document().await?,
        };
        let page: Value = serde_json::from_slice(&bytes).map_err(|e| invalid(&href, e))?;
        let features = page.get("features").and_then(Value::as_array);
        let features = features.ok_or_else(|| invalid(&href, "it is not a page of items"))?;
        let links = page.get("links").and_then(Value::as_array);
        let links: Vec<Link> = links
            .into_iter()
            .flatten()
            .filter_map(|link| serde_json::from_value(link.clone()).ok())
            .collect();
        let next = match links.iter().find(|link| link.rel == "next") {
            Some(link) => {
                let Request { location, body, headers } = follow(&at, link, request.body)?;
                let next = Next { href: location.href().to_owned(), body, headers };
                if !self.leads(&next) {
                    let reason = "its next page is not where the search is: it cannot be passed on";
                    return Err(invalid(&href, reason));
                }
                Some(next)
            }
            None => None,
        };
        let items = features.iter().map(|item| (base(&at, item), item.clone())).collect();
        Ok(RawPage { items, next })
    }
}

/// One item, as a page.
async fn single(location: &Location) -> Result<RawPage, SourceError> {
    let (at, bytes) = match location.read_document().await {
        Ok(read) => read,
        Err(StorageError::NotFound(_)) => return Ok(RawPage { items: Vec::new(), next: None }),
        Err(error) => return Err(error.into()),
    };
    let href = shown(at.href());
    let item: Value = serde_json::from_slice(&bytes).map_err(|e| invalid(&href, e))?;
    // What is no item is refused as any other document is.
    document::parse(&href, item.clone())?;
    Ok(RawPage { items: vec![(base(&at, &item), item)], next: None })
}

/// Where the addresses in an item start from.
fn base(at: &Location, item: &Value) -> Location {
    let links = item.get("links").and_then(Value::as_array).into_iter().flatten();
    let mut own = links.filter(|link| link["rel"] == "self");
    let own = own.find_map(|link| at.relative(link["href"].as_str()?).ok());
    own.unwrap_or_else(|| at.clone())
}
