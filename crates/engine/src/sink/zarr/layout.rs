//! Where everything goes in the group: names, chunks, and what they take.

use std::collections::BTreeSet;

use eolith_cube::{
    Block, ChunkGrid, Crs, DType, Kind, Label, Region, Schema, SpatialAxis, Variable,
};
use serde_json::{Map, Value};

use super::NAME;
use super::coordinates::{Axis, Coordinate};
use crate::crs_text::{self, CfValue};
use crate::sink::SinkError;

/// Bytes of a chunk before compression, about.
const CHUNK: usize = 4 << 20;

pub(super) struct Layout {
    /// All dimensions but bands, in the order of the schema.
    pub(super) dims: Vec<Axis>,
    pub(super) outputs: Vec<Output>,
    pub(super) mapping: Option<Mapping>,
    /// Chunks over `dims`.
    pub(super) grid: ChunkGrid,
    pub(super) notes: Vec<String>,
    pub(super) names: Names,
    /// Position of the bands dimension in the schema.
    bands: Option<usize>,
    /// The type blocks of the result have.
    common: DType,
}

/// One array of pixels.
pub(super) struct Output {
    pub(super) name: String,
    /// The band's own label.
    label: String,
    pub(super) variable: Variable,
}

/// The reference system of the group and where its pixels are.
pub(super) struct Mapping {
    pub(super) name: String,
    pub(super) crs: Crs,
    /// GDAL's six numbers, where both axes are evenly spaced.
    transform: Option<[f64; 6]>,
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Layout {
    pub(super) fn of(schema: &Schema) -> Result<Layout, SinkError> {
        let refuse = |reason: String| SinkError::Unsuitable { format: NAME, reason };
        let bands = schema.bands();
        let (mut notes, mut names) = (Vec::new(), Names::default());
        let mut dims = Vec::new();
        let mut edges = Vec::new();
        for (i, dim) in schema.dims.iter().enumerate() {
            let labels = (dim.labels())
                .ok_or_else(|| refuse(format!("the labels of `{}` are not known", dim.name)))?;
            if labels.is_empty() {
                return Err(refuse(format!("the dimension `{}` has no labels", dim.name)));
            }
            if Some(i) == bands {
                continue;
            }
            let name = names.give(&dim.name, "dimension", &mut notes);
            dims.push(Axis { name, kind: dim.kind.clone(), coordinate: Coordinate::of(labels) });
            edges.push(matches!(&dim.kind, Kind::Spatial { axis, .. } if *axis != SpatialAxis::Z));
        }
        let mapping = Mapping::of(schema, &mut names);
        let labels = match bands.and_then(|i| schema.dims[i].labels()) {
            Some(labels) => labels.iter().collect(),
            None => vec![Label::text("data")],
        };
        if labels.len() != schema.variables.len() {
            let counts = (labels.len(), schema.variables.len());
            return Err(refuse(format!("it has {} bands but describes {}", counts.0, counts.1)));
        }
        let outputs: Vec<Output> = (labels.iter().zip(&schema.variables))
            .map(|(label, variable)| {
                let label = label.to_string();
                let name = names.give(&label, "band", &mut notes);
                Output { name, label, variable: variable.clone() }
            })
            .collect();
        let widest = outputs.iter().map(|o| o.variable.dtype.size()).max().unwrap_or(8);
        let shape: Vec<usize> = dims.iter().map(|dim| dim.coordinate.len()).collect();
        let chunk = chunk(&shape, &edges, CHUNK / widest);
        let grid = ChunkGrid::new(shape, chunk);
        let common = schema.dtype();
        Ok(Layout { dims, outputs, mapping, grid, notes, names, bands, common })
    }

    /// How many bands of a chunk may be read together in `room` bytes; 0 if not even one.
    pub(super) fn bands_within(&self, room: u64) -> usize {
        let one = self.read_bytes(1).max(1);
        usize::try_from(room / one).unwrap_or(usize::MAX).min(self.outputs.len())
    }

    /// Bytes of a block of that many bands of one chunk, with validity.
    pub(super) fn read_bytes(&self, bands: usize) -> u64 {
        let pixels: u64 = self.grid.chunk.iter().map(|&n| n as u64).product();
        pixels.saturating_mul(bands as u64).saturating_mul(self.common.size() as u64 + 1)
    }

    /// The region of the result that holds `bands` of `region`.
    pub(super) fn source(&self, region: &Region, bands: std::ops::Range<usize>) -> Region {
        let mut ranges = region.0.clone();
        if let Some(at) = self.bands {
            ranges.insert(at, bands);
        }
        Region(ranges)
    }

    /// One of the `count` bands in a block of [`Layout::source`], without the bands dimension.
    pub(super) fn band(&self, block: &Block, band: usize, count: usize, region: &Region) -> Block {
        let whole = Region(region.shape().into_iter().map(|n| 0..n).collect());
        if count == 1 {
            return block.clone().reshape(region.shape());
        }
        block.slice(&self.source(&whole, band..band + 1)).reshape(region.shape())
    }

    /// The attributes that tie an array to the reference system.
    pub(super) fn mapping_attributes(&self) -> Map<String, Value> {
        mapping_attributes(self.mapping.as_ref())
    }
}

impl Output {
    pub(super) fn attributes(&self, mapping: Option<&Mapping>) -> Map<String, Value> {
        let mut attributes = mapping_attributes(mapping);
        let mut put = |name: &str, value: Value| attributes.insert(name.to_owned(), value);
        let variable = &self.variable;
        put("long_name", self.label.as_str().into());
        if let Some(name) = &variable.common_name {
            put("common_name", name.as_str().into());
        }
        if let Some(wavelength) = variable.center_wavelength {
            put("center_wavelength", wavelength.into());
        }
        for (name, value) in [("scale", variable.scale), ("offset", variable.offset)] {
            if let Some(value) = value {
                put(name, value.into());
            }
        }
        // The unit of packed values is that of what they unpack to.
        if let (Some(unit), None, None) = (&variable.unit, variable.scale, variable.offset) {
            put("units", unit.as_str().into());
        }
        attributes
    }
}

impl Mapping {
    fn of(schema: &Schema, names: &mut Names) -> Option<Mapping> {
        let axis = |axis| schema.spatial(axis).map(|i| &schema.dims[i]);
        let (x, y) = (axis(SpatialAxis::X)?, axis(SpatialAxis::Y)?);
        let crs = x.crs().or(y.crs())?.clone();
        let transform = schema.grid().ok().map(|grid| {
            let ((left, _), (top, _)) = (grid.x.edges(), grid.y.edges());
            [left, grid.x.step, 0.0, top, 0.0, grid.y.step]
        });
        let name = names.give("spatial_ref", "variable", &mut Vec::new());
        Some(Mapping { name, crs, transform })
    }

    /// CF's parameters, WKT under the names of CF and of GDAL, and GDAL's transform.
    pub(super) fn attributes(&self) -> Map<String, Value> {
        let mut attributes = Map::new();
        for (name, value) in crs_text::cf_attributes(&self.crs) {
            let value = match value {
                CfValue::Text(text) => text.into(),
                CfValue::Number(number) => number.into(),
                CfValue::Numbers(numbers) => numbers.into(),
            };
            attributes.insert(name, value);
        }
        if let Some(wkt) = crs_text::wkt(&self.crs) {
            for name in ["crs_wkt", "spatial_ref"] {
                attributes.insert(name.to_owned(), wkt.as_ref().into());
            }
        }
        if let Some(transform) = self.transform {
            let text = transform.map(|number| number.to_string()).join(" ");
            attributes.insert("GeoTransform".to_owned(), text.into());
        }
        attributes
    }
}

impl Names {
    /// `wanted`, or the nearest name that is allowed and free, with a note of the change.
    pub(super) fn give(&mut self, wanted: &str, what: &str, notes: &mut Vec<String>) -> String {
        let allowed = |c: char| if "/\\".contains(c) || c.is_control() { '_' } else { c };
        let mut name: String = wanted.trim().chars().map(allowed).collect();
        // Zarr keeps names of dots alone, and those that start with two underscores, for itself.
        if name.chars().all(|c| c == '.') || name.starts_with("__") || name == "zarr.json" {
            name = format!("{what}{name}");
        }
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        if name != wanted {
            notes.push(format!("the {what} `{wanted}` is called `{name}` in the store"));
        }
        name
    }
}

fn mapping_attributes(mapping: Option<&Mapping>) -> Map<String, Value> {
    let mut attributes = Map::new();
    if let Some(mapping) = mapping {
        for name in ["grid_mapping", "coordinates"] {
            attributes.insert(name.to_owned(), mapping.name.as_str().into());
        }
    }
    attributes
}

/// A chunk of at most `room` pixels: square over the `edges` (x and y), and what is left of the room for the other
/// dimensions, the last one first.
fn chunk(shape: &[usize], edges: &[bool], room: usize) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    let mut left = room.max(1);
    let flat: Vec<usize> = (0..shape.len()).filter(|&i| edges[i]).collect();
    // The short side first: what it leaves, the long one may have.
    let mut by_length = flat.clone();
    by_length.sort_by_key(|&i| shape[i]);
    for (done, &i) in by_length.iter().enumerate() {
        let sides = by_length.len() - done;
        let side = if sides == 2 { left.isqrt() } else { left };
        chunk[i] = shape[i].clamp(1, side.max(1));
        left = (left / chunk[i]).max(1);
    }
    for i in (0..shape.len()).rev().filter(|i| !edges[*i]) {
        chunk[i] = shape[i].clamp(1, left);
        left = (left / chunk[i]).max(1);
    }
    chunk
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_square_and_full() {
        let edges = [false, true, true];
        assert_eq!(chunk(&[10, 5000, 5000], &edges, 1 << 20), [1, 1024, 1024]);
        assert_eq!(chunk(&[68, 101, 100], &edges, 1 << 20), [68, 101, 100]);
        assert_eq!(chunk(&[1000, 101, 100], &edges, 1 << 20), [103, 101, 100]);
        assert_eq!(chunk(&[3, 10, 1 << 20], &edges, 1 << 20), [1, 10, 104_857]);
        assert_eq!(chunk(&[7], &[false], 4), [4]);
        assert_eq!(chunk(&[], &[], 4), [0_usize; 0]);
    }

    #[test]
    fn names_are_free_and_allowed() {
        let (mut names, mut notes) = (Names::default(), Vec::new());
        assert_eq!(names.give("x", "dimension", &mut notes), "x");
        assert_eq!(notes.len(), 0);
        assert_eq!(names.give("x", "band", &mut notes), "x_");
        assert_eq!(names.give("a/b", "band", &mut notes), "a_b");
        assert_eq!(names.give("..", "band", &mut notes), "band..");
        assert_eq!(names.give("", "band", &mut notes), "band");
        assert_eq!(notes.len(), 4);
    }
}
