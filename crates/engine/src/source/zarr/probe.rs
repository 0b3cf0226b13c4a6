//! Arrays of a group that can neither be listed nor has consolidated metadata: a store over HTTP.
//!
//! Many servers show a folder as a page of links; its links to folders are the names. Where there is none, names that
//! are usual for coordinates and variables are tried, and the names that the arrays found so speak of. That is a
//! guess: what is called differently stays unseen, and a note says so.

use std::collections::BTreeSet;

use futures::StreamExt;
use serde_json::{Map, Value};

use super::SourceError;
use super::metadata::{Document, Folder, Node, folder};
use crate::storage::Location;

/// Names asked for at the same time.
const CONCURRENCY: usize = 16;
/// Names that are tried at most.
const MOST: usize = 1000;
/// Rounds of following names in arrays that were found.
const ROUNDS: usize = 3;

const USUAL: [&str; 64] = [
    "time",
    "t",
    "date",
    "valid_time",
    "step",
    "number",
    "member",
    "realization",
    "x",
    "y",
    "z",
    "lat",
    "lon",
    "latitude",
    "longitude",
    "X",
    "Y",
    "level",
    "lev",
    "plev",
    "pressure",
    "height",
    "depth",
    "altitude",
    "band",
    "bands",
    "spatial_ref",
    "crs",
    "time_bnds",
    "lat_bnds",
    "lon_bnds",
    "data",
    "values",
    "reflectance",
    "ndvi",
    "evi",
    "lai",
    "B01",
    "B02",
    "B03",
    "B04",
    "B05",
    "B06",
    "B07",
    "B08",
    "B8A",
    "B09",
    "B11",
    "B12",
    "SCL",
    "red",
    "green",
    "blue",
    "nir",
    "vv",
    "vh",
    "t2m",
    "tp",
    "tas",
    "tasmax",
    "tasmin",
    "pr",
    "precip",
    "temperature",
];

/// The arrays that were found directly in the group, and what may be missing.
///
/// # Errors
/// [`SourceError::Unsupported`] where none was found.
pub(super) async fn arrays(
    root: &Location,
    attributes: &Map<String, Value>,
) -> Result<(Vec<Node>, Option<String>), SourceError> {
    let linked = links(root).await;
    let listed = !linked.is_empty();
    let mut names: BTreeSet<String> = linked;
    if !listed {
        names.extend(USUAL.map(str::to_owned));
        names.extend(words(attributes));
    }
    let (mut tried, mut found) = (BTreeSet::new(), Vec::new());
    for _ in 0..ROUNDS {
        let new: Vec<String> =
            names.iter().filter(|name| !tried.contains(*name)).take(MOST).cloned().collect();
        names.clear();
        tried.extend(new.iter().cloned());
        let asked: Vec<_> = futures::stream::iter(new)
            .map(|name| async move { folder(&root.join(&name), &name).await })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        for answer in asked {
            if let (_, Folder::Array(node)) = answer? {
                if !listed {
                    names.extend(mentioned(&node));
                }
                found.push(node);
            }
        }
        if names.is_empty() {
            break;
        }
    }
    if found.is_empty() {
        return Err(SourceError::Unsupported {
            href: crate::storage::shown(root.href()),
            what: "a group without consolidated metadata on a server that does not list it, and with no array of a \
                   usual name (consolidate it, or open one of its arrays)"
                .to_owned(),
        });
    }
    let note = (!listed).then(|| {
        "the store has no consolidated metadata and cannot be listed: only arrays of usual names were looked for"
            .to_owned()
    });
    Ok((found, note))
}

/// The folders that the page of a folder links to; empty where there is no such page.
async fn links(root: &Location) -> BTreeSet<String> {
    let Some(mut url) = root.as_url().cloned() else { return BTreeSet::new() };
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    let Ok(page) = root.relative(url.as_str()) else { return BTreeSet::new() };
    let Ok((_, bytes)) = page.read_document().await else { return BTreeSet::new() };
    let text = String::from_utf8_lossy(&bytes);
    let href = |part: &str| {
        let quote = part.chars().next().filter(|c| "\"'".contains(*c))?;
        let href = part[1..].split(quote).next()?;
        let name = href.strip_prefix("./").unwrap_or(href).strip_suffix('/')?;
        let decoded = url.join(&format!("{name}/")).ok()?;
        let inside = decoded.path().strip_prefix(url.path())?.trim_end_matches('/').to_owned();
        (!inside.is_empty() && !inside.contains('/')).then_some(inside)
    };
    text.split("href=").skip(1).filter_map(href).collect()
}

/// Names that an array speaks of: its dimensions, coordinates and grid mapping.
fn mentioned(node: &Node) -> Vec<String> {
    let dims = match &node.document {
        Document::V3(document) => document.get("dimension_names"),
        Document::V2(_) => node.attributes.get("_ARRAY_DIMENSIONS"),
    };
    let dims = dims.and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    dims.map(str::to_owned).chain(words(&node.attributes)).collect()
}

fn words(attributes: &Map<String, Value>) -> Vec<String> {
    let keys = ["coordinates", "grid_mapping", "bounds", "ancillary_variables"];
    let texts = keys.iter().filter_map(|key| attributes.get(*key)?.as_str());
    texts
        .flat_map(str::split_whitespace)
        .map(|word| word.trim_end_matches(':').to_owned())
        .collect()
}
