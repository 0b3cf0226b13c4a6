//! From sets of dimensions to cubes: which of them are one collection, its bands, and which array fills what.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use eolith_cube::time::TimeLabel;
use eolith_cube::{Dimension, Grid, Kind, Label, Labels, Region, Schema, SpatialAxis};
use eolith_plan::need::{ArrayDim, ArrayRef, Content, Format, Level, Piece};
use serde_json::{Map, Value};

use super::layout::{Layout, leaf, parent};
use super::{Attributes, Cube, CubeNotes, Entry, bands, text};
use crate::source::ArrayMeta;

/// Groups that describe the data of others (Copernicus EOPF products).
const AUXILIARY: [&str; 2] = ["conditions", "quality"];

/// The group that holds the data proper in such products.
const MEASUREMENTS: &str = "measurements";

/// Variables of the same dimensions, and these with their labels.
#[derive(Clone, Debug)]
pub(super) struct Part<'a> {
    pub(super) layout: &'a Layout,
    /// In the order of the arrays.
    pub(super) dims: Vec<Dimension>,
    /// Attributes that hold for its group.
    pub(super) scope: Map<String, Value>,
    pub(super) notes: Vec<String>,
}

/// A file and what its arrays are.
#[derive(Clone, Copy, Debug)]
pub(super) struct File<'a> {
    pub(super) entries: &'a [Entry<'a>],
    pub(super) attributes: Attributes<'a>,
    pub(super) href: &'a str,
    pub(super) format: Format,
}

/// A band: part it is in, index of its array, label.
struct Band {
    part: usize,
    array: usize,
    label: String,
}

impl File<'_> {
    /// The cubes; the one that the file is about comes first and has no name.
    pub(super) fn cubes(&self, parts: Vec<Part<'_>>) -> Vec<Cube> {
        let mut families = families(parts);
        let weight = |family: &[Part<'_>]| -> (bool, bool, u128) {
            let pixels = |part: &Part<'_>| -> u128 {
                let one: u128 = part.layout.dims.iter().map(|dim| dim.len as u128).product();
                one * part.layout.variables.len() as u128
            };
            let measured = below(&family[0].layout.group, MEASUREMENTS);
            (family[0].layout.on_map(), measured, family.iter().map(pixels).sum())
        };
        // The first of equal ones.
        let first = (families.iter().enumerate())
            .max_by_key(|(i, family)| (weight(family), Reverse(*i)))
            .map_or(0, |(i, _)| i);
        families[..=first].rotate_right(1);
        let mut taken = BTreeSet::new();
        let paths: Vec<&str> = families.iter().map(|family| path(family)).collect();
        (families.iter().enumerate())
            .map(|(i, family)| {
                let shared = i > 0 && paths.iter().filter(|path| **path == paths[i]).count() > 1;
                let name =
                    if i == 0 { String::new() } else { self.name(family, shared, &mut taken) };
                let mut notes = Vec::new();
                for note in family.iter().flat_map(|part| &part.notes) {
                    if !notes.contains(note) {
                        notes.push(note.clone());
                    }
                }
                let scope = &family[0].scope;
                let content = self.cube(family, &mut notes);
                let text = |names: &[&str]| {
                    names.iter().find_map(|name| text(scope, name)).map(str::to_owned)
                };
                let notes = CubeNotes {
                    title: text(&["title", "name", "long_name"]),
                    description: text(&["description", "summary", "abstract", "comment"]),
                    attributes: self.attributes.root.clone(),
                    notes,
                };
                Cube { name, content, notes, levels: BTreeMap::new() }
            })
            .collect()
    }

    /// The path of the group; where it does not tell, also the variable, or the names of the dimensions.
    fn name(&self, family: &[Part<'_>], shared: bool, taken: &mut BTreeSet<String>) -> String {
        let (path, part) = (path(family), &family[0]);
        let dims: Vec<&str> = part.layout.dims.iter().map(|dim| dim.name.as_str()).collect();
        let variables = &part.layout.variables;
        let own = match variables.as_slice() {
            [one] if family.len() == 1 => leaf(&self.entries[*one].meta.name).to_owned(),
            _ => dims.join("-"),
        };
        let name = match (path.is_empty(), shared) {
            (true, _) => own,
            (false, true) => format!("{path}/{own}"),
            (false, false) => path.to_owned(),
        };
        let mut unique = name.clone();
        for number in 2.. {
            if taken.insert(unique.clone()) {
                break;
            }
            unique = format!("{name}-{number}");
        }
        unique
    }

    /// Puts the variables of a family beside each other along a dimension of bands, unless they have one.
    fn cube(&self, family: &[Part<'_>], notes: &mut Vec<String>) -> Content {
        let entries = self.entries;
        let mut dims = family[0].dims.clone();
        let scope = &family[0].scope;
        let own = dims.iter().position(|dim| dim.kind == Kind::Bands);
        let time = dims.iter().any(|dim| dim.kind == Kind::Temporal);
        let product =
            product_time(self.attributes.root).filter(|_| !time && family[0].layout.on_map());
        let bands = self.bands(family);
        let metas: Vec<&ArrayMeta> = bands.iter().map(|band| entries[band.array].meta).collect();
        let guess =
            (!AUXILIARY.iter().any(|name| below(&family[0].layout.group, name))).then_some(scope);
        let labels: Vec<String> = bands.iter().map(|band| band.label.clone()).collect();
        let variables = match own {
            Some(own) => bands::along_dimension(metas[0], &texts(dims[own].labels()), guess, notes),
            None => bands::of_variables(&metas, &labels, guess, notes),
        };
        // What is put in before the array's dimension `i`, by position in the cube.
        let mut inserted = BTreeMap::new();
        if let Some(label) = product {
            notes.push(format!("the time of the product, {}, is the one label of `t`", label.text));
            dims.insert(0, Dimension::new("t", Kind::Temporal, Labels::list([Label::Time(label)])));
            inserted.insert(0, None);
        }
        if own.is_none() {
            let time = dims.iter().position(|dim| dim.kind == Kind::Temporal);
            let at = time.map_or(0, |time| time + 1);
            let taken = dims.iter().any(|dim| dim.name == "bands");
            let name = if taken { "eo:bands" } else { "bands" };
            dims.insert(at, Dimension::new(name, Kind::Bands, Labels::texts(&labels)));
            inserted.insert(at, Some(()));
        }
        let along: Vec<usize> = (0..dims.len()).filter(|i| !inserted.contains_key(i)).collect();
        let band_at = inserted.iter().find(|(_, is_band)| is_band.is_some()).map(|(at, _)| *at);
        let shape: Vec<usize> = dims.iter().map(|dim| dim.len().unwrap_or(0)).collect();
        let array_dims: Vec<ArrayDim> =
            along.iter().map(|&dim| ArrayDim::Along { dim, offset: 0 }).collect();
        let fine = grid(&family[0]);
        let pieces = (bands.iter().enumerate())
            .map(|(number, band)| {
                let Entry { meta, version, .. } = entries[band.array];
                let mut region = Region::whole(&shape);
                if let Some(at) = band_at {
                    region.0[at] = number..number + 1;
                }
                let other = match (&fine, grid(&family[band.part])) {
                    (Some(fine), Some(own)) if band.part > 0 && !own.aligned(fine) => Some(own),
                    _ => None,
                };
                if let (Some(fine), Some(own)) = (&fine, &other) {
                    let n = region.0.len();
                    let [rows, cols] = fine.pixels_inside(own.bounds());
                    (region.0[n - 2], region.0[n - 1]) = (rows, cols);
                }
                let array = self.array(meta, version);
                let dims = array_dims.clone();
                Piece { array, region, dims, nodata: meta.nodata, grid: other }
            })
            .collect();
        Content::Cube { schema: Schema { dims, variables }, pieces }
    }

    /// Overviews by the name of the array they are made of, finest first; those that are not what they claim to be are
    /// left out.
    pub(super) fn levels(
        &self,
        parts: &[Part<'_>],
        overviews: Vec<(usize, Part<'_>)>,
    ) -> BTreeMap<String, Vec<Level>> {
        let mut levels: BTreeMap<String, Vec<Level>> = BTreeMap::new();
        for (finest, own) in overviews {
            let native = parts.iter().find(|part| part.layout.variables.contains(&finest));
            let Entry { meta, version, .. } = self.entries[own.layout.variables[0]];
            let array = self.entries[finest].meta;
            if let Some(native) = native
                && let (Some(grid), Some(fine)) = (grid(&own), grid(native))
                && array.dtype == meta.dtype
                && repeats((native, &fine), (&own, &grid))
            {
                let level = Level { array: self.array(meta, version), grid };
                levels.entry(array.name.clone()).or_default().push(level);
            }
        }
        for own in levels.values_mut() {
            own.sort_by(|a, b| a.grid.x.step.abs().total_cmp(&b.grid.x.step.abs()));
        }
        levels
    }

    fn array(&self, meta: &ArrayMeta, version: Option<&str>) -> ArrayRef {
        ArrayRef {
            href: self.href.to_owned(),
            format: self.format,
            array: meta.name.clone(),
            version: version.map(str::to_owned),
            chunk: Some(meta.chunk.clone()),
            requested: false,
        }
    }

    /// The bands of a family in their order: as in the file, or by label where there are several resolutions.
    fn bands(&self, family: &[Part<'_>]) -> Vec<Band> {
        let name = |array: usize| self.entries[array].meta.name.as_str();
        let plain = |name: &str| if name.is_empty() { "data".to_owned() } else { name.to_owned() };
        let mut bands: Vec<Band> = (family.iter().enumerate())
            .flat_map(|(part, own)| own.layout.variables.iter().map(move |&array| (part, array)))
            .map(|(part, array)| Band { part, array, label: plain(leaf(name(array))) })
            .collect();
        let unique: BTreeSet<&String> = bands.iter().map(|band| &band.label).collect();
        if let [_] = family {
            if unique.len() < bands.len() {
                for band in &mut bands {
                    band.label = plain(name(band.array));
                }
            }
            return bands;
        }
        // The finest of a name has it alone; its coarser copies are called by their path.
        let fineness = |band: &Band| grid(&family[band.part]).map_or(0.0, |grid| grid.x.step.abs());
        let prefix = path(family);
        let short = |band: &Band| {
            let rival = |other: &&Band| other.array != band.array && other.label == band.label;
            bands.iter().filter(rival).all(|other| fineness(other) > fineness(band))
        };
        let keep: Vec<bool> = bands.iter().map(short).collect();
        for (band, keep) in bands.iter_mut().zip(keep) {
            if !keep {
                let name = name(band.array);
                let inside = name.strip_prefix(prefix).unwrap_or(name);
                inside.trim_start_matches('/').clone_into(&mut band.label);
            }
        }
        bands.sort_by(|a, b| {
            (a.label.contains('/'), &a.label).cmp(&(b.label.contains('/'), &b.label))
        });
        bands
    }
}

/// Joins what sibling groups show of the same area in the same dimensions; the finest comes first.
fn families(parts: Vec<Part<'_>>) -> Vec<Vec<Part<'_>>> {
    let mut families: Vec<Vec<Part<'_>>> = Vec::new();
    for part in parts {
        match families.iter_mut().find(|family| siblings(&family[0], &part)) {
            Some(family) => family.push(part),
            None => families.push(vec![part]),
        }
    }
    for family in &mut families {
        let step = |part: &Part<'_>| grid(part).map_or(f64::INFINITY, |grid| grid.x.step.abs());
        family.sort_by(|a, b| step(a).total_cmp(&step(b)));
    }
    families
}

/// Whether two parts are levels of resolution of one thing.
fn siblings(a: &Part<'_>, b: &Part<'_>) -> bool {
    let (groups, n) = ([&a.layout.group, &b.layout.group], a.dims.len());
    if groups.iter().any(|group| group.is_empty())
        || groups[0] == groups[1]
        || parent(groups[0]) != parent(groups[1])
        || n != b.dims.len()
        || n < 2
    {
        return false;
    }
    let last = |part: &Part<'_>| {
        part.dims[n - 2].is_spatial(SpatialAxis::Y) && part.dims[n - 1].is_spatial(SpatialAxis::X)
    };
    let named = |i: usize| a.dims[i].name == b.dims[i].name;
    let alike = a.dims[..n - 2] == b.dims[..n - 2] && named(n - 2) && named(n - 1);
    let bands = a.dims.iter().any(|dim| dim.kind == Kind::Bands);
    let (Some(one), Some(other)) = (grid(a), grid(b)) else { return false };
    let tolerance = one.x.step.abs().max(other.x.step.abs());
    let close = one.bounds().iter().zip(other.bounds()).all(|(a, b)| (a - b).abs() <= tolerance);
    last(a) && last(b) && alike && !bands && one.crs == other.crs && close
}

/// Whether an array shows the same extent as another one in larger pixels, and is the same along all other dimensions.
fn repeats((native, fine): (&Part<'_>, &Grid), (own, grid): (&Part<'_>, &Grid)) -> bool {
    let alike = |(a, b): (&Dimension, &Dimension)| {
        if a.is_horizontal() { a.kind == b.kind } else { a.kind == b.kind && a.axis == b.axis }
    };
    let tolerance = [grid.x.step.abs(), grid.y.step.abs()];
    let bounds = fine.bounds().into_iter().zip(grid.bounds()).enumerate();
    native.dims.len() == own.dims.len()
        && native.dims.iter().zip(&own.dims).all(alike)
        && fine.crs == grid.crs
        && grid.x.step.abs() > fine.x.step.abs()
        && bounds.into_iter().all(|(i, (a, b))| (a - b).abs() <= tolerance[i % 2])
}

fn grid(part: &Part<'_>) -> Option<Grid> {
    let schema = Schema { dims: part.dims.clone(), variables: Vec::new() };
    schema.grid().ok()
}

/// The group of a family.
fn path<'a>(family: &[Part<'a>]) -> &'a str {
    let group = family[0].layout.group.as_str();
    if family.len() > 1 { parent(group) } else { group }
}

fn below(group: &str, name: &str) -> bool {
    group.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// When a product was sensed, if it says so as Copernicus EOPF products do (a STAC item among the attributes).
fn product_time(attributes: &Map<String, Value>) -> Option<TimeLabel> {
    let properties = attributes.get("stac_discovery")?.get("properties")?;
    ["datetime", "start_datetime"]
        .iter()
        .filter_map(|name| properties.get(*name)?.as_str())
        .find_map(|text| TimeLabel::parse(text).ok())
}

fn texts(labels: Option<&Labels>) -> Vec<String> {
    labels.map(|labels| labels.iter().map(|label| label.to_string()).collect()).unwrap_or_default()
}
