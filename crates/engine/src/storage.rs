//! Objects by address: local files and HTTP(S), through `object_store`.
//!
//! This module turns what a user writes (a path or a URL) into a [`Location`] and gives bytes by range. It does
//! not interpret them (see [`crate::source`]) and it does not cache.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use object_store::http::HttpBuilder;
use object_store::local::LocalFileSystem;
use object_store::{ClientOptions, ObjectStore, ObjectStoreExt};
use thiserror::Error;
use url::Url;

/// Hosts whose clients are kept.
const MAX_HOSTS: usize = 256;

/// Where an object or a folder of objects is: a store and a path in it.
#[derive(Clone)]
pub struct Location {
    store: Arc<dyn ObjectStore>,
    path: object_store::path::Path,
    href: String,
}

/// Why bytes could not be had.
#[derive(Debug, Error)]
pub enum StorageError {
    #[error("`{0}` is neither a path nor an http(s) URL")]
    Address(String),
    #[error("`{0}` does not exist")]
    NotFound(String),
    #[error("cannot read `{href}`: {source}")]
    Read { href: String, source: object_store::Error },
}

impl Location {
    /// A local path (absolute, or relative to `base`) or an `http(s)` URL. `base` may be a folder or a URL.
    pub fn resolve(base: &str, href: &str) -> Result<Location, StorageError> {
        let is_url = |text: &str| text.starts_with("http://") || text.starts_with("https://");
        if is_url(href) {
            return Self::http(href);
        }
        if is_url(base) {
            let joined = Url::parse(base).and_then(|url| url.join(href));
            return Self::http(
                joined.map_err(|_| StorageError::Address(href.to_owned()))?.as_str(),
            );
        }
        let href = href.strip_prefix("file://").unwrap_or(href);
        Self::local(&Path::new(base).join(href))
    }

    /// A local file or folder; relative paths start at the working directory.
    pub fn local(path: &Path) -> Result<Location, StorageError> {
        let address = || StorageError::Address(path.display().to_string());
        let absolute = std::path::absolute(path).map_err(|_| address())?;
        let clean = clean(&absolute);
        let inside = object_store::path::Path::from_absolute_path(&clean).map_err(|_| address())?;
        Ok(Location {
            store: Arc::new(LocalFileSystem::new()),
            path: inside,
            href: clean.display().to_string(),
        })
    }

    /// The object of that name inside this folder (`/` separates levels).
    pub fn join(&self, name: &str) -> Location {
        let mut path = self.path.clone();
        for part in name.split('/').filter(|part| !part.is_empty()) {
            path = path.join(part);
        }
        let href = format!("{}/{}", self.href.trim_end_matches('/'), name.trim_matches('/'));
        Location { store: Arc::clone(&self.store), path, href }
    }

    /// The address as a user would write it.
    pub fn href(&self) -> &str {
        &self.href
    }

    /// The local file, where it is one.
    pub fn as_local(&self) -> Option<&Path> {
        (!self.href.starts_with("http")).then(|| Path::new(&self.href))
    }

    /// The store and the path in it, for libraries that read through `object_store`.
    pub fn object(&self) -> (Arc<dyn ObjectStore>, object_store::path::Path) {
        (Arc::clone(&self.store), self.path.clone())
    }

    /// All bytes.
    pub async fn read(&self) -> Result<Bytes, StorageError> {
        let result = self.store.get(&self.path).await.map_err(|e| self.error(e))?;
        result.bytes().await.map_err(|e| self.error(e))
    }

    /// The bytes of `range`.
    pub async fn read_range(&self, range: std::ops::Range<u64>) -> Result<Bytes, StorageError> {
        self.store.get_range(&self.path, range).await.map_err(|e| self.error(e))
    }

    /// The bytes of every range, in their order; neighbours come by one request.
    pub async fn read_ranges(
        &self,
        ranges: &[std::ops::Range<u64>],
    ) -> Result<Vec<Bytes>, StorageError> {
        self.store.get_ranges(&self.path, ranges).await.map_err(|e| self.error(e))
    }

    /// All bytes, or `None` where there is no such object.
    pub async fn read_optional(&self) -> Result<Option<Bytes>, StorageError> {
        match self.read().await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(StorageError::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Size and a token that changes with the content (ETag, or size and modification time).
    pub async fn version(&self) -> Result<(u64, String), StorageError> {
        let meta = self.store.head(&self.path).await.map_err(|e| self.error(e))?;
        let token = (meta.e_tag)
            .unwrap_or_else(|| format!("{}-{}", meta.size, meta.last_modified.timestamp_millis()));
        Ok((meta.size, token))
    }

    fn http(href: &str) -> Result<Location, StorageError> {
        let address = || StorageError::Address(href.to_owned());
        let url = Url::parse(href).map_err(|_| address())?;
        let store = http_store(&url[..url::Position::BeforePath]).map_err(|_| address())?;
        let path = object_store::path::Path::from_url_path(url.path()).map_err(|_| address())?;
        Ok(Location { store, path, href: href.to_owned() })
    }

    fn error(&self, error: object_store::Error) -> StorageError {
        match error {
            object_store::Error::NotFound { .. } => StorageError::NotFound(self.href.clone()),
            source => StorageError::Read { href: self.href.clone(), source },
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({})", self.href)
    }
}

/// The store of a host: one client each, which keeps its connections. Making one takes tens of milliseconds.
fn http_store(root: &str) -> object_store::Result<Arc<dyn ObjectStore>> {
    static STORES: Mutex<BTreeMap<String, Arc<dyn ObjectStore>>> = Mutex::new(BTreeMap::new());
    let mut stores = STORES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(store) = stores.get(root) {
        return Ok(Arc::clone(store));
    }
    // A client cannot be made without a provider; if the program chose one already, that one stays.
    drop(rustls::crypto::ring::default_provider().install_default());
    let options = ClientOptions::new().with_allow_http(true);
    let store = HttpBuilder::new().with_url(root).with_client_options(options).build()?;
    let store: Arc<dyn ObjectStore> = Arc::new(store);
    if stores.len() >= MAX_HOSTS {
        stores.clear();
    }
    stores.insert(root.to_owned(), Arc::clone(&store));
    Ok(store)
}

/// Resolves `.` and `..` by text alone, so that a relative href of a catalogue needs no existing file.
fn clean(path: &Path) -> PathBuf {
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
