//! What a cube looks like, without its pixels.

use crate::dimension::{Axis, Dimension, Kind, SpatialAxis};
use crate::dtype::{DType, Number};
use crate::grid::{Grid, GridError};

/// Dimensions in order, and what is stored under them.
#[derive(Clone, Debug, PartialEq)]
pub struct Schema {
    pub dims: Vec<Dimension>,
    /// One entry a label of the bands dimension, in its order; exactly one where there is no such dimension.
    pub variables: Vec<Variable>,
}

/// What one band stores. Scale and offset are published, never applied silently.
#[derive(Clone, Debug, PartialEq)]
pub struct Variable {
    pub dtype: DType,
    pub nodata: Option<Number>,
    pub scale: Option<f64>,
    pub offset: Option<f64>,
    pub unit: Option<String>,
    pub common_name: Option<String>,
    /// Micrometres.
    pub center_wavelength: Option<f64>,
}

impl Variable {
    pub fn new(dtype: DType) -> Variable {
        Variable {
            dtype,
            nodata: None,
            scale: None,
            offset: None,
            unit: None,
            common_name: None,
            center_wavelength: None,
        }
    }
}

impl Schema {
    /// A cube without a bands dimension (or with all bands alike).
    pub fn uniform(dims: Vec<Dimension>, variable: Variable) -> Schema {
        let bands =
            dims.iter().find(|d| d.kind == Kind::Bands).and_then(Dimension::len).unwrap_or(1);
        Schema { dims, variables: vec![variable; bands] }
    }

    /// The type blocks of this cube have: the common one of all variables.
    pub fn dtype(&self) -> DType {
        (self.variables.iter().map(|v| v.dtype)).reduce(DType::common).unwrap_or(DType::F64)
    }

    /// The no-data value all variables declare, if they agree on one.
    pub fn nodata(&self) -> Option<Number> {
        let first = self.variables.first()?.nodata?;
        let same = |v: &Variable| v.nodata.is_some_and(|own| own.same(first));
        self.variables.iter().all(same).then_some(first)
    }

    /// Lengths of all dimensions; `None` while an axis is pending.
    pub fn shape(&self) -> Option<Vec<usize>> {
        self.dims.iter().map(Dimension::len).collect()
    }

    /// Names of dimensions whose labels are still unknown.
    pub fn pending(&self) -> Vec<&str> {
        (self.dims.iter())
            .filter(|d| matches!(d.axis, Axis::Pending(_)))
            .map(|d| d.name.as_str())
            .collect()
    }

    pub fn position(&self, name: &str) -> Option<usize> {
        self.dims.iter().position(|d| d.name == name)
    }

    pub fn dim(&self, name: &str) -> Option<&Dimension> {
        self.dims.iter().find(|d| d.name == name)
    }

    /// Position of the bands dimension.
    pub fn bands(&self) -> Option<usize> {
        self.dims.iter().position(|d| d.kind == Kind::Bands)
    }

    /// Positions of the temporal dimensions.
    pub fn temporal(&self) -> Vec<usize> {
        (self.dims.iter().enumerate())
            .filter(|(_, d)| d.kind == Kind::Temporal)
            .map(|(i, _)| i)
            .collect()
    }

    /// Position of a spatial dimension.
    pub fn spatial(&self, axis: SpatialAxis) -> Option<usize> {
        self.dims.iter().position(|d| d.is_spatial(axis))
    }

    /// The pixel grid over x and y.
    pub fn grid(&self) -> Result<Grid, GridError> {
        Grid::of(self)
    }
}
