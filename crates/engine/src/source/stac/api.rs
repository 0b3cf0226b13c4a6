//! Searching: Item Search of the STAC API, and the items of OGC API Features.
//!
//! A service says what it can in its landing page (`conformsTo`) and where in its links; pages follow links `next`,
//! by GET or by POST, with all the liberties the specification gives them. Area, time and, where the service knows
//! CQL2, conditions are sent along; what comes back is tested again by the caller, so that a service that knows
//! less gives the same result, only slower.

mod page;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use eolith_cube::time::Instant;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::document::{self, Catalog, Collection, Document, Item, Link};
use super::invalid;
use crate::source::SourceError;
use crate::storage::{Location, StorageError};

pub use self::page::Next;

/// Items asked for at a time.
const PAGE: usize = 250;
/// Pages of one search.
const MOST_PAGES: usize = 10_000;
/// The end of a search, however many pages it has.
const LONGEST: Duration = Duration::from_mins(5);
/// Depth of a condition that is written as text.
const DEEPEST: usize = 64;

/// A service that can be asked for items.
#[derive(Clone, Debug)]
pub struct Api {
    way: Way,
    /// Conditions in the JSON form of CQL2, in its text form.
    filters: (bool, bool),
    sorts: bool,
}

#[derive(Clone, Debug)]
enum Way {
    Post(Location),
    Get(Location),
    /// The items of one collection.
    Items(Location),
}

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct Search {
    pub collection: Option<String>,
    /// Any if there are none; sent where the service has an item search.
    pub ids: Vec<String>,
    /// West, south, east, north in degrees; west is greater than east across the antimeridian.
    pub bbox: Option<[f64; 4]>,
    /// GeoJSON; not together with a box. Sent where the service has an item search.
    pub intersects: Option<Value>,
    pub start: Option<Instant>,
    pub end: Option<Instant>,
    /// CQL2 in its JSON form.
    pub filter: Option<Value>,
    /// Properties, and whether the largest comes first; sent where the service sorts.
    pub sort: Vec<(String, bool)>,
    /// Items of a page; 0 leaves it open.
    pub page: usize,
    /// Items after which the search ends.
    pub most: usize,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub struct Hits {
    /// With the address that their relative addresses start from.
    pub items: Vec<(Location, Item)>,
    /// Whether there are no more.
    pub complete: bool,
}

/// One question.
struct Request {
    location: Location,
    body: Option<Value>,
    headers: BTreeMap<String, String>,
}

impl Api {
    /// The item search of the service with this landing page, if it has one.
    pub fn of(root: &Location, landing: &Catalog) -> Option<Api> {
        if !landing.conforms("/item-search") {
            return None;
        }
        let links = landing.links.iter().filter(|link| link.rel == "search");
        let find = |post: bool| {
            let is = |link: &&Link| link.is_post() == post;
            links.clone().find(is).and_then(|link| root.relative(&link.href).ok())
        };
        let way = match (find(true), find(false)) {
            (Some(post), _) => Way::Post(post),
            (None, Some(get)) => Way::Get(get),
            (None, None) => return None,
        };
        let filter = landing.conforms("item-search#filter") || landing.conforms("/conf/filter");
        let language = |name: &str| filter && landing.conforms(name);
        let filters = (language("cql2-json"), language("cql2-text"));
        Some(Api { way, filters, sorts: landing.conforms("item-search#sort") })
    }

    /// The items of a collection, as OGC API Features has them.
    pub fn of_items(landing: &Catalog, items: Location) -> Option<Api> {
        let features = landing.conforms("ogcapi-features");
        features.then_some(Api { way: Way::Items(items), filters: (false, false), sorts: false })
    }

    /// All items of a search, in the service's order, each once.
    ///
    /// # Errors
    /// What the service or the network says, pages that lead in a circle, and a search that does not end in time. A
    /// condition that the service refuses is left out instead.
    pub async fn search(&self, search: &Search) -> Result<Hits, SourceError> {
        match tokio::time::timeout(LONGEST, self.pages(search)).await {
            Ok(Err(SourceError::Storage(StorageError::Status { status, text, .. })))
                if search.filter.is_some() && (400..500).contains(&status) =>
            {
                tracing::warn!(
                    status,
                    text,
                    "the service refuses the condition: it is tested here"
                );
                Box::pin(self.search(&Search { filter: None, ..search.clone() })).await
            }
            Ok(outcome) => outcome,
            Err(_) => Err(SourceError::Storage(StorageError::Read {
                href: crate::storage::shown(self.location().href()),
                reason: format!("the search did not end within {} s", LONGEST.as_secs()),
            })),
        }
    }

    /// Whether it can be given conditions.
    pub fn filters(&self) -> bool {
        match self.way {
            Way::Post(_) => self.filters.0,
            Way::Get(_) => self.filters.1,
            Way::Items(_) => false,
        }
    }

    /// Whether it gives items in an order that is asked for.
    pub fn sorts(&self) -> bool {
        self.sorts
    }

    async fn pages(&self, search: &Search) -> Result<Hits, SourceError> {
        let mut hits = Hits { items: Vec::new(), complete: true };
        let mut known = BTreeSet::new();
        for bbox in pieces(search.bbox) {
            let mut next = Some(self.first(search, bbox)?);
            let (mut asked, mut pages) = (BTreeSet::new(), 0);
            while let Some(request) = next.take() {
                let question = (
                    request.location.href().to_owned(),
                    request.body.as_ref().map(Value::to_string),
                );
                let href = crate::storage::shown(request.location.href());
                pages += 1;
                if !asked.insert(question) || pages > MOST_PAGES {
                    return Err(invalid(&href, "its pages lead in a circle"));
                }
                let (at, bytes) = match &request.body {
                    Some(body) => request.location.ask(body, &request.headers).await?,
                    None => request.location.read_document().await?,
                };
                let value = serde_json::from_slice(&bytes).map_err(|e| invalid(&href, e))?;
                let Document::Page { items, links } = document::parse(&href, value)? else {
                    return Err(invalid(&href, "it is not a page of items"));
                };
                for item in items {
                    if !known.insert((item.collection.clone(), item.id.clone())) {
                        continue;
                    }
                    if hits.items.len() >= search.most {
                        hits.complete = false;
                        return Ok(hits);
                    }
                    let own = item.links.iter().find(|link| link.rel == "self");
                    let base = own.and_then(|link| at.relative(&link.href).ok());
                    hits.items.push((base.unwrap_or_else(|| at.clone()), item));
                }
                if let Some(link) = links.iter().find(|link| link.rel == "next") {
                    next = Some(follow(&at, link, request.body)?);
                }
            }
        }
        Ok(hits)
    }

    fn first(&self, search: &Search, bbox: Option<[f64; 4]>) -> Result<Request, SourceError> {
        let datetime = (search.start.is_some() || search.end.is_some()).then(|| {
            let text =
                |at: Option<Instant>| at.map_or_else(|| "..".to_owned(), |at| at.to_string());
            format!("{}/{}", text(search.start), text(search.end))
        });
        let limit = match search.page {
            0 => PAGE.min(search.most.saturating_add(1)),
            own => own,
        };
        let sort = search.sort.iter().filter(|_| self.sorts);
        if let Way::Post(location) = &self.way {
            let mut body = Map::new();
            body.extend(search.collection.iter().map(|id| ("collections".to_owned(), json!([id]))));
            body.extend(bbox.map(|bbox| ("bbox".to_owned(), json!(bbox))));
            body.extend(datetime.map(|time| ("datetime".to_owned(), json!(time))));
            body.insert("limit".to_owned(), json!(limit));
            if !search.ids.is_empty() {
                body.insert("ids".to_owned(), json!(search.ids));
            }
            body.extend(search.intersects.iter().map(|own| ("intersects".to_owned(), own.clone())));
            let sort: Vec<Value> = sort
                .map(|(field, down)| {
                    json!({"field": field, "direction": if *down { "desc" } else { "asc" }})
                })
                .collect();
            if !sort.is_empty() {
                body.insert("sortby".to_owned(), sort.into());
            }
            if let (Some(filter), true) = (&search.filter, self.filters()) {
                body.insert("filter-lang".to_owned(), json!("cql2-json"));
                body.insert("filter".to_owned(), filter.clone());
            }
            let (location, headers) = (location.clone(), BTreeMap::new());
            return Ok(Request { location, body: Some(body.into()), headers });
        }
        let location = self.location();
        let address = || StorageError::Address(location.href().to_owned());
        let mut url = location.as_url().ok_or_else(address)?.clone();
        {
            let mut query = url.query_pairs_mut();
            if let (Way::Get(_), Some(id)) = (&self.way, &search.collection) {
                query.append_pair("collections", id);
                if !search.ids.is_empty() {
                    query.append_pair("ids", &search.ids.join(","));
                }
                if let Some(area) = &search.intersects {
                    query.append_pair("intersects", &area.to_string());
                }
                let sort: Vec<String> = sort
                    .map(|(field, down)| format!("{}{field}", if *down { '-' } else { '+' }))
                    .collect();
                if !sort.is_empty() {
                    query.append_pair("sortby", &sort.join(","));
                }
            }
            if let Some(bbox) = bbox {
                query.append_pair("bbox", &bbox.map(|edge| edge.to_string()).join(","));
            }
            if let Some(time) = &datetime {
                query.append_pair("datetime", time);
            }
            query.append_pair("limit", &limit.to_string());
            let text =
                search.filter.as_ref().filter(|_| self.filters()).and_then(|f| cql2_text(f, 0));
            if let Some(text) = text {
                query.append_pair("filter-lang", "cql2-text").append_pair("filter", &text);
            }
        }
        let location = location.relative(url.as_str())?;
        Ok(Request { location, body: None, headers: BTreeMap::new() })
    }

    fn location(&self) -> &Location {
        let (Way::Post(location) | Way::Get(location) | Way::Items(location)) = &self.way;
        location
    }
}

/// The collections of a service, with their addresses; `None` where the document is no landing page.
pub(super) async fn collections(
    root: &Location,
    landing: &Catalog,
) -> Option<Result<Vec<(Location, Collection)>, SourceError>> {
    let is_service = landing.conforms("/item-search") || landing.conforms("ogcapi-features");
    let data = landing.links.iter().find(|link| link.rel == "data").filter(|_| is_service)?;
    Some(all_collections(root, data).await)
}

async fn all_collections(
    root: &Location,
    data: &Link,
) -> Result<Vec<(Location, Collection)>, SourceError> {
    #[derive(Deserialize)]
    struct Page {
        collections: Vec<Value>,
        #[serde(default)]
        links: Vec<Link>,
    }
    let mut found = Vec::new();
    let (mut next, mut asked) = (Some(root.relative(&data.href)?), BTreeSet::new());
    while let Some(location) = next.take() {
        let href = crate::storage::shown(location.href());
        if !asked.insert(location.href().to_owned()) || asked.len() > MOST_PAGES {
            return Err(invalid(&href, "its pages lead in a circle"));
        }
        let (at, bytes) = location.read_document().await?;
        let page: Page = serde_json::from_slice(&bytes).map_err(|e| invalid(&href, e))?;
        for value in page.collections {
            let Document::Collection(collection) = document::parse(&href, value)? else {
                return Err(invalid(&href, "it lists something that is no collection"));
            };
            let own = collection.links.iter().find(|link| link.rel == "self");
            let base = own.and_then(|link| at.relative(&link.href).ok());
            let address = base.unwrap_or_else(|| root.join("collections").join(&collection.id));
            found.push((address, *collection));
        }
        if let Some(link) = page.links.iter().find(|link| link.rel == "next") {
            next = Some(at.relative(&link.href)?);
        }
    }
    Ok(found)
}

/// The question that a link `next` stands for.
fn follow(at: &Location, link: &Link, previous: Option<Value>) -> Result<Request, SourceError> {
    let location = at.relative(&link.href)?;
    if !link.is_post() {
        return Ok(Request { location, body: None, headers: BTreeMap::new() });
    }
    let own = link.body.clone().unwrap_or_default();
    let body = match previous {
        Some(Value::Object(mut previous)) if link.merge => {
            previous.extend(own);
            previous
        }
        _ => own,
    };
    let headers = link.headers.iter().flatten();
    let headers =
        headers.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    Ok(Request { location, body: Some(body.into()), headers: headers.collect() })
}

/// A box that crosses the antimeridian is two: not every service understands one.
fn pieces(bbox: Option<[f64; 4]>) -> Vec<Option<[f64; 4]>> {
    let Some([west, south, east, north]) = bbox else { return vec![None] };
    let (south, north) = (south.max(-90.0), north.min(90.0));
    if west > east {
        return vec![Some([west, south, 180.0, north]), Some([-180.0, south, east, north])];
    }
    vec![Some([west.max(-180.0), south, east.min(180.0), north])]
}

/// The text form of a condition; `None` for what has none here.
fn cql2_text(value: &Value, depth: usize) -> Option<String> {
    if depth > DEEPEST {
        return None;
    }
    let of = |value: &Value| cql2_text(value, depth + 1);
    match value {
        Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
        Value::String(text) => Some(format!("'{}'", text.replace('\'', "''"))),
        Value::Array(items) => {
            let items: Option<Vec<String>> = items.iter().map(of).collect();
            Some(format!("({})", items?.join(", ")))
        }
        Value::Object(fields) => {
            if let Some(name) = fields.get("property").and_then(Value::as_str) {
                return (!name.contains('"')).then(|| format!("\"{name}\""));
            }
            let op = fields.get("op").and_then(Value::as_str)?;
            let args = fields.get("args").and_then(Value::as_array)?;
            let args: Vec<String> = args.iter().map(of).collect::<Option<_>>()?;
            match (op, &args[..]) {
                ("and" | "or", args) => {
                    Some(format!("({})", args.join(&format!(" {} ", op.to_uppercase()))))
                }
                ("isNull", [only]) => Some(format!("{only} IS NULL")),
                ("in" | "like", [a, b]) => Some(format!("{a} {} {b}", op.to_uppercase())),
                ("=" | "<" | "<=" | ">" | ">=", [a, b]) => Some(format!("{a} {op} {b}")),
                _ => None,
            }
        }
        Value::Null => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_have_a_text_form() {
        let cloudy = json!({"op": "<=", "args": [{"property": "eo:cloud_cover"}, 20.5]});
        let platform = json!({"op": "in", "args": [{"property": "platform"}, ["a", "it's"]]});
        let both = json!({"op": "and", "args": [cloudy, platform]});
        let expected = r#"("eo:cloud_cover" <= 20.5 AND "platform" IN ('a', 'it''s'))"#;
        assert_eq!(cql2_text(&both, 0).unwrap(), expected);
        assert!(cql2_text(&json!({"op": "s_intersects", "args": [1, 2]}), 0).is_none());
    }

    #[test]
    fn boxes_are_split_at_the_antimeridian() {
        let split = pieces(Some([177.0, -20.0, -178.0, -12.0]));
        assert_eq!(
            split,
            [Some([177.0, -20.0, 180.0, -12.0]), Some([-180.0, -20.0, -178.0, -12.0])]
        );
        assert_eq!(pieces(Some([-200.0, -99.0, 10.0, 99.0])), [Some([-180.0, -90.0, 10.0, 90.0])]);
    }
}
