//! Items: the parts of collections as STAC has them, and the search among them.
//!
//! ```text
//! ItemQuery ─┬─ items of documents (`published`) and of cubes (`made`): tested here, sorted, cut into pages
//!            └─ collections of a service (`forwarded`): asked there, page by page, and tested here again
//! ```
//! Pages of all local collections come first, then those of each service. An item says of its files what a client can use: an
//! address that a request may name, or one that the caller gives to a file of this machine ([`Addresses`]). Nothing is said of
//! where files are here
//! ([design/0043](../../../../docs/design/0043-items-of-collections.md)).

mod files;
mod forwarded;
mod made;
mod published;
mod query;

use std::cmp::Ordering;
use std::sync::Arc;

use eolith_cube::time::Instant;
use futures::stream::{self, StreamExt, TryStreamExt};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;
use tracing::warn;

use self::files::Files;
pub use self::files::{Addresses, ItemFile};
use self::query::Test;
pub use self::query::{Interval, ItemQuery, SortBy};
use super::scenes::Items;
use super::{Catalog, Data, Listed};
use crate::cql2::{self, Condition};
use crate::source::stac::Next;
use crate::workspace::Workspace;

/// Documents that are read at the same time.
const CONCURRENT: usize = 8;

/// Items that were found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ItemPage {
    /// STAC items with their `collection`; of links they have those of their source only.
    pub items: Vec<Value>,
    /// How many items meet the query, where that is known.
    pub matched: Option<usize>,
    /// What [`ItemQuery::token`] is for the page after this one.
    pub next: Option<String>,
}

/// Why there is no page.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ItemError {
    #[error("the token is not of a link to the next page")]
    Token,
    #[error("the items of `{0}` are those of a service, which sorts them alone or not at all")]
    Sort(String),
    #[error("the items of `{collection}` cannot be read: {reason}")]
    Failed { collection: String, reason: String },
}

/// Where a page begins.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum Token {
    /// Behind so many local items.
    Local(usize),
    /// In a collection of a service, at its own page.
    Service(String, Option<Next>),
}

/// The items of a collection that are here.
#[derive(Clone, Debug)]
enum Held {
    Made(Arc<Vec<Value>>),
    Read(Arc<Items>),
}

/// What is asked of an item.
#[derive(Clone, Copy, Debug)]
struct View<'a> {
    id: &'a str,
    collection: &'a str,
    geometry: Option<&'a Value>,
    /// West, south, east, north in degrees.
    bbox: Option<[f64; 4]>,
    properties: &'a Map<String, Value>,
}

/// What items are sorted by. Those of different kinds follow each other, so that the order is total.
#[derive(Clone, Debug, PartialEq, PartialOrd)]
enum Key {
    Bool(bool),
    Number(f64),
    Time(Instant),
    Text(String),
}

/// An item that meets a query, with what it is sorted by.
struct Hit {
    listed: Arc<Listed>,
    held: Held,
    at: usize,
    keys: Vec<Option<Key>>,
    time: Option<Instant>,
    id: String,
}

impl Catalog {
    /// A page of the items that meet a query; the collections are those of the catalogue and the user's.
    ///
    /// # Errors
    /// [`ItemError`]. A collection that was not named and cannot be read is left out with a warning in the log.
    pub async fn items(
        &self,
        query: &ItemQuery,
        workspace: &dyn Workspace,
        addresses: &Addresses<'_>,
    ) -> Result<ItemPage, ItemError> {
        let shown = (workspace, addresses);
        let token = query.token.as_deref().map(serde_json::from_str::<Token>).transpose();
        let token = token.map_err(|_| ItemError::Token)?;
        let (mut local, mut services) = (Vec::new(), Vec::new());
        for listed in self.wanted(query, workspace).await? {
            let id = listed.id.clone();
            match self.held(&listed).await {
                Ok(Some(held)) => local.push((listed, held)),
                Ok(None) => services.push(listed),
                Err(reason) if query.collections.is_some() => {
                    return Err(ItemError::Failed { collection: id, reason });
                }
                Err(reason) => warn!(collection = id, reason, "its items cannot be searched"),
            }
        }
        if let (Some(service), false, true) =
            (services.first(), query.sort.is_empty(), services.len() + local.len() > 1)
        {
            return Err(ItemError::Sort(service.id.clone()));
        }
        let service = match token {
            None => None,
            Some(Token::Local(passed)) => {
                return self.local(query, &local, passed, &services, shown).await;
            }
            Some(Token::Service(id, next)) => Some((id, next)),
        };
        let (first, mut next) = match service {
            None if !local.is_empty() => {
                let page = self.local(query, &local, 0, &services, shown).await?;
                if !page.items.is_empty() || page.next.is_none() {
                    return Ok(page);
                }
                (0, None)
            }
            None => (0, None),
            Some((id, next)) => {
                let at = services.iter().position(|service| service.id == id);
                (at.ok_or(ItemError::Token)?, next)
            }
        };
        for at in first..services.len() {
            let page = self.forwarded(&services[at], query, next.take()).await;
            let (items, more) = match page {
                Ok(page) => page,
                Err(ItemError::Failed { collection, reason }) if query.collections.is_none() => {
                    warn!(collection, reason, "its items cannot be searched");
                    continue;
                }
                Err(error) => return Err(error),
            };
            let goes_on = more.is_some();
            let token = match (more, services.get(at + 1)) {
                (Some(next), _) => Some(Token::Service(services[at].id.clone(), Some(next))),
                (None, Some(other)) => Some(Token::Service(other.id.clone(), None)),
                (None, None) => None,
            };
            if !items.is_empty() || goes_on || token.is_none() {
                return Ok(ItemPage {
                    items,
                    matched: None,
                    next: token.map(|token| token.text()),
                });
            }
        }
        Ok(ItemPage::default())
    }

    /// One item of a collection.
    ///
    /// # Errors
    /// [`ItemError`].
    pub async fn item(
        &self,
        collection: &str,
        id: &str,
        workspace: &dyn Workspace,
        addresses: &Addresses<'_>,
    ) -> Result<Option<Value>, ItemError> {
        let query = ItemQuery {
            collections: Some(vec![collection.to_owned()]),
            ids: Some(vec![id.to_owned()]),
            limit: 1,
            ..ItemQuery::default()
        };
        Ok(self.items(&query, workspace, addresses).await?.items.into_iter().next())
    }

    /// The collections of a query, by id, the user's last.
    async fn wanted(
        &self,
        query: &ItemQuery,
        workspace: &dyn Workspace,
    ) -> Result<Vec<Arc<Listed>>, ItemError> {
        let is_wanted =
            |id: &str| query.collections.as_ref().is_none_or(|ids| ids.iter().any(|own| own == id));
        let index = self.index().await;
        let known = index.listed.iter().filter(|(id, _)| is_wanted(id));
        let mut found: Vec<_> = known.map(|(_, listed)| Arc::clone(listed)).collect();
        for id in workspace.collections() {
            if !is_wanted(&id) || index.listed.contains_key(&id) {
                continue;
            }
            match self.exported(&id, workspace).await {
                Ok(listed) => found.extend(listed),
                Err(reason) if query.collections.is_some() => {
                    return Err(ItemError::Failed { collection: id, reason });
                }
                Err(reason) => warn!(id, reason, "a collection of the user cannot be used"),
            }
        }
        Ok(found)
    }

    /// The items that are here; `None` where a service has them. Errors are texts.
    async fn held(&self, listed: &Listed) -> Result<Option<Held>, String> {
        match &listed.data {
            Data::Cube { cube, .. } => {
                let items = made::items(&listed.id, cube, self.access());
                Ok(Some(Held::Made(Arc::new(items))))
            }
            Data::Scenes(source) => match source.api().await? {
                Some(_) => Ok(None),
                None => Ok(Some(Held::Read(Arc::clone(source.all().await?)))),
            },
        }
    }

    /// A page of local items.
    async fn local(
        &self,
        query: &ItemQuery,
        local: &[(Arc<Listed>, Held)],
        passed: usize,
        services: &[Arc<Listed>],
        shown: (&dyn Workspace, &Addresses<'_>),
    ) -> Result<ItemPage, ItemError> {
        let test = Test::new(query);
        let mut hits = Vec::new();
        for (listed, held) in local {
            for at in 0..held.len() {
                let Some(view) = held.view(at, &listed.id) else { continue };
                if !test.accepts(&view) {
                    continue;
                }
                hits.push(Hit {
                    listed: Arc::clone(listed),
                    held: held.clone(),
                    at,
                    keys: query.sort.iter().map(|by| view.key(&by.field)).collect(),
                    time: view.times()[0],
                    id: view.id.to_owned(),
                });
            }
        }
        hits.sort_by(|a, b| a.order(b, &query.sort));
        let end = passed.saturating_add(query.limit).min(hits.len());
        let page = hits.get(passed..end).unwrap_or_default();
        let documents = page.iter().map(|hit| self.document(hit, shown));
        let work: Vec<_> = documents.collect();
        let items = stream::iter(work).buffered(CONCURRENT).try_collect().await?;
        let next = match services.first() {
            _ if end < hits.len() => Some(Token::Local(end)),
            Some(service) => Some(Token::Service(service.id.clone(), None)),
            None => None,
        };
        let matched = services.is_empty().then_some(hits.len());
        Ok(ItemPage { items, matched, next: next.map(|token| token.text()) })
    }

    async fn document(
        &self,
        hit: &Hit,
        (workspace, addresses): (&dyn Workspace, &Addresses<'_>),
    ) -> Result<Value, ItemError> {
        let own = hit.listed.id.as_str();
        let is_of_operator = self.index().await.listed.contains_key(own);
        let within = if is_of_operator { None } else { Some(workspace.collection(own)) };
        let within = within.transpose().map_err(|error| {
            let (collection, reason) = (own.to_owned(), error.to_string());
            ItemError::Failed { collection, reason }
        })?;
        let files = Files { addresses, collection: own, within };
        let items = match &hit.held {
            Held::Made(items) => return Ok(files.finish(items[hit.at].clone())),
            Held::Read(items) => items,
        };
        let Data::Scenes(source) = &hit.listed.data else { return Ok(Value::Null) };
        let read = published::read(&source.location, &items.scenes[hit.at]).await;
        let (base, item) =
            read.map_err(|reason| ItemError::Failed { collection: own.to_owned(), reason })?;
        Ok(published::shown(item, &base, &files, self.access()))
    }
}

impl Token {
    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl Held {
    fn len(&self) -> usize {
        match self {
            Held::Made(items) => items.len(),
            Held::Read(items) => items.scenes.len(),
        }
    }

    fn view<'a>(&'a self, at: usize, collection: &'a str) -> Option<View<'a>> {
        match self {
            Held::Made(items) => View::of(items.get(at)?, collection),
            Held::Read(items) => {
                let scene = items.scenes.get(at)?;
                let (geometry, bbox) = (scene.geometry.as_ref(), scene.bbox);
                let (id, properties) = (scene.id.as_str(), &scene.properties);
                Some(View { id, collection, geometry, bbox, properties })
            }
        }
    }
}

impl<'a> View<'a> {
    /// Of a STAC item.
    fn of(item: &'a Value, collection: &'a str) -> Option<View<'a>> {
        let numbers = item.get("bbox").and_then(Value::as_array);
        let numbers = numbers.and_then(|list| list.iter().map(Value::as_f64).collect());
        Some(View {
            id: item.get("id")?.as_str()?,
            collection,
            geometry: item.get("geometry").filter(|geometry| !geometry.is_null()),
            bbox: numbers.and_then(|list: Vec<f64>| super::bounds::flat(&list)),
            properties: item.get("properties")?.as_object()?,
        })
    }

    /// The instants between which it is; `None` where it does not say.
    fn times(&self) -> [Option<Instant>; 2] {
        let time = |key: &str| Instant::parse(self.properties.get(key)?.as_str()?).ok();
        match time("datetime") {
            Some(at) => [Some(at); 2],
            None => [time("start_datetime"), time("end_datetime")],
        }
    }

    /// What it is sorted by.
    fn key(&self, field: &str) -> Option<Key> {
        let name = field.strip_prefix("properties.").unwrap_or(field);
        match (self.properties.get(name), name) {
            (Some(value), _) => Key::of(value),
            (None, "id") => Some(Key::Text(self.id.to_owned())),
            (None, "collection") => Some(Key::Text(self.collection.to_owned())),
            (None, _) => None,
        }
    }

    fn holds(&self, condition: &Condition) -> bool {
        condition.holds(&cql2::Item {
            id: self.id,
            collection: self.collection,
            geometry: self.geometry,
            properties: self.properties,
        })
    }
}

impl Key {
    fn of(value: &Value) -> Option<Key> {
        match value {
            Value::Null => None,
            Value::Bool(value) => Some(Key::Bool(*value)),
            Value::Number(number) => number.as_f64().map(Key::Number),
            Value::String(text) => {
                Some(cql2::date_time(text).map_or_else(|| Key::Text(text.clone()), Key::Time))
            }
            Value::Array(_) | Value::Object(_) => Some(Key::Text(value.to_string())),
        }
    }
}

impl Hit {
    /// As the query says, then the newest first, then by collection and id.
    fn order(&self, other: &Hit, sort: &[SortBy]) -> Ordering {
        let keys = self.keys.iter().zip(&other.keys).zip(sort);
        let mut orders = keys.map(|((a, b), by)| match (a, b) {
            (Some(a), Some(b)) => {
                // Numbers of JSON are finite.
                let order = a.partial_cmp(b).unwrap_or(Ordering::Equal);
                if by.descending { order.reverse() } else { order }
            }
            // What lacks it is last.
            (a, b) => b.is_some().cmp(&a.is_some()),
        });
        let said = orders.find(|order| order.is_ne()).unwrap_or(Ordering::Equal);
        said.then_with(|| other.time.cmp(&self.time))
            .then_with(|| (&self.listed.id, &self.id).cmp(&(&other.listed.id, &other.id)))
    }
}
