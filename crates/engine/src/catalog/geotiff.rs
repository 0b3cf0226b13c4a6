//! Cubes of plain GeoTIFFs: one file, or a series of files with a date in the name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use eolith_cube::time::{Instant, TimeLabel};
use eolith_cube::{Dimension, Kind, Label, Labels, Region, Schema, SpatialAxis, Variable};
use eolith_plan::need::{ArrayDim, ArrayRef, Format, Piece};
use serde_json::Value;

use super::dates;
use super::headers::{CubeFile, TiffHeader};

/// Files of one collection.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Group {
    Single(String),
    /// A name for the series, and its files in time.
    Series {
        name: String,
        files: Vec<(Instant, String)>,
    },
}

/// Groups files of the same folder whose names differ in nothing but a date. `hrefs` are sorted.
pub(super) fn group(hrefs: &[String]) -> Vec<Group> {
    let mut series: BTreeMap<(&str, String), Vec<(Instant, &String)>> = BTreeMap::new();
    for href in hrefs {
        let (folder, name) = href.rsplit_once('/').unwrap_or(("", href));
        if let Some(dated) = dates::find(name) {
            series.entry((folder, dated.stem)).or_default().push((dated.instant, href));
        }
    }
    let mut grouped = BTreeSet::new();
    let mut groups = Vec::new();
    for ((folder, stem), mut files) in series {
        let instants: BTreeSet<Instant> = files.iter().map(|(instant, _)| *instant).collect();
        if files.len() < 2 || instants.len() < files.len() {
            continue;
        }
        grouped.extend(files.iter().map(|(_, href)| href.as_str()));
        files.sort();
        let own = stem.rsplit_once('.').map_or(stem.as_str(), |(own, _)| own);
        let name = match dates::title(own) {
            empty if empty.is_empty() => folder.rsplit('/').next().unwrap_or("series").to_owned(),
            name => name,
        };
        let files = files.into_iter().map(|(instant, href)| (instant, href.clone())).collect();
        groups.push(Group::Series { name, files });
    }
    let single = hrefs.iter().filter(|href| !grouped.contains(href.as_str()));
    groups.extend(single.cloned().map(Group::Single));
    groups
}

/// Whether both can lie beside each other in one cube.
pub(super) fn alike(a: &TiffHeader, b: &TiffHeader) -> bool {
    let bands = a.bands.iter().zip(&b.bands).all(|((a, v), (b, w))| {
        let nodata = match (v.nodata, w.nodata) {
            (Some(a), Some(b)) => a.same(b),
            (a, b) => a.is_none() && b.is_none(),
        };
        a == b && nodata && v.scale == w.scale && v.offset == w.offset
    });
    a.grid.aligned(&b.grid) && a.dtype == b.dtype && a.bands.len() == b.bands.len() && bands
}

/// The cube of one file (`bands`, `y`, `x`) or of a series of [`alike`] ones (`t`, `bands`, `y`, `x`).
pub(super) fn cube(files: &[(Option<Instant>, String, Arc<TiffHeader>)]) -> Option<CubeFile> {
    let (_, first, header) = files.first()?;
    let mut notes = Vec::new();
    let instants: Vec<Instant> = files.iter().filter_map(|(instant, _, _)| *instant).collect();
    let mut dims = Vec::new();
    if !instants.is_empty() {
        let labels = instants.iter().map(|instant| Label::Time(TimeLabel::of(*instant)));
        dims.push(Dimension::new("t", Kind::Temporal, Labels::list(labels)));
        let count = files.len();
        notes.push(format!("the times of the {count} files are taken from their names"));
    }
    let first_space = dims.len() + 1;
    dims.push(Dimension::new("bands", Kind::Bands, Labels::texts(band_names(header, &mut notes))));
    let spatial = |axis| Kind::Spatial { axis, crs: Some(header.grid.crs.clone()) };
    let (x, y) = (Labels::Regular(header.grid.x), Labels::Regular(header.grid.y));
    dims.push(Dimension::new("y", spatial(SpatialAxis::Y), y));
    dims.push(Dimension::new("x", spatial(SpatialAxis::X), x));
    let variables: Vec<Variable> = header.bands.iter().map(|(_, v)| v.clone()).collect();
    let shape = [header.bands.len(), header.grid.y.len, header.grid.x.len];
    let pieces = files.iter().enumerate().map(|(i, (_, href, header))| {
        let mut region = Region::whole(&shape);
        if first_space > 1 {
            region.0.insert(0, i..i + 1);
        }
        let along = |dim| ArrayDim::Along { dim, offset: 0 };
        Piece {
            array: ArrayRef {
                href: href.clone(),
                format: Format::Tiff,
                array: String::new(),
                version: header.version.clone(),
                chunk: Some(header.chunk.clone()),
                requested: false,
            },
            region,
            dims: (first_space - 1..first_space + 2).map(along).collect(),
            nodata: header.bands.first().and_then(|(_, variable)| variable.nodata),
            grid: None,
        }
    });
    let text = |keys: &[&str]| {
        let mut found = keys.iter().filter_map(|key| header.attributes.get(*key));
        found.find_map(Value::as_str).map(str::to_owned)
    };
    tracing::debug!(file = first, count = files.len(), "a cube of GeoTIFFs");
    Some(CubeFile {
        name: String::new(),
        schema: Schema { dims, variables },
        pieces: pieces.collect(),
        title: text(&["title", "TITLE"]),
        description: text(&["TIFFTAG_IMAGEDESCRIPTION", "description", "DESCRIPTION"]),
        attributes: header.attributes.clone(),
        notes,
        levels: BTreeMap::new(),
    })
}

/// The file's own names if every band has one, else numbers.
fn band_names(header: &TiffHeader, notes: &mut Vec<String>) -> Vec<String> {
    let names: Option<Vec<String>> = header.bands.iter().map(|(name, _)| name.clone()).collect();
    let unique = |names: &Vec<String>| names.iter().collect::<BTreeSet<_>>().len() == names.len();
    names.filter(unique).unwrap_or_else(|| {
        notes.push("the bands have no names of their own and are numbered".to_owned());
        (1..=header.bands.len()).map(|n| format!("band_{n}")).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn series_have_one_stem_and_different_times() {
        let hrefs = [
            "/d/2014-01-01.tif",
            "/d/2014-02-01.tif",
            "/d/DEM.tif",
            "/d/e/a_20140101.tif",
            "/d/e/a_20140101T120000.tif",
            "/d/e/b_20140101.tif",
            "/d/e/c_20140101_x.tif",
            "/d/e/c_20140101_20150101.tif",
        ];
        let groups = group(&hrefs.map(str::to_owned));
        let names: Vec<String> = (groups.iter())
            .map(|group| match group {
                Group::Single(href) => href.clone(),
                Group::Series { name, files } => format!("{name} {}", files.len()),
            })
            .collect();
        let expected = [
            "d 2",
            "a 2",
            "/d/DEM.tif",
            "/d/e/b_20140101.tif",
            "/d/e/c_20140101_x.tif",
            "/d/e/c_20140101_20150101.tif",
        ];
        assert_eq!(names, expected);
    }
}
