//! The parts of items that a client wants.

use serde_json::{Map, Value};

use super::wrong;
use crate::error::ApiError;

/// What makes an item, and leads to all of it.
const ALWAYS: [&str; 4] = ["type", "id", "collection", "links"];

/// Paths like `properties.datetime`. Everything if nothing is said; what is excluded is not there, unless it or a part of it is
/// included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fields {
    include: Vec<String>,
    exclude: Vec<String>,
}

impl Fields {
    pub(super) fn read(value: &Value) -> Result<Fields, ApiError> {
        let list = |name: &str| match value.get(name) {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(list) => {
                list.as_array()?.iter().map(|own| own.as_str().map(str::to_owned)).collect()
            }
        };
        let (include, exclude) = (list("include"), list("exclude"));
        match (include, exclude) {
            (Some(include), Some(exclude)) if value.is_object() => Ok(Fields { include, exclude }),
            _ => Err(wrong("`fields` is an object with the lists `include` and `exclude`")),
        }
    }

    pub(super) fn apply(&self, item: Value) -> Value {
        let Value::Object(mut whole) = item else { return item };
        if !self.include.is_empty() {
            let mut kept = Map::new();
            for path in ALWAYS.iter().copied().chain(self.include.iter().map(String::as_str)) {
                let (own, inner) = path.split_once('.').unwrap_or((path, ""));
                let Some(value) = whole.get(own) else { continue };
                if inner.is_empty() {
                    kept.insert(own.to_owned(), value.clone());
                } else if let Some(value) = value.get(inner) {
                    let empty = || Value::Object(Map::new());
                    let outer = kept.entry(own).or_insert_with(empty);
                    if let Some(outer) = outer.as_object_mut() {
                        outer.insert(inner.to_owned(), value.clone());
                    }
                }
            }
            whole = kept;
        }
        let wanted = |path: &str| {
            let is_part =
                |own: &String| own.strip_prefix(path).is_some_and(|rest| rest.starts_with('.'));
            self.include.iter().any(|own| own == path || is_part(own))
        };
        for path in self.exclude.iter().filter(|path| !wanted(path)) {
            match path.split_once('.') {
                _ if ALWAYS.contains(&path.as_str()) => {}
                None => drop(whole.remove(path)),
                Some((own, inner)) => {
                    if let Some(Value::Object(outer)) = whole.get_mut(own) {
                        outer.remove(inner);
                    }
                }
            }
        }
        whole.into()
    }
}
