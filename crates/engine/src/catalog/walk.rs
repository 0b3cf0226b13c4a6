//! Finding data sets in the file system: by names alone, nothing is opened.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Folders below a given one that are looked into.
const MAX_DEPTH: usize = 64;

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

/// What a file is by its name; JSON is STAC only where it was named by a user.
pub(super) fn kind_of_name(name: &str) -> Option<Kind> {
    let lower = name.to_ascii_lowercase();
    let extension = lower.rsplit_once('.').map(|(_, extension)| extension);
    match extension {
        Some("tif" | "tiff") => Some(Kind::Tiff),
        Some("nc" | "nc4" | "cdf" | "h5") => Some(Kind::NetCdf),
        _ if lower == "catalog.json" || lower == "collection.json" => Some(Kind::Stac),
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
        if zarr {
            found.candidates.push(Candidate { path: folder, kind: Kind::Zarr });
            continue;
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
