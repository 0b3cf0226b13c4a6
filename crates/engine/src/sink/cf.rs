//! A cube after the CF conventions: arrays of pixels, coordinates, a grid mapping, and what is said of each.
//!
//! Zarr and NetCDF write this same description, each in its own types; what only one of them needs is with it. The
//! other direction is [`crate::source::cf`]: what is said of a band here is read back there.
//!
//! Every band is an array of its own, named by its label and stored in its own type. Scale and offset of a band are
//! written under the names `scale` and `offset`, not as CF's `scale_factor` and `add_offset`: a process sees the
//! stored numbers, and a file that readers unpack on their own would give other numbers than the GeoTIFF, the PNG
//! and the JSON of the same result. For the same reason the unit of such a band is called `unit`: CF's `units` would
//! be those of the stored numbers.

mod chunk;
mod coordinate;
mod mapping;
mod names;

use std::ops::Range;

use eolith_cube::{
    Block, DType, Dimension, Kind, Label, Labels, Region, Schema, SpatialAxis, Variable,
};

pub(super) use self::chunk::{Pieces, chunk, sizes, whole, with_sizes};
pub(super) use self::coordinate::{Axis, Coordinate};
pub(super) use self::mapping::Mapping;
use rayon::prelude::*;

use self::names::Names;
use super::nodata::{Guess, NullCoding, Scan};
use super::{ResultView, SinkError};
use crate::crs_text::CfValue;
use crate::meter;

/// The version of the conventions, for the attribute `Conventions` of the file.
pub(super) const CONVENTIONS: &str = "CF-1.9";

/// Names and values, each name once.
pub(super) type Attributes = Vec<(String, CfValue)>;

/// What the formats do differently.
pub(super) struct Dialect {
    pub(super) format: &'static str,
    /// The name of the array of a cube without bands.
    pub(super) unnamed: &'static str,
    /// The name of the grid mapping.
    pub(super) mapping: &'static str,
    /// Dimensions are time, others, y, x; else in the order of the cube.
    pub(super) sorted: bool,
}

/// All arrays of a file but the masks, which are known only once the pixels are.
pub(super) struct Layout {
    /// All dimensions but bands, in the order of the file.
    pub(super) dims: Vec<Axis>,
    pub(super) outputs: Vec<Output>,
    pub(super) mapping: Option<Mapping>,
    /// What the user should know.
    pub(super) notes: Vec<String>,
    /// What is said of the pixels.
    pub(super) comment: Option<String>,
    names: Names,
    /// Position in the schema of each of `dims`.
    order: Vec<usize>,
    /// Position in the schema of the bands dimension.
    bands: Option<usize>,
}

/// An array of pixels.
pub(super) struct Output {
    pub(super) name: String,
    pub(super) variable: Variable,
    /// The band's own label.
    label: String,
}

/// What is said of an array of pixels.
pub(super) struct Description {
    pub(super) attributes: Attributes,
    /// The array that says which pixels are valid, where no value can.
    pub(super) mask: Option<Mask>,
}

pub(super) struct Mask {
    pub(super) name: String,
    pub(super) attributes: Attributes,
}

impl Layout {
    /// # Errors
    /// [`SinkError::Unsuitable`] if labels are missing.
    pub(super) fn of(schema: &Schema, dialect: &Dialect) -> Result<Layout, SinkError> {
        let refuse = |reason| SinkError::Unsuitable { format: dialect.format, reason };
        let bands = schema.bands();
        let mut order: Vec<usize> = (0..schema.dims.len()).filter(|i| Some(*i) != bands).collect();
        if dialect.sorted {
            order.sort_by_key(|&i| rank(&schema.dims[i]));
        }
        let (mut notes, mut names) = (Vec::new(), Names::default());
        let mut dims = Vec::with_capacity(order.len());
        for dim in order.iter().map(|&i| &schema.dims[i]) {
            let name = names.give(&dim.name, "dimension", &mut notes);
            let coordinate = Coordinate::of(labels(dim).map_err(refuse)?);
            dims.push(Axis { name, kind: dim.kind.clone(), coordinate });
        }
        let mapping = Mapping::of(schema, || names.give(dialect.mapping, "variable", &mut notes));
        let band_labels: Vec<Label> = match bands {
            Some(i) => labels(&schema.dims[i]).map_err(refuse)?.iter().collect(),
            None => vec![Label::text(dialect.unnamed)],
        };
        if band_labels.len() != schema.variables.len() {
            let counts = (band_labels.len(), schema.variables.len());
            return Err(refuse(format!("it has {} bands but describes {}", counts.0, counts.1)));
        }
        let outputs = (band_labels.iter().zip(&schema.variables))
            .map(|(label, variable)| {
                let label = label.to_string();
                let name = names.give(&label, "band", &mut notes);
                Output { name, label, variable: variable.clone() }
            })
            .collect();
        Ok(Layout { dims, outputs, mapping, notes, comment: None, names, order, bands })
    }

    /// The shape of every array of pixels.
    pub(super) fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|dim| dim.coordinate.len()).collect()
    }

    /// Bytes of a pixel of the widest array.
    pub(super) fn widest(&self) -> usize {
        self.outputs.iter().map(|output| output.variable.dtype.size()).max().unwrap_or(8)
    }

    /// Which of the dimensions are x or y.
    pub(super) fn horizontal(&self) -> Vec<bool> {
        let horizontal = |dim: &Axis| {
            matches!(dim.kind, Kind::Spatial { axis: SpatialAxis::X | SpatialAxis::Y, .. })
        };
        self.dims.iter().map(horizontal).collect()
    }

    /// Whether the bands of a pixel are nearer to each other in the result than pixels along x and y.
    fn interleaved(&self) -> bool {
        let flat = |at: usize| matches!(&self.dims[at].kind, Kind::Spatial { .. });
        let last = (0..self.dims.len()).filter(|&at| flat(at)).map(|at| self.order[at]).max();
        self.bands.is_some_and(|bands| last.is_some_and(|last| bands > last))
    }

    /// What most likely stands for no-data in each band, where that does not depend on the pixels of any. `stored`
    /// gives the type in the file.
    pub(super) fn guesses(&self, stored: fn(DType) -> DType) -> Option<Vec<Guess>> {
        let guess = |o: &Output| Guess::new(o.variable.nodata, stored(o.variable.dtype));
        self.outputs.iter().map(guess).collect()
    }

    /// Decides what stands for no-data in each band after a look at all pixels.
    pub(super) fn scan(
        &self,
        result: &dyn ResultView,
        pieces: &Pieces,
        stored: fn(DType) -> DType,
    ) -> Result<Vec<NullCoding>, SinkError> {
        let empty = || -> Vec<Scan> {
            let scan = |o: &Output| Scan::new(o.variable.nodata, stored(o.variable.dtype));
            self.outputs.iter().map(scan).collect()
        };
        let meter = meter::current();
        let scans = (0..pieces.len())
            .into_par_iter()
            .try_fold(empty, |mut scans, n| {
                let _running = meter::enter(meter.as_ref());
                let (chunk, bands) = pieces.piece(n);
                self.read(result, &pieces.grid.region(chunk), bands, |band, part| {
                    scans[band].add(&part);
                    Ok(())
                })?;
                Ok::<_, SinkError>(scans)
            })
            .try_reduce(empty, |a, b| Ok(a.into_iter().zip(&b).map(|(a, b)| a.and(b)).collect()))?;
        Ok(scans.iter().map(Scan::decide).collect())
    }

    /// Reads `region` of some bands at once and gives them one by one, in their own type.
    ///
    /// `region` and the blocks have the dimensions of the file.
    pub(super) fn read(
        &self,
        result: &dyn ResultView,
        region: &Region,
        bands: Range<usize>,
        give: impl FnMut(usize, Block) -> Result<(), SinkError>,
    ) -> Result<(), SinkError> {
        let source = self.source(region, bands.clone());
        let block = result.read(&source)?;
        if block.shape != source.shape() {
            let shapes = (source.shape(), &block.shape);
            let reason = format!("asked for the shape {:?}, got {:?}", shapes.0, shapes.1);
            return Err(SinkError::Read(reason));
        }
        self.split(block, bands, give)
    }

    /// The size of a piece in the dimensions of the result.
    pub(super) fn brick(&self, pieces: &Pieces) -> Vec<usize> {
        let (chunk, bands) = pieces.piece(0);
        self.source(&pieces.grid.region(chunk), bands).shape()
    }

    /// The region of the result of some bands and a region in the dimensions of the file.
    fn source(&self, region: &Region, bands: Range<usize>) -> Region {
        let mut source = Region(vec![0..1; self.order.len() + usize::from(self.bands.is_some())]);
        for (range, &at) in region.0.iter().zip(&self.order) {
            source.0[at] = range.clone();
        }
        if let Some(at) = self.bands {
            source.0[at] = bands;
        }
        source
    }

    /// The bands and the region in the dimensions of the file of a region of the result.
    pub(super) fn place(&self, source: &Region) -> (Range<usize>, Region) {
        let bands = self.bands.map_or(0..1, |at| source.0[at].clone());
        (bands, Region(self.order.iter().map(|&at| source.0[at].clone()).collect()))
    }

    /// Gives the bands of a block of the result one by one, in their own type and with the dimensions of the file.
    pub(super) fn split<E>(
        &self,
        block: Block,
        bands: Range<usize>,
        mut give: impl FnMut(usize, Block) -> Result<(), E>,
    ) -> Result<(), E> {
        let order: Vec<usize> = self.bands.into_iter().chain(self.order.iter().copied()).collect();
        let shape: Vec<usize> = self.order.iter().map(|&at| block.shape[at]).collect();
        if bands.len() == 1 {
            let part = block.into_permuted(&order).reshape(shape);
            return give(bands.start, part.cast(self.outputs[bands.start].variable.dtype));
        }
        for band in bands.clone() {
            let mut part = Region::whole(&block.shape);
            if let Some(at) = self.bands {
                part.0[at] = band - bands.start..band - bands.start + 1;
            }
            let part = block.slice(&part).into_permuted(&order).reshape(shape.clone());
            give(band, part.cast(self.outputs[band].variable.dtype))?;
        }
        Ok(())
    }

    /// What is said of an array of pixels, once it is known what stands for no-data. Notes the choice.
    pub(super) fn describe(&mut self, band: usize, coding: &NullCoding) -> Description {
        let output = &self.outputs[band];
        let name = &output.name;
        let place = self.mapping.as_ref().map(Mapping::reference);
        let mut attributes = output.attributes();
        attributes.extend(place.clone());
        let mut mask = None;
        if coding.masked() {
            let mask_name = self.names.give(&format!("{name}_valid"), "mask", &mut self.notes);
            self.notes.push(format!("`{name}`: no value is free for no-data, see `{mask_name}`"));
            attributes.push(text("ancillary_variables", &mask_name));
            let mut about = vec![text("long_name", &format!("whether a pixel of {name} is valid"))];
            about.extend(place);
            mask = Some(Mask { name: mask_name, attributes: about });
        } else {
            // That nothing was declared needs no reason.
            let reason = coding.note.clone().filter(|_| output.variable.nodata.is_some());
            let chosen = coding.value.filter(|_| coding.missing);
            let chosen = chosen.map(|value| format!("{value} stands for no-data"));
            self.notes.extend(reason.or(chosen).map(|note| format!("`{name}`: {note}")));
        }
        Description { attributes, mask }
    }
}

impl Output {
    fn attributes(&self) -> Attributes {
        let variable = &self.variable;
        let common_name = variable.common_name.as_deref();
        let mut attributes = vec![text("long_name", common_name.unwrap_or(&self.label))];
        attributes.extend(common_name.map(|name| text("common_name", name)));
        let numbers = [
            ("center_wavelength", variable.center_wavelength),
            ("scale", variable.scale),
            ("offset", variable.offset),
        ];
        for (name, value) in numbers {
            attributes.extend(value.map(|value| (name.to_owned(), CfValue::Number(value))));
        }
        let packed = variable.scale.is_some() || variable.offset.is_some();
        let name = if packed { "unit" } else { "units" };
        attributes.extend(variable.unit.as_deref().map(|unit| text(name, unit)));
        attributes
    }
}

fn text(name: &str, value: &str) -> (String, CfValue) {
    (name.to_owned(), CfValue::Text(value.to_owned()))
}

fn labels(dim: &Dimension) -> Result<&Labels, String> {
    match dim.labels() {
        Some(labels) if !labels.is_empty() => Ok(labels),
        Some(_) => Err(format!("the dimension `{}` has no labels", dim.name)),
        None => Err(format!("the labels of `{}` are not known", dim.name)),
    }
}

/// Time first, then what has no place of its own, then y and x.
fn rank(dim: &Dimension) -> u8 {
    match dim.kind {
        Kind::Temporal => 0,
        Kind::Bands
        | Kind::Geometry(_)
        | Kind::Other
        | Kind::Spatial { axis: SpatialAxis::Z, .. } => 1,
        Kind::Spatial { axis: SpatialAxis::Y, .. } => 2,
        Kind::Spatial { axis: SpatialAxis::X, .. } => 3,
    }
}

#[cfg(test)]
mod tests;
