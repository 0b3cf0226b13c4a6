//! What the arrays of a file mean: CF conventions as xarray, GDAL and climate tools write them.
//!
//! ```text
//! arrays ─ layout ─► data variables of one shape, their dimensions, the coordinate arrays to fetch
//!                      │ describe fetches them
//!                      ▼
//!                    build ─► labels (labels, time), reference system (crs), bands (bands) ─► Content + CubeNotes
//! ```
//! Zarr and NetCDF share this. It reads metadata and small coordinate arrays, never pixels. What had to be guessed
//! or left out is said in [`CubeNotes::notes`]. Grids with two-dimensional coordinates are refused by name.

mod bands;
mod crs;
mod labels;
mod layout;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::{Dimension, Kind, Labels, Region, Schema, SpatialAxis, Values};
use eolith_plan::need::{ArrayDim, ArrayRef, Content, Format, Piece};
use serde_json::{Map, Value};

use super::{ArrayMeta, ArrayReader, SourceError};
use layout::{Layout, Role};

/// The longest coordinate array that is read.
const MAX_COORDINATE: usize = 1 << 24;

/// What is said of a file beside its cube.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CubeNotes {
    pub title: Option<String>,
    pub description: Option<String>,
    /// Attributes of the file.
    pub attributes: Map<String, Value>,
    /// Guesses that were made and what was left out, for people.
    pub notes: Vec<String>,
}

/// One array of a file, as far as its meaning is concerned.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    pub meta: &'a ArrayMeta,
    /// Whether its elements are texts.
    pub text: bool,
    pub version: Option<&'a str>,
}

/// The elements of a one-dimensional coordinate array.
#[derive(Clone, Debug, PartialEq)]
pub enum Coordinate {
    Numbers(Values),
    Texts(Vec<String>),
}

/// The cube in a file, with its coordinates fetched.
pub async fn describe(
    arrays: &[Arc<dyn ArrayReader>],
    attributes: &Map<String, Value>,
    href: &str,
    format: Format,
) -> Result<(Content, CubeNotes), SourceError> {
    let entries: Vec<Entry<'_>> = (arrays.iter())
        .map(|array| {
            let text = array.texts().is_some();
            Entry { meta: array.meta(), text, version: array.version() }
        })
        .collect();
    let mut values = BTreeMap::new();
    for index in coordinates(&entries, attributes).map_err(|e| e.at(href, format))? {
        values.insert(arrays[index].meta().name.clone(), fetch(&arrays[index], href).await?);
    }
    build(&entries, &values, attributes, href, format)
}

/// As [`describe`], from coordinates that are there already, by name of their array. Those that are missing count
/// as not given.
pub fn build(
    entries: &[Entry<'_>],
    values: &BTreeMap<String, Coordinate>,
    attributes: &Map<String, Value>,
    href: &str,
    format: Format,
) -> Result<(Content, CubeNotes), SourceError> {
    let layout = Layout::choose(entries, attributes).map_err(|e| e.at(href, format))?;
    let mut notes = layout.notes.clone();
    let mapping = crs::mapping(entries, &layout);
    let crs = crs::find(entries, &layout, mapping, attributes, &mut notes);
    let mut dims = Vec::new();
    for dim in &layout.dims {
        let coordinate = dim.coordinate.map(|index| entries[index]);
        let given = coordinate.and_then(|entry| values.get(&entry.meta.name));
        let labels = match (coordinate, given) {
            (Some(entry), Some(given)) => labels::read(dim, entry.meta, given, &mut notes),
            _ => labels::without_coordinate(dim, mapping, &mut notes),
        };
        let kind = match (dim.role, &labels) {
            (Role::X, _) => Kind::Spatial { axis: SpatialAxis::X, crs: crs.clone() },
            (Role::Y, _) => Kind::Spatial { axis: SpatialAxis::Y, crs: crs.clone() },
            (Role::Z, _) => Kind::Spatial { axis: SpatialAxis::Z, crs: None },
            (Role::Bands, _) => Kind::Bands,
            (Role::T, Labels::List(list)) if list.iter().all(|l| l.as_time().is_some()) => {
                Kind::Temporal
            }
            (Role::T | Role::Other, _) => Kind::Other,
        };
        dims.push(Dimension::new(dim.name.clone(), kind, labels));
    }
    let content = assemble(entries, &layout, dims, attributes, href, format, &mut notes);
    let text = |names: &[&str]| {
        names.iter().find_map(|name| attributes.get(*name)?.as_str()).map(str::to_owned)
    };
    let notes = CubeNotes {
        title: text(&["title", "name", "long_name"]),
        description: text(&["description", "summary", "abstract", "comment"]),
        attributes: attributes.clone(),
        notes,
    };
    Ok((content, notes))
}

/// Indices of the arrays whose elements [`build`] wants to know.
fn coordinates(
    entries: &[Entry<'_>],
    attributes: &Map<String, Value>,
) -> Result<Vec<usize>, layout::Refused> {
    let layout = Layout::choose(entries, attributes)?;
    Ok(layout.dims.iter().filter_map(|dim| dim.coordinate).collect())
}

async fn fetch(array: &Arc<dyn ArrayReader>, href: &str) -> Result<Coordinate, SourceError> {
    let len: usize = array.meta().shape.iter().product();
    if len > MAX_COORDINATE {
        let what = format!("a coordinate `{}` of {len} values", array.meta().name);
        return Err(SourceError::Unsupported { href: href.to_owned(), what });
    }
    if let Some(texts) = array.texts() {
        return Ok(Coordinate::Texts(texts.await?));
    }
    let region = Region::whole(&array.meta().shape);
    let fetched = array.fetch(region.clone()).await?;
    Ok(Coordinate::Numbers(array.decode(&region, fetched)?.values))
}

/// Puts the variables beside each other along a dimension of bands, unless they have one.
fn assemble(
    entries: &[Entry<'_>],
    layout: &Layout,
    mut dims: Vec<Dimension>,
    attributes: &Map<String, Value>,
    href: &str,
    format: Format,
    notes: &mut Vec<String>,
) -> Content {
    let own = dims.iter().position(|dim| dim.kind == Kind::Bands);
    let metas: Vec<&ArrayMeta> = layout.variables.iter().map(|&i| entries[i].meta).collect();
    // Where the bands go, if they are not there.
    let at = own.is_none().then(|| {
        let time = dims.iter().position(|dim| dim.kind == Kind::Temporal);
        time.map_or(0, |time| time + 1)
    });
    let variables = match own {
        Some(own) => {
            let names = names(dims[own].labels());
            bands::along_dimension(metas[0], &names, attributes, notes)
        }
        None => bands::of_variables(&metas, &layout.labels, attributes, notes),
    };
    let array_dims: Vec<ArrayDim> = (0..dims.len())
        .map(|i| ArrayDim::Along { dim: i + usize::from(at.is_some_and(|at| i >= at)), offset: 0 })
        .collect();
    if let Some(at) = at {
        let taken = dims.iter().any(|dim| dim.name == "bands");
        let name = if taken { "eo:bands" } else { "bands" };
        dims.insert(at, Dimension::new(name, Kind::Bands, Labels::texts(&layout.labels)));
    }
    let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap_or(0)).collect();
    let pieces = (layout.variables.iter().enumerate())
        .map(|(band, &index)| {
            let Entry { meta, version, .. } = entries[index];
            let mut region = Region::whole(&shape);
            if let Some(at) = at {
                region.0[at] = band..band + 1;
            }
            let array = ArrayRef {
                href: href.to_owned(),
                format,
                array: meta.name.clone(),
                version: version.map(str::to_owned),
                chunk: Some(meta.chunk.clone()),
                requested: false,
            };
            Piece { array, region, dims: array_dims.clone(), nodata: meta.nodata, grid: None }
        })
        .collect();
    Content::Cube { schema: Schema { dims, variables }, pieces }
}

fn names(labels: Option<&Labels>) -> Vec<String> {
    labels.map(|labels| labels.iter().map(|label| label.to_string()).collect()).unwrap_or_default()
}

fn text<'a>(attributes: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    attributes.get(name).and_then(Value::as_str)
}

/// A number that may stand as text or as a list of one.
fn number(attributes: &Map<String, Value>, name: &str) -> Option<f64> {
    match attributes.get(name)? {
        Value::Array(values) if values.len() == 1 => values[0].as_f64(),
        Value::String(text) => text.trim().parse().ok(),
        value => value.as_f64(),
    }
}
