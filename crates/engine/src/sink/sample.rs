//! Cubes for the tests of sinks.

use eolith_cube::{
    Block, Crs, DType, Dimension, Kind, Label, Labels, Number, Region, Regular, Schema,
    SpatialAxis, Values, Variable,
};

use super::{ResultView, SinkError};

/// A cube in memory.
pub(super) struct Sample {
    pub(super) schema: Schema,
    pub(super) block: Block,
}

impl ResultView for Sample {
    fn schema(&self) -> &Schema {
        &self.schema
    }

    fn read(&self, region: &Region) -> Result<Block, SinkError> {
        Ok(self.block.slice(region))
    }
}

impl Sample {
    /// Pixels by a function of the index along each dimension; `None` is no-data.
    pub(super) fn new(
        dims: Vec<Dimension>,
        dtype: DType,
        pixel: impl Fn(&[usize]) -> Option<f64>,
    ) -> Sample {
        let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap()).collect();
        let len: usize = shape.iter().product();
        let (mut values, mut validity) = (Values::zeros(dtype, len), vec![true; len]);
        for (at, valid) in validity.iter_mut().enumerate() {
            let mut rest = at;
            let mut index: Vec<usize> = shape
                .iter()
                .rev()
                .map(|n| {
                    let i = rest % n;
                    rest /= n;
                    i
                })
                .collect();
            index.reverse();
            match pixel(&index) {
                Some(value) => values.set(at, Number::Float(value)),
                None => *valid = false,
            }
        }
        let block = Block { shape, values, validity: Some(validity) }.canonical();
        Sample { schema: Schema::uniform(dims, Variable::new(dtype)), block }
    }
}

/// Pixels of 10 m from (500000, 4600000) on, downwards.
pub(super) fn y(len: usize) -> Dimension {
    spatial("y", SpatialAxis::Y, Regular { start: 4_599_995.0, step: -10.0, len }, "EPSG:32633")
}

pub(super) fn x(len: usize) -> Dimension {
    spatial("x", SpatialAxis::X, Regular { start: 500_005.0, step: 10.0, len }, "EPSG:32633")
}

pub(super) fn spatial(name: &str, axis: SpatialAxis, labels: Regular, crs: &str) -> Dimension {
    let crs = Some(Crs::parse(crs).unwrap());
    Dimension::new(name, Kind::Spatial { axis, crs }, Labels::Regular(labels))
}

pub(super) fn bands(names: &[&str]) -> Dimension {
    Dimension::new("bands", Kind::Bands, Labels::texts(names))
}

pub(super) fn times(labels: &[&str]) -> Dimension {
    let label = |text: &&str| Label::Time(eolith_cube::time::TimeLabel::parse(text).unwrap());
    Dimension::new("t", Kind::Temporal, Labels::list(labels.iter().map(label)))
}
