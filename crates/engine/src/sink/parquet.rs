//! Vector cubes as GeoParquet 1.1: one row a geometry, the geometries as well-known binary.
//!
//! Which columns there are is said by [`super::table`]. The reference system is that of the geometries, as PROJJSON;
//! where no text of it is known they are brought to longitude and latitude (`OGC:CRS84`, the default of the format).
//! All rows are one group and all columns may be null. Pages are not compressed: tables of zones are small.

mod column;
mod wkb;

use std::path::Path;
use std::sync::Arc;

use ::parquet::errors::ParquetError;
use ::parquet::file::metadata::KeyValue;
use ::parquet::file::properties::{EnabledStatistics, WriterProperties};
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::types::{ColumnPath, Type};
use eolith_cube::{Crs, Geometry, Schema};
use serde_json::{Value as Json, json};

use self::column::{Cells, Kind};
use super::format::FormatDescription;
use super::table::{self, Table};
use super::{Options, OutputFile, ResultView, SinkError, file};
use crate::crs_text::projjson;

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "Parquet",
    title: "GeoParquet",
    description: "One row for each geometry of a vector cube (GeoParquet 1.1, well-known binary). Properties of the \
                  features are columns beside those of values, which are named by the labels of the other dimensions, \
                  joined by `~`. Missing values are null.",
    media_type: "application/vnd.apache.parquet",
    extension: "parquet",
    gis_data_types: &["vector", "table"],
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
    let (crs, geometries, notes) = placed(&table)?;
    file::write(path, |out| {
        let failed = |error: ParquetError| file::error_at(path, &error);
        let columns = Columns::of(&table);
        let metadata = metadata(&table.geometry, crs.as_ref(), &geometries).to_string();
        let geometry = ColumnPath::new(vec![table.geometry.clone()]);
        let properties = WriterProperties::builder()
            .set_created_by("eolith".to_owned())
            .set_dictionary_enabled(false)
            .set_column_statistics_enabled(geometry, EnabledStatistics::None)
            .set_key_value_metadata(Some(vec![KeyValue::new("geo".to_owned(), metadata)]))
            .build();
        let schema = columns.schema().map_err(failed)?;
        let mut writer =
            SerializedFileWriter::new(out, schema, Arc::new(properties)).map_err(failed)?;
        let mut group = writer.next_row_group().map_err(failed)?;
        for (i, (_, kind)) in columns.0.iter().enumerate() {
            let cells = cells(&table, i, *kind, &geometries, result)?;
            let mut column = group.next_column().map_err(failed)?.ok_or_else(|| {
                SinkError::Read("there are fewer columns than planned".to_owned())
            })?;
            cells.write(&mut column).map_err(failed)?;
            column.close().map_err(failed)?;
        }
        group.close().map_err(failed)?;
        writer.close().map_err(failed)?;
        Ok(())
    })?;
    let media_type = DESCRIPTION.media_type;
    Ok(vec![OutputFile { path: path.to_owned(), media_type, notes, image: None }])
}

/// Bytes that writing takes: the geometries and their binary form, and one column.
///
/// # Errors
/// The result has no geometries, too many columns, or needs more than `limit`.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    file::check(options, &DESCRIPTION)?;
    let table = Table::of(schema, FORMAT)?;
    let rows = table.rows() as u64;
    // What the writer keeps of a column until the end is its metadata.
    let columns = (table.properties.len() + table.values.len()) as u64 * 2048;
    let needed = 4 * table.features.positions() as u64 * 16 + rows * 256 + columns + (1 << 20);
    if needed > limit {
        return Err(SinkError::Memory { format: FORMAT, needed, allowed: limit });
    }
    Ok(needed)
}

type Placed = (Option<Json>, Vec<Option<Geometry>>, Vec<String>);

/// The PROJJSON of the geometries' system (`None` is the default of the format), the geometries in it, and notes.
fn placed(table: &Table<'_>) -> Result<Placed, SinkError> {
    let features = table.features;
    let wgs84 = Crs::wgs84();
    let text = projjson(&features.crs).and_then(|text| serde_json::from_str(&text).ok());
    let (crs, notes) = match text {
        _ if features.crs == wgs84 => (None, Vec::new()),
        Some(json) => (Some(json), Vec::new()),
        None => {
            let note = format!(
                "there is no PROJJSON of `{}`, so the geometries are written in longitude and latitude",
                features.crs
            );
            (None, vec![note])
        }
    };
    let system = if crs.is_some() { &features.crs } else { &wgs84 };
    let geometries = features
        .in_crs(system)
        .map_err(|e| SinkError::Unsuitable { format: FORMAT, reason: e.to_string() })?;
    Ok((crs, geometries, notes))
}

/// The value of the key `geo`.
fn metadata(name: &str, crs: Option<&Json>, geometries: &[Option<Geometry>]) -> Json {
    let mut kinds: Vec<&str> = geometries.iter().flatten().map(|own| wkb::kind(own).0).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let mut column = json!({ "encoding": "WKB", "geometry_types": kinds });
    if let Some(crs) = crs {
        column["crs"] = crs.clone();
    }
    let boxes = geometries.iter().flatten().filter_map(Geometry::bounds);
    let around =
        boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
    if let Some(around) = around {
        column["bbox"] = json!(around);
    }
    json!({ "version": "1.1.0", "primary_column": name, "columns": { name: column } })
}

/// Names and kinds of all columns: the id, properties, values, and the geometry.
struct Columns(Vec<(String, Kind)>);

impl Columns {
    fn of(table: &Table<'_>) -> Columns {
        let id = table.id_name.iter().map(|name| (name.clone(), Kind::Text));
        let properties = (table.properties.iter())
            .map(|(key, name)| (name.clone(), Kind::of_json(&table.property(key))));
        let number = Kind::of_dtype(table.schema.dtype());
        let values = table.values.iter().map(|name| (name.clone(), number));
        let geometry = std::iter::once((table.geometry.clone(), Kind::Binary));
        Columns(id.chain(properties).chain(values).chain(geometry).collect())
    }

    fn schema(&self) -> Result<Arc<Type>, ParquetError> {
        let fields: Result<Vec<Arc<Type>>, ParquetError> =
            self.0.iter().map(|(name, kind)| kind.field(name).map(Arc::new)).collect();
        Ok(Arc::new(Type::group_type_builder("schema").with_fields(fields?).build()?))
    }
}

/// The cells of a column.
fn cells(
    table: &Table<'_>,
    column: usize,
    kind: Kind,
    geometries: &[Option<Geometry>],
    result: &dyn ResultView,
) -> Result<Cells, SinkError> {
    let before = usize::from(table.id_name.is_some());
    let (properties, values) = (table.properties.len(), table.values.len());
    Ok(match column.checked_sub(before) {
        None => {
            let labels = table.ids.iter().flat_map(|ids| ids.iter());
            Cells::texts(labels.map(|label| Some(table::text(&label).into_bytes())))
        }
        Some(i) if i < properties => Cells::json(kind, &table.property(&table.properties[i].0)),
        Some(i) if i < properties + values => Cells::block(&table.column(result, i - properties)?),
        Some(_) => Cells::texts(geometries.iter().map(|own| own.as_ref().map(wkb::encode))),
    })
}
