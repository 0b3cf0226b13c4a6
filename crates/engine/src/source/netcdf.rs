//! NetCDF files: NetCDF-4 (HDF5) and the classic formats CDF-1, CDF-2 and CDF-5.
//!
//! A file is opened once; each variable becomes one [`ArrayReader`] named by its path (`group/var`). Values stay
//! as they are stored: `scale_factor` and `add_offset` are attributes like any other. What dimensions and
//! coordinates mean is not decided here (see `source::cf`).
//!
//! The library behind this decodes while it reads, so that `fetch` does both, on a blocking thread, chunk by
//! chunk (or row by row where nothing is chunked); `decode` only masks. Files over HTTP are read by ranges
//! through a small block cache. A panic of the library on a damaged file ends in an error of that one read.

mod attributes;
mod storage;
mod variable;

use std::sync::Arc;

use hdf5_reader::{Hdf5File, OpenOptions};
use netcdf_reader::{NcFile, NcGroup, NcOpenOptions};
use serde_json::{Map, Value};

use self::variable::Variable;
use crate::meter;
use crate::source::{ArrayReader, SourceError};
use crate::storage::Location;

/// Opens a file: its arrays in the file's order (those of sub-groups after those of their parent) and the
/// attributes of the file.
///
/// Variables of compound, opaque, enumerated and variable-length types are left out, with a warning in the log.
///
/// # Errors
/// [`SourceError::Storage`] where the bytes cannot be had, [`SourceError::Invalid`] for a damaged file and
/// [`SourceError::Unsupported`] for HDF5 features outside the supported set.
pub async fn open(
    location: &Location,
) -> Result<(Vec<Arc<dyn ArrayReader>>, Map<String, Value>), SourceError> {
    let (storage, version) = storage::open(location).await?;
    let href: Arc<str> = location.href().into();
    blocking(&href.clone(), move || {
        // Whole chunks are asked for, and the cache of decoded chunks is above this, under the ledger.
        let options = NcOpenOptions { chunk_cache_bytes: 0, ..NcOpenOptions::default() };
        let file = NcFile::from_storage_with_options(Arc::clone(&storage), options)
            .map_err(|e| error(&href, e))?;
        // The NetCDF layer does not tell chunk sizes; the HDF5 layer below it does, from the headers alone.
        let hdf5 = if file.as_classic().is_none() {
            let options = OpenOptions { chunk_cache_bytes: 0, ..OpenOptions::default() };
            let hdf5 = Hdf5File::from_storage_with_options(storage, options);
            Some(hdf5.map_err(|e| error(&href, e.into()))?)
        } else {
            None
        };
        let file = Arc::new(Open { file, href: Arc::clone(&href), version });
        let root = file.file.root_group().map_err(|e| error(&href, e))?;
        let mut arrays = Vec::new();
        let mut groups: Vec<(String, &NcGroup)> = vec![(String::new(), root)];
        while let Some((prefix, group)) = groups.pop() {
            for variable in &group.variables {
                let path = format!("{prefix}{}", variable.name);
                let chunks = match &hdf5 {
                    Some(hdf5) => hdf5.dataset(&path).map_err(|e| error(&href, e.into()))?.chunks(),
                    None => None,
                };
                if let Some(array) = Variable::new(&file, path, variable, chunks)? {
                    arrays.push(Arc::new(array) as Arc<dyn ArrayReader>);
                }
            }
            let inner = group.groups.iter().rev();
            groups.extend(inner.map(|inner| (format!("{prefix}{}/", inner.name), inner)));
        }
        Ok((arrays, attributes::to_json(&root.attributes)))
    })
    .await
}

/// An open file.
struct Open {
    file: NcFile,
    href: Arc<str>,
    /// Changes with the content.
    version: String,
}

/// Runs `work` where it may block. A panic in it becomes an error.
async fn blocking<T: Send + 'static>(
    href: &str,
    work: impl FnOnce() -> Result<T, SourceError> + Send + 'static,
) -> Result<T, SourceError> {
    let meter = meter::of_task();
    let metered = move || {
        let _running = meter::enter(meter.as_ref());
        work()
    };
    match tokio::task::spawn_blocking(metered).await {
        Ok(result) => result,
        Err(broken) => Err(SourceError::Invalid {
            href: href.to_owned(),
            format: "NetCDF",
            reason: format!("the decoder gave up on it ({broken})"),
        }),
    }
}

/// The library's errors, sorted into ours.
fn error(href: &str, error: netcdf_reader::Error) -> SourceError {
    use hdf5_reader::error::Error as Hdf5;
    use netcdf_reader::Error as NetCdf;
    let text = error.to_string();
    let invalid = |reason| SourceError::Invalid { href: href.to_owned(), format: "NetCDF", reason };
    let (io, unsupported) = match error {
        NetCdf::Io(io) => (Some(io), false),
        NetCdf::UnsupportedFeature(_) | NetCdf::UnsupportedVersion(_) => (None, true),
        NetCdf::Hdf5(mut inner) => {
            while let Hdf5::Context { source, .. } = inner {
                inner = *source;
            }
            match inner {
                Hdf5::Io(io) => (Some(io), false),
                Hdf5::UnsupportedFilter(_) | Hdf5::UnsupportedEncoding(_) => (None, true),
                _ => (None, false),
            }
        }
        _ => (None, false),
    };
    if unsupported {
        return SourceError::Unsupported { href: href.to_owned(), what: text };
    }
    match io.map(std::io::Error::downcast) {
        Some(Ok(storage)) => SourceError::Storage(storage),
        _ => invalid(text),
    }
}

#[cfg(test)]
mod tests;
