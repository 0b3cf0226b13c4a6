//! Opened arrays, kept for as long as a session lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use eolith_plan::need::{ArrayRef, Format};

use super::cache::Cache;
use super::encoded::LocalFile;
use super::{ArrayReader, SourceError, netcdf, tiff, zarr};
use crate::budget::Budget;
use crate::storage::{Access, Location};

/// Bytes of decoded chunks that are kept unless said otherwise.
const CACHE: u64 = 64 << 20;

/// Readers by file and array, and the chunks they decoded last.
#[derive(Debug)]
pub struct Readers {
    open: Mutex<Open>,
    /// What addresses that came with a request may lead to.
    access: Arc<Access>,
    cache: Arc<Cache>,
}

#[derive(Debug, Default)]
struct Open {
    arrays: HashMap<Key, Opened>,
    opened: u64,
}

#[derive(Clone, Debug)]
struct Opened {
    /// No other reader ever has it.
    number: u64,
    reader: Arc<dyn ArrayReader>,
    /// The local file as it was before, or when a remote one was opened.
    file: Option<Arc<LocalFile>>,
    since: Instant,
}

/// File, array, version, and whether a request named it: a file that changed is another one, and what the operator
/// opened is no way around what a request may read.
type Key = (String, String, Option<String>, bool);

/// How long a remote file is taken for unchanged whose version the plan does not know.
const TRUSTED: Duration = Duration::from_mins(1);

/// Most arrays kept open; beyond it all are closed, which costs a header read each.
const MOST: usize = 4096;

impl Default for Readers {
    fn default() -> Readers {
        Readers::new(Arc::default())
    }
}

impl Readers {
    pub fn new(access: Arc<Access>) -> Readers {
        let cache = Arc::new(Cache::new(CACHE, &Budget::new(2 * CACHE)));
        Readers { open: Mutex::default(), access, cache }
    }

    /// Keeps decoded chunks up to `bytes` while `budget` has room for them; 0 keeps none.
    #[must_use]
    pub fn with_cache(self, bytes: u64, budget: &Budget) -> Readers {
        Readers { cache: Arc::new(Cache::new(bytes, budget)), ..self }
    }

    /// Decoded chunks of these readers.
    pub fn cache(&self) -> &Arc<Cache> {
        &self.cache
    }

    /// Closes what was opened of a file, which has changed.
    pub(super) fn forget(&self, href: &str) {
        self.lock().arrays.retain(|(own, ..), _| own != href);
    }

    /// The reader of an array; opens its file at the first use.
    ///
    /// # Errors
    /// What the format's reader says, that the file has no such array, or [`SourceError::Changed`] if it is not the
    /// one that was planned with.
    pub async fn get(&self, array: &ArrayRef) -> Result<Arc<dyn ArrayReader>, SourceError> {
        Ok(self.numbered(array).await?.1)
    }

    /// As [`Readers::get`], with a number of the reader for the cache.
    pub(super) async fn numbered(
        &self,
        array: &ArrayRef,
    ) -> Result<(u64, Arc<dyn ArrayReader>), SourceError> {
        let key = (array.href.clone(), array.array.clone(), array.version.clone(), array.requested);
        let known = self.lock().arrays.get(&key).cloned();
        // A version that the plan knows is a part of the key: a file that changed is not found by it.
        if let Some(Opened { number, reader, .. }) = &known
            && array.version.is_some()
        {
            return Ok((*number, Arc::clone(reader)));
        }
        let location = if array.requested {
            Location::requested(&self.access, &array.href)?
        } else {
            Location::resolve("", &array.href)?
        };
        if let Some(known) = known {
            if known.is_current(&location) {
                return Ok((known.number, known.reader));
            }
            self.forget(&array.href);
        }
        let since = Instant::now();
        let file = LocalFile::open(&location).and_then(Result::ok).map(|(file, _)| Arc::new(file));
        let readers = match array.format {
            Format::Tiff => tiff_array(tiff::open(&location).await?, &array.array),
            Format::Zarr => zarr::open(&location).await?,
            Format::NetCdf => netcdf::open(&location).await?.0,
        };
        let mut found = None;
        let mut open = self.lock();
        if open.arrays.len() + readers.len() > MOST {
            open.arrays.clear();
        }
        for reader in readers {
            let name = if array.format == Format::Tiff {
                array.array.clone()
            } else {
                reader.meta().name.clone()
            };
            open.opened += 1;
            if name == array.array {
                found = Some((open.opened, Arc::clone(&reader)));
            }
            let key = (array.href.clone(), name, array.version.clone(), array.requested);
            let opened = Opened { number: open.opened, reader, file: file.clone(), since };
            open.arrays.insert(key, opened);
        }
        let found = found.ok_or_else(|| SourceError::Invalid {
            href: array.href.clone(),
            format: array.format.name(),
            reason: format!("it has no array `{}`", array.array),
        })?;
        match (&array.version, found.1.version()) {
            (Some(planned), Some(version)) if planned != version => {
                open.arrays.retain(|(href, ..), _| *href != array.href);
                Err(SourceError::Changed { href: array.href.clone() })
            }
            _ => Ok(found),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The image, or one of its overviews by number.
fn tiff_array(file: tiff::TiffFile, name: &str) -> Vec<Arc<dyn ArrayReader>> {
    let reader = match name.parse::<usize>() {
        Err(_) => Some(file.reader),
        Ok(number) => file.overviews.into_iter().nth(number.wrapping_sub(1)),
    };
    reader.into_iter().collect()
}

impl Opened {
    /// Whether the file behind it is still the one that was opened, as far as that can be told without a request.
    fn is_current(&self, location: &Location) -> bool {
        match (&self.file, LocalFile::open(location)) {
            (Some(before), Some(now)) => now.is_ok_and(|(now, _)| now == **before),
            // A folder.
            (None, Some(_)) => true,
            (_, None) => self.since.elapsed() < TRUSTED,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

    #[tokio::test]
    async fn a_file_that_was_replaced_is_opened_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("one.nc");
        let write = |dates| {
            let sample = Sample::new(dates, 16).unwrap();
            let options = crate::sink::Options::new();
            crate::sink::SinkFormat::NetCdf.write(&sample, &options, 1 << 30, &path).unwrap();
        };
        let array = ArrayRef {
            href: path.display().to_string(),
            format: Format::NetCdf,
            array: "B04".to_owned(),
            version: None,
            chunk: None,
            requested: false,
        };
        write(1);
        let readers = Readers::default();
        let (first, reader) = readers.numbered(&array).await.unwrap();
        assert_eq!(reader.meta().shape[0], 1);
        assert_eq!(readers.numbered(&array).await.unwrap().0, first);
        write(2);
        let (second, reader) = readers.numbered(&array).await.unwrap();
        assert_eq!(reader.meta().shape[0], 2);
        assert_ne!(first, second, "its chunks must not be taken from the cache");
    }

    #[tokio::test]
    async fn a_file_that_is_not_the_planned_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sample.zarr");
        let sample = Sample::new(1, 16).unwrap();
        crate::sink::zarr::write(&sample, &crate::sink::Options::new(), 1 << 30, &path).unwrap();
        let array = |version: Option<&str>| ArrayRef {
            href: path.display().to_string(),
            format: Format::Zarr,
            array: "B04".to_owned(),
            version: version.map(str::to_owned),
            chunk: None,
            requested: false,
        };
        let readers = Readers::default();
        let reader = readers.get(&array(None)).await.unwrap();
        let now = reader.version().unwrap().to_owned();
        readers.get(&array(Some(&now))).await.unwrap();
        let outcome = readers.get(&array(Some("another"))).await;
        assert!(matches!(outcome, Err(SourceError::Changed { .. })), "{outcome:?}");
    }
}
