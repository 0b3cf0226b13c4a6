//! The documents of STAC, as far as they are read; all other fields are kept as they came.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::invalid;
use crate::source::SourceError;
use crate::storage::Location;

/// Any STAC document.
#[derive(Clone, Debug)]
pub enum Document {
    Catalog(Catalog),
    Collection(Box<Collection>),
    Item(Box<Item>),
    /// A GeoJSON feature collection of items, as behind a link `items`.
    Page {
        items: Vec<Item>,
        links: Vec<Link>,
    },
}

#[derive(Clone, Debug, Deserialize)]
pub struct Catalog {
    pub id: String,
    #[serde(default)]
    pub links: Vec<Link>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Collection {
    pub id: String,
    pub title: Option<String>,
    pub description: Option<String>,
    pub license: Option<String>,
    #[serde(default)]
    pub keywords: Option<Vec<String>>,
    #[serde(default)]
    pub providers: Option<Vec<Value>>,
    #[serde(default)]
    pub extent: Extent,
    #[serde(default)]
    pub links: Vec<Link>,
    #[serde(default)]
    pub summaries: Map<String, Value>,
    #[serde(default)]
    pub item_assets: Map<String, Value>,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

/// Boxes and intervals; the first one of each is the whole.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Extent {
    #[serde(default)]
    pub spatial: Spatial,
    #[serde(default)]
    pub temporal: Temporal,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Spatial {
    #[serde(default)]
    pub bbox: Vec<Vec<f64>>,
}

#[derive(Clone, Debug, Default, Deserialize)]
pub struct Temporal {
    #[serde(default)]
    pub interval: Vec<[Option<String>; 2]>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Item {
    pub id: String,
    pub bbox: Option<Vec<f64>>,
    pub geometry: Option<Value>,
    #[serde(default)]
    pub properties: Map<String, Value>,
    /// In the order of the document.
    #[serde(default)]
    pub assets: Map<String, Value>,
    #[serde(default)]
    pub links: Vec<Link>,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Asset {
    pub href: String,
    #[serde(rename = "type")]
    pub media_type: Option<String>,
    pub roles: Option<Vec<String>>,
    #[serde(flatten)]
    pub fields: Map<String, Value>,
}

#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Link {
    pub rel: String,
    pub href: String,
    #[serde(rename = "type")]
    pub media_type: Option<String>,
    pub title: Option<String>,
}

/// Reads the document at `location`.
///
/// # Errors
/// [`SourceError::Storage`] where it cannot be had, [`SourceError::Invalid`] where it is no STAC 1.x document.
pub async fn read(location: &Location) -> Result<Document, SourceError> {
    let bytes = location.read().await?;
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| invalid(location.href(), e))?;
    parse(location.href(), value)
}

pub(super) fn parse(href: &str, value: Value) -> Result<Document, SourceError> {
    let text = |key: &str| value.get(key).and_then(Value::as_str);
    let kind = text("type").unwrap_or_default().to_owned();
    let version = text("stac_version").unwrap_or_default();
    if kind != "FeatureCollection" && !version.starts_with("1.") {
        let reason = match version {
            "" => "it has no `stac_version`".to_owned(),
            other => format!("it is of STAC version `{other}`, 1.0 and 1.1 are read"),
        };
        return Err(invalid(href, reason));
    }
    let broken = |e: serde_json::Error| invalid(href, e);
    Ok(match kind.as_str() {
        "Catalog" => Document::Catalog(serde_json::from_value(value).map_err(broken)?),
        "Collection" => {
            Document::Collection(Box::new(serde_json::from_value(value).map_err(broken)?))
        }
        "Feature" => Document::Item(Box::new(serde_json::from_value(value).map_err(broken)?)),
        "FeatureCollection" => {
            #[derive(Deserialize)]
            struct Page {
                features: Vec<Item>,
                #[serde(default)]
                links: Vec<Link>,
            }
            let page: Page = serde_json::from_value(value).map_err(broken)?;
            Document::Page { items: page.features, links: page.links }
        }
        other => return Err(invalid(href, format!("its `type` is `{other}`"))),
    })
}
