//! Following links.

use std::collections::BTreeSet;

use futures::stream::{self, StreamExt};
use tracing::warn;

use super::api::{self, Api};
use super::document::{Collection, Document, Item, Link, read};
use crate::source::SourceError;
use crate::storage::Location;

/// Documents that are read at the same time.
const CONCURRENT: usize = 16;
/// Documents that one call follows: a catalogue that grows while it is read must end.
const MAX_DOCUMENTS: usize = 1_000_000;

/// A document that was looked at while following links.
#[derive(Debug)]
pub struct Found<T> {
    pub location: Location,
    pub document: T,
    /// Address of the catalogue that linked here.
    pub parent: Option<String>,
    /// The service that has its items, where a service listed it.
    pub api: Option<Api>,
}

/// All collections at or below a document, in the order of the links, depth first. Documents that cannot be read
/// are in the second list, with their address; they do not stop the others. Addresses in `seen` are not followed
/// again, and all that were are put there.
pub async fn collections(
    start: Location,
    document: Document,
    seen: &mut BTreeSet<String>,
) -> (Vec<Found<Box<Collection>>>, Vec<(String, SourceError)>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    seen.insert(start.href().to_owned());
    let mut open = vec![(start, Ok(document), None::<String>)];
    while let Some((location, document, parent)) = open.pop() {
        let links = match document {
            Ok(Document::Catalog(catalog)) => match api::collections(&location, &catalog).await {
                Some(Ok(listed)) => {
                    let (service, href) = (Api::of(&location, &catalog), location.href());
                    for (location, document) in listed {
                        seen.insert(location.href().to_owned());
                        let (api, parent) = (service.clone(), Some(href.to_owned()));
                        found.push(Found { location, document: Box::new(document), parent, api });
                    }
                    continue;
                }
                Some(Err(error)) => {
                    problems.push((location.href().to_owned(), error));
                    continue;
                }
                None => catalog.links,
            },
            Ok(Document::Collection(collection)) => {
                let links = collection.links.clone();
                let location = location.clone();
                found.push(Found { location, document: collection, parent, api: None });
                links
            }
            Ok(Document::Item(_) | Document::Page { .. }) => continue,
            Err(error) => {
                problems.push((location.href().to_owned(), error));
                continue;
            }
        };
        let mut children = Vec::new();
        for link in links.iter().filter(|link| link.rel == "child") {
            match location.relative(&link.href) {
                Ok(child) if seen.len() < MAX_DOCUMENTS => {
                    if seen.insert(child.href().to_owned()) {
                        children.push(child);
                    }
                }
                Ok(_) => warn!(catalog = location.href(), "too many documents: `{}`", link.href),
                Err(error) => problems.push((location.href().to_owned(), error.into())),
            }
        }
        let parent = Some(location.href().to_owned());
        let read: Vec<_> = stream::iter(children)
            .map(|child| async move { (read(&child).await, child) })
            .buffered(CONCURRENT)
            .collect()
            .await;
        let below = read.into_iter().map(|(result, child)| match result {
            Ok((moved, document)) => (moved, Ok(document), parent.clone()),
            Err(error) => (child, Err(error), parent.clone()),
        });
        let mut below: Vec<_> = below.collect();
        below.reverse();
        open.append(&mut below);
    }
    (found, problems)
}

/// The items of a collection: behind its links `item` and `items`, and in the catalogues (not the collections)
/// below it. Items that cannot be read are in the second list. At most about `limit` items are read.
pub async fn items(
    collection: &Location,
    links: &[Link],
    limit: usize,
) -> (Vec<(Location, Item)>, Vec<(String, SourceError)>) {
    let (mut found, mut problems) = (Vec::new(), Vec::new());
    let mut seen = BTreeSet::from([collection.href().to_owned()]);
    let mut open = Vec::new();
    let mut follow = |from: &Location, links: &[Link], rels: &[&str], open: &mut Vec<Location>| {
        let mut broken = Vec::new();
        for link in links.iter().filter(|link| rels.contains(&link.rel.as_str())) {
            match from.relative(&link.href) {
                Ok(to) => {
                    if seen.len() < MAX_DOCUMENTS && seen.insert(to.href().to_owned()) {
                        open.push(to);
                    }
                }
                Err(error) => broken.push((from.href().to_owned(), SourceError::from(error))),
            }
        }
        broken
    };
    problems.extend(follow(collection, links, &["item", "items", "child"], &mut open));
    while !open.is_empty() && found.len() < limit {
        let batch: Vec<Location> = open.drain(..open.len().min(limit - found.len())).collect();
        let documents: Vec<_> = stream::iter(batch)
            .map(|location| async move { (read(&location).await, location) })
            .buffered(CONCURRENT)
            .collect()
            .await;
        for (result, location) in documents {
            let (location, document) = match result {
                Ok((moved, document)) => (moved, Ok(document)),
                Err(error) => (location, Err(error)),
            };
            match document {
                Ok(Document::Item(item)) => found.push((location, *item)),
                Ok(Document::Page { items, links }) => {
                    problems.extend(follow(&location, &links, &["next"], &mut open));
                    found.extend(items.into_iter().map(|item| (location.clone(), item)));
                }
                Ok(Document::Catalog(catalog)) => {
                    let rels = ["item", "items", "child"];
                    problems.extend(follow(&location, &catalog.links, &rels, &mut open));
                }
                Ok(Document::Collection(_)) => {}
                Err(error) => problems.push((location.href().to_owned(), error)),
            }
        }
    }
    (found, problems)
}
