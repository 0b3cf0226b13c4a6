//! Objects by address: local files, HTTP(S), and the object stores S3, Google Cloud Storage and Azure.
//!
//! ```text
//! access   who asks, and what may therefore be read
//! http     GET by range, POST; retries, limits, signed URLs as they are
//! view     folders of computed objects, as reference files describe them
//! bucket   s3:// gs:// az:// abfs://, configured by the usual environment variables
//! prefix   folders in buckets that are written
//! ```
//! This module turns what a user writes (a path or a URL) into a [`Location`] and gives bytes by range. It does
//! not interpret them (see [`crate::source`]) and it does not cache.

pub mod access;
mod address;
pub mod bucket;
pub mod http;
mod prefix;
#[cfg(test)]
mod tests;
mod view;

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use object_store::local::LocalFileSystem;
use object_store::{ObjectStore, ObjectStoreExt};
use thiserror::Error;
use url::Url;

pub use self::access::Access;
use self::address::Scheme;
use self::bucket::Bucket;
pub use self::prefix::{Object, Prefix, PrefixError};
pub use self::view::View;
pub(crate) use self::view::within;

/// Objects that one listing may have: beyond it a folder is no data set but an archive.
const MOST_LISTED: usize = 100_000;
/// Bytes of one JSON document.
const MOST_DOCUMENT: u64 = 64 << 20;

/// Where an object or a folder of objects is, and on whose behalf it is read.
#[derive(Clone)]
pub struct Location {
    place: Place,
    href: String,
    access: Option<Arc<Access>>,
}

#[derive(Clone)]
enum Place {
    Local(object_store::path::Path),
    Bucket(Arc<Bucket>, object_store::path::Path),
    Http(Url),
    /// A folder of computed objects, and a key in it.
    View(Arc<dyn View>, String),
}

/// What a store says of an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    pub size: u64,
    /// Changes with the content: the ETag, or size and modification time.
    pub token: String,
    /// When it was last written, in seconds since 1970.
    pub modified: Option<i64>,
}

/// Names in one folder, sorted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    pub folders: Vec<String>,
    pub files: Vec<String>,
}

/// Why bytes could not be had. Addresses are shown without what follows a `?`, where signatures are.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error(
        "`{0}` is neither a path nor an address of a kind that is read (http, https, s3, gs, az, abfs)"
    )]
    Address(String),
    #[error("`{0}` does not exist")]
    NotFound(String),
    /// The store said no.
    #[error("access to `{href}` was denied: {reason}")]
    Denied { href: String, reason: String },
    /// We said no: a request may not make this machine read what only its operator may.
    #[error("`{href}` may not be read: {reason}")]
    Forbidden { href: String, reason: &'static str },
    #[error("the server of `{0}` has no range requests")]
    Unranged(String),
    #[error("`{href}` has more than {limit} bytes")]
    TooLarge { href: String, limit: u64 },
    #[error("`{href}` was refused with HTTP status {status}: {text}")]
    Status { href: String, status: u16, text: String },
    /// A file that a reference leads to is not there.
    #[error("`{file}`, to which `{key}` refers, does not exist")]
    Lost { key: String, file: String },
    /// A file that a reference leads to is not the one that was referred to.
    #[error("`{file}` was changed after `{key}` referred to it")]
    Stale { key: String, file: String },
    #[error("cannot read `{href}`: {reason}")]
    Read { href: String, reason: String },
}

impl StorageError {
    /// The path or address of the file.
    pub fn href(&self) -> Option<&str> {
        match self {
            StorageError::Address(href)
            | StorageError::NotFound(href)
            | StorageError::Unranged(href)
            | StorageError::Denied { href, .. }
            | StorageError::Forbidden { href, .. }
            | StorageError::TooLarge { href, .. }
            | StorageError::Status { href, .. }
            | StorageError::Read { href, .. } => Some(href),
            StorageError::Lost { file, .. } | StorageError::Stale { file, .. } => Some(file),
        }
    }
}

impl Location {
    /// A local path (absolute, or relative to `base`) or a URL. `base` may be a folder or a URL. Nothing is checked:
    /// the operator named it.
    pub fn resolve(base: &str, href: &str) -> Result<Location, StorageError> {
        Self::open(&address::join(base, href)?, None)
    }

    /// An address that came with a request, or stands in a document that did.
    ///
    /// # Errors
    /// [`StorageError::Forbidden`] where `access` does not allow it.
    pub fn requested(access: &Arc<Access>, href: &str) -> Result<Location, StorageError> {
        let href = address::join("", href)?;
        Self::open(&href, access.check(&href)?.then(|| Arc::clone(access)))
    }

    /// A local file or folder; relative paths start at the working directory.
    pub fn local(path: &Path) -> Result<Location, StorageError> {
        let address = || StorageError::Address(path.display().to_string());
        let absolute = std::path::absolute(path).map_err(|_| address())?;
        let clean = address::clean(&absolute);
        let inside = object_store::path::Path::from_absolute_path(&clean).map_err(|_| address())?;
        let href = clean.display().to_string();
        Ok(Location { place: Place::Local(inside), href, access: None })
    }

    /// A folder of computed objects, under the address of the file that describes it and on its behalf.
    pub fn view(view: Arc<dyn View>, file: &Location) -> Location {
        let place = Place::View(view, String::new());
        Location { place, href: file.href.clone(), access: file.access.clone() }
    }

    /// What `href` means in the document at this location; on the same behalf.
    pub fn relative(&self, href: &str) -> Result<Location, StorageError> {
        let href = address::relative(&self.href, href)?;
        match &self.access {
            Some(access) => Self::requested(access, &href),
            None => Self::open(&href, None),
        }
    }

    /// A file that the document at this location refers to, which may come from anybody: a document from elsewhere never
    /// leads to local files.
    ///
    /// # Errors
    /// [`StorageError::Forbidden`], and what [`Location::relative`] says.
    pub fn referred(&self, href: &str) -> Result<Location, StorageError> {
        let found = self.relative(href)?;
        if found.as_local().is_some() && self.as_local().is_none() {
            let reason = "a document from elsewhere leads to it";
            return Err(StorageError::Forbidden { href: href.to_owned(), reason });
        }
        Ok(found)
    }

    /// The object of that name inside this folder (`/` separates levels). The query of a URL stays.
    pub fn join(&self, name: &str) -> Location {
        let place = match &self.place {
            Place::Http(url) => {
                let mut url = url.clone();
                // Fails for addresses without a host only, which `http` has.
                if let Ok(mut path) = url.path_segments_mut() {
                    path.pop_if_empty().extend(name.split('/').filter(|part| !part.is_empty()));
                }
                let href = url.to_string();
                return Location { place: Place::Http(url), href, access: self.access.clone() };
            }
            Place::Local(path) => Place::Local(below(path, name)),
            Place::Bucket(bucket, path) => {
                // Keys are what they are: those of a listing are found again.
                let key = format!("{path}/{}", name.trim_matches('/'));
                let key = object_store::path::Path::parse(&key);
                Place::Bucket(Arc::clone(bucket), key.unwrap_or_else(|_| below(path, name)))
            }
            Place::View(view, key) => {
                let parts = [key.as_str()].into_iter().chain(name.split('/'));
                let parts: Vec<&str> = parts.filter(|part| !part.is_empty()).collect();
                Place::View(Arc::clone(view), parts.join("/"))
            }
        };
        let href = format!("{}/{}", self.href.trim_end_matches('/'), name.trim_matches('/'));
        Location { place, href, access: self.access.clone() }
    }

    /// The folder this object is in. The query of a URL stays.
    pub fn parent(&self) -> Result<Location, StorageError> {
        let folder = self.relative(".")?;
        let (Place::Http(url), Place::Http(own)) = (&folder.place, &self.place) else {
            return Ok(folder);
        };
        let mut url = url.clone();
        url.set_query(own.query());
        Ok(folder.moved(url))
    }

    /// The address as a user would write it, secrets included.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// Whether a request and not the operator brought the address, so that whoever opens it again has to check it
    /// again.
    pub fn is_requested(&self) -> bool {
        self.access.is_some()
    }

    /// On whose behalf it is read, where that is a request's.
    pub fn access(&self) -> Option<&Arc<Access>> {
        self.access.as_ref()
    }

    /// The local file, where it is one.
    pub fn as_local(&self) -> Option<&Path> {
        matches!(self.place, Place::Local(_)).then(|| Path::new(&self.href))
    }

    /// The URL, where it is on the web.
    pub fn as_url(&self) -> Option<&Url> {
        if let Place::Http(url) = &self.place { Some(url) } else { None }
    }

    /// All bytes.
    pub async fn read(&self) -> Result<Bytes, StorageError> {
        match &self.place {
            Place::Http(url) => http::get(url, self.guarded(), u64::MAX).await.map(|a| a.bytes),
            Place::Local(path) => whole(&LocalFileSystem::new(), path, self).await,
            Place::Bucket(bucket, path) => {
                let _permit = bucket.permit(&self.href).await?;
                whole(bucket.store(), path, self).await
            }
            Place::View(view, key) => view.read(key, None).await,
        }
    }

    /// A document that is kept in memory as a whole, of at most [`MOST_DOCUMENT`] bytes, and where it came from in the
    /// end: its relative addresses start there.
    pub async fn read_document(&self) -> Result<(Location, Bytes), StorageError> {
        if let Place::Http(url) = &self.place {
            let answer = http::get(url, self.guarded(), MOST_DOCUMENT).await?;
            return Ok((self.moved(answer.url), answer.bytes));
        }
        Ok((self.clone(), self.read_at_most(MOST_DOCUMENT).await?))
    }

    /// All bytes, of at most `limit`.
    ///
    /// # Errors
    /// [`StorageError::TooLarge`], before more than that is read.
    pub async fn read_at_most(&self, limit: u64) -> Result<Bytes, StorageError> {
        if let Place::Http(url) = &self.place {
            return http::get(url, self.guarded(), limit).await.map(|answer| answer.bytes);
        }
        let (size, _) = self.version().await?;
        if size > limit {
            return Err(StorageError::TooLarge { href: shown(&self.href), limit });
        }
        self.read().await
    }

    /// All bytes, of at most `limit`, with their entity tag where there is one; `None` if it is the one that is `known`.
    ///
    /// # Errors
    /// Those of [`Location::read_at_most`].
    pub async fn read_newer(
        &self,
        limit: u64,
        known: Option<&str>,
    ) -> Result<Option<(Bytes, Option<String>)>, StorageError> {
        if let Place::Http(url) = &self.place {
            return http::get_newer(url, self.guarded(), limit, known).await;
        }
        Ok(Some((self.read_at_most(limit).await?, None)))
    }

    /// The document with which a web service answers to another one.
    ///
    /// # Errors
    /// [`StorageError::Address`] for anything that is not on the web, and what the server says.
    pub async fn ask(
        &self,
        body: &serde_json::Value,
        headers: &BTreeMap<String, String>,
    ) -> Result<(Location, Bytes), StorageError> {
        let url = self.as_url().ok_or_else(|| StorageError::Address(self.href.clone()))?;
        let answer = http::post(url, self.guarded(), MOST_DOCUMENT, body, headers).await?;
        Ok((self.moved(answer.url), answer.bytes))
    }

    /// The bytes of `range`.
    pub async fn read_range(&self, range: Range<u64>) -> Result<Bytes, StorageError> {
        match &self.place {
            Place::Http(url) => http::get_range(url, self.guarded(), range).await,
            Place::Local(path) => {
                let store = LocalFileSystem::new();
                store.get_range(path, range).await.map_err(|e| self.error(e))
            }
            Place::Bucket(bucket, path) => {
                let _permit = bucket.permit(&self.href).await?;
                bucket.store().get_range(path, range).await.map_err(|e| self.error(e))
            }
            Place::View(view, key) => view.read(key, Some(range)).await,
        }
    }

    /// The bytes of every range, in their order; neighbours come by one request.
    pub async fn read_ranges(&self, ranges: &[Range<u64>]) -> Result<Vec<Bytes>, StorageError> {
        match &self.place {
            Place::Local(path) => {
                let store = LocalFileSystem::new();
                store.get_ranges(path, ranges).await.map_err(|e| self.error(e))
            }
            Place::Http(_) | Place::Bucket(..) | Place::View(..) => {
                let near = object_store::OBJECT_STORE_COALESCE_DEFAULT;
                object_store::coalesce_ranges(ranges, |range| self.read_range(range), near).await
            }
        }
    }

    /// All bytes, or `None` where there is no such object.
    pub async fn read_optional(&self) -> Result<Option<Bytes>, StorageError> {
        match self.read().await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Size and a token that changes with the content (see [`Stamp`]).
    pub async fn version(&self) -> Result<(u64, String), StorageError> {
        self.stamp().await.map(|stamp| (stamp.size, stamp.token))
    }

    /// What the store says of the object.
    pub async fn stamp(&self) -> Result<Stamp, StorageError> {
        let meta = match &self.place {
            Place::Http(url) => return http::stamp(url, self.guarded()).await,
            Place::View(view, key) => {
                let (size, token) = view.version(key).await?;
                return Ok(Stamp { size, token, modified: None });
            }
            Place::Local(path) => LocalFileSystem::new().head(path).await,
            Place::Bucket(bucket, path) => {
                let _permit = bucket.permit(&self.href).await?;
                bucket.store().head(path).await
            }
        };
        let meta = meta.map_err(|e| self.error(e))?;
        let token = (meta.e_tag)
            .unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_millis()));
        Ok(Stamp { size: meta.size, token, modified: Some(meta.last_modified.timestamp()) })
    }

    /// What is directly inside this folder; `None` where the store cannot tell (HTTP). A folder that is not there is
    /// empty in a bucket.
    ///
    /// # Errors
    /// [`StorageError::Read`] for more than [`MOST_LISTED`] entries, and what the store says.
    pub async fn list(&self) -> Result<Option<Listing>, StorageError> {
        let (listed, _permit) = match &self.place {
            Place::Http(_) | Place::View(..) => return Ok(None),
            Place::Local(path) => {
                (LocalFileSystem::new().list_with_delimiter(Some(path)).await, None)
            }
            Place::Bucket(bucket, path) => {
                let permit = bucket.permit(&self.href).await?;
                (bucket.store().list_with_delimiter(Some(path)).await, Some(permit))
            }
        };
        let listed = listed.map_err(|e| self.error(e))?;
        if listed.common_prefixes.len() + listed.objects.len() > MOST_LISTED {
            let reason = format!("more than {MOST_LISTED} entries in one folder");
            return Err(StorageError::Read { href: self.href.clone(), reason });
        }
        let name = |path: &object_store::path::Path| path.filename().map(str::to_owned);
        let mut listing = Listing {
            folders: listed.common_prefixes.iter().filter_map(name).collect(),
            files: listed.objects.iter().filter_map(|object| name(&object.location)).collect(),
        };
        listing.folders.sort();
        listing.files.sort();
        Ok(Some(listing))
    }

    fn open(href: &str, access: Option<Arc<Access>>) -> Result<Location, StorageError> {
        let address = || StorageError::Address(shown(href));
        let place = match Scheme::of(href) {
            None => {
                let local = Self::local(Path::new(href))?;
                return Ok(Location { access, ..local });
            }
            Some(Scheme::Http) => Place::Http(Url::parse(href).map_err(|_| address())?),
            Some(Scheme::Bucket(_)) => {
                let (root, key) = address::split_bucket(href).ok_or_else(address)?;
                let path = object_store::path::Path::parse(key).map_err(|_| address())?;
                Place::Bucket(Bucket::open(root)?, path)
            }
            Some(Scheme::File | Scheme::Unknown) => return Err(address()),
        };
        Ok(Location { place, href: href.to_owned(), access })
    }

    /// Where a redirect led to.
    fn moved(&self, url: Url) -> Location {
        let href = url.to_string();
        Location { place: Place::Http(url), href, access: self.access.clone() }
    }

    /// Whether private addresses are refused when the host's name is looked up.
    fn guarded(&self) -> bool {
        self.access.as_ref().is_some_and(|access| access.guards(&self.href))
    }

    fn error(&self, error: object_store::Error) -> StorageError {
        bucket::explain(&self.href, error)
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", shown(&self.href))
    }
}

/// An address for people and logs: without query, where signatures stand.
pub fn shown(href: &str) -> String {
    match href.split_once('?') {
        Some((address, _)) if href.contains("://") => format!("{address}?…"),
        _ => href.to_owned(),
    }
}

/// The folder of a path, for relative references of the documents in it.
pub(crate) fn folder_of(path: &Path) -> PathBuf {
    path.parent().unwrap_or(Path::new("/")).to_path_buf()
}

fn below(path: &object_store::path::Path, name: &str) -> object_store::path::Path {
    name.split('/').filter(|part| !part.is_empty()).fold(path.clone(), |path, part| path.join(part))
}

async fn whole(
    store: &dyn ObjectStore,
    path: &object_store::path::Path,
    location: &Location,
) -> Result<Bytes, StorageError> {
    let result = store.get(path).await.map_err(|e| location.error(e))?;
    result.bytes().await.map_err(|e| location.error(e))
}
