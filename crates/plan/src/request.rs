//! What a load asks for: a source, and the area, time, bands and items it is narrowed to.
//!
//! Filters that directly follow a load are folded into its request, because the labels, the grid and the types of
//! a loaded cube are decided from the request as a whole.

use std::fmt;
use std::sync::Arc;

use eolith_cube::time::Interval;
use eolith_cube::{Crs, Features};
use serde_json::Value as Json;

use crate::expr::Expr;
use crate::value::{Fault, Value};

/// A request to a source.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRequest {
    pub source: Source,
    /// All of them must contain a pixel's centre.
    pub boxes: Vec<BoundingBox>,
    /// Of all of them a geometry must have a pixel.
    pub geometries: Vec<Arc<Features>>,
    pub time: Option<Interval>,
    /// Names or common names, in the order wanted.
    pub bands: Option<Vec<String>>,
    /// All of them must accept an item.
    pub properties: Vec<PropertyFilter>,
}

/// Where a load reads from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A collection of this back-end, by id.
    Collection(String),
    /// A STAC item, collection, catalogue or collection of an API, by address.
    Stac(String),
    /// A file by its address, in a format that the process graph names.
    Url(String, InputFormat),
    /// The results of a job of the user, by its id.
    Result(String),
    /// Files of the user's workspace, in a format that the process graph names.
    Files(Vec<String>, InputFormat),
}

/// Formats that a process graph can load a file in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum InputFormat {
    GeoJson,
    Parquet,
    FlatGeobuf,
    GeoPackage,
    GTiff,
    NetCdf,
    Zarr,
}

/// A condition on one property of items.
///
/// Two filters are the same if they have the same name and the same expression.
#[derive(Clone)]
pub struct PropertyFilter {
    pub name: String,
    /// Of the property's value, as input 0.
    pub condition: Arc<Expr>,
    /// The same, or less, as the JSON form of CQL2, for services that can filter; never more, since what comes back
    /// is tested again.
    pub cql2: Option<Json>,
    /// The expression as a text that no other one has.
    identity: String,
}

/// A box in the units of its reference system.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundingBox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
    pub crs: Crs,
    /// Base and height, which say nothing of data without a vertical axis.
    pub vertical: Option<[f64; 2]>,
}

impl LoadRequest {
    /// Everything of a source.
    pub fn all(source: Source) -> LoadRequest {
        LoadRequest {
            source,
            boxes: Vec::new(),
            geometries: Vec::new(),
            time: None,
            bands: None,
            properties: Vec::new(),
        }
    }

    /// The boxes and those around the geometries.
    pub fn extents(&self) -> Vec<BoundingBox> {
        let around = self.geometries.iter().filter_map(|features| BoundingBox::around(features));
        self.boxes.iter().cloned().chain(around).collect()
    }
}

impl BoundingBox {
    /// The box around geometries, in their reference system; `None` without positions.
    pub fn around(features: &Features) -> Option<BoundingBox> {
        let [west, south, east, north] = features.bounds()?;
        Some(BoundingBox { west, south, east, north, crs: features.crs.clone(), vertical: None })
    }
}

impl Source {
    /// The id, address or first path, as the user wrote it.
    pub fn name(&self) -> &str {
        match self {
            Source::Collection(id) => id,
            Source::Stac(url) | Source::Url(url, _) => url,
            Source::Result(id) => id,
            Source::Files(paths, _) => paths.first().map_or("", String::as_str),
        }
    }

    /// The argument of a load that names it.
    pub fn argument(&self) -> &'static str {
        match self {
            Source::Collection(_) | Source::Result(_) => "id",
            Source::Stac(_) | Source::Url(..) => "url",
            Source::Files(..) => "paths",
        }
    }
}

impl fmt::Display for Source {
    /// For messages; the query of an address, where signatures are, is left out.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Source::Collection(id) => write!(f, "collection `{id}`"),
            Source::Result(id) => write!(f, "the results of job `{id}`"),
            Source::Stac(url) | Source::Url(url, _) => {
                write!(f, "`{}`", url.split('?').next().unwrap_or_default())
            }
            Source::Files(paths, _) => write!(f, "`{}`", paths.join("`, `")),
        }
    }
}

impl InputFormat {
    pub const ALL: [InputFormat; 7] = [
        InputFormat::GeoJson,
        InputFormat::Parquet,
        InputFormat::FlatGeobuf,
        InputFormat::GeoPackage,
        InputFormat::GTiff,
        InputFormat::NetCdf,
        InputFormat::Zarr,
    ];

    /// In GDAL's spelling.
    pub fn name(self) -> &'static str {
        match self {
            InputFormat::GeoJson => "GeoJSON",
            InputFormat::Parquet => "Parquet",
            InputFormat::FlatGeobuf => "FlatGeobuf",
            InputFormat::GeoPackage => "GPKG",
            InputFormat::GTiff => "GTiff",
            InputFormat::NetCdf => "netCDF",
            InputFormat::Zarr => "Zarr",
        }
    }

    /// By name, in any case; users also write `GeoParquet`, `GeoPackage`, `GeoTIFF` and `COG`.
    pub fn from_name(name: &str) -> Option<InputFormat> {
        let is = |other: &str| other.eq_ignore_ascii_case(name);
        match InputFormat::ALL.into_iter().find(|format| is(format.name())) {
            None if is("GeoParquet") => Some(InputFormat::Parquet),
            None if is("GeoPackage") => Some(InputFormat::GeoPackage),
            None if is("GeoTIFF") || is("COG") => Some(InputFormat::GTiff),
            found => found,
        }
    }

    /// Whether it holds geometries, not pixels.
    pub fn is_vector(self) -> bool {
        match self {
            InputFormat::GeoJson
            | InputFormat::Parquet
            | InputFormat::FlatGeobuf
            | InputFormat::GeoPackage => true,
            InputFormat::GTiff | InputFormat::NetCdf | InputFormat::Zarr => false,
        }
    }
}

impl PropertyFilter {
    pub fn new(name: String, condition: Arc<Expr>, cql2: Option<Json>) -> PropertyFilter {
        let identity = format!("{condition:?}");
        PropertyFilter { name, condition, cql2, identity }
    }

    /// Whether an item with this value (null where it has none) is wanted. No-data is not "yes".
    ///
    /// # Errors
    /// The condition's own, and `ProcessParameterInvalid` where it gives no boolean.
    pub fn accepts(&self, value: &Json) -> Result<bool, Fault> {
        match self.condition.evaluate(&[Value::from_json(value)])? {
            Value::Bool(answer) => Ok(answer),
            Value::Null => Ok(false),
            other => Err(Fault::argument(
                "properties",
                format!(
                    "has a condition on `{}` that gives {}, not a boolean",
                    self.name,
                    other.kind()
                ),
            )),
        }
    }

    fn key(&self) -> (&str, &str) {
        (&self.name, &self.identity)
    }
}

impl PartialEq for PropertyFilter {
    fn eq(&self, other: &PropertyFilter) -> bool {
        self.key() == other.key()
    }
}

impl Eq for PropertyFilter {}

impl PartialOrd for PropertyFilter {
    fn partial_cmp(&self, other: &PropertyFilter) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PropertyFilter {
    fn cmp(&self, other: &PropertyFilter) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}

impl std::hash::Hash for PropertyFilter {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

impl fmt::Debug for PropertyFilter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PropertyFilter({}: {})", self.name, self.identity)
    }
}
