//! Functions of the user that run outside of the engine.
//!
//! A plan knows the code as text and what comes out of it as a schema. It never runs it: what a function makes of a cube
//! is a question to the world ([`crate::need::Need::Udf`]), and its pixels are computed by the caller of the executor,
//! cell by cell, before anything else reads them.
//!
//! A *cell* is the part of a cube that one call gets. It depends on the cube and on where the function stands in the
//! process, never on memory or threads, so that a function that looks at its neighbours gives the same everywhere.

use std::sync::Arc;

use eolith_cube::{DType, Kind, Label, Labels, Region, Schema};
use serde_json::{Value, json};

use crate::value::Fault;

/// Pixels of a cell along y and x, from the first pixel of the cube.
pub const CELL: usize = 256;

/// Geometries of a cell.
const FEATURES: usize = 4096;

/// A function with all it is given besides pixels.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Udf {
    /// As the user wrote them.
    pub runtime: String,
    pub version: Option<String>,
    pub code: Arc<str>,
    /// JSON.
    pub context: Arc<str>,
    pub role: Role,
}

/// Where the function stands, and so which shape its result has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// For each value: all dimensions and labels stay.
    Apply,
    /// For this dimension, which is gone afterwards.
    Reduce(usize),
    /// For this dimension, which may have other labels afterwards.
    Along(usize),
    /// For the whole cube: any dimensions may come out.
    Whole,
}

/// What comes out of a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    pub dtype: DType,
    /// Names with their labels, in the order of the result.
    pub dims: Vec<(String, Labels)>,
}

impl Role {
    /// What `explain` prints.
    pub fn name(self) -> String {
        match self {
            Role::Apply => "for each value".to_owned(),
            Role::Reduce(dim) => format!("reducing dimension {dim}"),
            Role::Along(dim) => format!("along dimension {dim}"),
            Role::Whole => "for the whole cube".to_owned(),
        }
    }
}

impl Udf {
    /// A short name of the code: equal code has an equal name.
    pub fn digest(&self) -> String {
        format!("{:016x}", xxhash_rust::xxh3::xxh3_64(self.code.as_bytes()))
    }

    /// Labels of a cell along each dimension of the function's input.
    pub fn cell(&self, input: &Schema) -> Vec<usize> {
        let length = |d: usize| input.dims[d].len().unwrap_or_default().max(1);
        (0..input.dims.len())
            .map(|d| match (self.role, &input.dims[d].kind) {
                (Role::Whole, _) => length(d),
                (Role::Reduce(own) | Role::Along(own), _) if own == d => length(d),
                (_, Kind::Bands) => length(d),
                (_, Kind::Spatial { .. }) => CELL.min(length(d)),
                (_, Kind::Geometry(_)) => FEATURES.min(length(d)),
                (_, Kind::Temporal | Kind::Other) => 1,
            })
            .collect()
    }

    /// Labels of the result that belong to one cell, along each dimension of the result.
    pub fn made(&self, input: &Schema, result: &Schema) -> Vec<usize> {
        let mut cell = self.cell(input);
        match self.role {
            Role::Apply => {}
            Role::Reduce(dim) => drop(cell.remove(dim)),
            Role::Along(dim) => cell[dim] = result.dims[dim].len().unwrap_or_default().max(1),
            Role::Whole => {
                cell = result.dims.iter().map(|d| d.len().unwrap_or_default().max(1)).collect();
            }
        }
        cell
    }

    /// The box of the input behind a box of the result.
    pub fn needs(&self, input: &Schema, region: &Region) -> Region {
        let whole = |d: usize| 0..input.dims[d].len().unwrap_or_default();
        let mut ranges = region.0.clone();
        match self.role {
            Role::Apply => {}
            Role::Reduce(dim) => ranges.insert(dim, whole(dim)),
            Role::Along(dim) => ranges[dim] = whole(dim),
            Role::Whole => ranges = (0..input.dims.len()).map(whole).collect(),
        }
        Region(ranges)
    }
}

/// A box of a cube as a function gets it, as JSON: names, types and labels of the dimensions. `None` while labels are
/// not known.
pub fn describe(input: &Schema, region: &Region) -> Option<Value> {
    let dims = (input.dims.iter().zip(&region.0)).map(|(dim, range)| {
        let labels: Vec<Value> =
            range.clone().map(|i| label(&dim.labels()?.get(i))).collect::<Option<_>>()?;
        let mut described = json!({ "name": dim.name, "type": dim.kind.name(), "labels": labels });
        if let Kind::Spatial { axis, .. } = &dim.kind {
            described["axis"] = axis.name().into();
        }
        if let Some(crs) = dim.crs() {
            described["crs"] = crs.to_string().into();
        }
        Some(described)
    });
    let dims: Option<Vec<Value>> = dims.collect();
    Some(json!({ "dims": dims? }))
}

fn label(label: &Label) -> Option<Value> {
    Some(match label {
        Label::Text(text) => text.as_ref().into(),
        Label::Int(value) => (*value).into(),
        Label::Float(value) => (*value).into(),
        Label::Time(time) => time.text.as_ref().into(),
    })
}

/// What an evaluator says that cannot run it.
pub(crate) fn outside() -> Fault {
    Fault::new("Internal", "a function of the user runs outside of this evaluator")
}
