//! The grid-mapping variable.

use eolith_cube::{Crs, Schema, SpatialAxis};
use netcdf_writer::{NcAttrValue, NcFileBuilder, Result};

use super::layout::Names;
use crate::crs_text::{CfValue, cf_attributes, wkt};

/// The reference system of a cube and where its pixels are.
pub(super) struct Mapping {
    pub(super) name: String,
    /// `EPSG:…`, for readers that look for a name at the data variables (rioxarray, unless it is told to
    /// decode grid mappings).
    pub(super) code: Option<String>,
    crs: Crs,
    /// GDAL's six numbers, where both axes are evenly spaced.
    transform: Option<[f64; 6]>,
}

impl Mapping {
    /// `None` for a cube without a reference system. `names` gives the variable a free name.
    pub(super) fn of(
        schema: &Schema,
        names: &mut Names,
        notes: &mut Vec<String>,
    ) -> Option<Mapping> {
        let axis = |axis| schema.spatial(axis).map(|i| &schema.dims[i]);
        let (x, y) = (axis(SpatialAxis::X)?, axis(SpatialAxis::Y)?);
        let crs = x.crs().or(y.crs())?.clone();
        let transform = schema.grid().ok().map(|grid| {
            let ((left, _), (top, _)) = (grid.x.edges(), grid.y.edges());
            [left, grid.x.step, 0.0, top, 0.0, grid.y.step]
        });
        let code = crs.code().map(|code| format!("EPSG:{code}"));
        if crs.unit_metres().is_some_and(|metres| metres != 1.0) {
            notes.push(format!(
                "coordinates are in the unit {}: GDAL 3.10 places such NetCDF files wrongly, xarray does not",
                crs.unit_name()
            ));
        }
        Some(Mapping { name: names.give("crs", "variable", notes), code, crs, transform })
    }
}

/// Adds the variable: CF's attributes, WKT under the names of CF and of GDAL, and GDAL's transform.
pub(super) fn write(file: &mut NcFileBuilder, mapping: &Mapping) -> Result<()> {
    let id = file.add_variable::<i32>(&mapping.name, &[])?;
    file.write_variable(id, &[0])?;
    for (name, value) in cf_attributes(&mapping.crs) {
        let value = match value {
            CfValue::Text(text) => NcAttrValue::Chars(text),
            CfValue::Number(number) => NcAttrValue::Doubles(vec![number]),
            CfValue::Numbers(numbers) => NcAttrValue::Doubles(numbers),
        };
        file.add_variable_attribute(id, name, value)?;
    }
    if let Some(wkt) = wkt(&mapping.crs) {
        for name in ["crs_wkt", "spatial_ref"] {
            file.add_variable_attribute(id, name, NcAttrValue::Chars(wkt.to_string()))?;
        }
    }
    if let Some(transform) = mapping.transform {
        let text = transform.map(|number| number.to_string()).join(" ");
        file.add_variable_attribute(id, "GeoTransform", NcAttrValue::Chars(text))?;
    }
    Ok(())
}
