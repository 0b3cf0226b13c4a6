//! Opened arrays, kept for as long as a session lives.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use eolith_plan::need::{ArrayRef, Format};

use super::cache::Cache;
use super::{ArrayReader, SourceError, netcdf, tiff, zarr};
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
    /// With a number that no other reader ever has.
    arrays: HashMap<Key, (u64, Arc<dyn ArrayReader>)>,
    opened: u64,
}

/// File, array, version, and whether a request named it: a file that changed is another one, and what the operator
/// opened is no way around what a request may read.
type Key = (String, String, Option<String>, bool);

/// Most arrays kept open; beyond it all are closed, which costs a header read each.
const MOST: usize = 4096;

impl Default for Readers {
    fn default() -> Readers {
        Readers::new(Arc::default())
    }
}

impl Readers {
    pub fn new(access: Arc<Access>) -> Readers {
        Readers { open: Mutex::default(), access, cache: Arc::new(Cache::new(CACHE)) }
    }

    /// Keeps decoded chunks up to `bytes`; 0 keeps none.
    #[must_use]
    pub fn with_cache(self, bytes: u64) -> Readers {
        Readers { cache: Arc::new(Cache::new(bytes)), ..self }
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
        if let Some((number, reader)) = self.lock().arrays.get(&key) {
            return Ok((*number, Arc::clone(reader)));
        }
        let location = if array.requested {
            Location::requested(&self.access, &array.href)?
        } else {
            Location::resolve("", &array.href)?
        };
        let readers = match array.format {
            Format::Tiff => vec![tiff::open(&location).await?.reader],
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
                String::new()
            } else {
                reader.meta().name.clone()
            };
            open.opened += 1;
            let numbered = (open.opened, reader);
            if name == array.array {
                found = Some(numbered.clone());
            }
            let key = (array.href.clone(), name, array.version.clone(), array.requested);
            open.arrays.insert(key, numbered);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::Sample;

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
