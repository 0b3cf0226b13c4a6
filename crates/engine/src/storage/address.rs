//! Addresses as text: their schemes, and what a relative one means.

use std::path::{Component, Path, PathBuf};

use url::Url;

use super::{StorageError, folder_of, shown};

/// What kind of address a text is; a text without `://` is a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scheme {
    Http,
    File,
    Bucket(Cloud),
    Unknown,
}

/// The three object stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cloud {
    S3,
    Google,
    Azure,
}

impl Scheme {
    pub(super) fn of(href: &str) -> Option<Scheme> {
        let (scheme, _) = href.split_once("://")?;
        let letter = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c);
        if scheme.is_empty() || !scheme.chars().all(letter) {
            return None;
        }
        Some(match scheme {
            "http" | "https" => Scheme::Http,
            "file" => Scheme::File,
            "s3" | "s3a" => Scheme::Bucket(Cloud::S3),
            "gs" | "gcs" => Scheme::Bucket(Cloud::Google),
            "az" | "azure" | "abfs" | "abfss" => Scheme::Bucket(Cloud::Azure),
            _ => Scheme::Unknown,
        })
    }
}

/// A path or URL made absolute; `base` is a folder or a URL, and may be empty for what is absolute already.
pub(super) fn join(base: &str, href: &str) -> Result<String, StorageError> {
    match Scheme::of(href) {
        Some(Scheme::File) => file_path(href),
        Some(Scheme::Unknown) => Err(StorageError::Address(shown(href))),
        Some(Scheme::Http | Scheme::Bucket(_)) => Ok(href.to_owned()),
        None if base.is_empty() || Scheme::of(base).is_none() => {
            let path = Path::new(base).join(href);
            let absolute = std::path::absolute(&path)
                .map_err(|_| StorageError::Address(path.display().to_string()))?;
            Ok(clean(&absolute).display().to_string())
        }
        None => relative(&format!("{}/", base.trim_end_matches('/')), href),
    }
}

/// What `href` means in the document at `document`, which is absolute.
pub(super) fn relative(document: &str, href: &str) -> Result<String, StorageError> {
    if Scheme::of(href).is_some() {
        return join("", href);
    }
    match Scheme::of(document) {
        Some(Scheme::Http) => {
            let joined = Url::parse(document).and_then(|url| url.join(href));
            Ok(joined.map_err(|_| StorageError::Address(shown(href)))?.to_string())
        }
        Some(Scheme::Bucket(_)) => {
            let (root, key) =
                split_bucket(document).ok_or_else(|| StorageError::Address(document.to_owned()))?;
            let folder = key.rsplit_once('/').map_or("", |(folder, _)| folder);
            let path = clean(&Path::new("/").join(folder).join(href));
            Ok(format!("{root}{}", path.display()))
        }
        Some(Scheme::File | Scheme::Unknown) | None => {
            join(&folder_of(Path::new(document)).display().to_string(), href)
        }
    }
}

/// `s3://bucket` and the key below it; `None` without a bucket.
pub(super) fn split_bucket(href: &str) -> Option<(&str, &str)> {
    let (scheme, rest) = href.split_once("://")?;
    let end = rest.find('/').unwrap_or(rest.len());
    if end == 0 {
        return None;
    }
    let (root, key) = href.split_at(scheme.len() + 3 + end);
    Some((root, key.trim_matches('/')))
}

/// Resolves `.` and `..` by text alone, so that a relative href of a catalogue needs no existing file.
pub(super) fn clean(path: &Path) -> PathBuf {
    let mut out = PathBuf::new();
    for part in path.components() {
        match part {
            Component::ParentDir => {
                out.pop();
            }
            Component::CurDir => {}
            Component::RootDir | Component::Prefix(_) | Component::Normal(_) => out.push(part),
        }
    }
    out
}

/// The path of a `file:` URL.
fn file_path(href: &str) -> Result<String, StorageError> {
    let path = href.strip_prefix("file://").unwrap_or(href);
    let path = path.strip_prefix("localhost").filter(|p| p.starts_with('/')).unwrap_or(path);
    // Percent signs mean something in URLs only; a path that exists as written is a path.
    let decoded = match Url::parse(href).ok().and_then(|url| url.to_file_path().ok()) {
        Some(decoded) if !Path::new(path).exists() => decoded,
        _ => PathBuf::from(path),
    };
    join("", &decoded.display().to_string())
}
