//! Where everything goes in the file: names, order of dimensions, chunks, and what that takes.

use std::collections::BTreeSet;

use eolith_cube::{Dimension, Kind, Label, Schema, SpatialAxis, Variable};

use super::NAME;
use super::coordinates::Coordinate;
use super::crs::Mapping;
use crate::sink::SinkError;

/// Bytes of a chunk before compression, about.
const CHUNK: usize = 1 << 20;

pub(super) struct Layout {
    pub(super) dims: Vec<Axis>,
    /// Position in the schema of each of `dims`.
    pub(super) order: Vec<usize>,
    /// Position of the bands dimension in the schema.
    pub(super) bands: Option<usize>,
    pub(super) schema_shape: Vec<usize>,
    pub(super) outputs: Vec<Output>,
    pub(super) mapping: Option<Mapping>,
    pub(super) chunk: Vec<usize>,
    pub(super) notes: Vec<String>,
    pub(super) names: Names,
}

/// A dimension of the file.
pub(super) struct Axis {
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) coordinate: Coordinate,
}

/// A variable of the file.
pub(super) struct Output {
    pub(super) name: String,
    /// The band's own label.
    pub(super) label: String,
    pub(super) variable: Variable,
}

impl Layout {
    pub(super) fn of(schema: &Schema) -> Result<Layout, SinkError> {
        let refuse = |reason: String| SinkError::Unsuitable { format: NAME, reason };
        let open = || refuse("the labels of a dimension are not known".to_owned());
        let schema_shape = schema.shape().ok_or_else(open)?;
        if let Some(empty) = schema.dims.iter().find(|d| d.is_empty()) {
            return Err(refuse(format!("the dimension `{}` has no labels", empty.name)));
        }
        let bands = schema.bands();
        let mut order: Vec<usize> = (0..schema.dims.len()).filter(|i| Some(*i) != bands).collect();
        order.sort_by_key(|&i| rank(&schema.dims[i]));

        let mut notes = Vec::new();
        let mut names = Names::default();
        let mut dims = Vec::with_capacity(order.len());
        for dim in order.iter().map(|&i| &schema.dims[i]) {
            let coordinate = Coordinate::of(dim.labels().ok_or_else(open)?);
            let name = names.give(&dim.name, "dimension", &mut notes);
            dims.push(Axis { name, kind: dim.kind.clone(), coordinate });
        }
        let mapping = Mapping::of(schema, &mut names, &mut notes);
        let labels = match bands.and_then(|i| schema.dims[i].labels()) {
            Some(labels) => labels.iter().collect(),
            None => vec![Label::text("var")],
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
        let shape: Vec<usize> = dims.iter().map(|d| d.coordinate.len()).collect();
        let flat = dims.len() >= 2 && dims.iter().rev().take(2).all(|d| is_horizontal(&d.kind));
        let chunk = chunk(&shape, flat, CHUNK / widest);
        Ok(Layout { dims, order, bands, schema_shape, outputs, mapping, chunk, notes, names })
    }

    pub(super) fn shape(&self) -> Vec<usize> {
        self.dims.iter().map(|d| d.coordinate.len()).collect()
    }

    /// Peak bytes of writing: the builder's copy of all values, the encoder's copy in file order, the chunks
    /// (padded to their full size, with room for what deflate and a growing buffer add) and the file made of them. Reading before that
    /// takes less: the values, one byte a pixel for validity, and windows.
    pub(super) fn memory(&self, window: u64) -> u64 {
        let pixels: u64 = self.shape().iter().map(|&n| n as u64).product();
        let padded: u64 = (self.shape().iter().zip(&self.chunk))
            .map(|(&n, &c)| (n.div_ceil(c) * c) as u64)
            .fold(1, u64::saturating_mul);
        let bytes: u64 = self.outputs.iter().map(|o| o.variable.dtype.size() as u64).sum();
        let masks = pixels.saturating_mul(self.outputs.len() as u64);
        let values = pixels.saturating_mul(bytes);
        let chunks = padded.saturating_mul(bytes);
        let encoding = values.saturating_add(chunks).saturating_mul(2).saturating_add(chunks / 8);
        let reading = values.saturating_add(masks).saturating_add(window.saturating_mul(3));
        let labels: u64 = self.dims.iter().map(|d| d.coordinate.len() as u64 * 64).sum();
        encoding.max(reading).saturating_add(labels).saturating_add(1 << 20)
    }
}

/// The largest run of whole trailing dimensions of at most `room` pixels.
pub(super) fn trailing(shape: &[usize], mut room: usize) -> Vec<usize> {
    let mut chunk = vec![1; shape.len()];
    for (size, &n) in chunk.iter_mut().zip(shape).rev() {
        *size = n.clamp(1, room.max(1));
        room /= *size;
    }
    chunk
}

/// Square in the last two dimensions where these are y and x, the rest of the room for what is before them.
fn chunk(shape: &[usize], flat: bool, room: usize) -> Vec<usize> {
    if !flat {
        return trailing(shape, room);
    }
    let (outer, inner) = shape.split_at(shape.len() - 2);
    let edge = room.isqrt().max(1);
    // A narrow image is not wasted on a square: what one axis leaves the other may have.
    let width = inner[1].min(edge.max(room / inner[0].max(1))).max(1);
    let height = inner[0].min(room / width).max(1);
    let mut chunk = trailing(outer, room / (width * height));
    chunk.extend([height, width]);
    chunk
}

/// Time first, then what has no place of its own, then y and x.
fn rank(dim: &Dimension) -> u8 {
    match dim.kind {
        Kind::Temporal => 0,
        Kind::Bands | Kind::Other | Kind::Spatial { axis: SpatialAxis::Z, .. } => 1,
        Kind::Spatial { axis: SpatialAxis::Y, .. } => 2,
        Kind::Spatial { axis: SpatialAxis::X, .. } => 3,
    }
}

fn is_horizontal(kind: &Kind) -> bool {
    matches!(kind, Kind::Spatial { axis: SpatialAxis::X | SpatialAxis::Y, .. })
}

/// Names that are taken.
#[derive(Default)]
pub(super) struct Names(BTreeSet<String>);

impl Names {
    /// `wanted`, or the nearest name that is allowed and free, with a note of the change.
    pub(super) fn give(&mut self, wanted: &str, what: &str, notes: &mut Vec<String>) -> String {
        let allowed = |c: char| if c == '/' || c.is_control() { '_' } else { c };
        let mut name: String = wanted.trim().chars().map(allowed).collect();
        if name.is_empty() {
            name.push_str(what);
        }
        while !self.0.insert(name.clone()) {
            name.push('_');
        }
        if name != wanted {
            notes.push(format!("the {what} `{wanted}` is called `{name}` in the file"));
        }
        name
    }
}
