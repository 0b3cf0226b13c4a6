//! What the arrays of a file mean: CF conventions as xarray, GDAL and climate tools write them.
//!
//! ```text
//! arrays ─ layout ─► data variables by dimensions, without overviews; the coordinate arrays to fetch
//!                      │ describe fetches them
//!                      ▼
//!                    build ─► labels (labels, time), reference system (crs)   a Part for each set of dimensions
//!                      ▼
//!                   assemble ─► levels of resolution joined, bands (bands)    a Cube for each collection
//! ```
//! Zarr and NetCDF share this. It reads metadata and small coordinate arrays, never pixels. Variables on a map become
//! one cube for each set of dimensions; arrays of sibling groups that show the same area in several resolutions are
//! bands of one cube. What had to be guessed or left out is said in [`CubeNotes::notes`]. Grids with two-dimensional
//! coordinates are refused by name.

mod assemble;
mod bands;
mod crs;
mod labels;
mod layout;
mod overviews;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::sync::Arc;

use eolith_cube::{Dimension, Kind, Labels, Region, SpatialAxis, Values};
use eolith_plan::need::{Content, Format, Level};
use serde_json::{Map, Value};

use super::{ArrayMeta, ArrayReader, SourceError};
use assemble::Part;
use layout::{Layout, Layouts, Role};

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

/// A cube of a file that may have several.
#[derive(Clone, Debug, PartialEq)]
pub struct Cube {
    /// Tells it from the others of the file; empty for the first one.
    pub name: String,
    pub content: Content,
    pub notes: CubeNotes,
    /// Overviews by the name of their array, finest first.
    pub levels: BTreeMap<String, Vec<Level>>,
}

/// What a file says of itself and of its groups.
#[derive(Clone, Copy, Debug)]
pub struct Attributes<'a> {
    pub root: &'a Map<String, Value>,
    /// By path, without those of the root.
    pub groups: &'a BTreeMap<String, Map<String, Value>>,
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

/// The first cube of a file without groups, with its coordinates fetched.
pub async fn describe(
    arrays: &[Arc<dyn ArrayReader>],
    attributes: &Map<String, Value>,
    href: &str,
    format: Format,
) -> Result<(Content, CubeNotes), SourceError> {
    let attributes = Attributes { root: attributes, groups: &BTreeMap::new() };
    let first = describe_all(arrays, attributes, href, format).await?.into_iter().next();
    let first = first.ok_or_else(|| layout::Refused::Empty.at(href, format))?;
    Ok((first.content, first.notes))
}

/// The cubes of a file, with their coordinates fetched: at least one, that of the file's own name first.
///
/// # Errors
/// [`SourceError::Invalid`] where there are no data, [`SourceError::Unsupported`] where all are on curvilinear grids or
/// coordinates are too long, and what reading the coordinates says.
pub async fn describe_all(
    arrays: &[Arc<dyn ArrayReader>],
    attributes: Attributes<'_>,
    href: &str,
    format: Format,
) -> Result<Vec<Cube>, SourceError> {
    let entries: Vec<Entry<'_>> = (arrays.iter())
        .map(|array| {
            let text = array.texts().is_some();
            Entry { meta: array.meta(), text, version: array.version() }
        })
        .collect();
    let layouts = Layouts::of(&entries, attributes).map_err(|e| e.at(href, format))?;
    let mut values = BTreeMap::new();
    let all = layouts.list.iter().chain(layouts.overviews.iter().map(|(_, layout)| layout));
    let wanted = all.flat_map(|layout| &layout.dims).filter_map(|d| d.coordinate);
    for index in wanted {
        let name = &arrays[index].meta().name;
        if !values.contains_key(name) {
            values.insert(name.clone(), fetch(&arrays[index], href).await?);
        }
    }
    Ok(make(&entries, &layouts, &values, attributes, href, format))
}

/// As [`describe_all`], from coordinates that are there already, by name of their array. Those that are missing count
/// as not given.
pub fn build(
    entries: &[Entry<'_>],
    values: &BTreeMap<String, Coordinate>,
    attributes: Attributes<'_>,
    href: &str,
    format: Format,
) -> Result<Vec<Cube>, SourceError> {
    let layouts = Layouts::of(entries, attributes).map_err(|e| e.at(href, format))?;
    Ok(make(entries, &layouts, values, attributes, href, format))
}

impl Attributes<'_> {
    /// What holds inside a group: its own attributes before those of the groups above it.
    fn inside(&self, group: &str) -> Map<String, Value> {
        let mut all = self.root.clone();
        let ends = group.match_indices('/').map(|(at, _)| at).chain([group.len()]);
        for own in ends.filter_map(|end| self.groups.get(&group[..end])) {
            all.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
        }
        all
    }
}

fn make(
    entries: &[Entry<'_>],
    layouts: &Layouts,
    values: &BTreeMap<String, Coordinate>,
    attributes: Attributes<'_>,
    href: &str,
    format: Format,
) -> Vec<Cube> {
    let parts = layouts.list.iter().map(|layout| part(entries, layout, values, attributes));
    let file = assemble::File { entries, attributes, href, format };
    let parts: Vec<Part<'_>> = parts.collect();
    let overviews = layouts
        .overviews
        .iter()
        .map(|(finest, layout)| (*finest, part(entries, layout, values, attributes)));
    let mut levels = file.levels(&parts, overviews.collect());
    let mut cubes = file.cubes(parts);
    for cube in &mut cubes {
        let Content::Cube { pieces, .. } = &cube.content else { continue };
        let own = pieces.iter().filter_map(|piece| levels.remove_entry(&piece.array.array));
        cube.levels = own.collect();
    }
    if let Some(first) = cubes.first_mut() {
        first.notes.notes.extend(layouts.notes.iter().cloned());
    }
    cubes
}

/// The dimensions of a layout with their labels.
fn part<'a>(
    entries: &[Entry<'_>],
    layout: &'a Layout,
    values: &BTreeMap<String, Coordinate>,
    attributes: Attributes<'_>,
) -> Part<'a> {
    let scope = attributes.inside(&layout.group);
    let mut notes = Vec::new();
    let mapping = crs::mapping(entries, layout);
    let crs = crs::find(entries, layout, mapping, &scope, &mut notes);
    let first = layout.variables.first().map(|&i| &entries[i].meta.attributes);
    let transforms: Vec<&Map<String, Value>> =
        mapping.map(|meta| &meta.attributes).into_iter().chain(first).chain([&scope]).collect();
    let mut dims = Vec::new();
    for dim in &layout.dims {
        let coordinate = dim.coordinate.map(|index| entries[index]);
        let given = coordinate.and_then(|entry| values.get(&entry.meta.name));
        let labels = match (coordinate, given) {
            (Some(entry), Some(given)) => labels::read(dim, entry.meta, given, &mut notes),
            _ => labels::without_coordinate(dim, &transforms, &mut notes),
        };
        if dim.role == Role::X && crs.as_ref().is_some_and(|crs| crs.is_geographic()) {
            labels::note_longitudes(&labels, &mut notes);
        }
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
    Part { layout, dims, scope, notes }
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
