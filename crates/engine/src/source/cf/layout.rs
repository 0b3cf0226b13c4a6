//! Which arrays of a file are data, which are coordinates, and what the dimensions are.

use std::collections::BTreeSet;

use eolith_plan::need::Format;
use serde_json::Value;

use super::{Attributes, Entry, overviews, text, time};
use crate::source::SourceError;

/// The parts of a file that become cubes.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layouts {
    /// At least one.
    pub(super) list: Vec<Layout>,
    /// What was left out.
    pub(super) notes: Vec<String>,
    /// Overviews on a map, each alone, with the index of the array it is made of.
    pub(super) overviews: Vec<(usize, Layout)>,
}

/// Variables that have the same dimensions.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Layout {
    /// Path of the group of the first of them; empty for the root.
    pub(super) group: String,
    /// Their indices.
    pub(super) variables: Vec<usize>,
    /// In the order of the arrays.
    pub(super) dims: Vec<LayoutDim>,
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

/// Variables named in one note.
const MAX_NAMES: usize = 20;

/// Dimensions of a variable: name, length and coordinate array. Variables that agree in them form a group.
type Shape = Vec<(String, usize, Option<usize>)>;

impl Layouts {
    /// All variables on a map, by dimensions; where there are none, the largest set of variables that have the same
    /// dimensions.
    pub(super) fn of(
        entries: &[Entry<'_>],
        attributes: Attributes<'_>,
    ) -> Result<Layouts, Refused> {
        let helpers = helpers(entries, attributes);
        let overviews = overviews::find(entries, attributes);
        let is_data = |&i: &usize| {
            let entry = entries[i];
            let apart = helpers.contains(&i) || overviews.contains_key(&i);
            !entry.text && !entry.meta.dims.is_empty() && !apart
        };
        let mut groups: Vec<(Shape, Vec<usize>)> = Vec::new();
        for index in (0..entries.len()).filter(is_data) {
            let shape = shape_of(entries, index);
            match groups.iter_mut().find(|(other, _)| *other == shape) {
                Some((_, members)) => members.push(index),
                None => groups.push((shape, vec![index])),
            }
        }
        let (mut on_map, mut others, mut curvilinear) = (Vec::new(), Vec::new(), Vec::new());
        for (shape, members) in groups {
            let dims = dims(entries, members[0], shape, attributes);
            if let Some(names) = curvilinear_by(entries, members[0], &dims) {
                curvilinear.push((names, members));
                continue;
            }
            // Variables with bands of their own stand alone.
            let alone = dims.iter().any(|dim| dim.role == Role::Bands);
            for variables in members.chunks(if alone { 1 } else { members.len() }) {
                let group = parent(&entries[variables[0]].meta.name).to_owned();
                let (variables, dims) = (variables.to_vec(), dims.clone());
                let layout = Layout { group, variables, dims };
                let list = if layout.on_map() { &mut on_map } else { &mut others };
                list.push(layout);
            }
        }
        if on_map.is_empty() {
            if let Some((names, _)) = curvilinear.into_iter().next() {
                return Err(Refused::Curvilinear(names));
            }
            let size = |layout: &Layout| -> u128 {
                let pixels: u128 = layout.dims.iter().map(|dim| dim.len as u128).product();
                pixels * layout.variables.len() as u128
            };
            // The first of equal ones.
            let best = (others.iter().enumerate())
                .max_by_key(|(i, layout)| (size(layout), std::cmp::Reverse(*i)))
                .map(|(i, _)| i)
                .ok_or(Refused::Empty)?;
            on_map.push(others.swap_remove(best));
            curvilinear = Vec::new();
        }
        let mut notes = Vec::new();
        let mut left_out = |why: &str, mut which: Vec<usize>| {
            which.sort_unstable();
            let names: Vec<String> = (which.iter().take(MAX_NAMES))
                .map(|&i| format!("`{}`", entries[i].meta.name))
                .collect();
            let more = if which.len() > MAX_NAMES { ", …" } else { "" };
            if !names.is_empty() {
                notes.push(format!("{why} were left out: {}{more}", names.join(", ")));
            }
        };
        left_out(
            "variables without the dimensions of a map",
            others.into_iter().flat_map(|layout| layout.variables).collect(),
        );
        left_out("overviews", overviews.keys().copied().collect());
        left_out(
            "variables on curvilinear grids",
            curvilinear.into_iter().flat_map(|(_, members)| members).collect(),
        );
        let overview = |(index, finest): (usize, usize)| {
            let dims = dims(entries, index, shape_of(entries, index), attributes);
            let group = parent(&entries[index].meta.name).to_owned();
            (finest, Layout { group, variables: vec![index], dims })
        };
        let overviews =
            overviews.into_iter().map(overview).filter(|(_, layout)| layout.on_map()).collect();
        Ok(Layouts { list: on_map, notes, overviews })
    }
}

impl Layout {
    /// Whether it has both axes of a map.
    pub(super) fn on_map(&self) -> bool {
        [Role::X, Role::Y].iter().all(|role| self.dims.iter().any(|dim| dim.role == *role))
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

pub(super) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(parent, _)| parent)
}

/// Arrays that describe others: coordinates, bounds, grid mappings.
fn helpers(entries: &[Entry<'_>], attributes: Attributes<'_>) -> BTreeSet<usize> {
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
        // Longitudes and latitudes of every pixel.
        let place = meta.dims.len() > 1
            && matches!(role_by_attributes(*entry), Some(Role::X | Role::Y))
            && text(&meta.attributes, "axis").is_none_or(str::is_empty);
        if own_dimension
            || bounds
            || place
            || (mapping && meta.shape.iter().product::<usize>() <= 1)
        {
            found.insert(index);
        }
    }
    let root = std::iter::once(("", attributes.root));
    for (group, own) in root.chain(attributes.groups.iter().map(|(path, own)| (path.as_str(), own)))
    {
        let names = text(own, "coordinates").unwrap_or("").split_whitespace();
        let inside = |name: &str| match group {
            "" => name.to_owned(),
            group => format!("{group}/{name}"),
        };
        found.extend(names.filter_map(|name| resolve(entries, &inside(name), name)));
    }
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

fn dims(
    entries: &[Entry<'_>],
    variable: usize,
    shape: Shape,
    attributes: Attributes<'_>,
) -> Vec<LayoutDim> {
    let mut roles = roles(entries, &shape);
    let meta = entries[variable].meta;
    let scope = attributes.inside(parent(&meta.name));
    // The Zarr convention `spatial:` names y and x.
    let named = meta.attributes.get("spatial:dimensions").or(scope.get("spatial:dimensions"));
    if let Some([.., y, x]) = named.and_then(Value::as_array).map(Vec::as_slice) {
        for (name, role) in [(y, Role::Y), (x, Role::X)] {
            let at = shape.iter().position(|(dim, ..)| Some(dim.as_str()) == name.as_str());
            if let Some(at) = at {
                roles.iter_mut().filter(|own| own.0 == role).for_each(|own| own.0 = Role::Other);
                roles[at] = (role, false);
            }
        }
    }
    (shape.into_iter().zip(roles))
        .map(|((name, len, coordinate), (role, by_name))| LayoutDim {
            name,
            len,
            role,
            by_name,
            coordinate,
        })
        .collect()
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

/// The arrays that alone say where the pixels of a variable are, with two dimensions or more.
fn curvilinear_by(entries: &[Entry<'_>], variable: usize, dims: &[LayoutDim]) -> Option<String> {
    let given = |role: Role| dims.iter().any(|d| d.role == role && d.coordinate.is_some());
    if given(Role::X) && given(Role::Y) {
        return None;
    }
    let meta = entries[variable].meta;
    let names = text(&meta.attributes, "coordinates").unwrap_or("").split_whitespace();
    let named: BTreeSet<usize> =
        names.filter_map(|name| resolve(entries, &meta.name, name)).collect();
    let places: Vec<String> = (0..entries.len())
        .filter(|i| {
            let other = entries[*i].meta;
            let role = role_by_attributes(entries[*i]).or(match role(leaf(&other.name), None) {
                (Role::Other, _) => None,
                (role, _) => Some(role),
            });
            let beside = parent(&other.name) == parent(&meta.name);
            other.dims.len() > 1
                && (named.contains(i) || beside && *i != variable)
                && matches!(role, Some(Role::X | Role::Y))
                && other.dims.iter().all(|dim| meta.dims.contains(dim))
        })
        .map(|i| format!("`{}`", entries[i].meta.name))
        .collect();
    (!places.is_empty()).then(|| places.join(", "))
}
