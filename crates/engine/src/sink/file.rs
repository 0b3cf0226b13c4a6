//! Files that appear whole or not at all, and options checked by name.
//!
//! Whole means for every process that looks, and whatever becomes of this one. Nothing waits for the disk: who
//! promises that a result outlives the machine has to see to that itself.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use tempfile::{NamedTempFile, TempPath};

use super::format::FormatDescription;
use super::{Options, SinkError};

/// A file that is beside its place and not yet there; dropping it removes it.
#[derive(Debug)]
pub(super) struct Staged {
    written: TempPath,
    pub(super) target: PathBuf,
}

/// Writes a file beside `path` and renames it when all is written.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    stage(path, content)?.publish()
}

/// Writes a file beside `path`.
pub(super) fn stage(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), SinkError>,
) -> Result<Staged, SinkError> {
    let mut file = begin(path)?;
    let mut buffer = BufWriter::with_capacity(1 << 16, file.as_file_mut());
    content(&mut buffer)?;
    buffer.flush().map_err(|e| error_at(path, &e))?;
    drop(buffer);
    Ok(Staged::new(file, path))
}

/// An empty file beside `path`.
pub(super) fn begin(path: &Path) -> Result<NamedTempFile, SinkError> {
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    builder.prefix(".writing-").tempfile_in(folder(path)).map_err(|e| error_at(path, &e))
}

impl Staged {
    /// A file with all its content, to be at `target`.
    pub(super) fn new(file: NamedTempFile, target: &Path) -> Staged {
        Staged { written: file.into_temp_path(), target: target.to_owned() }
    }

    /// Puts the file in its place.
    pub(super) fn publish(self) -> Result<(), SinkError> {
        let Staged { written, target } = self;
        written.persist(&target).map_err(|e| error_at(&target, &e.error))
    }
}

/// Puts all files in their places, or none.
pub(super) fn publish_all(files: Vec<Staged>) -> Result<Vec<PathBuf>, SinkError> {
    let mut published = Vec::with_capacity(files.len());
    for file in files {
        let target = file.target.clone();
        if let Err(error) = file.publish() {
            remove_all(published.iter().map(PathBuf::as_path));
            return Err(error);
        }
        published.push(target);
    }
    Ok(published)
}

/// Removes what was written when a later file fails.
pub(super) fn remove_all<'a>(paths: impl IntoIterator<Item = &'a Path>) {
    for path in paths {
        if let Err(error) = std::fs::remove_file(path) {
            tracing::warn!(path = %path.display(), %error, "an incomplete result is left behind");
        }
    }
}

pub(super) fn error_at(path: &Path, error: &dyn std::fmt::Display) -> SinkError {
    SinkError::Write { path: path.display().to_string(), reason: error.to_string() }
}

/// The folder of `path`.
pub(super) fn folder(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Refuses options the format does not have.
pub(super) fn check(options: &Options, of: &FormatDescription) -> Result<(), SinkError> {
    for name in options.keys() {
        if of.parameters.iter().all(|parameter| parameter.name != name) {
            let known: Vec<_> = of.parameters.iter().map(|parameter| parameter.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(refuse(of.name, name, format!("there is no such option (known: {known})")));
        }
    }
    Ok(())
}

/// One of `known`, ignoring case; `None` where the option is missing or null.
pub(super) fn choice(
    options: &Options,
    format: &'static str,
    name: &str,
    known: &[&'static str],
) -> Result<Option<&'static str>, SinkError> {
    let Some(value) = options.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let found = value.as_str().and_then(|text| known.iter().find(|k| k.eq_ignore_ascii_case(text)));
    let reason = || format!("{value} is none of {}", known.join(", "));
    found.copied().map(Some).ok_or_else(|| refuse(format, name, reason()))
}

/// A finite number; `None` where the option is missing or null.
pub(super) fn number(
    options: &Options,
    format: &'static str,
    name: &str,
) -> Result<Option<f64>, SinkError> {
    let Some(value) = options.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let number = value.as_f64().filter(|number| number.is_finite());
    number.map(Some).ok_or_else(|| refuse(format, name, format!("{value} is not a number")))
}

/// Options under one name each: `known` is the format's own name for what users of GDAL call `alias`.
pub(super) fn unaliased(
    options: &Options,
    format: &'static str,
    aliases: &[(&str, &str)],
) -> Result<Options, SinkError> {
    let mut own = Options::new();
    for (name, value) in options {
        let alias = aliases.iter().find(|(alias, _)| alias.eq_ignore_ascii_case(name));
        let known = alias.map_or(name.as_str(), |(_, known)| known);
        if own.insert(known.to_owned(), value.clone()).is_some() {
            return Err(refuse(format, name, format!("it says the same as `{known}`")));
        }
    }
    Ok(own)
}

/// True or false; `None` where the option is missing or null.
pub(super) fn truth(
    options: &Options,
    format: &'static str,
    name: &str,
) -> Result<Option<bool>, SinkError> {
    let Some(value) = options.get(name).filter(|value| !value.is_null()) else { return Ok(None) };
    let truth = value.as_bool();
    truth
        .map(Some)
        .ok_or_else(|| refuse(format, name, format!("{value} is neither true nor false")))
}

pub(super) fn refuse(format: &'static str, name: &str, reason: String) -> SinkError {
    SinkError::Option { format, name: name.to_owned(), reason }
}
