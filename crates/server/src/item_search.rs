//! Searches among items, as clients word them: in an address or in JSON, with the same names.
//!
//! ```text
//! address ─► JSON ─► Asked (ItemQuery, Fields) ─► session ─► answer: pages of GeoJSON with links
//! ```
//! What has an unknown name is refused: passed over, it would make the answer larger than the client thinks.

mod address;
mod answer;
mod fields;

use axum::http::StatusCode;
use eolith_engine::catalog::{Interval, ItemError, ItemQuery, SortBy};
use eolith_engine::cql2::{self, Condition};
use eolith_graph::Code;
use serde_json::{Map, Value};

use self::address::Pairs;
pub(crate) use self::answer::{GEOJSON, Place, feature, page};
use self::fields::Fields;
use crate::error::ApiError;

/// Items of a page, if the client does not say, and at most.
const USUAL: usize = 10;
const MOST: usize = 10_000;
/// The only reference system of filters: longitude and latitude.
const DEGREES: [&str; 2] = [
    "http://www.opengis.net/def/crs/OGC/1.3/CRS84",
    "https://www.opengis.net/def/crs/OGC/1.3/CRS84",
];
const NAMES: [&str; 11] = [
    "limit",
    "collections",
    "ids",
    "bbox",
    "intersects",
    "datetime",
    "sortby",
    "fields",
    "filter",
    "filter-lang",
    "filter-crs",
];
const TOKEN: &str = "token";

/// A search.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) query: ItemQuery,
    pub(crate) fields: Fields,
    /// What the address said, for the link to the next page; `None` if it was said in JSON.
    pairs: Option<Pairs>,
}

impl Asked {
    /// What a query string says of the items of one collection.
    pub(crate) fn of_collection(id: &str, query: Option<&str>) -> Result<Asked, ApiError> {
        let mut asked = Asked::of_address(query)?;
        // Clients of searches name it again.
        if let Some(ids) = &asked.query.collections
            && *ids != [id]
        {
            return Err(wrong(format!("`collections` can only be `{id}` here")));
        }
        asked.query.collections = Some(vec![id.to_owned()]);
        Ok(asked)
    }

    /// What a query string says of the items of all collections.
    pub(crate) fn of_search(query: Option<&str>) -> Result<Asked, ApiError> {
        Asked::of_address(query)
    }

    /// What a body says of the items of all collections.
    pub(crate) fn of_body(body: &Value) -> Result<Asked, ApiError> {
        let fields = body.as_object().ok_or_else(|| wrong("a search is a JSON object"))?;
        Asked::new(fields, "cql2-json")
    }

    fn of_address(query: Option<&str>) -> Result<Asked, ApiError> {
        let pairs = address::pairs(query)?;
        let asked = Asked::new(&address::json(&pairs)?, "cql2-text")?;
        Ok(Asked { pairs: Some(pairs), ..asked })
    }

    fn new(said: &Map<String, Value>, language: &str) -> Result<Asked, ApiError> {
        let known = |name: &str| NAMES.contains(&name) || name == TOKEN;
        if let Some(name) = said.keys().find(|name| !known(name)) {
            return Err(wrong(format!("`{name}` is nothing that items are searched by here")));
        }
        let given = |name: &str| said.get(name).filter(|value| !value.is_null());
        if given("bbox").is_some() && given("intersects").is_some() {
            return Err(wrong("`bbox` and `intersects` exclude each other"));
        }
        let within = given("datetime").map(datetime).transpose()?.unwrap_or_default();
        let intersects = given("intersects").map(cql2::geometry).transpose();
        let query = ItemQuery {
            collections: given("collections").map(|own| texts("collections", own)).transpose()?,
            ids: given("ids").map(|own| texts("ids", own)).transpose()?,
            bbox: given("bbox").map(bbox).transpose()?,
            intersects: intersects.map_err(|error| wrong(format!("`intersects`: {error}")))?,
            within,
            filter: filter(said, language)?,
            sort: given("sortby").map(sort).transpose()?.unwrap_or_default(),
            limit: given("limit").map_or(Ok(USUAL), limit)?,
            token: given(TOKEN).and_then(Value::as_str).map(str::to_owned),
        };
        let fields = given("fields").map(Fields::read).transpose()?.unwrap_or_default();
        Ok(Asked { query, fields, pairs: None })
    }
}

/// The reason is for the log: it may name files of this machine.
impl From<ItemError> for ApiError {
    fn from(error: ItemError) -> ApiError {
        match error {
            ItemError::Token => wrong(error.to_string()),
            ItemError::Sort(_) => ApiError::new(Code::FEATURE_UNSUPPORTED, error.to_string()),
            ItemError::Failed { collection, reason } => {
                tracing::error!(collection, reason, "items cannot be read");
                let message = format!(
                    "the items of `{collection}` cannot be read; the server's log says why"
                );
                ApiError::internal(message)
            }
        }
    }
}

fn wrong(message: impl Into<String>) -> ApiError {
    ApiError::http(StatusCode::BAD_REQUEST, "ParameterInvalid", message)
}

fn limit(value: &Value) -> Result<usize, ApiError> {
    let number = value.as_u64().filter(|number| *number > 0);
    let number = number.ok_or_else(|| wrong("`limit` is a number of items, 1 or more"))?;
    Ok(usize::try_from(number).unwrap_or(MOST).min(MOST))
}

fn texts(name: &str, value: &Value) -> Result<Vec<String>, ApiError> {
    let list = value.as_array();
    let texts =
        list.and_then(|list| list.iter().map(|own| own.as_str().map(str::to_owned)).collect());
    texts.ok_or_else(|| wrong(format!("`{name}` is a list of texts")))
}

fn bbox(value: &Value) -> Result<[f64; 4], ApiError> {
    let list = value.as_array();
    let numbers: Option<Vec<f64>> = list.and_then(|list| list.iter().map(Value::as_f64).collect());
    let flat = match numbers.as_deref() {
        Some(&[west, south, east, north] | &[west, south, _, east, north, _]) => {
            [west, south, east, north]
        }
        _ => return Err(wrong("`bbox` has 4 or 6 numbers: west, south, east, north in degrees")),
    };
    let [west, south, east, north] = flat;
    let there = |lon: f64, lat: f64| lon.abs() <= 180.0 && lat.abs() <= 90.0;
    if south > north || !there(west, south) || !there(east, north) {
        return Err(wrong("`bbox` is west, south, east, north in degrees, south before north"));
    }
    Ok(flat)
}

fn datetime(value: &Value) -> Result<Interval, ApiError> {
    value.as_str().and_then(Interval::parse).ok_or_else(|| {
        wrong(
            "`datetime` is an instant of RFC 3339, or two of them in their order with a slash between, one of which may \
            be `..`: `2022-06-01T00:00:00Z/..`",
        )
    })
}

fn filter(said: &Map<String, Value>, language: &str) -> Result<Option<Condition>, ApiError> {
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    if let Some(system) = text("filter-crs").filter(|system| !DEGREES.contains(system)) {
        let message = format!("`filter-crs` is `{}`, not `{system}`", DEGREES[0]);
        return Err(wrong(message));
    }
    let Some(filter) = said.get("filter").filter(|filter| !filter.is_null()) else {
        return Ok(None);
    };
    let condition = match (text("filter-lang").unwrap_or(language), filter) {
        ("cql2-json", filter) => Condition::parse_json(filter),
        ("cql2-text", Value::String(filter)) => Condition::parse_text(filter),
        ("cql2-text", _) => return Err(wrong("`filter` is a text in `cql2-text`")),
        (other, _) => {
            let message = format!("`filter-lang` is `cql2-text` or `cql2-json`, not `{other}`");
            return Err(wrong(message));
        }
    };
    condition.map(Some).map_err(|error| wrong(format!("`filter`: {error}")))
}

fn sort(value: &Value) -> Result<Vec<SortBy>, ApiError> {
    let one = |by: &Value| {
        let field = by.get("field")?.as_str().filter(|field| !field.is_empty())?.to_owned();
        let descending = match by.get("direction").and_then(Value::as_str).unwrap_or("asc") {
            "asc" => false,
            "desc" => true,
            _ => return None,
        };
        Some(SortBy { field, descending })
    };
    let sort = value.as_array().and_then(|list| list.iter().map(one).collect());
    sort.ok_or_else(|| wrong("`sortby` is a list of properties with `asc` or `desc`"))
}

#[cfg(test)]
mod tests;
