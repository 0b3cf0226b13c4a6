//! What the catalogue learned of a file, in the form in which it is kept between runs.
//!
//! The types of `eolith-cube` and `eolith-plan` are not serialised themselves; this is the one place that knows
//! both forms. Reading back gives exactly what was stored, NaN no-data values included.

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{
    Axis, Crs, DType, Dimension, Extent, Grid, Kind, Label, Labels, Number, Region, Regular,
    Schema, SpatialAxis, Variable,
};
use eolith_plan::need::{ArrayDim, ArrayRef, Format, Level, Piece};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::headers::{CubeFile, TiffHeader};

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum StoredFile {
    Tiff(Box<StoredTiff>),
    Cubes(Vec<StoredCube>),
    /// The file cannot be read, for the reason given; it has to change before it is tried again.
    Broken(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredTiff {
    grid: StoredGrid,
    dtype: String,
    chunk: Vec<usize>,
    bands: Vec<(Option<String>, StoredVariable)>,
    overviews: Vec<(StoredGrid, Vec<usize>)>,
    attributes: Map<String, Value>,
    version: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredCube {
    name: String,
    dims: Vec<StoredDimension>,
    variables: Vec<StoredVariable>,
    pieces: Vec<StoredPiece>,
    title: Option<String>,
    description: Option<String>,
    attributes: Map<String, Value>,
    notes: Vec<String>,
    levels: BTreeMap<String, Vec<(StoredArray, StoredGrid)>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredGrid {
    crs: String,
    x: StoredRegular,
    y: StoredRegular,
}

/// Start, step, length.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct StoredRegular(f64, f64, usize);

/// As text, since JSON knows neither NaN nor 128 bits.
#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredNumber {
    Int(String),
    Float(String),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredVariable {
    dtype: String,
    nodata: Option<StoredNumber>,
    scale: Option<f64>,
    offset: Option<f64>,
    unit: Option<String>,
    common_name: Option<String>,
    center_wavelength: Option<f64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredDimension {
    name: String,
    kind: StoredKind,
    axis: StoredAxis,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredKind {
    Spatial(char, Option<String>),
    Temporal,
    Bands,
    Other,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredAxis {
    Regular(StoredRegular),
    List(Vec<StoredLabel>),
    Pending(Option<(String, String)>),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredLabel {
    Text(String),
    Int(i64),
    Float(String),
    /// Text and microseconds: texts of other calendars are not read back.
    Time(String, i64),
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredArray {
    href: String,
    format: String,
    array: String,
    version: Option<String>,
    chunk: Option<Vec<usize>>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct StoredPiece {
    array: StoredArray,
    region: Vec<(usize, usize)>,
    dims: Vec<StoredDim>,
    nodata: Option<StoredNumber>,
    grid: Option<StoredGrid>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
enum StoredDim {
    Along(usize, usize),
    Fixed(usize),
}

impl StoredTiff {
    pub(super) fn of(header: &TiffHeader) -> StoredTiff {
        let band = |(name, variable): &(Option<String>, Variable)| {
            (name.clone(), StoredVariable::of(variable))
        };
        StoredTiff {
            grid: StoredGrid::of(&header.grid),
            dtype: header.dtype.name().to_owned(),
            chunk: header.chunk.clone(),
            bands: header.bands.iter().map(band).collect(),
            overviews: (header.overviews.iter())
                .map(|(grid, chunk)| (StoredGrid::of(grid), chunk.clone()))
                .collect(),
            attributes: header.attributes.clone(),
            version: header.version.clone(),
        }
    }

    /// `None` if it does not make sense (the file was damaged).
    pub(super) fn read(&self) -> Option<TiffHeader> {
        let band = |(name, variable): &(Option<String>, StoredVariable)| {
            Some((name.clone(), variable.read()?))
        };
        Some(TiffHeader {
            grid: self.grid.read()?,
            dtype: DType::from_name(&self.dtype)?,
            chunk: self.chunk.clone(),
            bands: self.bands.iter().map(band).collect::<Option<_>>()?,
            overviews: (self.overviews.iter())
                .map(|(grid, chunk)| Some((grid.read()?, chunk.clone())))
                .collect::<Option<_>>()?,
            attributes: self.attributes.clone(),
            version: self.version.clone(),
        })
    }
}

impl StoredCube {
    pub(super) fn of(file: &CubeFile) -> StoredCube {
        StoredCube {
            name: file.name.clone(),
            dims: file.schema.dims.iter().map(StoredDimension::of).collect(),
            variables: file.schema.variables.iter().map(StoredVariable::of).collect(),
            pieces: file.pieces.iter().map(StoredPiece::of).collect(),
            title: file.title.clone(),
            description: file.description.clone(),
            attributes: file.attributes.clone(),
            notes: file.notes.clone(),
            levels: (file.levels.iter())
                .map(|(name, levels)| {
                    let level = |l: &Level| (StoredArray::of(&l.array), StoredGrid::of(&l.grid));
                    (name.clone(), levels.iter().map(level).collect())
                })
                .collect(),
        }
    }

    pub(super) fn read(&self) -> Option<CubeFile> {
        let dims: Vec<_> = self.dims.iter().map(StoredDimension::read).collect::<Option<_>>()?;
        let variables = self.variables.iter().map(StoredVariable::read).collect::<Option<_>>()?;
        let pieces: Vec<_> =
            self.pieces.iter().map(|piece| piece.read(dims.len())).collect::<Option<_>>()?;
        Some(CubeFile {
            name: self.name.clone(),
            schema: Schema { dims, variables },
            pieces: pieces.into(),
            title: self.title.clone(),
            description: self.description.clone(),
            attributes: self.attributes.clone(),
            notes: self.notes.clone(),
            levels: (self.levels.iter())
                .map(|(name, levels)| {
                    let level = |(array, grid): &(StoredArray, StoredGrid)| {
                        Some(Level { array: array.read()?, grid: grid.read()? })
                    };
                    Some((name.clone(), levels.iter().map(level).collect::<Option<_>>()?))
                })
                .collect::<Option<_>>()?,
        })
    }
}

impl StoredGrid {
    fn of(grid: &Grid) -> StoredGrid {
        let crs = grid.crs.to_string();
        StoredGrid { crs, x: StoredRegular::of(grid.x), y: StoredRegular::of(grid.y) }
    }

    fn read(&self) -> Option<Grid> {
        Some(Grid { crs: Crs::parse(&self.crs).ok()?, x: self.x.read(), y: self.y.read() })
    }
}

impl StoredRegular {
    fn of(regular: Regular) -> StoredRegular {
        StoredRegular(regular.start, regular.step, regular.len)
    }

    fn read(self) -> Regular {
        Regular { start: self.0, step: self.1, len: self.2 }
    }
}

impl StoredNumber {
    fn of(number: Number) -> StoredNumber {
        match number {
            Number::Int(value) => StoredNumber::Int(value.to_string()),
            Number::Float(value) => StoredNumber::Float(value.to_string()),
        }
    }

    fn read(&self) -> Option<Number> {
        match self {
            StoredNumber::Int(text) => text.parse().ok().map(Number::Int),
            StoredNumber::Float(text) => text.parse().ok().map(Number::Float),
        }
    }
}

impl StoredVariable {
    fn of(variable: &Variable) -> StoredVariable {
        StoredVariable {
            dtype: variable.dtype.name().to_owned(),
            nodata: variable.nodata.map(StoredNumber::of),
            scale: variable.scale,
            offset: variable.offset,
            unit: variable.unit.clone(),
            common_name: variable.common_name.clone(),
            center_wavelength: variable.center_wavelength,
        }
    }

    fn read(&self) -> Option<Variable> {
        Some(Variable {
            dtype: DType::from_name(&self.dtype)?,
            nodata: optional(self.nodata.as_ref(), StoredNumber::read)?,
            scale: self.scale,
            offset: self.offset,
            unit: self.unit.clone(),
            common_name: self.common_name.clone(),
            center_wavelength: self.center_wavelength,
        })
    }
}

impl StoredDimension {
    fn of(dim: &Dimension) -> StoredDimension {
        let kind = match &dim.kind {
            Kind::Spatial { axis, crs } => {
                let axis = match axis {
                    SpatialAxis::X => 'x',
                    SpatialAxis::Y => 'y',
                    SpatialAxis::Z => 'z',
                };
                StoredKind::Spatial(axis, crs.as_ref().map(ToString::to_string))
            }
            Kind::Temporal => StoredKind::Temporal,
            Kind::Bands => StoredKind::Bands,
            Kind::Geometry(_) | Kind::Other => StoredKind::Other,
        };
        let axis = match &dim.axis {
            Axis::Known(Labels::Regular(regular)) => {
                StoredAxis::Regular(StoredRegular::of(*regular))
            }
            Axis::Known(Labels::List(list)) => {
                StoredAxis::List(list.iter().map(StoredLabel::of).collect())
            }
            Axis::Pending(extent) => StoredAxis::Pending(extent.range.clone()),
        };
        StoredDimension { name: dim.name.clone(), kind, axis }
    }

    fn read(&self) -> Option<Dimension> {
        let kind = match &self.kind {
            StoredKind::Spatial(axis, crs) => {
                let axis = match axis {
                    'x' => SpatialAxis::X,
                    'y' => SpatialAxis::Y,
                    'z' => SpatialAxis::Z,
                    _ => return None,
                };
                let crs = optional(crs.as_ref(), |text| Crs::parse(text).ok())?;
                Kind::Spatial { axis, crs }
            }
            StoredKind::Temporal => Kind::Temporal,
            StoredKind::Bands => Kind::Bands,
            StoredKind::Other => Kind::Other,
        };
        let axis = match &self.axis {
            StoredAxis::Regular(regular) => Axis::Known(Labels::Regular(regular.read())),
            StoredAxis::List(list) => {
                let labels: Arc<[Label]> =
                    list.iter().map(StoredLabel::read).collect::<Option<_>>()?;
                Axis::Known(Labels::List(labels))
            }
            StoredAxis::Pending(range) => Axis::Pending(Extent { range: range.clone() }),
        };
        Some(Dimension { name: self.name.clone(), kind, axis })
    }
}

impl StoredLabel {
    fn of(label: &Label) -> StoredLabel {
        match label {
            Label::Text(text) => StoredLabel::Text(text.to_string()),
            Label::Int(value) => StoredLabel::Int(*value),
            Label::Float(value) => StoredLabel::Float(value.to_string()),
            Label::Time(time) => StoredLabel::Time(time.text.to_string(), time.instant.0),
        }
    }

    fn read(&self) -> Option<Label> {
        Some(match self {
            StoredLabel::Text(text) => Label::text(text.as_str()),
            StoredLabel::Int(value) => Label::Int(*value),
            StoredLabel::Float(text) => Label::Float(text.parse().ok()?),
            StoredLabel::Time(text, micros) => {
                Label::Time(TimeLabel { text: text.as_str().into(), instant: Instant(*micros) })
            }
        })
    }
}

impl StoredArray {
    fn of(array: &ArrayRef) -> StoredArray {
        StoredArray {
            href: array.href.clone(),
            format: array.format.name().to_owned(),
            array: array.array.clone(),
            version: array.version.clone(),
            chunk: array.chunk.clone(),
        }
    }

    fn read(&self) -> Option<ArrayRef> {
        let formats = [Format::Zarr, Format::NetCdf, Format::Tiff];
        Some(ArrayRef {
            href: self.href.clone(),
            format: formats.into_iter().find(|format| format.name() == self.format)?,
            array: self.array.clone(),
            version: self.version.clone(),
            chunk: self.chunk.clone(),
            requested: false,
        })
    }
}

impl StoredPiece {
    fn of(piece: &Piece) -> StoredPiece {
        let dim = |dim: &ArrayDim| match *dim {
            ArrayDim::Along { dim, offset } => StoredDim::Along(dim, offset),
            ArrayDim::Fixed(index) => StoredDim::Fixed(index),
        };
        StoredPiece {
            array: StoredArray::of(&piece.array),
            region: piece.region.0.iter().map(|range| (range.start, range.end)).collect(),
            dims: piece.dims.iter().map(dim).collect(),
            nodata: piece.nodata.map(StoredNumber::of),
            grid: piece.grid.as_ref().map(StoredGrid::of),
        }
    }

    /// `rank` is that of the cube.
    fn read(&self, rank: usize) -> Option<Piece> {
        let dim = |dim: &StoredDim| match *dim {
            StoredDim::Along(dim, offset) => {
                (dim < rank).then_some(ArrayDim::Along { dim, offset })
            }
            StoredDim::Fixed(index) => Some(ArrayDim::Fixed(index)),
        };
        (self.region.len() == rank).then_some(())?;
        Some(Piece {
            array: self.array.read()?,
            region: Region(self.region.iter().map(|&(start, end)| start..end).collect()),
            dims: self.dims.iter().map(dim).collect::<Option<_>>()?,
            nodata: optional(self.nodata.as_ref(), StoredNumber::read)?,
            grid: optional(self.grid.as_ref(), StoredGrid::read)?,
        })
    }
}

/// Nothing stays nothing; something has to be readable.
#[expect(
    clippy::option_option,
    reason = "the outer one is failure, the inner one the stored value"
)]
fn optional<S, T>(stored: Option<&S>, read: impl Fn(&S) -> Option<T>) -> Option<Option<T>> {
    match stored {
        None => Some(None),
        Some(stored) => read(stored).map(Some),
    }
}
