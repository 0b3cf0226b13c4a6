//! Vector cubes as GeoJSON (RFC 7946): one feature a geometry, its properties and values side by side.
//!
//! Which values a feature has and what they are called is said by [`super::table`]. Positions are longitude and
//! latitude of WGS 84, whatever the geometries were given in; edges stay straight between them. Missing values are
//! null, and so are NaN and infinities, which JSON does not have.

use std::io::{self, Write};
use std::path::Path;

use eolith_cube::{Block, Crs, Geometry, Schema, Values};
use serde_json::{Map, Value as Json, json};

use super::format::FormatDescription;
use super::table::Table;
use super::{Options, OutputFile, ResultView, SinkError, file};

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "GeoJSON",
    title: "GeoJSON",
    description: "One feature for each geometry of a vector cube, in longitude and latitude of WGS 84. Its own \
                  properties stand beside the values, which are named by the labels of the other dimensions, joined \
                  by `~`. Missing values, NaN and infinities are null.",
    media_type: "application/geo+json",
    extension: "geojson",
    gis_data_types: &["vector"],
    parameters: &[],
};

const FORMAT: &str = DESCRIPTION.name;

/// Writes the cube to `path`. `budget` bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let schema = result.schema();
    working_memory(schema, options, budget)?;
    let table = Table::of(schema, FORMAT)?;
    let geometries = table.features.in_crs(&Crs::wgs84()).map_err(|e| unsuitable(e.to_string()))?;
    file::write(path, |out| {
        let failed = |error: io::Error| file::error_at(path, &error);
        out.write_all(b"{\"type\":\"FeatureCollection\",\"features\":[").map_err(failed)?;
        for (row, geometry) in geometries.iter().enumerate() {
            let separator = if row > 0 { ",\n" } else { "\n" };
            let feature = feature(&table, row, geometry.as_ref(), &table.row(result, row)?);
            write!(out, "{separator}{feature}").map_err(failed)?;
        }
        out.write_all(b"\n]}\n").map_err(failed)
    })?;
    let media_type = DESCRIPTION.media_type;
    Ok(vec![OutputFile { path: path.to_owned(), media_type, notes: Vec::new(), image: None }])
}

/// Bytes that writing takes: the geometries in degrees, and one row.
///
/// # Errors
/// The result has no geometries, too many columns, or needs more than `limit`.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    file::check(options, &DESCRIPTION)?;
    let table = Table::of(schema, FORMAT)?;
    let names: usize = table.values.iter().map(String::len).sum();
    let row = (names + table.values.len() * 128) as u64;
    let needed = 32 * table.features.positions() as u64 + row + (1 << 16);
    if needed > limit {
        return Err(SinkError::Memory { format: FORMAT, needed, allowed: limit });
    }
    Ok(needed)
}

fn unsuitable(reason: String) -> SinkError {
    SinkError::Unsuitable { format: FORMAT, reason }
}

fn feature(table: &Table<'_>, row: usize, geometry: Option<&Geometry>, values: &Block) -> Json {
    let own = &table.features.list[row];
    let mut properties = Map::new();
    for (key, name) in &table.properties {
        let value = own.properties.get(key).cloned().unwrap_or_default();
        properties.insert(name.clone(), value);
    }
    for (i, name) in table.values.iter().enumerate() {
        properties.insert(name.clone(), value(values, i));
    }
    let mut feature = Map::from_iter([("type".to_owned(), json!("Feature"))]);
    if let Some(id) = own.id.as_ref().filter(|_| table.ids.is_some()) {
        feature.insert("id".to_owned(), id.clone());
    }
    feature.insert("geometry".to_owned(), geometry.map_or(Json::Null, Geometry::to_json));
    feature.insert("properties".to_owned(), properties.into());
    feature.into()
}

fn value(block: &Block, index: usize) -> Json {
    if !block.is_valid(index) {
        return Json::Null;
    }
    match &block.values {
        Values::Bool(v) => json!(v[index]),
        Values::U8(v) => json!(v[index]),
        Values::I8(v) => json!(v[index]),
        Values::U16(v) => json!(v[index]),
        Values::I16(v) => json!(v[index]),
        Values::U32(v) => json!(v[index]),
        Values::I32(v) => json!(v[index]),
        Values::U64(v) => json!(v[index]),
        Values::I64(v) => json!(v[index]),
        // The shortest that reads back as the same number. Not finite ones are null.
        Values::F32(v) => json!(v[index].to_string().parse::<f64>().unwrap_or(v[index].into())),
        Values::F64(v) => json!(v[index]),
    }
}
