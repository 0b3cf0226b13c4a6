//! Items of a service: it is asked for a page, and what comes is tested here again.

use eolith_cube::geometry::Geometry;
use serde_json::Value;

use super::super::{Catalog, Data, Listed};
use super::files::Files;
use super::query::Test;
use super::{ItemError, ItemFile, ItemQuery, View, published};
use crate::source::stac::{Next, Search};

/// Pages of the service without an item for us, after which the client is asked to go on.
const MOST_PAGES: usize = 20;
/// Items of a page that a service is asked for: what one asks for is not always given.
const MOST_ITEMS: usize = 250;

impl Catalog {
    /// A page of the items of a collection, and where the service says the next one is.
    pub(super) async fn forwarded(
        &self,
        listed: &Listed,
        query: &ItemQuery,
        mut next: Option<Next>,
    ) -> Result<(Vec<Value>, Option<Next>), ItemError> {
        let failed = |reason: String| ItemError::Failed { collection: listed.id.clone(), reason };
        let lost = || failed("it is of no service".to_owned());
        let Data::Scenes(source) = &listed.data else { return Err(lost()) };
        let api = source.api().await.map_err(failed)?.ok_or_else(lost)?;
        if !query.sort.is_empty() && !api.sorts() {
            return Err(ItemError::Sort(listed.id.clone()));
        }
        if next.as_ref().is_some_and(|next| !api.leads(next)) {
            return Err(ItemError::Token);
        }
        let search = search(&source.document.id, query);
        let test = Test::new(query);
        for _ in 0..MOST_PAGES {
            let page = api.page(&search, next.as_ref()).await;
            let page = page.map_err(|error| failed(error.to_string()))?;
            let accepted = page.items.into_iter().filter(|(_, item)| {
                View::of(item, &listed.id).is_some_and(|view| test.accepts(&view))
            });
            // A service names no files of this machine.
            let files =
                Files { addresses: &|_: &ItemFile<'_>| None, collection: &listed.id, within: None };
            let items: Vec<Value> = accepted
                .map(|(base, item)| published::shown(item, &base, &files, self.access()))
                .collect();
            next = page.next;
            if !items.is_empty() || next.is_none() {
                return Ok((items, next));
            }
        }
        Ok((Vec::new(), next))
    }
}

/// What the service is asked, as far as it may know it.
fn search(collection: &str, query: &ItemQuery) -> Search {
    // Not every service understands a box across the antimeridian.
    let bbox = query.bbox.map(|[west, south, east, north]| {
        if west <= east { [west, south, east, north] } else { [-180.0, south, 180.0, north] }
    });
    // Names of collections are ours.
    let filter = query.filter.as_ref().filter(|filter| !filter.names("collection"));
    let limit = query.limit.min(MOST_ITEMS);
    Search {
        collection: Some(collection.to_owned()),
        ids: query.ids.clone().unwrap_or_default(),
        bbox,
        intersects: query.intersects.as_ref().map(Geometry::to_json),
        start: query.within.first,
        end: query.within.last,
        filter: filter.map(|filter| filter.to_json()),
        sort: query.sort.iter().map(|by| (by.field.clone(), by.descending)).collect(),
        page: limit,
        most: limit,
    }
}
