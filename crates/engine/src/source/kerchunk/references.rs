//! The documents: keys of a Zarr store, and where their bytes are.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Map, Value};

use super::invalid;
use crate::source::{SourceError, zarr};

/// What stands behind a key.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Reference {
    Inline(Bytes),
    /// The whole file, or a part of it.
    File {
        url: Arc<str>,
        part: Option<Range<u64>>,
    },
}

/// All keys of a store.
#[derive(Debug, Default, PartialEq)]
pub(super) struct References {
    pub(super) keys: BTreeMap<String, Reference>,
}

impl References {
    /// Reads version 0 (keys at the top) and version 1 (`refs` with `templates`). Metadata documents are put together
    /// into a consolidated one, so that nothing has to be listed.
    pub(super) fn parse(href: &str, bytes: &[u8]) -> Result<References, SourceError> {
        let document: Value =
            serde_json::from_slice(bytes).map_err(|error| invalid(href, error))?;
        let Value::Object(mut document) = document else {
            return Err(invalid(href, "it is no object"));
        };
        let unsupported =
            |what: &str| SourceError::Unsupported { href: href.to_owned(), what: what.to_owned() };
        let (refs, templates) = match document.remove("refs") {
            Some(Value::Object(refs)) => {
                match document.get("version").and_then(Value::as_u64) {
                    None | Some(1) => {}
                    Some(version) => {
                        return Err(unsupported(&format!("references of version {version}")));
                    }
                }
                let generated = document.get("gen").and_then(Value::as_array);
                if generated.is_some_and(|list| !list.is_empty()) {
                    return Err(unsupported(
                        "generated references (`gen`; write them out with kerchunk's `consolidate`)",
                    ));
                }
                let templates = document.get("templates").and_then(Value::as_object).cloned();
                (refs, templates.unwrap_or_default())
            }
            Some(_) => return Err(invalid(href, "`refs` is no object")),
            None => (document, Map::new()),
        };
        let mut urls = BTreeMap::<String, Arc<str>>::new();
        let mut keys = BTreeMap::new();
        for (key, value) in refs {
            let bad = |reason: &str| invalid(href, format_args!("reference `{key}` {reason}"));
            let reference = match value {
                Value::String(text) => match text.strip_prefix("base64:") {
                    Some(data) => {
                        let data = zarr::base64(data.trim());
                        Reference::Inline(data.ok_or_else(|| bad("is no base64"))?.into())
                    }
                    None => Reference::Inline(text.into_bytes().into()),
                },
                Value::Object(_) => Reference::Inline(value.to_string().into_bytes().into()),
                Value::Array(list) => {
                    let url = list.first().and_then(Value::as_str);
                    let url = url.ok_or_else(|| bad("names no file"))?;
                    let part = match &list[1..] {
                        [] => None,
                        [offset, len] => {
                            let (offset, len) = (offset.as_u64(), len.as_u64());
                            let end = offset.zip(len).and_then(|(o, n)| o.checked_add(n));
                            let end = end.ok_or_else(|| bad("has no offset and length"))?;
                            Some(offset.unwrap_or(0)..end)
                        }
                        _ => return Err(bad("is neither a file nor a part of one")),
                    };
                    let url = expanded(url, &templates).ok_or_else(|| {
                        unsupported(&format!("the template expression in `{url}`"))
                    })?;
                    let url = urls.entry(url.clone()).or_insert_with(|| url.into());
                    Reference::File { url: Arc::clone(url), part }
                }
                _ => return Err(bad("is neither text nor a list")),
            };
            keys.insert(key, reference);
        }
        let mut references = References { keys };
        references.consolidate(href)?;
        Ok(references)
    }

    /// Adds the one document from which the Zarr reader learns of all arrays, unless it is there.
    fn consolidate(&mut self, href: &str) -> Result<(), SourceError> {
        let text = |reference: &Reference| match reference {
            Reference::Inline(bytes) => String::from_utf8(bytes.to_vec()).ok(),
            Reference::File { .. } => None,
        };
        // As text: Python writes `NaN` into it, which is no JSON; the Zarr reader knows.
        let joined = |names: &[&str]| {
            let mut out = String::new();
            for (key, reference) in &self.keys {
                let name = key.rsplit('/').next().unwrap_or(key);
                if let (true, Some(text)) = (names.contains(&name), text(reference)) {
                    let (comma, key) = (if out.is_empty() { "" } else { "," }, Value::from(&**key));
                    out.push_str(&format!("{comma}{key}:{text}"));
                }
            }
            out
        };
        if let Some(root) = self.keys.get("zarr.json") {
            let root = text(root).ok_or_else(|| invalid(href, "`zarr.json` is not inline"))?;
            let is_group =
                root.replace(char::is_whitespace, "").contains("\"node_type\":\"group\"");
            if is_group {
                let documents: Vec<(&str, String)> = (self.keys.iter())
                    .filter_map(|(key, document)| {
                        Some((key.strip_suffix("/zarr.json")?, text(document)?))
                    })
                    .collect();
                let nodes = documents.iter().map(|(path, document)| (*path, document.as_str()));
                if let Some(root) = zarr::consolidated(&root, nodes) {
                    let root = Reference::Inline(root.into_bytes().into());
                    self.keys.insert("zarr.json".to_owned(), root);
                }
            }
        } else if !self.keys.contains_key(".zmetadata") {
            let nodes = joined(&[".zarray", ".zattrs", ".zgroup"]);
            if nodes.is_empty() {
                return Err(invalid(href, "it refers to no Zarr metadata"));
            }
            let all = format!("{{\"metadata\":{{{nodes}}}}}");
            self.keys.insert(".zmetadata".to_owned(), Reference::Inline(all.into_bytes().into()));
        }
        Ok(())
    }
}

/// The URL with `{{name}}` replaced; `None` where a template is unknown or more than a name.
fn expanded(url: &str, templates: &Map<String, Value>) -> Option<String> {
    let (mut out, mut rest) = (String::with_capacity(url.len()), url);
    while let Some((before, after)) = rest.split_once("{{") {
        let (name, after) = after.split_once("}}")?;
        let text = templates.get(name.trim())?.as_str().filter(|text| !text.contains("{{"))?;
        out.push_str(before);
        out.push_str(text);
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}
