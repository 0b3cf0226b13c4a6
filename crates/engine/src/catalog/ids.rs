//! Ids of collections: readable, stable, unique.

use std::collections::BTreeSet;

/// Endings that say how data is stored and not what it is.
const ENDINGS: [&str; 8] = [".zarr", ".tiff", ".tif", ".nc4", ".nc", ".cdf", ".h5", ".json"];

/// What a data set would like to be called.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Its own name.
    pub(super) name: String,
    /// What tells it from other data sets in the same file; empty for the first of them.
    pub(super) part: String,
    /// The folder or catalogue it is in, to tell it from others of the same name.
    pub(super) parent: Option<String>,
    /// The id given by the user, which stands before all others.
    pub(super) prefix: Option<String>,
    /// Whether the user's id names this file alone.
    pub(super) alone: bool,
}

/// Gives every wish its own id. Ids that users chose go first, then the order of the list decides.
pub(super) fn assign(wishes: &[Wish]) -> Vec<String> {
    let mut taken = BTreeSet::new();
    let mut ids = vec![String::new(); wishes.len()];
    let mut order: Vec<usize> = (0..wishes.len()).collect();
    order.sort_by_key(|&i| wishes[i].prefix.is_none());
    for i in order {
        let id = candidates(&wishes[i]).find(|id| !taken.contains(id)).unwrap_or_default();
        taken.insert(id.clone());
        ids[i] = id;
    }
    ids
}

/// The file or folder name of a path or URL without its ending.
pub(super) fn name_of(href: &str) -> String {
    let href = href.split(['?', '#']).next().unwrap_or_default();
    let last = href.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    let lower = last.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(**ending));
    clean(&last[..last.len() - ending.map_or(0, |ending| ending.len())])
}

/// The folder a path or URL is in.
pub(super) fn parent_of(href: &str) -> Option<String> {
    let folder = href.trim_end_matches('/').rsplit_once('/')?.0;
    let name = clean(folder.rsplit('/').next()?);
    (!folder.ends_with(':') && !name.is_empty()).then_some(name)
}

/// Only characters that an openEO id may have.
pub(super) fn clean(text: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_-.~/".contains(c);
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if allowed(c) {
            out.push(c);
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    out.trim_matches(|c| c == '_' || c == '/').to_owned()
}

fn candidates(wish: &Wish) -> impl Iterator<Item = String> + use<> {
    let name = if wish.name.is_empty() { "data".to_owned() } else { wish.name.clone() };
    let (first, second) = match (&wish.prefix, &wish.parent) {
        (Some(prefix), _) if wish.alone => (prefix.clone(), None),
        (Some(prefix), Some(parent)) => {
            (format!("{prefix}/{name}"), Some(format!("{prefix}/{parent}/{name}")))
        }
        (Some(prefix), None) => (format!("{prefix}/{name}"), None),
        (None, Some(parent)) => (name.clone(), Some(format!("{parent}/{name}"))),
        (None, None) => (name, None),
    };
    let part = wish.part.clone();
    let whole = move |id: String| if part.is_empty() { id } else { format!("{id}/{part}") };
    let (first, second) = (whole(first), second.map(whole));
    let longest = second.clone().unwrap_or_else(|| first.clone());
    let numbered = (2..).map(move |n: usize| format!("{longest}-{n}"));
    std::iter::once(first).chain(second).chain(numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(href: &str) -> Wish {
        let (name, parent, part) = (name_of(href), parent_of(href), String::new());
        Wish { name, parent, part, prefix: None, alone: false }
    }

    #[test]
    fn ids_come_from_names_and_are_unique() {
        let hrefs = [
            "/data/a/DEM.tif",
            "/data/b/DEM.TIF",
            "/other/b/DEM.tiff",
            "/data/s2 (2020).v2.zarr",
            "http://host/x/ö.nc?sig=1",
            "http://host/DEM.tif",
        ];
        let mut wishes: Vec<Wish> = hrefs.iter().map(|href| wish(href)).collect();
        let mine = |alone| Wish { prefix: Some("b/DEM".to_owned()), alone, ..wish("/q/r.nc") };
        wishes.extend([mine(true), mine(false)]);
        let expected =
            ["DEM", "b/DEM-2", "b/DEM-3", "s2_2020_.v2", "data", "host/DEM", "b/DEM", "b/DEM/r"];
        assert_eq!(assign(&wishes), expected);
    }
}
