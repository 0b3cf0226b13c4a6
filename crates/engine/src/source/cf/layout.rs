//! Which arrays of a file are data, which are coordinates, and what the dimensions are.

use std::collections::BTreeSet;

use eolith_plan::need::Format;
use serde_json::{Map, Value};

use super::{Entry, text, time};
use crate::source::SourceError;

/// The part of a file that becomes a cube.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    /// Indices of the data variables: all have the same dimensions.
    pub(super) variables: Vec<usize>,
    /// A name for each of them that no other has.
    pub(super) labels: Vec<String>,
    /// In the order of the arrays.
    pub(super) dims: Vec<LayoutDim>,
    pub(super) notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct LayoutDim {
    pub(super) name: String,
    pub(super) len: usize,
    pub(super) role: Role,
    /// The role was taken from the name alone.
    pub(super) by_name: bool,
    /// Index of the coordinate array.
    pub(super) coordinate: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    X,
    Y,
    Z,
    T,
    Bands,
    Other,
}

/// Why a file is no cube.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Refused {
    Empty,
    Curvilinear(String),
}

/// Dimensions of a variable: name, length and coordinate array. Variables that agree in them form a group.
type Shape = Vec<(String, usize, Option<usize>)>;

impl Layout {
    /// Chooses the largest group of variables that have the same dimensions, those on a map first.
    pub(super) fn choose(
        entries: &[Entry<'_>],
        attributes: &Map<String, Value>,
    ) -> Result<Layout, Refused> {
        let helpers = helpers(entries, attributes);
        let is_data = |&i: &usize| {
            let entry = entries[i];
            !entry.text && !entry.meta.dims.is_empty() && !helpers.contains(&i)
        };
        let mut groups: Vec<(Shape, Vec<usize>)> = Vec::new();
        for index in (0..entries.len()).filter(is_data) {
            let shape = shape_of(entries, index);
            match groups.iter_mut().find(|(other, _)| *other == shape) {
                Some((_, members)) => members.push(index),
                None => groups.push((shape, vec![index])),
            }
        }
        let size = |(shape, members): &(Shape, Vec<usize>)| {
            let roles = roles(entries, shape);
            let on_map = [Role::X, Role::Y].iter().all(|role| roles.iter().any(|r| r.0 == *role));
            let pixels: u128 = shape.iter().map(|(_, len, _)| *len as u128).product();
            (on_map, pixels * members.len() as u128)
        };
        // The first of equal ones.
        let best = (groups.iter().enumerate())
            .max_by_key(|(i, group)| (size(group), std::cmp::Reverse(*i)))
            .map(|(i, _)| i)
            .ok_or(Refused::Empty)?;
        let (shape, mut variables) = groups.swap_remove(best);
        let roles = roles(entries, &shape);
        let dims: Vec<LayoutDim> = (shape.into_iter().zip(roles))
            .map(|((name, len, coordinate), (role, by_name))| LayoutDim {
                name,
                len,
                role,
                by_name,
                coordinate,
            })
            .collect();
        refuse_curvilinear(entries, variables[0], &dims)?;
        let mut left_out: Vec<usize> =
            groups.into_iter().flat_map(|(_, members)| members).collect();
        if dims.iter().any(|dim| dim.role == Role::Bands) {
            left_out.extend(variables.drain(1..));
        }
        left_out.sort_unstable();
        let mut notes = Vec::new();
        if !left_out.is_empty() {
            let names: Vec<String> =
                left_out.iter().map(|&i| format!("`{}`", entries[i].meta.name)).collect();
            notes.push(format!(
                "variables with other dimensions than the cube were left out: {}",
                names.join(", ")
            ));
        }
        let labels = labels(entries, &variables);
        Ok(Layout { variables, labels, dims, notes })
    }
}

impl Refused {
    pub(super) fn at(self, href: &str, format: Format) -> SourceError {
        let href = href.to_owned();
        match self {
            Refused::Empty => SourceError::Invalid {
                href,
                format: format.name(),
                reason: "it has no data variable".to_owned(),
            },
            Refused::Curvilinear(names) => SourceError::Unsupported {
                href,
                what: format!("a curvilinear grid (two-dimensional coordinates {names})"),
            },
        }
    }
}

/// The array that `name` means when an array at `from` says it: in its own group, else in one above.
pub(super) fn resolve(entries: &[Entry<'_>], from: &str, name: &str) -> Option<usize> {
    if let Some(absolute) = name.strip_prefix('/') {
        return entries.iter().position(|entry| entry.meta.name == absolute);
    }
    let mut group = parent(from);
    loop {
        let path = if group.is_empty() { name.to_owned() } else { format!("{group}/{name}") };
        if let Some(found) = entries.iter().position(|entry| entry.meta.name == path) {
            return Some(found);
        }
        if group.is_empty() {
            return None;
        }
        group = parent(group);
    }
}

pub(super) fn leaf(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Arrays that describe others: coordinates, bounds, grid mappings.
fn helpers(entries: &[Entry<'_>], attributes: &Map<String, Value>) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    for (index, entry) in entries.iter().enumerate() {
        let meta = entry.meta;
        for attribute in ["bounds", "climatology", "grid_mapping", "coordinates"] {
            let names = text(&meta.attributes, attribute).unwrap_or("");
            let names = names.split_whitespace().map(|name| name.trim_end_matches(':'));
            found.extend(names.filter_map(|name| resolve(entries, &meta.name, name)));
        }
        let name = leaf(&meta.name);
        let own_dimension = meta.dims.len() == 1 && meta.dims[0] == name;
        let bounds = name.ends_with("_bnds") || name.ends_with("_bounds");
        let mapping =
            ["grid_mapping_name", "crs_wkt"].iter().any(|a| meta.attributes.contains_key(*a));
        if own_dimension || bounds || (mapping && meta.shape.iter().product::<usize>() <= 1) {
            found.insert(index);
        }
    }
    let names = text(attributes, "coordinates").unwrap_or("").split_whitespace();
    found.extend(names.filter_map(|name| resolve(entries, "", name)));
    found
}

fn shape_of(entries: &[Entry<'_>], index: usize) -> Shape {
    let meta = entries[index].meta;
    (meta.dims.iter().zip(&meta.shape))
        .map(|(dim, &len)| (dim.clone(), len, coordinate(entries, index, dim, len)))
        .collect()
}

/// The one-dimensional array of the dimension's name, or one that the attribute `coordinates` names.
fn coordinate(entries: &[Entry<'_>], index: usize, dim: &str, len: usize) -> Option<usize> {
    let meta = entries[index].meta;
    let fits = |&i: &usize| {
        i != index && entries[i].meta.dims.as_slice() == [dim] && entries[i].meta.shape == [len]
    };
    resolve(entries, &meta.name, dim).filter(fits).or_else(|| {
        let names = text(&meta.attributes, "coordinates")?.split_whitespace();
        names.filter_map(|name| resolve(entries, &meta.name, name)).find(fits)
    })
}

/// The role of each dimension and whether only its name tells; a role but the last is given once.
fn roles(entries: &[Entry<'_>], shape: &Shape) -> Vec<(Role, bool)> {
    let mut taken = Vec::new();
    let found: Vec<(Role, bool)> = (shape.iter())
        .map(|(name, _, coordinate)| role(name, coordinate.map(|i| entries[i])))
        .collect();
    // What attributes say goes before what names suggest.
    let mut out = vec![(Role::Other, false); found.len()];
    for by_name in [false, true] {
        for (i, &(role, own)) in found.iter().enumerate() {
            if own == by_name && role != Role::Other && !taken.contains(&role) {
                taken.push(role);
                out[i] = (role, own);
            }
        }
    }
    out
}

fn role(name: &str, coordinate: Option<Entry<'_>>) -> (Role, bool) {
    if let Some(role) = coordinate.and_then(role_by_attributes) {
        return (role, false);
    }
    let is_text = coordinate.is_some_and(|entry| entry.text);
    let role = match name.to_ascii_lowercase().as_str() {
        "bands" | "band" => Role::Bands,
        "variable" | "variables" if is_text => Role::Bands,
        "x" | "lon" | "longitude" | "easting" | "eastings" => Role::X,
        "y" | "lat" | "latitude" | "northing" | "northings" => Role::Y,
        "t" | "time" | "date" | "dates" | "datetime" => Role::T,
        "z" | "level" | "lev" | "depth" | "height" | "altitude" | "plev" | "elevation" => Role::Z,
        _ => Role::Other,
    };
    (role, true)
}

fn role_by_attributes(entry: Entry<'_>) -> Option<Role> {
    let attributes = &entry.meta.attributes;
    if text(attributes, "units").is_some_and(time::is_time) {
        return Some(Role::T);
    }
    match text(attributes, "axis").unwrap_or("") {
        "X" | "x" => return Some(Role::X),
        "Y" | "y" => return Some(Role::Y),
        "Z" | "z" => return Some(Role::Z),
        "T" | "t" => return Some(Role::T),
        _ => {}
    }
    match text(attributes, "standard_name").unwrap_or("") {
        "projection_x_coordinate" | "longitude" | "grid_longitude" => return Some(Role::X),
        "projection_y_coordinate" | "latitude" | "grid_latitude" => return Some(Role::Y),
        "time" => return Some(Role::T),
        "height" | "depth" | "altitude" | "air_pressure" | "model_level_number" => {
            return Some(Role::Z);
        }
        _ => {}
    }
    let units = text(attributes, "units").unwrap_or("");
    if is_degrees(units, 'e') {
        return Some(Role::X);
    }
    if is_degrees(units, 'n') {
        return Some(Role::Y);
    }
    text(attributes, "positive").map(|_| Role::Z)
}

/// `degrees_north`, `degree_N`, `degreesN` and so on, for `n` or `e`.
pub(super) fn is_degrees(units: &str, direction: char) -> bool {
    let units = units.to_ascii_lowercase();
    let rest = units.strip_prefix("degrees").or_else(|| units.strip_prefix("degree"));
    let rest = rest.map(|rest| rest.trim_start_matches('_'));
    match direction {
        'n' => matches!(rest, Some("north" | "n")),
        _ => matches!(rest, Some("east" | "e")),
    }
}

/// Refuses a variable whose place is only given by coordinates of two dimensions.
fn refuse_curvilinear(
    entries: &[Entry<'_>],
    variable: usize,
    dims: &[LayoutDim],
) -> Result<(), Refused> {
    let given = |role: Role| dims.iter().any(|d| d.role == role && d.coordinate.is_some());
    if given(Role::X) && given(Role::Y) {
        return Ok(());
    }
    let meta = entries[variable].meta;
    let names = text(&meta.attributes, "coordinates").unwrap_or("").split_whitespace();
    let two_dimensional: Vec<String> = names
        .filter_map(|name| resolve(entries, &meta.name, name))
        .filter(|&i| {
            let other = entries[i].meta;
            let role = role_by_attributes(entries[i]).or(match role(leaf(&other.name), None) {
                (Role::Other, _) => None,
                (role, _) => Some(role),
            });
            other.dims.len() == 2
                && matches!(role, Some(Role::X | Role::Y))
                && other.dims.iter().all(|dim| meta.dims.contains(dim))
        })
        .map(|i| format!("`{}`", entries[i].meta.name))
        .collect();
    if two_dimensional.is_empty() {
        return Ok(());
    }
    Err(Refused::Curvilinear(two_dimensional.join(", ")))
}

/// Last parts of the names where they are unique, else whole names.
fn labels(entries: &[Entry<'_>], variables: &[usize]) -> Vec<String> {
    let label = |name: &str| if name.is_empty() { "data".to_owned() } else { name.to_owned() };
    let leaves: Vec<String> =
        variables.iter().map(|&i| label(leaf(&entries[i].meta.name))).collect();
    let unique: BTreeSet<&String> = leaves.iter().collect();
    if unique.len() == leaves.len() {
        return leaves;
    }
    variables.iter().map(|&i| label(&entries[i].meta.name)).collect()
}
