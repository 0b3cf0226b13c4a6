//! A summary of a cube: what it looks like, statistics of its bands and a few values.
//!
//! Boxes come in any order and size; the summary does not depend on it, since sums are exact ([`sum`]).

mod sum;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use eolith_cube::{Block, Dimension, Number, Region, Schema};
use serde_json::{Value as Json, json};

use crate::sink::Boxes;
use sum::Sum;

/// Most values in the sample, and most labels of a dimension that are listed.
const SHOWN: usize = 8;

/// Takes the boxes of a cube.
#[derive(Debug)]
pub(crate) struct Summary {
    schema: Arc<Schema>,
    shape: Vec<usize>,
    found: Mutex<Found>,
}

#[derive(Debug)]
struct Found {
    /// One for each band, one if there are none.
    bands: Vec<Band>,
    /// The first values in the order of the dimensions, by their place.
    sample: BTreeMap<usize, Option<Number>>,
}

#[derive(Clone, Debug, Default)]
struct Band {
    valid: u64,
    missing: u64,
    nan: u64,
    smallest: Option<Number>,
    largest: Option<Number>,
    sum: Sum,
}

impl Summary {
    pub(crate) fn new(schema: Arc<Schema>, shape: Vec<usize>) -> Summary {
        let bands = schema.bands().map_or(1, |dim| shape[dim]);
        let found = Found { bands: vec![Band::default(); bands], sample: BTreeMap::new() };
        Summary { schema, shape, found: Mutex::new(found) }
    }

    /// The summary as JSON, once all boxes were put.
    pub(crate) fn to_json(&self) -> Json {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let names = self.schema.bands().and_then(|dim| self.schema.dims[dim].labels());
        let bands = found.bands.iter().enumerate().map(|(i, band)| {
            let mut json = band.to_json();
            if let Some(names) = names {
                json["band"] = names.get(i).to_string().into();
            }
            let variable = self.schema.variables.get(i).or(self.schema.variables.first());
            if let Some(variable) = variable {
                json["dtype"] = variable.dtype.to_string().into();
            }
            json
        });
        json!({
            "type": "datacube",
            "dimensions": self.schema.dims.iter().map(dimension).collect::<Vec<_>>(),
            "statistics": bands.collect::<Vec<_>>(),
            "sample": found.sample.values().map(|value| value.map_or(Json::Null, number)).collect::<Vec<_>>(),
        })
    }
}

impl Summary {
    /// Statistics of the bands as STAC writes them; null for bands of which nothing was put.
    pub(crate) fn statistics(&self) -> Vec<Json> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.bands.iter().map(Band::to_stac).collect()
    }
}

impl Boxes for Summary {
    fn put(&self, region: &Region, block: Block) -> std::io::Result<()> {
        let dim = self.schema.bands();
        let bands = self.found.lock().unwrap_or_else(PoisonError::into_inner).bands.len();
        let mut own = vec![Band::default(); bands];
        let mut sample = Vec::new();
        for i in 0..block.len() {
            let value = block.get(i);
            let (mut rest, mut place, mut stride, mut band) = (i, 0, 1, 0);
            for (d, range) in region.0.iter().enumerate().rev() {
                let index = range.start + rest % range.len();
                rest /= range.len();
                place += index * stride;
                stride *= self.shape[d];
                if Some(d) == dim {
                    band = index;
                }
            }
            own[band].add(value);
            if place < SHOWN {
                sample.push((place, value));
            }
        }
        block.recycle();
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.bands.iter_mut().zip(&own).for_each(|(all, own)| all.merge(own));
        found.sample.extend(sample);
        Ok(())
    }
}

impl Band {
    fn add(&mut self, value: Option<Number>) {
        let Some(value) = value else {
            self.missing += 1;
            return;
        };
        self.valid += 1;
        if value.to_f64().is_nan() {
            self.nan += 1;
            return;
        }
        self.widen(value);
        self.sum.add(value);
    }

    fn widen(&mut self, value: Number) {
        if self.smallest.is_none_or(|own| less(value, own)) {
            self.smallest = Some(value);
        }
        if self.largest.is_none_or(|own| less(own, value)) {
            self.largest = Some(value);
        }
    }

    fn merge(&mut self, other: &Band) {
        self.valid += other.valid;
        self.missing += other.missing;
        self.nan += other.nan;
        [other.smallest, other.largest].into_iter().flatten().for_each(|value| self.widen(value));
        self.sum.merge(&other.sum);
    }

    fn to_json(&self) -> Json {
        let counted = self.valid - self.nan;
        let mean = if counted == 0 {
            Json::Null
        } else {
            number(Number::Float(self.sum.total() / counted as f64))
        };
        json!({
            "valid": self.valid,
            "nodata": self.missing,
            "nan": self.nan,
            "min": self.smallest.map_or(Json::Null, number),
            "max": self.largest.map_or(Json::Null, number),
            "mean": mean,
        })
    }
}

impl Band {
    fn to_stac(&self) -> Json {
        let all = self.valid + self.missing;
        if all == 0 {
            return Json::Null;
        }
        let counted = self.valid - self.nan;
        let mut json = json!({
            "count": counted,
            "valid_percent": 100.0 * counted as f64 / all as f64,
        });
        let mean = (counted > 0).then(|| Number::Float(self.sum.total() / counted as f64));
        for (name, value) in [("minimum", self.smallest), ("maximum", self.largest), ("mean", mean)]
        {
            // Statistics are numbers: infinities are not said.
            if let Some(value) = value.map(number).filter(Json::is_number) {
                json[name] = value;
            }
        }
        json
    }
}

fn less(a: Number, b: Number) -> bool {
    match (a, b) {
        (Number::Int(a), Number::Int(b)) => a < b,
        (a, b) => a.to_f64() < b.to_f64(),
    }
}

fn dimension(dim: &Dimension) -> Json {
    let mut json = json!({ "name": dim.name, "type": dim.kind.name(), "size": dim.len() });
    if let Some(labels) = dim.labels().filter(|labels| !labels.is_empty()) {
        let text = |i: usize| labels.get(i).to_string();
        if labels.len() <= SHOWN {
            json["labels"] = (0..labels.len()).map(text).collect();
        } else {
            json["first"] = text(0).into();
            json["last"] = text(labels.len() - 1).into();
        }
    }
    if let Some(crs) = dim.crs() {
        json["reference_system"] = crs.to_string().into();
    }
    json
}

/// A number; what JSON has not is a text.
fn number(value: Number) -> Json {
    match value {
        Number::Int(value) => match i64::try_from(value) {
            Ok(value) => value.into(),
            Err(_) => value.to_string().into(),
        },
        Number::Float(value) => serde_json::Number::from_f64(value)
            .map_or_else(|| value.to_string().into(), Json::Number),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use eolith_cube::{DType, Kind, Labels, Values, Variable};

    /// Two bands of 3 x 4 numbers; NaN under the mask of one.
    fn cube() -> (Arc<Schema>, Block) {
        let dims = vec![
            Dimension::new("bands", Kind::Bands, Labels::texts(["a", "b"])),
            Dimension::new("row", Kind::Other, Labels::enumerated(3)),
            Dimension::new("column", Kind::Other, Labels::enumerated(4)),
        ];
        let mut values: Vec<f64> = (0..24).map(f64::from).collect();
        (values[3], values[13], values[14]) = (1e300, f64::NAN, f64::INFINITY);
        values[5] = -1e300;
        let mut block = Block::new(vec![2, 3, 4], Values::F64(values));
        block.mask_value(Number::Float(7.0));
        (Arc::new(Schema::uniform(dims, Variable::new(DType::F64))), block)
    }

    fn summary(boxes: &[Region]) -> Json {
        let (schema, block) = cube();
        let summary = Summary::new(schema, block.shape.clone());
        for region in boxes {
            summary.put(region, block.slice(region)).unwrap();
        }
        summary.to_json()
    }

    #[test]
    fn a_summary_does_not_depend_on_the_boxes() {
        let whole = summary(&[Region(vec![0..2, 0..3, 0..4])]);
        // 0 to 11 without 7, 3 and 5; the two large ones cancel.
        let first = &whole["statistics"][0];
        assert_eq!(first["band"], "a");
        assert_eq!([&first["valid"], &first["nodata"], &first["nan"]], [11, 1, 0]);
        assert_eq!([&first["min"], &first["max"]], [-1e300, 1e300]);
        assert_eq!(first["mean"], 51.0 / 11.0);
        let second = &whole["statistics"][1];
        assert_eq!([&second["valid"], &second["nan"]], [12, 1]);
        assert_eq!(second["mean"], "inf");
        assert_eq!(whole["sample"], json!([0.0, 1.0, 2.0, 1e300, 4.0, -1e300, 6.0, null]));
        assert_eq!(
            whole["dimensions"][2],
            json!({ "name": "column", "type": "other", "size": 4,
            "labels": ["0", "1", "2", "3"] })
        );
        let single: Vec<Region> = (0..24)
            .rev()
            .map(|i| [i / 12, i / 4 % 3, i % 4].map(|start| start..start + 1))
            .map(|ranges| Region(ranges.to_vec()))
            .collect();
        assert_eq!(summary(&single), whole);
    }

    #[test]
    fn statistics_are_numbers_of_what_was_put() {
        let (schema, block) = cube();
        let summary = Summary::new(schema, block.shape.clone());
        summary
            .put(&Region(vec![1..2, 0..3, 0..4]), block.slice(&Region(vec![1..2, 0..3, 0..4])))
            .unwrap();
        let [first, second] = summary.statistics().try_into().unwrap();
        assert_eq!(first, Json::Null);
        assert_eq!(
            second,
            json!({"count": 11, "valid_percent": 100.0 * 11.0 / 12.0, "minimum": 12.0})
        );
    }
}
