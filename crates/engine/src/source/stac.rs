//! SpatioTemporal Asset Catalogs: JSON documents that link to each other, and services that search them.
//!
//! ```text
//! read      an address → Document: catalogue, collection, item, page of items
//! walk      links: the collections below a document, the items of a collection
//! api       services: their collections, and the items of a search, page by page
//! item      an item → ItemScene: its time, its box, and one ItemBand for every band of its GeoTIFF assets
//! band      what is said of a band, in the words of STAC 1.0 (`eo:bands`, `raster:bands`) or 1.1 (`bands`)
//! projection  `proj:` fields → the pixel grid
//! ```
//! Fields are read wherever a version puts them: one reader serves 1.0 and 1.1. No pixel file is opened here:
//! what an item leaves out is `None`, and `catalog` asks the file.

mod api;
mod band;
mod document;
mod item;
mod projection;
#[cfg(test)]
mod tests;
mod walk;

pub use api::{Api, Hits, Next, Search};
pub use band::{BandInfo, number};
pub use document::{Asset, Catalog, Collection, Document, Extent, Item, Link, read};
pub use item::{ItemBand, ItemScene, collection_bands, scene};
pub use walk::{Found, collections, items};

use super::SourceError;

/// A STAC document that cannot be used.
fn invalid(href: &str, reason: impl std::fmt::Display) -> SourceError {
    SourceError::Invalid {
        href: href.to_owned(),
        format: "STAC document",
        reason: reason.to_string(),
    }
}
