//! Items and pages of them, with the links of the API.

use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use eolith_engine::catalog::ItemPage;
use serde_json::{Value, json};

use super::{Asked, TOKEN};
use crate::links::{Links, escaped, link};

pub(crate) const GEOJSON: &str = "application/geo+json";

/// Where a page is asked for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Place<'a> {
    Collection(&'a str),
    Search,
}

/// One item.
pub(crate) fn feature(item: Value, links: &Links) -> Response {
    ([(CONTENT_TYPE, GEOJSON)], linked(item, links).to_string()).into_response()
}

/// A page of items.
pub(crate) fn page(found: ItemPage, asked: &Asked, place: Place<'_>, links: &Links) -> Response {
    let address = match place {
        Place::Collection(id) => links.items(id),
        Place::Search => links.to("/search"),
    };
    let mut own = vec![geojson("self", said(&address, asked, None), "These items")];
    own.push(link("root", links.root(links.version), "Capabilities"));
    if let Place::Collection(id) = place {
        own.push(link("collection", links.collection(id), "The collection"));
    }
    if let Some(token) = &found.next {
        let mut next = geojson("next", said(&address, asked, Some(token)), "Next items");
        if asked.pairs.is_none() {
            next["href"] = address.into();
            next["method"] = "POST".into();
            next["body"] = json!({TOKEN: token});
            next["merge"] = true.into();
        }
        own.push(next);
    }
    let returned = found.items.len();
    let items = found.items.into_iter().map(|item| asked.fields.apply(linked(item, links)));
    let mut page = json!({
        "type": "FeatureCollection",
        "features": items.collect::<Vec<_>>(),
        "links": own,
        "numberReturned": returned,
    });
    if let Some(matched) = found.matched {
        page["numberMatched"] = matched.into();
    }
    ([(CONTENT_TYPE, GEOJSON)], page.to_string()).into_response()
}

fn geojson(rel: &str, href: String, title: &str) -> Value {
    json!({"rel": rel, "href": href, "type": GEOJSON, "title": title})
}

/// The address of the same search, at another place of it.
fn said(address: &str, asked: &Asked, token: Option<&str>) -> String {
    let pairs = asked.pairs.iter().flatten().map(|(name, value)| (name.as_str(), value.as_str()));
    let kept = pairs.filter(|(name, _)| token.is_none() || *name != TOKEN);
    let all = kept.chain(token.map(|token| (TOKEN, token)));
    let query: Vec<String> =
        all.map(|(name, value)| format!("{}={}", escaped(name), escaped(value))).collect();
    if query.is_empty() { address.to_owned() } else { format!("{address}?{}", query.join("&")) }
}

/// The item with the links of the API before its own.
fn linked(mut item: Value, links: &Links) -> Value {
    let id = item["id"].as_str().unwrap_or_default().to_owned();
    let collection = item["collection"].as_str().unwrap_or_default().to_owned();
    let own = format!("{}/{}", links.items(&collection), escaped(&id));
    let mut all = vec![
        geojson("self", own, &id),
        link("collection", links.collection(&collection), &collection),
        link("parent", links.collection(&collection), &collection),
        link("root", links.root(links.version), "Capabilities"),
    ];
    if let Some(Value::Array(given)) = item.get_mut("links") {
        all.append(given);
    }
    item["links"] = all.into();
    item
}
