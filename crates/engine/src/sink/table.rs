//! A vector cube as a table: one row a geometry, one column for every combination of the other labels.
//!
//! ```text
//! geometry: a b │ t: 2020 2021 │ bands: B04 B08      id  <properties>  2020~B04  2020~B08  2021~B04  2021~B08  geometry
//! ```
//! Labels are joined as by `flatten_dimensions`, in the order of the dimensions. A name that is taken already gets a
//! number, so that properties of the features and values stand beside each other. Without another dimension than the
//! geometries the only column of values is `value`.

use std::collections::BTreeSet;
use std::sync::Arc;

use eolith_cube::{Block, Features, Kind, Label, Labels, Region, Schema};
use serde_json::Value as Json;

use super::{ResultView, SinkError};

/// Columns of values at most: no program that reads tables is of use with more.
const MOST_COLUMNS: usize = 10_000;

/// What the labels of several dimensions are joined with.
const JOINT: &str = "~";

/// The rows and columns of a result.
pub(super) struct Table<'a> {
    pub(super) schema: &'a Schema,
    pub(super) features: &'a Arc<Features>,
    /// Labels of the geometries, where the features have ids.
    pub(super) ids: Option<Labels>,
    /// The name of the column of these.
    pub(super) id_name: Option<String>,
    /// Keys of properties and the names of their columns.
    pub(super) properties: Vec<(String, String)>,
    /// Names of the columns of values, in the order of the other dimensions.
    pub(super) values: Vec<String>,
    /// The name of the column of geometries.
    pub(super) geometry: String,
    /// Position of the geometries.
    dim: usize,
    shape: Vec<usize>,
}

impl<'a> Table<'a> {
    /// # Errors
    /// The result has no geometries, or more columns than anyone reads; `format` names itself.
    pub(super) fn of(schema: &'a Schema, format: &'static str) -> Result<Table<'a>, SinkError> {
        let unsuitable = |reason: String| SinkError::Unsuitable { format, reason };
        let dims = || schema.dims.iter().enumerate();
        let (dim, features) = dims()
            .find_map(|(i, dim)| match &dim.kind {
                Kind::Geometry(features) => Some((i, features)),
                _ => None,
            })
            .ok_or_else(|| {
                unsuitable("it has no geometries, as those of `aggregate_spatial` have".to_owned())
            })?;
        let shape = schema
            .shape()
            .ok_or_else(|| unsuitable("it has dimensions without labels".to_owned()))?;
        let others: Vec<&Labels> =
            dims().filter(|(i, _)| *i != dim).filter_map(|(_, own)| own.labels()).collect();
        let count = others.iter().fold(1_usize, |n, labels| n.saturating_mul(labels.len()));
        if count > MOST_COLUMNS {
            return Err(unsuitable(format!(
                "{count} combinations of labels are more than {MOST_COLUMNS} columns"
            )));
        }
        let labels = schema.dims[dim]
            .labels()
            .filter(|_| features.list.iter().all(|feature| feature.id.is_some()));
        let mut names = Names::default();
        let id_name = labels.map(|_| names.take("id"));
        let properties: Vec<(String, String)> =
            keys(features).into_iter().map(|key| (key.to_owned(), names.take(key))).collect();
        let values = joined(&others).iter().map(|name| names.take(name)).collect();
        let geometry = names.take("geometry");
        let ids = labels.cloned();
        Ok(Table { schema, features, ids, id_name, properties, values, geometry, dim, shape })
    }

    /// The number of rows.
    pub(super) fn rows(&self) -> usize {
        self.features.list.len()
    }

    /// The values of one row, in the order of the columns.
    pub(super) fn row(&self, result: &dyn ResultView, row: usize) -> Result<Block, SinkError> {
        let mut region = Region::whole(&self.shape);
        region.0[self.dim] = row..row + 1;
        result.read(&region)
    }

    /// The values of one column.
    pub(super) fn column(
        &self,
        result: &dyn ResultView,
        column: usize,
    ) -> Result<Block, SinkError> {
        let mut region = Region::whole(&self.shape);
        let mut rest = column;
        for dim in (0..self.shape.len()).rev().filter(|dim| *dim != self.dim) {
            let i = rest % self.shape[dim];
            rest /= self.shape[dim];
            region.0[dim] = i..i + 1;
        }
        result.read(&region)
    }

    /// A property of every feature; null where a feature has none.
    pub(super) fn property(&self, key: &str) -> Vec<&'a Json> {
        let of = |feature: &'a eolith_cube::Feature| feature.properties.get(key);
        self.features.list.iter().map(|feature| of(feature).unwrap_or(&Json::Null)).collect()
    }
}

/// Keys of the properties of all features, each where it is met first.
pub(super) fn keys(features: &Features) -> Vec<&str> {
    let mut seen = BTreeSet::new();
    let all = features.list.iter().flat_map(|feature| feature.properties.keys());
    all.map(String::as_str).filter(|key| seen.insert(*key)).collect()
}

/// Names that were given to columns.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    pub(super) fn take(&mut self, wanted: &str) -> String {
        let numbered = (2..).map(|n| format!("{wanted}_{n}"));
        let mut free = std::iter::once(wanted.to_owned())
            .chain(numbered)
            .skip_while(|name| self.0.contains(name));
        let name = free.next().unwrap_or_default();
        self.0.insert(name.clone());
        name
    }
}

/// All combinations of labels, the last dimension fastest.
pub(super) fn joined(dims: &[&Labels]) -> Vec<String> {
    let Some((first, rest)) = dims.split_first() else { return vec!["value".to_owned()] };
    rest.iter().fold(first.iter().map(|label| text(&label)).collect(), |names: Vec<String>, own| {
        (names.iter())
            .flat_map(|name| own.iter().map(move |label| format!("{name}{JOINT}{}", text(&label))))
            .collect()
    })
}

/// A label as a text.
pub(super) fn text(label: &Label) -> String {
    match label {
        Label::Time(time) => time.text.to_string(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use eolith_cube::{Crs, DType, Dimension, Feature};
    use serde_json::json;

    use super::*;
    use crate::sink::sample::{Sample, bands, times};

    fn zones(list: Vec<Feature>) -> Dimension {
        let features = Features { crs: Crs::wgs84(), list };
        let labels = features.labels();
        Dimension::new("geometry", Kind::Geometry(Arc::new(features)), labels)
    }

    fn feature(id: &str, properties: &Json) -> Feature {
        let properties = properties.as_object().cloned().unwrap_or_default();
        Feature { id: Some(json!(id)), geometry: None, properties }
    }

    #[test]
    fn columns_are_the_combinations_of_the_other_labels() {
        let list = vec![
            feature("p", &json!({ "id": 7, "crop": "rye" })),
            feature("q", &json!({ "2021-01-01~b": 1 })),
        ];
        let dims = vec![times(&["2020-01-01", "2021-01-01"]), zones(list), bands(&["a", "b"])];
        let digits = |i: &[usize]| Some((100 * i[0] + 10 * i[1] + i[2]) as f64);
        let cube = Sample::new(dims, DType::F64, digits);
        let table = Table::of(&cube.schema, "a format").unwrap();
        let names = ["2020-01-01~a", "2020-01-01~b", "2021-01-01~a", "2021-01-01~b_2"];
        assert_eq!(table.values, names);
        assert_eq!(table.id_name.as_deref(), Some("id"));
        let properties: Vec<&str> = table.properties.iter().map(|(_, name)| &**name).collect();
        assert_eq!(properties, ["id_2", "crop", "2021-01-01~b"]);
        assert_eq!((table.rows(), &*table.geometry), (2, "geometry"));
        let numbers = |block: Block| -> Vec<f64> {
            (0..block.len()).filter_map(|i| block.get(i)).map(|n| n.to_f64()).collect()
        };
        assert_eq!(numbers(table.column(&cube, 2).unwrap()), [100.0, 110.0]);
        assert_eq!(numbers(table.row(&cube, 1).unwrap()), [10.0, 11.0, 110.0, 111.0]);
        assert_eq!(table.property("crop"), [&json!("rye"), &Json::Null]);
    }

    #[test]
    fn what_is_no_table_is_refused() {
        let cube = Sample::new(vec![bands(&["a"])], DType::U8, |_| None);
        assert!(matches!(Table::of(&cube.schema, "x"), Err(SinkError::Unsuitable { .. })));
        let many: Vec<String> = (0..101).map(|i| i.to_string()).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        let wide = Dimension::new("other", Kind::Other, Labels::texts(&many));
        let list = vec![Feature::default()];
        let cube = Sample::new(vec![zones(list), bands(&many), wide], DType::U8, |_| None);
        assert!(matches!(Table::of(&cube.schema, "x"), Err(SinkError::Unsuitable { .. })));
        let only = Sample::new(vec![zones(vec![Feature::default()])], DType::U8, |_| None);
        assert_eq!(Table::of(&only.schema, "x").unwrap().values, ["value"]);
    }
}
