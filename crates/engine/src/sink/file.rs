//! Files that appear whole or not at all, and options checked by name.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use super::format::FormatDescription;
use super::{Options, SinkError};

/// Writes a file beside `path` and renames it when all is on disk.
pub(super) fn write(
    path: &Path,
    content: impl FnOnce(&mut BufWriter<&mut File>) -> Result<(), SinkError>,
) -> Result<(), SinkError> {
    let failed = |error: &dyn std::fmt::Display| error_at(path, error);
    let mut builder = tempfile::Builder::new();
    #[cfg(unix)]
    builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    let mut file = builder.prefix(".writing-").tempfile_in(folder(path)).map_err(|e| failed(&e))?;
    let mut buffer = BufWriter::with_capacity(1 << 16, file.as_file_mut());
    content(&mut buffer)?;
    buffer.flush().map_err(|e| failed(&e))?;
    drop(buffer);
    file.as_file().sync_all().map_err(|e| failed(&e))?;
    file.persist(path).map_err(|e| failed(&e.error))?;
    Ok(())
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

pub(super) fn refuse(format: &'static str, name: &str, reason: String) -> SinkError {
    SinkError::Option { format, name: name.to_owned(), reason }
}
