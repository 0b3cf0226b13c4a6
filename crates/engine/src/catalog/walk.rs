//! Finding data sets in the file system: by names alone, nothing is opened.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use super::foreign;
use crate::source::icechunk;

/// Folders below a given one that are looked into.
const MAX_DEPTH: usize = 64;

/// Endings of the names of reference files (see `source::kerchunk`), which stand for a Zarr store.
const REFERENCES: [&str; 3] = ["kerchunk.json", "refs.json", "references.json"];

/// Something that looks like a data set.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Candidate {
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Stac,
    Zarr,
    NetCdf,
    Tiff,
}

/// What a walk found, sorted by path.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Walk {
    pub(super) candidates: Vec<Candidate>,
    /// Folders and files that could not be looked at: path and reason.
    pub(super) problems: Vec<(PathBuf, String)>,
}

/// What a file is by its name; other JSON is looked at only where it was named by a user.
pub(super) fn kind_of_name(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("tif" | "tiff") => Some(Kind::Tiff),
        Some("nc" | "nc4" | "cdf" | "h5") => Some(Kind::NetCdf),
        _ if lower == "catalog.json" || lower == "collection.json" => Some(Kind::Stac),
        _ if REFERENCES.iter().any(|ending| lower.ends_with(ending)) => Some(Kind::Zarr),
        _ => None,
    }
}

/// Whether a document with that name makes its folder a Zarr store.
pub(super) fn is_zarr_document(name: &str) -> bool {
    matches!(name, "zarr.json" | ".zgroup" | ".zarray" | ".zmetadata")
}

/// Looks through `root`, a folder. Blocks. Stores are not entered; hidden entries are passed over; a link that
/// leads back is followed once.
pub(super) fn walk(root: &Path) -> Walk {
    let mut found = Walk::default();
    let mut seen = BTreeSet::new();
    let mut open = vec![(root.to_path_buf(), 0)];
    while let Some((folder, depth)) = open.pop() {
        let real = match std::fs::canonicalize(&folder) {
            Ok(real) => real,
            Err(error) => {
                found.problems.push((folder, error.to_string()));
                continue;
            }
        };
        if !seen.insert(real) {
            continue;
        }
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) => {
                found.problems.push((folder, error.to_string()));
                continue;
            }
        };
        let (mut files, mut folders) = (Vec::new(), Vec::new());
        let mut zarr = false;
        let mut unread = BTreeMap::<&'static str, usize>::new();
        for entry in entries {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    found.problems.push((folder.clone(), error.to_string()));
                    continue;
                }
            };
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if is_zarr_document(&name) {
                zarr = true;
                break;
            }
            if name.starts_with('.') {
                continue;
            }
            let kind = kind_of_name(&name);
            if let (None, Some(format)) = (kind, foreign::by_name(&name)) {
                *unread.entry(format).or_default() += 1;
            }
            // The type is in the listing itself, except for links.
            let is_folder = match entry.file_type() {
                Ok(kind) if kind.is_symlink() => entry.path().is_dir(),
                Ok(kind) => kind.is_dir(),
                Err(_) => false,
            };
            if is_folder {
                folders.push(entry.path());
            } else if let Some(kind) = kind {
                files.push(Candidate { path: entry.path(), kind });
            }
        }
        let named = |name: &str| folders.iter().any(|path| path.file_name() == Some(name.as_ref()));
        if zarr || icechunk::is_named(named) {
            found.candidates.push(Candidate { path: folder, kind: Kind::Zarr });
            continue;
        }
        // One report a format, not one a file.
        for (format, count) in unread {
            let which = if count == 1 { String::new() } else { format!("{count} times ") };
            found.problems.push((folder.clone(), format!("{which}{format}")));
        }
        found.candidates.append(&mut files);
        if depth < MAX_DEPTH {
            open.extend(folders.into_iter().map(|folder| (folder, depth + 1)));
        } else if !folders.is_empty() {
            found.problems.push((folder, "folders are nested too deep to look into".to_owned()));
        }
    }
    found.candidates.sort();
    found.problems.sort();
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stores_are_one_thing_and_hidden_files_none() {
        let root = tempfile::tempdir().unwrap();
        let files =
            ["a/zarr.json", "a/b/c.tif", "x.NC", ".hidden.tif", "d/collection.json", "d/i.json"];
        for file in files {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, "").unwrap();
        }
        std::os::unix::fs::symlink(root.path(), root.path().join("d/again")).unwrap();
        std::os::unix::fs::symlink("/nowhere", root.path().join("d/lost")).unwrap();
        let found = walk(root.path());
        let names: Vec<_> = (found.candidates.iter())
            .map(|c| (c.path.strip_prefix(root.path()).unwrap().to_str().unwrap(), c.kind))
            .collect();
        let expected =
            [("a", Kind::Zarr), ("d/collection.json", Kind::Stac), ("x.NC", Kind::NetCdf)];
        assert_eq!(names, expected);
        assert!(found.problems.is_empty());
        assert_eq!(walk(&root.path().join("none")).problems.len(), 1);
    }
}
