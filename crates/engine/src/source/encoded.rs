//! Encoded bytes of a chunk on their way to the codec.
//!
//! Bytes of remote objects are fetched and held. Of local files only the place is kept: they are read right before
//! they are decoded, on the thread that decodes, into a buffer which that thread uses again and which is still in its
//! cache then ([design/0014](../../../../docs/design/0014-local-reads.md)). The kernel is told early what will be
//! read, so that a cold disk works while other chunks are decoded.

use std::cell::Cell;
use std::fs::File;
use std::io::{ErrorKind, Read, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;

use super::SourceError;
use crate::storage::{Location, StorageError};

/// The largest buffer that a thread keeps.
const KEEP: usize = 16 << 20;

/// The encoded bytes of one chunk, or where they are.
#[derive(Clone, Debug)]
pub(super) enum Encoded {
    /// There is no such chunk.
    Absent,
    Bytes(Bytes),
    File(Arc<LocalFile>, Range<u64>),
}

/// A local file as it was when it was looked at.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LocalFile {
    location: String,
    size: u64,
    modified: Option<SystemTime>,
}

impl Encoded {
    pub(super) fn len(&self) -> u64 {
        match self {
            Encoded::Absent => 0,
            Encoded::Bytes(bytes) => bytes.len() as u64,
            Encoded::File(_, range) => range.end - range.start,
        }
    }

    /// Calls `work` with the bytes; `None` where there is no such chunk.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&[u8]) -> Result<T, SourceError>,
    ) -> Result<Option<T>, SourceError> {
        match self {
            Encoded::Absent => Ok(None),
            Encoded::Bytes(bytes) => work(bytes).map(Some),
            Encoded::File(file, range) => with_buffer(|buffer| {
                let len = file.len_of(range)?;
                if buffer.len() < len {
                    buffer.resize(len, 0);
                }
                file.read(range.start, &mut buffer[..len])?;
                work(&buffer[..len]).map(Some)
            }),
        }
    }
}

impl LocalFile {
    /// Looks at the file behind a location; `None` where the location is not on this machine.
    ///
    /// # Errors
    /// [`StorageError::NotFound`] and what else the system says.
    pub(super) fn open(location: &Location) -> Option<Result<(LocalFile, File), StorageError>> {
        let path = location.as_local()?;
        Some(look(path).map_err(|error| failed(location.href(), error)))
    }

    /// Whether the file is the one that was looked at before.
    ///
    /// # Errors
    /// [`SourceError::Changed`] if it is not.
    pub(super) fn same_as(&self, before: &LocalFile) -> Result<(), SourceError> {
        if self == before {
            return Ok(());
        }
        Err(SourceError::Changed { href: self.location.clone() })
    }

    /// The whole file.
    pub(super) fn whole(&self) -> Range<u64> {
        0..self.size
    }

    /// Fills `buffer` from `offset` on.
    ///
    /// # Errors
    /// [`SourceError::Changed`] if another file is in its place.
    pub(super) fn read(&self, offset: u64, buffer: &mut [u8]) -> Result<(), SourceError> {
        let mut read = || {
            let mut file = File::open(&self.location)?;
            let meta = file.metadata()?;
            file.seek(SeekFrom::Start(offset))?;
            file.read_exact(buffer)?;
            Ok::<bool, std::io::Error>(
                (meta.len(), meta.modified().ok()) == (self.size, self.modified),
            )
        };
        match read() {
            Ok(true) => Ok(()),
            Ok(false) => Err(SourceError::Changed { href: self.location.clone() }),
            // It was long enough a moment ago.
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => {
                Err(SourceError::Changed { href: self.location.clone() })
            }
            Err(error) => Err(failed(&self.location, error).into()),
        }
    }

    /// Length of a range that the file has.
    fn len_of(&self, range: &Range<u64>) -> Result<usize, SourceError> {
        let len = range.end.checked_sub(range.start).filter(|_| range.end <= self.size);
        len.and_then(|len| usize::try_from(len).ok()).ok_or_else(|| SourceError::Invalid {
            href: self.location.clone(),
            format: "file",
            reason: format!("bytes {range:?} of {} are asked for", self.size),
        })
    }
}

/// Tells the kernel what will be read. It is a hint: that it fails means nothing.
pub(super) fn read_ahead(file: &File, range: &Range<u64>) {
    #[cfg(target_os = "linux")]
    {
        let len = std::num::NonZeroU64::new(range.end.saturating_sub(range.start));
        let _ = rustix::fs::fadvise(file, range.start, len, rustix::fs::Advice::WillNeed);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = (file, range);
}

fn look(path: &Path) -> std::io::Result<(LocalFile, File)> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if meta.is_dir() {
        // What object stores say of a folder.
        return Err(ErrorKind::NotFound.into());
    }
    let location = path.display().to_string();
    Ok((LocalFile { location, size: meta.len(), modified: meta.modified().ok() }, file))
}

fn failed(href: &str, error: std::io::Error) -> StorageError {
    match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => StorageError::NotFound(href.to_owned()),
        _ => StorageError::Read { href: href.to_owned(), reason: error.to_string() },
    }
}

/// Calls `work` with this thread's buffer.
fn with_buffer<T>(work: impl FnOnce(&mut Vec<u8>) -> T) -> T {
    thread_local! {
        static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
    }
    let mut buffer = BUFFER.take();
    let result = work(&mut buffer);
    if buffer.capacity() <= KEEP {
        BUFFER.set(buffer);
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_was_replaced_before_it_is_decoded_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chunk");
        std::fs::write(&path, [1, 2, 3, 4]).unwrap();
        let location = Location::resolve("", &path.display().to_string()).unwrap();
        let (file, _) = LocalFile::open(&location).unwrap().unwrap();
        let encoded = Encoded::File(Arc::new(file), 1..3);
        assert_eq!(encoded.with(|bytes| Ok(bytes.to_vec())).unwrap(), Some(vec![2, 3]));
        // Of the same size.
        std::fs::write(folder.path().join("new"), [5, 6, 7, 8]).unwrap();
        std::fs::rename(folder.path().join("new"), &path).unwrap();
        let later = SystemTime::now() + std::time::Duration::from_secs(2);
        File::options().write(true).open(&path).unwrap().set_modified(later).unwrap();
        let outcome = encoded.with(|_| Ok(()));
        assert!(matches!(outcome, Err(SourceError::Changed { .. })), "{outcome:?}");
        // Shorter than it was.
        std::fs::write(&path, [1]).unwrap();
        let outcome = encoded.with(|_| Ok(()));
        assert!(matches!(outcome, Err(SourceError::Changed { .. })), "{outcome:?}");
    }
}
