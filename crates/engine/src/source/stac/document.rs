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
    pub title: Option<String>,
    pub description: Option<String>,
    #[serde(default)]
    pub links: Vec<Link>,
    /// What a service can do, where this is its landing page.
    #[serde(default, rename = "conformsTo")]
    pub conforms_to: Vec<String>,
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
    #[serde(default)]
    pub assets: Map<String, Value>,
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
    pub collection: Option<String>,
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
    /// How a service wants to be asked; `GET` if it does not say.
    pub method: Option<String>,
    #[serde(default)]
    pub headers: Option<Map<String, Value>>,
    #[serde(default)]
    pub body: Option<Map<String, Value>>,
    /// Whether `body` is added to that of the question before.
    #[serde(default)]
    pub merge: bool,
}

impl Catalog {
    /// Whether one of the conformance classes has this in its name.
    pub fn conforms(&self, class: &str) -> bool {
        self.conforms_to.iter().any(|own| own.contains(class))
    }
}

impl Link {
    pub fn is_post(&self) -> bool {
        self.method.as_deref().is_some_and(|method| method.eq_ignore_ascii_case("post"))
    }
}

/// Reads the document at `location`, and tells where it is in the end.
///
/// # Errors
/// [`SourceError::Storage`] where it cannot be had, [`SourceError::Invalid`] where it is no STAC 1.x document.
pub async fn read(location: &Location) -> Result<(Location, Document), SourceError> {
    let (location, bytes) = location.read_document().await?;
    let href = crate::storage::shown(location.href());
    let value: Value = serde_json::from_slice(&bytes).map_err(|e| invalid(&href, e))?;
    let document = parse(&href, value)?;
    Ok((location, document))
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
