//! What a query string says, in the form of a body.

use serde_json::{Map, Value, json};
use url::form_urlencoded;

use super::wrong;
use crate::error::ApiError;

/// Names and values in their order, each name once.
pub(super) type Pairs = Vec<(String, String)>;

pub(super) fn pairs(query: Option<&str>) -> Result<Pairs, ApiError> {
    let mut pairs = Pairs::new();
    for (name, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        if pairs.iter().any(|(known, _)| *known == name) {
            return Err(wrong(format!("`{name}` is there twice")));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    Ok(pairs)
}

pub(super) fn json(pairs: &Pairs) -> Result<Map<String, Value>, ApiError> {
    let is_json = pairs.iter().any(|(name, value)| name == "filter-lang" && value == "cql2-json");
    let mut said = Map::new();
    for (name, value) in pairs {
        let parsed = || {
            let parsed = serde_json::from_str::<Value>(value);
            parsed.map_err(|error| wrong(format!("`{name}` is not JSON: {error}")))
        };
        let parts = || value.split(',').map(str::trim).filter(|part| !part.is_empty());
        let meant = match name.as_str() {
            "limit" => value.parse::<u64>().map_or_else(|_| value.as_str().into(), Value::from),
            "bbox" => parts()
                .map(|part| part.parse::<f64>().map_or_else(|_| part.into(), Value::from))
                .collect(),
            "ids" | "collections" => parts().map(Value::from).collect(),
            "intersects" => parsed()?,
            "filter" if is_json => parsed()?,
            // A plus is a space in an address.
            "sortby" => parts()
                .map(|part| match part.strip_prefix('-') {
                    Some(field) => json!({"field": field, "direction": "desc"}),
                    None => json!({"field": part.trim_start_matches('+'), "direction": "asc"}),
                })
                .collect(),
            "fields" => {
                let exclude = parts().filter_map(|part| part.strip_prefix('-'));
                let include = parts().filter(|part| !part.starts_with('-'));
                let include: Vec<&str> = include.map(|part| part.trim_start_matches('+')).collect();
                json!({"include": include, "exclude": exclude.collect::<Vec<_>>()})
            }
            _ => value.as_str().into(),
        };
        said.insert(name.clone(), meant);
    }
    Ok(said)
}
