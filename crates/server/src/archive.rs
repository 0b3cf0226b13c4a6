//! Several files as one body: tar (ustar, POSIX.1-1988) and zip (APPNOTE 6.3, stored, zip64 where needed).
//!
//! Lengths are known before anything is read, and files go through in pieces. A file that is not as long as it was
//! when its archive was planned is an error. Nothing is compressed: results are already.

mod tar;
mod zip;

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use eolith_engine::storage::{Location, Prefix, PrefixError, StorageError};
use futures::StreamExt;
use futures::stream::{self, BoxStream};
use tokio::runtime::Handle;

/// Bytes that are asked of an object store at a time, and how often while others are sent: an archive of many small
/// objects would else wait for each of them.
const PIECE: u64 = 2 << 20;
const AHEAD: usize = 4;

/// A file to be sent.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// With slashes, relative.
    pub(crate) name: String,
    source: Source,
    size: u64,
}

#[derive(Clone, Debug)]
enum Source {
    File(PathBuf),
    Object(Location),
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
            found.push(Entry { name, source: Source::File(path), size: meta.len() });
        }
    }
    found.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(found)
}

/// All files below a folder of the disk or of an object store, as a zip archive.
///
/// # Errors
/// What the store says; [`StorageError::NotFound`] where there is nothing.
pub(crate) async fn of_folder(folder: &Location) -> Result<Archive, StorageError> {
    let href = || folder.href().to_owned();
    if let Some(path) = folder.as_local().map(Path::to_owned) {
        let listed = tokio::task::spawn_blocking(move || entries(&path, &path)).await;
        let listed = listed.map_err(io::Error::other).flatten();
        let failed =
            |error: io::Error| StorageError::Read { href: href(), reason: error.to_string() };
        return Ok(Archive::zip(listed.map_err(failed)?));
    }
    let prefix = Prefix::open(folder.href())?;
    let failed =
        |error: PrefixError| StorageError::Read { href: href(), reason: error.to_string() };
    let mut found = Vec::new();
    for object in prefix.objects("").await.map_err(failed)? {
        let source = Source::Object(prefix.location(&object.name)?);
        found.push(Entry { name: object.name, source, size: object.size });
    }
    if found.is_empty() { Err(StorageError::NotFound(href())) } else { Ok(Archive::zip(found)) }
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
        let source = Source::File(path.to_owned());
        Ok(Archive::File(Entry { name: String::new(), source, size }))
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

    /// Blocks; what is in object stores needs a thread of the runtime that may.
    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        match self {
            Archive::File(entry) => {
                Contents::of(std::slice::from_ref(entry)).copy(entry, out, |_| {})
            }
            Archive::Tar(entries) => tar::write(entries, out),
            Archive::Zip(entries) => zip::write(entries, out),
        }
    }
}

/// The bytes of entries, in their order.
struct Contents {
    /// Pieces of all that are objects.
    objects: BoxStream<'static, Result<Bytes, StorageError>>,
}

impl Contents {
    fn of(entries: &[Entry]) -> Contents {
        let objects = entries.iter().filter_map(|entry| match &entry.source {
            Source::Object(place) => Some((place.clone(), entry.size)),
            Source::File(_) => None,
        });
        let objects: Vec<(Location, u64)> = objects.collect();
        let pieces = objects.into_iter().flat_map(|(place, size)| {
            let starts = (0..size).step_by(PIECE as usize);
            starts.map(move |start| (place.clone(), start..(start + PIECE).min(size)))
        });
        let read =
            |(place, range): (Location, Range<u64>)| async move { place.read_range(range).await };
        Contents { objects: stream::iter(pieces).map(read).buffered(AHEAD).boxed() }
    }

    /// Copies the next entry piece by piece; `seen` gets every piece.
    fn copy(
        &mut self,
        entry: &Entry,
        out: &mut dyn Write,
        mut seen: impl FnMut(&[u8]),
    ) -> io::Result<()> {
        let shorter = || io::Error::other(format!("`{}` has become shorter", entry.name));
        let mut left = entry.size;
        match &entry.source {
            Source::File(path) => {
                let mut file = File::open(path)?.take(entry.size);
                let mut buffer = vec![0; 64 << 10];
                while left > 0 {
                    let read = file.read(&mut buffer)?;
                    if read == 0 {
                        return Err(shorter());
                    }
                    seen(&buffer[..read]);
                    out.write_all(&buffer[..read])?;
                    left -= read as u64;
                }
            }
            Source::Object(_) => {
                let runtime = Handle::try_current().map_err(io::Error::other)?;
                while left > 0 {
                    let piece = runtime.block_on(self.objects.next()).ok_or_else(shorter)?;
                    let piece = piece.map_err(io::Error::other)?;
                    seen(&piece);
                    out.write_all(&piece)?;
                    left = left.checked_sub(piece.len() as u64).ok_or_else(shorter)?;
                }
            }
        }
        Ok(())
    }
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
