//! Finding the arrays of a store and their metadata documents.

use std::collections::BTreeMap;

use futures::StreamExt;
use serde_json::{Map, Value};

use super::{SourceError, invalid, probe};
use crate::storage::Location;

/// Levels of groups that are looked into when a store has to be listed.
const MAX_DEPTH: usize = 16;

/// Folders whose metadata is asked for at the same time.
const CONCURRENCY: usize = 8;

/// What the store has.
pub(super) struct Found {
    pub(super) arrays: Vec<Node>,
    /// Attributes of the root group.
    pub(super) attributes: Map<String, Value>,
    /// Attributes of the other groups, by path.
    pub(super) groups: Groups,
    /// Version of the document everything starts from.
    pub(super) version: Option<String>,
    /// What may be missing.
    pub(super) note: Option<String>,
}

pub(super) type Groups = BTreeMap<String, Map<String, Value>>;

/// One array.
pub(super) struct Node {
    /// Path in the store without slashes at its ends; empty for an array that is the root.
    pub(super) path: String,
    pub(super) document: Document,
    pub(super) attributes: Map<String, Value>,
}

/// The metadata document of an array.
pub(super) enum Document {
    V2(Value),
    V3(Value),
}

/// What stands in one folder.
pub(super) enum Folder {
    Array(Node),
    Group { attributes: Map<String, Value>, consolidated: Option<(Vec<Node>, Groups)> },
    Nothing,
}

/// Finds all arrays at or below `root`.
pub(super) async fn discover(root: &Location) -> Result<Found, SourceError> {
    if let Some(bytes) = optional(&root.join(".zmetadata")).await?
        && optional(&root.join("zarr.json")).await?.is_none()
    {
        let (arrays, mut groups) = consolidated_v2(root.href(), &bytes)?;
        let attributes = groups.remove("").unwrap_or_default();
        let version = version(root, ".zmetadata").await;
        return Ok(Found { arrays, attributes, groups, version, note: None });
    }
    match folder(root, "").await? {
        (name, Folder::Array(node)) => {
            let (attributes, groups) = (node.attributes.clone(), Groups::new());
            let version = version(root, name).await;
            Ok(Found { arrays: vec![node], attributes, groups, version, note: None })
        }
        (name, Folder::Group { attributes, consolidated: Some((arrays, groups)) }) => {
            let version = version(root, name).await;
            Ok(Found { arrays, attributes, groups, version, note: None })
        }
        (name, Folder::Group { attributes, consolidated: None }) => {
            let (arrays, groups, note) = walk(root, &attributes).await?;
            Ok(Found { arrays, attributes, groups, version: version(root, name).await, note })
        }
        (_, Folder::Nothing) => Err(invalid(
            root.href(),
            "there is no `zarr.json`, `.zmetadata`, `.zgroup` or `.zarray`",
        )),
    }
}

/// The root document of a group (version 3) with the documents of the nodes below it, given by path, so that nothing has
/// to be listed; `None` where the root is no object. As text: Python writes `NaN` into documents, which is no JSON.
pub(in crate::source) fn consolidated<'a>(
    root: &str,
    nodes: impl Iterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    let open = root.trim_end().strip_suffix('}')?;
    // Of a key that is there twice the last one counts.
    let mut out = format!("{open},\"consolidated_metadata\":{{\"metadata\":{{");
    for (i, (path, document)) in nodes.enumerate() {
        let comma = if i == 0 { "" } else { "," };
        out.push_str(&format!("{comma}{}:{document}", Value::from(path)));
    }
    out.push_str("}}}");
    Some(out)
}

/// Arrays below a group without consolidated metadata: found by listing, where the store can, else by trying names.
async fn walk(
    root: &Location,
    attributes: &Map<String, Value>,
) -> Result<(Vec<Node>, Groups, Option<String>), SourceError> {
    let Some(mut level) = children(root, "").await? else {
        let (arrays, note) = probe::arrays(root, attributes).await?;
        return Ok((arrays, Groups::new(), note));
    };
    let (mut arrays, mut groups) = (Vec::new(), Groups::new());
    for _ in 0..MAX_DEPTH {
        let folders: Vec<_> = futures::stream::iter(level)
            .map(|path| async move {
                let location = root.join(&path);
                let found = folder(&location, &path).await?;
                Ok::<_, SourceError>((path, found.1))
            })
            .buffered(CONCURRENCY)
            .collect()
            .await;
        level = Vec::new();
        for result in folders {
            match result? {
                (_, Folder::Array(node)) => arrays.push(node),
                (path, Folder::Group { attributes, .. }) => {
                    level.extend(children(root, &path).await?.unwrap_or_default());
                    groups.insert(path, attributes);
                }
                (_, Folder::Nothing) => {}
            }
        }
        if level.is_empty() {
            break;
        }
    }
    Ok((arrays, groups, None))
}

/// Paths of the folders in a group, sorted; `None` where the store cannot be listed.
async fn children(root: &Location, path: &str) -> Result<Option<Vec<String>>, SourceError> {
    let location = if path.is_empty() { root.clone() } else { root.join(path) };
    let Some(listing) = location.list().await? else { return Ok(None) };
    let inside = |name: String| if path.is_empty() { name } else { format!("{path}/{name}") };
    Ok(Some(listing.folders.into_iter().map(inside).collect()))
}

/// What the documents of one folder say, and the name of the one that said it.
pub(super) async fn folder(
    location: &Location,
    path: &str,
) -> Result<(&'static str, Folder), SourceError> {
    if let Some(bytes) = optional(&location.join("zarr.json")).await? {
        let document = json(location.href(), "zarr.json", &bytes)?;
        return Ok(("zarr.json", folder_v3(location.href(), path, document)?));
    }
    if let Some(bytes) = optional(&location.join(".zarray")).await? {
        let document = Document::V2(json(location.href(), ".zarray", &bytes)?);
        let attributes = attributes_v2(location).await?;
        return Ok((
            ".zarray",
            Folder::Array(Node { path: path.to_owned(), document, attributes }),
        ));
    }
    if optional(&location.join(".zgroup")).await?.is_some() {
        let attributes = attributes_v2(location).await?;
        return Ok((".zgroup", Folder::Group { attributes, consolidated: None }));
    }
    Ok(("", Folder::Nothing))
}

fn folder_v3(href: &str, path: &str, document: Value) -> Result<Folder, SourceError> {
    let attributes = object(document.get("attributes"));
    match document.get("node_type").and_then(Value::as_str) {
        Some("array") => {
            let document = Document::V3(document);
            Ok(Folder::Array(Node { path: path.to_owned(), document, attributes }))
        }
        Some("group") => {
            let metadata = (document.get("consolidated_metadata"))
                .and_then(|consolidated| consolidated.get("metadata"))
                .and_then(Value::as_object);
            let consolidated = metadata.map(consolidated_v3);
            Ok(Folder::Group { attributes, consolidated })
        }
        _ => Err(invalid(href, "`node_type` in `zarr.json` is neither `array` nor `group`")),
    }
}

fn consolidated_v3(metadata: &Map<String, Value>) -> (Vec<Node>, Groups) {
    let (mut arrays, mut groups) = (Vec::new(), Groups::new());
    for (path, node) in metadata {
        let path = path.trim_matches('/').to_owned();
        let attributes = object(node.get("attributes"));
        match node.get("node_type").and_then(Value::as_str) {
            Some("array") => {
                arrays.push(Node { path, attributes, document: Document::V3(node.clone()) });
            }
            _ => drop(groups.insert(path, attributes)),
        }
    }
    (arrays, groups)
}

/// The arrays, and the attributes of all groups with the root's.
fn consolidated_v2(href: &str, bytes: &[u8]) -> Result<(Vec<Node>, Groups), SourceError> {
    let document = json(href, ".zmetadata", bytes)?;
    if document.get("record_size").is_some() {
        return Err(SourceError::Unsupported {
            href: href.to_owned(),
            what: "references in Parquet files (write them as JSON, or the data as Zarr)"
                .to_owned(),
        });
    }
    let metadata = (document.get("metadata").and_then(Value::as_object))
        .ok_or_else(|| invalid(href, "`.zmetadata` has no object `metadata`"))?;
    let attributes = |folder: &str| {
        let key =
            if folder.is_empty() { ".zattrs".to_owned() } else { format!("{folder}/.zattrs") };
        object(metadata.get(&key))
    };
    let (mut arrays, mut groups) = (Vec::new(), Groups::new());
    for (key, node) in metadata {
        let (folder, name) = key.rsplit_once('/').unwrap_or(("", key));
        let path = folder.trim_matches('/').to_owned();
        match name {
            ".zarray" => {
                let document = Document::V2(node.clone());
                arrays.push(Node { path, document, attributes: attributes(folder) });
            }
            ".zgroup" => drop(groups.insert(path, attributes(folder))),
            _ => {}
        }
    }
    groups.entry(String::new()).or_insert_with(|| attributes(""));
    Ok((arrays, groups))
}

async fn attributes_v2(location: &Location) -> Result<Map<String, Value>, SourceError> {
    match optional(&location.join(".zattrs")).await? {
        Some(bytes) => Ok(object(Some(&json(location.href(), ".zattrs", &bytes)?))),
        None => Ok(Map::new()),
    }
}

/// The version of a metadata document; a store that does not tell has none.
async fn version(root: &Location, name: &str) -> Option<String> {
    match root.join(name).version().await {
        Ok((_, token)) => Some(token),
        Err(error) => {
            tracing::info!(store = root.href(), %error, "version unknown");
            None
        }
    }
}

async fn optional(location: &Location) -> Result<Option<bytes::Bytes>, SourceError> {
    Ok(location.read_optional().await?)
}

fn json(href: &str, name: &str, bytes: &[u8]) -> Result<Value, SourceError> {
    if let Ok(value) = serde_json::from_slice(bytes) {
        return Ok(value);
    }
    // Python writes NaN and Infinity where JSON has no such numbers.
    let text = String::from_utf8_lossy(bytes);
    serde_json::from_str(&quote_constants(&text))
        .map_err(|error| invalid(href, format_args!("`{name}`: {error}")))
}

/// Puts the bare words `NaN`, `Infinity` and `-Infinity` outside of strings into quotes.
fn quote_constants(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut in_string) = (text, false);
    while let Some(c) = rest.chars().next() {
        if in_string && c == '\\' {
            let end = rest.char_indices().nth(2).map_or(rest.len(), |(i, _)| i);
            out.push_str(&rest[..end]);
            rest = &rest[end..];
            continue;
        }
        let word = ["-Infinity", "Infinity", "NaN"].into_iter().find(|w| rest.starts_with(w));
        if let (false, Some(word)) = (in_string, word) {
            out.push('"');
            out.push_str(word);
            out.push('"');
            rest = &rest[word.len()..];
            continue;
        }
        in_string ^= c == '"';
        out.push(c);
        rest = &rest[c.len_utf8()..];
    }
    out
}

fn object(value: Option<&Value>) -> Map<String, Value> {
    value.and_then(Value::as_object).cloned().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn python_constants_are_read_as_texts() {
        let text = br#"{"a": NaN, "b": [-Infinity, Infinity], "c": "NaN \" NaN"}"#;
        let value = json("x", "y", text).unwrap();
        assert_eq!(value["a"], "NaN");
        assert_eq!(value["b"][0], "-Infinity");
        assert_eq!(value["c"], "NaN \" NaN");
        assert!(json("x", "y", b"{\"a\": nope}").is_err());
    }
}
