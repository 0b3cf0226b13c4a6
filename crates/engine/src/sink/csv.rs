//! Vector cubes and series as CSV (RFC 4180): a row for every geometry and time, a column for every combination of the
//! other labels.
//!
//! ```text
//! geometry,t,<properties>,B04,B08            t,B04,B08
//! field 1,2020-01-01,rye,1,2                 2020-01-01,1,2
//! ```
//! The first columns have the names of their dimensions and hold the labels. A cube with neither geometries nor times
//! has rows for its first dimension. Labels of columns are joined as by `flatten_dimensions`. Missing values are empty;
//! the others are the shortest texts that read back as the same number.

use std::path::Path;

use eolith_cube::{Block, Features, Kind, Labels, Region, Schema, Values};
use serde_json::Value as Json;

use super::format::FormatDescription;
use super::table::{Names, joined, text};
use super::{Options, OutputFile, ResultView, SinkError, file};

pub const DESCRIPTION: FormatDescription = FormatDescription {
    name: "CSV",
    title: "Comma-separated values",
    description: "Vector cubes and series: one row for each geometry and time, with the properties of the features, and \
                  one column for each combination of the other labels, joined by `~`. Geometries are given by their \
                  labels. Missing values are empty.",
    media_type: "text/csv",
    extension: "csv",
    gis_data_types: &["vector", "table"],
    parameters: &[],
};

const FORMAT: &str = DESCRIPTION.name;

/// Columns of values at most: no program that reads tables is of use with more.
const MOST_COLUMNS: usize = 10_000;

/// What the rows and columns of a result are.
struct Layout<'a> {
    schema: &'a Schema,
    shape: Vec<usize>,
    /// Dimensions whose labels are rows, in their order.
    rows: Vec<usize>,
    /// Names of the columns of these, of properties with their keys, and of values.
    labels: Vec<String>,
    properties: Vec<(&'a str, String)>,
    values: Vec<String>,
    features: Option<(usize, &'a Features)>,
}

/// Writes the cube to `path`. `budget` bounds memory in bytes.
pub fn write(
    result: &dyn ResultView,
    options: &Options,
    budget: u64,
    path: &Path,
) -> Result<Vec<OutputFile>, SinkError> {
    let schema = result.schema();
    working_memory(schema, options, budget)?;
    let layout = Layout::of(schema)?;
    file::write(path, |out| {
        let failed = |error: csv::Error| file::error_at(path, &error);
        let mut writer = csv::Writer::from_writer(out);
        let properties = layout.properties.iter().map(|(_, name)| name);
        let names = layout.labels.iter().chain(properties).chain(&layout.values);
        writer.write_record(names).map_err(failed)?;
        let count: usize = layout.rows.iter().map(|&dim| layout.shape[dim]).product();
        for row in 0..count {
            writer.write_record(layout.record(row, result)?).map_err(failed)?;
        }
        writer.flush().map_err(|e| file::error_at(path, &e))
    })?;
    let media_type = DESCRIPTION.media_type;
    Ok(vec![OutputFile { path: path.to_owned(), media_type, notes: Vec::new(), image: None }])
}

/// Bytes that writing takes: one row.
///
/// # Errors
/// The result is pixels, has too many columns, or needs more than `limit`.
pub fn working_memory(schema: &Schema, options: &Options, limit: u64) -> Result<u64, SinkError> {
    file::check(options, &DESCRIPTION)?;
    let layout = Layout::of(schema)?;
    let names: usize = layout.values.iter().map(String::len).sum();
    let needed = (names + layout.values.len() * 128) as u64 + (1 << 16);
    if needed > limit {
        return Err(SinkError::Memory { format: FORMAT, needed, allowed: limit });
    }
    Ok(needed)
}

impl<'a> Layout<'a> {
    fn of(schema: &'a Schema) -> Result<Layout<'a>, SinkError> {
        let unsuitable = |reason: String| SinkError::Unsuitable { format: FORMAT, reason };
        if schema.dims.iter().any(|dim| matches!(dim.kind, Kind::Spatial { .. })) {
            let reason =
                "it has pixels; it holds vector cubes, as those of `aggregate_spatial`, and series";
            return Err(unsuitable(reason.to_owned()));
        }
        let shape = schema
            .shape()
            .ok_or_else(|| unsuitable("it has dimensions without labels".to_owned()))?;
        let is_row = |kind: &Kind| matches!(kind, Kind::Geometry(_) | Kind::Temporal);
        let mut rows: Vec<usize> =
            (0..shape.len()).filter(|&i| is_row(&schema.dims[i].kind)).collect();
        if rows.is_empty() && !shape.is_empty() {
            rows.push(0);
        }
        let others: Vec<&Labels> = (schema.dims.iter().enumerate())
            .filter(|(i, _)| !rows.contains(i))
            .filter_map(|(_, dim)| dim.labels())
            .collect();
        let count = others.iter().fold(1_usize, |n, labels| n.saturating_mul(labels.len()));
        if count > MOST_COLUMNS {
            return Err(unsuitable(format!(
                "{count} combinations of labels are more than {MOST_COLUMNS} columns"
            )));
        }
        let mut names = Names::default();
        let labels = rows.iter().map(|&dim| names.take(&schema.dims[dim].name)).collect();
        let features = (schema.dims.iter().enumerate())
            .find_map(|(i, dim)| dim.features().map(|features| (i, &**features)));
        let keys = features.map(|(_, features)| super::table::keys(features)).unwrap_or_default();
        let properties = keys.into_iter().map(|key| (key, names.take(key))).collect();
        let values = joined(&others).iter().map(|name| names.take(name)).collect();
        Ok(Layout { schema, shape, rows, labels, properties, values, features })
    }

    /// The cells of a row.
    fn record(&self, row: usize, result: &dyn ResultView) -> Result<Vec<String>, SinkError> {
        let mut region = Region::whole(&self.shape);
        let mut rest = row;
        for &dim in self.rows.iter().rev() {
            let i = rest % self.shape[dim];
            rest /= self.shape[dim];
            region.0[dim] = i..i + 1;
        }
        let label = |dim: &usize| -> String {
            let labels = self.schema.dims[*dim].labels();
            labels.map(|labels| text(&labels.get(region.0[*dim].start))).unwrap_or_default()
        };
        let mut record: Vec<String> = self.rows.iter().map(label).collect();
        if let Some((dim, features)) = self.features {
            let own = &features.list[region.0[dim].start].properties;
            record.extend(self.properties.iter().map(|(key, _)| property(own.get(*key))));
        }
        let block = result.read(&region)?;
        record.extend((0..block.len()).map(|i| cell(&block, i)));
        Ok(record)
    }
}

fn property(value: Option<&Json>) -> String {
    match value {
        None | Some(Json::Null) => String::new(),
        Some(Json::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn cell(block: &Block, index: usize) -> String {
    if !block.is_valid(index) {
        return String::new();
    }
    match &block.values {
        Values::Bool(v) => v[index].to_string(),
        Values::F32(v) => v[index].to_string(),
        Values::F64(v) => v[index].to_string(),
        integers => integers.get(index).to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use eolith_cube::{Crs, DType, Dimension, Feature};
    use serde_json::json;

    use super::*;
    use crate::sink::sample::{Sample, bands, times, y};

    fn written(cube: &Sample) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.csv");
        write(cube, &BTreeMap::new(), 1 << 20, &path).unwrap();
        std::fs::read_to_string(path).unwrap()
    }

    fn zones() -> Dimension {
        let feature = |id: &str, properties: Json| Feature {
            id: Some(json!(id)),
            geometry: None,
            properties: properties.as_object().cloned().unwrap_or_default(),
        };
        let list = vec![
            feature("a,b", json!({ "crop": "rye \"old\"", "n": 3 })),
            feature("c", json!({ "a": [1, 2] })),
        ];
        let features = Features { crs: Crs::wgs84(), list };
        let labels = features.labels();
        Dimension::new("geometry", Kind::Geometry(Arc::new(features)), labels)
    }

    #[test]
    fn rows_are_geometries_and_times() {
        let dims = vec![times(&["2020-01-01", "2021-01-01"]), zones(), bands(&["a", "b"])];
        let digits =
            |i: &[usize]| (i != [1, 1, 1]).then_some((100 * i[0] + 10 * i[1] + i[2]) as f64 + 0.5);
        let text = written(&Sample::new(dims, DType::F64, digits));
        let expected = "t,geometry,crop,n,a,b\n\
             2020-01-01,\"a,b\",\"rye \"\"old\"\"\",3,,0.5,1.5\n\
             2020-01-01,c,,,\"[1,2]\",10.5,11.5\n\
             2021-01-01,\"a,b\",\"rye \"\"old\"\"\",3,,100.5,101.5\n\
             2021-01-01,c,,,\"[1,2]\",110.5,\n";
        // The property `a` and the band `a`.
        let expected = expected.replacen("n,a,b\n", "n,a,a_2,b\n", 1);
        assert_eq!(text, expected);
    }

    #[test]
    fn series_and_single_values_are_rows() {
        let series =
            Sample::new(vec![bands(&["x"]), times(&["2020-01-01"])], DType::U8, |_| Some(7.0));
        assert_eq!(written(&series), "t,x\n2020-01-01,7\n");
        let only = Sample::new(vec![bands(&["x", "y"])], DType::F32, |i| Some(i[0] as f64 + 0.1));
        assert_eq!(written(&only), "bands,value\nx,0.1\ny,1.1\n");
        let one = Sample::new(Vec::new(), DType::F64, |_| Some(f64::NAN));
        assert_eq!(written(&one), "value\nNaN\n");
    }

    #[test]
    fn pixels_are_refused() {
        let pixels = Sample::new(vec![y(2)], DType::U8, |_| None);
        assert!(matches!(Layout::of(&pixels.schema), Err(SinkError::Unsuitable { .. })));
    }
}
