//! Several files as one body: tar (ustar, POSIX.1-1988) and zip (APPNOTE 6.3, stored, zip64 where needed).
//!
//! Lengths are known before anything is read, and files go through in pieces. A file that is not as long as it was
//! when its archive was planned is an error. Nothing is compressed: results are already.

mod tar;
mod zip;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

/// A file to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// With slashes, relative.
    pub(crate) name: String,
    path: PathBuf,
    size: u64,
}

/// What is sent.
#[derive(Debug)]
pub(crate) enum Archive {
    File(Entry),
    Tar(Vec<Entry>),
    Zip(Vec<Entry>),
}

/// The file at `path`, or all files below it, by name; the names are relative to `root`.
pub(crate) fn entries(root: &Path, path: &Path) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    let mut open = vec![path.to_owned()];
    while let Some(path) = open.pop() {
        let meta = fs::metadata(&path)?;
        if meta.is_dir() {
            for child in fs::read_dir(&path)? {
                open.push(child?.path());
            }
        } else {
            let relative = path.strip_prefix(root).map_err(io::Error::other)?;
            let parts = relative.components().map(|part| part.as_os_str().to_string_lossy());
            let name = parts.collect::<Vec<_>>().join("/");
            found.push(Entry { name, path, size: meta.len() });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

impl Entry {
    /// Bytes.
    pub(crate) fn size(&self) -> u64 {
        self.size
    }
}

impl Archive {
    /// A single file as it is.
    pub(crate) fn file(path: &Path) -> io::Result<Archive> {
        let size = fs::metadata(path)?.len();
        Ok(Archive::File(Entry { name: String::new(), path: path.to_owned(), size }))
    }

    /// # Errors
    /// A name that does not fit into a header.
    pub(crate) fn tar(entries: Vec<Entry>) -> io::Result<Archive> {
        tar::check(&entries)?;
        Ok(Archive::Tar(entries))
    }

    pub(crate) fn zip(entries: Vec<Entry>) -> Archive {
        Archive::Zip(entries)
    }

    /// Bytes that [`Archive::write`] will write.
    pub(crate) fn length(&self) -> u64 {
        match self {
            Archive::File(entry) => entry.size,
            Archive::Tar(entries) => tar::length(entries),
            Archive::Zip(entries) => zip::length(entries),
        }
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Archive::File(entry) => copy(entry, out, |_| {}),
            Archive::Tar(entries) => tar::write(entries, out),
            Archive::Zip(entries) => zip::write(entries, out),
        }
    }
}

/// Copies a file piece by piece; `seen` gets every piece.
fn copy(entry: &Entry, out: &mut dyn Write, mut seen: impl FnMut(&[u8])) -> io::Result<()> {
    let mut file = File::open(&entry.path)?.take(entry.size);
    let mut buffer = vec![0; 64 << 10];
    let mut left = entry.size;
    while left > 0 {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            return Err(io::Error::other(format!("`{}` has become shorter", entry.name)));
        }
        seen(&buffer[..read]);
        out.write_all(&buffer[..read])?;
        left -= read as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_of_a_folder_are_found_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let store = dir.path().join("a.zarr");
        fs::create_dir_all(store.join("c/0")).unwrap();
        fs::write(store.join("zarr.json"), "{}").unwrap();
        fs::write(store.join("c/0/1"), "12345").unwrap();
        let names = |root: &Path, path: &Path| -> Vec<String> {
            entries(root, path).unwrap().into_iter().map(|entry| entry.name).collect()
        };
        assert_eq!(names(&store, &store), ["c/0/1", "zarr.json"]);
        assert_eq!(names(dir.path(), &store), ["a.zarr/c/0/1", "a.zarr/zarr.json"]);
        assert_eq!(names(dir.path(), &store.join("zarr.json")), ["a.zarr/zarr.json"]);
        assert!(entries(dir.path(), &dir.path().join("none")).is_err());
    }

    #[test]
    fn a_file_that_shrinks_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("f");
        fs::write(&path, "12345").unwrap();
        let archive = Archive::file(&path).unwrap();
        let mut out = Vec::new();
        archive.write(&mut out).unwrap();
        assert_eq!((out.as_slice(), archive.length()), (&b"12345"[..], 5));
        fs::write(&path, "123").unwrap();
        assert!(archive.write(&mut Vec::new()).is_err());
    }
}
