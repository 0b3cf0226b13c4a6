//! Arrays that repeat others in a lower resolution, by the attribute `multiscales` of a group.
//!
//! Understood are the Zarr convention `multiscales` and GeoZarr drafts (an object with `layout`, or with a tile
//! matrix set or its limits) and OME-NGFF (a list of objects with `datasets`). An array of a level counts as an
//! overview only if a level has an array of that name with more pixels: products that store bands of different
//! native resolution as levels keep all of them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::layout::{leaf, parent};
use super::{Attributes, Entry};

/// Indices of the arrays that are overviews, with that of the array they are made of.
pub(super) fn find(entries: &[Entry<'_>], attributes: Attributes<'_>) -> BTreeMap<usize, usize> {
    let root = attributes.root.get("multiscales").map(|value| ("", value));
    let groups = (attributes.groups.iter())
        .filter_map(|(path, own)| Some((path.as_str(), own.get("multiscales")?)));
    let mut found = BTreeMap::new();
    for (group, value) in root.into_iter().chain(groups) {
        let levels: BTreeSet<String> =
            levels(value).iter().map(|level| joined(group, level)).collect();
        // Arrays of the levels by the name they have there: index and number of pixels.
        let mut copies = BTreeMap::<&str, Vec<(usize, u128)>>::new();
        for (index, entry) in entries.iter().enumerate() {
            let path = entry.meta.name.as_str();
            let name = if levels.contains(path) {
                ""
            } else if levels.contains(parent(path)) && entry.meta.dims.len() > 1 {
                leaf(path)
            } else {
                continue;
            };
            let pixels = entry.meta.shape.iter().map(|&n| n as u128).product();
            copies.entry(name).or_default().push((index, pixels));
        }
        for arrays in copies.into_values() {
            // The first of those with most pixels.
            let Some(&(finest, most)) = arrays.iter().rev().max_by_key(|(_, pixels)| *pixels)
            else {
                continue;
            };
            let fewer = arrays.into_iter().filter(|(_, pixels)| *pixels < most);
            found.extend(fewer.map(|(index, _)| (index, finest)));
        }
    }
    found
}

/// Paths of the levels, relative to the group.
fn levels<'v>(value: &'v Value) -> Vec<&'v str> {
    fn named<'a>(list: &'a Value, names: &[&str]) -> Vec<&'a str> {
        let list = list.as_array().map(Vec::as_slice).unwrap_or_default();
        let name = |level: &'a Value| {
            level.as_str().or_else(|| names.iter().find_map(|name| level.get(*name)?.as_str()))
        };
        list.iter().filter_map(name).collect()
    }
    if let Some(list) = value.as_array() {
        let of = |scales: &'v Value| named(&scales["datasets"], &["path"]);
        return list.iter().flat_map(of).collect();
    }
    let limits = value.get("tile_matrix_limits").and_then(Value::as_object);
    let mut found = named(&value["layout"], &["asset", "group", "path"]);
    found.extend(named(&value["datasets"], &["path"]));
    found.extend(named(&value["tile_matrix_set"]["tileMatrices"], &["id"]));
    found.extend(limits.into_iter().flat_map(|limits| limits.keys().map(String::as_str)));
    found
}

fn joined(group: &str, level: &str) -> String {
    let level = level.trim_start_matches("./").trim_matches('/');
    match (group, level) {
        (_, "" | ".") => group.to_owned(),
        ("", level) => level.to_owned(),
        (group, level) => format!("{group}/{level}"),
    }
}
