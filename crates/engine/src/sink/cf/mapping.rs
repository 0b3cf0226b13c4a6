//! The grid mapping: the reference system of a cube and where its pixels are.

use eolith_cube::{Crs, Schema, SpatialAxis};

use super::{Attributes, text};
use crate::crs_text::{CfValue, cf_attributes, wkt};

pub(in crate::sink) struct Mapping {
    pub(in crate::sink) name: String,
    pub(in crate::sink) crs: Crs,
    /// GDAL's six numbers, where both axes are evenly spaced.
    transform: Option<[f64; 6]>,
}

impl Mapping {
    /// `None` for a cube without a reference system; `name` is asked only where there is one.
    pub(super) fn of(schema: &Schema, name: impl FnOnce() -> String) -> Option<Mapping> {
        let axis = |axis| schema.spatial(axis).map(|i| &schema.dims[i]);
        let (x, y) = (axis(SpatialAxis::X)?, axis(SpatialAxis::Y)?);
        let crs = x.crs().or(y.crs())?.clone();
        let transform = schema.grid().ok().map(|grid| {
            let ((left, _), (top, _)) = (grid.x.edges(), grid.y.edges());
            [left, grid.x.step, 0.0, top, 0.0, grid.y.step]
        });
        Some(Mapping { name: name(), crs, transform })
    }

    /// `EPSG:…`, where the reference system has a code.
    pub(in crate::sink) fn code(&self) -> Option<String> {
        self.crs.code().map(|code| format!("EPSG:{code}"))
    }

    /// The attribute by which an array of pixels refers to the mapping.
    pub(super) fn reference(&self) -> (String, CfValue) {
        text("grid_mapping", &self.name)
    }

    /// CF's parameters, WKT under the names of CF and of GDAL, and GDAL's transform.
    pub(in crate::sink) fn attributes(&self) -> Attributes {
        let mut attributes = cf_attributes(&self.crs);
        if let Some(wkt) = wkt(&self.crs) {
            attributes.extend([text("crs_wkt", &wkt), text("spatial_ref", &wkt)]);
        }
        if let Some(transform) = self.transform {
            let numbers = transform.map(|number| number.to_string());
            attributes.push(text("GeoTransform", &numbers.join(" ")));
        }
        attributes
    }
}
