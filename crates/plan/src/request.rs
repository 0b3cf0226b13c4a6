//! What a load asks for: the collection, and the area, time and bands it is narrowed to.
//!
//! Filters that directly follow a load are folded into its request, because the labels, the grid and the types of
//! a loaded cube are decided from the request as a whole.

use eolith_cube::Crs;
use eolith_cube::time::Interval;

/// A request to a collection.
#[derive(Clone, Debug, PartialEq)]
pub struct LoadRequest {
    pub collection: String,
    /// All of them must contain a pixel's centre.
    pub boxes: Vec<BoundingBox>,
    pub time: Option<Interval>,
    /// Names or common names, in the order wanted.
    pub bands: Option<Vec<String>>,
}

/// A box in the units of its reference system.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundingBox {
    pub west: f64,
    pub south: f64,
    pub east: f64,
    pub north: f64,
    pub crs: Crs,
}

impl LoadRequest {
    pub fn all(collection: impl Into<String>) -> LoadRequest {
        LoadRequest { collection: collection.into(), boxes: Vec::new(), time: None, bands: None }
    }
}
